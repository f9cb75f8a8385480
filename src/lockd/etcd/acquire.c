/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How lockd.etcd acquires a lock, across several runs of one op: grant a lease,
 * enter the wait queue, find the predecessor, take the lock.
 *
 * Every step is idempotent: the next run finds by the waiter's name what an
 * earlier run did not finish or got no answer for.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lockd/etcd/connection.h"

enum {
    /* The lease of a waiter, unless its time to live is shorter. */
    WAITER_TTL_MS = 30000,
    RECHECK_MS = 5000, /* a waiter checks the queue at least so often */
    ATTEMPTS_MAX = 3,  /* of a waiter whose lease has expired, in one run */
    REVOKE_MS = 1000,  /* the deadline of clean-up requests */
};

struct sl_lockd_etcd_call
sl_lockd_etcd_call_new(const struct sl_lockd_etcd_connection *connection,
                       sl_deadline deadline)
{
    return (struct sl_lockd_etcd_call){.conn = connection->conn,
                                       .deadline = deadline};
}

struct sl_bytes
sl_lockd_etcd_key(const struct sl_lockd_etcd_connection *connection,
                  const char *name, struct sl_buf *out)
{
    sl_buf_clear(out); /* the buffer is large enough */
    if (sl_buf_append(out, sl_buf_bytes(&connection->queue_prefix), NULL) !=
            SL_OK ||
        sl_buf_append(out, sl_bytes_of(name), NULL) != SL_OK)
        sl_buf_clear(out);
    return sl_buf_bytes(out);
}

static void write_holder(const struct sl_lockd_etcd_waiter *waiter,
                         struct sl_lockd_answer *answer)
{
    snprintf(answer->holder, sizeof(answer->holder), "%s.%" PRId64 ".%" PRId64,
             waiter->name, waiter->lease, waiter->revision);
}

/* Grant a lease; its time to live begins now. */
static enum sl_status grant_lease(struct sl_lockd_etcd_call *call,
                                  struct sl_lockd_etcd_waiter *waiter,
                                  uint64_t ttl_ms, struct sl_error *err)
{
    int64_t lease, lease_ms = (int64_t)ttl_ms, now = sl_lock_clock();
    enum sl_status status =
        sl_lockd_etcd_lease_grant(call, &lease, &lease_ms, err);

    if (status != SL_OK)
        return status;
    waiter->lease = lease;
    waiter->lease_ms = lease_ms;
    waiter->renewed_at = now;
    return SL_OK;
}

static enum sl_status renew_lease(struct sl_lockd_etcd_call *call,
                                  struct sl_lockd_etcd_waiter *waiter,
                                  struct sl_error *err)
{
    int64_t now = sl_lock_clock();
    enum sl_status status =
        sl_lockd_etcd_lease_keep_alive(call, waiter->lease, err);

    if (status == SL_OK)
        waiter->renewed_at = now;
    return status;
}

/* Enter the queue.  SL_CONFLICT: the lock is held and the op may not wait. */
static enum sl_status enter_queue(struct sl_lockd_etcd_connection *connection,
                                  struct sl_op *op,
                                  struct sl_lockd_etcd_call *call,
                                  struct sl_lockd_etcd_waiter *waiter,
                                  bool *first, struct sl_error *err)
{
    uint64_t ttl_ms = sl_lockd_request_of(op)->ttl_ms;
    bool waits = sl_op_may_wait(op);

    if (waits && ttl_ms > WAITER_TTL_MS)
        ttl_ms = WAITER_TTL_MS;
    enum sl_status status =
        waiter->lease != 0 ? SL_OK : grant_lease(call, waiter, ttl_ms, err);
    if (status == SL_OK)
        status = sl_lockd_etcd_enqueue(
            call, sl_buf_bytes(&connection->queue_prefix), waiter->name,
            waiter->lease, waits, &waiter->revision, first, err);
    if (status == SL_OK && waiter->revision == 0)
        status = sl_fail(err, SL_CONFLICT, "another one holds the lock");
    return status;
}

/* SL_OK: the waiter is first in the queue; SL_CONFLICT: it is not. */
static enum sl_status check_queue(struct sl_lockd_etcd_connection *connection,
                                  struct sl_lockd_etcd_call *call,
                                  struct sl_lockd_etcd_waiter *waiter,
                                  struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf before = SL_BUF(SL_LOCKD_ETCD_KEY_MAX);
    int64_t seen = 0, pause_ms = waiter->lease_ms / 3;
    enum sl_status status = renew_lease(call, waiter, err);

    if (status == SL_OK)
        status = sl_lockd_etcd_find_predecessor(
            call, sl_buf_bytes(&connection->queue_prefix), waiter->name,
            waiter->revision, &before, &seen, err);
    if (status != SL_OK || before.len == 0)
        return status;
    sl_lockd_etcd_queue_wait(connection->store->queue, waiter,
                             sl_buf_bytes(&before), seen);
    waiter->check_at =
        sl_deadline_in_ms(pause_ms < RECHECK_MS ? pause_ms : RECHECK_MS);
    return sl_fail(err, SL_CONFLICT, "another one holds the lock");
}

/*
 * The waiter is first: attach a lease with the requested time to live.  The old
 * lease counts until etcd has confirmed the new one: a grant must not depend on
 * a lease that is about to be revoked.
 */
static enum sl_status take_lock(struct sl_lockd_etcd_connection *connection,
                                struct sl_op *op,
                                struct sl_lockd_etcd_call *call,
                                struct sl_lockd_etcd_waiter *waiter,
                                struct sl_error *err)
{
    uint64_t ttl_ms = sl_lockd_request_of(op)->ttl_ms;
    const struct sl_lockd_etcd_waiter old = *waiter;

    if ((uint64_t)waiter->lease_ms >= ttl_ms)
        return SL_OK;
    enum sl_status status = grant_lease(call, waiter, ttl_ms, err);
    if (status != SL_OK)
        return status;
    status = sl_lockd_etcd_set_lease(
        call, sl_buf_bytes(&connection->queue_prefix), waiter->name,
        waiter->revision, waiter->lease, err);
    sl_lockd_etcd_queue_defer_revoke(
        connection->store->queue, status == SL_OK ? old.lease : waiter->lease);
    if (status != SL_OK) {
        waiter->lease = old.lease;
        waiter->lease_ms = old.lease_ms;
        waiter->renewed_at = old.renewed_at;
    }
    return status;
}

/* SL_OK: granted.  SL_CONFLICT: not yet.  SL_NOT_FOUND: the lease has
 * expired. */
static enum sl_status
advance_waiter(struct sl_lockd_etcd_connection *connection, struct sl_op *op,
               struct sl_lockd_etcd_call *call,
               struct sl_lockd_etcd_waiter *waiter, struct sl_error *err)
{
    bool first = false;
    enum sl_status status = SL_OK;

    if (waiter->revision == 0)
        status = enter_queue(connection, op, call, waiter, &first, err);
    else if (!sl_lockd_etcd_queue_is_due(connection->store->queue, waiter) &&
             !sl_deadline_passed(waiter->check_at))
        return sl_fail(err, SL_CONFLICT, "another one holds the lock");
    if (status == SL_OK && !first)
        status = check_queue(connection, call, waiter, err);
    return status == SL_OK ? take_lock(connection, op, call, waiter, err)
                           : status;
}

/* Revoking the lease deletes the waiter's key. */
void sl_lockd_etcd_cancel(struct sl_lockd_etcd_connection *connection,
                          struct sl_op *op, struct sl_lockd_etcd_waiter *waiter)
{
    struct sl_lockd_etcd_queue *queue = connection->store->queue;
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, sl_deadline_in_ms(REVOKE_MS));
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_LOCKD_ETCD_KEY_MAX);
    struct sl_error err;

    /* Other waiters depend on it only if its key exists. */
    if (waiter->revision == 0 ||
        sl_lockd_etcd_lease_revoke(&call, waiter->lease, &err) != SL_OK)
        sl_lockd_etcd_queue_defer_revoke(queue, waiter->lease);
    else if (sl_lockd_etcd_queue_on_deleted(
                 queue, sl_lockd_etcd_key(connection, waiter->name, &key), 0))
        op->changed = true;
    op->waiter_id = 0;
    sl_lockd_etcd_queue_remove(queue, waiter);
}

static void answer_etcd_grant(struct sl_lockd_etcd_connection *connection,
                              struct sl_op *op,
                              struct sl_lockd_etcd_waiter *waiter)
{
    struct sl_lockd_answer *answer = op->answer;

    write_holder(waiter, answer);
    answer->fencing_token = (uint64_t)waiter->revision;
    answer->ttl_ms = (uint64_t)waiter->lease_ms;
    answer->asked_at = waiter->renewed_at;
    op->waiter_id = 0;
    sl_lockd_etcd_queue_remove(connection->store->queue, waiter);
}

static struct sl_lockd_etcd_waiter *
waiter_of(struct sl_lockd_etcd_connection *connection, struct sl_op *op)
{
    struct sl_lockd_etcd_queue *queue = connection->store->queue;
    struct sl_lockd_etcd_waiter *waiter =
        op->waiter_id == 0 ? NULL
                           : sl_lockd_etcd_queue_find(queue, op->waiter_id);

    if (waiter == NULL)
        waiter = sl_lockd_etcd_queue_add(queue);
    op->waiter_id = waiter->ticket;
    return waiter;
}

void sl_lockd_etcd_acquire(struct sl_lockd_etcd_connection *connection,
                           struct sl_op *op)
{
    struct sl_lockd_etcd_waiter *waiter = waiter_of(connection, op);
    struct sl_lockd_etcd_queue *queue = connection->store->queue;
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, op->deadline);
    enum sl_status status = SL_NOT_FOUND;
    struct sl_error err;

    for (int i = 0; i < ATTEMPTS_MAX && status == SL_NOT_FOUND; i++) {
        if (i > 0) {
            sl_lockd_etcd_queue_defer_revoke(queue, waiter->lease);
            sl_lockd_etcd_queue_reset(queue, waiter);
        }
        status = advance_waiter(connection, op, &call, waiter, &err);
    }
    if (status == SL_OK) {
        answer_etcd_grant(connection, op, waiter);
        return;
    }
    if (status == SL_NOT_FOUND)
        status = sl_fail(&err, SL_UNAVAILABLE,
                         "etcd: the lease expires as soon as it is granted");
    sl_op_fail(op, &err);
    /* A retry continues where this run stopped, so it is safe. */
    op->unsent = status == SL_UNAVAILABLE || status == SL_TIMEOUT;
    if (!op->unsent && (status != SL_CONFLICT || !sl_op_may_wait(op))) {
        sl_lockd_etcd_cancel(connection, op, waiter);
        return;
    }
    if (status == SL_CONFLICT) {
        op->retry_at = waiter->check_at;
        op->position = waiter->revision;
    }
    sl_lockd_etcd_queue_park(queue, waiter, 2 * WAITER_TTL_MS);
}

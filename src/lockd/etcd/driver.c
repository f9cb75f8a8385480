/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd: every holder and every waiter of a lock owns one key with a lease
 * (call.h).
 *
 * The fencing token is the create revision of the holder's key.  A waiter knows
 * the key just before its own and checks the queue again when that key is
 * deleted: this process released it, or the watch, which all connections share,
 * reported it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lockd/etcd/connection.h"

enum {
    REVOKE_MS = 1000, /* the deadline of clean-up requests */
    REVOKES_PER_IDLE = 16,
    WATCH_RETRY_MS = 1000, /* after a watch failed */
};

static const struct sl_option option_table[] = {
    SL_ETCD_OPTIONS("slight/lockd/",
                    "put in front of the key of every lock on the server"),
    {0},
};

/* --- Holders: the identity of a grant ------------------------------------ */

struct holder {
    char name[SL_LOCKD_ETCD_NAME_LEN + 1];
    int64_t lease;
    int64_t revision;
};

/* False: acquire.c did not write this text. */
static bool read_holder(struct sl_bytes text, struct holder *holder)
{
    if (text.len <= SL_LOCKD_ETCD_NAME_LEN ||
        text.ptr[SL_LOCKD_ETCD_NAME_LEN] != '.')
        return false;
    memcpy(holder->name, text.ptr, SL_LOCKD_ETCD_NAME_LEN);
    holder->name[SL_LOCKD_ETCD_NAME_LEN] = '\0';
    if (strspn(holder->name, "0123456789abcdef") != SL_LOCKD_ETCD_NAME_LEN)
        return false;
    text = SL_BYTES(text.ptr + SL_LOCKD_ETCD_NAME_LEN + 1,
                    text.len - SL_LOCKD_ETCD_NAME_LEN - 1);
    const uint8_t *dot = memchr(text.ptr, '.', text.len);
    if (dot == NULL)
        return false;
    size_t len = (size_t)(dot - text.ptr);
    return sl_bytes_to_integer(SL_BYTES(text.ptr, len), &holder->lease) &&
           sl_bytes_to_integer(SL_BYTES(dot + 1, text.len - len - 1),
                               &holder->revision);
}

/* --- The other verbs ------------------------------------------------------ */

static void refuse_etcd_op(struct sl_op *op, enum sl_status status,
                           const struct sl_error *why)
{
    struct sl_error err;

    if (status == SL_NOT_FOUND) {
        sl_fail(&err, SL_CONFLICT, "the lock was lost");
        why = &err;
    }
    op->full = sl_etcd_is_full(why);
    sl_op_fail(op, why);
}

static void renew_lock(struct sl_lockd_etcd_connection *connection,
                       struct sl_op *op)
{
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, op->deadline);
    struct holder holder;
    struct sl_error err;

    if (!read_holder(sl_lockd_request_of(op)->holder, &holder)) {
        refuse_etcd_op(op, SL_NOT_FOUND, NULL);
        return;
    }
    enum sl_status status =
        sl_lockd_etcd_lease_keep_alive(&call, holder.lease, &err);
    /* The lease outlives the key if an operator deletes the key. */
    if (status == SL_OK)
        status = sl_lockd_etcd_check_key(
            &call, sl_buf_bytes(&connection->queue_prefix), holder.name,
            holder.revision, &err);
    if (status != SL_OK)
        refuse_etcd_op(op, status, &err);
}

/*
 * Check the key, then revoke the lease, which deletes the key: a lock that is
 * held when the release arrives is held until the revocation.
 */
static void release_lock(struct sl_lockd_etcd_connection *connection,
                         struct sl_op *op)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_LOCKD_ETCD_KEY_MAX);
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, op->deadline);
    struct sl_lockd_etcd_queue *queue = connection->store->queue;
    struct holder holder;
    struct sl_error err;

    if (!read_holder(sl_lockd_request_of(op)->holder, &holder)) {
        refuse_etcd_op(op, SL_NOT_FOUND, NULL);
        return;
    }
    enum sl_status status =
        sl_lockd_etcd_check_key(&call, sl_buf_bytes(&connection->queue_prefix),
                                holder.name, holder.revision, &err);
    call.unchanged = true; /* nothing was changed so far */
    if (status == SL_OK)
        status = sl_lockd_etcd_lease_revoke(&call, holder.lease, &err);
    if (status != SL_OK) {
        /* A retry needs the lease; without a retry the lease is revoked
         * later. */
        op->unsent = call.unchanged;
        if (!call.unchanged)
            sl_lockd_etcd_queue_defer_revoke(queue, holder.lease);
        refuse_etcd_op(op, status, &err);
        return;
    }
    op->changed = sl_lockd_etcd_queue_on_deleted(
        queue, sl_lockd_etcd_key(connection, holder.name, &key), 0);
}

static void query_lock(struct sl_lockd_etcd_connection *connection,
                       struct sl_op *op)
{
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, op->deadline);
    struct sl_error err;

    if (sl_lockd_etcd_is_locked(&call, sl_buf_bytes(&connection->queue_prefix),
                                &sl_lockd_answer_of(op)->locked, &err) != SL_OK)
        sl_op_fail(op, &err);
}

/* --- The watch ------------------------------------------------------------ */

static void on_key_deleted(void *context, struct sl_bytes key, int64_t revision)
{
    struct sl_lockd_etcd_store *store = context;

    (void)sl_lockd_etcd_queue_on_deleted(store->queue, key, revision);
}

/* The mutex is held. */
static void close_watch(struct sl_lockd_etcd_store *store)
{
    sl_etcd_watch_free(store->watch);
    store->watch = NULL;
}

/* Run the watch while there are waiters.  The mutex is held. */
static void poll_watch(struct sl_lockd_etcd_connection *connection)
{
    struct sl_lockd_etcd_store *store = connection->store;
    int64_t unseen = sl_lockd_etcd_queue_first_unseen(store->queue);
    struct sl_error err;

    if (unseen == 0) {
        close_watch(store);
        return;
    }
    if (store->watch == NULL && sl_deadline_passed(store->watch_retry_at))
        store->watch = sl_etcd_watch_new(connection->conn, store->prefix,
                                         unseen, on_key_deleted, store);
    if (store->watch == NULL || sl_etcd_watch_poll(store->watch, &err) == SL_OK)
        return;
    close_watch(store);
    store->watch_retry_at = sl_deadline_in_ms(WATCH_RETRY_MS);
    sl_lockd_etcd_queue_wake_all(store->queue);
}

static bool lockd_etcd_changed(void *data)
{
    struct sl_lockd_etcd_connection *connection = data;
    struct sl_lockd_etcd_store *store = connection->store;

    pthread_mutex_lock(&store->mutex);
    poll_watch(connection);
    pthread_mutex_unlock(&store->mutex);
    return sl_lockd_etcd_queue_take_woken(store->queue);
}

/* --- The driver ----------------------------------------------------------- */

static bool set_queue_prefix(struct sl_lockd_etcd_connection *connection,
                             struct sl_op *op)
{
    struct sl_error err;

    sl_buf_clear(&connection->queue_prefix);
    if (sl_lockd_etcd_queue_prefix(&connection->queue_prefix,
                                   connection->store->prefix,
                                   sl_lockd_request_of(op)->key, &err) == SL_OK)
        return true;
    sl_op_fail(op, &err);
    return false;
}

static void lockd_etcd_run(void *data, struct sl_op *const ops[], size_t count)
{
    static void (*const runs[])(struct sl_lockd_etcd_connection *,
                                struct sl_op *) = {
        [SL_LOCKD_ACQUIRE] = sl_lockd_etcd_acquire,
        [SL_LOCKD_RENEW] = renew_lock,
        [SL_LOCKD_RELEASE] = release_lock,
        [SL_LOCKD_IS_LOCKED] = query_lock,
    };
    struct sl_lockd_etcd_connection *connection = data;

    for (size_t i = 0; i < count; i++) {
        sl_lockd_answer_of(ops[i])->asked_at = sl_lock_clock();
        if (set_queue_prefix(connection, ops[i]))
            runs[sl_op_verb(ops[i])](connection, ops[i]);
    }
}

static void lockd_etcd_forget(void *data, struct sl_op *op)
{
    struct sl_lockd_etcd_connection *connection = data;
    struct sl_lockd_etcd_waiter *waiter =
        sl_lockd_etcd_queue_find(connection->store->queue, op->waiter_id);

    if (waiter != NULL && set_queue_prefix(connection, op))
        sl_lockd_etcd_cancel(connection, op, waiter);
}

static bool lockd_etcd_idle(void *data)
{
    struct sl_lockd_etcd_connection *connection = data;
    struct sl_lockd_etcd_store *store = connection->store;
    struct sl_lockd_etcd_call call =
        sl_lockd_etcd_call_new(connection, sl_deadline_in_ms(REVOKE_MS));
    struct sl_error err;
    int64_t lease;

    pthread_mutex_lock(&store->mutex);
    if (sl_lockd_etcd_queue_first_unseen(store->queue) == 0)
        close_watch(store);
    pthread_mutex_unlock(&store->mutex);
    for (int i = 0; i < REVOKES_PER_IDLE; i++) {
        lease = sl_lockd_etcd_queue_next_revoke(store->queue);
        enum sl_status status =
            lease == 0 ? SL_CONFLICT
                       : sl_lockd_etcd_lease_revoke(&call, lease, &err);
        if (status != SL_OK && status != SL_NOT_FOUND)
            break; /* the rest expires by itself */
    }
    return false;
}

static enum sl_status lockd_etcd_open(void *data, sl_deadline deadline,
                                      void **out, struct sl_error *err)
{
    struct sl_lockd_etcd_store *store = data;
    struct sl_lockd_etcd_connection *connection = sl_alloc(sizeof(*connection));

    connection->store = store;
    connection->queue_prefix = (struct sl_buf)SL_BUF(SL_LOCKD_ETCD_KEY_MAX);
    enum sl_status status =
        sl_etcd_open(store->etcd, deadline, &connection->conn, err);
    if (status != SL_OK) {
        free(connection);
        return status;
    }
    /* Another connection may have failed without the watch noticing it. */
    pthread_mutex_lock(&store->mutex);
    close_watch(store);
    pthread_mutex_unlock(&store->mutex);
    *out = connection;
    return SL_OK;
}

static void lockd_etcd_close(void *data)
{
    struct sl_lockd_etcd_connection *connection = data;

    sl_etcd_close(connection->conn);
    sl_buf_done(&connection->queue_prefix);
    free(connection);
}

static enum sl_status lockd_etcd_store_new(const void *data, void **out,
                                           struct sl_error *err)
{
    const struct sl_etcd_options *options = data;
    struct sl_lockd_etcd_store *store = sl_alloc(sizeof(*store));
    enum sl_status status = sl_etcd_new(options, &store->etcd, err);

    if (status != SL_OK) {
        free(store);
        return status;
    }
    store->prefix = sl_bytes_of(options->prefix);
    store->queue = sl_lockd_etcd_queue_new();
    pthread_mutex_init(&store->mutex, NULL);
    *out = store;
    return SL_OK;
}

static void lockd_etcd_store_free(void *data)
{
    struct sl_lockd_etcd_store *store = data;

    close_watch(store);
    sl_lockd_etcd_queue_free(store->queue);
    sl_etcd_free(store->etcd);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_etcd = {
    .name = "lockd.etcd",
    .service = "etcd 3.4 or newer",
    .summary =
        "keys with leases in an etcd cluster, ordered by their create revision",
    .options = option_table,
    .options_size = sizeof(struct sl_etcd_options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .max_batch = 1,
    .risks = sl_etcd_risks,
    .store_new = lockd_etcd_store_new,
    .store_free = lockd_etcd_store_free,
    .open = lockd_etcd_open,
    .close = lockd_etcd_close,
    .run = lockd_etcd_run,
    .idle = lockd_etcd_idle,
    .changed = lockd_etcd_changed,
    .forget = lockd_etcd_forget,
};

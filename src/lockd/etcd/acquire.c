/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How lockd.etcd acquires a lock, from one run of the op to the next: a lease,
 * a place in the line, a look at who stands before, and the lock.
 *
 * Every step may be done again: what a run left unfinished, or does not know
 * the end of, the next one finds by the candidate's name.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lockd/etcd/state.h"

enum {
    /* Who waits is passed over when it has not been heard of for so long, or
     * for the time to live that it wants, where that is shorter. */
    LINE_MS = 30000,
    LOOK_MS = 5000,   /* whoever waits looks at least so often */
    STARTS_MAX = 3,   /* of a candidate whose lease is gone, in one run */
    REVOKE_MS = 1000, /* what may not take long */
};

struct sl_etcd_lock_call
sl_etcd_lock_call_by(const struct sl_etcd_lock_state *state,
                     sl_deadline deadline)
{
    return (struct sl_etcd_lock_call){.conn = state->conn,
                                      .deadline = deadline};
}

struct sl_bytes sl_etcd_lock_key(const struct sl_etcd_lock_state *state,
                                 const char *name, struct sl_buf *out)
{
    sl_buf_clear(out); /* it is large enough */
    if (sl_buf_append(out, sl_buf_bytes(&state->line), NULL) != SL_OK ||
        sl_buf_append(out, sl_bytes_of(name), NULL) != SL_OK)
        sl_buf_clear(out);
    return sl_buf_bytes(out);
}

static void write_holder(const struct sl_etcd_candidate *candidate,
                         struct sl_lockd_answer *answer)
{
    snprintf(answer->holder, sizeof(answer->holder), "%s.%" PRId64 ".%" PRId64,
             candidate->name, candidate->lease, candidate->revision);
}

/* A lease, of which the time to live begins now. */
static enum sl_status be_granted(struct sl_etcd_lock_call *call,
                                 struct sl_etcd_candidate *candidate,
                                 uint64_t ttl_ms, struct sl_error *err)
{
    int64_t lease, lease_ms = (int64_t)ttl_ms, now = sl_lock_clock();
    enum sl_status status = sl_etcd_lease_grant(call, &lease, &lease_ms, err);

    if (status != SL_OK)
        return status;
    candidate->lease = lease;
    candidate->lease_ms = lease_ms;
    candidate->fresh_at = now;
    return SL_OK;
}

static enum sl_status keep_alive(struct sl_etcd_lock_call *call,
                                 struct sl_etcd_candidate *candidate,
                                 struct sl_error *err)
{
    int64_t now = sl_lock_clock();
    enum sl_status status = sl_etcd_lease_keep(call, candidate->lease, err);

    if (status == SL_OK)
        candidate->fresh_at = now;
    return status;
}

/* Stand in line, or first of all; SL_CONFLICT: neither is wanted. */
static enum sl_status enter(struct sl_etcd_lock_state *state, struct sl_op *op,
                            struct sl_etcd_lock_call *call,
                            struct sl_etcd_candidate *candidate, bool *first,
                            struct sl_error *err)
{
    uint64_t ttl_ms = sl_lockd_request_of(op)->ttl_ms;
    bool waits = sl_op_may_wait(op);

    if (waits && ttl_ms > LINE_MS)
        ttl_ms = LINE_MS;
    enum sl_status status = candidate->lease != 0
                                ? SL_OK
                                : be_granted(call, candidate, ttl_ms, err);
    if (status == SL_OK)
        status = sl_etcd_lock_enter(call, sl_buf_bytes(&state->line),
                                    candidate->name, candidate->lease, waits,
                                    &candidate->revision, first, err);
    if (status == SL_OK && candidate->revision == 0)
        status = sl_fail(err, SL_CONFLICT, "another one holds the lock");
    return status;
}

/* SL_OK: nobody stands before it; SL_CONFLICT: somebody does. */
static enum sl_status look(struct sl_etcd_lock_state *state,
                           struct sl_etcd_lock_call *call,
                           struct sl_etcd_candidate *candidate,
                           struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf before = SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    int64_t seen = 0, pause_ms = candidate->lease_ms / 3;
    enum sl_status status = keep_alive(call, candidate, err);

    if (status == SL_OK)
        status =
            sl_etcd_lock_look(call, sl_buf_bytes(&state->line), candidate->name,
                              candidate->revision, &before, &seen, err);
    if (status != SL_OK || before.len == 0)
        return status;
    sl_etcd_line_wait(state->store->line, candidate, sl_buf_bytes(&before),
                      seen);
    candidate->look_at =
        sl_deadline_in_ms(pause_ms < LOOK_MS ? pause_ms : LOOK_MS);
    return sl_fail(err, SL_CONFLICT, "another one holds the lock");
}

/*
 * It is its turn: with the time to live that is wanted.  Until etcd has said
 * that the key has the new lease, the old one counts: a grant must not hang on
 * a lease that is going to be revoked.
 */
static enum sl_status take(struct sl_etcd_lock_state *state, struct sl_op *op,
                           struct sl_etcd_lock_call *call,
                           struct sl_etcd_candidate *candidate,
                           struct sl_error *err)
{
    uint64_t ttl_ms = sl_lockd_request_of(op)->ttl_ms;
    const struct sl_etcd_candidate old = *candidate;

    if ((uint64_t)candidate->lease_ms >= ttl_ms)
        return SL_OK;
    enum sl_status status = be_granted(call, candidate, ttl_ms, err);
    if (status != SL_OK)
        return status;
    status =
        sl_etcd_lock_lease(call, sl_buf_bytes(&state->line), candidate->name,
                           candidate->revision, candidate->lease, err);
    sl_etcd_line_waste(state->store->line,
                       status == SL_OK ? old.lease : candidate->lease);
    if (status != SL_OK) {
        candidate->lease = old.lease;
        candidate->lease_ms = old.lease_ms;
        candidate->fresh_at = old.fresh_at;
    }
    return status;
}

/* SL_OK: granted.  SL_CONFLICT: not yet.  SL_NOT_FOUND: the lease is over. */
static enum sl_status advance(struct sl_etcd_lock_state *state,
                              struct sl_op *op, struct sl_etcd_lock_call *call,
                              struct sl_etcd_candidate *candidate,
                              struct sl_error *err)
{
    bool first = false;
    enum sl_status status = SL_OK;

    if (candidate->revision == 0)
        status = enter(state, op, call, candidate, &first, err);
    else if (!sl_etcd_line_is_due(state->store->line, candidate) &&
             !sl_deadline_passed(candidate->look_at))
        return sl_fail(err, SL_CONFLICT, "another one holds the lock");
    if (status == SL_OK && !first)
        status = look(state, call, candidate, err);
    return status == SL_OK ? take(state, op, call, candidate, err) : status;
}

/* Out of the line, for whatever reason; its lease ends what it has. */
void sl_etcd_lock_leave(struct sl_etcd_lock_state *state, struct sl_op *op,
                        struct sl_etcd_candidate *candidate)
{
    struct sl_etcd_line *line = state->store->line;
    struct sl_etcd_lock_call call =
        sl_etcd_lock_call_by(state, sl_deadline_in_ms(REVOKE_MS));
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    struct sl_error err;

    /* Others wait for it only where it stands in line. */
    if (candidate->revision == 0 ||
        sl_etcd_lease_revoke(&call, candidate->lease, &err) != SL_OK)
        sl_etcd_line_waste(line, candidate->lease);
    else if (sl_etcd_line_gone(
                 line, sl_etcd_lock_key(state, candidate->name, &key), 0))
        op->changed = true;
    op->ticket = 0;
    sl_etcd_line_remove(line, candidate);
}

static void grant(struct sl_etcd_lock_state *state, struct sl_op *op,
                  struct sl_etcd_candidate *candidate)
{
    struct sl_lockd_answer *answer = op->answer;

    write_holder(candidate, answer);
    answer->fencing_token = (uint64_t)candidate->revision;
    answer->ttl_ms = (uint64_t)candidate->lease_ms;
    answer->asked_at = candidate->fresh_at;
    op->ticket = 0;
    sl_etcd_line_remove(state->store->line, candidate);
}

static struct sl_etcd_candidate *candidate_of(struct sl_etcd_lock_state *state,
                                              struct sl_op *op)
{
    struct sl_etcd_line *line = state->store->line;
    struct sl_etcd_candidate *candidate =
        op->ticket == 0 ? NULL : sl_etcd_line_find(line, op->ticket);

    if (candidate == NULL)
        candidate = sl_etcd_line_add(line);
    op->ticket = candidate->ticket;
    return candidate;
}

void sl_etcd_lock_acquire(struct sl_etcd_lock_state *state, struct sl_op *op)
{
    struct sl_etcd_candidate *candidate = candidate_of(state, op);
    struct sl_etcd_line *line = state->store->line;
    struct sl_etcd_lock_call call = sl_etcd_lock_call_by(state, op->deadline);
    enum sl_status status = SL_NOT_FOUND;
    struct sl_error err;

    for (int i = 0; i < STARTS_MAX && status == SL_NOT_FOUND; i++) {
        if (i > 0) {
            sl_etcd_line_waste(line, candidate->lease);
            sl_etcd_line_reset(line, candidate);
        }
        status = advance(state, op, &call, candidate, &err);
    }
    if (status == SL_OK) {
        grant(state, op, candidate);
        return;
    }
    if (status == SL_NOT_FOUND)
        status = sl_fail(&err, SL_UNAVAILABLE,
                         "etcd: the lease ends as soon as it is granted");
    sl_op_fail(op, &err);
    /* A repeat goes on where this one was, so that it does no harm. */
    op->not_sent = status == SL_UNAVAILABLE || status == SL_TIMEOUT;
    if (!op->not_sent && (status != SL_CONFLICT || !sl_op_may_wait(op))) {
        sl_etcd_lock_leave(state, op, candidate);
        return;
    }
    if (status == SL_CONFLICT) {
        op->again_at = candidate->look_at;
        op->place = candidate->revision;
    }
    sl_etcd_line_park(line, candidate, 2 * LINE_MS);
}

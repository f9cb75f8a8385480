/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd: a key with a lease for each lock that is held, and one for each
 * that is waited for (etcd_call.h).
 *
 * A fencing token is the revision in which the holder's key was made.  Who
 * waits knows the key just before its own, and looks again when that is gone:
 * this process released it, or the watch, which all connections share, told so.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lockd/driver.h"
#include "lockd/etcd_call.h"
#include "lockd/etcd_line.h"

enum {
    /* Who waits is passed over when it has not been heard of for so long, or
     * for the time to live that it wants, where that is shorter. */
    LINE_MS = 30000,
    LOOK_MS = 5000,   /* whoever waits looks at least so often */
    STARTS_MAX = 3,   /* of a candidate whose lease is gone, in one run */
    REVOKE_MS = 1000, /* what may not take long */
    WASTE_AT_ONCE = 16,
    WATCH_AGAIN_MS = 1000, /* after one that broke */
};

static const struct sl_option option_table[] = {
    SL_ETCD_OPTIONS("slight/lockd/",
                    "put in front of the key of every lock on the server"),
    {0},
};

struct store {
    struct sl_etcd *etcd;
    struct sl_bytes prefix;
    struct sl_etcd_line *line;

    pthread_mutex_t mutex; /* of what follows */
    struct sl_etcd_watch *watch;
    sl_deadline watch_again; /* no sooner */
};

/* One connection. */
struct state {
    struct store *store;
    struct sl_etcd_conn *conn;
    struct sl_buf line; /* of the op's key */
};

static struct sl_etcd_lock_call call_by(const struct state *state,
                                        sl_deadline deadline)
{
    return (struct sl_etcd_lock_call){.conn = state->conn,
                                      .deadline = deadline};
}

/* --- Holders: what a grant is known by ------------------------------------ */

struct holder {
    char name[SL_ETCD_NAME_LEN + 1];
    int64_t lease;
    int64_t revision;
};

static void write_holder(const struct sl_etcd_candidate *candidate,
                         struct sl_lockd_answer *answer)
{
    snprintf(answer->holder, sizeof(answer->holder), "%s.%" PRId64 ".%" PRId64,
             candidate->name, candidate->lease, candidate->revision);
}

/* False where it is none that was written above. */
static bool read_holder(struct sl_bytes text, struct holder *holder)
{
    if (text.len <= SL_ETCD_NAME_LEN || text.ptr[SL_ETCD_NAME_LEN] != '.')
        return false;
    memcpy(holder->name, text.ptr, SL_ETCD_NAME_LEN);
    holder->name[SL_ETCD_NAME_LEN] = '\0';
    if (strspn(holder->name, "0123456789abcdef") != SL_ETCD_NAME_LEN)
        return false;
    text = SL_BYTES(text.ptr + SL_ETCD_NAME_LEN + 1,
                    text.len - SL_ETCD_NAME_LEN - 1);
    const uint8_t *dot = memchr(text.ptr, '.', text.len);
    if (dot == NULL)
        return false;
    size_t len = (size_t)(dot - text.ptr);
    return sl_bytes_to_integer(SL_BYTES(text.ptr, len), &holder->lease) &&
           sl_bytes_to_integer(SL_BYTES(dot + 1, text.len - len - 1),
                               &holder->revision);
}

/* --- Acquiring ------------------------------------------------------------ */

/* The whole key of a name, into out. */
static struct sl_bytes key_of(const struct state *state, const char *name,
                              struct sl_buf *out)
{
    sl_buf_clear(out); /* it is large enough */
    if (sl_buf_append(out, sl_buf_bytes(&state->line), NULL) != SL_OK ||
        sl_buf_append(out, sl_bytes_of(name), NULL) != SL_OK)
        sl_buf_clear(out);
    return sl_buf_bytes(out);
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
static enum sl_status enter(struct state *state, struct sl_op *op,
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
static enum sl_status look(struct state *state, struct sl_etcd_lock_call *call,
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
static enum sl_status take(struct state *state, struct sl_op *op,
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
static enum sl_status advance(struct state *state, struct sl_op *op,
                              struct sl_etcd_lock_call *call,
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
static void leave(struct state *state, struct sl_op *op,
                  struct sl_etcd_candidate *candidate)
{
    struct sl_etcd_line *line = state->store->line;
    struct sl_etcd_lock_call call =
        call_by(state, sl_deadline_in_ms(REVOKE_MS));
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    struct sl_error err;

    /* Others wait for it only where it stands in line. */
    if (candidate->revision == 0 ||
        sl_etcd_lease_revoke(&call, candidate->lease, &err) != SL_OK)
        sl_etcd_line_waste(line, candidate->lease);
    else if (sl_etcd_line_gone(line, key_of(state, candidate->name, &key), 0))
        op->changed = true;
    op->ticket = 0;
    sl_etcd_line_remove(line, candidate);
}

static void grant(struct state *state, struct sl_op *op,
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

static struct sl_etcd_candidate *candidate_of(struct state *state,
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

static void run_acquire(struct state *state, struct sl_op *op)
{
    struct sl_etcd_candidate *candidate = candidate_of(state, op);
    struct sl_etcd_line *line = state->store->line;
    struct sl_etcd_lock_call call = call_by(state, op->deadline);
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
        leave(state, op, candidate);
        return;
    }
    if (status == SL_CONFLICT)
        op->again_at = candidate->look_at;
    sl_etcd_line_park(line, candidate, 2 * LINE_MS);
}

/* --- The other verbs ------------------------------------------------------ */

static void refuse(struct sl_op *op, enum sl_status status,
                   const struct sl_error *why)
{
    struct sl_error err;

    if (status == SL_NOT_FOUND) {
        sl_fail(&err, SL_CONFLICT, "the lock was lost");
        why = &err;
    }
    sl_op_fail(op, why);
}

static void run_renew(struct state *state, struct sl_op *op)
{
    struct sl_etcd_lock_call call = call_by(state, op->deadline);
    struct holder holder;
    struct sl_error err;

    if (!read_holder(sl_lockd_request_of(op)->holder, &holder)) {
        refuse(op, SL_NOT_FOUND, NULL);
        return;
    }
    enum sl_status status = sl_etcd_lease_keep(&call, holder.lease, &err);
    /* The lease lives on where somebody deletes the key by hand. */
    if (status == SL_OK)
        status = sl_etcd_lock_check(&call, sl_buf_bytes(&state->line),
                                    holder.name, holder.revision, &err);
    if (status != SL_OK)
        refuse(op, status, &err);
}

/*
 * Look, and revoke the lease, and the key goes with it: what it held when it
 * was asked to let go, it held until then.
 */
static void run_release(struct state *state, struct sl_op *op)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    struct sl_etcd_lock_call call = call_by(state, op->deadline);
    struct sl_etcd_line *line = state->store->line;
    struct holder holder;
    struct sl_error err;

    if (!read_holder(sl_lockd_request_of(op)->holder, &holder)) {
        refuse(op, SL_NOT_FOUND, NULL);
        return;
    }
    enum sl_status status = sl_etcd_lock_check(
        &call, sl_buf_bytes(&state->line), holder.name, holder.revision, &err);
    call.unchanged = true; /* so far */
    if (status == SL_OK)
        status = sl_etcd_lease_revoke(&call, holder.lease, &err);
    if (status != SL_OK) {
        op->not_sent = call.unchanged;
        sl_etcd_line_waste(line, holder.lease);
        refuse(op, status, &err);
        return;
    }
    op->changed = sl_etcd_line_gone(line, key_of(state, holder.name, &key), 0);
}

static void run_is_locked(struct state *state, struct sl_op *op)
{
    struct sl_etcd_lock_call call = call_by(state, op->deadline);
    struct sl_error err;

    if (sl_etcd_lock_any(&call, sl_buf_bytes(&state->line),
                         &sl_lockd_answer_of(op)->locked, &err) != SL_OK)
        sl_op_fail(op, &err);
}

/* --- The watch ------------------------------------------------------------ */

static void deleted(void *context, struct sl_bytes key, int64_t revision)
{
    struct store *store = context;

    (void)sl_etcd_line_gone(store->line, key, revision);
}

/* With the mutex held. */
static void end_watch(struct store *store)
{
    sl_etcd_watch_free(store->watch);
    store->watch = NULL;
}

/* Listen, while somebody waits.  With the mutex held. */
static void listen_on(struct state *state)
{
    struct store *store = state->store;
    int64_t unseen = sl_etcd_line_unseen(store->line);
    struct sl_error err;

    if (unseen == 0) {
        end_watch(store);
        return;
    }
    if (store->watch == NULL && sl_deadline_passed(store->watch_again))
        store->watch = sl_etcd_watch_new(state->conn, store->prefix, unseen,
                                         deleted, store);
    if (store->watch == NULL || sl_etcd_watch_poll(store->watch, &err) == SL_OK)
        return;
    end_watch(store);
    store->watch_again = sl_deadline_in_ms(WATCH_AGAIN_MS);
    sl_etcd_line_wake(store->line);
}

static bool etcd_changed(void *data)
{
    struct state *state = data;
    struct store *store = state->store;

    pthread_mutex_lock(&store->mutex);
    listen_on(state);
    pthread_mutex_unlock(&store->mutex);
    return sl_etcd_line_woken(store->line);
}

/* --- The driver ----------------------------------------------------------- */

static bool set_line(struct state *state, struct sl_op *op)
{
    struct sl_error err;

    sl_buf_clear(&state->line);
    if (sl_etcd_lock_line(&state->line, state->store->prefix,
                          sl_lockd_request_of(op)->key, &err) == SL_OK)
        return true;
    sl_op_fail(op, &err);
    return false;
}

static void etcd_run(void *data, struct sl_op *const ops[], size_t count)
{
    static void (*const runs[])(struct state *, struct sl_op *) = {
        [SL_LOCKD_ACQUIRE] = run_acquire,
        [SL_LOCKD_RENEW] = run_renew,
        [SL_LOCKD_RELEASE] = run_release,
        [SL_LOCKD_IS_LOCKED] = run_is_locked,
    };
    struct state *state = data;

    for (size_t i = 0; i < count; i++) {
        sl_lockd_answer_of(ops[i])->asked_at = sl_lock_clock();
        if (set_line(state, ops[i]))
            runs[sl_op_verb(ops[i])](state, ops[i]);
    }
}

static void etcd_forget(void *data, struct sl_op *op)
{
    struct state *state = data;
    struct sl_etcd_candidate *candidate =
        sl_etcd_line_find(state->store->line, op->ticket);

    if (candidate != NULL && set_line(state, op))
        leave(state, op, candidate);
}

static void etcd_idle(void *data)
{
    struct state *state = data;
    struct store *store = state->store;
    struct sl_etcd_lock_call call =
        call_by(state, sl_deadline_in_ms(REVOKE_MS));
    struct sl_error err;
    int64_t lease;

    pthread_mutex_lock(&store->mutex);
    if (sl_etcd_line_unseen(store->line) == 0)
        end_watch(store);
    pthread_mutex_unlock(&store->mutex);
    for (int i = 0; i < WASTE_AT_ONCE; i++) {
        lease = sl_etcd_line_next_waste(store->line);
        enum sl_status status =
            lease == 0 ? SL_CONFLICT : sl_etcd_lease_revoke(&call, lease, &err);
        if (status != SL_OK && status != SL_NOT_FOUND)
            return; /* what it does not end now, ends by itself */
    }
}

static enum sl_status etcd_open(void *data, sl_deadline deadline, void **out,
                                struct sl_error *err)
{
    struct store *store = data;
    struct state *state = sl_alloc(sizeof(*state));

    state->store = store;
    state->line = (struct sl_buf)SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    enum sl_status status =
        sl_etcd_open(store->etcd, deadline, &state->conn, err);
    if (status != SL_OK) {
        free(state);
        return status;
    }
    /* Another connection may have broken, and the watch not know it. */
    pthread_mutex_lock(&store->mutex);
    end_watch(store);
    pthread_mutex_unlock(&store->mutex);
    *out = state;
    return SL_OK;
}

static void etcd_close(void *data)
{
    struct state *state = data;

    sl_etcd_close(state->conn);
    sl_buf_done(&state->line);
    free(state);
}

static enum sl_status etcd_store_new(const void *data, void **out,
                                     struct sl_error *err)
{
    const struct sl_etcd_options *options = data;
    struct store *store = sl_alloc(sizeof(*store));
    enum sl_status status = sl_etcd_new(options, &store->etcd, err);

    if (status != SL_OK) {
        free(store);
        return status;
    }
    store->prefix = sl_bytes_of(options->prefix);
    store->line = sl_etcd_line_new();
    pthread_mutex_init(&store->mutex, NULL);
    *out = store;
    return SL_OK;
}

static void etcd_store_free(void *data)
{
    struct store *store = data;

    end_watch(store);
    sl_etcd_line_free(store->line);
    sl_etcd_free(store->etcd);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* The only symbol this file exports. */
const struct sl_driver sl_lockd_etcd = {
    .name = "lockd.etcd",
    .service = "etcd 3.4 or newer",
    .summary =
        "keys with leases in an etcd cluster, in the order in which they "
        "were made",
    .options = option_table,
    .options_size = sizeof(struct sl_etcd_options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .max_batch = 1,
    .store_new = etcd_store_new,
    .store_free = etcd_store_free,
    .open = etcd_open,
    .close = etcd_close,
    .run = etcd_run,
    .idle = etcd_idle,
    .changed = etcd_changed,
    .forget = etcd_forget,
};

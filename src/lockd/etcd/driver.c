/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd: a key with a lease for each lock that is held, and one for each
 * that is waited for (etcd_call.h).
 *
 * A fencing token is the revision in which the holder's key was made.  Who
 * waits knows the key just before its own, and looks again when that is gone:
 * this process released it, or the watch, which all connections share, told so.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lockd/etcd/state.h"

enum {
    REVOKE_MS = 1000, /* what may not take long */
    WASTE_AT_ONCE = 16,
    WATCH_AGAIN_MS = 1000, /* after one that broke */
};

static const struct sl_option option_table[] = {
    SL_ETCD_OPTIONS("slight/lockd/",
                    "put in front of the key of every lock on the server"),
    {0},
};

/* --- Holders: what a grant is known by ------------------------------------ */

struct holder {
    char name[SL_ETCD_NAME_LEN + 1];
    int64_t lease;
    int64_t revision;
};

/* False where it is none that etcd_acquire.c wrote. */
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

static void run_renew(struct sl_etcd_lock_state *state, struct sl_op *op)
{
    struct sl_etcd_lock_call call = sl_etcd_lock_call_by(state, op->deadline);
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
static void run_release(struct sl_etcd_lock_state *state, struct sl_op *op)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf key = SL_BUF(SL_ETCD_LOCK_KEY_MAX);
    struct sl_etcd_lock_call call = sl_etcd_lock_call_by(state, op->deadline);
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
        /* A repeat must find what is there now; without one, it is ended. */
        op->not_sent = call.unchanged;
        if (!call.unchanged)
            sl_etcd_line_waste(line, holder.lease);
        refuse(op, status, &err);
        return;
    }
    op->changed =
        sl_etcd_line_gone(line, sl_etcd_lock_key(state, holder.name, &key), 0);
}

static void run_is_locked(struct sl_etcd_lock_state *state, struct sl_op *op)
{
    struct sl_etcd_lock_call call = sl_etcd_lock_call_by(state, op->deadline);
    struct sl_error err;

    if (sl_etcd_lock_any(&call, sl_buf_bytes(&state->line),
                         &sl_lockd_answer_of(op)->locked, &err) != SL_OK)
        sl_op_fail(op, &err);
}

/* --- The watch ------------------------------------------------------------ */

static void deleted(void *context, struct sl_bytes key, int64_t revision)
{
    struct sl_etcd_lock_store *store = context;

    (void)sl_etcd_line_gone(store->line, key, revision);
}

/* With the mutex held. */
static void end_watch(struct sl_etcd_lock_store *store)
{
    sl_etcd_watch_free(store->watch);
    store->watch = NULL;
}

/* Listen, while somebody waits.  With the mutex held. */
static void listen_on(struct sl_etcd_lock_state *state)
{
    struct sl_etcd_lock_store *store = state->store;
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
    struct sl_etcd_lock_state *state = data;
    struct sl_etcd_lock_store *store = state->store;

    pthread_mutex_lock(&store->mutex);
    listen_on(state);
    pthread_mutex_unlock(&store->mutex);
    return sl_etcd_line_woken(store->line);
}

/* --- The driver ----------------------------------------------------------- */

static bool set_line(struct sl_etcd_lock_state *state, struct sl_op *op)
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
    static void (*const runs[])(struct sl_etcd_lock_state *, struct sl_op *) = {
        [SL_LOCKD_ACQUIRE] = sl_etcd_lock_acquire,
        [SL_LOCKD_RENEW] = run_renew,
        [SL_LOCKD_RELEASE] = run_release,
        [SL_LOCKD_IS_LOCKED] = run_is_locked,
    };
    struct sl_etcd_lock_state *state = data;

    for (size_t i = 0; i < count; i++) {
        sl_lockd_answer_of(ops[i])->asked_at = sl_lock_clock();
        if (set_line(state, ops[i]))
            runs[sl_op_verb(ops[i])](state, ops[i]);
    }
}

static void etcd_forget(void *data, struct sl_op *op)
{
    struct sl_etcd_lock_state *state = data;
    struct sl_etcd_candidate *candidate =
        sl_etcd_line_find(state->store->line, op->ticket);

    if (candidate != NULL && set_line(state, op))
        sl_etcd_lock_leave(state, op, candidate);
}

static bool etcd_idle(void *data)
{
    struct sl_etcd_lock_state *state = data;
    struct sl_etcd_lock_store *store = state->store;
    struct sl_etcd_lock_call call =
        sl_etcd_lock_call_by(state, sl_deadline_in_ms(REVOKE_MS));
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
            break; /* what it does not end now, ends by itself */
    }
    return false;
}

static enum sl_status etcd_open(void *data, sl_deadline deadline, void **out,
                                struct sl_error *err)
{
    struct sl_etcd_lock_store *store = data;
    struct sl_etcd_lock_state *state = sl_alloc(sizeof(*state));

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
    struct sl_etcd_lock_state *state = data;

    sl_etcd_close(state->conn);
    sl_buf_done(&state->line);
    free(state);
}

static enum sl_status etcd_store_new(const void *data, void **out,
                                     struct sl_error *err)
{
    const struct sl_etcd_options *options = data;
    struct sl_etcd_lock_store *store = sl_alloc(sizeof(*store));
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
    struct sl_etcd_lock_store *store = data;

    end_watch(store);
    sl_etcd_line_free(store->line);
    sl_etcd_free(store->etcd);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_etcd = {
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
    .risks = sl_etcd_risks,
    .store_new = etcd_store_new,
    .store_free = etcd_store_free,
    .open = etcd_open,
    .close = etcd_close,
    .run = etcd_run,
    .idle = etcd_idle,
    .changed = etcd_changed,
    .forget = etcd_forget,
};

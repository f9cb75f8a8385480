/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.zookeeper: a line of ephemeral sequential nodes for each key.  The
 * first one's owner holds the lock; everybody else watches the one before.  The
 * fencing token is the transaction that created the node.
 *
 * Locks of about the same time to live share a session, which lives a little
 * longer than that.  So a lock ends when this process dies, stops or is cut
 * off, by the servers' clock; and when only its holder is silent, the node is
 * deleted from here.  Whatever grants or renews is a write: the leader, which
 * is who ends sessions, has confirmed that this one goes on.
 */
#include "lockd/zookeeper/step.h"

enum {
    END_MS = 1000,   /* to say good-bye */
    CHECK_MS = 5000, /* how long a session lives that only looks */
};

struct options {
    struct sl_zk_options client;
    const char *path;
};

static const struct sl_option option_table[] = {
    SL_ZK_OPTIONS,
    {.name = "path",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, path),
     .fallback = "/slight/locks",
     .check = sl_zk_check_path,
     .help = "the node under which locks are, below the chroot; made where it "
             "is missing"},
    {0},
};

static void zookeeper_run(void *state, struct sl_op *const ops[], size_t count)
{
    sl_zk_run(state, ops, count);
}

/* --- Between runs ------------------------------------------------------- */

static void zookeeper_forget(void *state, struct sl_op *op)
{
    struct sl_zk_store *store = state;
    struct sl_zk_place *place = sl_zk_place_find(store, op->ticket);

    op->ticket = 0;
    if (place == NULL || place->phase != SL_ZK_WAITING)
        return;
    sl_zk_place_leave(store, place);
    if (sl_zk_sweep(store, place->session) &&
        sl_zk_send(&store->sessions[place->session],
                   sl_deadline_in_ms(SL_ZK_SEEN_EVERY_MS), NULL) != SL_OK)
        sl_zk_store_lost(store, place->session);
}

/* Signs of life, and the end of what is over. */
static void tend(struct sl_zk_store *store, unsigned index)
{
    struct sl_zk_session *session = &store->sessions[index];

    sl_zk_store_look(store, index);
    if (session->conn == NULL)
        return;
    int64_t quiet_ms = (sl_now_ns() - session->heard) / SL_ZK_NS_PER_MS;
    int64_t ping_ms = store->counts[index] > 0 ? SL_ZK_SEEN_EVERY_MS / 2
                                               : session->timeout_ms / 4;
    if (quiet_ms > session->timeout_ms / 2) { /* another server may answer */
        sl_zk_disconnect(session);
        sl_zk_store_lost(store, index);
        return;
    }
    (void)sl_zk_sweep(store, index);
    if (sl_deadline_passed(session->contact + ping_ms * SL_ZK_NS_PER_MS))
        sl_zk_ping(session);
    if (session->out.len > 0 &&
        sl_zk_send(session, sl_deadline_in_ms(SL_ZK_SEEN_EVERY_MS), NULL) !=
            SL_OK)
        sl_zk_store_lost(store, index);
}

static bool zookeeper_idle(void *state)
{
    struct sl_zk_store *store = state;

    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++)
        tend(store, i);
    return false;
}

static bool zookeeper_changed(void *state)
{
    struct sl_zk_store *store = state;
    bool changed = store->changed;

    store->changed = false;
    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++)
        if (store->sessions[i].conn != NULL)
            sl_zk_store_look(store, i);
    changed = changed || store->changed;
    store->changed = false;
    return changed;
}

/* --- The driver --------------------------------------------------------- */

static enum sl_status zookeeper_store_new(const void *data, void **out,
                                          struct sl_error *err)
{
    const struct options *options = data;
    struct sl_zk_ensemble ensemble = {.count = 0};
    enum sl_status status =
        sl_zk_ensemble_init(&ensemble, &options->client, err);

    if (status != SL_OK) {
        sl_zk_ensemble_done(&ensemble);
        return status;
    }
    *out = sl_zk_store_new(&ensemble, options->path);
    return SL_OK;
}

/* Its sessions end, so that nobody waits for what this process has held. */
static void zookeeper_store_free(void *data)
{
    struct sl_zk_store *store = data;
    sl_deadline deadline = sl_deadline_in_ms(END_MS);

    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++)
        sl_zk_end(&store->sessions[i], deadline);
    sl_zk_store_free(store);
}

/* The sessions are the store's, and outlive connections: nothing to open. */
static enum sl_status zookeeper_open(void *store, sl_deadline deadline,
                                     void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

/* By a session of its own, for those of the store are the driver thread's. */
static enum sl_status zookeeper_check(void *data, sl_deadline deadline,
                                      struct sl_error *err)
{
    const struct sl_zk_store *store = data;
    struct sl_zk_ensemble ensemble = store->first;
    struct sl_zk_session session;

    sl_zk_session_init(&session, &ensemble, CHECK_MS);
    enum sl_status status = sl_zk_connect(&session, deadline, err);
    if (status == SL_OK)
        sl_zk_end(&session, deadline);
    sl_zk_session_done(&session);
    return status;
}

static void zookeeper_close(void *state)
{
    (void)state;
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_zookeeper = {
    .name = "lockd.zookeeper",
    .service = "Apache ZooKeeper 3.8 or newer",
    .summary = "a line of ephemeral nodes for each key, in an ensemble's "
               "agreement",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .max_states = 1, /* a session is on one connection at a time */
    .waits_aside = true,
    .max_batch = SL_ZK_BATCH_MAX,
    .risks = sl_zk_risks,
    .store_new = zookeeper_store_new,
    .store_free = zookeeper_store_free,
    .open = zookeeper_open,
    .check = zookeeper_check,
    .close = zookeeper_close,
    .run = zookeeper_run,
    .idle = zookeeper_idle,
    .changed = zookeeper_changed,
    .forget = zookeeper_forget,
};

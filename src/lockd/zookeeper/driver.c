/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.zookeeper: a wait queue of ephemeral sequential nodes for each key.
 * The owner of the first node holds the lock; every other one watches its
 * predecessor.  The fencing token is the id of the transaction that created the
 * node.
 *
 * Locks of about the same time to live share a session whose timeout is a
 * little longer.  So a lock ends by the servers' clock when this process dies,
 * stops or is cut off; if only its holder is silent, this process deletes the
 * node.  Every grant and renewal is a write: the leader, which expires
 * sessions, has confirmed that the session is alive.
 */
#include "lockd/zookeeper/machine.h"

enum {
    CLOSE_MS = 1000, /* to close sessions */
    CHECK_MS = 5000, /* the timeout of the session of a check */
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
     .help = "the node that holds the locks, below the chroot; created if it "
             "does not exist"},
    {0},
};

static void lockd_zookeeper_run(void *connection, struct sl_op *const ops[],
                                size_t count)
{
    sl_lockd_zookeeper_run(connection, ops, count);
}

/* --- Between runs ------------------------------------------------------- */

static void lockd_zookeeper_forget(void *connection, struct sl_op *op)
{
    struct sl_lockd_zookeeper_store *store = connection;
    struct sl_lockd_zookeeper_node *node =
        sl_lockd_zookeeper_node_find(store, op->waiter_id);

    op->waiter_id = 0;
    if (node == NULL || node->phase != SL_LOCKD_ZOOKEEPER_WAITING)
        return;
    sl_lockd_zookeeper_node_leave(store, node);
    if (sl_lockd_zookeeper_sweep(store, node->session) &&
        sl_zk_send(&store->sessions[node->session],
                   sl_deadline_in_ms(SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS),
                   NULL) != SL_OK)
        sl_lockd_zookeeper_store_disconnected(store, node->session);
}

/* Heartbeats, and the deletion of expired nodes. */
static void maintain_session(struct sl_lockd_zookeeper_store *store,
                             unsigned index)
{
    struct sl_zk_session *session = &store->sessions[index];

    sl_lockd_zookeeper_store_poll(store, index);
    if (session->conn == NULL)
        return;
    int64_t quiet_ms =
        (sl_now_ns() - session->heard) / SL_LOCKD_ZOOKEEPER_NS_PER_MS;
    int64_t ping_ms = store->counts[index] > 0
                          ? SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS / 2
                          : session->timeout_ms / 4;
    if (quiet_ms > session->timeout_ms / 2) { /* try another server */
        sl_zk_disconnect(session);
        sl_lockd_zookeeper_store_disconnected(store, index);
        return;
    }
    (void)sl_lockd_zookeeper_sweep(store, index);
    if (sl_deadline_passed(session->contact +
                           ping_ms * SL_LOCKD_ZOOKEEPER_NS_PER_MS))
        sl_zk_ping(session);
    if (session->out.len > 0 &&
        sl_zk_send(session, sl_deadline_in_ms(SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS),
                   NULL) != SL_OK)
        sl_lockd_zookeeper_store_disconnected(store, index);
}

static bool lockd_zookeeper_idle(void *connection)
{
    struct sl_lockd_zookeeper_store *store = connection;

    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++)
        maintain_session(store, i);
    return false;
}

static bool lockd_zookeeper_changed(void *connection)
{
    struct sl_lockd_zookeeper_store *store = connection;
    bool changed = store->changed;

    store->changed = false;
    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++)
        if (store->sessions[i].conn != NULL)
            sl_lockd_zookeeper_store_poll(store, i);
    changed = changed || store->changed;
    store->changed = false;
    return changed;
}

/* --- The driver --------------------------------------------------------- */

static enum sl_status lockd_zookeeper_store_new(const void *data, void **out,
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
    *out = sl_lockd_zookeeper_store_new(&ensemble, options->path);
    return SL_OK;
}

/* Close the sessions, so that the locks of this process are free at once. */
static void lockd_zookeeper_store_free(void *data)
{
    struct sl_lockd_zookeeper_store *store = data;
    sl_deadline deadline = sl_deadline_in_ms(CLOSE_MS);

    for (unsigned i = 0; i < SL_LOCKD_ZOOKEEPER_SESSIONS; i++)
        sl_zk_end(&store->sessions[i], deadline);
    sl_lockd_zookeeper_store_free(store);
}

/* The sessions belong to the store and outlive connections: nothing to open. */
static enum sl_status lockd_zookeeper_open(void *store, sl_deadline deadline,
                                           void **connection,
                                           struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *connection = store;
    return SL_OK;
}

/* Uses a session of its own: those of the store belong to the driver thread. */
static enum sl_status lockd_zookeeper_check(void *data, sl_deadline deadline,
                                            struct sl_error *err)
{
    const struct sl_lockd_zookeeper_store *store = data;
    struct sl_zk_ensemble ensemble = store->initial_ensemble;
    struct sl_zk_session session;

    sl_zk_session_init(&session, &ensemble, CHECK_MS);
    enum sl_status status = sl_zk_connect(&session, deadline, err);
    if (status == SL_OK)
        sl_zk_end(&session, deadline);
    sl_zk_session_done(&session);
    return status;
}

static void lockd_zookeeper_close(void *connection)
{
    (void)connection;
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_zookeeper = {
    .name = "lockd.zookeeper",
    .service = "Apache ZooKeeper 3.8 or newer",
    .summary = "a queue of ephemeral sequential nodes for each key",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .max_connections = 1, /* a session has one connection at a time */
    .blocking_safe = true,
    .max_batch = SL_LOCKD_ZOOKEEPER_BATCH_MAX,
    .risks = sl_zk_risks,
    .store_new = lockd_zookeeper_store_new,
    .store_free = lockd_zookeeper_store_free,
    .open = lockd_zookeeper_open,
    .check = lockd_zookeeper_check,
    .close = lockd_zookeeper_close,
    .run = lockd_zookeeper_run,
    .idle = lockd_zookeeper_idle,
    .changed = lockd_zookeeper_changed,
    .forget = lockd_zookeeper_forget,
};

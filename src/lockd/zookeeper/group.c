/* SPDX-License-Identifier: Apache-2.0 */
/* Groups the ops of lockd.zookeeper by session and runs them in rounds. */
#include "lockd/zookeeper/machine.h"

/* --- A group of ops ----------------------------------------------------- */

/* How long to wait for a reply before another server is tried. */
static sl_deadline reply_deadline(const struct sl_lockd_zookeeper_group *group,
                                  const struct sl_op *op)
{
    const struct sl_lockd_config *config = op->config;
    int64_t ms = config->service.timeout_ms;

    if (ms > group->session->timeout_ms / 2)
        ms = group->session->timeout_ms / 2;
    sl_deadline most = sl_deadline_in_ms(ms);
    return op->deadline < most ? op->deadline : most;
}

/* A missing reply is a timeout at the op's deadline; before that it means that
 * the server is unavailable. */
static enum sl_status status_of_timeout(const struct sl_op *op,
                                        enum sl_status status,
                                        struct sl_error *err)
{
    if (status == SL_TIMEOUT && !sl_deadline_passed(op->deadline))
        err->status = status = SL_UNAVAILABLE;
    return status;
}

/* Send the next request of every op as one pipeline and read the replies. */
static enum sl_status run_round(struct sl_lockd_zookeeper_group *group,
                                struct sl_error *err)
{
    struct sl_lockd_zookeeper_machine *first = NULL;
    struct sl_lockd_zookeeper_machine *asked[SL_LOCKD_ZOOKEEPER_BATCH_MAX];
    size_t count = 0;

    group->asked_at = sl_lock_clock();
    for (size_t i = 0; i < group->count; i++)
        if (group->machines[i].state != SL_LOCKD_ZOOKEEPER_DONE) {
            sl_lockd_zookeeper_append_request(group, &group->machines[i]);
            asked[count++] = &group->machines[i];
        }
    if (count == 0)
        return SL_OK;
    first = asked[0];
    enum sl_status status =
        sl_zk_send(group->session, reply_deadline(group, first->op), err);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        first = asked[i];
        status = sl_lockd_zookeeper_read_reply(
            group, first, reply_deadline(group, first->op), err);
    }
    return status == SL_OK ? status : status_of_timeout(first->op, status, err);
}

static bool has_unfinished(const struct sl_lockd_zookeeper_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->machines[i].state != SL_LOCKD_ZOOKEEPER_DONE)
            return true;
    return false;
}

/* The server has expired the session. */
static bool has_expired(const struct sl_lockd_zookeeper_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (sl_op_answer(group->machines[i].op)->err.status == SL_UNAVAILABLE)
            return group->session->conn != NULL;
    return false;
}

/*
 * Wait until the server has deleted the expired nodes, also if no op sent a
 * request: the next op may run in another session and must not find them.
 */
static void finish_sweep(struct sl_lockd_zookeeper_group *group)
{
    struct sl_zk_session *session = group->session;
    sl_deadline deadline = reply_deadline(group, group->machines[0].op);
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;

    if (session->out.len > 0)
        status = sl_zk_send(session, deadline, NULL);
    while (status == SL_OK && session->pending_count > 0) {
        status = sl_zk_receive(session, deadline, &reply, NULL);
        if (status == SL_OK)
            sl_lockd_zookeeper_take_reply(group->store, &reply);
    }
    if (status != SL_OK)
        sl_lockd_zookeeper_store_disconnected(group->store, group->index);
}

static void run_lock_group(struct sl_lockd_zookeeper_group *group)
{
    struct sl_error err;

    while (has_unfinished(group)) {
        if (run_round(group, &err) == SL_OK)
            continue;
        sl_lockd_zookeeper_interrupt_all(group, &err, false);
        sl_lockd_zookeeper_store_disconnected(group->store, group->index);
    }
    finish_sweep(group);
    /* Reconnecting tells whether it was; the nodes stay as they were. */
    if (has_expired(group)) {
        sl_zk_disconnect(group->session);
        sl_lockd_zookeeper_store_disconnected(group->store, group->index);
    }
}

/* --- From ops to groups ------------------------------------------------- */

static struct sl_lockd_zookeeper_node *
find_held(const struct sl_lockd_zookeeper_store *store, const struct sl_op *op,
          struct sl_bytes queue_path)
{
    struct sl_lockd_zookeeper_node *node = sl_lockd_zookeeper_node_find_named(
        store, sl_lockd_request_of(op)->holder, queue_path);

    return node != NULL && node->phase == SL_LOCKD_ZOOKEEPER_HOLDING ? node
                                                                     : NULL;
}

/* The node of an op, or NULL. */
static struct sl_lockd_zookeeper_node *
node_of(const struct sl_lockd_zookeeper_store *store, const struct sl_op *op,
        struct sl_bytes queue_path)
{
    if (sl_op_verb(op) != SL_LOCKD_ACQUIRE)
        return find_held(store, op, queue_path);
    if (op->waiter_id == 0)
        return NULL;
    struct sl_lockd_zookeeper_node *node =
        sl_lockd_zookeeper_node_find(store, op->waiter_id);
    return node != NULL && node->phase == SL_LOCKD_ZOOKEEPER_WAITING ? node
                                                                     : NULL;
}

/* The session that an op needs; false: none, its lock was lost. */
static bool session_of(const struct sl_lockd_zookeeper_store *store,
                       const struct sl_op *op, struct sl_bytes queue_path,
                       unsigned *session)
{
    const struct sl_lockd_zookeeper_node *node = node_of(store, op, queue_path);

    if (sl_op_verb(op) == SL_LOCKD_IS_LOCKED)
        *session = store->last;
    else if (node != NULL)
        *session = node->session;
    else if (sl_op_verb(op) == SL_LOCKD_ACQUIRE)
        *session = sl_lockd_zookeeper_session_for(
            store, sl_lockd_request_of(op)->ttl_ms);
    else
        return false;
    return true;
}

static void start_held(struct sl_lockd_zookeeper_group *group,
                       struct sl_lockd_zookeeper_machine *machine,
                       enum sl_lockd_zookeeper_state state)
{
    if (machine->node == NULL || machine->node->until <= sl_lock_clock()) {
        sl_lockd_zookeeper_refuse(machine->op, SL_CONFLICT,
                                  "the lock was lost");
        if (machine->node != NULL)
            sl_lockd_zookeeper_node_leave(group->store, machine->node);
        sl_lockd_zookeeper_finish(machine);
    } else {
        machine->state = state;
    }
}

static void start_acquire(struct sl_lockd_zookeeper_machine *machine)
{
    if (machine->node == NULL) {
        machine->op->waiter_id = 0;
        machine->state = SL_LOCKD_ZOOKEEPER_ENQUEUE;
    } else if (machine->node->recheck) {
        machine->state = SL_LOCKD_ZOOKEEPER_RECHECK;
    } else if (sl_op_may_wait(machine->op)) {
        sl_lockd_zookeeper_keep_waiting(machine,
                                        SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS);
    } else {
        machine->state = SL_LOCKD_ZOOKEEPER_DEQUEUE;
    }
}

static void start_machine(struct sl_lockd_zookeeper_group *group,
                          struct sl_lockd_zookeeper_machine *machine)
{
    machine->node =
        node_of(group->store, machine->op, sl_buf_bytes(&machine->queue_path));
    switch (sl_op_verb(machine->op)) {
    case SL_LOCKD_ACQUIRE:
        start_acquire(machine);
        break;
    case SL_LOCKD_RENEW:
        sl_lockd_answer_of(machine->op)->asked_at = sl_lock_clock();
        start_held(group, machine, SL_LOCKD_ZOOKEEPER_RENEW);
        break;
    case SL_LOCKD_RELEASE:
        start_held(group, machine, SL_LOCKD_ZOOKEEPER_RELEASE);
        break;
    default:
        machine->state = SL_LOCKD_ZOOKEEPER_QUERY;
        break;
    }
}

/* Whether the group has an op on the same grant, which may end it. */
static bool has_same_holder(const struct sl_lockd_zookeeper_group *group,
                            const struct sl_op *op)
{
    struct sl_bytes holder = sl_lockd_request_of(op)->holder;

    for (size_t i = 0; i < group->count && holder.len > 0; i++)
        if (sl_bytes_equal(holder,
                           sl_lockd_request_of(group->machines[i].op)->holder))
            return true;
    return false;
}

static void run_connected(struct sl_lockd_zookeeper_group *group)
{
    struct sl_error err = {.status = SL_OK};
    const struct sl_op *first = group->machines[0].op;

    enum sl_status status = sl_lockd_zookeeper_store_connect(
        group->store, group->index, reply_deadline(group, first), &err);
    group->store->last = group->index;
    (void)sl_lockd_zookeeper_sweep(
        group->store, group->index); /* sent with the requests below */
    for (size_t i = 0; i < group->count; i++)
        start_machine(group, &group->machines[i]);
    if (status != SL_OK) {
        status_of_timeout(first, status, &err);
        sl_lockd_zookeeper_interrupt_all(group, &err, true);
    } else {
        run_lock_group(group);
    }
    for (size_t i = 0; i < group->count; i++)
        sl_buf_done(&group->machines[i].queue_path);
    group->count = 0;
}

void sl_lockd_zookeeper_run(struct sl_lockd_zookeeper_store *store,
                            struct sl_op *const ops[], size_t count)
{
    struct sl_lockd_zookeeper_group group = {
        .store = store,
        .path =
            SL_BUF(SL_LOCKD_ZOOKEEPER_PATH_MAX + SL_LOCKD_ZOOKEEPER_NAME_SIZE),
    };

    for (size_t i = 0; i < count; i++) {
        struct sl_buf queue_path = SL_BUF(SL_LOCKD_ZOOKEEPER_PATH_MAX);
        unsigned index;
        struct sl_error err;
        if (sl_lockd_zookeeper_queue_path(store,
                                          sl_lockd_request_of(ops[i])->key,
                                          &queue_path, &err) != SL_OK) {
            sl_op_fail(ops[i], &err);
            sl_buf_done(&queue_path);
            continue;
        }
        if (!session_of(store, ops[i], sl_buf_bytes(&queue_path), &index)) {
            sl_lockd_zookeeper_refuse(ops[i], SL_CONFLICT, "the lock was lost");
            sl_buf_done(&queue_path);
            continue;
        }
        if (group.count > 0 &&
            (group.index != index || has_same_holder(&group, ops[i])))
            run_connected(&group);
        group.index = index;
        group.session = &store->sessions[index];
        group.machines[group.count++] = (struct sl_lockd_zookeeper_machine){
            .op = ops[i], .queue_path = queue_path};
    }
    if (group.count > 0)
        run_connected(&group);
    sl_buf_done(&group.path);
}

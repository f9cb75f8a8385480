/* SPDX-License-Identifier: Apache-2.0 */
/* The lock state machine of one op of lockd.zookeeper. */
#include "lockd/zookeeper/machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    TRIES_MAX = 8,    /* of steps that other clients may undo */
    WAITER_MS = 5000, /* a waiter expires that was not run for so long */
    RECONNECT_MS = 250,
    RECHECK_MS = 5,
};

void sl_lockd_zookeeper_refuse(struct sl_op *op, enum sl_status status,
                               const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

void sl_lockd_zookeeper_finish(struct sl_lockd_zookeeper_machine *machine)
{
    machine->state = SL_LOCKD_ZOOKEEPER_DONE;
}

/* The server has refused a request with a code. */
static void fail_by_code(struct sl_lockd_zookeeper_machine *machine,
                         int32_t code)
{
    struct sl_error err;
    bool unchanged;

    sl_zk_fail(code, &unchanged, &err);
    sl_op_fail(machine->op, &err);
    machine->op->unsent = unchanged;
    sl_lockd_zookeeper_finish(machine);
}

/* --- Waiting ------------------------------------------------------------ */

/* The node's sequence number, plus one; 0: unknown. */
static int64_t sequence_of(const struct sl_lockd_zookeeper_node *node)
{
    const char *dash = strrchr(node->name, '-');

    return dash != NULL ? strtoll(dash + 1, NULL, 10) + 1 : 0;
}

void sl_lockd_zookeeper_keep_waiting(struct sl_lockd_zookeeper_machine *machine,
                                     int64_t ms)
{
    sl_lockd_zookeeper_refuse(machine->op, SL_CONFLICT,
                              "another one holds the lock");
    machine->op->retry_at = sl_deadline_in_ms(ms);
    machine->op->waiter_id = machine->node->ticket;
    machine->op->position = sequence_of(machine->node);
    machine->node->until =
        sl_lock_clock() + (SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS + WAITER_MS) *
                              SL_LOCKD_ZOOKEEPER_NS_PER_MS;
    sl_lockd_zookeeper_finish(machine);
}

/* The connection has failed.  A waiter keeps its node while the session
 * lives. */
static void interrupt_op(struct sl_lockd_zookeeper_group *group,
                         struct sl_lockd_zookeeper_machine *machine,
                         const struct sl_error *err, bool unsent)
{
    if (machine->state == SL_LOCKD_ZOOKEEPER_DONE)
        return;
    bool in_line = machine->node != NULL &&
                   machine->node->phase == SL_LOCKD_ZOOKEEPER_WAITING;
    bool passes = err->status == SL_UNAVAILABLE || err->status == SL_TIMEOUT;
    if (in_line && passes && sl_op_may_wait(machine->op)) {
        sl_lockd_zookeeper_keep_waiting(machine, RECONNECT_MS);
        return;
    }
    if (machine->node != NULL && sl_op_verb(machine->op) != SL_LOCKD_RENEW &&
        !(unsent && machine->state == SL_LOCKD_ZOOKEEPER_RELEASE))
        sl_lockd_zookeeper_node_leave(group->store, machine->node);
    if (in_line)
        machine->op->waiter_id = 0;
    sl_op_fail(machine->op, err);
    machine->op->unsent = unsent;
    sl_lockd_zookeeper_finish(machine);
}

void sl_lockd_zookeeper_interrupt_all(struct sl_lockd_zookeeper_group *group,
                                      const struct sl_error *err, bool unsent)
{
    for (size_t i = 0; i < group->count; i++)
        interrupt_op(group, &group->machines[i], err, unsent);
}

/* --- Requests ----------------------------------------------------------- */

static struct sl_bytes
path_of_node(struct sl_lockd_zookeeper_group *group,
             const struct sl_lockd_zookeeper_machine *machine)
{
    sl_buf_clear(&group->path);
    return sl_lockd_zookeeper_node_path(machine->node, &group->path);
}

/* What operators see as the data of a node. */
static const struct sl_bytes node_data = {(const uint8_t *)"slight", 6};

static void append_enqueue(struct sl_lockd_zookeeper_group *group,
                           struct sl_lockd_zookeeper_machine *machine)
{
    struct sl_bytes queue_path = sl_buf_bytes(&machine->queue_path);

    if (machine->node == NULL)
        machine->node =
            sl_lockd_zookeeper_node_new(group->store, group->index, queue_path);
    sl_buf_clear(&group->path);
    (void)!sl_buf_printf(&group->path, NULL, "%s/%s-",
                         machine->node->queue_path, machine->node->id);
    sl_zk_create(group->session, sl_buf_bytes(&group->path), node_data,
                 SL_ZK_EPHEMERAL_SEQUENTIAL, 0);
    sl_zk_children(group->session, queue_path, 0);
}

/* Every node above the queue, except the root: "/a", "/a/b". */
static unsigned append_parents(struct sl_lockd_zookeeper_group *group)
{
    const char *root = group->store->root;
    unsigned asked = 0;

    for (size_t i = 1;; i++) {
        if (root[i] != '/' && root[i] != '\0')
            continue;
        sl_zk_create(group->session, SL_BYTES(root, i), SL_BYTES("", 0),
                     SL_ZK_PERSISTENT, 0);
        asked++;
        if (root[i] == '\0')
            return asked;
    }
}

void sl_lockd_zookeeper_append_request(
    struct sl_lockd_zookeeper_group *group,
    struct sl_lockd_zookeeper_machine *machine)
{
    struct sl_zk_session *session = group->session;
    struct sl_bytes queue_path = sl_buf_bytes(&machine->queue_path);

    switch (machine->state) {
    case SL_LOCKD_ZOOKEEPER_ENQUEUE:
        append_enqueue(group, machine);
        break;
    case SL_LOCKD_ZOOKEEPER_RECHECK:
        sl_zk_set(session, path_of_node(group, machine), node_data, 0);
        sl_zk_children(session, queue_path, 0);
        break;
    case SL_LOCKD_ZOOKEEPER_WATCH:
        sl_zk_watch(session, sl_bytes_of(machine->node->watched), 0);
        break;
    case SL_LOCKD_ZOOKEEPER_CREATE_PARENTS:
        append_parents(group);
        sl_zk_create(session, queue_path, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case SL_LOCKD_ZOOKEEPER_CREATE_QUEUE:
        sl_zk_create(session, queue_path, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case SL_LOCKD_ZOOKEEPER_DEQUEUE:
    case SL_LOCKD_ZOOKEEPER_RELEASE:
        sl_zk_delete(session, path_of_node(group, machine), 0);
        break;
    case SL_LOCKD_ZOOKEEPER_RENEW:
        sl_zk_set(session, path_of_node(group, machine), node_data, 0);
        break;
    case SL_LOCKD_ZOOKEEPER_QUERY:
        sl_zk_sync(session, queue_path, 0);
        sl_zk_children(session, queue_path, 0);
        break;
    case SL_LOCKD_ZOOKEEPER_DONE:
        break;
    }
}

/* --- Replies ------------------------------------------------------------ */

/* The next reply to an op; handles the replies to sweeps that come before
 * it. */
static enum sl_status receive_reply(struct sl_lockd_zookeeper_group *group,
                                    sl_deadline deadline,
                                    struct sl_zk_reply *reply,
                                    struct sl_error *err)
{
    for (;;) {
        enum sl_status status =
            sl_zk_receive(group->session, deadline, reply, err);
        if (status != SL_OK || reply->tag == 0)
            return status;
        sl_lockd_zookeeper_take_reply(group->store, reply);
    }
}

static void grant_node(struct sl_lockd_zookeeper_group *group,
                       struct sl_lockd_zookeeper_machine *machine)
{
    struct sl_lockd_answer *answer = machine->op->answer;
    struct sl_lockd_zookeeper_node *node = machine->node;
    uint64_t kept = sl_lockd_zookeeper_guaranteed_ms(group->session);
    uint64_t ttl = sl_lockd_request_of(machine->op)->ttl_ms;

    node->phase = SL_LOCKD_ZOOKEEPER_HOLDING;
    node->until = group->asked_at + (int64_t)(ttl > kept ? ttl : kept) *
                                        SL_LOCKD_ZOOKEEPER_NS_PER_MS;
    machine->op->waiter_id = 0;
    answer->fencing_token = (uint64_t)node->token;
    answer->ttl_ms = kept;
    answer->asked_at = group->asked_at;
    memcpy(answer->holder, node->name, SL_LOCKD_ZOOKEEPER_NAME_SIZE);
    sl_lockd_zookeeper_finish(machine);
}

/* The node was deleted: enter the queue again, at its end. */
static void enqueue_again(struct sl_lockd_zookeeper_group *group,
                          struct sl_lockd_zookeeper_machine *machine)
{
    sl_lockd_zookeeper_node_free(group->store, machine->node);
    machine->node = NULL;
    machine->op->waiter_id = 0;
    machine->state = SL_LOCKD_ZOOKEEPER_ENQUEUE;
    if (machine->tries++ < TRIES_MAX)
        return;
    sl_lockd_zookeeper_refuse(
        machine->op, SL_UNAVAILABLE,
        "ZooKeeper: the waiter's node is deleted again and again");
    sl_lockd_zookeeper_finish(machine);
}

/* The queue was listed: grant, watch the predecessor, or leave. */
static void handle_queue(struct sl_lockd_zookeeper_group *group,
                         struct sl_lockd_zookeeper_machine *machine,
                         const struct sl_lockd_zookeeper_queue *queue)
{
    if (!queue->found) {
        enqueue_again(group, machine);
    } else if (queue->ahead[0] == '\0') {
        grant_node(group, machine);
    } else if (!sl_op_may_wait(machine->op)) {
        machine->state = SL_LOCKD_ZOOKEEPER_DEQUEUE;
    } else if (machine->tries++ > TRIES_MAX) {
        sl_lockd_zookeeper_keep_waiting(
            machine, RECHECK_MS); /* let other ops run meanwhile */
    } else {
        free(machine->node->watched);
        machine->node->watched =
            sl_asprintf("%s/%s", machine->node->queue_path, queue->ahead);
        machine->node->recheck = false;
        machine->state = SL_LOCKD_ZOOKEEPER_WATCH;
    }
}

/* The node was created: keep its name and its token. */
static bool note_created(struct sl_lockd_zookeeper_machine *machine,
                         const struct sl_zk_reply *reply)
{
    struct sl_lockd_zookeeper_node *node = machine->node;
    struct sl_bytes path;
    size_t queue_path = strlen(node->queue_path) + 1;

    if (!sl_zk_parse_created(reply->body, &path, &node->token) ||
        path.len <= queue_path ||
        path.len - queue_path >= SL_LOCKD_ZOOKEEPER_NAME_SIZE)
        return false;
    memcpy(node->name, path.ptr + queue_path, path.len - queue_path);
    node->name[path.len - queue_path] = '\0';
    node->phase = SL_LOCKD_ZOOKEEPER_WAITING;
    node->until = sl_lock_clock() + WAITER_MS * SL_LOCKD_ZOOKEEPER_NS_PER_MS;
    return true;
}

static bool read_queue(const struct sl_lockd_zookeeper_machine *machine,
                       const struct sl_zk_reply *reply,
                       struct sl_lockd_zookeeper_queue *queue)
{
    *queue = (struct sl_lockd_zookeeper_queue){.name = machine->node->name};
    return sl_lockd_zookeeper_parse_sequence(sl_bytes_of(queue->name),
                                             &queue->sequence) &&
           sl_zk_parse_children(reply->body, sl_lockd_zookeeper_queue_add,
                                queue);
}

/* made: the reply to the creation of the node, or to the write to it. */
static bool handle_enqueued(struct sl_lockd_zookeeper_group *group,
                            struct sl_lockd_zookeeper_machine *machine,
                            const struct sl_zk_reply *made,
                            const struct sl_zk_reply *list)
{
    struct sl_lockd_zookeeper_queue queue;

    if (made->error == SL_ZK_NO_NODE &&
        machine->state == SL_LOCKD_ZOOKEEPER_RECHECK) {
        enqueue_again(group, machine);
    } else if (made->error == SL_ZK_NO_NODE && machine->tries++ < TRIES_MAX) {
        machine->state = SL_LOCKD_ZOOKEEPER_CREATE_QUEUE;
    } else if (made->error != 0 || list->error != 0) {
        if (made->error != 0 && machine->state == SL_LOCKD_ZOOKEEPER_ENQUEUE)
            sl_lockd_zookeeper_node_free(group->store, machine->node);
        else
            sl_lockd_zookeeper_node_leave(group->store, machine->node);
        machine->op->waiter_id = 0;
        fail_by_code(machine, made->error != 0 ? made->error : list->error);
    } else if (!read_queue(machine, list, &queue)) {
        return false;
    } else {
        handle_queue(group, machine, &queue);
    }
    return true;
}

static enum sl_status unexpected_reply(struct sl_lockd_zookeeper_group *group,
                                       struct sl_error *err)
{
    sl_zk_disconnect(group->session);
    return sl_fail(err, SL_UNAVAILABLE, "ZooKeeper: unexpected reply");
}

static enum sl_status read_enqueued(struct sl_lockd_zookeeper_group *group,
                                    struct sl_lockd_zookeeper_machine *machine,
                                    sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply made, list;
    bool fine = true;
    enum sl_status status = receive_reply(group, deadline, &made, err);

    if (status != SL_OK)
        return status;
    if (made.error == 0 && machine->state == SL_LOCKD_ZOOKEEPER_ENQUEUE)
        fine = note_created(machine, &made);
    status = receive_reply(group, deadline, &list, err);
    if (status != SL_OK)
        return status;
    return fine && handle_enqueued(group, machine, &made, &list)
               ? SL_OK
               : unexpected_reply(group, err);
}

static void handle_watch(struct sl_lockd_zookeeper_group *group,
                         struct sl_lockd_zookeeper_machine *machine,
                         int32_t error)
{
    if (error == SL_ZK_NO_NODE) {
        machine->node->recheck = true;
        machine->state = SL_LOCKD_ZOOKEEPER_RECHECK; /* deleted meanwhile */
    } else if (error != 0) {
        sl_lockd_zookeeper_node_leave(group->store, machine->node);
        machine->op->waiter_id = 0;
        fail_by_code(machine, error);
    } else {
        sl_lockd_zookeeper_keep_waiting(machine,
                                        SL_LOCKD_ZOOKEEPER_HEARTBEAT_MS);
    }
}

/* Other clients may create or delete the same node. */
static void handle_created(struct sl_lockd_zookeeper_group *group,
                           struct sl_lockd_zookeeper_machine *machine,
                           int32_t error)
{
    if (error == SL_ZK_NO_NODE && machine->tries++ < TRIES_MAX) {
        machine->state = SL_LOCKD_ZOOKEEPER_CREATE_PARENTS;
    } else if (error != 0 && error != SL_ZK_NODE_EXISTS) {
        sl_lockd_zookeeper_node_free(group->store, machine->node);
        fail_by_code(machine, error);
    } else {
        machine->state = SL_LOCKD_ZOOKEEPER_ENQUEUE;
    }
}

static void handle_dequeued(struct sl_lockd_zookeeper_group *group,
                            struct sl_lockd_zookeeper_machine *machine,
                            int32_t error)
{
    machine->op->waiter_id = 0;
    if (error == 0 || error == SL_ZK_NO_NODE)
        sl_lockd_zookeeper_node_free(group->store, machine->node);
    else
        sl_lockd_zookeeper_node_leave(group->store, machine->node);
    machine->node = NULL;
    sl_lockd_zookeeper_refuse(machine->op, SL_CONFLICT,
                              "another one holds the lock");
    machine->op->changed = true; /* the next waiter may be first now */
    sl_lockd_zookeeper_finish(machine);
}

static void handle_renewed(struct sl_lockd_zookeeper_group *group,
                           struct sl_lockd_zookeeper_machine *machine,
                           int32_t error)
{
    const struct sl_lockd_request *request = machine->op->request;
    int64_t until = group->asked_at +
                    (int64_t)request->ttl_ms * SL_LOCKD_ZOOKEEPER_NS_PER_MS;

    if (error == SL_ZK_NO_NODE) {
        sl_lockd_zookeeper_node_free(group->store, machine->node);
        sl_lockd_zookeeper_refuse(machine->op, SL_CONFLICT,
                                  "the lock was lost");
    } else if (error != 0) {
        fail_by_code(machine, error);
    } else if (until > machine->node->until) {
        machine->node->until = until;
    }
    sl_lockd_zookeeper_finish(machine);
}

static void handle_released(struct sl_lockd_zookeeper_group *group,
                            struct sl_lockd_zookeeper_machine *machine,
                            int32_t error)
{
    if (error != 0 && error != SL_ZK_NO_NODE) {
        sl_lockd_zookeeper_node_leave(group->store, machine->node);
        fail_by_code(machine, error);
        return;
    }
    sl_lockd_zookeeper_node_free(group->store, machine->node);
    if (error == SL_ZK_NO_NODE)
        sl_lockd_zookeeper_refuse(machine->op, SL_CONFLICT,
                                  "the lock was lost");
    machine->op->changed = true;
    sl_lockd_zookeeper_finish(machine);
}

static void note_any_name(void *context, struct sl_bytes name)
{
    bool *any = context;
    int32_t sequence;

    *any = *any || sl_lockd_zookeeper_parse_sequence(name, &sequence);
}

static enum sl_status read_query(struct sl_lockd_zookeeper_group *group,
                                 struct sl_lockd_zookeeper_machine *machine,
                                 sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply reply;
    bool any = false;
    enum sl_status status = receive_reply(group, deadline, &reply, err);

    if (status == SL_OK)
        status = receive_reply(group, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (reply.error == 0 &&
        !sl_zk_parse_children(reply.body, note_any_name, &any))
        return unexpected_reply(group, err);
    if (reply.error != 0 && reply.error != SL_ZK_NO_NODE)
        fail_by_code(machine, reply.error);
    else
        sl_lockd_answer_of(machine->op)->locked = any;
    sl_lockd_zookeeper_finish(machine);
    return SL_OK;
}

/* The nodes above the queue may exist already.  *why: the first other error. */
static enum sl_status read_parents(struct sl_lockd_zookeeper_group *group,
                                   sl_deadline deadline, int32_t *why,
                                   struct sl_error *err)
{
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;

    for (const char *at = group->store->root; *at != '\0'; at++) {
        if (*at != '/' || status != SL_OK)
            continue;
        status = receive_reply(group, deadline, &reply, err);
        if (status == SL_OK && reply.error != 0 &&
            reply.error != SL_ZK_NODE_EXISTS && *why == 0)
            *why = reply.error;
    }
    return status;
}

enum sl_status
sl_lockd_zookeeper_read_reply(struct sl_lockd_zookeeper_group *group,
                              struct sl_lockd_zookeeper_machine *machine,
                              sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;
    int32_t why = 0;

    if (machine->state == SL_LOCKD_ZOOKEEPER_ENQUEUE ||
        machine->state == SL_LOCKD_ZOOKEEPER_RECHECK)
        return read_enqueued(group, machine, deadline, err);
    if (machine->state == SL_LOCKD_ZOOKEEPER_QUERY)
        return read_query(group, machine, deadline, err);
    if (machine->state == SL_LOCKD_ZOOKEEPER_CREATE_PARENTS)
        status = read_parents(group, deadline, &why, err);
    if (status == SL_OK)
        status = receive_reply(group, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (machine->state == SL_LOCKD_ZOOKEEPER_WATCH)
        handle_watch(group, machine, reply.error);
    else if (machine->state == SL_LOCKD_ZOOKEEPER_CREATE_QUEUE ||
             machine->state == SL_LOCKD_ZOOKEEPER_CREATE_PARENTS)
        handle_created(group, machine,
                       reply.error == SL_ZK_NO_NODE && why != 0 ? why
                                                                : reply.error);
    else if (machine->state == SL_LOCKD_ZOOKEEPER_DEQUEUE)
        handle_dequeued(group, machine, reply.error);
    else if (machine->state == SL_LOCKD_ZOOKEEPER_RENEW)
        handle_renewed(group, machine, reply.error);
    else
        handle_released(group, machine, reply.error);
    return SL_OK;
}

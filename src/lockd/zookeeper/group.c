/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of lockd.zookeeper by session, and rounds of requests for them. */
#include "lockd/zookeeper/step.h"

/* --- A group of ops ----------------------------------------------------- */

/* How long an answer may take before another server is tried. */
static sl_deadline patience(const struct sl_zk_group *group,
                            const struct sl_op *op)
{
    const struct sl_lockd_config *config = op->config;
    int64_t ms = config->service.timeout_ms;

    if (ms > group->session->timeout_ms / 2)
        ms = group->session->timeout_ms / 2;
    sl_deadline most = sl_deadline_in_ms(ms);
    return op->deadline < most ? op->deadline : most;
}

/* No answer by the deadline of the op is a time-out; before that, a server that
 * is of no use. */
static enum sl_status blame(const struct sl_op *op, enum sl_status status,
                            struct sl_error *err)
{
    if (status == SL_TIMEOUT && !sl_deadline_passed(op->deadline))
        err->status = status = SL_UNAVAILABLE;
    return status;
}

/* Ask for every op what is next, and hear the answers. */
static enum sl_status run_round(struct sl_zk_group *group, struct sl_error *err)
{
    struct sl_zk_step *first = NULL;
    struct sl_zk_step *asked[SL_ZK_BATCH_MAX];
    size_t count = 0;

    group->asked_at = sl_lock_clock();
    for (size_t i = 0; i < group->count; i++)
        if (group->steps[i].todo != SL_ZK_DONE) {
            sl_zk_ask(group, &group->steps[i]);
            asked[count++] = &group->steps[i];
        }
    if (count == 0)
        return SL_OK;
    first = asked[0];
    enum sl_status status =
        sl_zk_send(group->session, patience(group, first->op), err);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        first = asked[i];
        status = sl_zk_hear(group, first, patience(group, first->op), err);
    }
    return status == SL_OK ? status : blame(first->op, status, err);
}

static bool any_left(const struct sl_zk_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->steps[i].todo != SL_ZK_DONE)
            return true;
    return false;
}

/* The server says that the session is over. */
static bool has_expired(const struct sl_zk_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (sl_op_answer(group->steps[i].op)->err.status == SL_UNAVAILABLE)
            return group->session->conn != NULL;
    return false;
}

/*
 * What was swept is gone when the ops are answered, although none of them asked
 * for anything: the next one may be in another session, and find it.
 */
static void settle(struct sl_zk_group *group)
{
    struct sl_zk_session *session = group->session;
    sl_deadline deadline = patience(group, group->steps[0].op);
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;

    if (session->out.len > 0)
        status = sl_zk_send(session, deadline, NULL);
    while (status == SL_OK && session->pending_count > 0) {
        status = sl_zk_receive(session, deadline, &reply, NULL);
        if (status == SL_OK)
            sl_zk_answer_aside(group->store, &reply);
    }
    if (status != SL_OK)
        sl_zk_store_lost(group->store, group->index);
}

static void run_group(struct sl_zk_group *group)
{
    struct sl_error err;

    while (any_left(group)) {
        if (run_round(group, &err) == SL_OK)
            continue;
        sl_zk_interrupt_all(group, &err, false);
        sl_zk_store_lost(group->store, group->index);
    }
    settle(group);
    /* Where it was, connecting anew tells; places are as they were. */
    if (has_expired(group)) {
        sl_zk_disconnect(group->session);
        sl_zk_store_lost(group->store, group->index);
    }
}

/* --- From ops to groups ------------------------------------------------- */

static struct sl_zk_place *held(const struct sl_zk_store *store,
                                const struct sl_op *op, struct sl_bytes folder)
{
    struct sl_zk_place *place =
        sl_zk_place_named(store, sl_lockd_request_of(op)->holder, folder);

    return place != NULL && place->phase == SL_ZK_HOLDING ? place : NULL;
}

/* The place of an op, if it has one. */
static struct sl_zk_place *place_of(const struct sl_zk_store *store,
                                    const struct sl_op *op,
                                    struct sl_bytes folder)
{
    if (sl_op_verb(op) != SL_LOCKD_ACQUIRE)
        return held(store, op, folder);
    if (op->ticket == 0)
        return NULL;
    struct sl_zk_place *place = sl_zk_place_find(store, op->ticket);
    return place != NULL && place->phase == SL_ZK_WAITING ? place : NULL;
}

/* Which session an op needs; false: none, for its lock is lost. */
static bool session_of(const struct sl_zk_store *store, const struct sl_op *op,
                       struct sl_bytes folder, unsigned *session)
{
    const struct sl_zk_place *place = place_of(store, op, folder);

    if (sl_op_verb(op) == SL_LOCKD_IS_LOCKED)
        *session = store->last;
    else if (place != NULL)
        *session = place->session;
    else if (sl_op_verb(op) == SL_LOCKD_ACQUIRE)
        *session = sl_zk_session_for(store, sl_lockd_request_of(op)->ttl_ms);
    else
        return false;
    return true;
}

static void begin_held(struct sl_zk_group *group, struct sl_zk_step *step,
                       enum sl_zk_todo todo)
{
    if (step->place == NULL || step->place->until <= sl_lock_clock()) {
        sl_zk_refuse(step->op, SL_CONFLICT, "the lock was lost");
        if (step->place != NULL)
            sl_zk_place_leave(group->store, step->place);
        sl_zk_finish(step);
    } else {
        step->todo = todo;
    }
}

static void begin_acquire(struct sl_zk_step *step)
{
    if (step->place == NULL) {
        step->op->ticket = 0;
        step->todo = SL_ZK_JOIN;
    } else if (step->place->look) {
        step->todo = SL_ZK_LOOK;
    } else if (sl_op_may_wait(step->op)) {
        sl_zk_wait_on(step, SL_ZK_SEEN_EVERY_MS);
    } else {
        step->todo = SL_ZK_LEAVE;
    }
}

static void begin_step(struct sl_zk_group *group, struct sl_zk_step *step)
{
    step->place = place_of(group->store, step->op, sl_buf_bytes(&step->folder));
    switch (sl_op_verb(step->op)) {
    case SL_LOCKD_ACQUIRE:
        begin_acquire(step);
        break;
    case SL_LOCKD_RENEW:
        sl_lockd_answer_of(step->op)->asked_at = sl_lock_clock();
        begin_held(group, step, SL_ZK_RENEW);
        break;
    case SL_LOCKD_RELEASE:
        begin_held(group, step, SL_ZK_RELEASE);
        break;
    default:
        step->todo = SL_ZK_ASK;
        break;
    }
}

/* The first one may find out that the grant is over, or end it. */
static bool is_twice(const struct sl_zk_group *group, const struct sl_op *op)
{
    struct sl_bytes holder = sl_lockd_request_of(op)->holder;

    for (size_t i = 0; i < group->count && holder.len > 0; i++)
        if (sl_bytes_equal(holder,
                           sl_lockd_request_of(group->steps[i].op)->holder))
            return true;
    return false;
}

static void run_connected(struct sl_zk_group *group)
{
    struct sl_error err = {.status = SL_OK};
    const struct sl_op *first = group->steps[0].op;

    enum sl_status status = sl_zk_store_connect(group->store, group->index,
                                                patience(group, first), &err);
    group->store->last = group->index;
    (void)sl_zk_sweep(group->store, group->index); /* sent with the rest */
    for (size_t i = 0; i < group->count; i++)
        begin_step(group, &group->steps[i]);
    if (status != SL_OK) {
        blame(first, status, &err);
        sl_zk_interrupt_all(group, &err, true);
    } else {
        run_group(group);
    }
    for (size_t i = 0; i < group->count; i++)
        sl_buf_done(&group->steps[i].folder);
    group->count = 0;
}

void sl_zk_run(struct sl_zk_store *store, struct sl_op *const ops[],
               size_t count)
{
    struct sl_zk_group group = {
        .store = store,
        .path = SL_BUF(SL_ZK_FOLDER_MAX + SL_ZK_NAME_SIZE),
    };

    for (size_t i = 0; i < count; i++) {
        struct sl_buf folder = SL_BUF(SL_ZK_FOLDER_MAX);
        unsigned index;
        struct sl_error err;
        if (sl_zk_folder(store, sl_lockd_request_of(ops[i])->key, &folder,
                         &err) != SL_OK) {
            sl_op_fail(ops[i], &err);
            sl_buf_done(&folder);
            continue;
        }
        if (!session_of(store, ops[i], sl_buf_bytes(&folder), &index)) {
            sl_zk_refuse(ops[i], SL_CONFLICT, "the lock was lost");
            sl_buf_done(&folder);
            continue;
        }
        if (group.count > 0 &&
            (group.index != index || is_twice(&group, ops[i])))
            run_connected(&group);
        group.index = index;
        group.session = &store->sessions[index];
        group.steps[group.count++] =
            (struct sl_zk_step){.op = ops[i], .folder = folder};
    }
    if (group.count > 0)
        run_connected(&group);
    sl_buf_done(&group.path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One op of lockd.zookeeper, step by step. */
#include "lockd/zookeeper/step.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    TRIES_MAX = 8,    /* of what others may undo meanwhile */
    WAITER_MS = 5000, /* a waiter is given up that was not run for so long */
    RECONNECT_MS = 250,
    LOOK_AGAIN_MS = 5,
};

void sl_zk_refuse(struct sl_op *op, enum sl_status status, const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

void sl_zk_finish(struct sl_zk_step *step)
{
    step->todo = SL_ZK_DONE;
}

/* The server has refused something with a code. */
static void fail_with(struct sl_zk_step *step, int32_t code)
{
    struct sl_error err;
    bool unchanged;

    sl_zk_fail(code, &unchanged, &err);
    sl_op_fail(step->op, &err);
    step->op->not_sent = unchanged;
    sl_zk_finish(step);
}

/* --- Waiting ------------------------------------------------------------ */

/* Its number in the line, with which ZooKeeper ends the name; 0: not known. */
static int64_t number_of(const struct sl_zk_place *place)
{
    const char *dash = strrchr(place->name, '-');

    return dash != NULL ? strtoll(dash + 1, NULL, 10) + 1 : 0;
}

void sl_zk_wait_on(struct sl_zk_step *step, int64_t ms)
{
    sl_zk_refuse(step->op, SL_CONFLICT, "another one holds the lock");
    step->op->again_at = sl_deadline_in_ms(ms);
    step->op->ticket = step->place->ticket;
    step->op->place = number_of(step->place);
    step->place->until =
        sl_lock_clock() + (SL_ZK_SEEN_EVERY_MS + WAITER_MS) * SL_ZK_NS_PER_MS;
    sl_zk_finish(step);
}

/* The connection is of no use.  Who stands in line keeps its place, as long as
 * the session lives. */
static void interrupted(struct sl_zk_group *group, struct sl_zk_step *step,
                        const struct sl_error *err, bool not_sent)
{
    if (step->todo == SL_ZK_DONE)
        return;
    bool in_line = step->place != NULL && step->place->phase == SL_ZK_WAITING;
    bool passes = err->status == SL_UNAVAILABLE || err->status == SL_TIMEOUT;
    if (in_line && passes && sl_op_may_wait(step->op)) {
        sl_zk_wait_on(step, RECONNECT_MS);
        return;
    }
    if (step->place != NULL && sl_op_verb(step->op) != SL_LOCKD_RENEW &&
        !(not_sent && step->todo == SL_ZK_RELEASE))
        sl_zk_place_leave(group->store, step->place);
    if (in_line)
        step->op->ticket = 0;
    sl_op_fail(step->op, err);
    step->op->not_sent = not_sent;
    sl_zk_finish(step);
}

void sl_zk_interrupt_all(struct sl_zk_group *group, const struct sl_error *err,
                         bool not_sent)
{
    for (size_t i = 0; i < group->count; i++)
        interrupted(group, &group->steps[i], err, not_sent);
}

/* --- What each asks ----------------------------------------------------- */

static struct sl_bytes place_path(struct sl_zk_group *group,
                                  const struct sl_zk_step *step)
{
    sl_buf_clear(&group->path);
    return sl_zk_place_path(step->place, &group->path);
}

/* What operators see in a node. */
static const struct sl_bytes node_data = {(const uint8_t *)"slight", 6};

static void ask_join(struct sl_zk_group *group, struct sl_zk_step *step)
{
    struct sl_bytes folder = sl_buf_bytes(&step->folder);

    if (step->place == NULL)
        step->place = sl_zk_place_new(group->store, group->index, folder);
    sl_buf_clear(&group->path);
    (void)!sl_buf_printf(&group->path, NULL, "%s/%s-", step->place->folder,
                         step->place->id);
    sl_zk_create(group->session, sl_buf_bytes(&group->path), node_data,
                 SL_ZK_EPHEMERAL_SEQUENTIAL, 0);
    sl_zk_children(group->session, folder, 0);
}

/* Every node above the line, but the root: "/a", "/a/b". */
static unsigned ask_parents(struct sl_zk_group *group)
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

void sl_zk_ask(struct sl_zk_group *group, struct sl_zk_step *step)
{
    struct sl_zk_session *session = group->session;
    struct sl_bytes folder = sl_buf_bytes(&step->folder);

    switch (step->todo) {
    case SL_ZK_JOIN:
        ask_join(group, step);
        break;
    case SL_ZK_LOOK:
        sl_zk_set(session, place_path(group, step), node_data, 0);
        sl_zk_children(session, folder, 0);
        break;
    case SL_ZK_WATCH:
        sl_zk_watch(session, sl_bytes_of(step->place->watched), 0);
        break;
    case SL_ZK_MAKE_PARENTS:
        ask_parents(group);
        sl_zk_create(session, folder, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case SL_ZK_MAKE:
        sl_zk_create(session, folder, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case SL_ZK_LEAVE:
    case SL_ZK_RELEASE:
        sl_zk_delete(session, place_path(group, step), 0);
        break;
    case SL_ZK_RENEW:
        sl_zk_set(session, place_path(group, step), node_data, 0);
        break;
    case SL_ZK_ASK:
        sl_zk_sync(session, folder, 0);
        sl_zk_children(session, folder, 0);
        break;
    case SL_ZK_DONE:
        break;
    }
}

/* --- What the answers mean ---------------------------------------------- */

/* The next answer to an op; those to what is done aside are taken care of. */
static enum sl_status hear(struct sl_zk_group *group, sl_deadline deadline,
                           struct sl_zk_reply *reply, struct sl_error *err)
{
    for (;;) {
        enum sl_status status =
            sl_zk_receive(group->session, deadline, reply, err);
        if (status != SL_OK || reply->tag == 0)
            return status;
        sl_zk_answer_aside(group->store, reply);
    }
}

static void grant(struct sl_zk_group *group, struct sl_zk_step *step)
{
    struct sl_lockd_answer *answer = step->op->answer;
    struct sl_zk_place *place = step->place;
    uint64_t kept = sl_zk_kept_ms(group->session);
    uint64_t ttl = sl_lockd_request_of(step->op)->ttl_ms;

    place->phase = SL_ZK_HOLDING;
    place->until =
        group->asked_at + (int64_t)(ttl > kept ? ttl : kept) * SL_ZK_NS_PER_MS;
    step->op->ticket = 0;
    answer->fencing_token = (uint64_t)place->token;
    answer->ttl_ms = kept;
    answer->asked_at = group->asked_at;
    memcpy(answer->holder, place->name, SL_ZK_NAME_SIZE);
    sl_zk_finish(step);
}

/* Its node is not there any more; once more, at the end of the line. */
static void join_anew(struct sl_zk_group *group, struct sl_zk_step *step)
{
    sl_zk_place_free(group->store, step->place);
    step->place = NULL;
    step->op->ticket = 0;
    step->todo = SL_ZK_JOIN;
    if (step->tries++ < TRIES_MAX)
        return;
    sl_zk_refuse(step->op, SL_UNAVAILABLE,
                 "ZooKeeper: the node of who waits is deleted again and again");
    sl_zk_finish(step);
}

/* Who is in the line is known: what now? */
static void take_turn(struct sl_zk_group *group, struct sl_zk_step *step,
                      const struct sl_zk_line *line)
{
    if (!line->found) {
        join_anew(group, step);
    } else if (line->ahead[0] == '\0') {
        grant(group, step);
    } else if (!sl_op_may_wait(step->op)) {
        step->todo = SL_ZK_LEAVE;
    } else if (step->tries++ > TRIES_MAX) {
        sl_zk_wait_on(step, LOOK_AGAIN_MS); /* others want a turn meanwhile */
    } else {
        free(step->place->watched);
        step->place->watched =
            sl_asprintf("%s/%s", step->place->folder, line->ahead);
        step->place->look = false;
        step->todo = SL_ZK_WATCH;
    }
}

/* The node is there: remember its name, its place and its token. */
static bool joined(struct sl_zk_step *step, const struct sl_zk_reply *reply)
{
    struct sl_zk_place *place = step->place;
    struct sl_bytes path;
    size_t folder = strlen(place->folder) + 1;

    if (!sl_zk_parse_created(reply->body, &path, &place->token) ||
        path.len <= folder || path.len - folder >= SL_ZK_NAME_SIZE)
        return false;
    memcpy(place->name, path.ptr + folder, path.len - folder);
    place->name[path.len - folder] = '\0';
    place->phase = SL_ZK_WAITING;
    place->until = sl_lock_clock() + WAITER_MS * SL_ZK_NS_PER_MS;
    return true;
}

static bool read_line(const struct sl_zk_step *step,
                      const struct sl_zk_reply *reply, struct sl_zk_line *line)
{
    *line = (struct sl_zk_line){.name = step->place->name};
    return sl_zk_sequence(sl_bytes_of(line->name), &line->sequence) &&
           sl_zk_parse_children(reply->body, sl_zk_line_take, line);
}

/* made: to the request to create a node, or to confirm it. */
static bool heard_turn(struct sl_zk_group *group, struct sl_zk_step *step,
                       const struct sl_zk_reply *made,
                       const struct sl_zk_reply *list)
{
    struct sl_zk_line line;

    if (made->error == SL_ZK_NO_NODE && step->todo == SL_ZK_LOOK) {
        join_anew(group, step);
    } else if (made->error == SL_ZK_NO_NODE && step->tries++ < TRIES_MAX) {
        step->todo = SL_ZK_MAKE;
    } else if (made->error != 0 || list->error != 0) {
        if (made->error != 0 && step->todo == SL_ZK_JOIN)
            sl_zk_place_free(group->store, step->place);
        else
            sl_zk_place_leave(group->store, step->place);
        step->op->ticket = 0;
        fail_with(step, made->error != 0 ? made->error : list->error);
    } else if (!read_line(step, list, &line)) {
        return false;
    } else {
        take_turn(group, step, &line);
    }
    return true;
}

static enum sl_status not_spoken(struct sl_zk_group *group,
                                 struct sl_error *err)
{
    sl_zk_disconnect(group->session);
    return sl_fail(err, SL_UNAVAILABLE,
                   "ZooKeeper: the server does not answer the question");
}

static enum sl_status hear_turn(struct sl_zk_group *group,
                                struct sl_zk_step *step, sl_deadline deadline,
                                struct sl_error *err)
{
    struct sl_zk_reply made, list;
    bool fine = true;
    enum sl_status status = hear(group, deadline, &made, err);

    if (status != SL_OK)
        return status;
    if (made.error == 0 && step->todo == SL_ZK_JOIN)
        fine = joined(step, &made);
    status = hear(group, deadline, &list, err);
    if (status != SL_OK)
        return status;
    return fine && heard_turn(group, step, &made, &list)
               ? SL_OK
               : not_spoken(group, err);
}

static void heard_watch(struct sl_zk_group *group, struct sl_zk_step *step,
                        int32_t error)
{
    if (error == SL_ZK_NO_NODE) {
        step->place->look = true;
        step->todo = SL_ZK_LOOK; /* gone meanwhile */
    } else if (error != 0) {
        sl_zk_place_leave(group->store, step->place);
        step->op->ticket = 0;
        fail_with(step, error);
    } else {
        sl_zk_wait_on(step, SL_ZK_SEEN_EVERY_MS);
    }
}

/* Somebody else may make the same, or delete it again. */
static void heard_make(struct sl_zk_group *group, struct sl_zk_step *step,
                       int32_t error)
{
    if (error == SL_ZK_NO_NODE && step->tries++ < TRIES_MAX) {
        step->todo = SL_ZK_MAKE_PARENTS;
    } else if (error != 0 && error != SL_ZK_NODE_EXISTS) {
        sl_zk_place_free(group->store, step->place);
        fail_with(step, error);
    } else {
        step->todo = SL_ZK_JOIN;
    }
}

static void heard_leave(struct sl_zk_group *group, struct sl_zk_step *step,
                        int32_t error)
{
    step->op->ticket = 0;
    if (error == 0 || error == SL_ZK_NO_NODE)
        sl_zk_place_free(group->store, step->place);
    else
        sl_zk_place_leave(group->store, step->place);
    step->place = NULL;
    sl_zk_refuse(step->op, SL_CONFLICT, "another one holds the lock");
    step->op->changed = true; /* who comes next may look */
    sl_zk_finish(step);
}

static void heard_renew(struct sl_zk_group *group, struct sl_zk_step *step,
                        int32_t error)
{
    const struct sl_lockd_request *request = step->op->request;
    int64_t until =
        group->asked_at + (int64_t)request->ttl_ms * SL_ZK_NS_PER_MS;

    if (error == SL_ZK_NO_NODE) {
        sl_zk_place_free(group->store, step->place);
        sl_zk_refuse(step->op, SL_CONFLICT, "the lock was lost");
    } else if (error != 0) {
        fail_with(step, error);
    } else if (until > step->place->until) {
        step->place->until = until;
    }
    sl_zk_finish(step);
}

static void heard_release(struct sl_zk_group *group, struct sl_zk_step *step,
                          int32_t error)
{
    if (error != 0 && error != SL_ZK_NO_NODE) {
        sl_zk_place_leave(group->store, step->place);
        fail_with(step, error);
        return;
    }
    sl_zk_place_free(group->store, step->place);
    if (error == SL_ZK_NO_NODE)
        sl_zk_refuse(step->op, SL_CONFLICT, "the lock was lost");
    step->op->changed = true;
    sl_zk_finish(step);
}

static void count_name(void *context, struct sl_bytes name)
{
    bool *any = context;
    int32_t sequence;

    *any = *any || sl_zk_sequence(name, &sequence);
}

static enum sl_status hear_asked(struct sl_zk_group *group,
                                 struct sl_zk_step *step, sl_deadline deadline,
                                 struct sl_error *err)
{
    struct sl_zk_reply reply;
    bool any = false;
    enum sl_status status = hear(group, deadline, &reply, err);

    if (status == SL_OK)
        status = hear(group, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (reply.error == 0 && !sl_zk_parse_children(reply.body, count_name, &any))
        return not_spoken(group, err);
    if (reply.error != 0 && reply.error != SL_ZK_NO_NODE)
        fail_with(step, reply.error);
    else
        sl_lockd_answer_of(step->op)->locked = any;
    sl_zk_finish(step);
    return SL_OK;
}

/* What is above the line may be there, and not ours to make.  Anything else is
 * why the line cannot be made, if it cannot. */
static enum sl_status hear_parents(struct sl_zk_group *group,
                                   sl_deadline deadline, int32_t *why,
                                   struct sl_error *err)
{
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;

    for (const char *at = group->store->root; *at != '\0'; at++) {
        if (*at != '/' || status != SL_OK)
            continue;
        status = hear(group, deadline, &reply, err);
        if (status == SL_OK && reply.error != 0 &&
            reply.error != SL_ZK_NODE_EXISTS && *why == 0)
            *why = reply.error;
    }
    return status;
}

enum sl_status sl_zk_hear(struct sl_zk_group *group, struct sl_zk_step *step,
                          sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;
    int32_t why = 0;

    if (step->todo == SL_ZK_JOIN || step->todo == SL_ZK_LOOK)
        return hear_turn(group, step, deadline, err);
    if (step->todo == SL_ZK_ASK)
        return hear_asked(group, step, deadline, err);
    if (step->todo == SL_ZK_MAKE_PARENTS)
        status = hear_parents(group, deadline, &why, err);
    if (status == SL_OK)
        status = hear(group, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (step->todo == SL_ZK_WATCH)
        heard_watch(group, step, reply.error);
    else if (step->todo == SL_ZK_MAKE || step->todo == SL_ZK_MAKE_PARENTS)
        heard_make(group, step,
                   reply.error == SL_ZK_NO_NODE && why != 0 ? why
                                                            : reply.error);
    else if (step->todo == SL_ZK_LEAVE)
        heard_leave(group, step, reply.error);
    else if (step->todo == SL_ZK_RENEW)
        heard_renew(group, step, reply.error);
    else
        heard_release(group, step, reply.error);
    return SL_OK;
}

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
#include "lockd/zookeeper_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    BATCH_MAX = 64,
    TRIES_MAX = 8, /* of what others may undo meanwhile */
    SEEN_EVERY_MS = 1000,
    WAITER_MS = 5000, /* a waiter is given up that was not run for so long */
    RECONNECT_MS = 250,
    LOOK_AGAIN_MS = 5,
    END_MS = 1000, /* to say good-bye */
};

static const int64_t ns_per_ms = 1000000;

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

/* What is to be done next for an op. */
enum todo {
    DONE,
    JOIN,         /* make a place in the line, and look who is in it */
    LOOK,         /* look again, as a holder that the leader confirms */
    WATCH,        /* who stands before */
    MAKE,         /* the line */
    MAKE_PARENTS, /* and all that is above it */
    LEAVE,        /* the line, without having had the lock */
    RENEW,
    RELEASE,
    ASK, /* whether anyone is in the line */
};

struct step {
    struct sl_op *op;
    struct sl_zk_place *place; /* of ACQUIRE, RENEW, RELEASE */
    enum todo todo;
    int tries;
    struct sl_buf folder; /* the path of the key's line */
};

/* Ops in one session, on their way. */
struct group {
    struct sl_zk_store *store;
    unsigned index;
    struct sl_zk_session *session;
    struct step steps[BATCH_MAX];
    size_t count;
    int64_t asked_at; /* this round */
    struct sl_buf path;
};

static void refuse(struct sl_op *op, enum sl_status status, const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

static void finish(struct step *step)
{
    step->todo = DONE;
}

/* The server has refused something with a code. */
static void fail_with(struct step *step, int32_t code)
{
    struct sl_error err;
    bool unchanged;

    sl_zk_fail(code, &unchanged, &err);
    sl_op_fail(step->op, &err);
    step->op->not_sent = unchanged;
    finish(step);
}

/* --- Waiting ---------------------------------------------------------------
 */

/* It goes on waiting, in its place: run it again in a while. */
static void wait_on(struct step *step, int64_t ms)
{
    refuse(step->op, SL_CONFLICT, "another one holds the lock");
    step->op->again_at = sl_deadline_in_ms(ms);
    step->op->ticket = step->place->ticket;
    step->place->until =
        sl_lock_clock() + (SEEN_EVERY_MS + WAITER_MS) * ns_per_ms;
    finish(step);
}

/* The connection is of no use.  Who stands in line keeps its place, as long as
 * the session lives. */
static void interrupted(struct group *group, struct step *step,
                        const struct sl_error *err, bool not_sent)
{
    if (step->todo == DONE)
        return;
    bool in_line = step->place != NULL && step->place->phase == SL_ZK_WAITING;
    bool passes = err->status == SL_UNAVAILABLE || err->status == SL_TIMEOUT;
    if (in_line && passes && sl_op_may_wait(step->op)) {
        wait_on(step, RECONNECT_MS);
        return;
    }
    if (step->place != NULL && sl_op_verb(step->op) != SL_LOCKD_RENEW &&
        !(not_sent && step->todo == RELEASE))
        sl_zk_place_leave(group->store, step->place);
    if (in_line)
        step->op->ticket = 0;
    sl_op_fail(step->op, err);
    step->op->not_sent = not_sent;
    finish(step);
}

static void interrupt_all(struct group *group, const struct sl_error *err,
                          bool not_sent)
{
    for (size_t i = 0; i < group->count; i++)
        interrupted(group, &group->steps[i], err, not_sent);
}

/* --- What each asks --------------------------------------------------------
 */

static struct sl_bytes place_path(struct group *group, const struct step *step)
{
    sl_buf_clear(&group->path);
    return sl_zk_place_path(step->place, &group->path);
}

/* What operators see in a node. */
static const struct sl_bytes node_data = {(const uint8_t *)"slight", 6};

static void ask_join(struct group *group, struct step *step)
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
static unsigned ask_parents(struct group *group)
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

static void ask(struct group *group, struct step *step)
{
    struct sl_zk_session *session = group->session;
    struct sl_bytes folder = sl_buf_bytes(&step->folder);

    switch (step->todo) {
    case JOIN:
        ask_join(group, step);
        break;
    case LOOK:
        sl_zk_set(session, place_path(group, step), node_data, 0);
        sl_zk_children(session, folder, 0);
        break;
    case WATCH:
        sl_zk_watch(session, sl_bytes_of(step->place->watched), 0);
        break;
    case MAKE_PARENTS:
        ask_parents(group);
        sl_zk_create(session, folder, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case MAKE:
        sl_zk_create(session, folder, SL_BYTES("", 0), SL_ZK_CONTAINER, 0);
        break;
    case LEAVE:
    case RELEASE:
        sl_zk_delete(session, place_path(group, step), 0);
        break;
    case RENEW:
        sl_zk_set(session, place_path(group, step), node_data, 0);
        break;
    case ASK:
        sl_zk_sync(session, folder, 0);
        sl_zk_children(session, folder, 0);
        break;
    case DONE:
        break;
    }
}

/* --- What the answers mean -------------------------------------------------
 */

/* The next answer to an op; those to what is done aside are taken care of. */
static enum sl_status hear(struct group *group, sl_deadline deadline,
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

static void grant(struct group *group, struct step *step)
{
    struct sl_lockd_answer *answer = step->op->answer;
    struct sl_zk_place *place = step->place;
    uint64_t kept = sl_zk_kept_ms(group->session);
    uint64_t ttl = sl_lockd_request_of(step->op)->ttl_ms;

    place->phase = SL_ZK_HOLDING;
    place->until =
        group->asked_at + (int64_t)(ttl > kept ? ttl : kept) * ns_per_ms;
    step->op->ticket = 0;
    answer->fencing_token = (uint64_t)place->token;
    answer->ttl_ms = kept;
    answer->asked_at = group->asked_at;
    memcpy(answer->holder, place->name, SL_ZK_NAME_SIZE);
    finish(step);
}

/* Its node is not there any more; once more, at the end of the line. */
static void join_anew(struct group *group, struct step *step)
{
    sl_zk_place_free(group->store, step->place);
    step->place = NULL;
    step->op->ticket = 0;
    step->todo = JOIN;
    if (step->tries++ < TRIES_MAX)
        return;
    refuse(step->op, SL_UNAVAILABLE,
           "ZooKeeper: the node of who waits is deleted again and again");
    finish(step);
}

/* Who is in the line is known: what now? */
static void take_turn(struct group *group, struct step *step,
                      const struct sl_zk_line *line)
{
    if (!line->found) {
        join_anew(group, step);
    } else if (line->ahead[0] == '\0') {
        grant(group, step);
    } else if (!sl_op_may_wait(step->op)) {
        step->todo = LEAVE;
    } else if (step->tries++ > TRIES_MAX) {
        wait_on(step, LOOK_AGAIN_MS); /* others want a turn meanwhile */
    } else {
        free(step->place->watched);
        step->place->watched =
            sl_asprintf("%s/%s", step->place->folder, line->ahead);
        step->place->look = false;
        step->todo = WATCH;
    }
}

/* The node is there: remember its name, its place and its token. */
static bool joined(struct step *step, const struct sl_zk_reply *reply)
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
    place->until = sl_lock_clock() + WAITER_MS * ns_per_ms;
    return true;
}

static bool read_line(const struct step *step, const struct sl_zk_reply *reply,
                      struct sl_zk_line *line)
{
    *line = (struct sl_zk_line){.name = step->place->name};
    return sl_zk_sequence(sl_bytes_of(line->name), &line->sequence) &&
           sl_zk_parse_children(reply->body, sl_zk_line_take, line);
}

/* made: to the request to create a node, or to confirm it. */
static bool heard_turn(struct group *group, struct step *step,
                       const struct sl_zk_reply *made,
                       const struct sl_zk_reply *list)
{
    struct sl_zk_line line;

    if (made->error == SL_ZK_NO_NODE && step->todo == LOOK) {
        join_anew(group, step);
    } else if (made->error == SL_ZK_NO_NODE && step->tries++ < TRIES_MAX) {
        step->todo = MAKE;
    } else if (made->error != 0 || list->error != 0) {
        if (made->error != 0 && step->todo == JOIN)
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

static enum sl_status not_spoken(struct group *group, struct sl_error *err)
{
    sl_zk_disconnect(group->session);
    return sl_fail(err, SL_UNAVAILABLE,
                   "ZooKeeper: the server does not answer the question");
}

static enum sl_status hear_turn(struct group *group, struct step *step,
                                sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply made, list;
    bool fine = true;
    enum sl_status status = hear(group, deadline, &made, err);

    if (status != SL_OK)
        return status;
    if (made.error == 0 && step->todo == JOIN)
        fine = joined(step, &made);
    status = hear(group, deadline, &list, err);
    if (status != SL_OK)
        return status;
    return fine && heard_turn(group, step, &made, &list)
               ? SL_OK
               : not_spoken(group, err);
}

static void heard_watch(struct group *group, struct step *step, int32_t error)
{
    if (error == SL_ZK_NO_NODE) {
        step->place->look = true;
        step->todo = LOOK; /* gone meanwhile */
    } else if (error != 0) {
        sl_zk_place_leave(group->store, step->place);
        step->op->ticket = 0;
        fail_with(step, error);
    } else {
        wait_on(step, SEEN_EVERY_MS);
    }
}

/* Somebody else may make the same, or delete it again. */
static void heard_make(struct group *group, struct step *step, int32_t error)
{
    if (error == SL_ZK_NO_NODE && step->tries++ < TRIES_MAX) {
        step->todo = MAKE_PARENTS;
    } else if (error != 0 && error != SL_ZK_NODE_EXISTS) {
        sl_zk_place_free(group->store, step->place);
        fail_with(step, error);
    } else {
        step->todo = JOIN;
    }
}

static void heard_leave(struct group *group, struct step *step, int32_t error)
{
    step->op->ticket = 0;
    if (error == 0 || error == SL_ZK_NO_NODE)
        sl_zk_place_free(group->store, step->place);
    else
        sl_zk_place_leave(group->store, step->place);
    step->place = NULL;
    refuse(step->op, SL_CONFLICT, "another one holds the lock");
    step->op->changed = true; /* who comes next may look */
    finish(step);
}

static void heard_renew(struct group *group, struct step *step, int32_t error)
{
    const struct sl_lockd_request *request = step->op->request;
    int64_t until = group->asked_at + (int64_t)request->ttl_ms * ns_per_ms;

    if (error == SL_ZK_NO_NODE) {
        sl_zk_place_free(group->store, step->place);
        refuse(step->op, SL_CONFLICT, "the lock was lost");
    } else if (error != 0) {
        fail_with(step, error);
    } else if (until > step->place->until) {
        step->place->until = until;
    }
    finish(step);
}

static void heard_release(struct group *group, struct step *step, int32_t error)
{
    if (error != 0 && error != SL_ZK_NO_NODE) {
        sl_zk_place_leave(group->store, step->place);
        fail_with(step, error);
        return;
    }
    sl_zk_place_free(group->store, step->place);
    if (error == SL_ZK_NO_NODE)
        refuse(step->op, SL_CONFLICT, "the lock was lost");
    step->op->changed = true;
    finish(step);
}

static void count_name(void *context, struct sl_bytes name)
{
    bool *any = context;
    int32_t sequence;

    *any = *any || sl_zk_sequence(name, &sequence);
}

static enum sl_status hear_asked(struct group *group, struct step *step,
                                 sl_deadline deadline, struct sl_error *err)
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
    finish(step);
    return SL_OK;
}

/* What is above the line may be there, and not ours to make.  Anything else is
 * why the line cannot be made, if it cannot. */
static enum sl_status hear_parents(struct group *group, sl_deadline deadline,
                                   int32_t *why, struct sl_error *err)
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

static enum sl_status hear_step(struct group *group, struct step *step,
                                sl_deadline deadline, struct sl_error *err)
{
    struct sl_zk_reply reply;
    enum sl_status status = SL_OK;
    int32_t why = 0;

    if (step->todo == JOIN || step->todo == LOOK)
        return hear_turn(group, step, deadline, err);
    if (step->todo == ASK)
        return hear_asked(group, step, deadline, err);
    if (step->todo == MAKE_PARENTS)
        status = hear_parents(group, deadline, &why, err);
    if (status == SL_OK)
        status = hear(group, deadline, &reply, err);
    if (status != SL_OK)
        return status;
    if (step->todo == WATCH)
        heard_watch(group, step, reply.error);
    else if (step->todo == MAKE || step->todo == MAKE_PARENTS)
        heard_make(group, step,
                   reply.error == SL_ZK_NO_NODE && why != 0 ? why
                                                            : reply.error);
    else if (step->todo == LEAVE)
        heard_leave(group, step, reply.error);
    else if (step->todo == RENEW)
        heard_renew(group, step, reply.error);
    else
        heard_release(group, step, reply.error);
    return SL_OK;
}

/* --- A group of ops --------------------------------------------------------
 */

/* How long an answer may take before another server is tried. */
static sl_deadline patience(const struct group *group, const struct sl_op *op)
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
static enum sl_status run_round(struct group *group, struct sl_error *err)
{
    struct step *first = NULL;
    struct step *asked[BATCH_MAX];
    size_t count = 0;

    group->asked_at = sl_lock_clock();
    for (size_t i = 0; i < group->count; i++)
        if (group->steps[i].todo != DONE) {
            ask(group, &group->steps[i]);
            asked[count++] = &group->steps[i];
        }
    if (count == 0)
        return SL_OK;
    first = asked[0];
    enum sl_status status =
        sl_zk_send(group->session, patience(group, first->op), err);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        first = asked[i];
        status = hear_step(group, first, patience(group, first->op), err);
    }
    return status == SL_OK ? status : blame(first->op, status, err);
}

static bool any_left(const struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->steps[i].todo != DONE)
            return true;
    return false;
}

/* The server says that the session is over. */
static bool has_expired(const struct group *group)
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
static void settle(struct group *group)
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

static void run_group(struct group *group)
{
    struct sl_error err;

    while (any_left(group)) {
        if (run_round(group, &err) == SL_OK)
            continue;
        interrupt_all(group, &err, false);
        sl_zk_store_lost(group->store, group->index);
    }
    settle(group);
    /* Where it was, connecting anew tells; places are as they were. */
    if (has_expired(group)) {
        sl_zk_disconnect(group->session);
        sl_zk_store_lost(group->store, group->index);
    }
}

/* --- From ops to groups ----------------------------------------------------
 */

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

static void begin_held(struct group *group, struct step *step, enum todo todo)
{
    if (step->place == NULL || step->place->until <= sl_lock_clock()) {
        refuse(step->op, SL_CONFLICT, "the lock was lost");
        if (step->place != NULL)
            sl_zk_place_leave(group->store, step->place);
        finish(step);
    } else {
        step->todo = todo;
    }
}

static void begin_acquire(struct step *step)
{
    if (step->place == NULL) {
        step->op->ticket = 0;
        step->todo = JOIN;
    } else if (step->place->look) {
        step->todo = LOOK;
    } else if (sl_op_may_wait(step->op)) {
        wait_on(step, SEEN_EVERY_MS);
    } else {
        step->todo = LEAVE;
    }
}

static void begin_step(struct group *group, struct step *step)
{
    step->place = place_of(group->store, step->op, sl_buf_bytes(&step->folder));
    switch (sl_op_verb(step->op)) {
    case SL_LOCKD_ACQUIRE:
        begin_acquire(step);
        break;
    case SL_LOCKD_RENEW:
        sl_lockd_answer_of(step->op)->asked_at = sl_lock_clock();
        begin_held(group, step, RENEW);
        break;
    case SL_LOCKD_RELEASE:
        begin_held(group, step, RELEASE);
        break;
    default:
        step->todo = ASK;
        break;
    }
}

/* The first one may find out that the grant is over, or end it. */
static bool is_twice(const struct group *group, const struct sl_op *op)
{
    struct sl_bytes holder = sl_lockd_request_of(op)->holder;

    for (size_t i = 0; i < group->count && holder.len > 0; i++)
        if (sl_bytes_equal(holder,
                           sl_lockd_request_of(group->steps[i].op)->holder))
            return true;
    return false;
}

static void run_connected(struct group *group)
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
        interrupt_all(group, &err, true);
    } else {
        run_group(group);
    }
    for (size_t i = 0; i < group->count; i++)
        sl_buf_done(&group->steps[i].folder);
    group->count = 0;
}

static void zookeeper_run(void *state, struct sl_op *const ops[], size_t count)
{
    struct sl_zk_store *store = state;
    struct group group = {
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
            refuse(ops[i], SL_CONFLICT, "the lock was lost");
            sl_buf_done(&folder);
            continue;
        }
        if (group.count > 0 &&
            (group.index != index || is_twice(&group, ops[i])))
            run_connected(&group);
        group.index = index;
        group.session = &store->sessions[index];
        group.steps[group.count++] =
            (struct step){.op = ops[i], .folder = folder};
    }
    if (group.count > 0)
        run_connected(&group);
    sl_buf_done(&group.path);
}

/* --- Between runs ----------------------------------------------------------
 */

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
                   sl_deadline_in_ms(SEEN_EVERY_MS), NULL) != SL_OK)
        sl_zk_store_lost(store, place->session);
}

/* Signs of life, and the end of what is over. */
static void tend(struct sl_zk_store *store, unsigned index)
{
    struct sl_zk_session *session = &store->sessions[index];

    sl_zk_store_look(store, index);
    if (session->conn == NULL)
        return;
    int64_t quiet_ms = (sl_now_ns() - session->heard) / ns_per_ms;
    int64_t ping_ms =
        store->counts[index] > 0 ? SEEN_EVERY_MS / 2 : session->timeout_ms / 4;
    if (quiet_ms > session->timeout_ms / 2) { /* another server may answer */
        sl_zk_disconnect(session);
        sl_zk_store_lost(store, index);
        return;
    }
    (void)sl_zk_sweep(store, index);
    if (sl_deadline_passed(session->contact + ping_ms * ns_per_ms))
        sl_zk_ping(session);
    if (session->out.len > 0 &&
        sl_zk_send(session, sl_deadline_in_ms(SEEN_EVERY_MS), NULL) != SL_OK)
        sl_zk_store_lost(store, index);
}

static void zookeeper_idle(void *state)
{
    struct sl_zk_store *store = state;

    for (unsigned i = 0; i < SL_ZK_SESSIONS; i++)
        tend(store, i);
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

/* --- The driver ------------------------------------------------------------
 */

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

static void zookeeper_close(void *state)
{
    (void)state;
}

/* The only symbol this file exports. */
const struct sl_driver sl_lockd_zookeeper = {
    .name = "lockd.zookeeper",
    .service = "Apache ZooKeeper 3.8 or newer",
    .summary = "a line of ephemeral nodes for each key, in an ensemble's "
               "agreement",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .max_states = 1, /* a session is on one connection at a time */
    .max_batch = BATCH_MAX,
    .store_new = zookeeper_store_new,
    .store_free = zookeeper_store_free,
    .open = zookeeper_open,
    .close = zookeeper_close,
    .run = zookeeper_run,
    .idle = zookeeper_idle,
    .changed = zookeeper_changed,
    .forget = zookeeper_forget,
};

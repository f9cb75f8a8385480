/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.sqlite: the embedded default.  One row an event, in the order
 * published, for all groups (client/embedded.h).
 *
 * A group has looked at what is up to its position.  Of that, what is not
 * acknowledged is a row of `delivery`: READY, or HIDDEN until a time, or
 * IN_FLIGHT with a member, or BLOCKED behind an earlier one of its key.  Of a
 * key only the first is not BLOCKED.  So neither what was acknowledged nor what
 * is blocked is looked at twice, and nothing is skipped.
 *
 * A member that is not renewed dies by the clock of the store, and what it had
 * becomes READY when somebody else receives.
 *
 * A receipt is the event's number and which delivery it was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/embedded.h"
#include "pubsub/driver.h"
#include "service/attributes.h"

enum {
    BATCH_MAX = 1024,
    SWEEP_MS = 50,      /* in one go: calls may be coming in */
    LOOK_AHEAD = 50000, /* events behind blocked keys, in one RECEIVE */
};

/* In the file. */
enum state { READY, HIDDEN, IN_FLIGHT, BLOCKED };

enum statement {
    ADD_TOPIC,
    FIND_TOPIC,
    INSERT,
    LAST,
    ADD_GROUP,
    FIND_GROUP,
    ADD_MEMBER,
    FIND_MEMBER,
    RENEW,
    REMOVE_MEMBER,
    TAKE_BACK,
    DEAD,
    NEXT_DEATH,
    RETURNED,
    SHOW,
    NEXT_SHOWN,
    NEXT_READY,
    DELIVER_AGAIN,
    NEXT_NEW,
    KEY_IS_BUSY,
    DELIVER,
    ADVANCE,
    FIND_DELIVERY,
    ACKNOWLEDGE,
    UNBLOCK,
    RETURN,
    OVER,
    SWEEP,
};

static const char *const statements[] = {
    [ADD_TOPIC] = "INSERT INTO topic (name) VALUES (?1) RETURNING id",
    [FIND_TOPIC] = "SELECT id FROM topic WHERE name = ?1",
    [INSERT] = "INSERT INTO event (topic, published, until, key, attributes, "
               "payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [LAST] = "SELECT coalesce(max(seq), 0) FROM event WHERE topic = ?1",
    [ADD_GROUP] = "INSERT INTO grp (topic, name, position) VALUES (?1, ?2, ?3) "
                  "RETURNING id",
    [FIND_GROUP] = "SELECT id FROM grp WHERE topic = ?1 AND name = ?2",
    [ADD_MEMBER] = "INSERT INTO member (grp, name, expires) "
                   "VALUES (?1, ?2, ?3) ON CONFLICT (grp, name) "
                   "DO UPDATE SET expires = excluded.expires",
    [FIND_MEMBER] = "SELECT m.id, m.expires > ?4, g.id, g.position, t.id "
                    "FROM topic t JOIN grp g ON g.topic = t.id "
                    "JOIN member m ON m.grp = g.id "
                    "WHERE t.name = ?1 AND g.name = ?2 AND m.name = ?3",
    [RENEW] = "UPDATE member SET expires = ?2 WHERE id = ?1",
    [REMOVE_MEMBER] = "DELETE FROM member WHERE id = ?1",
    [TAKE_BACK] = "UPDATE delivery SET state = 0, member = NULL "
                  "WHERE member = ?1",
    [DEAD] = "SELECT id FROM member WHERE expires <= ?1 LIMIT 1",
    [NEXT_DEATH] = "SELECT expires FROM member WHERE grp = ?1 "
                   "ORDER BY expires LIMIT 1",
    [RETURNED] = "SELECT seq FROM delivery WHERE grp = ?1 AND state = 1 "
                 "AND until <= ?2 LIMIT 1",
    [SHOW] = "UPDATE delivery SET state = 0, until = NULL "
             "WHERE grp = ?1 AND state = 1 AND until <= ?2",
    [NEXT_SHOWN] = "SELECT until FROM delivery WHERE grp = ?1 AND state = 1 "
                   "ORDER BY until LIMIT 1",
    [NEXT_READY] = "SELECT d.seq, d.deliveries, e.published, d.key, "
                   "e.attributes, e.payload, e.seq FROM delivery d "
                   "LEFT JOIN event e ON e.seq = d.seq "
                   "WHERE d.grp = ?1 AND d.state = 0 ORDER BY d.seq LIMIT 1",
    [DELIVER_AGAIN] = "UPDATE delivery SET state = 2, member = ?3, "
                      "deliveries = deliveries + 1 WHERE grp = ?1 AND seq = ?2",
    [NEXT_NEW] = "SELECT seq, 0, published, key, attributes, payload "
                 "FROM event WHERE topic = ?1 AND seq > ?2 ORDER BY seq",
    [KEY_IS_BUSY] = "SELECT seq FROM delivery WHERE grp = ?1 AND key = ?2 "
                    "LIMIT 1",
    [DELIVER] = "INSERT INTO delivery (grp, seq, state, key, member, "
                "deliveries) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [ADVANCE] = "UPDATE grp SET position = ?2 WHERE id = ?1",
    [FIND_DELIVERY] = "SELECT key FROM delivery WHERE grp = ?1 AND seq = ?2 "
                      "AND state = 2 AND member = ?3 AND deliveries = ?4",
    [ACKNOWLEDGE] = "DELETE FROM delivery WHERE grp = ?1 AND seq = ?2",
    [UNBLOCK] = "UPDATE delivery SET state = 0 WHERE grp = ?1 AND state = 3 "
                "AND seq = (SELECT seq FROM delivery WHERE grp = ?1 "
                "AND key = ?2 ORDER BY seq LIMIT 1)",
    [RETURN] = "UPDATE delivery SET state = ?3, until = ?4, member = NULL "
               "WHERE grp = ?1 AND seq = ?2",
    [OVER] = "SELECT 1 FROM (SELECT until FROM event ORDER BY seq LIMIT 1) "
             "WHERE until <= ?1",
    [SWEEP] = "DELETE FROM event WHERE seq IN (SELECT seq FROM "
              "(SELECT seq, until FROM event ORDER BY seq LIMIT ?2) "
              "WHERE until <= ?1)",
    NULL,
};

struct state_of_driver {
    struct sl_embedded embedded;
    struct sl_buf packed; /* attributes */
    struct sl_buf key;    /* of a delivery */
};

/* Who asks. */
struct member {
    int64_t id;
    int64_t group;
    int64_t position;
    int64_t topic;
    bool alive;
};

static sqlite3_stmt *get(struct sl_embedded *state, enum statement which)
{
    return state->statements[which];
}

/* A statement with its first parameters. */
static sqlite3_stmt *with(struct sl_embedded *state, enum statement which,
                          int64_t first, int64_t second)
{
    sqlite3_stmt *statement = get(state, which);

    sqlite3_bind_int64(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, second);
    return statement;
}

static int perform(struct sl_embedded *state, enum statement which,
                   int64_t first, int64_t second)
{
    return sl_embedded_perform(with(state, which, first, second));
}

/* No key at all is NULL. */
static int bind_key(sqlite3_stmt *statement, int at, struct sl_bytes key)
{
    return key.ptr != NULL ? sl_embedded_bind_blob(statement, at, key)
                           : sqlite3_bind_null(statement, at);
}

static struct sl_bytes key_column(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return (struct sl_bytes){0};
    struct sl_bytes key = sl_embedded_blob(statement, column);
    return key.len > 0 ? key : SL_LITERAL("");
}

/* --- Publishing ------------------------------------------------------------
 */

/* The topic of this name, which is made where there is none. */
static int find_topic(struct sl_embedded *state, struct sl_bytes name,
                      int64_t *topic)
{
    bool found;

    sl_embedded_bind_text(get(state, FIND_TOPIC), 1, name);
    int code = sl_embedded_look_up(get(state, FIND_TOPIC), topic, &found);
    if (code != SQLITE_OK || found)
        return code;
    sl_embedded_bind_text(get(state, ADD_TOPIC), 1, name);
    return sl_embedded_look_up(get(state, ADD_TOPIC), topic, &found);
}

static int run_publish(struct sl_embedded *state, struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_buf *packed = &((struct state_of_driver *)state)->packed;
    sqlite3_stmt *insert = get(state, INSERT);
    struct sl_error err;
    int64_t topic;

    sl_buf_clear(packed);
    if (sl_attributes_pack(request->attributes, request->attribute_count,
                           packed, &err) != SL_OK)
        return SQLITE_NOMEM;
    int code = find_topic(state, request->topic, &topic);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(insert, 1, topic);
    sqlite3_bind_int64(insert, 2, sl_wall_ms());
    sqlite3_bind_int64(insert, 3,
                       state->now + sl_pubsub_config_of(op)->retention_ms);
    code = bind_key(insert, 4, request->key);
    if (code == SQLITE_OK)
        code = sl_embedded_bind_blob(insert, 5, sl_buf_bytes(packed));
    if (code == SQLITE_OK)
        code = sl_embedded_bind_blob(insert, 6, request->payload);
    if (code != SQLITE_OK) {
        (void)sl_embedded_finish(insert);
        return code;
    }
    op->changed = true;
    return sl_embedded_perform(insert);
}

/* --- Members ---------------------------------------------------------------
 */

static int add_group(struct sl_embedded *state,
                     const struct sl_pubsub_request *request, int64_t topic,
                     int64_t *group)
{
    sqlite3_stmt *add = get(state, ADD_GROUP);
    int64_t last = 0;
    bool found;

    int code =
        request->from_earliest
            ? SQLITE_OK
            : sl_embedded_look_up(with(state, LAST, topic, 0), &last, &found);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(add, 1, topic);
    sl_embedded_bind_text(add, 2, request->group);
    sqlite3_bind_int64(add, 3, last);
    return sl_embedded_look_up(add, group, &found);
}

static int run_subscribe(struct sl_embedded *state, struct sl_op *op)
{
    const struct sl_pubsub_request *request = op->request;
    sqlite3_stmt *find = get(state, FIND_GROUP);
    sqlite3_stmt *add = get(state, ADD_MEMBER);
    int64_t topic, group;
    bool found = false;

    int code = find_topic(state, request->topic, &topic);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(find, 1, topic);
    sl_embedded_bind_text(find, 2, request->group);
    code = sl_embedded_look_up(find, &group, &found);
    if (code == SQLITE_OK && !found)
        code = add_group(state, request, topic, &group);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(add, 1, group);
    sl_embedded_bind_text(add, 2, request->member);
    sqlite3_bind_int64(add, 3, state->now + sl_pubsub_config_of(op)->lease_ms);
    return sl_embedded_perform(add);
}

/* Who asks; *found is false where the group does not know it. */
static int find_member(struct sl_embedded *state, const struct sl_op *op,
                       struct member *member, bool *found)
{
    const struct sl_pubsub_request *request = op->request;
    sqlite3_stmt *find = get(state, FIND_MEMBER);

    sl_embedded_bind_text(find, 1, request->topic);
    sl_embedded_bind_text(find, 2, request->group);
    sl_embedded_bind_text(find, 3, request->member);
    sqlite3_bind_int64(find, 4, state->now);
    *found = sqlite3_step(find) == SQLITE_ROW;
    if (*found)
        *member = (struct member){
            .id = sqlite3_column_int64(find, 0),
            .alive = sqlite3_column_int(find, 1) != 0,
            .group = sqlite3_column_int64(find, 2),
            .position = sqlite3_column_int64(find, 3),
            .topic = sqlite3_column_int64(find, 4),
        };
    return sl_embedded_finish(find);
}

/* What it has is the group's again. */
static int remove_member(struct sl_embedded *state, struct sl_op *op,
                         int64_t member)
{
    int code = perform(state, TAKE_BACK, member, 0);

    if (sqlite3_changes(state->file.handle) > 0)
        op->changed = true;
    return code == SQLITE_OK ? perform(state, REMOVE_MEMBER, member, 0) : code;
}

static int remove_the_dead(struct sl_embedded *state, struct sl_op *op)
{
    int64_t member;
    bool found = true;
    int code = SQLITE_OK;

    while (code == SQLITE_OK && found) {
        code = sl_embedded_look_up(with(state, DEAD, state->now, 0), &member,
                                   &found);
        if (code == SQLITE_OK && found)
            code = remove_member(state, op, member);
    }
    return code;
}

/* --- Receiving -------------------------------------------------------------
 */

/* A row of NEXT_READY or NEXT_NEW, whose bytes are the statement's. */
struct row {
    int64_t seq;
    struct sl_pubsub_event event;
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    char id[24];
    char receipt[SL_EMBEDDED_RECEIPT_MAX];
};

static bool read_row(const struct sl_op *op, sqlite3_stmt *next,
                     struct row *row)
{
    int64_t delivery = sqlite3_column_int64(next, 1) + 1;

    row->seq = sqlite3_column_int64(next, 0);
    snprintf(row->id, sizeof(row->id), "%" PRId64, row->seq);
    sl_embedded_make_receipt(row->receipt, row->seq, delivery);
    row->event = (struct sl_pubsub_event){
        .topic = sl_pubsub_request_of(op)->topic,
        .id = sl_bytes_of(row->id),
        .payload = sl_embedded_blob(next, 5),
        .key = key_column(next, 3),
        .attributes = row->attributes,
        .receipt = sl_bytes_of(row->receipt),
        .published_at_ms = (uint64_t)sqlite3_column_int64(next, 2),
        .delivery_count = (uint32_t)delivery,
    };
    return sl_attributes_unpack(sl_embedded_blob(next, 4), row->attributes,
                                &row->event.attribute_count);
}

/* The next of a key may come. */
static int unblock(struct sl_embedded *state, struct sl_op *op, int64_t group,
                   struct sl_bytes key)
{
    sqlite3_stmt *unblock = get(state, UNBLOCK);

    if (key.ptr == NULL)
        return SQLITE_OK;
    sqlite3_bind_int64(unblock, 1, group);
    int code = sl_embedded_bind_blob(unblock, 2, key);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(unblock);
    if (sqlite3_changes(state->file.handle) > 0)
        op->changed = true;
    return code;
}

static int forget_delivery(struct sl_embedded *state, struct sl_op *op,
                           int64_t group, int64_t seq, struct sl_bytes key)
{
    int code = perform(state, ACKNOWLEDGE, group, seq);

    return code == SQLITE_OK ? unblock(state, op, group, key) : code;
}

/* A column's bytes, for after the statement. */
static int keep_key(struct sl_embedded *state, sqlite3_stmt *statement,
                    int column, struct sl_bytes *key)
{
    struct sl_buf *buf = &((struct state_of_driver *)state)->key;
    struct sl_error err;

    *key = key_column(statement, column);
    sl_buf_clear(buf);
    if (key->ptr == NULL)
        return SQLITE_OK;
    if (sl_buf_append(buf, *key, &err) != SL_OK)
        return SQLITE_NOMEM;
    if (key->len > 0)
        *key = sl_buf_bytes(buf);
    return SQLITE_OK;
}

/* One more that came back; *more is false where there is none, or no room. */
static int take_ready(struct sl_embedded *state, struct sl_op *op,
                      const struct member *member, bool *more)
{
    sqlite3_stmt *next = with(state, NEXT_READY, member->group, 0);
    sqlite3_stmt *again;
    struct sl_bytes key;
    struct row row;

    *more = sqlite3_step(next) == SQLITE_ROW;
    if (!*more)
        return sl_embedded_finish(next);
    if (sqlite3_column_type(next, 6) == SQLITE_NULL) {
        /* Not kept any longer. */
        int64_t seq = sqlite3_column_int64(next, 0);
        int code = keep_key(state, next, 3, &key);
        int finished = sl_embedded_finish(next);
        if (code == SQLITE_OK)
            code = finished;
        return code == SQLITE_OK
                   ? forget_delivery(state, op, member->group, seq, key)
                   : code;
    }
    if (!read_row(op, next, &row)) {
        (void)sl_embedded_finish(next);
        return SQLITE_CORRUPT;
    }
    *more = sl_pubsub_answer_add(op, &row.event);
    int code = sl_embedded_finish(next);
    if (code != SQLITE_OK || !*more)
        return code;
    again = with(state, DELIVER_AGAIN, member->group, row.seq);
    sqlite3_bind_int64(again, 3, member->id);
    return sl_embedded_perform(again);
}

static int key_is_busy(struct sl_embedded *state, int64_t group,
                       struct sl_bytes key, bool *busy)
{
    sqlite3_stmt *find = get(state, KEY_IS_BUSY);
    int64_t seq;

    *busy = false;
    if (key.ptr == NULL)
        return SQLITE_OK;
    sqlite3_bind_int64(find, 1, group);
    int code = sl_embedded_bind_blob(find, 2, key);
    return code == SQLITE_OK ? sl_embedded_look_up(find, &seq, busy) : code;
}

/* An event that the group has not looked at; *more is false where there is no
 * room for it. */
static int take_new(struct sl_embedded *state, struct sl_op *op,
                    const struct member *member, const struct row *row,
                    bool *more)
{
    sqlite3_stmt *deliver = get(state, DELIVER);
    bool busy;

    int code = key_is_busy(state, member->group, row->event.key, &busy);
    if (code != SQLITE_OK)
        return code;
    *more = busy || sl_pubsub_answer_add(op, &row->event);
    if (!*more)
        return SQLITE_OK;
    sqlite3_bind_int64(deliver, 1, member->group);
    sqlite3_bind_int64(deliver, 2, row->seq);
    sqlite3_bind_int64(deliver, 3, busy ? BLOCKED : IN_FLIGHT);
    code = bind_key(deliver, 4, row->event.key);
    if (!busy)
        sqlite3_bind_int64(deliver, 5, member->id);
    sqlite3_bind_int64(deliver, 6, busy ? 0 : 1);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(deliver);
    else
        (void)sl_embedded_finish(deliver);
    return code;
}

static bool wants_more(const struct sl_op *op)
{
    const struct sl_pubsub_answer *answer = op->answer;

    return answer->event_count < sl_pubsub_request_of(op)->limit;
}

static int take_all_new(struct sl_embedded *state, struct sl_op *op,
                        const struct member *member, bool *looked_at_all)
{
    sqlite3_stmt *next = with(state, NEXT_NEW, member->topic, member->position);
    int64_t position = member->position;
    int code = SQLITE_OK, seen = 0;
    bool more = true;
    struct row row;

    *looked_at_all = false;
    while (code == SQLITE_OK && more && wants_more(op) && seen++ < LOOK_AHEAD) {
        if (sqlite3_step(next) != SQLITE_ROW) {
            *looked_at_all = true;
            break;
        }
        code = read_row(op, next, &row)
                   ? take_new(state, op, member, &row, &more)
                   : SQLITE_CORRUPT;
        if (code == SQLITE_OK && more)
            position = row.seq;
    }
    int finished = sl_embedded_finish(next);
    if (code == SQLITE_OK)
        code = finished;
    if (code == SQLITE_OK && position != member->position)
        code = perform(state, ADVANCE, member->group, position);
    return code;
}

/* What is not hidden any more can be received again. */
static int show_returned(struct sl_embedded *state, int64_t group)
{
    int64_t seq;
    bool found;
    int code = sl_embedded_look_up(with(state, RETURNED, group, state->now),
                                   &seq, &found);

    return code == SQLITE_OK && found ? perform(state, SHOW, group, state->now)
                                      : code;
}

/* Until something comes back, or somebody dies. */
static int wait_for_more(struct sl_embedded *state, struct sl_op *op,
                         int64_t group)
{
    int64_t shown, death;
    bool found;
    int code =
        sl_embedded_look_up(with(state, NEXT_SHOWN, group, 0), &shown, &found);

    if (code == SQLITE_OK && !found)
        shown = INT64_MAX;
    if (code == SQLITE_OK)
        code = sl_embedded_look_up(with(state, NEXT_DEATH, group, 0), &death,
                                   &found);
    if (code == SQLITE_OK)
        op->again_at =
            sl_embedded_deadline(state, shown < death ? shown : death);
    return code;
}

static int receive(struct sl_embedded *state, struct sl_op *op,
                   const struct member *member)
{
    const struct sl_pubsub_answer *answer = op->answer;
    bool more = true, looked_at_all = false;
    int code = show_returned(state, member->group);

    while (code == SQLITE_OK && more && wants_more(op))
        code = take_ready(state, op, member, &more);
    if (code == SQLITE_OK && wants_more(op) && answer->err.status == SL_OK)
        code = take_all_new(state, op, member, &looked_at_all);
    if (code != SQLITE_OK || answer->event_count > 0 ||
        answer->err.status != SL_OK || !sl_op_may_wait(op))
        return code;
    if (looked_at_all)
        return wait_for_more(state, op, member->group);
    op->again_at = sl_embedded_deadline(state, state->now);
    return SQLITE_OK;
}

/* --- One op: each returns SQLite's code ----------------------------------- */

static int settle(struct sl_embedded *state, struct sl_op *op,
                  const struct member *member)
{
    const struct sl_pubsub_request *request = op->request;
    int64_t group = member->group, seq, delivery;
    struct sl_bytes key;
    bool found = false;

    if (sl_embedded_parse_receipt(request->receipt, &seq, &delivery)) {
        sqlite3_stmt *find = with(state, FIND_DELIVERY, group, seq);
        sqlite3_bind_int64(find, 3, member->id);
        sqlite3_bind_int64(find, 4, delivery);
        found = sqlite3_step(find) == SQLITE_ROW;
        int code = found ? keep_key(state, find, 0, &key) : SQLITE_OK;
        int finished = sl_embedded_finish(find);
        if (code != SQLITE_OK || finished != SQLITE_OK)
            return code != SQLITE_OK ? code : finished;
    }
    if (!found) {
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the event is no more this member's");
        return SQLITE_OK;
    }
    if (request->verb == SL_PUBSUB_ACKNOWLEDGE)
        return forget_delivery(state, op, group, seq, key);
    sqlite3_stmt *give_back = with(state, RETURN, group, seq);
    sqlite3_bind_int64(give_back, 3, request->delay_ms > 0 ? HIDDEN : READY);
    if (request->delay_ms > 0)
        sqlite3_bind_int64(give_back, 4,
                           state->now + (int64_t)request->delay_ms);
    op->changed = true;
    return sl_embedded_perform(give_back);
}

static int run_as_member(struct sl_embedded *state, struct sl_op *op)
{
    enum sl_pubsub_verb verb = (enum sl_pubsub_verb)sl_op_verb(op);
    struct member member;
    bool found;

    int code = find_member(state, op, &member, &found);
    if (code != SQLITE_OK)
        return code;
    if (verb == SL_PUBSUB_LEAVE)
        return found ? remove_member(state, op, member.id) : SQLITE_OK;
    if (!found || !member.alive) {
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the subscription's lease has ended: the group "
                           "does not know this member any more");
        return SQLITE_OK;
    }
    switch (verb) {
    case SL_PUBSUB_RECEIVE:
        code = remove_the_dead(state, op);
        return code == SQLITE_OK ? receive(state, op, &member) : code;
    case SL_PUBSUB_RENEW:
        return perform(state, RENEW, member.id,
                       state->now + sl_pubsub_config_of(op)->lease_ms);
    default:
        return settle(state, op, &member);
    }
}

static int run(struct sl_embedded *state, struct sl_op *op)
{
    switch ((enum sl_pubsub_verb)sl_op_verb(op)) {
    case SL_PUBSUB_PUBLISH:
        return run_publish(state, op);
    case SL_PUBSUB_SUBSCRIBE:
        return run_subscribe(state, op);
    default:
        return run_as_member(state, op);
    }
}

static bool writes(const struct sl_op *op)
{
    (void)op;
    return true;
}

static void undo(struct sl_op *op)
{
    sl_pubsub_answer_done(op->answer);
    sl_pubsub_answer_init(op->answer);
}

/* --- The driver ------------------------------------------------------------
 */

static const struct sl_embedded_kind kind = {
    .format =
        {
            .application_id = 0x534c7073, /* "SLps" */
            .version = 1,
            .create =
                "CREATE TABLE topic (id INTEGER PRIMARY KEY, "
                "name TEXT NOT NULL UNIQUE);"
                "CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
                "topic INTEGER NOT NULL, published INTEGER NOT NULL, "
                "until INTEGER NOT NULL, key BLOB, attributes BLOB NOT NULL, "
                "payload BLOB NOT NULL);"
                "CREATE INDEX log ON event (topic, seq);"
                "CREATE TABLE grp (id INTEGER PRIMARY KEY, "
                "topic INTEGER NOT NULL, name TEXT NOT NULL, "
                "position INTEGER NOT NULL, UNIQUE (topic, name));"
                "CREATE TABLE member (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "grp INTEGER NOT NULL, name TEXT NOT NULL, "
                "expires INTEGER NOT NULL, UNIQUE (grp, name));"
                "CREATE INDEX dying ON member (expires);"
                "CREATE TABLE delivery (grp INTEGER NOT NULL, "
                "seq INTEGER NOT NULL, state INTEGER NOT NULL, key BLOB, "
                "member INTEGER, until INTEGER, deliveries INTEGER NOT NULL, "
                "PRIMARY KEY (grp, seq)) WITHOUT ROWID;"
                "CREATE INDEX ready ON delivery (grp, seq) WHERE state = 0;"
                "CREATE INDEX hidden ON delivery (grp, until) "
                "WHERE state = 1;"
                "CREATE INDEX owned ON delivery (member) "
                "WHERE member IS NOT NULL;"
                "CREATE INDEX keys ON delivery (grp, key, seq) "
                "WHERE key IS NOT NULL;" SL_EMBEDDED_CLOCK
                "PRAGMA application_id = 0x534c7073;"
                "PRAGMA user_version = 1;",
        },
    .statements = statements,
    .state_size = sizeof(struct state_of_driver),
    .has_clock = true,
    .writes = writes,
    .run = run,
    .undo = undo,
};

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    enum sl_status status =
        sl_embedded_open(&kind, store, deadline, state, err);

    if (status == SL_OK) {
        struct state_of_driver *opened = *state;
        opened->packed.limit = 2 * SL_ATTRIBUTE_BYTES_MAX;
        opened->key.limit = 2 * SL_PUBSUB_KEY_MAX;
    }
    return status;
}

static void sqlite_close(void *state)
{
    struct state_of_driver *opened = state;

    sl_buf_done(&opened->packed);
    sl_buf_done(&opened->key);
    sl_embedded_close(state);
}

static void sqlite_idle(void *state)
{
    struct sl_embedded *embedded = state;

    embedded->file.deadline = sl_deadline_in_ms(SWEEP_MS);
    sl_embedded_sweep(embedded, get(embedded, OVER), get(embedded, SWEEP),
                      sl_embedded_now(embedded));
}

/* The only symbol this file exports. */
const struct sl_driver sl_pubsub_sqlite = {
    .name = "pubsub.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; the processes of a machine "
               "may share it",
    .options = sl_embedded_options,
    .options_size = sizeof(struct sl_embedded_options),
    .features = SL_PUBSUB_FEATURE_SUBSCRIBE | SL_PUBSUB_FEATURE_KEYS |
                SL_PUBSUB_FEATURE_EARLIEST | SL_PUBSUB_FEATURE_DURABLE |
                SL_PUBSUB_FEATURE_SHARED | SL_PUBSUB_FEATURE_UNDIVIDED,
    .max_states = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sl_embedded_run,
    .idle = sqlite_idle,
    .changed = sl_embedded_changed,
};

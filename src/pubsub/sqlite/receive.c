/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.sqlite: what a member receives; each returns SQLite's code. */
#include <inttypes.h>
#include <stdio.h>

#include "pubsub/sqlite/internal.h"
#include "service/attributes.h"

/*
 * Events that one run of a RECEIVE looks at without delivering them: blocked by
 * their key, or past their retention.  About 10 ms, since other ops wait.
 */
enum { LOOK_AHEAD = 1000 };

/* A row of NEXT_READY or NEXT_NEW; borrows from the statement. */
struct row {
    int64_t seq;
    struct sl_delivery event;
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    char id[24];
    char receipt[SL_EMBEDDED_RECEIPT_MAX];
};

static bool read_event_row(const struct sl_op *op, sqlite3_stmt *next,
                           struct row *row)
{
    int64_t delivery = sqlite3_column_int64(next, 1) + 1;

    row->seq = sqlite3_column_int64(next, 0);
    snprintf(row->id, sizeof(row->id), "%" PRId64, row->seq);
    sl_embedded_make_receipt(row->receipt, row->seq, delivery);
    row->event = (struct sl_delivery){
        .topic = sl_pubsub_request_of(op)->topic,
        .id = sl_bytes_of(row->id),
        .payload = sl_embedded_blob(next, 5),
        .key = sl_pubsub_sqlite_key(next, 3),
        .attributes = row->attributes,
        .receipt = sl_bytes_of(row->receipt),
        .sent_at_ms = (uint64_t)sqlite3_column_int64(next, 2),
        .delivery_count = (uint32_t)delivery,
    };
    return sl_attributes_unpack(sl_embedded_blob(next, 4), row->attributes,
                                &row->event.attribute_count);
}

/* Make the next event of a key ready. */
static int unblock_key(struct sl_embedded *connection, struct sl_op *op,
                       int64_t group, struct sl_bytes key)
{
    sqlite3_stmt *unblock =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_UNBLOCK);

    if (key.ptr == NULL)
        return SQLITE_OK;
    sqlite3_bind_int64(unblock, 1, group);
    int code = sl_embedded_bind_blob(unblock, 2, key);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(unblock);
    if (sqlite3_changes(connection->file.handle) > 0)
        op->changed = true;
    return code;
}

int sl_pubsub_sqlite_forget(struct sl_embedded *connection, struct sl_op *op,
                            int64_t group, int64_t seq, struct sl_bytes key)
{
    int code = sl_pubsub_sqlite_perform(
        connection, SL_PUBSUB_SQLITE_ACKNOWLEDGE, group, seq);

    return code == SQLITE_OK ? unblock_key(connection, op, group, key) : code;
}

int sl_pubsub_sqlite_keep_key(struct sl_embedded *connection,
                              sqlite3_stmt *statement, int column,
                              struct sl_bytes *key)
{
    struct sl_buf *buf = &((struct sl_pubsub_sqlite *)connection)->key;
    struct sl_error err;

    *key = sl_pubsub_sqlite_key(statement, column);
    sl_buf_clear(buf);
    if (key->ptr == NULL)
        return SQLITE_OK;
    if (sl_buf_append(buf, *key, &err) != SL_OK)
        return SQLITE_NOMEM;
    if (key->len > 0)
        *key = sl_buf_bytes(buf);
    return SQLITE_OK;
}

/* Deliver one more returned event; *more is false if there is none, or the
 * answer is full. looked counts events that are past their retention. */
static int deliver_returned(struct sl_embedded *connection, struct sl_op *op,
                            const struct sl_pubsub_member *member, int *looked,
                            bool *more)
{
    sqlite3_stmt *next = sl_pubsub_sqlite_with(
        connection, SL_PUBSUB_SQLITE_NEXT_READY, member->group, 0);
    sqlite3_stmt *again;
    struct sl_bytes key;
    struct row row;

    *more = sqlite3_step(next) == SQLITE_ROW;
    if (!*more)
        return sl_embedded_finish(next);
    if (sqlite3_column_type(next, 6) == SQLITE_NULL) {
        /* The event is past its retention. */
        ++*looked;
        int64_t seq = sqlite3_column_int64(next, 0);
        int code = sl_pubsub_sqlite_keep_key(connection, next, 3, &key);
        int finished = sl_embedded_finish(next);
        if (code == SQLITE_OK)
            code = finished;
        return code == SQLITE_OK ? sl_pubsub_sqlite_forget(
                                       connection, op, member->group, seq, key)
                                 : code;
    }
    if (!read_event_row(op, next, &row)) {
        (void)sl_embedded_finish(next);
        return SQLITE_CORRUPT;
    }
    *more = sl_pubsub_answer_add(op, &row.event);
    int code = sl_embedded_finish(next);
    if (code != SQLITE_OK || !*more)
        return code;
    again = sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_DELIVER_AGAIN,
                                  member->group, row.seq);
    sqlite3_bind_int64(again, 3, member->id);
    return sl_embedded_perform(again);
}

static int key_is_busy(struct sl_embedded *connection, int64_t group,
                       struct sl_bytes key, bool *busy)
{
    sqlite3_stmt *find =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_KEY_IS_BUSY);
    int64_t seq;

    *busy = false;
    if (key.ptr == NULL)
        return SQLITE_OK;
    sqlite3_bind_int64(find, 1, group);
    int code = sl_embedded_bind_blob(find, 2, key);
    return code == SQLITE_OK ? sl_embedded_query_integer(find, &seq, busy)
                             : code;
}

/* Deliver an event after the group's position; *more is false if the answer is
 * full. */
static int deliver_new(struct sl_embedded *connection, struct sl_op *op,
                       const struct sl_pubsub_member *member,
                       const struct row *row, bool *more)
{
    sqlite3_stmt *deliver =
        sl_pubsub_sqlite_get(connection, SL_PUBSUB_SQLITE_DELIVER);
    bool busy;

    int code = key_is_busy(connection, member->group, row->event.key, &busy);
    if (code != SQLITE_OK)
        return code;
    *more = busy || sl_pubsub_answer_add(op, &row->event);
    if (!*more)
        return SQLITE_OK;
    sqlite3_bind_int64(deliver, 1, member->group);
    sqlite3_bind_int64(deliver, 2, row->seq);
    sqlite3_bind_int64(deliver, 3,
                       busy ? SL_PUBSUB_SQLITE_BLOCKED
                            : SL_PUBSUB_SQLITE_IN_FLIGHT);
    code = sl_pubsub_sqlite_bind_key(deliver, 4, row->event.key);
    if (!busy)
        sqlite3_bind_int64(deliver, 5, member->id);
    sqlite3_bind_int64(deliver, 6, busy ? 0 : 1);
    if (code == SQLITE_OK)
        code = sl_embedded_perform(deliver);
    else
        (void)sl_embedded_finish(deliver);
    return code;
}

static bool wants_more_rows(const struct sl_op *op)
{
    const struct sl_pubsub_answer *answer = op->answer;

    return answer->deliveries.count < sl_pubsub_request_of(op)->limit;
}

static int deliver_all_new(struct sl_embedded *connection, struct sl_op *op,
                           const struct sl_pubsub_member *member, int looked,
                           bool *looked_at_all)
{
    sqlite3_stmt *next = sl_pubsub_sqlite_with(
        connection, SL_PUBSUB_SQLITE_NEXT_NEW, member->topic, member->position);
    int64_t position = member->position;
    int code = SQLITE_OK;
    bool more = true;
    struct row row;

    *looked_at_all = false;
    while (code == SQLITE_OK && more && wants_more_rows(op) &&
           looked++ < LOOK_AHEAD) {
        if (sqlite3_step(next) != SQLITE_ROW) {
            *looked_at_all = true;
            break;
        }
        code = read_event_row(op, next, &row)
                   ? deliver_new(connection, op, member, &row, &more)
                   : SQLITE_CORRUPT;
        if (code == SQLITE_OK && more)
            position = row.seq;
    }
    int finished = sl_embedded_finish(next);
    if (code == SQLITE_OK)
        code = finished;
    if (code == SQLITE_OK && position != member->position)
        code = sl_pubsub_sqlite_perform(connection, SL_PUBSUB_SQLITE_ADVANCE,
                                        member->group, position);
    return code;
}

/* Make due events ready. */
static int show_due_events(struct sl_embedded *connection, int64_t group)
{
    int64_t seq;
    bool found;
    int code = sl_embedded_query_integer(
        sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_RETURNED, group,
                              connection->now),
        &seq, &found);

    return code == SQLITE_OK && found
               ? sl_pubsub_sqlite_perform(connection, SL_PUBSUB_SQLITE_SHOW,
                                          group, connection->now)
               : code;
}

/* Wait until an event is due, or a member expires. */
static int wait_for_event(struct sl_embedded *connection, struct sl_op *op,
                          int64_t group)
{
    int64_t shown, death;
    bool found;
    int code = sl_embedded_query_integer(
        sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_NEXT_SHOWN, group,
                              0),
        &shown, &found);

    if (code == SQLITE_OK && !found)
        shown = INT64_MAX;
    if (code == SQLITE_OK)
        code = sl_embedded_query_integer(
            sl_pubsub_sqlite_with(connection, SL_PUBSUB_SQLITE_NEXT_DEATH,
                                  group, 0),
            &death, &found);
    if (code == SQLITE_OK)
        op->retry_at =
            sl_embedded_deadline(connection, shown < death ? shown : death);
    op->retry_if_not_first_at = SL_NEVER;
    return code;
}

int sl_pubsub_sqlite_receive(struct sl_embedded *connection, struct sl_op *op,
                             const struct sl_pubsub_member *member)
{
    const struct sl_pubsub_answer *answer = op->answer;
    bool more = true, looked_at_all = false;
    int looked = 0;
    int code = show_due_events(connection, member->group);

    while (code == SQLITE_OK && more && wants_more_rows(op) &&
           looked < LOOK_AHEAD)
        code = deliver_returned(connection, op, member, &looked, &more);
    if (code == SQLITE_OK && wants_more_rows(op) && answer->err.status == SL_OK)
        code = deliver_all_new(connection, op, member, looked, &looked_at_all);
    if (answer->deliveries.count > 0 && !looked_at_all)
        op->changed = true; /* there may be more for the next receiver */
    if (code != SQLITE_OK || answer->deliveries.count > 0 ||
        answer->err.status != SL_OK)
        return code;
    if (looked_at_all)
        return sl_op_may_wait(op)
                   ? wait_for_event(connection, op, member->group)
                   : SQLITE_OK;
    op->unfinished = true;
    return SQLITE_OK;
}

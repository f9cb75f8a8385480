/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.sqlite: the embedded default.  One row for each message.
 *
 * A message is READY, or HIDDEN until a time (`until`: delayed, or, with
 * `in_flight`, received), or BLOCKED by another message of its group.  Only the
 * first message of a group is not BLOCKED, so the next message to receive is
 * always the first READY one.  Each state has its own index.  Dead letters are
 * moved to their own table.
 *
 * A receipt is the number of the message and the number of the delivery.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driverkit/embedded.h"
#include "mq/driver.h"
#include "mq/sqlite/schema.h"
#include "service/attributes.h"
#include "service/notice.h"

enum {
    BATCH_MAX = 1024,
    BURY_MAX = 1000, /* in one run of a RECEIVE: about 10 ms */
};

struct mq_sqlite_connection {
    struct sl_embedded embedded;
    struct sl_buf packed; /* attributes */
};

static sqlite3_stmt *statement_of(struct sl_embedded *connection,
                                  enum sl_mq_sqlite_statement which)
{
    return connection->statements[which];
}

/* --- Sending ------------------------------------------------------------ */

static void put_id(struct sl_op *op, int64_t seq)
{
    snprintf(sl_mq_answer_of(op)->id, sizeof(sl_mq_answer_of(op)->id),
             "%" PRId64, seq);
}

static int find_duplicate(struct sl_embedded *connection, struct sl_op *op,
                          bool *found)
{
    sqlite3_stmt *find = statement_of(connection, SL_MQ_SQLITE_FIND_DUPLICATE);
    int64_t seq;

    *found = false;
    if (sl_mq_request_of(op)->deduplication_id.ptr == NULL)
        return SQLITE_OK;
    sl_embedded_bind_text(find, 1, sl_mq_request_of(op)->deduplication_id);
    sqlite3_bind_int64(find, 2, connection->now);
    int code = sl_embedded_query_integer(find, &seq, found);
    if (*found)
        put_id(op, seq);
    return code;
}

static int note_duplicate(struct sl_embedded *connection,
                          const struct sl_op *op, int64_t seq)
{
    sqlite3_stmt *note = statement_of(connection, SL_MQ_SQLITE_NOTE_DUPLICATE);

    if (sl_mq_request_of(op)->deduplication_id.ptr == NULL)
        return SQLITE_OK;
    sl_embedded_bind_text(note, 1, sl_mq_request_of(op)->deduplication_id);
    sqlite3_bind_int64(note, 2, seq);
    sqlite3_bind_int64(note, 3, connection->now + SL_MQ_DEDUPLICATION_MS);
    return sl_embedded_perform(note);
}

/* The state of a new message: the first of its group, or blocked. */
static int state_of_new(struct sl_embedded *connection,
                        const struct sl_mq_request *request,
                        enum sl_mq_sqlite_state *which)
{
    int64_t value;
    bool found = false;
    int code = SQLITE_OK;

    if (request->group.ptr != NULL) {
        sl_embedded_bind_text(statement_of(connection, SL_MQ_SQLITE_IN_GROUP),
                              1, request->group);
        code = sl_embedded_query_integer(
            statement_of(connection, SL_MQ_SQLITE_IN_GROUP), &value, &found);
    }
    *which = found                   ? SL_MQ_SQLITE_BLOCKED
             : request->delay_ms > 0 ? SL_MQ_SQLITE_HIDDEN
                                     : SL_MQ_SQLITE_READY;
    return code;
}

static int insert_message(struct mq_sqlite_connection *own, struct sl_op *op,
                          enum sl_mq_sqlite_state which, int64_t *seq)
{
    struct sl_embedded *connection = &own->embedded;
    const struct sl_mq_request *request = op->request;
    sqlite3_stmt *insert = statement_of(connection, SL_MQ_SQLITE_INSERT);
    struct sl_error err;

    sl_buf_clear(&own->packed);
    if (sl_attributes_pack(request->attributes, request->attribute_count,
                           &own->packed, &err) != SL_OK)
        return SQLITE_NOMEM;
    if (request->group.ptr != NULL)
        sl_embedded_bind_text(insert, 1, request->group);
    sqlite3_bind_int64(insert, 2, which);
    if (request->delay_ms > 0)
        sqlite3_bind_int64(insert, 3,
                           connection->now + (int64_t)request->delay_ms);
    sqlite3_bind_int64(insert, 4, sl_wall_ms());
    int code = sl_embedded_bind_blob(insert, 5, sl_buf_bytes(&own->packed));
    if (code == SQLITE_OK)
        code = sl_embedded_bind_blob(insert, 6, request->payload);
    if (code != SQLITE_OK) {
        (void)sl_embedded_finish(insert);
        return code;
    }
    code = sl_embedded_perform(insert);
    *seq = sqlite3_last_insert_rowid(connection->file.handle);
    return code;
}

static int run_send(struct sl_embedded *connection, struct sl_op *op)
{
    enum sl_mq_sqlite_state which;
    int64_t seq = 0;
    bool duplicate;

    int code = find_duplicate(connection, op, &duplicate);
    if (code != SQLITE_OK || duplicate)
        return code;
    code = state_of_new(connection, op->request, &which);
    if (code == SQLITE_OK)
        code = insert_message((struct mq_sqlite_connection *)connection, op,
                              which, &seq);
    if (code == SQLITE_OK)
        code = note_duplicate(connection, op, seq);
    if (code == SQLITE_OK)
        put_id(op, seq);
    op->changed = true;
    return code;
}

/* --- Dead letters, and groups ------------------------------------------- */

/* Make the next message of a group ready; group.ptr NULL: no group. */
static int unblock_group(struct sl_embedded *connection, struct sl_op *op,
                         struct sl_bytes group)
{
    if (group.ptr == NULL)
        return SQLITE_OK;
    op->changed = true;
    sl_embedded_bind_text(statement_of(connection, SL_MQ_SQLITE_UNBLOCK), 1,
                          group);
    sqlite3_bind_int64(statement_of(connection, SL_MQ_SQLITE_UNBLOCK), 2,
                       connection->now);
    return sl_embedded_perform(statement_of(connection, SL_MQ_SQLITE_UNBLOCK));
}

static int delete_message(struct sl_embedded *connection, int64_t seq)
{
    sqlite3_bind_int64(statement_of(connection, SL_MQ_SQLITE_DELETE), 1, seq);
    return sl_embedded_perform(statement_of(connection, SL_MQ_SQLITE_DELETE));
}

/* deliveries: the number of deliveries so far. */
static int bury_message(struct sl_embedded *connection, struct sl_op *op,
                        int64_t seq, int64_t deliveries, struct sl_bytes reason)
{
    sqlite3_stmt *bury = statement_of(connection, SL_MQ_SQLITE_BURY);
    char id[24];

    snprintf(id, sizeof(id), "%" PRId64, seq);
    sl_op_report_dead_letter(op, sl_bytes_of(id), deliveries, reason);
    sqlite3_bind_int64(bury, 1, seq);
    sqlite3_bind_int64(bury, 2, sl_wall_ms());
    sl_embedded_bind_text(bury, 3, reason);
    int code = sl_embedded_perform(bury);
    return code == SQLITE_OK ? delete_message(connection, seq) : code;
}

/* --- Receiving ---------------------------------------------------------- */

/* A row of NEXT; borrows from the statement. */
struct row {
    int64_t seq;
    int64_t deliveries;
    struct sl_delivery message;
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    char id[24];
    char receipt[SL_EMBEDDED_RECEIPT_MAX];
};

static bool read_message_row(sqlite3_stmt *next, struct row *row)
{
    row->seq = sqlite3_column_int64(next, 0);
    row->deliveries = sqlite3_column_int64(next, 2);
    snprintf(row->id, sizeof(row->id), "%" PRId64, row->seq);
    sl_embedded_make_receipt(row->receipt, row->seq, row->deliveries + 1);
    row->message = (struct sl_delivery){
        .id = sl_bytes_of(row->id),
        .payload = sl_embedded_blob(next, 5),
        .key = sl_embedded_text(next, 1),
        .attributes = row->attributes,
        .receipt = sl_bytes_of(row->receipt),
        .sent_at_ms = (uint64_t)sqlite3_column_int64(next, 3),
        .delivery_count = (uint32_t)(row->deliveries + 1),
    };
    return sl_attributes_unpack(sl_embedded_blob(next, 4), row->attributes,
                                &row->message.attribute_count);
}

static int mark_delivered(struct sl_embedded *connection,
                          const struct sl_op *op, int64_t seq)
{
    const struct sl_mq_request *request = op->request;
    int64_t visibility = request->has_visibility
                             ? (int64_t)request->visibility_ms
                             : sl_mq_config_of(op)->visibility_ms;
    sqlite3_stmt *deliver = statement_of(connection, SL_MQ_SQLITE_DELIVER);

    sqlite3_bind_int64(deliver, 1, seq);
    sqlite3_bind_int64(deliver, 2, connection->now + visibility);
    return sl_embedded_perform(deliver);
}

/* Dead-letter a message that was delivered too often. */
static int bury_undeliverable(struct sl_embedded *connection, struct sl_op *op,
                              const struct row *row)
{
    char group[SL_MQ_GROUP_MAX];
    struct sl_bytes copy = row->message.key;

    if (copy.ptr != NULL && copy.len <= sizeof(group))
        copy.ptr = memcpy(group, copy.ptr, copy.len);
    int code = sl_embedded_finish(statement_of(connection, SL_MQ_SQLITE_NEXT));
    if (code == SQLITE_OK)
        code = bury_message(connection, op, row->seq, row->deliveries,
                            SL_LITERAL("max-deliveries"));
    return code == SQLITE_OK ? unblock_group(connection, op, copy) : code;
}

/* Deliver one more message; *more is false if there is none, or the answer is
 * full. buried counts new dead letters. */
static int deliver_next(struct sl_embedded *connection, struct sl_op *op,
                        int *buried, bool *more)
{
    sqlite3_stmt *next = statement_of(connection, SL_MQ_SQLITE_NEXT);
    int64_t most = sl_mq_config_of(op)->max_deliveries;
    struct row row;

    *more = sqlite3_step(next) == SQLITE_ROW;
    if (!*more)
        return sl_embedded_finish(next);
    if (!read_message_row(next, &row)) {
        (void)sl_embedded_finish(next);
        return SQLITE_CORRUPT;
    }
    if (most > 0 && row.deliveries >= most) {
        ++*buried;
        return bury_undeliverable(connection, op, &row);
    }
    *more = sl_mq_answer_add(op, &row.message);
    if (!*more)
        op->changed = true; /* one message did not fit */
    int code = sl_embedded_finish(next);
    return code == SQLITE_OK && *more ? mark_delivered(connection, op, row.seq)
                                      : code;
}

/* Make due messages ready. */
static int show_due_messages(struct sl_embedded *connection)
{
    int64_t seq;
    bool found;

    sqlite3_bind_int64(statement_of(connection, SL_MQ_SQLITE_RETURNED), 1,
                       connection->now);
    int code = sl_embedded_query_integer(
        statement_of(connection, SL_MQ_SQLITE_RETURNED), &seq, &found);
    if (code != SQLITE_OK || !found)
        return code;
    sqlite3_bind_int64(statement_of(connection, SL_MQ_SQLITE_SHOW), 1,
                       connection->now);
    return sl_embedded_perform(statement_of(connection, SL_MQ_SQLITE_SHOW));
}

static int wait_for_message(struct sl_embedded *connection, struct sl_op *op)
{
    int64_t until;
    bool found;
    int code = sl_embedded_query_integer(
        statement_of(connection, SL_MQ_SQLITE_NEXT_UNTIL), &until, &found);

    op->retry_at = found ? sl_embedded_deadline(connection, until) : SL_NEVER;
    op->retry_if_not_first_at = SL_NEVER;
    return code;
}

static int run_receive(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_mq_answer *answer = op->answer;
    bool more = true;
    int buried = 0;
    int code = show_due_messages(connection);

    while (code == SQLITE_OK && more && buried < BURY_MAX &&
           answer->deliveries.count < sl_mq_request_of(op)->limit)
        code = deliver_next(connection, op, &buried, &more);
    if (answer->deliveries.count > 0)
        op->changed = op->changed || more; /* the next receiver may find more */
    if (code != SQLITE_OK || answer->deliveries.count > 0 ||
        answer->err.status != SL_OK)
        return code;
    op->unfinished = more;
    return !more && sl_op_may_wait(op) ? wait_for_message(connection, op)
                                       : code;
}

/* --- Settling ----------------------------------------------------------- */

/* Find the message that op settles, and copy its group.  *found is false, and
 * op answered, if the message is no longer leased to this receiver. */
static int find_in_flight(struct sl_embedded *connection, struct sl_op *op,
                          int64_t *seq, int64_t *delivery,
                          char group[SL_MQ_GROUP_MAX],
                          struct sl_bytes *in_group, bool *found)
{
    sqlite3_stmt *find = statement_of(connection, SL_MQ_SQLITE_IN_FLIGHT);

    *found = false;
    *in_group = (struct sl_bytes){0};
    if (sl_embedded_parse_receipt(sl_mq_request_of(op)->receipt, seq,
                                  delivery)) {
        sqlite3_bind_int64(find, 1, *seq);
        sqlite3_bind_int64(find, 2, *delivery);
        sqlite3_bind_int64(find, 3, connection->now);
        *found = sqlite3_step(find) == SQLITE_ROW;
        if (*found)
            *in_group = sl_embedded_text(find, 0);
        if (in_group->len > SL_MQ_GROUP_MAX)
            in_group->len = SL_MQ_GROUP_MAX;
        if (in_group->ptr != NULL)
            in_group->ptr = memcpy(group, in_group->ptr, in_group->len);
        int code = sl_embedded_finish(find);
        if (code != SQLITE_OK)
            return code;
    }
    if (!*found)
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the message's visibility has ended: it is no "
                           "longer leased to this receiver");
    return SQLITE_OK;
}

static int hide_message(struct sl_embedded *connection, int64_t seq,
                        uint64_t ms, bool in_flight)
{
    sqlite3_stmt *hide = statement_of(connection, SL_MQ_SQLITE_HIDE);

    sqlite3_bind_int64(hide, 1, seq);
    sqlite3_bind_int64(hide, 2,
                       ms > 0 ? SL_MQ_SQLITE_HIDDEN : SL_MQ_SQLITE_READY);
    if (ms > 0)
        sqlite3_bind_int64(hide, 3, connection->now + (int64_t)ms);
    sqlite3_bind_int64(hide, 4, in_flight);
    return sl_embedded_perform(hide);
}

static int run_settle(struct sl_embedded *connection, struct sl_op *op)
{
    const struct sl_mq_request *request = op->request;
    char group[SL_MQ_GROUP_MAX];
    struct sl_bytes in_group;
    int64_t seq, delivery;
    bool found;

    int code = find_in_flight(connection, op, &seq, &delivery, group, &in_group,
                              &found);
    if (code != SQLITE_OK || !found)
        return code;
    switch ((enum sl_mq_verb)request->verb) {
    case SL_MQ_EXTEND:
        return hide_message(connection, seq, request->visibility_ms, true);
    case SL_MQ_ABANDON:
        op->changed = true;
        return hide_message(connection, seq, request->delay_ms, false);
    case SL_MQ_DEAD_LETTER:
        code = bury_message(connection, op, seq, delivery, request->reason);
        break;
    default: /* COMPLETE */
        code = delete_message(connection, seq);
        break;
    }
    return code == SQLITE_OK ? unblock_group(connection, op, in_group) : code;
}

static int run_depth(struct sl_embedded *connection, struct sl_op *op)
{
    int64_t count;
    bool found;
    int code = sl_embedded_query_integer(
        statement_of(connection, SL_MQ_SQLITE_COUNT), &count, &found);

    sl_mq_answer_of(op)->depth = (uint64_t)count;
    return code;
}

static int run_mq_op(struct sl_embedded *connection, struct sl_op *op)
{
    switch ((enum sl_mq_verb)sl_op_verb(op)) {
    case SL_MQ_SEND:
        return run_send(connection, op);
    case SL_MQ_RECEIVE:
        return run_receive(connection, op);
    case SL_MQ_DEPTH:
        return run_depth(connection, op);
    case SL_MQ_DEAD_LIST:
        return sl_mq_sqlite_dead_list(connection, op);
    case SL_MQ_DEAD_REPLAY:
    case SL_MQ_DEAD_DROP:
        return sl_mq_sqlite_dead_settle(connection, op);
    default:
        return run_settle(connection, op);
    }
}

static bool mq_op_writes(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_MQ_DEPTH && sl_op_verb(op) != SL_MQ_DEAD_LIST;
}

/* Receiving frees room in the end; only a new message takes it. */
static bool mq_op_frees(const struct sl_op *op)
{
    return sl_op_verb(op) != SL_MQ_SEND;
}

static bool sweep_duplicates(struct sl_embedded *connection)
{
    return sl_embedded_sweep(connection,
                             statement_of(connection, SL_MQ_SQLITE_LAPSED),
                             statement_of(connection, SL_MQ_SQLITE_SWEEP),
                             sl_embedded_now(connection));
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_embedded_kind kind = {
    .capability = &sl_mq,
    .format = {.application_id = 0x534c6d71, /* "SLmq" */
               .version = 1,
               .create = sl_mq_sqlite_tables,
               .remedy = "; dead letters count as well: \"slight dead-letters "
                         "drop\" deletes them"},
    .statements = sl_mq_sqlite_statements,
    .connection_size = sizeof(struct mq_sqlite_connection),
    .has_clock = true,
    .writes = mq_op_writes,
    .run = run_mq_op,
    .frees = mq_op_frees,
    .sweep = sweep_duplicates,
};

static enum sl_status mq_sqlite_open(void *store, sl_deadline deadline,
                                     void **connection, struct sl_error *err)
{
    enum sl_status status =
        sl_embedded_open(&kind, store, deadline, connection, err);

    if (status == SL_OK)
        ((struct mq_sqlite_connection *)*connection)->packed.limit =
            2 * SL_ATTRIBUTE_BYTES_MAX;
    return status;
}

static void mq_sqlite_close(void *connection)
{
    sl_buf_done(&((struct mq_sqlite_connection *)connection)->packed);
    sl_embedded_close(connection);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_mq_sqlite = {
    .name = "mq.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; the processes of a machine "
               "may share it",
    .options = sl_embedded_options,
    .options_size = sizeof(struct sl_embedded_options),
    .features = SL_MQ_FEATURE_DELAY | SL_MQ_FEATURE_GROUPS |
                SL_MQ_FEATURE_DEDUPLICATION | SL_MQ_FEATURE_DEAD_LETTER |
                SL_MQ_FEATURE_COUNT | SL_MQ_FEATURE_DURABLE |
                SL_MQ_FEATURE_SHARED,
    .max_connections = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .usage = sl_embedded_usage,
    .open = mq_sqlite_open,
    .close = mq_sqlite_close,
    .run = sl_embedded_run,
    .idle = sl_embedded_idle,
    .changed = sl_embedded_changed,
};

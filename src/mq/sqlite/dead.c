/* SPDX-License-Identifier: Apache-2.0 */
/* The dead letters of mq.sqlite, for operators. */
#include <stdio.h>

#include "mq/sqlite/schema.h"
#include "service/attributes.h"

/* Add one dead letter; *more is false if the answer is full. */
static int list_row(struct sl_op *op, sqlite3_stmt *dead, bool *more)
{
    struct sl_pair attributes[SL_ATTRIBUTES_MAX];
    char id[24];

    snprintf(id, sizeof(id), "%lld", (long long)sqlite3_column_int64(dead, 0));
    struct sl_delivery message = {
        .id = sl_bytes_of(id),
        .key = sl_embedded_text(dead, 1),
        .delivery_count = (uint32_t)sqlite3_column_int64(dead, 2),
        .sent_at_ms = (uint64_t)sqlite3_column_int64(dead, 3),
        .payload = sl_embedded_blob(dead, 5),
        .attributes = attributes,
    };
    const struct sl_mq_burial burial = {
        .place = message.id,
        .died_at_ms = (uint64_t)sqlite3_column_int64(dead, 6),
        .reason = sl_embedded_text(dead, 7),
    };
    if (!sl_attributes_unpack(sl_embedded_blob(dead, 4), attributes,
                              &message.attribute_count))
        return SQLITE_CORRUPT;
    *more = sl_mq_answer_add_dead(op, &message, &burial);
    return SQLITE_OK;
}

int sl_mq_sqlite_dead_list(struct sl_embedded *connection, struct sl_op *op)
{
    sqlite3_stmt *dead = connection->statements[SL_MQ_SQLITE_DEAD];
    struct sl_mq_burial after;
    int64_t seq = 0;
    bool more = true;
    int code = SQLITE_OK;

    if (sl_mq_read_burial(sl_mq_request_of(op)->receipt, &after) &&
        !sl_bytes_to_integer(after.place, &seq))
        seq = 0;
    sqlite3_bind_int64(dead, 1, seq);
    sqlite3_bind_int64(dead, 2, sl_mq_request_of(op)->limit);
    while (code == SQLITE_OK && more && sqlite3_step(dead) == SQLITE_ROW)
        code = list_row(op, dead, &more);
    int finished = sl_embedded_finish(dead);
    return code == SQLITE_OK ? finished : code;
}

static int refuse_unknown_row(struct sl_op *op)
{
    sl_embedded_refuse(op, SL_NOT_FOUND, "there is no such dead letter");
    return SQLITE_OK;
}

/* Run a statement on a dead letter; *changed: it changed a row. */
static int change_dead(struct sl_embedded *connection,
                       enum sl_mq_sqlite_statement which, int64_t seq,
                       bool *changed)
{
    sqlite3_bind_int64(connection->statements[which], 1, seq);
    int code = sl_embedded_perform(connection->statements[which]);
    *changed = sqlite3_changes(connection->file.handle) > 0;
    return code;
}

int sl_mq_sqlite_dead_settle(struct sl_embedded *connection, struct sl_op *op)
{
    bool replay = sl_op_verb(op) == SL_MQ_DEAD_REPLAY, changed = true;
    struct sl_mq_burial burial;
    int code = SQLITE_OK;
    int64_t seq;

    if (!sl_mq_read_burial(sl_mq_request_of(op)->receipt, &burial) ||
        !sl_bytes_to_integer(burial.place, &seq))
        return refuse_unknown_row(op);
    if (replay) {
        code = change_dead(connection, SL_MQ_SQLITE_REPLAY, seq, &changed);
        snprintf(sl_mq_answer_of(op)->id, sizeof(sl_mq_answer_of(op)->id),
                 "%lld",
                 (long long)sqlite3_last_insert_rowid(connection->file.handle));
        op->changed = changed;
    }
    if (code == SQLITE_OK && changed)
        code = change_dead(connection, SL_MQ_SQLITE_DROP, seq, &changed);
    return code == SQLITE_OK && !changed ? refuse_unknown_row(op) : code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors: statements that stand on a row.  One step ahead, since only the
 * first step tells that a statement works, and what its columns are.
 */
#include <errno.h>

#include "sql/sqlite/run.h"

static void close_cursor(struct sl_sql_sqlite *sqlite,
                         struct sl_sql_sqlite_cursor *cursor)
{
    if (cursor->statement != NULL)
        sl_sql_sqlite_give(sqlite, cursor->statement);
    *cursor = (struct sl_sql_sqlite_cursor){0};
}

void sl_sql_sqlite_cursor_close(struct sl_sql_sqlite *sqlite, uint64_t number)
{
    struct sl_sql_sqlite_cursor *cursor =
        sl_sql_cursor_find(sqlite->cursors, sizeof(sqlite->cursors[0]), number);

    if (cursor != NULL)
        close_cursor(sqlite, cursor);
}

void sl_sql_sqlite_close_cursors(struct sl_sql_sqlite *sqlite)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        close_cursor(sqlite, &sqlite->cursors[i]);
}

/* To the next row; after the last one there is no statement. */
static enum sl_status step(struct sl_sql_sqlite *sqlite,
                           struct sl_sql_sqlite_cursor *cursor,
                           struct sl_error *err)
{
    errno = 0; /* for sl_sqlite_explain */
    int code = sqlite3_step(cursor->statement->handle);

    cursor->pending = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return SL_OK;
    enum sl_status status = SL_OK;
    if (code != SQLITE_DONE)
        status =
            sl_sql_sqlite_explain(sqlite, code, SL_SQL_SQLITE_RUNNING, err);
    sl_sql_sqlite_give(sqlite, cursor->statement);
    cursor->statement = NULL;
    return status;
}

/* Bind, take the first step, and answer the columns. */
static enum sl_status begin(struct sl_sql_sqlite *sqlite,
                            struct sl_sql_sqlite_cursor *cursor,
                            struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_answer *answer = op->answer;
    sqlite3_stmt *handle = cursor->statement->handle;
    struct sl_sql_result *result = sl_sql_result_new(*op->room);

    if (sqlite3_stmt_readonly(handle) == 0) {
        sl_sql_result_free(result);
        return sl_sql_cursor_only_reads(err);
    }
    enum sl_status status = SL_OK;
    int code = sl_sql_sqlite_bind(handle, &request->sets[0], true);
    if (code != SQLITE_OK)
        status =
            sl_sql_sqlite_explain(sqlite, code, SL_SQL_SQLITE_RUNNING, err);
    if (status == SL_OK)
        status = step(sqlite, cursor, err);
    /* After the last row it is among those that are kept, and still there. */
    if (status == SL_OK)
        status = sl_sql_sqlite_read_columns(handle, result, err);
    if (status != SL_OK) {
        sl_sql_result_free(result);
        return status;
    }
    sl_sql_result_give(result, answer);
    answer->cursor = cursor->number;
    return SL_OK;
}

enum sl_status sl_sql_sqlite_cursor_open(struct sl_sql_sqlite *sqlite,
                                         struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_cursor *cursor =
        sl_sql_cursor_free(sqlite->cursors, sizeof(sqlite->cursors[0]), err);

    if (cursor == NULL)
        return SL_TOO_LARGE;
    enum sl_status status =
        sl_sql_sqlite_take(sqlite, request->statement, &cursor->statement, err);
    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    status = begin(sqlite, cursor, op, err);
    if (status != SL_OK)
        close_cursor(sqlite, cursor);
    return status;
}

/* Add the row that the cursor stands on; *full where it has to wait. */
static enum sl_status add_row(struct sl_sql_sqlite_cursor *cursor,
                              struct sl_sql_result *result, bool *full,
                              struct sl_error *err)
{
    enum sl_status status =
        sl_sql_sqlite_read_row(cursor->statement->handle, result, err);

    *full = status == SL_TOO_LARGE && sl_sql_result_rows(result) > 0;
    if (status == SL_OK)
        cursor->pending = false;
    if (!*full)
        return status;
    sl_sql_result_drop_row(result);
    return SL_OK;
}

static enum sl_status read_batch(struct sl_sql_sqlite *sqlite,
                                 struct sl_sql_sqlite_cursor *cursor,
                                 uint32_t limit, struct sl_sql_result *result,
                                 struct sl_error *err)
{
    enum sl_status status = SL_OK;
    bool full = false;

    while (status == SL_OK && !full && sl_sql_result_rows(result) < limit &&
           cursor->statement != NULL) {
        if (!cursor->pending)
            status = step(sqlite, cursor, err);
        if (status == SL_OK && cursor->pending)
            status = add_row(cursor, result, &full, err);
    }
    return status;
}

enum sl_status sl_sql_sqlite_cursor_next(struct sl_sql_sqlite *sqlite,
                                         struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_cursor *cursor =
        sl_sql_cursor_of(sqlite->cursors, sizeof(sqlite->cursors[0]), op, err);

    if (cursor == NULL)
        return SL_NOT_FOUND;
    sqlite->asked = true;
    struct sl_sql_result *result = sl_sql_result_new(*op->room);
    enum sl_status status =
        read_batch(sqlite, cursor, request->limit, result, err);
    if (status == SL_OK) {
        sl_sql_result_give(result, op->answer);
        return SL_OK;
    }
    sl_sql_result_free(result);
    close_cursor(sqlite, cursor);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors: statements that stand on a row.  One step ahead, since only the
 * first step tells that a statement works, and what its columns are.
 */
#include <errno.h>
#include <stdatomic.h>

#include "sql/sqlite_run.h"

/* Never used twice, so that none of a lost connection is found again. */
static uint64_t next_number(void)
{
    static _Atomic uint64_t last;

    return atomic_fetch_add(&last, 1) + 1;
}

/* The cursor of this number; 0 finds a free one. */
static struct sl_sql_sqlite_cursor *find(struct sl_sql_sqlite *sqlite,
                                         uint64_t number)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        if (sqlite->cursors[i].number == number)
            return &sqlite->cursors[i];
    return NULL;
}

static void close_cursor(struct sl_sql_sqlite *sqlite,
                         struct sl_sql_sqlite_cursor *cursor)
{
    if (cursor->statement != NULL)
        sl_sql_sqlite_give(sqlite, cursor->statement);
    *cursor = (struct sl_sql_sqlite_cursor){0};
}

void sl_sql_sqlite_cursor_close(struct sl_sql_sqlite *sqlite, uint64_t number)
{
    struct sl_sql_sqlite_cursor *cursor = find(sqlite, number);

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
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a cursor is for statements that only read; use query");
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
    struct sl_sql_sqlite_cursor *cursor = find(sqlite, 0);

    if (cursor == NULL)
        return sl_fail(err, SL_TOO_LARGE,
                       "%d cursors are open in this transaction already",
                       SL_SQL_CURSORS_MAX);
    enum sl_status status =
        sl_sql_sqlite_take(sqlite, request->statement, &cursor->statement, err);
    if (status != SL_OK)
        return status;
    cursor->number = next_number();
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
        request->cursor == 0 ? NULL : find(sqlite, request->cursor);

    if (cursor == NULL)
        return sl_fail(err, SL_NOT_FOUND,
                       "the cursor is over: it failed, or its transaction "
                       "ended");
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

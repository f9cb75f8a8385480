/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors: statements that stand on a row.  They are one step ahead, because
 * only the first step shows that a statement works and what its columns are.
 */
#include <errno.h>

#include "sql/sqlite/connection.h"

static void close_sqlite_cursor(struct sl_sql_sqlite_conn *conn,
                                struct sl_sql_sqlite_cursor *cursor)
{
    if (cursor->statement != NULL)
        sl_sql_sqlite_statement_release(conn, cursor->statement);
    *cursor = (struct sl_sql_sqlite_cursor){0};
}

enum sl_status sl_sql_sqlite_cursor_close(void *data, struct sl_op *op,
                                          struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_cursor *cursor = sl_sql_cursor_find(
        conn->cursors, sizeof(conn->cursors[0]), request->cursor);

    (void)err;
    if (cursor != NULL)
        close_sqlite_cursor(conn, cursor);
    return SL_OK;
}

void sl_sql_sqlite_cursors_close(struct sl_sql_sqlite_conn *conn)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        close_sqlite_cursor(conn, &conn->cursors[i]);
}

/* Step to the next row.  After the last one the statement is released. */
static enum sl_status step_sqlite_cursor(struct sl_sql_sqlite_conn *conn,
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
        status = sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_RUNNING, err);
    sl_sql_sqlite_statement_release(conn, cursor->statement);
    cursor->statement = NULL;
    return status;
}

/* Bind, take the first step, and answer the columns. */
static enum sl_status start_sqlite_cursor(struct sl_sql_sqlite_conn *conn,
                                          struct sl_sql_sqlite_cursor *cursor,
                                          struct sl_op *op,
                                          struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_answer *answer = op->answer;
    sqlite3_stmt *handle = cursor->statement->handle;
    struct sl_sql_result *result = sl_sql_result_new(*op->answer_budget);

    if (sqlite3_stmt_readonly(handle) == 0) {
        sl_sql_result_free(result);
        return sl_sql_cursor_only_reads(err);
    }
    enum sl_status status = SL_OK;
    int code = sl_sql_sqlite_bind(handle, &request->sets[0], true);
    if (code != SQLITE_OK)
        status = sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_RUNNING, err);
    if (status == SL_OK)
        status = step_sqlite_cursor(conn, cursor, err);
    /* After the last row the statement is in the cache, and so still there. */
    if (status == SL_OK)
        status = sl_sql_sqlite_add_columns(handle, result, err);
    if (status == SL_OK)
        answer->cursor = cursor->number;
    return sl_sql_result_finish(result, status, answer);
}

enum sl_status sl_sql_sqlite_cursor_open(void *data, struct sl_op *op,
                                         struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_cursor *cursor =
        sl_sql_cursor_free(conn->cursors, sizeof(conn->cursors[0]), err);

    if (cursor == NULL)
        return err->status;
    enum sl_status status = sl_sql_sqlite_statement_take(
        conn, request->statement, &cursor->statement, err);
    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    status = start_sqlite_cursor(conn, cursor, op, err);
    if (status != SL_OK)
        close_sqlite_cursor(conn, cursor);
    return status;
}

/* Add the current row.  *full: it does not fit, and comes with the next batch.
 */
static enum sl_status add_sqlite_cursor_row(struct sl_sql_sqlite_cursor *cursor,
                                            struct sl_sql_result *result,
                                            bool *full, struct sl_error *err)
{
    enum sl_status status =
        sl_sql_sqlite_add_row(cursor->statement->handle, result, err);

    *full = status == SL_TOO_LARGE && sl_sql_result_rows(result) > 0;
    if (status == SL_OK)
        cursor->pending = false;
    if (!*full)
        return status;
    sl_sql_result_drop_row(result);
    return SL_OK;
}

static enum sl_status read_sqlite_batch(struct sl_sql_sqlite_conn *conn,
                                        struct sl_sql_sqlite_cursor *cursor,
                                        uint32_t limit,
                                        struct sl_sql_result *result,
                                        struct sl_error *err)
{
    enum sl_status status = SL_OK;
    bool full = false;

    while (status == SL_OK && !full && sl_sql_result_rows(result) < limit &&
           cursor->statement != NULL) {
        if (!cursor->pending)
            status = step_sqlite_cursor(conn, cursor, err);
        if (status == SL_OK && cursor->pending)
            status = add_sqlite_cursor_row(cursor, result, &full, err);
    }
    return status;
}

enum sl_status sl_sql_sqlite_cursor_next(void *data, struct sl_op *op,
                                         struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_cursor *cursor =
        sl_sql_cursor_of(conn->cursors, sizeof(conn->cursors[0]), op, err);

    if (cursor == NULL)
        return SL_NOT_FOUND;
    conn->session.reached = true;
    struct sl_sql_result *result = sl_sql_result_new(*op->answer_budget);
    enum sl_status status =
        read_sqlite_batch(conn, cursor, request->limit, result, err);
    if (status != SL_OK)
        close_sqlite_cursor(conn, cursor);
    return sl_sql_result_finish(result, status, op->answer);
}

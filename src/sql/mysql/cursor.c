/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors.  A cursor outside of a transaction has its connection for itself: it
 * reads its rows as they are asked for, while the server waits.  In a
 * transaction, where other statements come in between, the server keeps the
 * rows (in a temporary table) and sends some at a time.
 */
#include "sql/mysql/connection.h"

enum { PREFETCH = 256, PREFETCH_LARGE = 16 };

static void close_mysql_cursor(struct sl_sql_mysql_conn *conn,
                               struct sl_sql_mysql_cursor *cursor)
{
    /* The rest of the stream would have to be read. */
    if (cursor->statement != NULL && conn->streaming)
        conn->broken = true;
    if (cursor->statement != NULL)
        sl_sql_mysql_statement_release(conn, cursor->statement);
    *cursor = (struct sl_sql_mysql_cursor){0};
}

enum sl_status sl_sql_mysql_cursor_close(void *data, struct sl_op *op,
                                         struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_mysql_cursor *cursor = sl_sql_cursor_find(
        conn->cursors, sizeof(conn->cursors[0]), request->cursor);

    (void)err;
    if (cursor != NULL)
        close_mysql_cursor(conn, cursor);
    return SL_OK;
}

void sl_sql_mysql_cursors_close(struct sl_sql_mysql_conn *conn)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        if (conn->cursors[i].number != 0)
            close_mysql_cursor(conn, &conn->cursors[i]);
}

/* Step to the next row.  After the last one the statement is released. */
static enum sl_status step_mysql_cursor(struct sl_sql_mysql_conn *conn,
                                        struct sl_sql_mysql_cursor *cursor,
                                        struct sl_error *err)
{
    int got = sl_sql_mysql_stmt_fetch(conn, cursor->statement->handle);

    cursor->pending = got == 0 || got == MYSQL_DATA_TRUNCATED;
    if (cursor->pending)
        return SL_OK;
    enum sl_status status = SL_OK;
    if (got != MYSQL_NO_DATA) {
        sl_sql_mysql_suspect_session(conn);
        status = sl_sql_mysql_explain(conn, cursor->statement->handle,
                                      SL_SQL_MYSQL_RUNNING, err);
    } else {
        conn->streaming = false;
        sl_sql_mysql_statement_release(conn, cursor->statement);
        cursor->statement = NULL;
    }
    return status;
}

/* Whether its rows may be large. */
static bool has_large_columns(const struct sl_sql_mysql_statement *statement)
{
    enum { LARGE = 4096 };
    MYSQL_RES *columns = mysql_stmt_result_metadata(statement->handle);
    bool large = columns == NULL;

    for (unsigned i = 0; columns != NULL && i < mysql_num_fields(columns); i++)
        large = large || mysql_fetch_field_direct(columns, i)->length > LARGE;
    if (columns != NULL)
        mysql_free_result(columns);
    return large;
}

/* Choose whether the server keeps the rows. */
static void choose_cursor(struct sl_sql_mysql_statement *statement, bool keep)
{
    unsigned long type =
        keep ? (unsigned long)CURSOR_TYPE_READ_ONLY : CURSOR_TYPE_NO_CURSOR;
    unsigned long rows =
        has_large_columns(statement) ? PREFETCH_LARGE : PREFETCH;

    if (keep || statement->has_server_cursor)
        mysql_stmt_attr_set(statement->handle, STMT_ATTR_CURSOR_TYPE, &type);
    if (keep)
        mysql_stmt_attr_set(statement->handle, STMT_ATTR_PREFETCH_ROWS, &rows);
    statement->has_server_cursor = keep;
}

/* The server sends the rows of some statements (SHOW) at once, whatever was
 * requested.  In a transaction they are read before the next statement. */
static enum sl_status buffer_rows(struct sl_sql_mysql_conn *conn,
                                  struct sl_sql_mysql_statement *statement,
                                  struct sl_error *err)
{
    bool kept =
        (conn->handle->server_status & SERVER_STATUS_CURSOR_EXISTS) != 0;

    conn->streaming = !statement->has_server_cursor;
    if (conn->streaming || kept)
        return SL_OK;
    if (sl_sql_mysql_stmt_store_result(conn, statement->handle) != 0)
        return sl_sql_mysql_explain(conn, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

static enum sl_status execute_cursor(struct sl_sql_mysql_conn *conn,
                                     struct sl_sql_mysql_statement *statement,
                                     const struct sl_sql_parameters *set,
                                     struct sl_error *err)
{
    struct sl_sql_mysql_parameters *parameters =
        sl_sql_mysql_parameters_new(mysql_stmt_param_count(statement->handle));
    enum sl_status status =
        sl_sql_mysql_bind(conn, statement, parameters, set, err);

    if (status == SL_OK &&
        sl_sql_mysql_stmt_execute(conn, statement->handle) != 0) {
        sl_sql_mysql_suspect_session(conn);
        status = sl_sql_mysql_explain(conn, statement->handle,
                                      SL_SQL_MYSQL_RUNNING, err);
    }
    sl_sql_mysql_parameters_free(parameters);
    if (status == SL_OK)
        status = sl_sql_mysql_load_columns(conn, statement, err);
    return status == SL_OK ? buffer_rows(conn, statement, err) : status;
}

static enum sl_status start_mysql_cursor(struct sl_sql_mysql_conn *conn,
                                         struct sl_sql_mysql_cursor *cursor,
                                         struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_answer *answer = op->answer;
    struct sl_sql_result *result = NULL;
    enum sl_status status = SL_OK;

    /* A read-only one, so that the server refuses writes. */
    if (conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
        !conn->own_transaction) {
        status = sl_sql_mysql_begin_transaction(conn, SL_SQL_REPEATABLE_READ,
                                                true, err);
        conn->own_transaction = status == SL_OK;
    }
    sl_sql_mysql_expect_changes(conn, &cursor->statement->class);
    choose_cursor(cursor->statement,
                  conn->session.transaction != SL_SQL_TRANSACTION_NONE);
    if (status == SL_OK)
        status =
            execute_cursor(conn, cursor->statement, &request->sets[0], err);
    if (status != SL_OK)
        return status;
    result = sl_sql_result_new(*op->answer_budget);
    status = sl_sql_mysql_add_columns(cursor->statement, result, err);
    if (status == SL_OK)
        answer->cursor = cursor->number;
    return sl_sql_result_finish(result, status, answer);
}

static enum sl_status check_reads(const struct sl_sql_mysql_class *class,
                                  struct sl_error *err)
{
    if (class->denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       class->denied);
    return class->reads ? SL_OK : sl_sql_cursor_only_reads(err);
}

static enum sl_status open_once(struct sl_sql_mysql_conn *conn,
                                struct sl_sql_mysql_cursor *cursor,
                                const struct sl_sql_mysql_class *class,
                                struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = sl_sql_mysql_statement_take(
        conn, request, class, &cursor->statement, err);

    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    if (cursor->statement == NULL)
        status = sl_fail(err, SL_UNSUPPORTED,
                         "the server has no cursor for this statement; use "
                         "query");
    else if (mysql_stmt_field_count(cursor->statement->handle) == 0)
        status = sl_sql_cursor_only_reads(err);
    else
        status = start_mysql_cursor(conn, cursor, op, err);
    if (status != SL_OK)
        close_mysql_cursor(conn, cursor);
    return status;
}

enum sl_status sl_sql_mysql_cursor_open(void *data, struct sl_op *op,
                                        struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    const struct sl_sql_mysql_class class =
        sl_sql_mysql_classify(request->statement);
    struct sl_sql_mysql_cursor *cursor =
        sl_sql_cursor_free(conn->cursors, sizeof(conn->cursors[0]), err);

    if (cursor == NULL)
        return err->status;
    conn->session.reached = true;
    enum sl_status status = check_reads(&class, err);
    if (status != SL_OK)
        return status;
    status = open_once(conn, cursor, &class, op, err);
    if (status != SL_OK && sl_sql_mysql_should_retry(conn, &class))
        status = open_once(conn, cursor, &class, op, err);
    return status;
}

/* Add the current row.  *full: it does not fit, and comes with the next batch.
 */
static enum sl_status add_mysql_cursor_row(struct sl_sql_mysql_conn *conn,
                                           struct sl_sql_mysql_cursor *cursor,
                                           size_t room,
                                           struct sl_sql_result *result,
                                           bool *full, struct sl_error *err)
{
    enum sl_status status =
        sl_sql_mysql_add_row(conn, cursor->statement, room, result, err);

    *full = status == SL_TOO_LARGE && sl_sql_result_rows(result) > 0;
    if (status == SL_OK)
        cursor->pending = false;
    if (!*full)
        return status;
    sl_sql_result_drop_row(result);
    return SL_OK;
}

static enum sl_status read_mysql_batch(struct sl_sql_mysql_conn *conn,
                                       struct sl_sql_mysql_cursor *cursor,
                                       struct sl_op *op,
                                       struct sl_sql_result *result,
                                       struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;
    bool full = false;

    while (status == SL_OK && !full &&
           sl_sql_result_rows(result) < request->limit &&
           cursor->statement != NULL) {
        if (!cursor->pending)
            status = step_mysql_cursor(conn, cursor, err);
        if (status == SL_OK && cursor->pending)
            status = add_mysql_cursor_row(conn, cursor, *op->answer_budget,
                                          result, &full, err);
    }
    return status;
}

enum sl_status sl_sql_mysql_cursor_next(void *data, struct sl_op *op,
                                        struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = data;
    struct sl_sql_mysql_cursor *cursor =
        sl_sql_cursor_of(conn->cursors, sizeof(conn->cursors[0]), op, err);

    if (cursor == NULL)
        return SL_NOT_FOUND;
    conn->session.reached = true;
    struct sl_sql_result *result = sl_sql_result_new(*op->answer_budget);
    enum sl_status status = read_mysql_batch(conn, cursor, op, result, err);
    if (status != SL_OK)
        close_mysql_cursor(conn, cursor);
    return sl_sql_result_finish(result, status, op->answer);
}

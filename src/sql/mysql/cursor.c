/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors.  One outside of a transaction has its connection for itself: its
 * rows come as they are asked for, and the server waits.  In a transaction,
 * where other statements come between, the server keeps the rows (in a table of
 * its own) and hands out some at a time.
 */
#include "sql/mysql/run.h"

enum { PREFETCH = 256, PREFETCH_LARGE = 16 };

static void close_cursor(struct sl_sql_mysql *mysql,
                         struct sl_sql_mysql_cursor *cursor)
{
    /* What streams would have to be read to its end. */
    if (cursor->statement != NULL && mysql->streams)
        mysql->lost = true;
    if (cursor->statement != NULL)
        sl_sql_mysql_give(mysql, cursor->statement);
    *cursor = (struct sl_sql_mysql_cursor){0};
}

void sl_sql_mysql_cursor_close(struct sl_sql_mysql *mysql, uint64_t number)
{
    struct sl_sql_mysql_cursor *cursor =
        sl_sql_cursor_find(mysql->cursors, sizeof(mysql->cursors[0]), number);

    if (cursor != NULL)
        close_cursor(mysql, cursor);
}

void sl_sql_mysql_close_cursors(struct sl_sql_mysql *mysql)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++)
        if (mysql->cursors[i].number != 0)
            close_cursor(mysql, &mysql->cursors[i]);
}

/* To the next row; after the last one there is no statement. */
static enum sl_status step(struct sl_sql_mysql *mysql,
                           struct sl_sql_mysql_cursor *cursor,
                           struct sl_error *err)
{
    int got = sl_sql_mysql_fetch(mysql, cursor->statement->handle);

    cursor->pending = got == 0 || got == MYSQL_DATA_TRUNCATED;
    if (cursor->pending)
        return SL_OK;
    enum sl_status status = SL_OK;
    if (got != MYSQL_NO_DATA) {
        sl_sql_mysql_has_failed(mysql);
        status = sl_sql_mysql_explain(mysql, cursor->statement->handle,
                                      SL_SQL_MYSQL_RUNNING, err);
    } else {
        mysql->streams = false;
        sl_sql_mysql_give(mysql, cursor->statement);
        cursor->statement = NULL;
    }
    return status;
}

/* Whether a row of it may be large. */
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

/* Whether the server is to keep the rows. */
static void choose_cursor(struct sl_sql_mysql_statement *statement, bool keep)
{
    unsigned long type =
        keep ? (unsigned long)CURSOR_TYPE_READ_ONLY : CURSOR_TYPE_NO_CURSOR;
    unsigned long rows =
        has_large_columns(statement) ? PREFETCH_LARGE : PREFETCH;

    if (keep || statement->cursor)
        mysql_stmt_attr_set(statement->handle, STMT_ATTR_CURSOR_TYPE, &type);
    if (keep)
        mysql_stmt_attr_set(statement->handle, STMT_ATTR_PREFETCH_ROWS, &rows);
    statement->cursor = keep;
}

/* Some statements (SHOW) have their rows sent whatever was asked for: in a
 * transaction they must be out of the way. */
static enum sl_status take_rows(struct sl_sql_mysql *mysql,
                                struct sl_sql_mysql_statement *statement,
                                struct sl_error *err)
{
    bool kept =
        (mysql->handle->server_status & SERVER_STATUS_CURSOR_EXISTS) != 0;

    mysql->streams = !statement->cursor;
    if (mysql->streams || kept)
        return SL_OK;
    if (sl_sql_mysql_keep_rows(mysql, statement->handle) != 0)
        return sl_sql_mysql_explain(mysql, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

static enum sl_status execute(struct sl_sql_mysql *mysql,
                              struct sl_sql_mysql_statement *statement,
                              const struct sl_sql_parameters *set,
                              struct sl_error *err)
{
    struct sl_sql_mysql_parameters *parameters =
        sl_sql_mysql_parameters_new(mysql_stmt_param_count(statement->handle));
    enum sl_status status =
        sl_sql_mysql_bind(mysql, statement, parameters, set, err);

    if (status == SL_OK &&
        sl_sql_mysql_execute(mysql, statement->handle) != 0) {
        sl_sql_mysql_has_failed(mysql);
        status = sl_sql_mysql_explain(mysql, statement->handle,
                                      SL_SQL_MYSQL_RUNNING, err);
    }
    sl_sql_mysql_parameters_free(parameters);
    if (status == SL_OK)
        status = sl_sql_mysql_see_columns(mysql, statement, err);
    return status == SL_OK ? take_rows(mysql, statement, err) : status;
}

static enum sl_status begin(struct sl_sql_mysql *mysql,
                            struct sl_sql_mysql_cursor *cursor,
                            struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_answer *answer = op->answer;
    struct sl_sql_result *result = NULL;
    enum sl_status status = SL_OK;

    /* One that only reads, so that the server refuses what writes. */
    if (mysql->transaction == SL_SQL_MYSQL_NONE && !mysql->own) {
        status = sl_sql_mysql_begin(mysql, SL_SQL_REPEATABLE_READ, true, err);
        mysql->own = status == SL_OK;
    }
    sl_sql_mysql_note(mysql, &cursor->statement->kind);
    choose_cursor(cursor->statement, mysql->transaction != SL_SQL_MYSQL_NONE);
    if (status == SL_OK)
        status = execute(mysql, cursor->statement, &request->sets[0], err);
    if (status != SL_OK)
        return status;
    result = sl_sql_result_new(*op->room);
    status = sl_sql_mysql_read_columns(mysql, cursor->statement, result, err);
    if (status != SL_OK) {
        sl_sql_result_free(result);
        return status;
    }
    sl_sql_result_give(result, answer);
    answer->cursor = cursor->number;
    return SL_OK;
}

static enum sl_status check_kind(const struct sl_sql_mysql_kind *kind,
                                 struct sl_error *err)
{
    if (kind->denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       kind->denied);
    return kind->reads ? SL_OK : sl_sql_cursor_only_reads(err);
}

static enum sl_status open_once(struct sl_sql_mysql *mysql,
                                struct sl_sql_mysql_cursor *cursor,
                                const struct sl_sql_mysql_kind *kind,
                                struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status =
        sl_sql_mysql_take(mysql, request, kind, &cursor->statement, err);

    if (status != SL_OK)
        return status;
    cursor->number = sl_sql_cursor_next_number();
    if (cursor->statement == NULL)
        status = sl_fail(err, SL_UNSUPPORTED,
                         "the server has no cursor for this statement; query "
                         "it");
    else if (mysql_stmt_field_count(cursor->statement->handle) == 0)
        status = sl_sql_cursor_only_reads(err);
    else
        status = begin(mysql, cursor, op, err);
    if (status != SL_OK)
        close_cursor(mysql, cursor);
    return status;
}

enum sl_status sl_sql_mysql_cursor_open(struct sl_sql_mysql *mysql,
                                        struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    const struct sl_sql_mysql_kind kind =
        sl_sql_mysql_kind_of(request->statement);
    struct sl_sql_mysql_cursor *cursor =
        sl_sql_cursor_free(mysql->cursors, sizeof(mysql->cursors[0]), err);

    if (cursor == NULL)
        return SL_TOO_LARGE;
    mysql->asked = true;
    enum sl_status status = check_kind(&kind, err);
    if (status != SL_OK)
        return status;
    status = open_once(mysql, cursor, &kind, op, err);
    if (status != SL_OK && sl_sql_mysql_try_again(mysql, &kind))
        status = open_once(mysql, cursor, &kind, op, err);
    return status;
}

/* Add the row that the cursor stands on; *full where it has to wait. */
static enum sl_status add_row(struct sl_sql_mysql *mysql,
                              struct sl_sql_mysql_cursor *cursor, size_t room,
                              struct sl_sql_result *result, bool *full,
                              struct sl_error *err)
{
    enum sl_status status =
        sl_sql_mysql_read_row(mysql, cursor->statement, room, result, err);

    *full = status == SL_TOO_LARGE && sl_sql_result_rows(result) > 0;
    if (status == SL_OK)
        cursor->pending = false;
    if (!*full)
        return status;
    sl_sql_result_drop_row(result);
    return SL_OK;
}

static enum sl_status read_batch(struct sl_sql_mysql *mysql,
                                 struct sl_sql_mysql_cursor *cursor,
                                 struct sl_op *op, struct sl_sql_result *result,
                                 struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;
    bool full = false;

    while (status == SL_OK && !full &&
           sl_sql_result_rows(result) < request->limit &&
           cursor->statement != NULL) {
        if (!cursor->pending)
            status = step(mysql, cursor, err);
        if (status == SL_OK && cursor->pending)
            status = add_row(mysql, cursor, *op->room, result, &full, err);
    }
    return status;
}

enum sl_status sl_sql_mysql_cursor_next(struct sl_sql_mysql *mysql,
                                        struct sl_op *op, struct sl_error *err)
{
    struct sl_sql_mysql_cursor *cursor =
        sl_sql_cursor_of(mysql->cursors, sizeof(mysql->cursors[0]), op, err);

    if (cursor == NULL)
        return SL_NOT_FOUND;
    mysql->asked = true;
    struct sl_sql_result *result = sl_sql_result_new(*op->room);
    enum sl_status status = read_batch(mysql, cursor, op, result, err);
    if (status == SL_OK) {
        sl_sql_result_give(result, op->answer);
        return SL_OK;
    }
    sl_sql_result_free(result);
    close_cursor(mysql, cursor);
    return status;
}

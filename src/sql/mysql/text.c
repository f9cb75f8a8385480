/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that are not prepared, because the server cannot (CREATE TRIGGER,
 * CHECK TABLE) or because they ask about the statement before them, which the
 * preparation would replace (SHOW WARNINGS).  Their values are text, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sql/mysql/connection.h"

enum { NUMBER_MAX = 24 };

/* --- Values ------------------------------------------------------------- */

static bool is_integer(enum enum_field_types type)
{
    return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT ||
           type == MYSQL_TYPE_INT24 || type == MYSQL_TYPE_LONG ||
           type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_YEAR;
}

/* The results of such statements have only integers and texts. */
static void read_text_value(const MYSQL_FIELD *field, struct sl_bytes bytes,
                            struct sl_sql_value *value)
{
    char digits[NUMBER_MAX] = "";

    value->bytes = bytes;
    value->type = sl_sql_mysql_type_of_bytes(field, bytes);
    if (!is_integer(field->type) || bytes.len >= sizeof(digits))
        return;
    memcpy(digits, bytes.ptr, bytes.len);
    errno = 0;
    long long number = strtoll(digits, NULL, 10);
    value->type = errno == 0 ? SL_SQL_INT64 : SL_SQL_DECIMAL;
    if (errno == 0)
        value->int64 = number;
}

/* --- Rows --------------------------------------------------------------- */

static enum sl_status read_columns(MYSQL_RES *rows,
                                   struct sl_sql_result *result,
                                   struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (unsigned i = 0; status == SL_OK && i < mysql_num_fields(rows); i++) {
        const MYSQL_FIELD *field = mysql_fetch_field_direct(rows, i);
        status = sl_sql_result_column(
            result, SL_BYTES(field->name, field->name_length),
            sl_bytes_of(sl_sql_mysql_type_name(field)), err);
    }
    return status;
}

static enum sl_status read_text_row(MYSQL_RES *rows, MYSQL_ROW row,
                                    struct sl_sql_result *result,
                                    struct sl_error *err)
{
    const unsigned long *lengths = mysql_fetch_lengths(rows);
    enum sl_status status = SL_OK;

    for (unsigned i = 0; status == SL_OK && i < mysql_num_fields(rows); i++) {
        struct sl_sql_value value = {.type = SL_SQL_NULL};
        if (row[i] != NULL)
            read_text_value(mysql_fetch_field_direct(rows, i),
                            SL_BYTES(row[i], lengths[i]), &value);
        status = sl_sql_result_value(result, &value, err);
    }
    if (status == SL_OK)
        sl_sql_result_end_row(result);
    return status;
}

/* All rows.  They go into result; NULL discards them. */
static enum sl_status read_text_rows(struct sl_sql_mysql_conn *conn,
                                     MYSQL_RES *rows,
                                     struct sl_sql_result *result,
                                     struct sl_error *err)
{
    MYSQL_ROW row;
    enum sl_status status =
        result != NULL ? read_columns(rows, result, err) : SL_OK;

    while (status == SL_OK &&
           (row = sl_sql_mysql_fetch_row(conn, rows)) != NULL)
        if (result != NULL)
            status = read_text_row(rows, row, result, err);
    if (status != SL_OK) {
        sl_sql_mysql_abort(conn); /* the rest may be arbitrarily long */
        return status;
    }
    return mysql_errno(conn->handle) == 0
               ? SL_OK
               : sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_RUNNING, err);
}

/* The rows of the current result, if it has any. */
static enum sl_status read_result(struct sl_sql_mysql_conn *conn,
                                  struct sl_sql_result *result,
                                  struct sl_error *err)
{
    if (mysql_field_count(conn->handle) == 0)
        return SL_OK;
    MYSQL_RES *rows = mysql_use_result(conn->handle);
    if (rows == NULL)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_RUNNING, err);
    enum sl_status status = read_text_rows(conn, rows, result, err);
    sl_sql_mysql_free_result(conn, rows);
    return status;
}

/* *more: there is another result, and it has arrived. */
static enum sl_status next_result(struct sl_sql_mysql_conn *conn, bool *more,
                                  struct sl_error *err)
{
    *more = mysql_more_results(conn->handle);
    if (*more && sl_sql_mysql_next_result(conn) > 0)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

static enum sl_status run_query(struct sl_sql_mysql_conn *conn,
                                struct sl_bytes statement,
                                struct sl_sql_result *result,
                                struct sl_sql_answer *answer,
                                struct sl_error *err)
{
    bool more;

    if (sl_sql_mysql_query(conn, statement) != 0)
        return sl_sql_mysql_explain(conn, NULL, SL_SQL_MYSQL_RUNNING, err);
    uint64_t affected = mysql_field_count(conn->handle) == 0
                            ? mysql_affected_rows(conn->handle)
                            : 0;
    answer->affected = affected == UINT64_MAX ? 0 : affected;
    enum sl_status status = read_result(conn, result, err);
    if (status == SL_OK)
        status = next_result(conn, &more, err);
    while (status == SL_OK && more) {
        status = read_result(conn, NULL, err);
        if (status == SL_OK)
            status = next_result(conn, &more, err);
    }
    return status;
}

enum sl_status sl_sql_mysql_run_text(struct sl_sql_mysql_conn *conn,
                                     struct sl_op *op,
                                     struct sl_sql_result *result,
                                     struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (request->set_count != 1 || request->sets[0].count > 0)
        return sl_fail(err, SL_UNSUPPORTED,
                       "this statement cannot be prepared, so it takes no "
                       "parameters and runs once per call");
    conn->session.reached = true;
    enum sl_status status =
        run_query(conn, request->statement, result, op->answer, err);
    if (status != SL_OK)
        sl_sql_mysql_suspect_session(conn);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that the server does not prepare (CREATE TRIGGER, CHECK TABLE), or
 * that ask what the statement before them left, which to prepare would be one
 * (SHOW WARNINGS): run by their text, as which their values come back, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sql/mysql/run.h"

enum { NUMBER_MAX = 24 };

/* --- Values ------------------------------------------------------------- */

static bool is_integer(enum enum_field_types type)
{
    return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT ||
           type == MYSQL_TYPE_INT24 || type == MYSQL_TYPE_LONG ||
           type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_YEAR;
}

/* Integers, and texts: the server has nothing else for such statements. */
static void read_value(const MYSQL_FIELD *field, struct sl_bytes bytes,
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

static enum sl_status read_row(MYSQL_RES *rows, MYSQL_ROW row,
                               struct sl_sql_result *result,
                               struct sl_error *err)
{
    const unsigned long *lengths = mysql_fetch_lengths(rows);
    enum sl_status status = SL_OK;

    for (unsigned i = 0; status == SL_OK && i < mysql_num_fields(rows); i++) {
        struct sl_sql_value value = {.type = SL_SQL_NULL};
        if (row[i] != NULL)
            read_value(mysql_fetch_field_direct(rows, i),
                       SL_BYTES(row[i], lengths[i]), &value);
        status = sl_sql_result_value(result, &value, err);
    }
    if (status == SL_OK)
        sl_sql_result_end_row(result);
    return status;
}

/* All rows; result is NULL where nobody wants them. */
static enum sl_status read_rows(struct sl_sql_mysql *mysql, MYSQL_RES *rows,
                                struct sl_sql_result *result,
                                struct sl_error *err)
{
    MYSQL_ROW row;
    enum sl_status status =
        result != NULL ? read_columns(rows, result, err) : SL_OK;

    while (status == SL_OK &&
           (row = sl_sql_mysql_fetch_row(mysql, rows)) != NULL)
        if (result != NULL)
            status = read_row(rows, row, result, err);
    if (status != SL_OK) {
        sl_sql_mysql_give_up(mysql); /* the rest may be anything */
        return status;
    }
    return mysql_errno(mysql->handle) == 0
               ? SL_OK
               : sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_RUNNING, err);
}

/* The rows of the answer that has come, if it has some. */
static enum sl_status read_answer(struct sl_sql_mysql *mysql,
                                  struct sl_sql_result *result,
                                  struct sl_error *err)
{
    if (mysql_field_count(mysql->handle) == 0)
        return SL_OK;
    MYSQL_RES *rows = mysql_use_result(mysql->handle);
    if (rows == NULL)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_RUNNING, err);
    enum sl_status status = read_rows(mysql, rows, result, err);
    sl_sql_mysql_free_text(mysql, rows);
    return status;
}

/* Whether there is another answer, and it came. */
static enum sl_status next_answer(struct sl_sql_mysql *mysql, bool *more,
                                  struct sl_error *err)
{
    *more = mysql_more_results(mysql->handle);
    if (*more && sl_sql_mysql_next_text(mysql) > 0)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

static enum sl_status run(struct sl_sql_mysql *mysql, struct sl_bytes statement,
                          struct sl_sql_result *result,
                          struct sl_sql_answer *answer, struct sl_error *err)
{
    bool more;

    if (sl_sql_mysql_query(mysql, statement) != 0)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_RUNNING, err);
    uint64_t affected = mysql_field_count(mysql->handle) == 0
                            ? mysql_affected_rows(mysql->handle)
                            : 0;
    answer->affected = affected == UINT64_MAX ? 0 : affected;
    enum sl_status status = read_answer(mysql, result, err);
    if (status == SL_OK)
        status = next_answer(mysql, &more, err);
    while (status == SL_OK && more) {
        status = read_answer(mysql, NULL, err);
        if (status == SL_OK)
            status = next_answer(mysql, &more, err);
    }
    return status;
}

enum sl_status sl_sql_mysql_run_text(struct sl_sql_mysql *mysql,
                                     struct sl_op *op,
                                     struct sl_sql_result *result,
                                     struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (request->set_count != 1 || request->sets[0].count > 0)
        return sl_fail(err, SL_UNSUPPORTED,
                       "the server takes this statement without parameters, "
                       "and once in a call");
    mysql->asked = true;
    enum sl_status status =
        run(mysql, request->statement, result, op->answer, err);
    if (status != SL_OK)
        sl_sql_mysql_has_failed(mysql);
    return status;
}

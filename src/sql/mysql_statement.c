/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept because they come again. */
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/mysql_state.h"

static void statement_free(struct sl_sql_mysql *mysql,
                           struct sl_sql_mysql_statement *statement)
{
    if (statement->columns != NULL)
        mysql_free_result(statement->columns);
    sl_sql_mysql_close_statement(mysql, statement->handle);
    free(statement->binds);
    free(statement->slots);
    free(statement->text);
    free(statement);
}

/* Take out of what is kept. */
static struct sl_sql_mysql_statement *remove_at(struct sl_sql_mysql *mysql,
                                                size_t index)
{
    struct sl_sql_mysql_statement *statement = mysql->cached[index];

    mysql->cached_count--;
    memmove(&mysql->cached[index], &mysql->cached[index + 1],
            (mysql->cached_count - index) * sizeof(mysql->cached[0]));
    return statement;
}

static struct sl_sql_mysql_statement *find(struct sl_sql_mysql *mysql,
                                           struct sl_bytes text)
{
    for (size_t i = mysql->cached_count; i-- > 0;)
        if (sl_bytes_equal(
                SL_BYTES(mysql->cached[i]->text, mysql->cached[i]->len), text))
            return remove_at(mysql, i);
    return NULL;
}

/* *prepared: whether the server prepares statements of this kind at all. */
static enum sl_status prepare(struct sl_sql_mysql *mysql,
                              struct sl_sql_mysql_statement *statement,
                              bool *prepared, struct sl_error *err)
{
    struct sl_bytes text = SL_BYTES(statement->text, statement->len);

    *prepared = sl_sql_mysql_prepare(mysql, statement->handle, text) == 0;
    if (*prepared || mysql_stmt_errno(statement->handle) == ER_UNSUPPORTED_PS)
        return SL_OK;
    return sl_sql_mysql_explain(mysql, statement->handle,
                                SL_SQL_MYSQL_PREPARING, err);
}

static struct sl_sql_mysql_statement *
statement_new(struct sl_sql_mysql *mysql, struct sl_bytes text,
              const struct sl_sql_mysql_kind *kind)
{
    MYSQL_STMT *handle = mysql_stmt_init(mysql->handle);

    if (handle == NULL)
        return NULL;
    struct sl_sql_mysql_statement *statement = sl_alloc(sizeof(*statement));
    statement->handle = handle;
    statement->text = sl_strndup(text.ptr, text.len);
    statement->len = text.len;
    statement->kind = *kind;
    return statement;
}

enum sl_status sl_sql_mysql_take(struct sl_sql_mysql *mysql,
                                 struct sl_bytes text,
                                 const struct sl_sql_mysql_kind *kind,
                                 struct sl_sql_mysql_statement **out,
                                 struct sl_error *err)
{
    struct sl_sql_mysql_statement *statement = find(mysql, text);
    bool prepared = true;

    if (statement != NULL || kind->as_text) {
        *out = statement;
        return SL_OK;
    }
    statement = statement_new(mysql, text, kind);
    if (statement == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "no memory for a statement");
    mysql->asked = true;
    enum sl_status status = prepare(mysql, statement, &prepared, err);
    if (status == SL_OK)
        *out = prepared ? statement : NULL;
    if (status != SL_OK || !prepared)
        statement_free(mysql, statement);
    return status;
}

/* What is left of its rows, and a cursor on the server. */
static bool let_rows_go(struct sl_sql_mysql *mysql,
                        struct sl_sql_mysql_statement *statement)
{
    if (statement->columns == NULL)
        return true;
    mysql_free_result(statement->columns);
    statement->columns = NULL;
    return sl_sql_mysql_free_rows(mysql, statement->handle) == 0;
}

void sl_sql_mysql_give(struct sl_sql_mysql *mysql,
                       struct sl_sql_mysql_statement *statement)
{
    /* One that had a cursor would keep that on the server. */
    if (mysql->lost || mysql->outdated || statement->cursor ||
        statement->kind.calls || !let_rows_go(mysql, statement) ||
        statement->len > SL_SQL_MYSQL_CACHED_BYTES) {
        statement_free(mysql, statement);
        return;
    }
    if (mysql->cached_count == SL_SQL_MYSQL_CACHED)
        statement_free(mysql, remove_at(mysql, 0));
    mysql->cached[mysql->cached_count++] = statement;
}

void sl_sql_mysql_forget(struct sl_sql_mysql *mysql)
{
    while (mysql->cached_count > 0)
        statement_free(mysql, remove_at(mysql, 0));
}

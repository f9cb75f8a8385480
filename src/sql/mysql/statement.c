/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements, and those that are kept because they come again.
 *
 * MySQL (8.0.22 and newer) gives each placeholder a type when it prepares a
 * statement, and converts every later value to that first, also where the
 * column has another type by now: "007" for what was a number becomes "7".  So
 * there a statement is kept only while all of its values have the types of
 * their placeholders, and else prepared anew.
 */
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/mysql/state.h"

static void statement_free(struct sl_sql_mysql *mysql,
                           struct sl_sql_mysql_statement *statement)
{
    if (statement->columns != NULL)
        mysql_free_result(statement->columns);
    sl_sql_mysql_close_statement(mysql, statement->handle);
    free(statement->types);
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

/* --- Types of placeholders ---------------------------------------------- */

/* Where the library puts the types of what it prepares on this thread. */
static _Thread_local struct sl_sql_mysql_statement *learning;

/* The type in a column's definition, as the server sends it; false: it is cut.
 */
static bool read_type(const MYSQL_ROWS *row, enum enum_field_types *type)
{
    enum { DEFINITION = 6, TYPE = 6 };
    const char *begin = row->data[DEFINITION], *end = row->data[DEFINITION + 1];

    if (begin == NULL || end - begin <= TYPE)
        return false;
    *type = (enum enum_field_types)(uint8_t)begin[TYPE];
    return true;
}

/* Called by the library, in place of its own, which throws them away. */
static my_bool read_types(MYSQL_STMT *handle)
{
    enum { PARTS = 7 }; /* of a definition */
    MYSQL *connection = handle->mysql;
    MYSQL_DATA *rows =
        connection->methods->db_read_rows(connection, NULL, PARTS);
    struct sl_sql_mysql_statement *statement = learning;
    unsigned count = 0, wanted = (unsigned)mysql_stmt_param_count(handle);

    if (rows == NULL)
        return 1;
    MYSQL_RES *owner = calloc(1, sizeof(*owner)); /* it frees the rows */
    if (statement != NULL)
        statement->types =
            sl_alloc_array(wanted + 1, sizeof(*statement->types));
    for (const MYSQL_ROWS *row = rows->data;
         statement != NULL && row != NULL && count < wanted; row = row->next)
        if (!read_type(row, &statement->types[count++]))
            break;
    if (statement != NULL)
        statement->type_count = count;
    if (owner == NULL)
        return 1;
    owner->data = rows;
    mysql_free_result(owner);
    return 0;
}

void sl_sql_mysql_learn_types(struct sl_sql_mysql *mysql)
{
    enum { SINCE = 80022 };

    mysql->keeps_types =
        !mysql->mariadb && mysql_get_server_version(mysql->handle) >= SINCE;
    if (!mysql->keeps_types)
        return;
    mysql->methods = *mysql->handle->methods;
    mysql->methods.db_stmt_get_param_metadata = read_types;
    mysql->handle->methods = &mysql->methods;
}

static bool is_text(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_JSON:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
        return true;
    default:
        return false;
    }
}

/* The value is sent in the type of its placeholder. */
static bool has_type(const struct sl_sql_value *value,
                     enum enum_field_types type)
{
    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_NULL:
        return true;
    case SL_SQL_BOOLEAN:
    case SL_SQL_INT64:
        return type == MYSQL_TYPE_LONGLONG;
    case SL_SQL_FLOAT64:
        return type == MYSQL_TYPE_DOUBLE;
    case SL_SQL_DECIMAL:
        return type == MYSQL_TYPE_NEWDECIMAL;
    case SL_SQL_DATE:
        return type == MYSQL_TYPE_DATE;
    case SL_SQL_TIME:
        return type == MYSQL_TYPE_TIME;
    case SL_SQL_TIMESTAMP:
        return type == MYSQL_TYPE_DATETIME || type == MYSQL_TYPE_TIMESTAMP;
    case SL_SQL_TEXT:
    case SL_SQL_BYTES:
    case SL_SQL_UUID:
    case SL_SQL_JSON:
        return is_text(type);
    }
    return false;
}

static bool have_types(const struct sl_sql_mysql *mysql,
                       const struct sl_sql_mysql_statement *statement,
                       const struct sl_sql_request *request)
{
    for (size_t i = 0; mysql->keeps_types && i < request->set_count; i++) {
        const struct sl_sql_parameters *set = &request->sets[i];
        if (set->count > statement->type_count)
            return false;
        for (size_t j = 0; j < set->count; j++)
            if (!has_type(&set->values[j], statement->types[j]))
                return false;
    }
    return true;
}

/* --- Preparing ---------------------------------------------------------- */

/* *prepared: whether the server prepares statements of this kind at all. */
static enum sl_status prepare(struct sl_sql_mysql *mysql,
                              struct sl_sql_mysql_statement *statement,
                              bool *prepared, struct sl_error *err)
{
    struct sl_bytes text = SL_BYTES(statement->text, statement->len);

    learning = statement;
    *prepared = sl_sql_mysql_prepare(mysql, statement->handle, text) == 0;
    learning = NULL;
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
                                 const struct sl_sql_request *request,
                                 const struct sl_sql_mysql_kind *kind,
                                 struct sl_sql_mysql_statement **out,
                                 struct sl_error *err)
{
    struct sl_sql_mysql_statement *statement = find(mysql, request->statement);
    bool prepared = true;

    if (kind->as_text ||
        (statement != NULL && have_types(mysql, statement, request))) {
        *out = statement;
        return SL_OK;
    }
    if (statement != NULL)
        statement_free(mysql, statement);
    statement = statement_new(mysql, request->statement, kind);
    if (statement == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "no memory for a statement");
    mysql->asked = true;
    enum sl_status status = prepare(mysql, statement, &prepared, err);
    if (status == SL_OK && prepared)
        statement->keeps = have_types(mysql, statement, request);
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
        !statement->keeps || statement->kind.calls ||
        !let_rows_go(mysql, statement) ||
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

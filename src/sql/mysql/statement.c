/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements, and those that are kept for the next time.
 *
 * MySQL (8.0.22 and newer) gives each placeholder a type when it prepares a
 * statement, and first converts every later value to that type, even if the
 * column has another type by now: "007" for what was a number becomes "7".  So
 * there a statement is kept only while all its values have the types of their
 * placeholders, and is otherwise prepared again.
 */
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/mysql/connection.h"

enum { CACHE_CAPACITY = 32 };

static void free_mysql_statement(struct sl_sql_mysql_conn *conn,
                                 struct sl_sql_mysql_statement *statement)
{
    if (statement == NULL)
        return;
    if (statement->columns != NULL)
        mysql_free_result(statement->columns);
    sl_sql_mysql_stmt_close(conn, statement->handle);
    free(statement->parameter_types);
    free(statement->binds);
    free(statement->slots);
    sl_sql_cached_statement_done(&statement->cached);
    free(statement);
}

/* --- Types of placeholders ---------------------------------------------- */

/* The statement that this thread prepares; read_parameter_types fills in its types. */
static _Thread_local struct sl_sql_mysql_statement *being_prepared;

/* The type in the definition of a column.  False: it is truncated. */
static bool read_parameter_type(const MYSQL_ROWS *row,
                                enum enum_field_types *type)
{
    enum { DEFINITION = 6, TYPE = 6 };
    const char *begin = row->data[DEFINITION], *end = row->data[DEFINITION + 1];

    if (begin == NULL || end - begin <= TYPE)
        return false;
    *type = (enum enum_field_types)(uint8_t)begin[TYPE];
    return true;
}

/* Replaces the library's own function, which discards the types. */
static my_bool read_parameter_types(MYSQL_STMT *handle)
{
    enum { PARTS = 7 }; /* fields of a definition */
    MYSQL *connection = handle->mysql;
    MYSQL_DATA *rows =
        connection->methods->db_read_rows(connection, NULL, PARTS);
    struct sl_sql_mysql_statement *statement = being_prepared;
    unsigned count = 0, wanted = (unsigned)mysql_stmt_param_count(handle);

    if (rows == NULL)
        return 1;
    MYSQL_RES *owner = calloc(1, sizeof(*owner)); /* frees the rows */
    if (statement != NULL)
        statement->parameter_types =
            sl_alloc_array(wanted + 1, sizeof(*statement->parameter_types));
    for (const MYSQL_ROWS *row = rows->data;
         statement != NULL && row != NULL && count < wanted; row = row->next)
        if (!read_parameter_type(row, &statement->parameter_types[count++]))
            break;
    if (statement != NULL)
        statement->parameter_type_count = count;
    if (owner == NULL)
        return 1;
    owner->data = rows;
    mysql_free_result(owner);
    return 0;
}

void sl_sql_mysql_hook_parameter_types(struct sl_sql_mysql_conn *conn)
{
    enum { SINCE = 80022 };

    conn->fixes_parameter_types =
        !conn->mariadb && mysql_get_server_version(conn->handle) >= SINCE;
    if (!conn->fixes_parameter_types)
        return;
    conn->methods = *conn->handle->methods;
    conn->methods.db_stmt_get_param_metadata = read_parameter_types;
    conn->handle->methods = &conn->methods;
}

static bool is_text_type(enum enum_field_types type)
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

/* Whether the value is sent in the type of its placeholder. */
static bool has_parameter_type(const struct sl_sql_value *value,
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
        return is_text_type(type);
    }
    return false;
}

static bool have_parameter_types(const struct sl_sql_mysql_conn *conn,
                                 const struct sl_sql_mysql_statement *statement,
                                 const struct sl_sql_request *request)
{
    for (size_t i = 0; conn->fixes_parameter_types && i < request->set_count;
         i++) {
        const struct sl_sql_parameters *set = &request->sets[i];
        if (set->count > statement->parameter_type_count)
            return false;
        for (size_t j = 0; j < set->count; j++)
            if (!has_parameter_type(&set->values[j],
                                    statement->parameter_types[j]))
                return false;
    }
    return true;
}

/* --- Preparing ---------------------------------------------------------- */

/* *prepared: false for a statement that the server can only run as text. */
static enum sl_status
prepare_mysql_statement(struct sl_sql_mysql_conn *conn,
                        struct sl_sql_mysql_statement *statement,
                        bool *prepared, struct sl_error *err)
{
    struct sl_bytes text =
        SL_BYTES(statement->cached.text, statement->cached.len);

    being_prepared = statement;
    *prepared = sl_sql_mysql_stmt_prepare(conn, statement->handle, text) == 0;
    being_prepared = NULL;
    if (*prepared || mysql_stmt_errno(statement->handle) == ER_UNSUPPORTED_PS)
        return SL_OK;
    return sl_sql_mysql_explain(conn, statement->handle, SL_SQL_MYSQL_PREPARING,
                                err);
}

static struct sl_sql_mysql_statement *
new_statement(struct sl_sql_mysql_conn *conn, struct sl_bytes text,
              const struct sl_sql_mysql_class *class)
{
    MYSQL_STMT *handle = mysql_stmt_init(conn->handle);

    if (handle == NULL)
        return NULL;
    struct sl_sql_mysql_statement *statement = sl_alloc(sizeof(*statement));
    statement->handle = handle;
    sl_sql_cached_statement_init(&statement->cached, NULL, text);
    statement->class = *class;
    return statement;
}

enum sl_status sl_sql_mysql_statement_take(
    struct sl_sql_mysql_conn *conn, const struct sl_sql_request *request,
    const struct sl_sql_mysql_class *class, struct sl_sql_mysql_statement **out,
    struct sl_error *err)
{
    struct sl_sql_mysql_statement *statement =
        sl_sql_statement_cache_take(&conn->cache, NULL, request->statement);
    bool prepared = true;

    if (class->as_text ||
        (statement != NULL && have_parameter_types(conn, statement, request))) {
        *out = statement;
        return SL_OK;
    }
    if (statement != NULL)
        free_mysql_statement(conn, statement);
    statement = new_statement(conn, request->statement, class);
    if (statement == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "out of memory for a statement");
    conn->session.reached = true;
    enum sl_status status =
        prepare_mysql_statement(conn, statement, &prepared, err);
    if (status == SL_OK && prepared)
        statement->reusable = have_parameter_types(conn, statement, request);
    if (status == SL_OK)
        *out = prepared ? statement : NULL;
    if (status != SL_OK || !prepared)
        free_mysql_statement(conn, statement);
    return status;
}

/* Free the rest of the rows, and the cursor on the server. */
static bool free_rows(struct sl_sql_mysql_conn *conn,
                      struct sl_sql_mysql_statement *statement)
{
    if (statement->columns == NULL)
        return true;
    mysql_free_result(statement->columns);
    statement->columns = NULL;
    return sl_sql_mysql_stmt_free_result(conn, statement->handle) == 0;
}

void sl_sql_mysql_statement_release(struct sl_sql_mysql_conn *conn,
                                    struct sl_sql_mysql_statement *statement)
{
    /* The server would keep the cursor of a statement that had one. */
    bool keep = !conn->broken && !conn->stale_columns &&
                !statement->has_server_cursor && statement->reusable &&
                !statement->class.calls && free_rows(conn, statement) &&
                sl_sql_cached_statement_fits(&statement->cached);

    if (keep)
        statement = sl_sql_statement_cache_add(&conn->cache, CACHE_CAPACITY,
                                               &statement->cached);
    free_mysql_statement(conn, statement);
}

void sl_sql_mysql_statements_close(struct sl_sql_mysql_conn *conn)
{
    struct sl_sql_mysql_statement *statement;

    while ((statement = sl_sql_statement_cache_pop(&conn->cache)) != NULL)
        free_mysql_statement(conn, statement);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Databases: statements that are right, wrong, long, and endless. */
#include "chaos.h"

static void drop_connection(int32_t handle)
{
    slight_sql_database_connection_drop_own(
        (slight_sql_database_own_connection_t){handle});
}

static void drop_cursor(int32_t handle)
{
    slight_sql_database_cursor_drop_own(
        (slight_sql_database_own_cursor_t){handle});
}

static void drop_transaction(int32_t handle)
{
    slight_sql_database_transaction_drop_own(
        (slight_sql_database_own_transaction_t){handle});
}

static struct chaos_handles connections = {.drop = drop_connection};
static struct chaos_handles cursors = {.drop = drop_cursor};
static struct chaos_handles transactions = {.drop = drop_transaction};

static bool any_connection(slight_sql_database_borrow_connection_t *connection)
{
    slight_sql_database_own_connection_t opened;
    slight_sql_database_error_t error;
    http_string_t name;

    http_string_set(&name, "data");
    if (connections.count == 0 &&
        slight_sql_database_static_connection_open(&name, &opened, &error))
        chaos_keep(&connections, opened.__handle);
    return chaos_any(&connections, &connection->__handle);
}

static http_string_t statement(void)
{
    static const char *const statements[] = {
        "CREATE TABLE IF NOT EXISTS t (a, b)",
        "INSERT INTO t VALUES (?, ?)",
        "SELECT * FROM t LIMIT 20",
        "SELECT ?",
        "DELETE FROM t",
        "SELECT a FROM t WHERE b LIKE ?",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT "
        "3000) SELECT x FROM c",
        "ATTACH 'x' AS y",
        "PRAGMA journal_mode = off",
        "BEGIN",
        "COMMIT",
        "SELECT zeroblob(1000000)",
        "",
    };
    http_string_t text;

    if (chaos_once_in(8))
        return chaos_text();
    if (chaos_once_in(3000)) {
        http_string_set(&text, "SELECT instr(zeroblob(3000000), "
                               "zeroblob(1500000)||x'01')");
        return text;
    }
    http_string_set(
        &text,
        statements[chaos_below(sizeof(statements) / sizeof(*statements))]);
    return text;
}

static slight_sql_database_value_t value(void)
{
    slight_sql_database_value_t any = {.tag = (uint8_t)chaos_below(12)};

    if (any.tag == SLIGHT_SQL_DATABASE_VALUE_BOOLEAN)
        any.val.boolean = chaos_once_in(2);
    else if (any.tag == SLIGHT_SQL_DATABASE_VALUE_INT64)
        any.val.int64 = (int64_t)chaos_random();
    else if (any.tag == SLIGHT_SQL_DATABASE_VALUE_FLOAT64)
        any.val.float64 = 1.0 / chaos_below(3);
    else
        any.val.text = chaos_text(); /* of bytes, the same shape */
    return any;
}

static slight_sql_database_list_value_t parameters(void)
{
    slight_sql_database_list_value_t list = {.len = chaos_below(4)};

    if (chaos_once_in(200))
        list.len = 40000;
    list.ptr = chaos_new(list.len, sizeof(*list.ptr));
    for (size_t i = 0; i < list.len; i++)
        list.ptr[i] = value();
    return list;
}

static void query(void)
{
    http_string_t text = statement();
    slight_sql_database_list_value_t list = parameters();
    slight_sql_database_borrow_connection_t connection;
    slight_sql_database_rows_t rows;
    slight_sql_database_done_t done;
    slight_sql_database_error_t error;

    if (!any_connection(&connection))
        return;
    if (chaos_once_in(2))
        (void)slight_sql_database_method_connection_query(connection, &text,
                                                          &list, &rows, &error);
    else
        (void)slight_sql_database_method_connection_execute(
            connection, &text, &list, &done, &error);
}

static void execute_many(void)
{
    http_string_t text = statement();
    slight_sql_database_list_value_t same = parameters();
    slight_sql_database_list_list_value_t lists = {.len = chaos_count()};
    slight_sql_database_borrow_connection_t connection;
    slight_sql_database_done_t done;
    slight_sql_database_error_t error;

    lists.ptr = chaos_new(lists.len, sizeof(*lists.ptr));
    for (size_t i = 0; i < lists.len; i++)
        lists.ptr[i] = same;
    if (any_connection(&connection))
        (void)slight_sql_database_method_connection_execute_many(
            connection, &text, &lists, &done, &error);
}

static void open_cursor(void)
{
    http_string_t text = statement();
    slight_sql_database_list_value_t list = parameters();
    slight_sql_database_borrow_connection_t connection;
    slight_sql_database_own_cursor_t cursor;
    slight_sql_database_error_t error;

    if (any_connection(&connection) &&
        slight_sql_database_method_connection_open_cursor(
            connection, &text, &list, &cursor, &error))
        chaos_keep(&cursors, cursor.__handle);
}

static void fetch(void)
{
    slight_sql_database_borrow_cursor_t cursor;
    slight_sql_database_list_column_t columns;
    slight_sql_database_list_row_t rows;
    slight_sql_database_error_t error;

    if (!chaos_any(&cursors, &cursor.__handle))
        return;
    slight_sql_database_method_cursor_columns(cursor, &columns);
    (void)slight_sql_database_method_cursor_next(cursor, chaos_below(2000),
                                                 &rows, &error);
}

static void begin(void)
{
    slight_sql_database_borrow_connection_t connection;
    slight_sql_database_own_transaction_t transaction;
    slight_sql_database_error_t error;

    if (any_connection(&connection) &&
        slight_sql_database_method_connection_begin(
            connection, (slight_sql_database_isolation_t)chaos_below(4),
            chaos_once_in(3), &transaction, &error))
        chaos_keep(&transactions, transaction.__handle);
}

static void query_in_transaction(void)
{
    http_string_t text = statement();
    slight_sql_database_list_value_t list = parameters();
    slight_sql_database_borrow_transaction_t transaction;
    slight_sql_database_rows_t rows;
    slight_sql_database_error_t error;

    if (chaos_any(&transactions, &transaction.__handle))
        (void)slight_sql_database_method_transaction_query(
            transaction, &text, &list, &rows, &error);
}

static void end(void)
{
    slight_sql_database_own_transaction_t transaction;
    slight_sql_database_error_t error;
    int32_t cursor;

    if (chaos_take(&cursors, &cursor))
        drop_cursor(cursor);
    if (!chaos_take(&transactions, &transaction.__handle))
        return;
    switch (chaos_below(3)) {
    case 0:
        drop_transaction(transaction.__handle);
        return;
    case 1:
        (void)slight_sql_database_static_transaction_commit(transaction,
                                                            &error);
        return;
    default:
        (void)slight_sql_database_static_transaction_rollback(transaction,
                                                              &error);
    }
}

chaos_act *const chaos_sql_acts[] = {
    query, query, execute_many, open_cursor, fetch, begin, query_in_transaction,
    end,   NULL};

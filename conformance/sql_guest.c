/* SPDX-License-Identifier: Apache-2.0 */
/* sql_cases.h over the bindings of slight:sql; and what only a guest can do. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "sql_cases.h"

/* --- The interface ------------------------------------------------------ */

struct resource {
    slight_sql_database_own_connection_t connection;
};

struct sql_tx {
    slight_sql_database_own_transaction_t transaction;
};

struct sql_cursor {
    slight_sql_database_own_cursor_t cursor;
};

static slight_sql_database_borrow_connection_t
connection_of(struct resource *sql)
{
    return slight_sql_database_borrow_connection(sql->connection);
}

static slight_sql_database_borrow_transaction_t
transaction_of(struct sql_tx *tx)
{
    return slight_sql_database_borrow_transaction(tx->transaction);
}

/* --- Values ------------------------------------------------------------- */

static slight_sql_database_value_t value_in(const struct sql_value *value)
{
    slight_sql_database_value_t in = {.tag = (uint8_t)value->type};

    if (value->type == SQL_BOOLEAN)
        in.val.boolean = value->boolean;
    else if (value->type == SQL_INT64)
        in.val.int64 = value->int64;
    else if (value->type == SQL_FLOAT64)
        in.val.float64 = value->float64;
    else /* all the others are a pointer and a length */
        in.val.text =
            (command_string_t){(uint8_t *)(uintptr_t)value->ptr, value->len};
    return in;
}

/* In memory that the caller frees. */
static slight_sql_database_list_value_t list_in(const struct sql_set *set)
{
    slight_sql_database_list_value_t list = {
        must(calloc(set->count + 1, sizeof(*list.ptr))), set->count};

    for (size_t i = 0; i < set->count; i++)
        list.ptr[i] = value_in(&set->values[i]);
    return list;
}

/* Its bytes are handed over. */
static struct sql_value value_out(const slight_sql_database_value_t *value)
{
    struct sql_value out = {.type = (enum sql_type)value->tag};

    if (out.type == SQL_BOOLEAN) {
        out.boolean = value->val.boolean;
    } else if (out.type == SQL_INT64) {
        out.int64 = value->val.int64;
    } else if (out.type == SQL_FLOAT64) {
        out.float64 = value->val.float64;
    } else if (out.type >= SQL_DECIMAL && value->val.text.len > 0) {
        /* Nothing at all has a pointer that cannot be freed. */
        out.ptr = value->val.text.ptr;
        out.len = value->val.text.len;
    }
    return out;
}

static char *text_of(command_string_t string)
{
    char *text = must(malloc(string.len + 1));

    memcpy(text, string.ptr, string.len);
    text[string.len] = '\0';
    return text;
}

static void take_columns(slight_sql_database_list_column_t *columns,
                         struct sql_rows *rows)
{
    rows->column_count = columns->len;
    rows->names = must(calloc(columns->len + 1, sizeof(char *)));
    rows->types = must(calloc(columns->len + 1, sizeof(char *)));
    for (size_t i = 0; i < columns->len; i++) {
        rows->names[i] = text_of(columns->ptr[i].name);
        rows->types[i] = text_of(columns->ptr[i].type_name);
    }
    slight_sql_database_list_column_free(columns);
}

static void take_rows(slight_sql_database_list_row_t *list,
                      struct sql_rows *rows)
{
    size_t count = 0;

    rows->row_count = list->len;
    rows->values =
        must(calloc(list->len * rows->column_count + 1, sizeof(*rows->values)));
    for (size_t i = 0; i < list->len; i++) {
        CHECK(list->ptr[i].len == rows->column_count);
        for (size_t j = 0; j < list->ptr[i].len; j++)
            rows->values[count++] = value_out(&list->ptr[i].ptr[j]);
        if (list->ptr[i].len > 0)
            free(list->ptr[i].ptr);
    }
    if (list->len > 0)
        free(list->ptr);
}

static void take_done(const slight_sql_database_done_t *from,
                      struct sql_done *done)
{
    *done = (struct sql_done){
        .affected = from->affected,
        .has_last_insert_id = from->last_insert_id.is_some,
        .last_insert_id =
            from->last_insert_id.is_some ? from->last_insert_id.val : 0,
    };
}

/* --- Statements --------------------------------------------------------- */

enum status sql_query(struct resource *sql, struct sql_tx *tx,
                      const char *statement, struct sql_set set,
                      struct sql_rows *rows)
{
    command_string_t text = string_of(bytes_of(statement));
    slight_sql_database_list_value_t list = list_in(&set);
    slight_sql_database_rows_t got;
    slight_types_errors_error_t error;

    bool ok = tx != NULL ? slight_sql_database_method_transaction_query(
                               transaction_of(tx), &text, &list, &got, &error)
                         : slight_sql_database_method_connection_query(
                               connection_of(sql), &text, &list, &got, &error);
    free(list.ptr);
    if (!ok)
        return failed(&error);
    take_columns(&got.columns, rows);
    take_rows(&got.rows, rows);
    return WORKED;
}

enum status sql_execute(struct resource *sql, struct sql_tx *tx,
                        const char *statement, struct sql_set set,
                        struct sql_done *done)
{
    command_string_t text = string_of(bytes_of(statement));
    slight_sql_database_list_value_t list = list_in(&set);
    slight_sql_database_done_t got;
    slight_types_errors_error_t error;

    bool ok = tx != NULL ? slight_sql_database_method_transaction_execute(
                               transaction_of(tx), &text, &list, &got, &error)
                         : slight_sql_database_method_connection_execute(
                               connection_of(sql), &text, &list, &got, &error);
    free(list.ptr);
    if (!ok)
        return failed(&error);
    take_done(&got, done);
    return WORKED;
}

enum status sql_execute_many(struct resource *sql, struct sql_tx *tx,
                             const char *statement, const struct sql_set sets[],
                             size_t count, struct sql_done *done)
{
    command_string_t text = string_of(bytes_of(statement));
    slight_sql_database_list_list_value_t lists = {
        must(calloc(count + 1, sizeof(*lists.ptr))), count};
    slight_sql_database_done_t got;
    slight_types_errors_error_t error;

    for (size_t i = 0; i < count; i++)
        lists.ptr[i] = list_in(&sets[i]);
    bool ok = tx != NULL ? slight_sql_database_method_transaction_execute_many(
                               transaction_of(tx), &text, &lists, &got, &error)
                         : slight_sql_database_method_connection_execute_many(
                               connection_of(sql), &text, &lists, &got, &error);
    for (size_t i = 0; i < count; i++)
        free(lists.ptr[i].ptr);
    free(lists.ptr);
    if (!ok)
        return failed(&error);
    take_done(&got, done);
    return WORKED;
}

/* --- Transactions ------------------------------------------------------- */

enum status sql_begin(struct resource *sql, enum sql_isolation isolation,
                      bool read_only, struct sql_tx **out)
{
    slight_sql_database_own_transaction_t transaction;
    slight_types_errors_error_t error;

    if (!slight_sql_database_method_connection_begin(
            connection_of(sql), (slight_sql_database_isolation_t)isolation,
            read_only, &transaction, &error))
        return failed(&error);
    *out = must(malloc(sizeof(**out)));
    (*out)->transaction = transaction;
    return WORKED;
}

enum status sql_commit(struct sql_tx *tx)
{
    slight_types_errors_error_t error;
    bool ok =
        slight_sql_database_static_transaction_commit(tx->transaction, &error);

    free(tx);
    return ok ? WORKED : failed(&error);
}

enum status sql_rollback(struct sql_tx *tx)
{
    slight_types_errors_error_t error;
    bool ok = slight_sql_database_static_transaction_rollback(tx->transaction,
                                                              &error);

    free(tx);
    return ok ? WORKED : failed(&error);
}

void sql_drop(struct sql_tx *tx)
{
    slight_sql_database_transaction_drop_own(tx->transaction);
    free(tx);
}

/* --- Cursors ------------------------------------------------------------ */

enum status sql_open_cursor(struct resource *sql, struct sql_tx *tx,
                            const char *statement, struct sql_set set,
                            struct sql_cursor **out)
{
    command_string_t text = string_of(bytes_of(statement));
    slight_sql_database_list_value_t list = list_in(&set);
    slight_sql_database_own_cursor_t cursor;
    slight_types_errors_error_t error;

    bool ok = tx != NULL
                  ? slight_sql_database_method_transaction_open_cursor(
                        transaction_of(tx), &text, &list, &cursor, &error)
                  : slight_sql_database_method_connection_open_cursor(
                        connection_of(sql), &text, &list, &cursor, &error);
    free(list.ptr);
    if (!ok)
        return failed(&error);
    *out = must(malloc(sizeof(**out)));
    (*out)->cursor = cursor;
    return WORKED;
}

void sql_columns(struct sql_cursor *cursor, struct sql_rows *rows)
{
    slight_sql_database_list_column_t columns;

    slight_sql_database_method_cursor_columns(
        slight_sql_database_borrow_cursor(cursor->cursor), &columns);
    take_columns(&columns, rows);
}

enum status sql_next(struct sql_cursor *cursor, uint32_t limit,
                     struct sql_rows *rows)
{
    slight_sql_database_list_row_t got;
    slight_types_errors_error_t error;

    if (!slight_sql_database_method_cursor_next(
            slight_sql_database_borrow_cursor(cursor->cursor), limit, &got,
            &error))
        return failed(&error);
    sql_columns(cursor, rows);
    take_rows(&got, rows);
    return WORKED;
}

void sql_close_cursor(struct sql_cursor *cursor)
{
    slight_sql_database_cursor_drop_own(cursor->cursor);
    free(cursor);
}

/* --- Cases about handles ------------------------------------------------ */

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t string = string_of(bytes_of(name));
    slight_sql_database_own_connection_t connection;
    slight_types_errors_error_t error;

    if (!slight_sql_database_static_connection_open(&string, &connection,
                                                    &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->connection = connection;
    return WORKED;
}

void suite_close(struct resource *sql)
{
    slight_sql_database_connection_drop_own(sql->connection);
    free(sql);
}

bool suite_dialect(const char *name)
{
    return sql_use_dialect(name);
}

static void only_what_is_granted(struct resource *sql)
{
    check_grants();
    INT(sql, NULL, "SELECT 1", 1);
}

static void two_connections(struct resource *sql)
{
    struct resource *second, *other;

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    OK(suite_open("store", &second));
    OK(suite_open("other", &other));
    DO(second, NULL, "INSERT INTO items VALUES (1)");
    INT(sql, NULL, "SELECT count(*) FROM items", 1);
    FAILS(sql_query(other, NULL, "SELECT * FROM items", NONE,
                    &(struct sql_rows){0}),
          INVALID_ARGUMENT);
    suite_close(second);
    suite_close(other);
    INT(sql, NULL, "SELECT count(*) FROM items", 1);
}

/* What was begun goes on. */
static void a_connection_is_dropped_first(struct resource *sql)
{
    struct resource *second;
    struct sql_tx *tx = NULL;
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    OK(suite_open("store", &second));
    OK(sql_begin(second, SQL_DEFAULT, false, &tx));
    OK(sql_open_cursor(second, NULL, "SELECT id FROM items", NONE, &cursor));
    suite_close(second);
    DO(NULL, tx, "INSERT INTO items VALUES (2)");
    OK(sql_commit(tx));
    OK(sql_next(cursor, 10, &rows));
    CHECK(rows.row_count == 1); /* as it was when it was opened */
    sql_rows_done(&rows);
    sql_close_cursor(cursor);
    INT(sql, NULL, "SELECT count(*) FROM items", 2);
}

/* The instance ends with all of it open. */
static void nothing_is_ended(struct resource *sql)
{
    struct sql_tx *tx = NULL;
    struct sql_cursor *cursor = NULL;

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    DO(sql, tx, "INSERT INTO items VALUES (1)");
    OK(sql_open_cursor(sql, tx, "SELECT id FROM items", NONE, &cursor));
    OK(sql_open_cursor(sql, NULL, "SELECT id FROM items", NONE, &cursor));
}

const struct suite_case sql_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted,
     .holds = "sql-53"},
    {"two connections, and two databases", 0, two_connections},
    {"a connection is dropped first", 0, a_connection_is_dropped_first,
     .holds = "sql-51"},
    {"nothing is ended", 0, nothing_is_ended},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: every row once, in batches, and an end. */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items 1 to count. */
static void make_items(struct resource *sql, int64_t count)
{
    char insert[512];

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    snprintf(insert, sizeof(insert),
             "INSERT INTO items %s SELECT n FROM series",
             sql_dialect()->series);
    if (count > 0)
        OK(sql_execute(sql, NULL, insert, SET(sql_int(count)),
                       &(struct sql_done){0}));
}

static struct sql_cursor *open_cursor(struct resource *sql, struct sql_tx *tx)
{
    struct sql_cursor *cursor = NULL;

    OK(sql_open_cursor(sql, tx, "SELECT id FROM items ORDER BY id", NONE,
                       &cursor));
    return cursor;
}

/* The next batch, of numbers from first on; returns how many. */
static size_t expect_batch(struct sql_cursor *cursor, uint32_t limit,
                           int64_t first)
{
    struct sql_rows rows = {0};

    OK(sql_next(cursor, limit, &rows));
    CHECK(rows.row_count <= limit);
    for (size_t i = 0; i < rows.row_count; i++) {
        struct sql_value number = sql_int(first + (int64_t)i);
        SAME(&rows.values[i], &number);
    }
    size_t count = rows.row_count;
    sql_rows_done(&rows);
    return count;
}

/* All that is left, from first to last, and the end, twice. */
static void expect_rest(struct sql_cursor *cursor, uint32_t limit,
                        int64_t first, int64_t last)
{
    size_t count;

    while ((count = expect_batch(cursor, limit, first)) > 0)
        first += (int64_t)count;
    CHECK(first == last + 1);
    CHECK(expect_batch(cursor, limit, 0) == 0);
}

static void batches_have_limits(struct resource *sql)
{
    static const uint32_t limits[] = {1, 7, 100, 1000, SQL_BATCH_MAX};

    make_items(sql, 1000);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct sql_cursor *cursor = open_cursor(sql, NULL);
        expect_rest(cursor, limits[i], 1, 1000);
        sql_close_cursor(cursor);
    }
}

static void no_rows(struct resource *sql)
{
    struct sql_rows columns = {0};

    make_items(sql, 0);
    struct sql_cursor *cursor = open_cursor(sql, NULL);
    sql_columns(cursor, &columns);
    CHECK(columns.column_count == 1 && strcmp(columns.names[0], "id") == 0);
    sql_rows_done(&columns);
    CHECK(expect_batch(cursor, 10, 0) == 0);
    CHECK(expect_batch(cursor, 10, 0) == 0);
    sql_columns(cursor, &columns);
    CHECK(columns.column_count == 1);
    sql_rows_done(&columns);
    sql_close_cursor(cursor);
}

static void cursors_have_limits(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_items(sql, 5);
    struct sql_cursor *cursor = open_cursor(sql, NULL);
    FAILS(sql_next(cursor, 0, &rows), INVALID_ARGUMENT);
    FAILS(sql_next(cursor, SQL_BATCH_MAX + 1, &rows), INVALID_ARGUMENT);
    FAILS(sql_next(cursor, UINT32_MAX, &rows), INVALID_ARGUMENT);
    expect_rest(cursor, 2, 1, 5); /* nothing was lost by that */
    sql_close_cursor(cursor);
}

static void dropped_early(struct resource *sql)
{
    make_items(sql, 1000);
    for (size_t i = 0; i < 3 * SQL_TRANSACTIONS_MAX; i++) {
        struct sql_cursor *cursor = NULL;
        /* The one before may take a moment to be gone. */
        for (int j = 0; j < 1000 && cursor == NULL; j++)
            (void)sql_open_cursor(sql, NULL, "SELECT id FROM items ORDER BY id",
                                  NONE, &cursor);
        CHECK(cursor != NULL);
        CHECK(expect_batch(cursor, 5, 1) == 5);
        sql_close_cursor(cursor);
    }
    /* None of them holds the table. */
    DO(sql, NULL, "DROP TABLE items");
}

static void sees_one_state(struct resource *sql)
{
    make_items(sql, 100);
    struct sql_cursor *cursor = open_cursor(sql, NULL);
    CHECK(expect_batch(cursor, 10, 1) == 10);
    DO(sql, NULL, "DELETE FROM items WHERE id > 50");
    DO(sql, NULL, "INSERT INTO items VALUES (101)");
    expect_rest(cursor, 10, 11, 100);
    sql_close_cursor(cursor);
    INT(sql, NULL, "SELECT count(*) FROM items", 51);
}

static void with_parameters(struct resource *sql)
{
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};
    char *text = sql_repeat('p', 1000);

    make_items(sql, 100);
    OK(sql_open_cursor(sql, NULL,
                       "SELECT id, ? FROM items WHERE id > ? ORDER BY id",
                       SET(sql_text(text), sql_int(90)), &cursor));
    memset(text, 'q', 1000); /* it took a copy */
    for (int i = 91; i <= 100; i++) {
        OK(sql_next(cursor, 1, &rows));
        CHECK(rows.row_count == 1 && rows.values[0].int64 == i);
        CHECK(rows.values[1].len == 1000);
        CHECK(((const char *)rows.values[1].ptr)[999] == 'p');
        sql_rows_done(&rows);
    }
    sql_close_cursor(cursor);
    free(text);
}

static void wrong_statements(struct resource *sql)
{
    static const char *const bad[] = {
        "SELECT * FROM nowhere",
        "SELECT ,",
        "SELECT 1; SELECT 2",
        "SELECT id FROM items WHERE id = ?",
        "",
        "COMMIT",
    };
    static const char *const writing[] = {
        "INSERT INTO items VALUES (9)",
        "UPDATE items SET id = 0",
        "DELETE FROM items",
        "CREATE TABLE other (id INTEGER)",
    };
    struct sql_cursor *cursor = NULL;

    make_items(sql, 5);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        FAILS(sql_open_cursor(sql, NULL, bad[i], NONE, &cursor),
              INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(writing) / sizeof(writing[0]); i++)
        FAILS(sql_open_cursor(sql, NULL, writing[i], NONE, &cursor), READ_ONLY);
    INT(sql, NULL, "SELECT count(*) FROM items", 5);
}

static void in_a_transaction(struct resource *sql)
{
    struct sql_tx *tx = NULL;

    make_items(sql, 50);
    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    DO(sql, tx, "INSERT INTO items VALUES (51)");
    struct sql_cursor *first = open_cursor(sql, tx);
    struct sql_cursor *second = open_cursor(sql, tx);
    CHECK(expect_batch(first, 20, 1) == 20);
    CHECK(expect_batch(second, 5, 1) == 5);
    INT(sql, tx, "SELECT count(*) FROM items", 51);
    expect_rest(first, 20, 21, 51);
    sql_close_cursor(first);
    expect_rest(second, 20, 6, 51);
    sql_close_cursor(second);
    OK(sql_commit(tx));
    INT(sql, NULL, "SELECT count(*) FROM items", 51);
}

static void ends_with_its_transaction(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_items(sql, 50);
    for (int i = 0; i < 2; i++) {
        struct sql_tx *tx = NULL;
        OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
        struct sql_cursor *cursor = open_cursor(sql, tx);
        CHECK(expect_batch(cursor, 20, 1) == 20);
        if (i == 0)
            OK(sql_commit(tx));
        else
            OK(sql_rollback(tx));
        FAILS(sql_next(cursor, 20, &rows), NOT_FOUND);
        FAILS(sql_next(cursor, 20, &rows), NOT_FOUND);
        sql_close_cursor(cursor);
    }
    DO(sql, NULL, "DROP TABLE items");
}

static void ends_with_a_failure(struct resource *sql)
{
    struct sql_tx *tx = NULL;
    struct sql_rows rows = {0};

    make_items(sql, 50);
    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    struct sql_cursor *cursor = open_cursor(sql, tx);
    FAILS(sql_query(sql, tx, "SELECT nonsense", NONE, &rows), INVALID_ARGUMENT);
    FAILS(sql_next(cursor, 20, &rows), NOT_FOUND);
    sql_close_cursor(cursor);
    OK(sql_rollback(tx));
}

static void many_in_a_transaction(struct resource *sql)
{
    struct sql_cursor *cursors[SQL_CURSORS_MAX], *more = NULL;
    struct sql_tx *tx = NULL;

    make_items(sql, 5);
    OK(sql_begin(sql, SQL_DEFAULT, true, &tx));
    for (int i = 0; i < SQL_CURSORS_MAX; i++) {
        cursors[i] = open_cursor(sql, tx);
        CHECK(expect_batch(cursors[i], 2, 1) == 2);
    }
    FAILS(sql_open_cursor(sql, tx, "SELECT 1", NONE, &more),
          RESOURCE_EXHAUSTED);
    sql_close_cursor(cursors[7]);
    cursors[7] = open_cursor(sql, tx);
    expect_rest(cursors[7], 2, 1, 5);
    expect_rest(cursors[8], 2, 3, 5);
    for (int i = 0; i < SQL_CURSORS_MAX; i++)
        sql_close_cursor(cursors[i]);
    OK(sql_commit(tx));
}

/* Rows that together are over the limit of an answer come in more batches. */
static void large_rows(struct resource *sql)
{
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};
    char *text = sql_repeat('x', SQL_VALUE_MAX);
    size_t count = 0;

    sql_create(sql, "CREATE TABLE texts (v %s)",
               sql_dialect()->columns[SQL_TEXT]);
    for (int i = 0; i < 10; i++)
        OK(sql_execute(sql, NULL, "INSERT INTO texts VALUES (?)",
                       SET(sql_text(text)), &(struct sql_done){0}));
    free(text);
    OK(sql_open_cursor(sql, NULL, "SELECT v FROM texts", NONE, &cursor));
    for (;;) {
        OK(sql_next(cursor, 100, &rows));
        size_t got = rows.row_count;
        for (size_t i = 0; i < got; i++)
            CHECK(rows.values[i].len == SQL_VALUE_MAX);
        sql_rows_done(&rows);
        if (got == 0)
            break;
        CHECK(got <= 4);
        count += got;
    }
    CHECK(count == 10);
    sql_close_cursor(cursor);
    /* And one that alone is. */
    OK(sql_open_cursor(sql, NULL, "SELECT v, v, v, v, v FROM texts", NONE,
                       &cursor));
    FAILS(sql_next(cursor, 100, &rows), TOO_LARGE);
    FAILS(sql_next(cursor, 100, &rows), NOT_FOUND);
    sql_close_cursor(cursor);
}

static void a_million_rows(struct resource *sql)
{
    enum { ROWS = 1000000 };

    make_items(sql, ROWS);
    struct sql_cursor *cursor = NULL;
    OK(sql_open_cursor(sql, NULL, "SELECT id FROM items", NONE, &cursor));
    expect_rest(cursor, 1000, 1, ROWS);
    sql_close_cursor(cursor);
}

const struct suite_case sql_cursor_cases[] = {
    {"cursors: batches", 0, batches_have_limits,
     .holds = "sql-58 sql-71 sql-72 sql-73"},
    {"cursors: no rows", 0, no_rows, .holds = "sql-73 sql-70"},
    {"cursors: limits", 0, cursors_have_limits, .holds = "sql-71"},
    {"cursors: dropped early", 0, dropped_early, .holds = "sql-68"},
    {"cursors: see one state", 0, sees_one_state, .holds = "sql-59"},
    {"cursors: with parameters", 0, with_parameters},
    {"cursors: wrong statements", 0, wrong_statements, .holds = "sql-60"},
    {"cursors: in a transaction", 0, in_a_transaction},
    {"cursors: end with their transaction", 0, ends_with_its_transaction,
     .holds = "sql-69 sql-76"},
    {"cursors: end with a failure", 0, ends_with_a_failure, .holds = "sql-75"},
    {"cursors: many in a transaction", 0, many_in_a_transaction,
     .holds = "sql-83"},
    {"cursors: large rows", 0, large_rows, .holds = "sql-72 sql-74"},
    {"cursors: a million rows", 0, a_million_rows},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: all of it or nothing, whatever ends them. */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_items(struct resource *sql)
{
    DO(sql, NULL, "CREATE TABLE items (id INTEGER NOT NULL UNIQUE)");
}

static struct sql_tx *begin_transaction(struct resource *sql)
{
    struct sql_tx *tx = NULL;

    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    return tx;
}

static void expect_count(struct resource *sql, int64_t expected)
{
    INT(sql, NULL, "SELECT count(*) FROM items", expected);
}

static void commits_are_visible(struct resource *sql)
{
    struct sql_tx *tx;

    make_items(sql);
    tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (1)");
    DO(sql, tx, "INSERT INTO items VALUES (2)");
    INT(sql, tx, "SELECT count(*) FROM items", 2);
    expect_count(sql, 0); /* others see nothing yet */
    OK(sql_commit(tx));
    expect_count(sql, 2);
}

static void rolled_back(struct resource *sql)
{
    struct sql_tx *tx;

    make_items(sql);
    tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (1)");
    OK(sql_rollback(tx));
    expect_count(sql, 0);
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    expect_count(sql, 1);
}

static void dropped_half_way(struct resource *sql)
{
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};

    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (1), (2)");
    struct sql_tx *tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (3)");
    DO(sql, tx, "DELETE FROM items WHERE id = 1");
    OK(sql_open_cursor(sql, tx, "SELECT id FROM items", NONE, &cursor));
    OK(sql_next(cursor, 1, &rows));
    sql_rows_done(&rows);
    sql_close_cursor(cursor);
    sql_drop(tx);
    /* It leaves nothing, not even a lock. */
    DO(sql, NULL, "INSERT INTO items VALUES (4)");
    INT(sql, NULL, "SELECT count(*) FROM items WHERE id IN (1, 2, 4)", 3);
    expect_count(sql, 3);
}

/* Three rows, in a transaction. */
static struct sql_tx *begin_items(struct resource *sql)
{
    make_items(sql);
    struct sql_tx *tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (1), (2), (3)");
    return tx;
}

static void empty_ones(struct resource *sql)
{
    make_items(sql);
    OK(sql_commit(begin_transaction(sql)));
    OK(sql_rollback(begin_transaction(sql)));
    sql_drop(begin_transaction(sql));
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
}

static void schemas_too(struct resource *sql)
{
    struct sql_tx *tx = begin_transaction(sql);

    DO(sql, tx, "CREATE TABLE fleeting (id INTEGER)");
    DO(sql, tx, "INSERT INTO fleeting VALUES (1)");
    sql_drop(tx);
    FAILS(sql_query(sql, NULL, "SELECT * FROM fleeting", NONE,
                    &(struct sql_rows){0}),
          INVALID_ARGUMENT);
}

/* Rather than a transaction that cannot be undone. */
void sql_no_schemas(struct resource *sql)
{
    struct sql_tx *tx;

    make_items(sql);
    tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (1)");
    FAILS(sql_execute(sql, tx, "CREATE TABLE fleeting (id INTEGER)", NONE,
                      &(struct sql_done){0}),
          UNSUPPORTED);
    FAILS(sql_commit(tx), CONFLICT);
    expect_count(sql, 0);
}

/* The failures of a statement that a database tells. */
static const struct {
    const char *statement;
    enum status status;
} failures[] = {
    {"INSERT INTO items VALUES (1)", ALREADY_EXISTS},
    {"INSERT INTO items VALUES (NULL)", CONFLICT},
    {"INSERT INTO nowhere VALUES (1)", INVALID_ARGUMENT},
    {"SELECT nonsense", INVALID_ARGUMENT},
    {"SELECT FROM", INVALID_ARGUMENT},
};

/* In a transaction that has failed: nothing but to roll back. */
static void expect_failed(struct resource *sql, struct sql_tx *tx)
{
    const struct sql_set none = NONE;
    struct sql_cursor *cursor = NULL;

    FAILS(sql_execute(sql, tx, "INSERT INTO items VALUES (50)", NONE,
                      &(struct sql_done){0}),
          CONFLICT);
    FAILS(sql_query(sql, tx, "SELECT 1", NONE, &(struct sql_rows){0}),
          CONFLICT);
    FAILS(sql_execute_many(sql, tx, "DELETE FROM items", &none, 1,
                           &(struct sql_done){0}),
          CONFLICT);
    FAILS(sql_open_cursor(sql, tx, "SELECT 1", NONE, &cursor), CONFLICT);
}

static void after_an_error(struct resource *sql)
{
    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct sql_tx *tx = begin_transaction(sql);
        DO(sql, tx, "INSERT INTO items VALUES (100)");
        FAILS(sql_execute(sql, tx, failures[i].statement, NONE,
                          &(struct sql_done){0}),
              failures[i].status);
        expect_failed(sql, tx);
        OK(sql_rollback(tx));
        expect_count(sql, 1);
    }
}

static void a_commit_after_an_error(struct resource *sql)
{
    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct sql_tx *tx = begin_transaction(sql);
        DO(sql, tx, "INSERT INTO items VALUES (100)");
        FAILS(sql_query(sql, tx, failures[i].statement, NONE,
                        &(struct sql_rows){0}),
              failures[i].status);
        FAILS(sql_commit(tx), CONFLICT);
        expect_count(sql, 1);
    }
    /* Nothing of them is left behind. */
    struct sql_tx *tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (2)");
    OK(sql_commit(tx));
    expect_count(sql, 2);
}

static void what_the_host_refuses_changes_nothing(struct resource *sql)
{
    struct sql_done done;
    struct sql_tx *tx;

    make_items(sql);
    tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (1)");
    FAILS(sql_execute(sql, tx, "INSERT INTO items VALUES (?)", NONE, &done),
          INVALID_ARGUMENT);
    FAILS(sql_execute(sql, tx, "INSERT INTO items VALUES (?)",
                      SET(sql_as(SQL_DATE, "never")), &done),
          INVALID_ARGUMENT);
    FAILS(sql_execute(sql, tx, "SELECT 1; SELECT 2", NONE, &done),
          INVALID_ARGUMENT);
    FAILS(sql_execute(sql, tx, "COMMIT", NONE, &done), INVALID_ARGUMENT);
    FAILS(sql_execute(sql, tx, "", NONE, &done), INVALID_ARGUMENT);
    DO(sql, tx, "INSERT INTO items VALUES (2)");
    OK(sql_commit(tx));
    expect_count(sql, 2);
}

static void read_only(struct resource *sql)
{
    struct sql_tx *tx = NULL;

    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    OK(sql_begin(sql, SQL_DEFAULT, true, &tx));
    INT(sql, tx, "SELECT count(*) FROM items", 1);
    FAILS(sql_execute(sql, tx, "INSERT INTO items VALUES (2)", NONE,
                      &(struct sql_done){0}),
          READ_ONLY);
    OK(sql_rollback(tx));
    OK(sql_begin(sql, SQL_SERIALIZABLE, true, &tx));
    INT(sql, tx, "SELECT count(*) FROM items", 1);
    OK(sql_commit(tx));
    /* The next one may write again. */
    tx = begin_transaction(sql);
    DO(sql, tx, "INSERT INTO items VALUES (2)");
    OK(sql_commit(tx));
    expect_count(sql, 2);
}

/* Of a cursor, which has its own read-only transaction or is part of one that
 * may write. */
static void expect_cursor_read_only(struct resource *sql, bool in_transaction)
{
    struct sql_tx *tx = in_transaction ? begin_transaction(sql) : NULL;
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};

    enum status status =
        sql_open_cursor(sql, tx, "SELECT writes()", NONE, &cursor);
    if (status == WORKED) {
        status = sql_next(cursor, 1, &rows);
        sql_close_cursor(cursor);
    }
    CHECK(status == READ_ONLY);
    if (tx != NULL)
        OK(sql_rollback(tx));
    expect_count(sql, 0);
}

static void functions_are_refused_too(struct resource *sql)
{
    struct sql_tx *tx = NULL;

    make_items(sql);
    if (sql_dialect()->writer == NULL)
        return;
    DO(sql, NULL, sql_dialect()->writer);
    OK(sql_begin(sql, SQL_DEFAULT, true, &tx));
    FAILS(sql_query(sql, tx, "SELECT writes()", NONE, &(struct sql_rows){0}),
          READ_ONLY);
    OK(sql_rollback(tx));
    expect_cursor_read_only(sql, false);
    expect_cursor_read_only(sql, true);
}

/* Between two batches of a cursor the transaction writes as before. */
static void a_cursor_beside_writes(struct resource *sql)
{
    struct sql_tx *tx = begin_items(sql);
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};

    OK(sql_open_cursor(sql, tx, "SELECT id FROM items ORDER BY id", NONE,
                       &cursor));
    for (int i = 0; i < 3; i++) {
        OK(sql_next(cursor, 1, &rows));
        CHECK(rows.row_count == 1);
        sql_rows_done(&rows);
        OK(sql_execute(sql, tx, "INSERT INTO items VALUES (?)",
                       SET(sql_int(100 + i)), &(struct sql_done){0}));
    }
    sql_close_cursor(cursor);
    OK(sql_commit(tx));
    expect_count(sql, 6);
}

static void many_sets(struct resource *sql)
{
    const struct sql_value numbers[] = {sql_int(1), sql_int(2), sql_int(3),
                                        sql_int(2)};
    struct sql_set sets[4];
    struct sql_done done;

    make_items(sql);
    for (int i = 0; i < 4; i++)
        sets[i] = (struct sql_set){&numbers[i], 1};
    struct sql_tx *tx = begin_transaction(sql);
    OK(sql_execute_many(sql, tx, "INSERT INTO items VALUES (?)", sets, 3,
                        &done));
    CHECK(done.affected == 3);
    expect_count(sql, 0);
    OK(sql_commit(tx));
    expect_count(sql, 3);
    DO(sql, NULL, "DELETE FROM items");
    tx = begin_transaction(sql);
    FAILS(sql_execute_many(sql, tx, "INSERT INTO items VALUES (?)", sets, 4,
                           &done),
          ALREADY_EXISTS);
    FAILS(sql_commit(tx), CONFLICT);
    expect_count(sql, 0);
}

/* Only readers, so that none waits for another. */
static void transactions_are_bounded(struct resource *sql)
{
    const size_t most = SQL_TRANSACTIONS_MAX;
    struct sql_tx **open = zeros(most * sizeof(*open)), *more = NULL;
    struct sql_cursor *cursor = NULL;

    make_items(sql);
    for (size_t i = 0; i < most; i++)
        OK(sql_begin(sql, SQL_DEFAULT, true, &open[i]));
    RETRYABLE(sql_begin(sql, SQL_DEFAULT, true, &more), RESOURCE_EXHAUSTED);
    RETRYABLE(sql_open_cursor(sql, NULL, "SELECT 1", NONE, &cursor),
              RESOURCE_EXHAUSTED);
    /* Those that are open work, and so do plain calls. */
    INT(sql, open[0], "SELECT count(*) FROM items", 0);
    DO(sql, NULL, "INSERT INTO items VALUES (1)");
    for (size_t i = 0; i < most; i++)
        OK(sql_commit(open[i]));
    free(open);
    /* There is place again, at the latest when they have really ended. */
    while (more == NULL)
        (void)sql_begin(sql, SQL_DEFAULT, true, &more);
    sql_drop(more);
}

static void one_after_the_other(struct resource *sql)
{
    struct sql_done done;

    make_items(sql);
    for (int i = 0; i < 100; i++) {
        struct sql_tx *tx = begin_transaction(sql);
        OK(sql_execute(sql, tx, "INSERT INTO items VALUES (?)", SET(sql_int(i)),
                       &done));
        if (i % 3 == 0)
            OK(sql_commit(tx));
        else if (i % 3 == 1)
            OK(sql_rollback(tx));
        else
            sql_drop(tx);
    }
    expect_count(sql, 34);
}

const struct suite_case sql_transaction_cases[] = {
    {"transactions: committed", 0, commits_are_visible,
     .holds = "sql-79 sql-15 sql-66"},
    {"transactions: rolled back", 0, rolled_back, .holds = "sql-87"},
    {"transactions: dropped half-way", 0, dropped_half_way, .holds = "sql-77"},
    {"transactions: empty", 0, empty_ones},
    {"transactions: schemas too", SQL_NEEDS_SCHEMAS, schemas_too,
     .holds = "sql-77 sql-80"},
    {"transactions: after an error only rollback", 0, after_an_error,
     .holds = "sql-81 sql-21"},
    {"transactions: a commit after an error", 0, a_commit_after_an_error,
     .holds = "sql-81"},
    {"transactions: what the host refuses changes nothing", 0,
     what_the_host_refuses_changes_nothing, .holds = "sql-82"},
    {"transactions: read-only", 0, read_only, .holds = "sql-89 sql-92"},
    {"transactions: read-only in functions too", 0, functions_are_refused_too,
     .holds = "sql-89 sql-92 sql-60"},
    {"transactions: a cursor beside writes", 0, a_cursor_beside_writes},
    {"transactions: many sets", 0, many_sets, .holds = "sql-84"},
    {"transactions: bounded", 0, transactions_are_bounded,
     .holds = "sql-13 sql-67"},
    {"transactions: one after the other", 0, one_after_the_other},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What transactions see of each other.  Databases differ in how they keep their
 * promise, by waiting or by refusing; so these cases ask whether it was kept.
 */
#include "sql_cases.h"

#include <stdio.h>
#include <string.h>

static void make_account(struct resource *sql)
{
    DO(sql, NULL, "CREATE TABLE account (id INTEGER, balance INTEGER)");
    DO(sql, NULL, "INSERT INTO account VALUES (1, 100), (2, 100)");
}

static int64_t balance_of(struct resource *sql, struct sql_tx *tx)
{
    struct sql_rows rows = {0};

    OK(sql_query(sql, tx, "SELECT balance FROM account WHERE id = 1", NONE,
                 &rows));
    CHECK(rows.row_count == 1);
    int64_t result = rows.values[0].int64;
    sql_rows_done(&rows);
    return result;
}

/* Another transaction was first: this one may succeed from its beginning.  A
 * call that is alone is a transaction by itself. */
static void expect_lost(enum status status, bool is_alone)
{
    if (status == WORKED)
        return;
    CHECK(status == ABORTED);
    CHECK(last_failure()->retryable == is_alone);
}

static void nothing_uncommitted_is_seen(struct resource *sql)
{
    static const enum sql_isolation levels[] = {
        SQL_DEFAULT, SQL_READ_COMMITTED, SQL_REPEATABLE_READ, SQL_SERIALIZABLE};

    make_account(sql);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct sql_tx *writer = NULL, *reader = NULL;
        OK(sql_begin(sql, SQL_DEFAULT, false, &writer));
        DO(sql, writer, "UPDATE account SET balance = 0 WHERE id = 1");
        OK(sql_begin(sql, levels[i], true, &reader));
        CHECK(balance_of(sql, reader) == 100);
        CHECK(balance_of(sql, NULL) == 100);
        CHECK(balance_of(sql, writer) == 0);
        OK(sql_rollback(writer));
        CHECK(balance_of(sql, reader) == 100);
        OK(sql_commit(reader));
    }
}

/* Where others can commit meanwhile. */
static void each_statement_sees_what_was_committed(struct resource *sql)
{
    struct sql_tx *tx = NULL;

    make_account(sql);
    OK(sql_begin(sql, SQL_READ_COMMITTED, false, &tx));
    CHECK(balance_of(sql, tx) == 100);
    for (int i = 1; i < 4; i++) {
        DO(sql, NULL, "UPDATE account SET balance = balance + 1 WHERE id = 1");
        CHECK(balance_of(sql, tx) == 100 + i);
    }
    OK(sql_commit(tx));
}

static void reads_are_repeated(struct resource *sql)
{
    static const enum sql_isolation levels[] = {SQL_REPEATABLE_READ,
                                                SQL_SERIALIZABLE};

    make_account(sql);
    for (int i = 0; i < 2; i++) {
        struct sql_tx *reader = NULL;
        OK(sql_begin(sql, levels[i], true, &reader));
        int64_t before = balance_of(sql, reader);
        DO(sql, NULL, "UPDATE account SET balance = balance + 1 WHERE id = 1");
        CHECK(balance_of(sql, reader) == before);
        CHECK(balance_of(sql, NULL) == before + 1);
        OK(sql_commit(reader));
        CHECK(balance_of(sql, NULL) == before + 1);
    }
}

/* Write a balance and commit; false: another transaction came first. */
static bool write_and_commit(struct resource *sql, struct sql_tx *tx,
                             int64_t value)
{
    enum status status =
        sql_execute(sql, tx, "UPDATE account SET balance = ? WHERE id = 1",
                    SET(sql_int(value)), &(struct sql_done){0});

    expect_lost(status, false);
    if (status != WORKED) {
        FAILS(sql_commit(tx), CONFLICT);
        return false;
    }
    status = sql_commit(tx);
    expect_lost(status, false);
    return status == WORKED;
}

/*
 * Read, and write what was read and one more; of two at once one is told, and
 * which of them is the database's business: one that locks what it reads
 * refuses the first.
 */
static void no_update_is_lost(struct resource *sql)
{
    static const enum sql_isolation levels[] = {SQL_REPEATABLE_READ,
                                                SQL_SERIALIZABLE};

    make_account(sql);
    for (int i = 0; i < 2; i++) {
        struct sql_tx *first = NULL, *second = NULL;
        int64_t before = balance_of(sql, NULL);
        OK(sql_begin(sql, levels[i], false, &first));
        OK(sql_begin(sql, levels[i], false, &second));
        CHECK(balance_of(sql, first) == before);
        CHECK(balance_of(sql, second) == before);
        bool one = write_and_commit(sql, first, before + 1);
        bool two = write_and_commit(sql, second, before + 10);
        CHECK(one != two);
        CHECK(balance_of(sql, NULL) == before + (one ? 1 : 10));
    }
}

/* Each reads what the other writes: one after the other is no order. */
static void no_write_skew(struct resource *sql)
{
    struct sql_tx *tx[2] = {NULL, NULL};
    int committed = 0;

    make_account(sql);
    for (int i = 0; i < 2; i++) {
        OK(sql_begin(sql, SQL_SERIALIZABLE, false, &tx[i]));
        INT(sql, tx[i], "SELECT sum(balance) FROM account", 200);
    }
    /* Each takes 150 of the 200 that it saw, from an account of its own. */
    for (int i = 0; i < 2; i++) {
        enum status status = sql_execute(
            sql, tx[i],
            "UPDATE account SET balance = balance - 150 WHERE id = ?",
            SET(sql_int(i + 1)), &(struct sql_done){0});
        expect_lost(status, false);
        enum status end = sql_commit(tx[i]);
        CHECK(end == WORKED || end == (status == WORKED ? ABORTED : CONFLICT));
        committed += end == WORKED;
    }
    CHECK(committed == 1);
    INT(sql, NULL, "SELECT sum(balance) FROM account", 50);
}

static void what_is_retried_succeeds(struct resource *sql)
{
    int64_t expected = 100;
    int tries = 0;

    make_account(sql);
    for (int i = 0; i < 2; i++) {
        for (bool done = false; !done; tries++) {
            struct sql_tx *tx = NULL;
            CHECK(tries < 10);
            OK(sql_begin(sql, SQL_SERIALIZABLE, false, &tx));
            int64_t seen = balance_of(sql, tx);
            enum status status = WORKED;
            if (tries == 0) { /* somebody else comes first, once */
                status = sql_execute(
                    sql, NULL,
                    "UPDATE account SET balance = balance + 5 WHERE id = 1",
                    NONE, &(struct sql_done){0});
                expect_lost(status, true); /* where what was read is locked */
                expected += status == WORKED ? 5 : 0;
            }
            status = sql_execute(sql, tx,
                                 "UPDATE account SET balance = ? WHERE id = 1",
                                 SET(sql_int(seen + 1)), &(struct sql_done){0});
            expect_lost(status, false);
            if (status == WORKED)
                status = sql_commit(tx);
            else
                OK(sql_rollback(tx));
            expect_lost(status, false);
            done = status == WORKED;
        }
    }
    CHECK(tries == (expected == 100 ? 2 : 3));
    CHECK(balance_of(sql, NULL) == expected + 2);
}

const struct suite_case sql_isolation_cases[] = {
    {"isolation: nothing uncommitted is seen", 0, nothing_uncommitted_is_seen,
     .holds = "sql-79 sql-46"},
    {"isolation: each statement sees what was committed", SQL_NEEDS_WRITERS,
     each_statement_sees_what_was_committed, .holds = "sql-47 sql-14"},
    {"isolation: reads are repeated", 0, reads_are_repeated, .holds = "sql-48"},
    {"isolation: no update is lost", 0, no_update_is_lost,
     .holds = "sql-49 sql-20 types-6"},
    {"isolation: no write skew", 0, no_write_skew, .holds = "sql-50 sql-86"},
    {"isolation: what is retried succeeds", 0, what_is_retried_succeeds,
     .holds = "sql-20 types-7 types-28"},
    {0},
};

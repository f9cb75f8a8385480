/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is special about sql.sqlite: the file, what fails, and how; beside it
 * are the tests of what statements may not do, and of values.  What every
 * driver must do is in tests/conformance.
 */
#include "sql/sqlite/shared_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/file.h"

/* --- The file ----------------------------------------------------------- */

static void is_made_for_this_user_only(void **state)
{
    struct fixture *f = *state;
    struct stat info;

    execute(f, "CREATE TABLE a (b)");
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void wrong_options(void **state)
{
    static const char *const bad[] = {
        "path = \"\"",
        "path = \":memory:\"",
        "path = \"a\"\nsync = \"off\"",
        "path = \"a\"\nread-only = \"yes\"",
        "path = \"a\"\nmax-value = \"33MiB\"",
        "path = \"a\"\nmax-transactions = 0",
    };
    struct test_store store;
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(test_store_set(&store, "sql.sqlite", bad[i], &err),
                         SL_INVALID_ARGUMENT);
        test_store_done(&store);
    }
}

static void anybodys_database(void **state)
{
    struct fixture *f = *state;

    by_another(f, "PRAGMA application_id = 4711; PRAGMA user_version = 12; "
                  "CREATE TABLE theirs (v VARCHAR(20)); "
                  "INSERT INTO theirs VALUES ('x')");
    expect_number(f, "SELECT count(*) FROM theirs WHERE v = 'x'", 1);
    execute(f, "INSERT INTO theirs VALUES ('y')");
    expect_number(f, "PRAGMA application_id", 4711);
    expect_number(f, "PRAGMA user_version", 12);
    expect_number(f, "SELECT count(*) FROM sqlite_schema", 1);
}

static void read_only(void **state)
{
    struct fixture *f = *state;

    reopen(f, "read-only = true");
    expect_status(f, "SELECT 1", SL_UNAVAILABLE); /* there is no file */
    assert_int_equal(access(f->path, F_OK), -1);
    by_another(f, "CREATE TABLE a (b); INSERT INTO a VALUES (1)");
    expect_number(f, "SELECT b FROM a", 1);
    expect_status(f, "INSERT INTO a VALUES (2)", SL_READ_ONLY);
    expect_status(f, "DROP TABLE a", SL_READ_ONLY);
    struct sl_session *session = begin(f, SL_SQL_SERIALIZABLE);
    assert_int_equal(in(f, session, "DELETE FROM a")->err.status, SL_READ_ONLY);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    expect_number(f, "SELECT b FROM a", 1);
}

static void what_is_no_database(void **state)
{
    struct fixture *f = *state;
    struct sl_error err;

    assert_int_equal(
        sl_file_write(f->path,
                      SL_LITERAL("this is the text of a letter, which "
                                 "nobody may take for a database"),
                      &err),
        SL_OK);
    expect_status(f, "SELECT 1", SL_INTERNAL);
    assert_non_null(strstr(f->answer.err.message, f->path));
    reopen(f, "read-only = true");
    expect_status(f, "SELECT 1", SL_INTERNAL);
}

static void a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, small;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    execute(f, "CREATE TABLE a (b)");
    small = before;
    small.rlim_cur = 200000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    enum sl_status status =
        in(f, session, "INSERT INTO a VALUES (zeroblob(10000000))")->err.status;
    if (status == SL_OK) /* it all stays in memory until then */
        status = end(f, session, SL_SQL_COMMIT)->err.status;
    else
        assert_int_equal(end(f, session, SL_SQL_COMMIT)->err.status,
                         SL_CONFLICT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, SL_RESOURCE_EXHAUSTED);
    expect_number(f, "SELECT count(*) FROM a", 0);
    execute(f, "INSERT INTO a VALUES (1)");
}

/* --- Failures ----------------------------------------------------------- */

static void sqlite_messages_hold_no_values(void **state)
{
    const struct sl_sql_value secret = {.type = SL_SQL_TEXT,
                                        .bytes = SL_LITERAL("$.my secret[")};
    static const char *const texts[] = {
        "SELECT json_extract('{\"my secret\": [1]}', ?)",
        "SELECT json(?)",
        "SELECT * FROM words WHERE words MATCH ?",
        "SELECT 'a' LIKE 'b' ESCAPE ?",
    };
    struct fixture *f = *state;

    execute(f, "CREATE VIRTUAL TABLE words USING fts5(word)");
    execute(f, "INSERT INTO words VALUES ('x')");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct sl_sql_answer *answer =
            ask_with(f, NULL, SL_SQL_QUERY, texts[i], &secret);
        assert_int_equal(answer->err.status, SL_INVALID_ARGUMENT);
        assert_null(strstr(answer->err.message, "secret"));
    }
    expect_status(f, "SELECT \"two\nlines\"", SL_INVALID_ARGUMENT);
    assert_null(strchr(f->answer.err.message, '\n'));
    if (strstr(f->answer.err.message, "two?lines") == NULL)
        fail_msg("%s", f->answer.err.message);
}

static void counts_leave_out_what_triggers_do(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b INTEGER PRIMARY KEY)");
    execute(f, "CREATE TABLE noted (c INTEGER PRIMARY KEY, d)");
    execute(f, "INSERT INTO noted VALUES (500, 0)");
    execute(f, "CREATE TRIGGER e AFTER INSERT ON a BEGIN INSERT INTO noted (d) "
               "VALUES (1), (2); END");
    execute(f, "INSERT INTO a VALUES (7)");
    assert_int_equal(f->answer.affected, 1);
    assert_true(f->answer.has_last_insert_id);
    assert_int_equal(f->answer.last_insert_id, 7);
    execute(f, "CREATE TABLE g (h TEXT PRIMARY KEY) WITHOUT ROWID");
    execute(f, "INSERT INTO g VALUES ('x')");
    assert_int_equal(f->answer.affected, 1);
    assert_false(f->answer.has_last_insert_id);
    execute(f, "CREATE TABLE i AS SELECT * FROM noted");
    assert_int_equal(f->answer.affected, 0);
    execute(f, "INSERT INTO a VALUES (7) ON CONFLICT DO NOTHING");
    assert_int_equal(f->answer.affected, 0);
    assert_false(f->answer.has_last_insert_id);
}

static void constraints_at_the_end(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b INTEGER PRIMARY KEY)");
    execute(f, "CREATE TABLE c (d INTEGER REFERENCES a (b) DEFERRABLE "
               "INITIALLY DEFERRED)");
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "INSERT INTO c VALUES (5)"), "insert");
    const struct sl_sql_answer *answer = end(f, session, SL_SQL_COMMIT);
    assert_int_equal(answer->err.status, SL_CONFLICT);
    assert_false(answer->retryable);
    expect_number(f, "SELECT count(*) FROM c", 0);
    expect_status(f, "INSERT INTO c VALUES (5)", SL_CONFLICT);
    /* What rolls back by itself. */
    execute(f, "INSERT INTO a VALUES (1)");
    session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "INSERT INTO a VALUES (2)"), "insert");
    assert_int_equal(
        in(f, session, "INSERT OR ROLLBACK INTO a VALUES (1)")->err.status,
        SL_ALREADY_EXISTS);
    assert_int_equal(in(f, session, "INSERT INTO a VALUES (3)")->err.status,
                     SL_CONFLICT);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    expect_number(f, "SELECT count(*) FROM a", 1);
}

static void another_program_writes(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;

    execute(f, "CREATE TABLE a (b)");
    reopen(f, "timeout = \"100ms\"\nretry.attempts = 1");
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    expect_status(f, "INSERT INTO a VALUES (1)", SL_TIMEOUT);
    assert_true(f->answer.retryable); /* nothing was done */
    expect_number(f, "SELECT count(*) FROM a", 0);
    /* A snapshot does not wait: it would be too old. */
    struct sl_session *session = begin(f, SL_SQL_SERIALIZABLE);
    expect_ok(in(f, session, "SELECT * FROM a"), "select");
    const struct sl_sql_answer *answer =
        in(f, session, "INSERT INTO a VALUES (1)");
    assert_int_equal(answer->err.status, SL_ABORTED);
    assert_false(answer->retryable);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    sqlite3_close(other);
    execute(f, "INSERT INTO a VALUES (1)");
}

/* --- A state of the driver alone ---------------------------------------- */

static struct sl_sql_answer run_statement(const struct sl_driver *driver,
                                          void *state, enum sl_sql_verb verb,
                                          const char *text, bool in_transaction)
{
    static struct sl_error none;
    const struct sl_sql_parameters set = {NULL, 0};
    const struct sl_sql_request request = {.verb = verb,
                                           .statement = sl_bytes_of(text),
                                           .sets = &set,
                                           .set_count = 1,
                                           .in_transaction = in_transaction};
    struct sl_sql_answer answer = {.err = none};
    size_t budget = 1 << 20;
    struct sl_op op = {.request = &request,
                       .answer = &answer,
                       .deadline = sl_deadline_in_ms(60000),
                       .answer_budget = &budget};
    struct sl_op *const ops[] = {&op};

    driver->run(state, ops, 1);
    sl_held_done(&answer.memory);
    return answer;
}

/* What is left of a transaction whose connection was lost: nothing. */
static void a_transaction_that_was_lost(void **state)
{
    struct fixture *f = *state;
    const struct sl_driver *driver = f->store.driver;
    struct sl_error err;
    void *store, *fresh;

    execute(f, "CREATE TABLE a (b)");
    assert_int_equal(driver->store_new(f->store.options, &store, &err), SL_OK);
    assert_int_equal(
        driver->open(store, sl_deadline_in_ms(60000), &fresh, &err), SL_OK);
    const char insert[] = "INSERT INTO a VALUES (1)";
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_EXECUTE, insert, true).err.status,
        SL_CONFLICT);
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_COMMIT, "", false).err.status,
        SL_CONFLICT);
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_ROLLBACK, "", true).err.status,
        SL_OK);
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_BEGIN, "", false).err.status,
        SL_OK);
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_BEGIN, "", false).err.status,
        SL_CONFLICT);
    assert_int_equal(
        run_statement(driver, fresh, SL_SQL_EXECUTE, insert, true).err.status,
        SL_OK);
    assert_true(driver->reset(fresh)); /* rolls back */
    expect_number(f, "SELECT count(*) FROM a", 0);
    driver->close(fresh);
    driver->store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(is_made_for_this_user_only),
        SQLITE_CASE(wrong_options),
        SQLITE_CASE(anybodys_database),
        SQLITE_CASE(read_only),
        SQLITE_CASE(what_is_no_database),
        SQLITE_CASE(a_full_disk),
        SQLITE_CASE(sqlite_messages_hold_no_values),
        SQLITE_CASE(counts_leave_out_what_triggers_do),
        SQLITE_CASE(constraints_at_the_end),
        SQLITE_CASE(another_program_writes),
        SQLITE_CASE(a_transaction_that_was_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

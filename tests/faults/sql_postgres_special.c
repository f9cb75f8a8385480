/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is special about sql.postgres, with a real server: a connection is given
 * back as it was, types that only PostgreSQL has, plans that are outdated, and
 * what fails only at the end.
 */
#include "base/queue.h"
#include "faults/postgres.h"
#include "faults/sql_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One connection, so that the next call has that of the one before. */
static void open_one(struct test_store *store)
{
    fault_open_own(store, NULL, "connections = 1");
}

static void value_is(struct test_store *store, const char *query,
                     enum sl_sql_type type, const char *type_name,
                     const char *value)
{
    OK(sql_query(store, NULL, query));
    if ((int)type != said.value_type || strcmp(said.value, value) != 0 ||
        strcmp(said.type, type_name) != 0)
        fail_msg("%s: %s of type %d (%s)", query, said.value, said.value_type,
                 said.type);
}

static void a_connection_is_given_back_as_it_was(void **state)
{
    static const struct {
        const char *leaves, *asks, *answer;
    } cases[] = {
        {"SET application_name = 'changed'", "SHOW application_name", "slight"},
        {"SET TimeZone = 'Asia/Tokyo'", "SHOW TimeZone", "UTC"},
        {"SELECT set_config('DateStyle', 'German', false)", "SHOW DateStyle",
         "ISO, MDY"},
        {"SET statement_timeout = 0", "SHOW statement_timeout", "61s"},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
         "SHOW default_transaction_read_only", "off"},
        {"SET ROLE pg_monitor", "SELECT current_user", "slight"},
        {"CREATE TEMP TABLE left_over (id int)",
         "SELECT count(*) FROM pg_class WHERE relname = 'left_over'", "0"},
        {"SELECT 1 AS id INTO TEMP left_over",
         "SELECT count(*) FROM pg_class WHERE relname = 'left_over'", "0"},
        {"SELECT pg_advisory_lock(4711)",
         "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0"},
        {"DO $$ BEGIN PERFORM set_config('a.b', 'left', false); END $$",
         "SELECT coalesce(current_setting('a.b', true), '')", ""},
    };
    struct test_store store;

    (void)state;
    postgres_tell("GRANT pg_monitor TO slight");
    fault_open_own(&store, NULL, "connections = 1\ntimeout = \"60s\"");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
            struct sl_session *tx =
                in_transaction ? sql_begin(&store, SL_SQL_DEFAULT, false)
                               : NULL;
            OK(sql_execute(&store, tx, cases[i].leaves));
            if (tx != NULL) {
                /* The same session again, and so the same connection. */
                OK(sql_end(&store, tx, SL_SQL_COMMIT));
                tx = sql_begin(&store, SL_SQL_DEFAULT, false);
            }
            OK(sql_query(&store, tx, cases[i].asks));
            if (strcmp(said.value, cases[i].answer) != 0)
                fail_msg("%s left: %s", cases[i].leaves, said.value);
            if (tx != NULL)
                OK(sql_end(&store, tx, SL_SQL_ROLLBACK));
        }
    test_store_done(&store);
}

static void what_a_statement_may_not_be(void **state)
{
    static const char *const refused[] = {
        "COPY items TO STDOUT",
        "copy items FROM STDIN",
        "PREPARE a AS SELECT 1",
        "EXECUTE sl_s1",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "DECLARE a CURSOR FOR SELECT 1",
        "FETCH ALL FROM sl_c1",
        "CLOSE ALL",
        "LISTEN a",
        "PREPARE TRANSACTION 'a'",
    };
    static const char *const ends[] = {
        "COMMIT PREPARED 'a'",
        "ABORT",
        "ROLLBACK AND CHAIN",
        "END",
    };
    struct test_store store;

    (void)state;
    open_one(&store);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        IS(sql_execute(&store, NULL, refused[i]), SL_PERMISSION_DENIED,
           "a statement may not be");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        IS(sql_execute(&store, NULL, ends[i]), SL_INVALID_ARGUMENT,
           "use begin, commit and rollback");
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
}

/* One statement each; what is behind it is another one, and is not done. */
static void bodies_with_semicolons(void **state)
{
    static const char *const made[] = {
        "CREATE TABLE body (v int)",
        "CREATE TABLE body_log (v int)",
        "CREATE FUNCTION adds(int) RETURNS int LANGUAGE sql BEGIN ATOMIC "
        "INSERT INTO body VALUES ($1); SELECT CASE WHEN $1 > 1 THEN $1 ELSE 1 "
        "END AS end; END",
        "CREATE OR REPLACE PROCEDURE adds_two(a int) BEGIN ATOMIC INSERT INTO "
        "body VALUES (a); INSERT INTO body VALUES (a + 1); END;",
        "CREATE RULE logs AS ON INSERT TO body DO ALSO (INSERT INTO body_log "
        "VALUES (NEW.v); INSERT INTO body_log VALUES (-NEW.v))",
    };
    static const char *const hidden[] = {
        "CREATE FUNCTION x() RETURNS int BEGIN ATOMIC SELECT 1; END; DROP "
        "TABLE body",
        "CREATE FUNCTION x() RETURNS int BEGIN ATOMIC SELECT 1 AS end; END; "
        "DROP TABLE body; END",
        "CREATE RULE x AS ON INSERT TO body DO ALSO (SELECT 1; SELECT 2); DROP "
        "TABLE body",
        "CREATE RULE x AS ON INSERT TO body DO NOTHING; DROP TABLE body",
        "SELECT (1; DROP TABLE body)",
    };
    struct test_store store;

    (void)state;
    open_one(&store);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        OK(sql_execute(&store, NULL, made[i]));
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        IS(sql_execute(&store, NULL, hidden[i]), SL_INVALID_ARGUMENT, "");
    assert_string_equal(sql_value_of(&store, "SELECT adds(7)"), "7");
    OK(sql_execute(&store, NULL, "CALL adds_two(1)"));
    assert_string_equal(sql_value_of(&store, "SELECT sum(v) FROM body"), "10");
    OK(sql_execute(&store, NULL, "INSERT INTO body VALUES (5)"));
    assert_string_equal(sql_value_of(&store, "SELECT count(*) FROM body_log"),
                        "8");
    OK(sql_execute(&store, NULL, "DROP FUNCTION adds"));
    OK(sql_execute(&store, NULL, "DROP PROCEDURE adds_two"));
    OK(sql_execute(&store, NULL, "DROP TABLE body, body_log"));
    test_store_done(&store);
}

static void read_only_stays_read_only(void **state)
{
    static const char *const tries[] = {
        "SET TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "DO $$ BEGIN SET LOCAL transaction_read_only = off; END $$",
    };
    struct test_store store;

    (void)state;
    open_one(&store);
    OK(sql_execute(&store, NULL, "CREATE TABLE kept (id int)"));
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, true);
        IS(sql_execute(&store, tx, tries[i]), SL_INVALID_ARGUMENT, "25001");
        OK(sql_end(&store, tx, SL_SQL_ROLLBACK));
    }
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, true);
    IS(sql_execute(&store, tx, "INSERT INTO kept VALUES (1)"), SL_READ_ONLY,
       "25006");
    OK(sql_end(&store, tx, SL_SQL_ROLLBACK));
    test_store_done(&store);
    fault_open_own(&store, NULL, "connections = 1\nread-only = true");
    IS(sql_execute(&store, NULL, "INSERT INTO kept VALUES (1)"), SL_READ_ONLY,
       "25006");
    test_store_done(&store);
}

static void other_types_are_text(void **state)
{
    struct test_store store;

    (void)state;
    open_one(&store);
    OK(sql_execute(&store, NULL, "CREATE TYPE mood AS ENUM ('fine', 'bad')"));
    OK(sql_execute(&store, NULL,
                   "CREATE DOMAIN even AS int CHECK (VALUE % 2 = "
                   "0)"));
    value_is(&store, "SELECT ARRAY[1, NULL, 3]", SL_SQL_TEXT, "int4[]",
             "{1,NULL,3}");
    value_is(&store, "SELECT ARRAY['a b', 'c\"d']", SL_SQL_TEXT, "text[]",
             "{\"a b\",\"c\\\"d\"}");
    value_is(&store, "SELECT 'fine'::mood", SL_SQL_TEXT, "mood", "fine");
    value_is(&store, "SELECT ARRAY['fine'::mood]", SL_SQL_TEXT, "mood[]",
             "{fine}");
    value_is(&store, "SELECT 4::even", SL_SQL_INT64, "int4", "4");
    value_is(&store, "SELECT interval '1 day 2 hours'", SL_SQL_TEXT, "interval",
             "1 day 02:00:00");
    value_is(&store, "SELECT inet '10.0.0.1/8'", SL_SQL_TEXT, "inet",
             "10.0.0.1/8");
    value_is(&store, "SELECT int4range(1, 5)", SL_SQL_TEXT, "int4range",
             "[1,5)");
    value_is(&store, "SELECT ROW(1, 'a')", SL_SQL_TEXT, "record", "(1,a)");
    value_is(&store, "SELECT 12.5::money", SL_SQL_TEXT, "money", "$12.50");
    /* In such a result the others come as text too, and are the same. */
    value_is(&store, "SELECT 1.50, ARRAY[1]", SL_SQL_DECIMAL, "numeric",
             "1.50");
    value_is(&store, "SELECT '\\x6162'::bytea, ARRAY[1]", SL_SQL_BYTES, "bytea",
             "ab");
    value_is(&store, "SELECT timestamptz '2026-11-23 13:37+01', ARRAY[1]",
             SL_SQL_TIMESTAMP, "timestamptz", "2026-11-23T12:37:00Z");
    value_is(&store, "SELECT true, ARRAY[1]", SL_SQL_BOOLEAN, "bool", "1");
    value_is(&store, "SELECT 'infinity'::timestamptz", SL_SQL_TEXT,
             "timestamptz", "infinity");
    value_is(&store, "SELECT date '0044-03-15 BC'", SL_SQL_TEXT, "date",
             "0044-03-15 BC");
    value_is(&store, "SELECT 'NaN'::numeric", SL_SQL_TEXT, "numeric", "NaN");
    value_is(&store, "SELECT '{\"a\": 1}'::jsonb ?? 'a'", SL_SQL_BOOLEAN,
             "bool", "1");
    test_store_done(&store);
}

static void what_fails_at_the_end(void **state)
{
    struct test_store store;

    (void)state;
    open_one(&store);
    OK(sql_execute(&store, NULL,
                   "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY "
                   "DEFERRED)"));
    OK(sql_execute(&store, NULL, "INSERT INTO late VALUES (1)"));
    for (int i = 0; i < 3; i++) {
        IS(sql_execute(&store, NULL, "INSERT INTO late VALUES (1)"),
           SL_ALREADY_EXISTS, "23505");
        IS(sql_query(&store, NULL, "INSERT INTO late VALUES (1) RETURNING id"),
           SL_ALREADY_EXISTS, "23505");
        struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
        OK(sql_execute(&store, tx, "INSERT INTO late VALUES (1)"));
        IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_ALREADY_EXISTS, "23505");
        OK(sql_query(&store, NULL, "SELECT count(*) FROM late"));
        assert_string_equal(said.value, "1");
    }
    test_store_done(&store);
}

static void a_table_that_changes_in_a_transaction(void **state)
{
    struct test_store store, other;

    (void)state;
    open_one(&store);
    open_one(&other);
    OK(sql_execute(&store, NULL, "CREATE TABLE changing (a int)"));
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_query(&store, tx, "SELECT * FROM changing"));
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    OK(sql_execute(&other, NULL, "ALTER TABLE changing ADD COLUMN b int"));
    tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    IS(sql_query(&store, tx, "SELECT * FROM changing"), SL_ABORTED, "altered");
    assert_false(said.retryable);
    OK(sql_end(&store, tx, SL_SQL_ROLLBACK));
    tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_query(&store, tx, "SELECT * FROM changing"));
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    /* Outside of one nobody notices. */
    OK(sql_query(&store, NULL, "SELECT * FROM changing"));
    OK(sql_execute(&other, NULL, "ALTER TABLE changing DROP COLUMN b"));
    OK(sql_query(&store, NULL, "SELECT * FROM changing"));
    test_store_done(&store);
    test_store_done(&other);
}

static enum sl_status cursor_call(struct test_store *store,
                                  struct sl_session *session,
                                  enum sl_sql_verb verb, const char *text)
{
    return sql_call(&(struct sql_call){
        .store = store, .session = session, .verb = verb, .text = text});
}

/* Rows that were asked for make way for another statement, and come after. */
static void a_cursor_that_makes_way(void **state)
{
    static const char query[] =
        "SELECT n, repeat('x', 2000) FROM generate_series(1, 5000) AS n";
    struct test_store store;
    size_t rows = 0, other_rows = 0;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1\nmax-result = \"1MiB\"");
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(cursor_call(&store, tx, SL_SQL_CURSOR_OPEN, query));
    uint64_t first = said.cursor;
    OK(cursor_call(&store, tx, SL_SQL_CURSOR_OPEN, query));
    uint64_t second = said.cursor;
    for (;;) {
        said.cursor = first;
        OK(cursor_call(&store, tx, SL_SQL_CURSOR_NEXT, NULL));
        if (said.rows == 0)
            break;
        assert_int_equal(strtol(said.value, NULL, 10), rows + 1);
        rows += said.rows;
        OK(sql_query(&store, tx, "SELECT 1"));
        said.cursor = second;
        OK(cursor_call(&store, tx, SL_SQL_CURSOR_NEXT, NULL));
        assert_int_equal(strtol(said.value, NULL, 10), other_rows + 1);
        other_rows += said.rows;
    }
    assert_int_equal(rows, 5000);
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    test_store_done(&store);
}

/* A cursor whose statement fails half-way. */
static void a_cursor_that_fails(void **state)
{
    struct test_store store;
    struct sl_session *session = NULL;
    struct sl_error err;

    (void)state;
    open_one(&store);
    assert_status(sl_session_open(store.service, &session, &err), SL_OK);
    const struct sql_call open = {
        .store = &store,
        .session = session,
        .verb = SL_SQL_CURSOR_OPEN,
        .text = "SELECT 1 / (1500 - n) FROM generate_series(1, 5000) AS n"};
    enum sl_status status = SL_OK;

    /* As part of a transaction there is none yet. */
    IS(sql_call(&open), SL_CONFLICT, "");
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(cursor_call(&store, tx, SL_SQL_CURSOR_OPEN, open.text));
    OK(cursor_call(&store, tx, SL_SQL_CURSOR_NEXT, NULL));
    assert_int_equal(said.rows, 1000);
    status = cursor_call(&store, tx, SL_SQL_CURSOR_NEXT, NULL);
    IS(status, SL_INVALID_ARGUMENT, "22012");
    IS(cursor_call(&store, tx, SL_SQL_CURSOR_NEXT, NULL), SL_NOT_FOUND, "");
    IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_CONFLICT, "failed");
    sl_session_close(session);
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
}

/* A batch whose members do not disturb each other. */
static void *ask_on(void *context)
{
    struct test_store *store = context;
    char text[80], number[16];

    for (int i = 0; i < 200; i++) {
        switch (i % 4) {
        case 0:
            IS(sql_query(store, NULL, "SELECT 1 / (random() * 0)::int"),
               SL_INVALID_ARGUMENT, "22012");
            break;
        case 1:
            IS(sql_execute(store, NULL, "INSERT INTO unique_ones VALUES (1)"),
               SL_ALREADY_EXISTS, "23505");
            break;
        default:
            snprintf(number, sizeof(number), "%d", i);
            snprintf(text, sizeof(text),
                     "SELECT %d + count(*) * 0 FROM "
                     "unique_ones",
                     i);
            OK(sql_query(store, NULL, text));
            assert_string_equal(said.value, number);
        }
    }
    return NULL;
}

static void batches_of_what_fails_and_what_does_not(void **state)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct test_store store;

    (void)state;
    open_one(&store);
    OK(sql_execute(&store, NULL, "CREATE TABLE unique_ones (id int UNIQUE)"));
    OK(sql_execute(&store, NULL, "INSERT INTO unique_ones VALUES (1)"));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &store), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    test_store_done(&store);
}

struct caller {
    struct test_store *store;
    const char *text;
    int after_ms; /* the one before it: how much later its deadline is */
    pthread_t thread;
    struct sql_said said;
};

static void *call(void *context)
{
    struct caller *caller = context;

    sql_execute(caller->store, NULL, caller->text);
    caller->said = said;
    return NULL;
}

static void until_queued(struct test_store *store, size_t count)
{
    struct sl_queue_load load = {0};

    for (int i = 0; i < 120000; i++) {
        sl_service_load(store->service, &load);
        if (load.queued == count && load.running == 1)
            return;
        usleep(1000);
    }
    fail_msg("%zu calls are queued, not %zu", load.queued, count);
}

/* The first takes an advisory lock that `other` has, so that those behind it
 * are one batch. */
static void call_together(struct test_store *other, struct caller callers[],
                          size_t count)
{
    struct sl_session *advises = sql_begin(other, SL_SQL_DEFAULT, false);

    OK(sql_query(other, advises, callers[0].text));
    for (size_t i = 0; i < count; i++) {
        usleep((useconds_t)callers[i].after_ms * 1000);
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        until_queued(callers[0].store, i);
    }
    OK(sql_end(other, advises, SL_SQL_ROLLBACK));
    for (size_t i = 0; i < count; i++)
        pthread_join(callers[i].thread, NULL);
    assert_status(callers[0].said.status, SL_OK);
}

static void open_for_batches(struct test_store *store, struct test_store *other)
{
    fault_open_own(other, NULL, "");
    fault_open_own(store, NULL,
                   "connections = 1\ntimeout = \"20s\"\nretry.attempts = 1");
    OK(sql_execute(other, NULL, "CREATE TABLE counted (n int)"));
}

/* One of a batch is too late while it is prepared: those that were to go out
 * with it are not done, and get nobody else's answer.  The deadline of the one
 * before it has passed as well. */
static void a_batch_whose_connection_is_lost(void **state)
{
    struct test_store store, other;
    struct caller callers[] = {
        {.store = &store, .text = "SELECT pg_advisory_xact_lock(77)"},
        {.store = &store, .text = "INSERT INTO counted VALUES (1)"},
        {.store = &store, .text = "INSERT INTO counted SELECT n FROM locked"},
        {.store = &store,
         .text = "INSERT INTO counted VALUES (1)",
         .after_ms = 5000},
    };

    (void)state;
    open_for_batches(&store, &other);
    OK(sql_execute(&other, NULL, "CREATE TABLE locked (n int)"));
    OK(sql_execute(&store, NULL, callers[1].text)); /* prepared */
    struct sl_session *locks = sql_begin(&other, SL_SQL_DEFAULT, false);
    OK(sql_execute(&other, locks, "LOCK TABLE locked"));
    call_together(&other, callers, sizeof(callers) / sizeof(callers[0]));
    OK(sql_end(&other, locks, SL_SQL_ROLLBACK));

    assert_true(callers[1].said.status == SL_UNAVAILABLE ||
                callers[1].said.status == SL_TIMEOUT);
    assert_status(callers[2].said.status, SL_TIMEOUT);
    assert_status(callers[3].said.status, SL_UNAVAILABLE);
    assert_true(callers[3].said.retryable);
    assert_string_equal(sql_value_of(&other, "SELECT count(*) FROM counted"),
                        "1");
    OK(sql_execute(&store, NULL, callers[1].text));
    OK(sql_execute(&other, NULL, "DROP TABLE counted"));
    test_store_done(&store);
    test_store_done(&other);
}

/* Who was to be run anew, behind one that failed, and is not, is told. */
static void a_batch_that_is_lost_before_it_is_run_anew(void **state)
{
    struct test_store store, other;
    struct caller callers[] = {
        {.store = &store, .text = "SELECT pg_advisory_xact_lock(77)"},
        {.store = &store, .text = "SELECT 1 / (random() * 0)::int"},
        {.store = &store, .text = "SELECT 7"},
        {.store = &store, .text = "INSERT INTO ending VALUES (1)"},
    };

    (void)state;
    open_for_batches(&store, &other);
    postgres_tell("CREATE TABLE ending (n int, CHECK "
                  "(pg_terminate_backend(pg_backend_pid()))); "
                  "GRANT INSERT ON ending TO slight");
    call_together(&other, callers, sizeof(callers) / sizeof(callers[0]));
    assert_status(callers[1].said.status, SL_INVALID_ARGUMENT);
    assert_status(callers[2].said.status, SL_UNAVAILABLE);
    assert_true(callers[2].said.retryable);
    assert_status(callers[3].said.status, SL_UNAVAILABLE);
    OK(sql_execute(&other, NULL, "DROP TABLE counted"));
    test_store_done(&store);
    test_store_done(&other);
}

const struct fault_driver fault_driver = {
    .name = "sql.postgres",
    .service = &fault_postgres,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_given_back_as_it_was),
        cmocka_unit_test(what_a_statement_may_not_be),
        cmocka_unit_test(bodies_with_semicolons),
        cmocka_unit_test(read_only_stays_read_only),
        cmocka_unit_test(other_types_are_text),
        cmocka_unit_test(what_fails_at_the_end),
        cmocka_unit_test(a_table_that_changes_in_a_transaction),
        cmocka_unit_test(a_cursor_that_makes_way),
        cmocka_unit_test(a_cursor_that_fails),
        cmocka_unit_test(batches_of_what_fails_and_what_does_not),
        cmocka_unit_test(a_batch_whose_connection_is_lost),
        cmocka_unit_test(a_batch_that_is_lost_before_it_is_run_anew),
    };

    return cmocka_run_group_tests(tests, fault_start, fault_stop);
}

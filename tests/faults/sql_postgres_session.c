/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two components that share a resource of sql.postgres: whatever one of them
 * does, and by whatever means, the other finds a session as it should be.
 */
#include "faults/postgres.h"
#include "faults/sql_faults.h"
#include "support/proxy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char attacker[] = "attacker", victim[] = "victim";

static enum sl_status run(struct test_store *store, struct sl_session *session,
                          const char *owner, enum sl_sql_verb verb,
                          const char *text)
{
    return sql_call(&(struct sql_call){.store = store,
                                       .session = session,
                                       .verb = verb,
                                       .text = text,
                                       .owner = owner});
}

/* What no word of a statement that uses it tells. */
static void define(struct test_store *store)
{
    static const char *const statements[] = {
        "CREATE SCHEMA evil",
        "CREATE TABLE evil.prices (n int)",
        "CREATE TABLE prices (n int)",
        "CREATE FUNCTION does(what text) RETURNS int LANGUAGE plpgsql AS $$ "
        "BEGIN EXECUTE what; RETURN 1; END $$",
        "CREATE VIEW sets_path AS SELECT set_config('search_path', 'evil', "
        "false)",
        "CREATE TABLE by_default (n int, x text DEFAULT "
        "set_config('search_path', 'evil', false))",
        "CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM set_config('search_path', 'evil', false); RETURN NEW; END $$",
        "CREATE TABLE by_trigger (n int)",
        "CREATE TRIGGER fires BEFORE INSERT ON by_trigger FOR EACH ROW EXECUTE "
        "FUNCTION fires()",
        "CREATE FUNCTION compares(a int, b text) RETURNS boolean LANGUAGE "
        "plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'evil', false); "
        "RETURN true; END $$",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = text, FUNCTION = "
        "compares)",
        "CREATE FUNCTION abs(a text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM set_config('search_path', 'evil', false); RETURN 1; END $$",
        "CREATE PROCEDURE does_it() LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "set_config('search_path', 'evil', false); END $$",
        "CREATE VIEW makes_temp AS SELECT does('CREATE TEMP TABLE prices (n "
        "int)')",
        "CREATE VIEW locks AS SELECT pg_advisory_lock(4711)::text",
        "CREATE VIEW takes_role AS SELECT set_config('role', 'pg_monitor', "
        "false)",
        "CREATE VIEW reads_only AS SELECT "
        "set_config('default_transaction_read_only', 'on', false)",
        "CREATE VIEW hurries AS SELECT set_config('statement_timeout', '1', "
        "false)",
        "CREATE VIEW seeds AS SELECT setseed(0.5)::text",
        "CREATE VIEW listens AS SELECT does('LISTEN a')",
        "CREATE VIEW holds AS SELECT does('DECLARE c CURSOR WITH HOLD FOR "
        "SELECT 1')",
        "CREATE SEQUENCE numbers",
        "CREATE VIEW counts AS SELECT nextval('numbers')",
        "CREATE VIEW pretends AS SELECT set_config('slight.session', 'x', "
        "false)",
        "CREATE FUNCTION replaces() RETURNS int LANGUAGE plpgsql AS $$ DECLARE "
        "n text; BEGIN FOR n IN SELECT s.name FROM prepared s LOOP EXECUTE "
        "'DEALLOCATE ' || n; EXECUTE 'PREPARE ' || n || ' AS INSERT INTO "
        "evil.prices VALUES (7)'; END LOOP; RETURN 1; END $$",
        "CREATE VIEW replaces_all AS SELECT replaces()",
        "CREATE FUNCTION forgets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
        "EXECUTE 'DEALLOCATE ALL'; RETURN 1; END $$",
        "CREATE VIEW forgets_all AS SELECT forgets()",
    };

    postgres_tell("GRANT pg_monitor TO slight; DROP VIEW IF EXISTS prepared; "
                  "CREATE VIEW prepared AS SELECT * FROM "
                  "pg_prepared_statements; GRANT SELECT ON prepared TO slight");
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        OK(sql_execute(store, NULL, statements[i]));
}

static void undefine(struct test_store *store)
{
    OK(sql_execute(store, NULL, "DROP SCHEMA evil CASCADE"));
    postgres_tell("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL "
                  "ON SCHEMA public TO slight");
}

static const struct {
    const char *does; /* the attacker */
    const char *asks; /* the victim, which gets what follows; or NULL */
    const char *answer;
} attacks[] = {
    {"SELECT 1 AS \"x\", set_config('search_path', 'evil', false)",
     "SHOW search_path", "\"$user\", public"},
    {"SELECT 1 AS n, 2 AS insert INTO \"pg_temp\".prices",
     "SELECT count(*) FROM pg_class WHERE relname = 'prices' AND "
     "relpersistence = 't'",
     "0"},
    {"SELECT (2) insert INTO pg_temp.prices", NULL, NULL},
    {"SELECT set_config/**/('search_path', 'evil', false)", NULL, NULL},
    {"SELECT \"set_config\"('search_path', $a$evil$a$, false)", NULL, NULL},
    {"SELECT pg_catalog.set_config('search_path', 'evil', false)", NULL, NULL},
    {"SELECT * FROM sets_path", NULL, NULL},
    {"INSERT INTO by_default (n) VALUES (1)", NULL, NULL},
    {"INSERT INTO by_trigger VALUES (1)", NULL, NULL},
    {"SELECT 1 === 'a'::text", NULL, NULL},
    {"SELECT abs('a'::text)", NULL, NULL},
    {"CALL does_it()", NULL, NULL},
    {"DO $$ BEGIN SET search_path = evil; END $$", NULL, NULL},
    {"SET search_path = evil", NULL, NULL},
    {"SET ROLE pg_monitor", "SELECT current_user", "slight"},
    {"SELECT * FROM makes_temp", NULL, NULL},
    {"SELECT * FROM takes_role", "SELECT current_user", "slight"},
    {"SELECT * FROM reads_only", "SHOW default_transaction_read_only", "off"},
    {"SELECT * FROM hurries", "SHOW statement_timeout", "61s"},
    {"SELECT * FROM locks",
     "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0"},
    {"SELECT * FROM seeds",
     "SELECT random() = 0.9851677175347999", /* what follows that seed */
     "0"},
    {"SELECT * FROM listens", "SELECT count(*) FROM pg_listening_channels()",
     "0"},
    {"SELECT * FROM holds", "SELECT count(*) FROM pg_cursors WHERE name = 'c'",
     "0"},
    {"SELECT * FROM counts", NULL, NULL},
    {"SELECT * FROM pretends", NULL, NULL},
    {"SELECT * FROM replaces_all",
     "SELECT count(*) FROM prepared WHERE from_sql", "0"},
    {"SELECT * FROM forgets_all", NULL, NULL},
};

enum { ATTACKS = sizeof(attacks) / sizeof(attacks[0]) };

static struct sl_session *begin(struct test_store *store, const char *owner)
{
    struct sl_session *session = NULL;
    struct sl_error err;

    assert_status(sl_session_open(store->service, &session, &err), SL_OK);
    OK(run(store, session, owner, SL_SQL_BEGIN, NULL));
    return session;
}

static void end(struct test_store *store, struct sl_session *session,
                const char *owner)
{
    if (session == NULL)
        return;
    OK(run(store, session, owner, SL_SQL_COMMIT, NULL));
    sl_session_close(session);
}

/* The session of a transaction is that of the one before. */
static void attack(struct test_store *store, size_t i, bool in_transaction)
{
    static const char insert[] = "INSERT INTO prices VALUES (7)";
    struct sl_session *tx = NULL;

    if (in_transaction)
        tx = begin(store, attacker);
    OK(run(store, tx, attacker, SL_SQL_QUERY, "SELECT 1"));
    OK(run(store, tx, attacker, SL_SQL_EXECUTE, attacks[i].does));
    end(store, tx, attacker);

    tx = in_transaction ? begin(store, victim) : NULL;
    enum sl_status status = run(store, tx, victim, SL_SQL_EXECUTE, insert);
    if (status != SL_OK)
        fail_msg("behind %s: %s", attacks[i].does, said.message);
    if (attacks[i].asks != NULL) {
        OK(run(store, tx, victim, SL_SQL_QUERY, attacks[i].asks));
        if (strcmp(said.value, attacks[i].answer) != 0)
            fail_msg("behind %s (%d): %s is %s", attacks[i].does,
                     in_transaction, attacks[i].asks, said.value);
    }
    end(store, tx, victim);
}

static void counts_are(struct test_store *store, size_t expected,
                       const char *behind)
{
    char text[32];

    snprintf(text, sizeof(text), "%zu", expected);
    OK(sql_query(store, NULL, "SELECT count(*) FROM public.prices"));
    if (strcmp(said.value, text) != 0)
        fail_msg("behind %s: %s rows, not %s", behind, said.value, text);
}

/* holds: sql-16 */
static void nothing_is_left_for_another_component(void **state)
{
    struct test_store store, other;
    size_t written = 0;

    (void)state;
    fault_open_own(&other, NULL, "");
    define(&other);
    fault_open_own(&store, NULL, "connections = 1\ntimeout = \"60s\"");
    /* Prepared, to be found again. */
    OK(run(&store, NULL, victim, SL_SQL_EXECUTE,
           "INSERT INTO prices VALUES (7)"));
    written++;
    for (size_t i = 0; i < ATTACKS; i++)
        for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
            attack(&store, i, in_transaction != 0);
            counts_are(&other, ++written, attacks[i].does);
        }
    test_store_done(&store);
    undefine(&other);
    test_store_done(&other);
}

/* What is prepared for one has that one's literals. */
static void nobody_is_given_anothers_statement(void **state)
{
    static const char month[] = "SELECT date '01/02/2026'::text";
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(sql_execute(&store, NULL,
                   "CREATE VIEW days_first AS SELECT set_config('DateStyle', "
                   "'ISO, DMY', false)"));
    for (int i = 0; i < 2; i++) {
        OK(run(&store, NULL, attacker, SL_SQL_QUERY,
               "SELECT * FROM days_first"));
        OK(run(&store, NULL, attacker, SL_SQL_QUERY, month));
        assert_string_equal(said.value, "2026-02-01");
        OK(run(&store, NULL, victim, SL_SQL_QUERY, month));
        assert_string_equal(said.value, "2026-01-02");
    }
    OK(sql_execute(&store, NULL, "DROP VIEW days_first"));
    test_store_done(&store);
}

/* --- Many parameters ---------------------------------------------------- */

static void nothing_is_left_for_many_parameters(void **state)
{
    static const char insert[] = "INSERT INTO prices SELECT 7 WHERE 7 IN (";
    struct test_store store, other;

    (void)state;
    fault_open_own(&other, NULL, "");
    define(&other);
    fault_open_own(&store, NULL, "connections = 1\ntimeout = \"60s\"");
    OK(sql_many(&store, victim, SL_SQL_EXECUTE, insert));
    for (size_t i = 0; i < ATTACKS; i++) {
        OK(sql_many(&store, attacker, SL_SQL_QUERY, "SELECT 1 WHERE 7 IN ("));
        OK(run(&store, NULL, attacker, SL_SQL_EXECUTE, attacks[i].does));
        OK(sql_many(&store, victim, SL_SQL_EXECUTE, insert));
        counts_are(&other, i + 2, attacks[i].does);
    }
    test_store_done(&store);
    undefine(&other);
    test_store_done(&other);
}

/* --- Many at once ------------------------------------------------------- */

struct thread {
    struct test_store *store;
    const char *owner;
    size_t number;
    pthread_t thread;
};

enum { THREADS = 8, EACH = 150 };

static void *call_often(void *context)
{
    static const char *const does[] = {
        "SELECT * FROM sets_path",
        "INSERT INTO by_trigger VALUES (1)",
        "SELECT * FROM pretends",
        "SELECT 1 / (random() * 0)::int",
        "SELECT 1",
        "SELECT * FROM hurries",
    };
    const struct thread *thread = context;

    for (size_t i = 0; i < EACH; i++)
        if (thread->owner == victim)
            OK(run(thread->store, NULL, victim, SL_SQL_EXECUTE,
                   "INSERT INTO prices VALUES (7)"));
        else
            (void)run(thread->store, NULL, thread->owner, SL_SQL_EXECUTE,
                      does[(i + thread->number) % 6]);
    return NULL;
}

/* Their statements stand in the same pipelines. */
static void nothing_is_left_within_a_batch(void **state)
{
    static const char third[] = "third";
    struct thread threads[THREADS];
    struct test_store store, other;

    (void)state;
    fault_open_own(&other, NULL, "");
    define(&other);
    fault_open_own(&store, NULL, "connections = 1\ntimeout = \"60s\"");
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){
            .store = &store,
            .owner = i % 2 == 0 ? victim : (i % 4 == 1 ? attacker : third),
            .number = i};
        assert_int_equal(
            pthread_create(&threads[i].thread, NULL, call_often, &threads[i]),
            0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    counts_are(&other, (size_t)EACH * THREADS / 2, "others in a batch");
    test_store_done(&store);
    undefine(&other);
    test_store_done(&other);
}

/* --- What it costs ------------------------------------------------------ */

static int trips_of(struct proxy *proxy, struct test_store *store,
                    const char *owner, enum sl_sql_verb verb, const char *text)
{
    int before = proxy_trips(proxy);

    OK(run(store, NULL, owner, verb, text));
    return proxy_trips(proxy) - before;
}

static int trips_of_many(struct proxy *proxy, struct test_store *store,
                         const char *owner, enum sl_sql_verb verb,
                         const char *start)
{
    int before = proxy_trips(proxy);

    OK(sql_many(store, owner, verb, start));
    return proxy_trips(proxy) - before;
}

/* One to prepare, and one to run it: no more than of a few. */
static void many_parameters_take_no_more_trips(void **state)
{
    enum { DELAY_MS = 100 };
    static const char select[] = "SELECT n FROM prices WHERE n IN (";
    static const char delete[] = "DELETE FROM prices WHERE n IN (";
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    assert_non_null(proxy);
    fault_open_own(&store, proxy, "connections = 1\ntimeout = \"60s\"");
    OK(sql_execute(&store, NULL, "CREATE TABLE prices (n int)"));
    OK(run(&store, NULL, victim, SL_SQL_QUERY, "SELECT 1"));
    proxy_delay(proxy, DELAY_MS);
    for (int i = 0; i < 3; i++) {
        int expected = i == 0 ? 2 : 1;
        assert_int_equal(
            trips_of_many(proxy, &store, victim, SL_SQL_QUERY, select),
            expected);
        assert_int_equal(
            trips_of_many(proxy, &store, victim, SL_SQL_EXECUTE, delete),
            expected);
    }
    /* And behind another one's. */
    OK(run(&store, NULL, attacker, SL_SQL_QUERY, "SELECT 1"));
    assert_int_equal(trips_of_many(proxy, &store, victim, SL_SQL_QUERY, select),
                     1);
    OK(run(&store, NULL, attacker, SL_SQL_QUERY, "SELECT 1"));
    assert_int_equal(
        trips_of_many(proxy, &store, victim, SL_SQL_EXECUTE, delete), 1);
    proxy_delay(proxy, 0);
    OK(sql_execute(&store, NULL, "DROP TABLE prices"));
    test_store_done(&store);
    proxy_free(proxy);
}

static void an_ordinary_statement_is_one_trip(void **state)
{
    enum { DELAY_MS = 100 };
    static const struct {
        enum sl_sql_verb verb;
        const char *text;
    } statements[] = {
        {SL_SQL_QUERY, "SELECT n FROM prices WHERE n = 1"},
        {SL_SQL_EXECUTE, "INSERT INTO prices (n) VALUES (1)"},
        {SL_SQL_EXECUTE, "UPDATE prices SET n = 2 WHERE n = 1"},
        {SL_SQL_EXECUTE, "DELETE FROM prices WHERE n = 2"},
    };
    const char *const owners[] = {attacker, attacker, victim, attacker, victim};
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    assert_non_null(proxy);
    fault_open_own(&store, proxy, "connections = 1\ntimeout = \"60s\"");
    OK(sql_execute(&store, NULL, "CREATE TABLE prices (n int)"));
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        for (size_t j = 0; j < 2; j++) /* prepared, for each */
            OK(run(&store, NULL, j == 0 ? attacker : victim, statements[i].verb,
                   statements[i].text));
    proxy_delay(proxy, DELAY_MS);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        for (size_t j = 0; j < sizeof(owners) / sizeof(owners[0]); j++)
            assert_int_equal(trips_of(proxy, &store, owners[j],
                                      statements[i].verb, statements[i].text),
                             1);
    proxy_delay(proxy, 0);
    OK(sql_execute(&store, NULL, "DROP TABLE prices"));
    test_store_done(&store);
    proxy_free(proxy);
}

/* --- What is another component's ---------------------------------------- */

static void others_statements_are_out_of_reach(void **state)
{
    static const char *const denied[] = {
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_catalog.\"pg_cancel_backend\"(pg_backend_pid())",
        "SELECT query FROM pg_stat_activity",
        "SELECT statement FROM pg_prepared_statements",
        "SELECT U&\"pg\\005fcancel_backend\"(1)",
    };
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        IS(sql_query(&store, NULL, denied[i]), SL_PERMISSION_DENIED,
           "may not use");
    OK(sql_query(&store, NULL, "SELECT pg_backend_pid()"));
    test_store_done(&store);
}

const struct fault_driver fault_driver = {
    .name = "sql.postgres",
    .service = &fault_postgres,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_for_another_component),
        cmocka_unit_test(nobody_is_given_anothers_statement),
        cmocka_unit_test(nothing_is_left_for_many_parameters),
        cmocka_unit_test(nothing_is_left_within_a_batch),
        cmocka_unit_test(an_ordinary_statement_is_one_trip),
        cmocka_unit_test(many_parameters_take_no_more_trips),
        cmocka_unit_test(others_statements_are_out_of_reach),
    };

    return cmocka_run_group_tests(tests, fault_start, fault_stop);
}

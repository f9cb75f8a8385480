/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres under faults, with a real server:
 * the guest's call gets a typed error by its deadline, and the next one works
 * once the cause is gone.
 */
#include "faults/postgres.h"
#include "faults/sql_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* --- Who may do what ---------------------------------------------------- */

static void a_client_certificate_will_do(void **state)
{
    static const struct sl_sql_parameters none = {NULL, 0};
    const struct sl_sql_request select = {.verb = SL_SQL_QUERY,
                                          .statement = SL_LITERAL("SELECT 1"),
                                          .sets = &none,
                                          .set_count = 1};
    const char *folder = fault_server.folder;
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf(
        "url = \"postgres://client@localhost:%d/slight\"\nca = "
        "\"%s/certs/ca.pem\"\ncertificate = \"%s/certs/client.pem\"\nkey = "
        "\"%s/certs/client.key\"",
        fault_port, folder, folder, folder);
    SL_CLEANUP(sl_freep)
    char *key = sl_asprintf("%s/certs/client.key", folder);

    (void)state;
    assert_int_equal(chmod(key, 0644), 0);
    fault_first_call_is("sql.postgres", settings, &select, SL_UNAUTHENTICATED,
                        "only its owner");
    assert_int_equal(chmod(key, 0600), 0);
    fault_first_call_is("sql.postgres", settings, &select, SL_OK, "");
}

static void a_database_that_is_not_there(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        sl_asprintf("url = \"postgres://slight:%s@localhost:%d/no_such\"\n"
                    "ca = \"%s/certs/ca.pem\"\nretry.attempts = 1",
                    TEST_SERVER_PASSWORD, fault_port, fault_server.folder);

    (void)state;
    fault_first_write_is(settings, SL_UNAVAILABLE,
                         "\"no_such\" does not exist (3D000)");
}

/* holds: sql-22 */
static void rights_that_are_taken_away(void **state)
{
    struct test_store store;

    (void)state;
    postgres_tell("CREATE TABLE secrets (id int); "
                  "GRANT SELECT ON secrets TO slight");
    fault_open_own(&store, NULL, "connections = 1");
    OK(sql_query(&store, NULL, "SELECT * FROM secrets"));
    IS(sql_execute(&store, NULL, "INSERT INTO secrets VALUES (1)"),
       SL_PERMISSION_DENIED, "42501");
    postgres_tell("REVOKE SELECT ON secrets FROM slight");
    IS(sql_query(&store, NULL, "SELECT * FROM secrets"), SL_PERMISSION_DENIED,
       "permission denied for table secrets");
    postgres_tell("GRANT SELECT ON secrets TO slight");
    OK(sql_query(&store, NULL, "SELECT * FROM secrets"));
    test_store_done(&store);
}

static void a_connection_that_is_ended_is_replaced(void **state)
{
    static const char end[] =
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE "
        "usename = 'slight'";
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(sql_execute(&store, NULL, "CREATE TABLE ended (id int)"));
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_execute(&store, tx, "INSERT INTO ended VALUES (1)"));
    postgres_tell(end);
    /* It certainly did not get this: it is repeated, though it writes. */
    OK(sql_execute(&store, NULL, "INSERT INTO ended VALUES (2)"));
    IS(sql_execute(&store, tx, "INSERT INTO ended VALUES (3)"), SL_UNAVAILABLE,
       "connection");
    IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_CONFLICT, "lost");
    OK(sql_query(&store, NULL, "SELECT sum(id) FROM ended"));
    assert_string_equal(said.value, "2");
    /* In the middle of a statement it is not known. */
    postgres_tell("CREATE VIEW ends AS SELECT "
                  "pg_terminate_backend(pg_backend_pid()), pg_sleep(9)::text; "
                  "GRANT SELECT ON ends TO slight");
    IS(sql_query(&store, NULL, "SELECT * FROM ends"), SL_UNAVAILABLE, "57P01");
    assert_false(said.retryable);
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
}

/* --- Certificates ------------------------------------------------------- */

static void tls_is(const char *host, const char *more, enum sl_status expected)
{
    SL_CLEANUP(sl_freep)
    char *settings = fault_tls_settings(&fault_server, host, "ca.pem", more);

    fault_first_write_is(settings, expected, "");
}

/* What is behind the ? of the URL, without an authority that is known. */
static void url_has(const char *parameters, const char *expected)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        sl_asprintf("url = \"postgres://slight:" TEST_SERVER_PASSWORD
                    "@localhost:%d/slight%s\"\n",
                    fault_tls_port_of(&fault_server), parameters);
    struct test_store store;
    struct sl_error err;

    assert_int_equal(test_store_open(&store, "sql.postgres", settings, &err),
                     SL_OK);
    OK(sql_query(
        &store, NULL,
        "SELECT concat(current_setting('application_name'), ' ', (SELECT "
        "ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()))"));
    assert_string_equal(said.value, expected);
    test_store_done(&store);
}

static void ways_to_use_tls(void **state)
{
    (void)state;
    url_has("", "slight t");
    url_has("?sslmode=require&application_name=shop%20one", "shop one t");
    url_has("?sslmode=disable&application_name=", "slight f");
    tls_is("localhost", "tls = \"require\"", SL_OK);
    tls_is("127.0.0.1", "tls = \"verify-full\"", SL_OK);
    tls_is("localhost", "tls = \"disable\"", SL_OK);
    test_server_kill(&fault_server);
    fault_server.certificate = "other";
    test_server_restart(&fault_server);
    tls_is("localhost", "tls = \"verify-ca\"", SL_OK);
    tls_is("localhost", "tls = \"verify-full\"", SL_UNAUTHENTICATED);
    test_server_kill(&fault_server);
    fault_server.certificate = "server";
    test_server_restart(&fault_server);
}

/* --- Slow, and full ----------------------------------------------------- */

/* What a component may not see. */
static void show_activity(void)
{
    postgres_tell("CREATE OR REPLACE VIEW activity AS SELECT * FROM "
                  "pg_stat_activity; GRANT SELECT ON activity TO slight");
}

static void nobody_sleeps(struct test_store *store)
{
    /* A cancelled one may need a moment to end. */
    for (int i = 0; i < 6000; i++) {
        OK(sql_query(store, NULL,
                     "SELECT count(*) FROM activity WHERE query LIKE "
                     "'%pg_sleep(5000)%' AND state = 'active' AND pid <> "
                     "pg_backend_pid()"));
        if (strcmp(said.value, "0") == 0)
            return;
        usleep(10000);
    }
    fail_msg("it still runs on the server");
}

/* Where there is time for that before the caller is answered. */
static void cancelling_is_told(struct test_store *store)
{
    for (int i = 0; i < 20; i++) {
        IS(sql_query(store, NULL, "SELECT pg_sleep(5000)"), SL_TIMEOUT, "");
        if (strstr(said.message, "cancelled on the server") != NULL)
            return;
    }
    fail_msg("%s", said.message);
}

static void what_is_too_late_is_cancelled_on_the_server(void **state)
{
    struct test_store store, other;

    (void)state;
    show_activity();
    fault_open_own(&other, NULL, "");
    fault_open_own(&store, NULL, "timeout = \"5s\"\nconnections = 1");
    fault_works_soon(&store); /* it is connected */
    cancelling_is_told(&store);
    nobody_sleeps(&other);
    OK(sql_query(&store, NULL, "SELECT 1"));
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    IS(sql_query(&store, tx, "SELECT pg_sleep(5000)"), SL_TIMEOUT, "");
    nobody_sleeps(&other);
    IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_CONFLICT, "");
    /* And by somebody else. */
    postgres_tell("ALTER ROLE slight SET statement_timeout = 0");
    postgres_tell("CREATE VIEW cancels AS SELECT "
                  "pg_cancel_backend(pg_backend_pid()), pg_sleep(5000)::text; "
                  "GRANT SELECT ON cancels TO slight");
    IS(sql_query(&other, NULL, "SELECT * FROM cancels"), SL_TIMEOUT, "57014");
    OK(sql_query(&other, NULL, "SELECT 1"));
    test_store_done(&store);
    test_store_done(&other);
}

static void limits_of_the_server(void **state)
{
    struct test_store store, second;

    (void)state;
    postgres_tell("ALTER ROLE slight SET temp_file_limit = '64kB'; "
                  "ALTER ROLE slight SET work_mem = '64kB'");
    fault_open_own(&store, NULL, "connections = 1");
    IS(sql_query(&store, NULL,
                 "SELECT max(n) FROM (SELECT n FROM generate_series(1, 100000) "
                 "AS n ORDER BY random() OFFSET 0) AS sorted"),
       SL_TOO_LARGE, "53400");
    postgres_tell("ALTER ROLE slight RESET ALL");
    postgres_tell("ALTER ROLE slight CONNECTION LIMIT 1");
    OK(sql_query(&store, NULL, "SELECT 1"));
    fault_open_own(&second, NULL, "retry.attempts = 2");
    IS(sql_query(&second, NULL, "SELECT 1"), SL_UNAVAILABLE, "53300");
    assert_true(said.retryable); /* it was certainly not sent */
    postgres_tell("ALTER ROLE slight CONNECTION LIMIT -1");
    OK(sql_query(&second, NULL, "SELECT 1"));
    test_store_done(&second);
    test_store_done(&store);
}

/* --- Races --------------------------------------------------------------- */

static void serialization_failures_may_be_done_again(void **state)
{
    struct test_store store;
    struct sl_session *tx[2];

    (void)state;
    fault_open_own(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE races (id int, n int)"));
    OK(sql_execute(&store, NULL, "INSERT INTO races VALUES (1, 1), (2, 1)"));
    for (int i = 0; i < 2; i++) {
        tx[i] = sql_begin(&store, SL_SQL_SERIALIZABLE, false);
        OK(sql_query(&store, tx[i], "SELECT sum(n) FROM races"));
    }
    OK(sql_execute(&store, tx[0], "UPDATE races SET n = 0 WHERE id = 1"));
    OK(sql_execute(&store, tx[1], "UPDATE races SET n = 0 WHERE id = 2"));
    OK(sql_end(&store, tx[0], SL_SQL_COMMIT));
    IS(sql_end(&store, tx[1], SL_SQL_COMMIT), SL_ABORTED, "40001");
    assert_false(said.retryable);

    tx[0] = sql_begin(&store, SL_SQL_REPEATABLE_READ, false);
    OK(sql_query(&store, tx[0], "SELECT 1 FROM races"));
    OK(sql_execute(&store, NULL, "UPDATE races SET n = 5"));
    IS(sql_execute(&store, tx[0], "UPDATE races SET n = 6"), SL_ABORTED,
       "40001");
    assert_false(said.retryable);
    IS(sql_end(&store, tx[0], SL_SQL_COMMIT), SL_CONFLICT, "failed");
    test_store_done(&store);
}

/* Ask until it is answered so. */
static void until(struct test_store *store, struct sl_session *session,
                  const char *query, const char *answer)
{
    for (int i = 0; i < 6000; i++) {
        OK(sql_query(store, session, query));
        if (strcmp(said.value, answer) == 0)
            return;
        usleep(10000);
    }
    fail_msg("%s: %s", query, said.value);
}

static void *update_first(void *context)
{
    struct test_store *store = ((void **)context)[0];
    struct sl_session *tx = ((void **)context)[1];

    OK(sql_execute(store, tx, "UPDATE locked SET n = 1 WHERE id = 1"));
    return NULL;
}

static void a_deadlock_and_a_lock_that_is_not_had(void **state)
{
    struct test_store store;
    pthread_t thread;

    (void)state;
    show_activity();
    fault_open_own(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE locked (id int, n int)"));
    OK(sql_execute(&store, NULL, "INSERT INTO locked VALUES (1, 0), (2, 0)"));
    struct sl_session *one = sql_begin(&store, SL_SQL_DEFAULT, false);
    struct sl_session *two = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_execute(&store, one, "UPDATE locked SET n = 1 WHERE id = 1"));
    OK(sql_execute(&store, two, "UPDATE locked SET n = 1 WHERE id = 2"));
    IS(sql_query(&store, NULL, "SELECT * FROM locked FOR UPDATE NOWAIT"),
       SL_ABORTED, "55P03");
    assert_true(said.retryable);
    /* Who waited for so long is told: two does so for a minute, one for 10 ms.
     */
    postgres_tell("ALTER SYSTEM SET deadlock_timeout = '60s'");
    postgres_tell("SELECT pg_reload_conf()");
    until(&store, two, "SHOW deadlock_timeout", "1min");
    void *context[] = {&store, two};
    assert_int_equal(pthread_create(&thread, NULL, update_first, context), 0);
    until(&store, NULL,
          "SELECT count(*) FROM activity WHERE wait_event_type = "
          "'Lock'",
          "1");
    postgres_tell("ALTER SYSTEM SET deadlock_timeout = '10ms'");
    postgres_tell("SELECT pg_reload_conf()");
    until(&store, one, "SHOW deadlock_timeout", "10ms");
    IS(sql_execute(&store, one, "UPDATE locked SET n = 1 WHERE id = 2"),
       SL_ABORTED, "40P01");
    assert_false(said.retryable);
    pthread_join(thread, NULL);
    OK(sql_end(&store, two, SL_SQL_COMMIT));
    OK(sql_end(&store, one, SL_SQL_ROLLBACK));
    test_store_done(&store);
}

/* --- Many parameters ---------------------------------------------------- */

/* Its columns are known only by the result, and so are the names of types. */
static void many_parameters_find_types_of_postgres(void **state)
{
    static const struct {
        const char *query, *type, *value;
    } cases[] = {
        {"SELECT 'sad'::mood, 7 WHERE 7 IN (", "mood", "sad"},
        {"SELECT '{sad}'::mood[], 7 WHERE 7 IN (", "mood[]", "{sad}"},
        {"SELECT 7, 'sad'::mood WHERE 7 IN (", "int4", "7"},
        {"SELECT interval '1 day' WHERE 7 IN (", "interval", "1 day"},
        {"SELECT '\\x00ff'::bytea::text WHERE 7 IN (", "text", "\\x00ff"},
    };
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(sql_execute(&store, NULL, "CREATE TYPE mood AS ENUM ('sad')"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int again = 0; again < 2; again++) {
            OK(sql_many(&store, NULL, SL_SQL_QUERY, cases[i].query));
            assert_int_equal(said.rows, 1);
            assert_string_equal(said.value, cases[i].value);
            assert_string_equal(said.type, cases[i].type);
        }
    OK(sql_execute(&store, NULL, "DROP TYPE mood"));
    test_store_done(&store);
}

const struct fault_driver fault_driver = {
    .name = "sql.postgres",
    .service = &fault_postgres,
    SQL_FAULT_HOOKS,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQL_FAULT_CASES,
        cmocka_unit_test(a_client_certificate_will_do),
        cmocka_unit_test(a_database_that_is_not_there),
        cmocka_unit_test(rights_that_are_taken_away),
        cmocka_unit_test(a_connection_that_is_ended_is_replaced),
        cmocka_unit_test(ways_to_use_tls),
        cmocka_unit_test(what_is_too_late_is_cancelled_on_the_server),
        cmocka_unit_test(limits_of_the_server),
        cmocka_unit_test(serialization_failures_may_be_done_again),
        cmocka_unit_test(a_deadlock_and_a_lock_that_is_not_had),
        cmocka_unit_test(many_parameters_find_types_of_postgres),
        POSTGRES_PRIMARY_CASES,
    };

    return cmocka_run_group_tests_name("faults.sql.postgres", tests,
                                       fault_start, fault_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres, kv.postgres and lockd.postgres on bad days, with a real server:
 * the guest's call gets a typed error by its deadline, and the next one works
 * once the cause is gone.
 */
#include "faults/postgres.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kv/kv.h"
#include "lockd/lockd.h"

static int port(void)
{
    return test_server_port(&postgres, "SL_TEST_POSTGRES_PORT");
}

/* What the first call of a resource with these settings says. */
static void first_call_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    static const struct sl_sql_parameters none = {NULL, 0};
    const struct sl_sql_request select = {.verb = SL_SQL_QUERY,
                                          .statement = SL_LITERAL("SELECT 1"),
                                          .sets = &none,
                                          .set_count = 1};

    fault_first_call_is("sql.postgres", settings, &select, expected, says);
}

/* --- Who may do what ---------------------------------------------------- */

static void url_call_is(const char *who, const char *database,
                        enum sl_status expected, const char *says)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("url = \"postgres://%slocalhost:%d/%s\"\nca = "
                                 "\"%s/certs/ca.pem\"\nretry.attempts = 1",
                                 who, port(), database, postgres.folder);

    first_call_is(settings, expected, says);
}

static void wrong_credentials_are_unauthenticated(void **state)
{
    (void)state;
    url_call_is("slight:wrong@", "slight", SL_UNAUTHENTICATED,
                "password authentication failed for user \"slight\" (28P01)");
    url_call_is("nobody:x@", "slight", SL_UNAUTHENTICATED, "28P01");
    url_call_is("slight@", "slight", SL_UNAUTHENTICATED, "asks for a password");
    url_call_is("slight:" TEST_SERVER_PASSWORD "@", "no_such", SL_UNAVAILABLE,
                "\"no_such\" does not exist (3D000)");
    url_call_is("client:x@", "slight", SL_UNAUTHENTICATED, "certificate");
}

static void a_client_certificate_will_do(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf(
        "url = \"postgres://client@localhost:%d/slight\"\nca = "
        "\"%s/certs/ca.pem\"\ncertificate = \"%s/certs/client.pem\"\nkey = "
        "\"%s/certs/client.key\"",
        port(), postgres.folder, postgres.folder, postgres.folder);
    SL_CLEANUP(sl_freep)
    char *key = sl_asprintf("%s/certs/client.key", postgres.folder);

    (void)state;
    assert_int_equal(chmod(key, 0644), 0);
    first_call_is(settings, SL_UNAUTHENTICATED, "only its owner");
    assert_int_equal(chmod(key, 0600), 0);
    first_call_is(settings, SL_OK, "");
}

static void rights_that_are_taken_away(void **state)
{
    struct test_store store;

    (void)state;
    postgres_tell("CREATE TABLE secrets (id int); "
                  "GRANT SELECT ON secrets TO slight");
    postgres_open(&store, NULL, "connections = 1");
    OK(sql_query(&store, NULL, "SELECT * FROM secrets"));
    IS(sql_execute(&store, NULL, "INSERT INTO secrets VALUES (1)"),
       SL_PERMISSION_DENIED, "42501");
    postgres_tell("REVOKE SELECT ON secrets FROM slight");
    IS(sql_query(&store, NULL, "SELECT * FROM secrets"), SL_PERMISSION_DENIED,
       "permission denied for table secrets");
    postgres_tell("GRANT SELECT ON secrets TO slight");
    OK(sql_query(&store, NULL, "SELECT * FROM secrets"));
    /* The user itself, and its connections. */
    postgres_tell("ALTER USER slight NOLOGIN");
    postgres_tell("SELECT pg_terminate_backend(pid, 5000) FROM "
                  "pg_stat_activity WHERE usename = 'slight'");
    IS(sql_query(&store, NULL, "SELECT 1"), SL_UNAUTHENTICATED, "28000");
    postgres_tell("ALTER USER slight LOGIN");
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
}

static void a_connection_that_is_ended_is_replaced(void **state)
{
    static const char end[] =
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
        "usename = 'slight'";
    struct test_store store;

    (void)state;
    postgres_open(&store, NULL, "connections = 1");
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
    IS(sql_query(&store, NULL,
                 "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(9)"),
       SL_UNAVAILABLE, "57P01");
    assert_false(said.retryable);
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
}

/* --- Certificates ------------------------------------------------------- */

static void tls_first_call(const char *certificate, const char *host,
                           const char *more, enum sl_status expected,
                           const char *says)
{
    struct test_server own;

    test_server_start(&own, "postgres", certificate);
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf(
        "url = \"postgres://slight:%s@%s:%d/slight\"\nca = \"%s/certs/%s\n",
        TEST_SERVER_PASSWORD, host,
        test_server_port(&own, "SL_TEST_POSTGRES_PORT"), own.folder, more);
    first_call_is(settings, expected, says);
    test_server_stop(&own);
}

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    tls_first_call("server", "localhost", "ca.pem\"", SL_OK, "");
    tls_first_call("server", "127.0.0.1", "ca.pem\"\ntls = \"verify-full\"",
                   SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem\"", SL_UNAUTHENTICATED,
                   "for another name");
    tls_first_call("other", "localhost", "ca.pem\"\ntls = \"verify-ca\"", SL_OK,
                   "");
    tls_first_call("server", "localhost", "stranger.pem\"", SL_UNAUTHENTICATED,
                   "not trusted");
    tls_first_call("expired", "localhost", "ca.pem\"", SL_UNAUTHENTICATED,
                   "certificate");
    tls_first_call("server", "localhost", "ca.pem\"\ntls = \"disable\"", SL_OK,
                   "");
}

/* --- A server that goes away -------------------------------------------- */

static void a_refused_connection_says_where(void **state)
{
    (void)state;
    first_call_is("url = \"postgres://127.0.0.1:1/d\"", SL_UNAVAILABLE,
                  "127.0.0.1:1: connection refused");
    first_call_is("url = \"postgres://no-such-host.invalid/d\"", SL_UNAVAILABLE,
                  "no-such-host.invalid");
}

static void a_restarted_server_is_found_again(void **state)
{
    struct test_store store;

    (void)state;
    postgres_open(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE restarted (id int)"));
    test_server_kill(&postgres);
    IS(sql_query(&store, NULL, "SELECT 1"), SL_UNAVAILABLE, "");
    test_server_restart(&postgres);
    OK(sql_execute(&store, NULL, "INSERT INTO restarted VALUES (1)"));
    OK(sql_query(&store, NULL, "SELECT count(*) FROM restarted"));
    assert_string_equal(said.value, "1");
    test_store_done(&store);
}

/* --- In the middle of traffic ------------------------------------------- */

static enum sl_status write_row(struct fault_traffic *traffic, int writer,
                                int number)
{
    char text[80];

    snprintf(text, sizeof(text), "INSERT INTO traffic VALUES (%d, %d)", writer,
             number);
    return sql_execute(traffic->store, NULL, text);
}

/* Every third writer in transactions. */
static enum sl_status write_somehow(struct fault_traffic *traffic, int writer,
                                    int number)
{
    struct sl_session *session = NULL;
    struct sl_error err;
    char text[80];

    if (writer % 3 != 0)
        return write_row(traffic, writer, number);
    if (sl_session_open(traffic->store->service, &session, &err) != SL_OK)
        return err.status;
    enum sl_status status = sql_call(&(struct sql_call){
        .store = traffic->store, .session = session, .verb = SL_SQL_BEGIN});
    snprintf(text, sizeof(text), "INSERT INTO traffic VALUES (%d, %d)", writer,
             number);
    if (status == SL_OK)
        status = sql_execute(traffic->store, session, text);
    enum sl_status end =
        sql_end(traffic->store, session,
                status == SL_OK ? SL_SQL_COMMIT : SL_SQL_ROLLBACK);
    status = status != SL_OK ? status : end;
    /* The connection was lost between two of its calls. */
    return status == SL_CONFLICT ? SL_UNAVAILABLE : status;
}

/* Each once at most; and all that was acknowledged. */
static void nothing_acknowledged_is_lost(const struct fault_traffic *traffic)
{
    char text[128];
    struct test_store store;

    postgres_open(&store, NULL, "");
    for (int i = 0; i < FAULT_WRITERS; i++) {
        snprintf(text, sizeof(text),
                 "SELECT coalesce(max(number), 0) FROM traffic WHERE writer = "
                 "%d",
                 i);
        OK(sql_query(&store, NULL, text));
        int most = (int)strtol(said.value, NULL, 10);
        assert_true(most >= traffic->acknowledged[i]);
        assert_true(most <= traffic->attempted[i]);
    }
    OK(sql_query(&store, NULL,
                 "SELECT count(*) FROM (SELECT 1 FROM traffic GROUP BY writer, "
                 "number HAVING count(*) > 1) AS twice"));
    assert_string_equal(said.value, "0");
    test_store_done(&store);
}

static void under_traffic(void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = write_somehow};

    postgres_open(&store, proxy,
                  "timeout = \"3s\"\nretry.backoff = \"5ms\"\nconnections = 4");
    IS(sql_execute(&store, NULL, "DROP TABLE IF EXISTS traffic"), SL_OK, "");
    OK(sql_execute(&store, NULL,
                   "CREATE TABLE traffic (writer int, number "
                   "int)"));
    fault_traffic_run(&traffic, disturb, context);
    OK(sql_query(&store, NULL, "SELECT 1"));
    nothing_acknowledged_is_lost(&traffic);
    test_store_done(&store);
}

static void a_server_killed_under_traffic_loses_nothing(void **state)
{
    (void)state;
    under_traffic(fault_kill_now_and_then, &postgres, NULL);
}

/*
 * At places that are the same in every run; a connection is made in some
 * thousands of bytes, which now and then are let through.
 */
static void cut_here_and_there(void *proxy)
{
    unsigned seed = 7;

    for (int i = 0; i < 20; i++) {
        seed = seed * 1103515245 + 12345;
        proxy_cut_after(proxy, (int64_t)(seed >> 16) % 12000);
        usleep(60000);
        proxy_cut_after(proxy, -1);
        usleep(150000);
        if (i % 4 == 0)
            proxy_cut_all(proxy);
    }
    sleep(1);
}

static void a_cut_connection_loses_nothing(void **state)
{
    struct proxy *proxy = proxy_new(0, port());

    (void)state;
    under_traffic(cut_here_and_there, proxy, proxy);
    proxy_free(proxy);
}

/* --- The two others ------------------------------------------------------ */

static enum sl_status count_up(struct test_store *store, int64_t *number)
{
    const struct sl_kv_request request = {
        .verb = SL_KV_INCREMENT, .key = SL_LITERAL("n"), .delta = 1};
    struct sl_kv_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    *number = answer.number;
    enum sl_status status = answer.err.status;
    sl_kv_answer_done(&answer);
    return status;
}

static void a_counter_over_cut_connections(void **state)
{
    struct proxy *proxy = proxy_new(0, port());
    SL_CLEANUP(sl_freep)
    char *settings = postgres_settings(
        proxy, "timeout = \"2s\"\nretry.backoff = \"5ms\"\ntable = \"cut\"");
    struct test_store store;
    int64_t number = 0, last = 0, acknowledged = 0, attempts = 0;

    (void)state;
    fault_open(&store, "kv.postgres", settings);
    for (int i = 0; i < 60; i++) {
        proxy_cut_after(proxy, i % 3 == 0 ? 37 * i % 200 : -1);
        attempts++;
        enum sl_status status = count_up(&store, &number);
        if (status == SL_OK) {
            assert_true(number > last);
            last = number;
            acknowledged++;
        } else {
            assert_true(status == SL_UNAVAILABLE || status == SL_TIMEOUT);
        }
    }
    proxy_cut_after(proxy, -1);
    assert_int_equal(count_up(&store, &number), SL_OK);
    assert_true(number > acknowledged && number <= attempts + 1);
    test_store_done(&store);
    proxy_free(proxy);
}

static enum sl_status lock_call(struct test_store *store,
                                enum sl_lockd_verb verb, const char *holder,
                                struct sl_lockd_answer *answer)
{
    const struct sl_lockd_request request = {.verb = verb,
                                             .key = SL_LITERAL("key"),
                                             .has_wait = true,
                                             .holder = sl_bytes_of(holder),
                                             .ttl_ms = 60000};

    sl_service_do(store->service, NULL, &request, 1, answer);
    return answer->err.status;
}

/* A lock outlives its server's crash, and tokens only grow. */
static void a_lock_over_a_crash(void **state)
{
    SL_CLEANUP(sl_freep) char *settings = postgres_settings(NULL, "");
    struct test_store store;
    struct sl_lockd_answer held, answer;
    uint64_t token = 0;

    (void)state;
    fault_open(&store, "lockd.postgres", settings);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lock_call(&store, SL_LOCKD_ACQUIRE, "", &held), SL_OK);
        assert_true(held.fencing_token > token);
        token = held.fencing_token;
        test_server_kill(&postgres);
        test_server_restart(&postgres);
        assert_int_equal(lock_call(&store, SL_LOCKD_ACQUIRE, "", &answer),
                         SL_CONFLICT);
        assert_int_equal(
            lock_call(&store, SL_LOCKD_RENEW, held.holder, &answer), SL_OK);
        assert_int_equal(
            lock_call(&store, SL_LOCKD_RELEASE, held.holder, &answer), SL_OK);
        assert_int_equal(
            lock_call(&store, SL_LOCKD_RELEASE, held.holder, &answer),
            SL_CONFLICT);
    }
    test_store_done(&store);
}

/* Where the tables are there, the user needs no right to make them. */
static void the_least_rights(void **state)
{
    static const char *const drivers[] = {"kv.postgres", "lockd.postgres"};
    static const char *const tables[] = {"slight_kv", "slight_lock"};
    struct test_store store;
    struct sl_lockd_answer answer;
    int64_t number;

    (void)state;
    postgres_tell("CREATE SCHEMA own AUTHORIZATION slight; CREATE USER least "
                  "PASSWORD 'least'; GRANT USAGE ON SCHEMA own TO least");
    for (int i = 0; i < 2; i++) {
        SL_CLEANUP(sl_freep)
        char *owner = postgres_settings(NULL, "schema = \"own\"");
        SL_CLEANUP(sl_freep)
        char *least = postgres_settings(
            NULL, "schema = \"own\"\nuser = \"least\"\npassword = \"least\"");
        /* Not there yet. */
        fault_open(&store, drivers[i], least);
        enum sl_status status =
            i == 0 ? count_up(&store, &number)
                   : lock_call(&store, SL_LOCKD_ACQUIRE, "", &answer);
        assert_int_equal(status, SL_PERMISSION_DENIED);
        test_store_done(&store);
        fault_open(&store, drivers[i], owner);
        status = i == 0 ? count_up(&store, &number)
                        : lock_call(&store, SL_LOCKD_IS_LOCKED, "", &answer);
        assert_int_equal(status, SL_OK);
        test_store_done(&store);
        SL_CLEANUP(sl_freep)
        char *grant = sl_asprintf(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA own "
            "TO least; GRANT USAGE ON SEQUENCE own.%s TO least",
            i == 0 ? "slight_kv_version" : "slight_lock_token");
        postgres_tell(grant);
        fault_open(&store, drivers[i], least);
        status = i == 0 ? count_up(&store, &number)
                        : lock_call(&store, SL_LOCKD_ACQUIRE, "", &answer);
        if (status != SL_OK)
            fail_msg("%s: %s", tables[i], i == 0 ? "" : answer.err.message);
        test_store_done(&store);
    }
}

/* --- Slow, and full ----------------------------------------------------- */

static void a_stalled_connection_times_out(void **state)
{
    struct proxy *proxy = proxy_new(0, port());
    struct test_store store;

    (void)state;
    /* One connection, so that it is an open one that stalls. */
    postgres_open(&store, proxy, "timeout = \"500ms\"\nconnections = 1");
    OK(sql_query(&store, NULL, "SELECT 1"));
    proxy_stall(proxy, true);
    IS(sql_query(&store, NULL, "SELECT 1"), SL_TIMEOUT, "in time");
    assert_false(said.retryable);
    IS(sql_query(&store, NULL, "SELECT 1"), SL_TIMEOUT, "in time");
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
    proxy_free(proxy);
}

static void a_delayed_connection_only_takes_longer(void **state)
{
    struct proxy *proxy = proxy_new(0, port());
    struct test_store store;

    (void)state;
    proxy_delay(proxy, 5);
    postgres_open(&store, proxy, "");
    for (int i = 0; i < 10; i++)
        OK(sql_query(&store, NULL, "SELECT 1"));
    test_store_done(&store);
    proxy_free(proxy);
}

static void nobody_sleeps(struct test_store *store)
{
    /* A cancelled one may need a moment to end. */
    for (int i = 0; i < 200; i++) {
        OK(sql_query(store, NULL,
                     "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                     "'%pg_sleep(50)%' AND state = 'active' AND pid <> "
                     "pg_backend_pid()"));
        if (strcmp(said.value, "0") == 0)
            return;
        usleep(10000);
    }
    fail_msg("it still runs on the server");
}

static void what_is_too_late_is_cancelled_on_the_server(void **state)
{
    struct test_store store, other;

    (void)state;
    postgres_open(&other, NULL, "");
    postgres_open(&store, NULL, "timeout = \"300ms\"\nconnections = 1");
    IS(sql_query(&store, NULL, "SELECT pg_sleep(50)"), SL_TIMEOUT,
       "cancelled on the server");
    nobody_sleeps(&other);
    OK(sql_query(&store, NULL, "SELECT 1"));
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    IS(sql_query(&store, tx, "SELECT pg_sleep(50)"), SL_TIMEOUT, "");
    nobody_sleeps(&other);
    IS(sql_end(&store, tx, SL_SQL_COMMIT), SL_CONFLICT, "");
    /* And by somebody else. */
    postgres_tell("ALTER ROLE slight SET statement_timeout = 0");
    IS(sql_query(&other, NULL,
                 "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(50)"),
       SL_TIMEOUT, "57014");
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
    postgres_open(&store, NULL, "connections = 1");
    IS(sql_query(&store, NULL,
                 "SELECT max(n) FROM (SELECT n FROM generate_series(1, 100000) "
                 "AS n ORDER BY random() OFFSET 0) AS sorted"),
       SL_TOO_LARGE, "53400");
    postgres_tell("ALTER ROLE slight RESET ALL");
    postgres_tell("ALTER ROLE slight CONNECTION LIMIT 1");
    OK(sql_query(&store, NULL, "SELECT 1"));
    postgres_open(&second, NULL, "timeout = \"1s\"\nretry.attempts = 2");
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
    postgres_open(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE races (id int, n int)"));
    OK(sql_execute(&store, NULL, "INSERT INTO races VALUES (1, 1), (2, 1)"));
    for (int i = 0; i < 2; i++) {
        tx[i] = sql_begin(&store, SL_SQL_SERIALIZABLE, false);
        OK(sql_query(&store, tx[i], "SELECT sum(n) FROM races"));
    }
    OK(sql_execute(&store, tx[0], "UPDATE races SET n = 0 WHERE id = 1"));
    OK(sql_execute(&store, tx[1], "UPDATE races SET n = 0 WHERE id = 2"));
    OK(sql_end(&store, tx[0], SL_SQL_COMMIT));
    IS(sql_end(&store, tx[1], SL_SQL_COMMIT), SL_CONFLICT, "40001");
    assert_true(said.retryable);

    tx[0] = sql_begin(&store, SL_SQL_REPEATABLE_READ, false);
    OK(sql_query(&store, tx[0], "SELECT 1 FROM races"));
    OK(sql_execute(&store, NULL, "UPDATE races SET n = 5"));
    IS(sql_execute(&store, tx[0], "UPDATE races SET n = 6"), SL_CONFLICT,
       "40001");
    assert_true(said.retryable);
    IS(sql_end(&store, tx[0], SL_SQL_COMMIT), SL_CONFLICT, "failed");
    test_store_done(&store);
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
    postgres_open(&store, NULL, "");
    OK(sql_execute(&store, NULL, "CREATE TABLE locked (id int, n int)"));
    OK(sql_execute(&store, NULL, "INSERT INTO locked VALUES (1, 0), (2, 0)"));
    struct sl_session *one = sql_begin(&store, SL_SQL_DEFAULT, false);
    struct sl_session *two = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_execute(&store, one, "UPDATE locked SET n = 1 WHERE id = 1"));
    OK(sql_execute(&store, two, "UPDATE locked SET n = 1 WHERE id = 2"));
    IS(sql_query(&store, NULL, "SELECT * FROM locked FOR UPDATE NOWAIT"),
       SL_CONFLICT, "55P03");
    assert_true(said.retryable);
    /* The one who is told is the one who waited for a second: it. */
    postgres_tell("ALTER SYSTEM SET deadlock_timeout = '60s'; ");
    postgres_tell("SELECT pg_reload_conf()");
    void *context[] = {&store, two};
    assert_int_equal(pthread_create(&thread, NULL, update_first, context), 0);
    usleep(100000);
    postgres_tell("ALTER SYSTEM SET deadlock_timeout = '10ms'");
    postgres_tell("SELECT pg_reload_conf()");
    usleep(100000);
    IS(sql_execute(&store, one, "UPDATE locked SET n = 1 WHERE id = 2"),
       SL_CONFLICT, "40P01");
    assert_true(said.retryable);
    pthread_join(thread, NULL);
    OK(sql_end(&store, two, SL_SQL_COMMIT));
    OK(sql_end(&store, one, SL_SQL_ROLLBACK));
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_credentials_are_unauthenticated),
        cmocka_unit_test(a_client_certificate_will_do),
        cmocka_unit_test(rights_that_are_taken_away),
        cmocka_unit_test(a_connection_that_is_ended_is_replaced),
        cmocka_unit_test(only_the_right_certificate_will_do),
        cmocka_unit_test(a_refused_connection_says_where),
        cmocka_unit_test(a_restarted_server_is_found_again),
        cmocka_unit_test(a_server_killed_under_traffic_loses_nothing),
        cmocka_unit_test(a_cut_connection_loses_nothing),
        cmocka_unit_test(a_counter_over_cut_connections),
        cmocka_unit_test(a_lock_over_a_crash),
        cmocka_unit_test(the_least_rights),
        cmocka_unit_test(a_stalled_connection_times_out),
        cmocka_unit_test(a_delayed_connection_only_takes_longer),
        cmocka_unit_test(what_is_too_late_is_cancelled_on_the_server),
        cmocka_unit_test(limits_of_the_server),
        cmocka_unit_test(serialization_failures_may_be_done_again),
        cmocka_unit_test(a_deadlock_and_a_lock_that_is_not_had),
    };

    return cmocka_run_group_tests(tests, postgres_start, postgres_stop);
}

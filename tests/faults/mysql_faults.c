/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.mysql on bad days, with a real server: the guest's call gets a typed
 * error by its deadline, and the next one works once the cause is gone.
 */
#include "faults/mysql_faults.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

struct test_server mysql_server;
int mysql_port;

bool is_mariadb(void)
{
    return strcmp(mysql_server.name, "mariadb") == 0;
}

static int port_of(const struct test_server *server)
{
    return test_server_port(server, strcmp(server->name, "mariadb") == 0
                                        ? "SL_TEST_MARIADB_PORT"
                                        : "SL_TEST_MYSQL_PORT");
}

static int start_server(void **state)
{
    const char *name = getenv("SL_TEST_SERVER");

    (void)state;
    test_server_start(&mysql_server, name != NULL ? name : "mysql", "server");
    mysql_port = port_of(&mysql_server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&mysql_server);
    return 0;
}

/* --- Statements ---------------------------------------------------------- */

static void tell_with(const char *options, const char *statements)
{
    SL_CLEANUP(sl_freep)
    char *words = sl_asprintf("-D slight %s -e \"%s\"", options, statements);

    if (!test_server_tell(&mysql_server, words))
        fail_msg("the server does not take: %s", statements);
}

void tell(const char *fmt, ...)
{
    char statements[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(statements, sizeof(statements), fmt, args);
    va_end(args);
    tell_with("", statements);
}

void tell_routine(const char *statement)
{
    tell_with("--delimiter=//", statement);
}

/* Of a user, with TLS. */
static char *settings_of(const char *user, const char *password, int at,
                         const char *more)
{
    return sl_asprintf("url = \"mysqls://%s:%s@localhost:%d/slight\"\n"
                       "ca = \"%s/certs/ca.pem\"\n%s\n",
                       user, password, at, mysql_server.folder, more);
}

void open_store(struct test_store *store, const struct proxy *proxy,
                const char *more)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        settings_of("slight", TEST_SERVER_PASSWORD,
                    proxy == NULL ? mysql_port : proxy_port(proxy), more);

    fault_open(store, "sql.mysql", settings);
}

enum sl_status run_in(struct test_store *store, struct sl_session *session,
                      enum sl_sql_verb verb, const char *statement,
                      struct sl_sql_answer *answer)
{
    const struct sl_sql_parameters none = {NULL, 0};
    const struct sl_sql_request request = {
        .verb = (uint32_t)verb,
        .statement = sl_bytes_of(statement),
        .sets = &none,
        .set_count = 1,
        .limit = 10,
        .in_transaction = session != NULL && verb != SL_SQL_BEGIN};
    struct sl_sql_answer own;

    sl_service_do(store->service, session, &request, 1, &own);
    enum sl_status status = own.err.status;
    if (status != SL_OK)
        assert_null(strstr(own.err.message, TEST_SERVER_PASSWORD));
    if (answer != NULL)
        *answer = own;
    else
        sl_answers_done(store->service, &own, 1);
    return status;
}

enum sl_status run(struct test_store *store, const char *statement)
{
    return run_in(store, NULL, SL_SQL_EXECUTE, statement, NULL);
}

void run_fails(struct test_store *store, const char *statement,
               enum sl_status expected, const char *says)
{
    struct sl_sql_answer answer;

    run_in(store, NULL, SL_SQL_EXECUTE, statement, &answer);
    if (answer.err.status != expected ||
        strstr(answer.err.message, says) == NULL)
        fail_msg("%s: %s: %s", statement, sl_status_text(answer.err.status),
                 answer.err.status == SL_OK ? "" : answer.err.message);
    sl_answers_done(store->service, &answer, 1);
}

const char *value_of(struct test_store *store, const char *query)
{
    static char text[256];
    struct sl_sql_answer answer;

    if (run_in(store, NULL, SL_SQL_QUERY, query, &answer) != SL_OK)
        fail_msg("%s: %s", query, answer.err.message);
    assert_true(answer.row_count >= 1);
    const struct sl_sql_value *value = &answer.values[0];
    if (value->type == SL_SQL_INT64)
        snprintf(text, sizeof(text), "%" PRId64, value->int64);
    else if (value->type >= SL_SQL_DECIMAL)
        snprintf(text, sizeof(text), "%.*s", (int)value->bytes.len,
                 (const char *)value->bytes.ptr);
    else
        snprintf(text, sizeof(text), "%s", sl_sql_type_text(value->type));
    sl_answers_done(store->service, &answer, 1);
    return text;
}

/* What a first call of a store with these settings says; frees them. */
static void first_call_is(char *settings, enum sl_status expected,
                          const char *says)
{
    const struct sl_sql_parameters none = {NULL, 0};
    const struct sl_sql_request select = {.verb = SL_SQL_QUERY,
                                          .statement = SL_LITERAL("SELECT 1"),
                                          .sets = &none,
                                          .set_count = 1};

    fault_first_call_is("sql.mysql", settings, &select, expected, says);
    free(settings);
}

/* --- Who may do what ----------------------------------------------------- */

static void wrong_credentials_are_unauthenticated(void **state)
{
    (void)state;
    first_call_is(settings_of("slight", TEST_SERVER_PASSWORD, mysql_port, ""),
                  SL_OK, "");
    first_call_is(settings_of("slight", "wrong", mysql_port, ""),
                  SL_UNAUTHENTICATED, "Access denied");
    first_call_is(settings_of("nobody", "wrong", mysql_port, ""),
                  SL_UNAUTHENTICATED, "Access denied");
    first_call_is(settings_of("slight", TEST_SERVER_PASSWORD, mysql_port,
                              "database = \"nowhere\""),
                  SL_INVALID_ARGUMENT, "nowhere");
    tell("CREATE USER reader@'%%' IDENTIFIED BY 'pw'");
    first_call_is(settings_of("reader", "pw", mysql_port, ""),
                  SL_PERMISSION_DENIED, "reader");
    tell("DROP USER reader@'%%'");
}

static void every_way_to_log_in_that_is_safe(void **state)
{
    (void)state;
    if (is_mariadb()) {
        first_call_is(
            settings_of("edward", TEST_SERVER_PASSWORD, mysql_port, ""), SL_OK,
            "");
        first_call_is(settings_of("edward", "wrong", mysql_port, ""),
                      SL_UNAUTHENTICATED, "Access denied");
    }
    /* Without TLS: caching_sha2_password by the server's key; and native. */
    first_call_is(sl_asprintf("url = \"mysql://slight:%s@127.0.0.1:%d/slight\"",
                              TEST_SERVER_PASSWORD, mysql_port),
                  SL_OK, "");
    first_call_is(sl_asprintf("url = \"mysql://slight:%s@127.0.0.1:%d/slight\"",
                              "wrong", mysql_port),
                  SL_UNAUTHENTICATED, "Access denied");
}

static void a_client_certificate_is_shown(void **state)
{
    SL_CLEANUP(sl_freep)
    char *certificate = sl_asprintf("certificate = \"%s/certs/server.pem\"\n"
                                    "key = \"%s/certs/server.key\"",
                                    mysql_server.folder, mysql_server.folder);

    (void)state;
    first_call_is(settings_of("client", "", mysql_port, certificate), SL_OK,
                  "");
    first_call_is(settings_of("client", "", mysql_port, ""), SL_UNAUTHENTICATED,
                  "client");
}

static void what_is_revoked_is_gone(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("worker", "pw", mysql_port, "");
    struct test_store store;

    (void)state;
    tell("CREATE USER worker@'%%' IDENTIFIED BY 'pw';"
         "GRANT SELECT, INSERT ON slight.* TO worker@'%%';"
         "CREATE TABLE work (id INT)");
    fault_open(&store, "sql.mysql", settings);
    assert_int_equal(run(&store, "INSERT INTO work VALUES (1)"), SL_OK);
    run_fails(&store, "DELETE FROM work", SL_PERMISSION_DENIED, "DELETE");

    /* While it is connected. */
    tell("REVOKE INSERT ON slight.* FROM worker@'%%'; FLUSH PRIVILEGES");
    /* Such a right counts from the connection's next USE on. */
    test_store_done(&store);
    fault_open(&store, "sql.mysql", settings);
    run_fails(&store, "INSERT INTO work VALUES (1)", SL_PERMISSION_DENIED,
              "INSERT");
    tell("GRANT INSERT ON slight.work TO worker@'%%'");
    assert_int_equal(run(&store, "INSERT INTO work VALUES (2)"), SL_OK);
    tell("REVOKE INSERT ON slight.work FROM worker@'%%'");
    run_fails(&store, "INSERT INTO work VALUES (1)", SL_PERMISSION_DENIED,
              "INSERT");
    test_store_done(&store);
    tell("DROP USER worker@'%%'; DROP TABLE work");
}

static void kill_connections_of(const char *user)
{
    struct test_store store;
    char query[256];

    open_store(&store, NULL, "");
    for (int i = 0; i < 50; i++) {
        snprintf(query, sizeof(query),
                 "SELECT coalesce(max(id), 0) FROM "
                 "information_schema.processlist WHERE user = '%s'",
                 user);
        const char *id = value_of(&store, query);
        if (strcmp(id, "0") == 0)
            break;
        snprintf(query, sizeof(query), "KILL %.20s", id);
        (void)run(&store, query); /* it may be gone */
    }
    test_store_done(&store);
}

static void an_account_that_is_locked_or_dropped_while_connected(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("guest", "pw", mysql_port, "");
    struct test_store store;

    (void)state;
    tell("CREATE USER guest@'%%' IDENTIFIED BY 'pw';"
         "GRANT ALL ON slight.* TO guest@'%%'");
    fault_open(&store, "sql.mysql", settings);
    assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    tell("ALTER USER guest@'%%' ACCOUNT LOCK");
    kill_connections_of("guest");
    run_fails(&store, "SELECT 1", SL_UNAUTHENTICATED, "locked");
    tell("ALTER USER guest@'%%' ACCOUNT UNLOCK");
    assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    tell("DROP USER guest@'%%'");
    kill_connections_of("guest");
    run_fails(&store, "SELECT 1", SL_UNAUTHENTICATED, "Access denied");
    test_store_done(&store);
}

static void too_many_connections_of_a_user(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        settings_of("single", "pw", mysql_port, "retry.attempts = 1");
    struct test_store first, second;

    (void)state;
    tell("CREATE USER single@'%%' IDENTIFIED BY 'pw' WITH "
         "MAX_USER_CONNECTIONS 1; GRANT ALL ON slight.* TO single@'%%'");
    fault_open(&first, "sql.mysql", settings);
    fault_open(&second, "sql.mysql", settings);
    assert_int_equal(run(&first, "SELECT 1"), SL_OK);
    run_fails(&second, "SELECT 1", SL_UNAVAILABLE, "the server allows");
    test_store_done(&first);
    enum sl_status status = SL_UNAVAILABLE;
    for (int i = 0; i < 100 && status == SL_UNAVAILABLE; i++) {
        status = run(&second, "SELECT 1");
        usleep(20000);
    }
    assert_int_equal(status, SL_OK);
    test_store_done(&second);
    tell("DROP USER single@'%%'");
}

/* --- Certificates -------------------------------------------------------- */

static void tls_first_call(const char *certificate, const char *host,
                           const char *ca, enum sl_status expected,
                           const char *says)
{
    struct test_server own;

    test_server_start(&own, mysql_server.name, certificate);
    first_call_is(sl_asprintf("url = \"mysqls://slight:%s@%s:%d/slight\"\n"
                              "ca = \"%s/certs/%s\"\n",
                              TEST_SERVER_PASSWORD, host, port_of(&own),
                              own.folder, ca),
                  expected, says);
    test_server_stop(&own);
}

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    tls_first_call("server", "127.0.0.1", "ca.pem", SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "certificate");
    tls_first_call("server", "localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   "certificate");
    tls_first_call("expired", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "certificate");
}

/* --- A server that goes away --------------------------------------------- */

static void a_refused_connection_says_where(void **state)
{
    (void)state;
    first_call_is(sl_asprintf("url = \"mysql://127.0.0.1:1\""), SL_UNAVAILABLE,
                  "127.0.0.1:1");
    first_call_is(sl_asprintf("url = \"mysql://no-such-host.invalid\""),
                  SL_UNAVAILABLE, "no-such-host.invalid");
}

static void a_restarted_server_is_found_again(void **state)
{
    struct test_store store;
    struct sl_session *session = NULL;
    struct sl_error err;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(run(&store, "CREATE TABLE kept (id INT)"), SL_OK);
    assert_int_equal(run(&store, "INSERT INTO kept VALUES (1)"), SL_OK);
    assert_int_equal(sl_session_open(store.service, &session, &err), SL_OK);
    assert_int_equal(run_in(&store, session, SL_SQL_BEGIN, "", NULL), SL_OK);
    assert_int_equal(run_in(&store, session, SL_SQL_EXECUTE,
                            "INSERT INTO kept VALUES (7)", NULL),
                     SL_OK);
    test_server_kill(&mysql_server);
    assert_int_equal(run(&store, "INSERT INTO kept VALUES (2)"),
                     SL_UNAVAILABLE);
    test_server_restart(&mysql_server);
    /* Not idempotent, and yet sure not to have been sent on a dead one. */
    assert_int_equal(run(&store, "INSERT INTO kept VALUES (3)"), SL_OK);
    /* The transaction is lost as a whole, and does not go on by halves. */
    enum sl_status status = run_in(&store, session, SL_SQL_EXECUTE,
                                   "INSERT INTO kept VALUES (8)", NULL);
    assert_true(status == SL_UNAVAILABLE || status == SL_CONFLICT);
    assert_int_equal(run_in(&store, session, SL_SQL_EXECUTE,
                            "INSERT INTO kept VALUES (9)", NULL),
                     SL_CONFLICT);
    assert_int_equal(run_in(&store, session, SL_SQL_COMMIT, "", NULL),
                     SL_CONFLICT);
    sl_session_close(session);
    assert_string_equal(value_of(&store, "SELECT count(*) FROM kept"), "2");
    assert_int_equal(run(&store, "DROP TABLE kept"), SL_OK);
    test_store_done(&store);
}

static void an_idle_connection_that_was_closed(void **state)
{
    struct test_store store;

    (void)state;
    tell("SET GLOBAL wait_timeout = 1");
    open_store(&store, NULL, "connections = 1");
    assert_int_equal(run(&store, "CREATE TABLE idle (id INT)"), SL_OK);
    usleep(2500000);
    assert_int_equal(run(&store, "INSERT INTO idle VALUES (1)"), SL_OK);
    tell("SET GLOBAL wait_timeout = 28800");
    assert_string_equal(value_of(&store, "SELECT count(*) FROM idle"), "1");
    assert_int_equal(run(&store, "DROP TABLE idle"), SL_OK);
    test_store_done(&store);
}

/* --- In the middle of traffic -------------------------------------------- */

static enum sl_status write_number(struct fault_traffic *traffic, int writer,
                                   int number)
{
    char statement[128];

    snprintf(statement, sizeof(statement),
             "REPLACE INTO traffic VALUES (%d, %d)", writer, number);
    return run(traffic->store, statement);
}

/* What is stored is what was answered last, or was on its way. */
static void nothing_acknowledged_is_lost(const struct fault_traffic *traffic)
{
    for (int i = 0; i < FAULT_WRITERS; i++) {
        char query[128];
        snprintf(query, sizeof(query), "SELECT n FROM traffic WHERE id = %d",
                 i);
        int stored = (int)strtol(value_of(traffic->store, query), NULL, 10);
        if (stored < traffic->acknowledged[i] || stored > traffic->attempted[i])
            fail_msg("%d is %d; %d was acknowledged, %d attempted", i, stored,
                     traffic->acknowledged[i], traffic->attempted[i]);
    }
}

static void under_traffic(void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = write_number};

    tell("DROP TABLE IF EXISTS traffic;"
         "CREATE TABLE traffic (id INT PRIMARY KEY, n INT)");
    open_store(&store, proxy,
               "timeout = \"3s\"\nretry.backoff = \"5ms\"\n"
               "connections = 4");
    for (int i = 0; i < FAULT_WRITERS; i++)
        assert_int_equal(write_number(&traffic, i, 0), SL_OK);
    fault_traffic_run(&traffic, disturb, context);
    assert_string_equal(value_of(&store, "SELECT 'after'"), "after");
    nothing_acknowledged_is_lost(&traffic);
    test_store_done(&store);
}

static void a_server_killed_under_traffic_loses_nothing(void **state)
{
    (void)state;
    under_traffic(fault_kill_now_and_then, &mysql_server, NULL);
}

/* Also in the middle of a handshake, and of answers. */
static void cut_anywhere(void *context)
{
    struct proxy *proxy = context;
    unsigned seed = 7;

    for (int i = 0; i < 40; i++) {
        seed = seed * 1103515245 + 12345;
        proxy_cut_after(proxy, (int64_t)(seed >> 16) % 6000);
        usleep(50000);
    }
    proxy_cut_after(proxy, -1);
    proxy_cut_all(proxy);
}

static void a_cut_connection_loses_nothing(void **state)
{
    struct proxy *proxy = proxy_new(0, mysql_port);

    (void)state;
    under_traffic(cut_anywhere, proxy, proxy);
    proxy_free(proxy);
}

/* --- Slow ---------------------------------------------------------------- */

static void a_stalled_connection_times_out(void **state)
{
    struct proxy *proxy = proxy_new(0, mysql_port);
    struct test_store store;
    struct sl_sql_answer answer;

    (void)state;
    /* One connection, so that it is an open one that stalls. */
    open_store(&store, proxy, "timeout = \"1s\"\nconnections = 1");
    assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    proxy_stall(proxy, true);
    run_in(&store, NULL, SL_SQL_EXECUTE, "SELECT 1", &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_false(answer.retryable);
    sl_answers_done(store.service, &answer, 1);
    /* And one that is being made. */
    assert_int_equal(run(&store, "SELECT 1"), SL_TIMEOUT);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    enum sl_status status = SL_TIMEOUT;
    for (int i = 0; i < 10 && status != SL_OK; i++)
        status = run(&store, "SELECT 1");
    assert_int_equal(status, SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

static void a_delayed_connection_only_takes_longer(void **state)
{
    struct proxy *proxy = proxy_new(0, mysql_port);
    struct test_store store;

    (void)state;
    proxy_delay(proxy, 5);
    open_store(&store, proxy, "");
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

/* Whether the server carries out such a statement. While it only prepares one,
 * a KILL QUERY is forgotten. */
static bool is_running(struct test_store *store, const char *part)
{
    char query[256];

    snprintf(query, sizeof(query),
             "SELECT count(*) FROM information_schema.processlist WHERE "
             "command = 'Execute' AND info LIKE '%%%s%%' AND info NOT LIKE "
             "'%%processlist%%'",
             part);
    return strcmp(value_of(store, query), "0") != 0;
}

static void until_running(struct test_store *store, const char *part,
                          bool running)
{
    for (int i = 0; i < 500; i++) {
        if (is_running(store, part) == running)
            return;
        usleep(20000);
    }
    fail_msg("%s is %s", part, running ? "not run" : "still running");
}

/* The deadline passes: the server is told to stop. */
static void what_outlasts_its_deadline_is_killed(void **state)
{
    static const struct {
        const char *statement, *part;
    } cases[] = {
        {"SELECT SLEEP(100)", "SLEEP(100)"},
        {"UPDATE slow SET n = n + SLEEP(101)", "SLEEP(101)"},
        {"UPDATE slow SET n = 102", "n = 102"}, /* waits for a lock */
    };
    struct test_store store, hasty;
    struct sl_session *session = NULL;
    struct sl_error err;

    (void)state;
    open_store(&store, NULL, "");
    open_store(&hasty, NULL, "timeout = \"700ms\"");
    assert_int_equal(run(&store, "CREATE TABLE slow (n INT)"), SL_OK);
    assert_int_equal(run(&store, "INSERT INTO slow VALUES (1)"), SL_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i == 2) {
            assert_int_equal(sl_session_open(store.service, &session, &err),
                             SL_OK);
            assert_int_equal(run_in(&store, session, SL_SQL_BEGIN, "", NULL),
                             SL_OK);
            assert_int_equal(run_in(&store, session, SL_SQL_EXECUTE,
                                    "UPDATE slow SET n = 5", NULL),
                             SL_OK);
        }
        run_fails(&hasty, cases[i].statement, SL_TIMEOUT, "in time");
        until_running(&store, cases[i].part, false);
    }
    assert_int_equal(run_in(&store, session, SL_SQL_COMMIT, "", NULL), SL_OK);
    sl_session_close(session);
    assert_string_equal(value_of(&store, "SELECT n FROM slow"), "5");
    assert_int_equal(run(&store, "DROP TABLE slow"), SL_OK);
    test_store_done(&hasty);
    test_store_done(&store);
}

/* --- Somebody else ------------------------------------------------------- */

struct caller {
    struct test_store *store;
    struct sl_session *session;
    const char *statement;
    enum sl_status status;
    bool retryable;
};

static void *call(void *context)
{
    struct caller *caller = context;
    struct sl_sql_answer answer;

    caller->status = run_in(caller->store, caller->session, SL_SQL_EXECUTE,
                            caller->statement, &answer);
    caller->retryable = answer.retryable;
    sl_answers_done(caller->store->service, &answer, 1);
    return NULL;
}

/* For a minute or so, and without SLEEP, which just returns when it is killed.
 */
#define LONG_QUERY                                                             \
    "SELECT count(*) FROM information_schema.collations a, "                   \
    "information_schema.collations b, information_schema.collations c, "       \
    "information_schema.collations d"

static void killed_by_an_administrator(const char *how)
{
    struct test_store store, other;
    pthread_t thread;
    char statement[256];

    open_store(&store, NULL, "retry.attempts = 1\ntimeout = \"60s\"");
    open_store(&other, NULL, "");
    struct caller caller = {.store = &store, .statement = LONG_QUERY};
    assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
    until_running(&other, "collations d", true);
    snprintf(statement, sizeof(statement), "%s %.20s", how,
             value_of(&other,
                      "SELECT max(id) FROM information_schema.processlist "
                      "WHERE info LIKE '%collations d%' AND info NOT LIKE "
                      "'%processlist%'"));
    assert_int_equal(run(&other, statement), SL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(caller.status, SL_UNAVAILABLE);
    assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    test_store_done(&other);
    test_store_done(&store);
}

static void a_killed_query_is_unavailable(void **state)
{
    (void)state;
    killed_by_an_administrator("KILL QUERY");
}

static void a_killed_connection_is_unavailable(void **state)
{
    (void)state;
    killed_by_an_administrator("KILL");
}

static struct sl_session *begin(struct test_store *store)
{
    struct sl_session *session = NULL;
    struct sl_error err;

    assert_int_equal(sl_session_open(store->service, &session, &err), SL_OK);
    assert_int_equal(run_in(store, session, SL_SQL_BEGIN, "", NULL), SL_OK);
    return session;
}

static void one_of_a_deadlock_is_told(void **state)
{
    struct test_store store;
    pthread_t thread;

    (void)state;
    tell("CREATE TABLE locked (id INT PRIMARY KEY, n INT);"
         "INSERT INTO locked VALUES (1, 0), (2, 0)");
    open_store(&store, NULL, "");
    struct caller first = {.store = &store,
                           .session = begin(&store),
                           .statement =
                               "UPDATE locked SET n = n + 1 WHERE id = 2"};
    struct caller second = {.store = &store,
                            .session = begin(&store),
                            .statement =
                                "UPDATE locked SET n = n + 1 WHERE id = 1"};
    assert_int_equal(
        run_in(&store, first.session, SL_SQL_EXECUTE, second.statement, NULL),
        SL_OK);
    assert_int_equal(
        run_in(&store, second.session, SL_SQL_EXECUTE, first.statement, NULL),
        SL_OK);
    assert_int_equal(pthread_create(&thread, NULL, call, &first), 0);
    call(&second);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bool one = first.status == SL_OK;
    assert_true(one != (second.status == SL_OK));
    const struct caller *loser = one ? &second : &first;
    assert_int_equal(loser->status, SL_CONFLICT);
    assert_true(loser->retryable);
    assert_int_equal(run_in(&store, loser->session, SL_SQL_COMMIT, "", NULL),
                     SL_CONFLICT);
    assert_int_equal(run_in(&store, (one ? &first : &second)->session,
                            SL_SQL_COMMIT, "", NULL),
                     SL_OK);
    sl_session_close(first.session);
    sl_session_close(second.session);
    assert_string_equal(value_of(&store, "SELECT sum(n) FROM locked"), "2");
    test_store_done(&store);
    tell("DROP TABLE locked");
}

static void a_lock_that_is_not_let_go_is_a_conflict(void **state)
{
    struct test_store store;
    struct sl_sql_answer answer;

    (void)state;
    tell("CREATE TABLE locked (id INT PRIMARY KEY, n INT);"
         "INSERT INTO locked VALUES (1, 0)");
    open_store(&store, NULL, "timeout = \"30s\"");
    struct sl_session *session = begin(&store);
    assert_int_equal(run_in(&store, session, SL_SQL_EXECUTE,
                            "UPDATE locked SET n = 1", NULL),
                     SL_OK);
    run_in(&store, NULL, SL_SQL_EXECUTE, "UPDATE locked SET n = 2", &answer);
    assert_int_equal(answer.err.status, SL_CONFLICT);
    assert_true(answer.retryable);
    assert_non_null(strstr(answer.err.message, "holds a lock"));
    sl_answers_done(store.service, &answer, 1);
    assert_int_equal(run_in(&store, session, SL_SQL_COMMIT, "", NULL), SL_OK);
    sl_session_close(session);
    assert_string_equal(value_of(&store, "SELECT n FROM locked"), "1");
    test_store_done(&store);
    tell("DROP TABLE locked");
}

/* --- Full ---------------------------------------------------------------- */

/* How large the tables of a server that is started next may be together. */
static void set_most_data(const char *size)
{
    SL_CLEANUP(sl_freep)
    char *options =
        sl_asprintf("--innodb-file-per-table=0 "
                    "--innodb-data-file-path=ibdata1:12M:autoextend:max:%s",
                    size);

    assert_int_equal(setenv("SL_TEST_MYSQL_OPTIONS", options, 1), 0);
}

static void a_full_server_is_unavailable(void **state)
{
    struct test_server own;
    struct test_store store;
    struct sl_sql_answer answer;
    enum sl_status status = SL_OK;

    (void)state;
    set_most_data("40M");
    test_server_start(&own, mysql_server.name, "server");
    SL_CLEANUP(sl_freep)
    char *all = sl_asprintf("url = \"mysqls://slight:%s@localhost:%d/slight\"\n"
                            "ca = \"%s/certs/ca.pem\"",
                            TEST_SERVER_PASSWORD, port_of(&own), own.folder);
    fault_open(&store, "sql.mysql", all);
    assert_int_equal(run(&store, "CREATE TABLE big (v LONGBLOB)"), SL_OK);
    for (int i = 0; i < 200 && status == SL_OK; i++) {
        status =
            run_in(&store, NULL, SL_SQL_EXECUTE,
                   "INSERT INTO big VALUES (REPEAT('x', 500000))", &answer);
        if (status != SL_OK)
            assert_non_null(strstr(answer.err.message, "full"));
        sl_answers_done(store.service, &answer, 1);
    }
    assert_int_equal(status, SL_UNAVAILABLE);
    /* A small one may still fit. */
    status = run(&store, "CREATE TABLE more (v LONGBLOB)");
    assert_true(status == SL_UNAVAILABLE || status == SL_OK);
    /* What is there is there; and so it goes on once there is room. */
    assert_string_not_equal(value_of(&store, "SELECT count(*) FROM big"), "0");
    test_server_kill(&own);
    set_most_data("400M");
    test_server_restart(&own);
    assert_int_equal(
        run(&store, "INSERT INTO big VALUES (REPEAT('x', 500000))"), SL_OK);
    test_store_done(&store);
    test_server_stop(&own);
    assert_int_equal(unsetenv("SL_TEST_MYSQL_OPTIONS"), 0);
}

static void a_server_that_is_read_only(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        settings_of("writer", "pw", mysql_port, "retry.attempts = 1");
    struct test_store store;

    (void)state;
    tell("CREATE USER writer@'%%' IDENTIFIED BY 'pw';"
         "GRANT SELECT, INSERT ON slight.* TO writer@'%%';"
         "CREATE TABLE written (id INT)");
    fault_open(&store, "sql.mysql", settings);
    tell("SET GLOBAL read_only = 1");
    run_fails(&store, "INSERT INTO written VALUES (1)", SL_UNAVAILABLE, "read");
    tell("SET GLOBAL read_only = 0");
    assert_int_equal(run(&store, "INSERT INTO written VALUES (1)"), SL_OK);
    test_store_done(&store);
    tell("DROP USER writer@'%%'; DROP TABLE written");
}

static void what_is_over_the_server_s_packet_is_too_large(void **state)
{
    struct test_store store;
    char *text = sl_alloc(3 << 20);

    (void)state;
    memset(text, 'x', 3 << 20);
    const struct sl_sql_value value = {.type = SL_SQL_TEXT,
                                       .bytes = SL_BYTES(text, 3 << 20)};
    const struct sl_sql_parameters set = {&value, 1};
    const struct sl_sql_request request = {.verb = SL_SQL_QUERY,
                                           .statement =
                                               SL_LITERAL("SELECT length(?)"),
                                           .sets = &set,
                                           .set_count = 1};
    tell("SET GLOBAL max_allowed_packet = 2097152");
    open_store(&store, NULL, "");
    fault_call_is(&store, &request, SL_TOO_LARGE, "max_allowed_packet");
    assert_int_equal(run(&store, "SELECT 1"), SL_OK);
    test_store_done(&store);
    tell("SET GLOBAL max_allowed_packet = 67108864");
    open_store(&store, NULL, "");
    fault_call_is(&store, &request, SL_OK, "");
    test_store_done(&store);
    free(text);
}

/* --- All ----------------------------------------------------------------- */

static const struct CMUnitTest fault_tests[] = {
    cmocka_unit_test(wrong_credentials_are_unauthenticated),
    cmocka_unit_test(every_way_to_log_in_that_is_safe),
    cmocka_unit_test(a_client_certificate_is_shown),
    cmocka_unit_test(what_is_revoked_is_gone),
    cmocka_unit_test(an_account_that_is_locked_or_dropped_while_connected),
    cmocka_unit_test(too_many_connections_of_a_user),
    cmocka_unit_test(only_the_right_certificate_will_do),
    cmocka_unit_test(a_refused_connection_says_where),
    cmocka_unit_test(a_restarted_server_is_found_again),
    cmocka_unit_test(an_idle_connection_that_was_closed),
    cmocka_unit_test(a_server_killed_under_traffic_loses_nothing),
    cmocka_unit_test(a_cut_connection_loses_nothing),
    cmocka_unit_test(a_stalled_connection_times_out),
    cmocka_unit_test(a_delayed_connection_only_takes_longer),
    cmocka_unit_test(what_outlasts_its_deadline_is_killed),
    cmocka_unit_test(a_killed_query_is_unavailable),
    cmocka_unit_test(a_killed_connection_is_unavailable),
    cmocka_unit_test(one_of_a_deadlock_is_told),
    cmocka_unit_test(a_lock_that_is_not_let_go_is_a_conflict),
    cmocka_unit_test(a_full_server_is_unavailable),
    cmocka_unit_test(a_server_that_is_read_only),
    cmocka_unit_test(what_is_over_the_server_s_packet_is_too_large),
};

int main(void)
{
    enum { FAULTS = sizeof(fault_tests) / sizeof(fault_tests[0]), MOST = 64 };
    struct CMUnitTest tests[MOST];

    assert_true(FAULTS + mysql_session_test_count <= MOST);
    memcpy(tests, fault_tests, sizeof(fault_tests));
    memcpy(tests + FAULTS, mysql_session_tests,
           mysql_session_test_count * sizeof(tests[0]));
    return _cmocka_run_group_tests("faults.mysql", tests,
                                   FAULTS + mysql_session_test_count,
                                   start_server, stop_server);
}

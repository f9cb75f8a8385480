/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.mysql under faults, with a real server: the guest's call gets a typed
 * error by its deadline, and the next one works once the cause is gone.
 */
#include "faults/sql_mysql.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

bool is_mariadb(void)
{
    return strcmp(fault_server.name, "mariadb") == 0;
}

/* --- Statements ---------------------------------------------------------- */

static void tell_with(const char *options, const char *statements)
{
    fault_tell("-D slight %s -e \"%s\"", options, statements);
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
static char *settings_of(const char *user, const char *password,
                         const char *more)
{
    return sl_asprintf("url = \"mysqls://%s:%s@localhost:%d/slight\"\n"
                       "ca = \"%s/certs/ca.pem\"\n%s\n",
                       user, password, fault_port, fault_server.folder, more);
}

enum sl_status run(struct test_store *store, const char *statement)
{
    return sql_execute(store, NULL, statement);
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

/* Who may log in, and nothing more. */
static void a_user_without_rights(void **state)
{
    (void)state;
    tell("CREATE USER reader@'%%' IDENTIFIED BY 'pw'");
    first_call_is(settings_of("reader", "pw", ""), SL_PERMISSION_DENIED,
                  "reader");
    tell("DROP USER reader@'%%'");
}

static void every_way_to_log_in_that_is_safe(void **state)
{
    (void)state;
    if (is_mariadb()) {
        first_call_is(settings_of("edward", TEST_SERVER_PASSWORD, ""), SL_OK,
                      "");
        first_call_is(settings_of("edward", "wrong", ""), SL_UNAUTHENTICATED,
                      "Access denied");
    }
    /* Without TLS: caching_sha2_password by the server's key; and native. */
    first_call_is(sl_asprintf("url = \"mysql://slight:%s@127.0.0.1:%d/slight\"",
                              TEST_SERVER_PASSWORD, fault_port),
                  SL_OK, "");
    first_call_is(sl_asprintf("url = \"mysql://slight:%s@127.0.0.1:%d/slight\"",
                              "wrong", fault_port),
                  SL_UNAUTHENTICATED, "Access denied");
}

static void expect_refused(const char *more, const char *says)
{
    SL_CLEANUP(sl_freep)
    char *settings =
        sl_asprintf("url = \"mysql://slight@0.0.0.0/slight\"\n%s", more);
    struct test_store store;
    struct sl_error err;

    assert_int_equal(test_store_open(&store, "sql.mysql", settings, &err),
                     SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, says));
    test_store_done(&store);
}

/* A name of this machine that is not known to be one. */
static void log_in_from_afar(const char *more, enum sl_status expected,
                             const char *says)
{
    first_call_is(
        sl_asprintf("url = \"mysql://slight:%s@0.0.0.0:%d/slight\"\n%s",
                    TEST_SERVER_PASSWORD, fault_port, more),
        expected, says);
}

/* Who answers may be anybody, and would read the password. */
static void a_key_that_the_server_gives_is_not_trusted(void **state)
{
    SL_CLEANUP(sl_freep)
    char *make = sl_asprintf("openssl genrsa 2048 2>/dev/null | openssl rsa "
                             "-pubout >'%s/other.pem' 2>/dev/null && echo "
                             "none >'%s/none.pem'",
                             fault_server.folder, fault_server.folder);
    SL_CLEANUP(sl_freep)
    char *right =
        sl_asprintf("server-public-key = \"%s/mysql/data/public_key.pem\"",
                    fault_server.folder);
    SL_CLEANUP(sl_freep)
    char *other = sl_asprintf("server-public-key = \"%s/other.pem\"",
                              fault_server.folder);
    SL_CLEANUP(sl_freep)
    char *none =
        sl_asprintf("server-public-key = \"%s/none.pem\"", fault_server.folder);

    (void)state;
    if (is_mariadb()) { /* by mysql_native_password */
        log_in_from_afar("", SL_OK, "");
        return;
    }
    assert_int_equal(system(make), 0);
    log_in_from_afar("", SL_UNAUTHENTICATED, "server-public-key");
    tell("FLUSH PRIVILEGES"); /* the server has forgotten whom it knows */
    log_in_from_afar(right, SL_OK, "");
    tell("FLUSH PRIVILEGES");
    log_in_from_afar(other, SL_UNAUTHENTICATED, "");
    expect_refused(none, "RSA public key");
}

/* As other clients have it behind the ? of a URL: verified all the same. */
static void tls_by_a_parameter_of_the_url(void **state)
{
    static const struct {
        const char *parameters, *ca;
        enum sl_status expected;
    } cases[] = {
        {"ssl-mode=REQUIRED", "ca.pem", SL_OK},
        {"tls=true&charset=utf8mb4", "ca.pem", SL_OK},
        {"useSSL=true", "stranger.pem", SL_UNAUTHENTICATED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        first_call_is(
            sl_asprintf("url = \"mysql://slight:%s@localhost:%d/slight?%s\"\n"
                        "ca = \"%s/certs/%s\"",
                        TEST_SERVER_PASSWORD, fault_port, cases[i].parameters,
                        fault_server.folder, cases[i].ca),
            cases[i].expected, "");
}

static void a_client_certificate_is_shown(void **state)
{
    SL_CLEANUP(sl_freep)
    char *certificate = sl_asprintf("certificate = \"%s/certs/server.pem\"\n"
                                    "key = \"%s/certs/server.key\"",
                                    fault_server.folder, fault_server.folder);

    (void)state;
    first_call_is(settings_of("client", "", certificate), SL_OK, "");
    first_call_is(settings_of("client", "", ""), SL_UNAUTHENTICATED, "client");
}

static void what_is_revoked_is_gone(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("revoked", "pw", "");
    struct test_store store;

    (void)state;
    tell("CREATE USER revoked@'%%' IDENTIFIED BY 'pw';"
         "GRANT SELECT, INSERT ON slight.* TO revoked@'%%';"
         "CREATE TABLE work (id INT)");
    fault_open(&store, "sql.mysql", settings);
    OK(run(&store, "INSERT INTO work VALUES (1)"));
    IS(run(&store, "DELETE FROM work"), SL_PERMISSION_DENIED, "DELETE");

    /* While it is connected. */
    tell("REVOKE INSERT ON slight.* FROM revoked@'%%'; FLUSH PRIVILEGES");
    /* Such a right counts from the connection's next USE on. */
    test_store_done(&store);
    fault_open(&store, "sql.mysql", settings);
    IS(run(&store, "INSERT INTO work VALUES (1)"), SL_PERMISSION_DENIED,
       "INSERT");
    tell("GRANT INSERT ON slight.work TO revoked@'%%'");
    OK(run(&store, "INSERT INTO work VALUES (2)"));
    tell("REVOKE INSERT ON slight.work FROM revoked@'%%'");
    IS(run(&store, "INSERT INTO work VALUES (1)"), SL_PERMISSION_DENIED,
       "INSERT");
    test_store_done(&store);
    tell("DROP USER revoked@'%%'; DROP TABLE work");
}

/* What a component may neither see nor end. */
static void show_processes(void)
{
    tell(
        "CREATE OR REPLACE SQL SECURITY DEFINER VIEW processes AS SELECT * "
        "FROM information_schema.processlist;"
        "DROP PROCEDURE IF EXISTS end_one; DROP PROCEDURE IF EXISTS end_query");
    tell_routine("CREATE PROCEDURE end_one(n BIGINT) BEGIN DECLARE CONTINUE "
                 "HANDLER FOR 1094 BEGIN END; KILL n; END");
    tell_routine("CREATE PROCEDURE end_query(n BIGINT) BEGIN DECLARE CONTINUE "
                 "HANDLER FOR 1094 BEGIN END; KILL QUERY n; END");
}

static void others_are_out_of_reach(void **state)
{
    static const char *const denied[] = {
        "KILL 1",
        "KILL QUERY 1",
        "SHOW PROCESSLIST",
        "SELECT info FROM information_schema.`processlist`",
        "SELECT * FROM performance_schema.threads",
        "SELECT * FROM sys.session",
        "CREATE PROCEDURE ends() KILL 1",
    };
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        IS(run(&store, denied[i]), SL_PERMISSION_DENIED, "other connections");
    OK(run(&store, "SELECT connection_id()"));
    test_store_done(&store);
}

static void kill_connections_of(const char *user)
{
    struct test_store store;
    char query[256];

    show_processes();
    fault_open_own(&store, NULL, "");
    for (int i = 0; i < 50; i++) {
        snprintf(query, sizeof(query),
                 "SELECT coalesce(max(id), 0) FROM processes WHERE user = "
                 "'%s'",
                 user);
        const char *id = sql_value_of(&store, query);
        if (strcmp(id, "0") == 0)
            break;
        snprintf(query, sizeof(query), "CALL end_one(%.20s)", id);
        (void)run(&store, query); /* it may be gone */
    }
    test_store_done(&store);
}

static void an_account_that_is_locked_or_dropped_while_connected(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("guest", "pw", "");
    struct test_store store;

    (void)state;
    tell("CREATE USER guest@'%%' IDENTIFIED BY 'pw';"
         "GRANT ALL ON slight.* TO guest@'%%'");
    fault_open(&store, "sql.mysql", settings);
    OK(run(&store, "SELECT 1"));
    tell("ALTER USER guest@'%%' ACCOUNT LOCK");
    kill_connections_of("guest");
    IS(run(&store, "SELECT 1"), SL_UNAUTHENTICATED, "locked");
    tell("ALTER USER guest@'%%' ACCOUNT UNLOCK");
    OK(run(&store, "SELECT 1"));
    tell("DROP USER guest@'%%'");
    kill_connections_of("guest");
    IS(run(&store, "SELECT 1"), SL_UNAUTHENTICATED, "Access denied");
    test_store_done(&store);
}

static void too_many_connections_of_a_user(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("single", "pw", "retry.attempts = 1");
    struct test_store first, second;

    (void)state;
    tell("CREATE USER single@'%%' IDENTIFIED BY 'pw' WITH "
         "MAX_USER_CONNECTIONS 1; GRANT ALL ON slight.* TO single@'%%'");
    fault_open(&first, "sql.mysql", settings);
    fault_open(&second, "sql.mysql", settings);
    OK(run(&first, "SELECT 1"));
    IS(run(&second, "SELECT 1"), SL_UNAVAILABLE, "MAX_USER_CONNECTIONS");
    test_store_done(&first);
    enum sl_status status = SL_UNAVAILABLE;
    for (int i = 0; i < 6000 && status == SL_UNAVAILABLE; i++) {
        status = run(&second, "SELECT 1");
        usleep(20000);
    }
    assert_status(status, SL_OK);
    test_store_done(&second);
    tell("DROP USER single@'%%'");
}

/* --- A server that goes away --------------------------------------------- */

static void an_idle_connection_that_was_closed(void **state)
{
    struct test_store store;

    (void)state;
    tell("SET GLOBAL wait_timeout = 1");
    fault_open_own(&store, NULL, "connections = 1");
    OK(run(&store, "CREATE TABLE idle (id INT)"));
    usleep(2500000);
    OK(run(&store, "INSERT INTO idle VALUES (1)"));
    tell("SET GLOBAL wait_timeout = 28800");
    assert_string_equal(sql_value_of(&store, "SELECT count(*) FROM idle"), "1");
    OK(run(&store, "DROP TABLE idle"));
    test_store_done(&store);
}

/* --- Slow ---------------------------------------------------------------- */

/* Whether the server carries out such a statement. While it only prepares one,
 * a KILL QUERY is forgotten. */
static bool is_running(struct test_store *store, const char *part)
{
    char query[256];

    snprintf(query, sizeof(query),
             "SELECT count(*) FROM processes WHERE "
             "command = 'Execute' AND info LIKE '%%%s%%' AND info NOT LIKE "
             "'%%processlist%%'",
             part);
    return strcmp(sql_value_of(store, query), "0") != 0;
}

static void until_running(struct test_store *store, const char *part,
                          bool running)
{
    for (int i = 0; i < 3000; i++) {
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
    struct sl_session *tx = NULL;

    (void)state;
    show_processes();
    fault_open_own(&store, NULL, "");
    fault_open_own(&hasty, NULL, "timeout = \"700ms\"");
    OK(run(&store, "CREATE TABLE slow (n INT)"));
    OK(run(&store, "INSERT INTO slow VALUES (1)"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i == 2) {
            tx = sql_begin(&store, SL_SQL_DEFAULT, false);
            OK(sql_execute(&store, tx, "UPDATE slow SET n = 5"));
        }
        IS(run(&hasty, cases[i].statement), SL_TIMEOUT, "in time");
        until_running(&store, cases[i].part, false);
    }
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    assert_string_equal(sql_value_of(&store, "SELECT n FROM slow"), "5");
    OK(run(&store, "DROP TABLE slow"));
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

    caller->status =
        sql_execute(caller->store, caller->session, caller->statement);
    caller->retryable = said.retryable;
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

    show_processes();
    fault_open_own(&store, NULL, "retry.attempts = 1\ntimeout = \"60s\"");
    fault_open_own(&other, NULL, "");
    struct caller caller = {.store = &store, .statement = LONG_QUERY};
    assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
    until_running(&other, "collations d", true);
    snprintf(statement, sizeof(statement), "CALL %s(%.20s)", how,
             sql_value_of(&other,
                          "SELECT max(id) FROM processes "
                          "WHERE info LIKE '%collations d%' AND info NOT LIKE "
                          "'%processlist%'"));
    OK(run(&other, statement));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_status(caller.status, SL_UNAVAILABLE);
    OK(run(&store, "SELECT 1"));
    test_store_done(&other);
    test_store_done(&store);
}

static void a_killed_query_is_unavailable(void **state)
{
    (void)state;
    killed_by_an_administrator("end_query");
}

static void a_killed_connection_is_unavailable(void **state)
{
    (void)state;
    killed_by_an_administrator("end_one");
}

static void one_of_a_deadlock_is_told(void **state)
{
    struct test_store store;
    pthread_t thread;

    (void)state;
    tell("CREATE TABLE locked (id INT PRIMARY KEY, n INT);"
         "INSERT INTO locked VALUES (1, 0), (2, 0)");
    fault_open_own(&store, NULL, "");
    struct caller first = {&store, sql_begin(&store, SL_SQL_DEFAULT, false),
                           "UPDATE locked SET n = n + 1 WHERE id = 2", SL_OK,
                           false};
    struct caller second = {&store, sql_begin(&store, SL_SQL_DEFAULT, false),
                            "UPDATE locked SET n = n + 1 WHERE id = 1", SL_OK,
                            false};
    OK(sql_execute(&store, first.session, second.statement));
    OK(sql_execute(&store, second.session, first.statement));
    assert_int_equal(pthread_create(&thread, NULL, call, &first), 0);
    call(&second);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bool one = first.status == SL_OK;
    assert_true(one != (second.status == SL_OK));
    const struct caller *winner = one ? &first : &second;
    const struct caller *loser = one ? &second : &first;
    assert_status(loser->status, SL_ABORTED);
    assert_false(loser->retryable);
    IS(sql_end(&store, loser->session, SL_SQL_COMMIT), SL_CONFLICT, "");
    OK(sql_end(&store, winner->session, SL_SQL_COMMIT));
    assert_string_equal(sql_value_of(&store, "SELECT sum(n) FROM locked"), "2");
    test_store_done(&store);
    tell("DROP TABLE locked");
}

static void a_lock_that_is_not_let_go_aborts(void **state)
{
    struct test_store store;

    (void)state;
    tell("CREATE TABLE locked (id INT PRIMARY KEY, n INT);"
         "INSERT INTO locked VALUES (1, 0)");
    fault_open_own(&store, NULL, "");
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    OK(sql_execute(&store, tx, "UPDATE locked SET n = 1"));
    IS(run(&store, "UPDATE locked SET n = 2"), SL_ABORTED, "held a lock");
    assert_true(said.retryable);
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    assert_string_equal(sql_value_of(&store, "SELECT n FROM locked"), "1");
    test_store_done(&store);
    tell("DROP TABLE locked");
}

/* --- Limits -------------------------------------------------------------- */

static void a_server_that_is_read_only(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = settings_of("writer", "pw", "retry.attempts = 1");
    struct test_store store;

    (void)state;
    tell("CREATE USER writer@'%%' IDENTIFIED BY 'pw';"
         "GRANT SELECT, INSERT ON slight.* TO writer@'%%';"
         "CREATE TABLE read_only_one (id INT)");
    fault_open(&store, "sql.mysql", settings);
    tell("SET GLOBAL read_only = 1");
    IS(run(&store, "INSERT INTO read_only_one VALUES (1)"), SL_UNAVAILABLE,
       "read");
    tell("SET GLOBAL read_only = 0");
    OK(run(&store, "INSERT INTO read_only_one VALUES (1)"));
    test_store_done(&store);
    tell("DROP USER writer@'%%'; DROP TABLE read_only_one");
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
    fault_open_own(&store, NULL, "");
    fault_call_is(&store, &request, SL_TOO_LARGE, "max_allowed_packet");
    OK(run(&store, "SELECT 1"));
    test_store_done(&store);
    tell("SET GLOBAL max_allowed_packet = 67108864");
    fault_open_own(&store, NULL, "");
    fault_call_is(&store, &request, SL_OK, "");
    test_store_done(&store);
    free(text);
}

/* --- All ----------------------------------------------------------------- */

const struct fault_driver fault_driver = {
    .name = "sql.mysql",
    .service = &fault_mysql,
    SQL_FAULT_HOOKS,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQL_FAULT_CASES,
        cmocka_unit_test(a_user_without_rights),
        cmocka_unit_test(every_way_to_log_in_that_is_safe),
        cmocka_unit_test(a_key_that_the_server_gives_is_not_trusted),
        cmocka_unit_test(tls_by_a_parameter_of_the_url),
        cmocka_unit_test(a_client_certificate_is_shown),
        cmocka_unit_test(what_is_revoked_is_gone),
        cmocka_unit_test(an_account_that_is_locked_or_dropped_while_connected),
        cmocka_unit_test(too_many_connections_of_a_user),
        cmocka_unit_test(an_idle_connection_that_was_closed),
        cmocka_unit_test(others_are_out_of_reach),
        cmocka_unit_test(what_outlasts_its_deadline_is_killed),
        cmocka_unit_test(a_killed_query_is_unavailable),
        cmocka_unit_test(a_killed_connection_is_unavailable),
        cmocka_unit_test(one_of_a_deadlock_is_told),
        cmocka_unit_test(a_lock_that_is_not_let_go_aborts),
        cmocka_unit_test(a_server_that_is_read_only),
        cmocka_unit_test(what_is_over_the_server_s_packet_is_too_large),
        MYSQL_SESSION_CASES,
    };

    return cmocka_run_group_tests_name("faults.sql.mysql", tests, fault_start,
                                       fault_stop);
}

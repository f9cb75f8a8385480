/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/server.h"

void postgres_tell(const char *statement)
{
    fault_tell("-d slight -c \"%s\" >/dev/null", statement);
}

void postgres_least_rights(const char *sequence)
{
    static const char own[] = "schema = \"own\"";
    static const char least[] =
        "schema = \"own\"\nuser = \"least\"\npassword = \"least\"";
    struct test_store store;

    postgres_tell("CREATE SCHEMA own AUTHORIZATION slight; CREATE USER least "
                  "PASSWORD 'least'; GRANT USAGE ON SCHEMA own TO least");
    fault_open_own(&store, NULL, least); /* they are not there yet */
    fault_call_is(&store, fault_driver.write(-1), SL_PERMISSION_DENIED, "");
    test_store_done(&store);
    fault_open_own(&store, NULL, own);
    fault_call_is(&store, fault_driver.write(-2), SL_OK, "");
    test_store_done(&store);
    fault_tell("-d slight -c \"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
               "TABLES IN SCHEMA own TO least; GRANT USAGE ON SEQUENCE own.%s "
               "TO least\"",
               sequence);
    fault_open_own(&store, NULL, least);
    fault_call_is(&store, fault_driver.write(-3), SL_OK, "");
    test_store_done(&store);
}

/* --- Who takes writes --------------------------------------------------- */

static void let_writes(const char *read_only)
{
    fault_tell("-d slight -c 'ALTER SYSTEM SET default_transaction_read_only = "
               "%s' -c 'SELECT pg_reload_conf()' >/dev/null",
               read_only);
}

/* It takes its settings anew a moment later. */
static void until_write_is(struct test_store *store, enum sl_status expected,
                           const char *says)
{
    static int number = 500;
    int64_t give_up = sl_now_ns() + INT64_C(300000000000);
    struct sl_error err;

    do
        err = fault_call(store, fault_driver.write(++number));
    while (err.status != expected && sl_now_ns() < give_up);
    assert_status(err.status, expected);
    if (strstr(err.message, says) == NULL && expected != SL_OK)
        fail_msg("%s", err.message);
}

void postgres_no_writes(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1\nretry.attempts = 1");
    until_write_is(&store, SL_OK, "");
    let_writes("on");
    until_write_is(&store, SL_UNAVAILABLE, "25006");
    until_write_is(&store, SL_UNAVAILABLE, "25006");
    let_writes("off");
    until_write_is(&store, SL_OK, "");
    until_write_is(&store, SL_OK, "");
    test_store_done(&store);
}

static void open_at(struct test_store *store, const char *hosts,
                    const char *more)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf(
        "url = \"postgres://slight:%s@%s\"\ntls = \"require\"\n%s\n",
        TEST_SERVER_PASSWORD, hosts, more);

    fault_open(store, fault_driver.name, settings);
}

static void start_standby(struct test_server *standby)
{
    assert_int_equal(setenv("SL_TEST_STANDBY_OF", fault_server.folder, 1), 0);
    test_server_start(standby, "postgres", "server");
    unsetenv("SL_TEST_STANDBY_OF");
}

void postgres_fail_over(void **state)
{
    struct test_server standby;
    struct test_store both, alone, reader;

    (void)state;
    start_standby(&standby);
    const int port = fault_port_of(&standby);
    SL_CLEANUP(sl_freep)
    char *hosts = sl_asprintf("localhost:%d,127.0.0.1:%d/slight", port,
                              fault_port_of(&fault_server));
    SL_CLEANUP(sl_freep)
    char *one = sl_asprintf("localhost:%d/slight", port);
    SL_CLEANUP(sl_freep)
    char *of_standby = sl_asprintf("%s?target_session_attrs=standby", hosts);
    open_at(&both, hosts, "timeout = \"20s\"\nconnections = 2");
    open_at(&alone, one, "retry.attempts = 1");
    open_at(&reader, of_standby, "retry.attempts = 1");

    /* The standby is named first, and the primary is found. */
    until_write_is(&both, SL_OK, "");
    until_write_is(&alone, SL_UNAVAILABLE, "");
    until_write_is(&reader, SL_UNAVAILABLE, "");

    test_server_kill(&fault_server);
    assert_true(test_server_tell(&standby, "-d postgres -c 'SELECT "
                                           "pg_promote()' >/dev/null"));
    until_write_is(&both, SL_OK, "");
    until_write_is(&alone, SL_OK, "");
    /* There is none any more. */
    test_store_done(&reader);
    open_at(&reader, of_standby, "retry.attempts = 1");
    until_write_is(&reader, SL_UNAVAILABLE, "");
    test_store_done(&both);
    test_store_done(&alone);
    test_store_done(&reader);
    test_server_stop(&standby);
    test_server_restart(&fault_server);
}

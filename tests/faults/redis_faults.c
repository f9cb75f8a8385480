/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.redis on bad days, with a real server: the guest's call gets a typed error
 * by its deadline, and the next one works once the cause is gone.
 */
#include "faults/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv/driver.h"

static struct test_server server;
static int port;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", "server");
    port = test_server_port(&server, "SL_TEST_REDIS_PORT");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

/* --- Stores ------------------------------------------------------------- */

/* Over the proxy, or straight where that is NULL. */
static void open_store(struct test_store *store, const struct proxy *proxy,
                       const char *more)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "url = \"redis://:%s@127.0.0.1:%d\"\n%s\n", TEST_SERVER_PASSWORD,
             proxy == NULL ? port : proxy_port(proxy), more);
    fault_open(store, "kv.redis", settings);
}

static enum sl_status do_verb(struct test_store *store, enum sl_kv_verb verb,
                              const char *key, const char *value,
                              struct sl_kv_answer *out)
{
    const struct sl_kv_request request = {.verb = verb,
                                          .key = sl_bytes_of(key),
                                          .value = sl_bytes_of(value),
                                          .delta = 1,
                                          .limit = 10};
    struct sl_kv_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    sl_kv_answer_done(&answer);
    if (out != NULL)
        *out = answer;
    return answer.err.status;
}

static enum sl_status set(struct test_store *store, const char *key)
{
    return do_verb(store, SL_KV_SET, key, "value", NULL);
}

/* What a first call of a store with these settings says. */
static void first_call_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    const struct sl_kv_request get = {.verb = SL_KV_GET,
                                      .key = SL_LITERAL("k")};
    fault_first_call_is("kv.redis", settings, &get, expected, says);
}

/* --- Who may do what ---------------------------------------------------- */

static void wrong_credentials_are_unauthenticated(void **state)
{
    char url[256];

    (void)state;
    snprintf(url, sizeof(url), "url = \"redis://:wrong@127.0.0.1:%d\"", port);
    first_call_is(url, SL_UNAUTHENTICATED, "password is wrong");
    snprintf(url, sizeof(url), "url = \"redis://nobody:x@127.0.0.1:%d\"", port);
    first_call_is(url, SL_UNAUTHENTICATED, "user or the password");
    snprintf(url, sizeof(url), "url = \"redis://127.0.0.1:%d\"", port);
    first_call_is(url, SL_UNAUTHENTICATED, "set a password");
    snprintf(url, sizeof(url), "url = \"redis://:%s@127.0.0.1:%d/4000\"",
             TEST_SERVER_PASSWORD, port);
    first_call_is(url, SL_INVALID_ARGUMENT, "no such database");
}

static void access_rules_hold(void **state)
{
    char settings[256];
    struct test_store store;

    (void)state;
    assert_true(test_server_tell(
        &server, "acl setuser reader on '>pw' '~own:*' +get +exists +scan"));
    snprintf(settings, sizeof(settings),
             "url = \"redis://127.0.0.1:%d\"\nuser = \"reader\"\n"
             "password = \"pw\"\nprefix = \"own:\"",
             port);
    fault_open(&store, "kv.redis", settings);
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", "", NULL), SL_OK);
    assert_int_equal(set(&store, "k"), SL_PERMISSION_DENIED);

    /* Revoked while connected: the server ends the connection. */
    assert_true(test_server_tell(&server, "acl deluser reader"));
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", "", NULL),
                     SL_UNAUTHENTICATED);
    assert_true(
        test_server_tell(&server, "acl setuser reader on '>pw' '~own:*' +get"));
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", "", NULL), SL_OK);
    test_store_done(&store);
}

/* --- Certificates ------------------------------------------------------- */

static void tls_first_call(const char *certificate, const char *host,
                           const char *ca, enum sl_status expected,
                           const char *says)
{
    struct test_server own;
    char settings[512];

    test_server_start(&own, "redis", certificate);
    snprintf(settings, sizeof(settings),
             "url = \"rediss://:%s@%s:%d\"\nca = \"%s/certs/%s\"\n",
             TEST_SERVER_PASSWORD, host,
             test_server_port(&own, "SL_TEST_REDIS_TLS_PORT"), own.folder, ca);
    first_call_is(settings, expected, says);
    test_server_stop(&own);
}

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    tls_first_call("server", "localhost", "ca.pem", SL_OK, "");
    tls_first_call("server", "127.0.0.1", "ca.pem", SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "not for localhost");
    tls_first_call("server", "localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   "not trusted");
    tls_first_call("expired", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "time of the server's certificate");
}

static void tls_to_a_plain_port_says_so(void **state)
{
    char settings[512];

    (void)state;
    snprintf(settings, sizeof(settings),
             "url = \"rediss://:%s@127.0.0.1:%d\"\nca = \"%s/certs/ca.pem\"\n"
             "timeout = \"1s\"\nretry.attempts = 1",
             TEST_SERVER_PASSWORD, port, server.folder);
    first_call_is(settings, SL_TIMEOUT, "TLS");
}

/* --- A server that goes away -------------------------------------------- */

static void a_refused_connection_says_where(void **state)
{
    (void)state;
    first_call_is("url = \"redis://127.0.0.1:1\"", SL_UNAVAILABLE,
                  "127.0.0.1:1: connection refused");
    first_call_is("url = \"redis://no-such-host.invalid\"", SL_UNAVAILABLE,
                  "no-such-host.invalid");
}

static void a_restarted_server_is_found_again(void **state)
{
    struct test_store store;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(set(&store, "before"), SL_OK);
    test_server_kill(&server);
    assert_int_equal(set(&store, "while"), SL_UNAVAILABLE);
    test_server_restart(&server);
    /* Not idempotent, and yet sure not to have been sent on a dead one. */
    assert_int_equal(do_verb(&store, SL_KV_INCREMENT, "n", "", NULL), SL_OK);
    struct sl_kv_answer answer;
    assert_int_equal(do_verb(&store, SL_KV_EXISTS, "before", "", &answer),
                     SL_OK);
    assert_true(answer.found);
    test_store_done(&store);
}

/* --- In the middle of traffic ------------------------------------------- */

static enum sl_status write_number(struct fault_traffic *traffic, int writer,
                                   int number)
{
    char key[16], value[16];

    snprintf(key, sizeof(key), "w%d", writer);
    snprintf(value, sizeof(value), "%d", number);
    return do_verb(traffic->store, SL_KV_SET, key, value, NULL);
}

/* What is stored is what was answered last, or was on its way. */
static void nothing_acknowledged_is_lost(const struct fault_traffic *traffic)
{
    for (int i = 0; i < FAULT_WRITERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "w%d", i);
        const struct sl_kv_request get = {.verb = SL_KV_GET,
                                          .key = sl_bytes_of(key)};
        struct sl_kv_answer answer;
        assert_int_equal(
            sl_service_do(traffic->store->service, NULL, &get, 1, &answer),
            SL_OK);
        assert_true(answer.found);
        char text[16] = {0};
        memcpy(text, answer.value.bytes.ptr, answer.value.bytes.len);
        sl_kv_answer_done(&answer);
        int stored = (int)strtol(text, NULL, 10);
        if (stored < traffic->acknowledged[i] || stored > traffic->attempted[i])
            fail_msg("%s is %d; %d was acknowledged, %d attempted", key, stored,
                     traffic->acknowledged[i], traffic->attempted[i]);
    }
}

static void under_traffic(void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = write_number};

    open_store(&store, proxy, "timeout = \"2s\"\nretry.backoff = \"5ms\"");
    for (int i = 0; i < FAULT_WRITERS; i++)
        assert_int_equal(write_number(&traffic, i, 0), SL_OK);
    fault_traffic_run(&traffic, disturb, context);
    assert_int_equal(set(&store, "after"), SL_OK);
    nothing_acknowledged_is_lost(&traffic);
    test_store_done(&store);
}

static void a_server_killed_under_traffic_loses_nothing(void **state)
{
    (void)state;
    under_traffic(fault_kill_now_and_then, &server, NULL);
}

static void a_cut_connection_loses_nothing(void **state)
{
    struct proxy *proxy = proxy_new(0, port);

    (void)state;
    under_traffic(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

/* --- Slow, and full ----------------------------------------------------- */

static void a_stalled_connection_times_out(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    /* One connection, so that it is an open one that stalls. */
    open_store(&store, proxy, "timeout = \"300ms\"\nconnections = 1");
    assert_int_equal(set(&store, "k"), SL_OK);
    proxy_stall(proxy, true);
    do_verb(&store, SL_KV_INCREMENT, "stalled", "", &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_false(answer.retryable);
    do_verb(&store, SL_KV_GET, "k", "", &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_true(answer.retryable);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

static void a_delayed_connection_only_takes_longer(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;

    (void)state;
    proxy_delay(proxy, 5);
    open_store(&store, proxy, "");
    for (int i = 0; i < 10; i++)
        assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

static void a_full_server_is_unavailable(void **state)
{
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    open_store(&store, NULL, "");
    assert_true(test_server_tell(&server, "config set maxmemory 1"));
    do_verb(&store, SL_KV_SET, "k", "v", &answer);
    assert_true(test_server_tell(&server, "config set maxmemory 0"));
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    assert_non_null(strstr(answer.err.message, "out of memory"));
    assert_true(answer.retryable);
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
}

static void a_replica_takes_no_writes(void **state)
{
    struct test_store store;
    char words[64];

    (void)state;
    open_store(&store, NULL, "retry.attempts = 1");
    snprintf(words, sizeof(words), "replicaof 127.0.0.1 1");
    assert_true(test_server_tell(&server, words));
    assert_int_equal(set(&store, "k"), SL_UNAVAILABLE);
    assert_true(test_server_tell(&server, "replicaof no one"));
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
}

static void another_type_is_a_conflict(void **state)
{
    struct test_store store;

    (void)state;
    assert_true(test_server_tell(&server, "rpush list a b"));
    open_store(&store, NULL, "");
    assert_int_equal(do_verb(&store, SL_KV_GET, "list", "", NULL), SL_CONFLICT);
    assert_int_equal(do_verb(&store, SL_KV_INCREMENT, "list", "", NULL),
                     SL_CONFLICT);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_credentials_are_unauthenticated),
        cmocka_unit_test(access_rules_hold),
        cmocka_unit_test(only_the_right_certificate_will_do),
        cmocka_unit_test(tls_to_a_plain_port_says_so),
        cmocka_unit_test(a_refused_connection_says_where),
        cmocka_unit_test(a_restarted_server_is_found_again),
        cmocka_unit_test(a_server_killed_under_traffic_loses_nothing),
        cmocka_unit_test(a_cut_connection_loses_nothing),
        cmocka_unit_test(a_stalled_connection_times_out),
        cmocka_unit_test(a_delayed_connection_only_takes_longer),
        cmocka_unit_test(a_full_server_is_unavailable),
        cmocka_unit_test(a_replica_takes_no_writes),
        cmocka_unit_test(another_type_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}

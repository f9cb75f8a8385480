/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.etcd on bad days, with a real server: the guest's call gets a typed error
 * by its deadline, and the next one works once the cause is gone.
 * etcd_locks_faults.c and etcd_traffic_faults.c have those of lockd.etcd.
 */
#include "faults/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/driver.h"

static struct test_server server;
static int port;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "etcd", "server");
    port = test_server_port(&server, "SL_TEST_ETCD_PORT");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

/* --- Stores --------------------------------------------------------------- */

#define LOGIN "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"\n"

/* Over the proxy, or straight where that is NULL. */
static void open_store(struct test_store *store, const struct proxy *proxy,
                       const char *more)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" LOGIN "%s\n",
             proxy == NULL ? port : proxy_port(proxy), more);
    fault_open(store, "kv.etcd", settings);
}

static enum sl_status do_request(struct test_store *store,
                                 const struct sl_kv_request *request,
                                 struct sl_kv_answer *out)
{
    struct sl_kv_answer answer;

    sl_service_do(store->service, NULL, request, 1, &answer);
    sl_kv_answer_done(&answer);
    if (out != NULL)
        *out = answer;
    return answer.err.status;
}

static enum sl_status do_verb(struct test_store *store, enum sl_kv_verb verb,
                              const char *key, struct sl_kv_answer *out)
{
    const struct sl_kv_request request = {.verb = verb,
                                          .key = sl_bytes_of(key),
                                          .value = SL_LITERAL("value"),
                                          .delta = 1,
                                          .limit = 10};

    return do_request(store, &request, out);
}

static enum sl_status set(struct test_store *store, const char *key)
{
    return do_verb(store, SL_KV_SET, key, NULL);
}

/* What a first call of a store with these settings says. */
static void first_call_is(const char *settings, enum sl_status expected,
                          const char *says)
{
    const struct sl_kv_request get = {.verb = SL_KV_GET,
                                      .key = SL_LITERAL("k")};
    fault_first_call_is("kv.etcd", settings, &get, expected, says);
}

/* --- Who may do what ------------------------------------------------------ */

static void wrong_credentials_are_unauthenticated(void **state)
{
    static const char *const logins[][2] = {
        {"user = \"slight\"\npassword = \"wrong\"", "password is wrong"},
        {"user = \"nobody\"\npassword = \"x\"", "password is wrong"},
        {"", "set `user`"},
    };
    char settings[256];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(settings, sizeof(settings),
                 "endpoints = \"http://127.0.0.1:%d\"\n%s", port, logins[i][0]);
        first_call_is(settings, SL_UNAUTHENTICATED, logins[i][1]);
    }
}

static void tell(const char *words)
{
    if (!test_server_tell(&server, words))
        fail_msg("%s", words);
}

static void access_rules_hold(void **state)
{
    char settings[256];
    struct test_store store;

    (void)state;
    tell("role add reader");
    tell("role grant-permission reader --prefix=true read own/");
    tell("user add reader:pw");
    tell("user grant-role reader reader");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\nuser = \"reader\"\n"
             "password = \"pw\"\nprefix = \"own/\"",
             port);
    fault_open(&store, "kv.etcd", settings);
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", NULL), SL_OK);
    assert_int_equal(do_verb(&store, SL_KV_KEYS, "", NULL), SL_OK);
    assert_int_equal(set(&store, "k"), SL_PERMISSION_DENIED);
    assert_int_equal(do_verb(&store, SL_KV_INCREMENT, "n", NULL),
                     SL_PERMISSION_DENIED);

    /* Revoked while connected. */
    tell("user revoke-role reader reader");
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", NULL),
                     SL_PERMISSION_DENIED);
    tell("user delete reader");
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", NULL), SL_UNAUTHENTICATED);
    tell("user add reader:pw");
    tell("user grant-role reader reader");
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", NULL), SL_OK);

    /* Another password: the login of before is no good any more. */
    tell("user delete reader");
    tell("user add reader:other");
    tell("user grant-role reader reader");
    assert_int_equal(do_verb(&store, SL_KV_GET, "k", NULL), SL_UNAUTHENTICATED);
    test_store_done(&store);
}

/* --- Certificates --------------------------------------------------------- */

static void tls_call(const struct test_server *own, const char *host,
                     const char *more, enum sl_status expected,
                     const char *says)
{
    char settings[1024];

    snprintf(settings, sizeof(settings),
             "endpoints = \"https://%s:%d\"\n" LOGIN "%s\n", host,
             test_server_port(own, "SL_TEST_ETCD_TLS_PORT"), more);
    first_call_is(settings, expected, says);
}

static void tls_first_call(const char *certificate, const char *host,
                           const char *ca, enum sl_status expected,
                           const char *says)
{
    struct test_server own;
    char more[128];

    test_server_start(&own, "etcd", certificate);
    snprintf(more, sizeof(more), "ca = \"%s/certs/%s\"", own.folder, ca);
    tls_call(&own, host, more, expected, says);
    test_server_stop(&own);
}

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    tls_first_call("server", "localhost", "ca.pem", SL_OK, "");
    tls_first_call("server", "127.0.0.1", "ca.pem", SL_OK, "");
    tls_first_call("other", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "not for this name");
    tls_first_call("server", "localhost", "stranger.pem", SL_UNAUTHENTICATED,
                   "not trusted");
    tls_first_call("expired", "localhost", "ca.pem", SL_UNAUTHENTICATED,
                   "expired");
}

static void a_client_shows_its_certificate(void **state)
{
    struct test_server own;
    char more[512];

    (void)state;
    setenv("SL_TEST_ETCD_CLIENTS", "1", 1);
    test_server_start(&own, "etcd", "server");
    unsetenv("SL_TEST_ETCD_CLIENTS");
    const char *folder = own.folder;
    snprintf(more, sizeof(more), "ca = \"%s/certs/ca.pem\"", folder);
    tls_call(&own, "localhost", more, SL_UNAUTHENTICATED, "set `cert`");
    snprintf(more, sizeof(more),
             "ca = \"%s/certs/ca.pem\"\ncert = \"%s/certs/stranger.pem\"\n"
             "key = \"%s/certs/stranger.key\"",
             folder, folder, folder);
    tls_call(&own, "localhost", more, SL_UNAUTHENTICATED, "set `cert`");
    snprintf(more, sizeof(more),
             "ca = \"%s/certs/ca.pem\"\ncert = \"%s/certs/other.pem\"\n"
             "key = \"%s/certs/other.key\"",
             folder, folder, folder);
    tls_call(&own, "localhost", more, SL_UNAUTHENTICATED, "common name");
    snprintf(more, sizeof(more),
             "ca = \"%s/certs/ca.pem\"\ncert = \"%s/certs/nameless.pem\"\n"
             "key = \"%s/certs/nameless.key\"",
             folder, folder, folder);
    tls_call(&own, "localhost", more, SL_OK, "");
    test_server_stop(&own);
}

static void tls_to_a_plain_port_says_so(void **state)
{
    char settings[512];

    (void)state;
    snprintf(settings, sizeof(settings),
             "endpoints = \"https://127.0.0.1:%d\"\n" LOGIN
             "ca = \"%s/certs/ca.pem\"\ntimeout = \"2s\"\nretry.attempts = 1",
             port, server.folder);
    first_call_is(settings, SL_UNAVAILABLE, "TLS");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" LOGIN
             "timeout = \"2s\"\nretry.attempts = 1",
             test_server_port(&server, "SL_TEST_ETCD_TLS_PORT"));
    first_call_is(settings, SL_UNAVAILABLE, "closed the connection");
}

/* --- A server that goes away ---------------------------------------------- */

static void a_refused_connection_says_where(void **state)
{
    (void)state;
    first_call_is("endpoints = \"http://127.0.0.1:1\"", SL_UNAVAILABLE,
                  "127.0.0.1:1: no connection");
    first_call_is("endpoints = \"http://no-such-host.invalid\"", SL_UNAVAILABLE,
                  "no-such-host.invalid");
}

/* Its logins end with it. */
static void a_restarted_server_is_found_again(void **state)
{
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(set(&store, "before"), SL_OK);
    test_server_kill(&server);
    assert_int_equal(set(&store, "while"), SL_UNAVAILABLE);
    test_server_restart(&server);
    /* Not idempotent, and yet sure not to have been sent on a dead one. */
    assert_int_equal(do_verb(&store, SL_KV_INCREMENT, "n", NULL), SL_OK);
    assert_int_equal(do_verb(&store, SL_KV_EXISTS, "before", &answer), SL_OK);
    assert_true(answer.found);
    test_store_done(&store);
}

/* --- In the middle of traffic --------------------------------------------- */

static enum sl_status write_number(struct fault_traffic *traffic, int writer,
                                   int number)
{
    char key[16], value[16];

    snprintf(key, sizeof(key), "w%d", writer);
    snprintf(value, sizeof(value), "%d", number);
    const struct sl_kv_request request = {.verb = SL_KV_SET,
                                          .key = sl_bytes_of(key),
                                          .value = sl_bytes_of(value)};
    return do_request(traffic->store, &request, NULL);
}

static int64_t number_under(struct test_store *store, const char *key)
{
    const struct sl_kv_request get = {.verb = SL_KV_GET,
                                      .key = sl_bytes_of(key)};
    struct sl_kv_answer answer;
    int64_t number = -1;

    assert_int_equal(sl_service_do(store->service, NULL, &get, 1, &answer),
                     SL_OK);
    assert_true(sl_bytes_to_integer(answer.value.bytes, &number));
    sl_kv_answer_done(&answer);
    return number;
}

/* What is stored is what was answered last, or was on its way. */
static void nothing_acknowledged_is_lost(const struct fault_traffic *traffic)
{
    for (int i = 0; i < FAULT_WRITERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "w%d", i);
        int64_t stored = number_under(traffic->store, key);
        if (stored < traffic->acknowledged[i] || stored > traffic->attempted[i])
            fail_msg("%s is %d; %d was acknowledged, %d attempted", key,
                     (int)stored, traffic->acknowledged[i],
                     traffic->attempted[i]);
    }
}

static void under_traffic(void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = write_number};

    open_store(&store, proxy, "timeout = \"4s\"\nretry.backoff = \"5ms\"");
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

static enum sl_status add_one(struct fault_traffic *traffic, int writer,
                              int number)
{
    (void)writer;
    (void)number;
    return do_verb(traffic->store, SL_KV_INCREMENT, "sum", NULL);
}

/* All add to one number, and no addition counts twice. */
static void sums_are_right_after_cuts(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = add_one};
    int acknowledged = 0;

    (void)state;
    open_store(&store, proxy, "timeout = \"4s\"\nretry.backoff = \"5ms\"");
    do_verb(&store, SL_KV_DELETE, "sum", NULL);
    fault_traffic_run(&traffic, fault_cut_now_and_then, proxy);
    /* Writers number their calls; what failed may have been done, or not. */
    int attempted = 0;
    for (int i = 0; i < FAULT_WRITERS; i++)
        attempted += traffic.attempted[i];
    acknowledged = attempted - traffic.failures;
    int64_t sum = number_under(&store, "sum");
    assert_in_range(sum, acknowledged, attempted);
    test_store_done(&store);
    proxy_free(proxy);
}

/* --- Slow, and full ------------------------------------------------------- */

static void a_stalled_connection_times_out(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;
    struct sl_kv_answer answer;

    (void)state;
    /* One connection, so that it is an open one that stalls. */
    open_store(&store, proxy, "timeout = \"2s\"\nconnections = 1");
    assert_int_equal(set(&store, "k"), SL_OK);
    proxy_stall(proxy, true);
    do_verb(&store, SL_KV_DELETE, "stalled", &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_false(answer.retryable);
    do_verb(&store, SL_KV_GET, "k", &answer);
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

static enum sl_status set_many(struct test_store *store, size_t count,
                               size_t large, size_t size,
                               enum sl_status statuses[])
{
    struct sl_kv_request *requests = sl_alloc_array(count, sizeof(*requests));
    struct sl_kv_answer *answers = sl_alloc_array(count, sizeof(*answers));
    char *bytes = sl_alloc(size), (*keys)[16] = sl_alloc_array(count, 16);

    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof(keys[i]), "many%zu", i);
        requests[i] = (struct sl_kv_request){
            .verb = SL_KV_SET,
            .key = sl_bytes_of(keys[i]),
            .value = SL_BYTES(bytes, i == large ? size : 1)};
    }
    enum sl_status first =
        sl_service_do(store->service, NULL, requests, count, answers);
    for (size_t i = 0; i < count; i++)
        statuses[i] = answers[i].err.status;
    sl_answers_done(store->service, answers, count);
    free(requests);
    free(answers);
    free(bytes);
    free(keys);
    return first;
}

/* One of many is refused, and the others are written. */
static void a_value_that_etcd_does_not_take(void **state)
{
    enum { COUNT = 5, LARGE = 3, SIZE = 3 << 20 };
    enum sl_status statuses[COUNT];
    struct test_store store;

    (void)state;
    open_store(&store, NULL, "");
    set_many(&store, COUNT, LARGE, SIZE, statuses);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(statuses[i], i == LARGE ? SL_TOO_LARGE : SL_OK);
    test_store_done(&store);
}

/* As an operator does: all but the newest version of each key goes. */
static void make_room(struct test_store *store, const struct test_server *own)
{
    const struct sl_kv_request get = {
        .verb = SL_KV_GET, .key = SL_LITERAL("many0"), .want_version = true};
    struct sl_kv_answer answer;
    char compact[128];

    assert_int_equal(do_request(store, &get, &answer), SL_OK);
    snprintf(compact, sizeof(compact), "compact %s", answer.version);
    assert_true(test_server_tell(own, compact));
    assert_true(test_server_tell(own, "defrag"));
    assert_true(test_server_tell(own, "alarm disarm"));
}

/* A server with smaller limits than usual, and soon full. */
static void a_full_server_is_unavailable(void **state)
{
    enum { COUNT = 50, SIZE = 1 << 20 };
    enum sl_status statuses[COUNT];
    struct test_server own;
    struct test_store store;
    struct sl_kv_answer answer;
    char settings[256];
    enum sl_status status = SL_OK;

    (void)state;
    setenv("SL_TEST_ETCD_ARGS",
           "--quota-backend-bytes 16777216 --max-txn-ops 4", 1);
    test_server_start(&own, "etcd", "server");
    unsetenv("SL_TEST_ETCD_ARGS");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" LOGIN,
             test_server_port(&own, "SL_TEST_ETCD_PORT"));
    fault_open(&store, "kv.etcd", settings);
    set_many(&store, COUNT, COUNT, 1, statuses); /* in parts of 4 at most */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(statuses[i], SL_OK);
    for (int i = 0; i < 100 && status == SL_OK; i++)
        status = set_many(&store, 1, 0, SIZE, statuses);
    assert_int_equal(status, SL_UNAVAILABLE);
    do_verb(&store, SL_KV_SET, "k", &answer);
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    assert_non_null(strstr(answer.err.message, "full"));
    assert_true(answer.retryable);
    assert_int_equal(do_verb(&store, SL_KV_GET, "many0", NULL), SL_OK);

    make_room(&store, &own);
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    test_server_stop(&own);
}

/* --- Several endpoints ---------------------------------------------------- */

static void open_two(struct test_store *store, int first, int second)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d, http://127.0.0.1:%d\"\n" LOGIN
             "timeout = \"5s\"\nconnections = 1",
             first, second);
    fault_open(store, "kv.etcd", settings);
}

static void an_endpoint_that_is_down_is_passed_over(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;

    (void)state;
    open_two(&store, 1, proxy_port(proxy));
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    open_two(&store, proxy_port(proxy), port);
    assert_int_equal(set(&store, "k"), SL_OK);
    assert_true(proxy_connections(proxy) > 0);
    proxy_free(proxy); /* and now it is down */
    assert_int_equal(do_verb(&store, SL_KV_INCREMENT, "n", NULL), SL_OK);
    test_store_done(&store);
}

static void an_endpoint_that_stalls_is_passed_over(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store store;

    (void)state;
    /* From the start: each gets its part of the time. */
    proxy_stall(proxy, true);
    open_two(&store, proxy_port(proxy), port);
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    /* Later: the call is lost, and the next one goes elsewhere. */
    proxy_stall(proxy, false);
    open_two(&store, proxy_port(proxy), port);
    assert_int_equal(set(&store, "k"), SL_OK);
    proxy_stall(proxy, true);
    assert_int_equal(set(&store, "k"), SL_TIMEOUT);
    assert_int_equal(set(&store, "k"), SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_credentials_are_unauthenticated),
        cmocka_unit_test(access_rules_hold),
        cmocka_unit_test(only_the_right_certificate_will_do),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(tls_to_a_plain_port_says_so),
        cmocka_unit_test(a_refused_connection_says_where),
        cmocka_unit_test(a_restarted_server_is_found_again),
        cmocka_unit_test(a_server_killed_under_traffic_loses_nothing),
        cmocka_unit_test(a_cut_connection_loses_nothing),
        cmocka_unit_test(sums_are_right_after_cuts),
        cmocka_unit_test(a_stalled_connection_times_out),
        cmocka_unit_test(a_delayed_connection_only_takes_longer),
        cmocka_unit_test(a_value_that_etcd_does_not_take),
        cmocka_unit_test(a_full_server_is_unavailable),
        cmocka_unit_test(an_endpoint_that_is_down_is_passed_over),
        cmocka_unit_test(an_endpoint_that_stalls_is_passed_over),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.etcd under faults, with a real server: the guest's call gets a typed error
 * by its deadline, and the next one works once the cause is gone.
 * lockd_etcd.c and lockd_etcd_many.c have those of lockd.etcd.
 */
#include "faults/kv_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const struct fault_driver fault_driver = {
    .name = "kv.etcd",
    .service = &fault_etcd,
    KV_FAULT_HOOKS,
};

/* --- Who may do what ------------------------------------------------------ */

static void a_right_to_read_is_none_to_write(void **state)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("endpoints = \"http://127.0.0.1:%d\"\n"
                                 "user = \"reader\"\npassword = \"pw\"\n"
                                 "prefix = \"own/\"",
                                 fault_port);
    struct test_store store;

    (void)state;
    fault_tell("role add reader");
    fault_tell("role grant-permission reader --prefix=true read own/");
    fault_tell("user add reader:pw");
    fault_tell("user grant-role reader reader");
    fault_open(&store, "kv.etcd", settings);
    assert_status(kv_do(&store, SL_KV_GET, "k", "", NULL), SL_OK);
    assert_status(kv_do(&store, SL_KV_KEYS, "", "", NULL), SL_OK);
    assert_status(kv_set(&store, "k"), SL_PERMISSION_DENIED);
    assert_status(kv_do(&store, SL_KV_INCREMENT, "n", "", NULL),
                  SL_PERMISSION_DENIED);
    fault_tell("user revoke-role reader reader");
    assert_status(kv_do(&store, SL_KV_GET, "k", "", NULL),
                  SL_PERMISSION_DENIED);
    /* Another password: the login of before is no good any more. */
    fault_tell("user delete reader");
    fault_tell("user add reader:other");
    fault_tell("user grant-role reader reader");
    assert_status(kv_do(&store, SL_KV_GET, "k", "", NULL), SL_UNAUTHENTICATED);
    test_store_done(&store);
}

/* With settings of TLS by the server's own authority. */
static void tls_call(const struct test_server *own, const char *more,
                     enum sl_status expected, const char *says)
{
    SL_CLEANUP(sl_freep)
    char *settings = fault_tls_settings(own, "localhost", "ca.pem", more);

    fault_first_write_is(settings, expected, says);
}

/* One of the server's certs/. */
static void with_certificate(const struct test_server *own, const char *name,
                             enum sl_status expected, const char *says)
{
    SL_CLEANUP(sl_freep)
    char *more = sl_asprintf("cert = \"%s/certs/%s.pem\"\nkey = "
                             "\"%s/certs/%s.key\"",
                             own->folder, name, own->folder, name);

    tls_call(own, more, expected, says);
}

static void a_client_shows_its_certificate(void **state)
{
    struct test_server own;

    (void)state;
    setenv("SL_TEST_ETCD_CLIENTS", "1", 1);
    test_server_start(&own, "etcd", "server");
    unsetenv("SL_TEST_ETCD_CLIENTS");
    tls_call(&own, "", SL_UNAUTHENTICATED, "set `cert`");
    with_certificate(&own, "stranger", SL_UNAUTHENTICATED, "set `cert`");
    with_certificate(&own, "other", SL_UNAUTHENTICATED, "common name");
    with_certificate(&own, "nameless", SL_OK, "");
    test_server_stop(&own);
}

/* --- Many, and large ------------------------------------------------------ */

static enum sl_status set_many(struct test_store *store, size_t count,
                               size_t large, size_t size,
                               enum sl_status statuses[])
{
    struct sl_kv_request *requests = sl_alloc_array(count, sizeof(*requests));
    struct sl_kv_answer *answers = sl_alloc_array(count, sizeof(*answers));
    char *bytes = sl_alloc(size), (*keys)[32] = sl_alloc_array(count, 32);

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
    fault_open_own(&store, NULL, "");
    set_many(&store, COUNT, LARGE, SIZE, statuses);
    for (int i = 0; i < COUNT; i++)
        assert_status(statuses[i], i == LARGE ? SL_TOO_LARGE : SL_OK);
    test_store_done(&store);
}

/* By a server with smaller limits than usual. */
static void many_are_written_in_parts(void **state)
{
    enum { COUNT = 50 };
    enum sl_status statuses[COUNT];
    struct test_server own;
    struct test_store store;

    (void)state;
    setenv("SL_TEST_ETCD_ARGS", "--max-txn-ops 4", 1);
    test_server_start(&own, "etcd", "server");
    unsetenv("SL_TEST_ETCD_ARGS");
    fault_open_at(&store, &own, "");
    set_many(&store, COUNT, COUNT, 1, statuses);
    for (int i = 0; i < COUNT; i++)
        assert_status(statuses[i], SL_OK);
    test_store_done(&store);
    test_server_stop(&own);
}

/* --- Several endpoints ---------------------------------------------------- */

static void open_two(struct test_store *store, int first, int second)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d, http://127.0.0.1:%d\"\n"
             "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"\n"
             "timeout = \"10s\"\nconnections = 1",
             first, second);
    fault_open(store, "kv.etcd", settings);
}

static void an_endpoint_that_is_down_is_passed_over(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    open_two(&store, 1, proxy_port(proxy));
    assert_status(kv_set(&store, "k"), SL_OK);
    test_store_done(&store);
    open_two(&store, proxy_port(proxy), fault_port);
    assert_status(kv_set(&store, "k"), SL_OK);
    assert_true(proxy_connections(proxy) > 0);
    proxy_free(proxy); /* and now it is down */
    assert_status(kv_do(&store, SL_KV_INCREMENT, "n", "", NULL), SL_OK);
    test_store_done(&store);
}

static void an_endpoint_that_stalls_is_passed_over(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    /* From the start: each gets its part of the time. */
    proxy_stall(proxy, true);
    open_two(&store, proxy_port(proxy), fault_port);
    assert_status(kv_set(&store, "k"), SL_OK);
    test_store_done(&store);
    /* Later: the call is lost, and the next one goes elsewhere. */
    proxy_stall(proxy, false);
    open_two(&store, proxy_port(proxy), fault_port);
    assert_status(kv_set(&store, "k"), SL_OK);
    proxy_stall(proxy, true);
    assert_status(kv_set(&store, "k"), SL_TIMEOUT);
    assert_status(kv_set(&store, "k"), SL_OK);
    test_store_done(&store);
    proxy_free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KV_FAULT_CASES,
        FAULT_TWO_PORTS_CASE,
        cmocka_unit_test(a_right_to_read_is_none_to_write),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(a_value_that_etcd_does_not_take),
        cmocka_unit_test(many_are_written_in_parts),
        cmocka_unit_test(an_endpoint_that_is_down_is_passed_over),
        cmocka_unit_test(an_endpoint_that_stalls_is_passed_over),
    };

    return cmocka_run_group_tests_name("faults.kv.etcd", tests, fault_start,
                                       fault_stop);
}

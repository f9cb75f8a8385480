/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd with many who want a lock, under faults: it never has two holders,
 * whatever happens to servers and connections.
 */
#include "faults/lockd_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http/http.h"

static _Atomic int wrong;

/* --- Many who wait ------------------------------------------------------ */

/* Transactions that the server has done. */
static long transactions(void)
{
    static const char name[] =
        "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\"";
    const struct sl_http_config config = {0};
    struct sl_http *http = sl_http_new(&config);
    struct sl_http_answer answer = {.body = SL_BUF(8 << 20)};
    struct sl_error err;
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", fault_port);
    const struct sl_http_request request = {
        .method = "GET", .url = url, .deadline = sl_deadline_in_ms(60000)};
    assert_status(sl_http_do(http, &request, &answer, &err), SL_OK);
    const char *line =
        memmem(answer.body.ptr, answer.body.len, name, strlen(name));
    assert_non_null(line);
    long count = strtol(strchr(line, '}') + 1, NULL, 10);
    sl_http_answer_done(&answer);
    sl_http_free(http);
    return count;
}

struct one_of_many {
    struct test_store *store;
    struct sl_call *call;
    _Atomic int *left;
};

static void pass_it_on(void *context)
{
    struct one_of_many *one = context;
    struct sl_lockd_answer answer;

    sl_call_collect(one->call, &answer);
    const struct sl_lockd_request give_back = {
        .verb = SL_LOCKD_RELEASE,
        .key = SL_LITERAL("many"),
        .holder = sl_bytes_of(answer.holder),
    };
    if (answer.err.status == SL_OK)
        sl_service_post(one->store->service, NULL, &give_back, 1);
    else
        atomic_store(&wrong, 3);
    atomic_fetch_sub(one->left, 1);
}

/* Whoever waits asks the server when its turn may have come, not whenever
 * anybody's has. */
static void who_waits_is_no_herd(void **state)
{
    enum { MANY = 60 };
    const struct terms terms = {"many", 600000, 600000, false};
    const struct sl_lockd_request request = lock_request_of(terms);
    struct test_store stores[2];
    struct one_of_many many[MANY];
    _Atomic int left = MANY;

    (void)state;
    fault_open_own(&stores[0], NULL, "");
    fault_open_own(&stores[1], NULL, "");
    struct sl_lock *lock = lock_must_acquire(&stores[0], terms);
    long before = transactions();
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct one_of_many){&stores[i % 2], NULL, &left};
        sl_service_submit(stores[i % 2].service, NULL, &request, 1, pass_it_on,
                          &many[i], &many[i].call);
    }
    usleep(500000);
    assert_status(lock_release(&stores[0], lock), SL_OK);
    while (atomic_load(&left) > 0)
        usleep(10000);
    /* Each enters and looks, and looks once or twice more: in a herd they would
     * look 60 * 60 / 2 times. */
    long took = transactions() - before;
    assert_in_range(took, MANY, MANY * 8);
    assert_int_equal(atomic_load(&wrong), 0);
    for (int i = 0; i < MANY; i++)
        sl_call_release(many[i].call);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
}

/* --- A cluster ------------------------------------------------------------ */

enum { MEMBERS = 3 };

static struct test_server members[MEMBERS];

static void start_members(void)
{
    static const char *const names[MEMBERS] = {"a", "b", "c"};
    char cluster[128];

    snprintf(cluster, sizeof(cluster), "a=%d b=%d c=%d", test_free_port(),
             test_free_port(), test_free_port());
    setenv("SL_TEST_ETCD_CLUSTER", cluster, 1);
    for (int i = 0; i < MEMBERS; i++) {
        setenv("SL_TEST_ETCD_MEMBER", names[i], 1);
        test_server_start(&members[i], "etcd", "server");
    }
}

/* Each in its turn, and so the leader too. */
static void kill_members(void *context)
{
    static const char *const names[MEMBERS] = {"a", "b", "c"};

    (void)context;
    for (int i = 0; i < MEMBERS; i++) {
        usleep(1500000);
        test_server_kill(&members[i]);
        usleep(2000000);
        setenv("SL_TEST_ETCD_MEMBER", names[i], 1);
        test_server_restart(&members[i]);
    }
    usleep(2000000);
}

static void open_cluster(struct test_store *store, int first)
{
    char settings[512];
    int ports[MEMBERS];

    for (int i = 0; i < MEMBERS; i++)
        ports[i] = test_server_port(&members[(first + i) % MEMBERS],
                                    "SL_TEST_ETCD_PORT");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d,http://127.0.0.1:%d,"
             "http://127.0.0.1:%d\"",
             ports[0], ports[1], ports[2]);
    fault_open(store, "lockd.etcd", settings);
}

static void a_cluster_of_which_members_die(void **state)
{
    const struct terms kept = {"kept", 60000, 300000, true};
    struct test_store stores[2];

    (void)state;
    start_members();
    open_cluster(&stores[0], 0);
    open_cluster(&stores[1], 1);
    struct sl_lock *lock = lock_must_acquire(&stores[0], kept);
    lock_take_turns(stores, kill_members, NULL);
    assert_true(sl_lock_is_held(lock)); /* all the time */
    assert_status(lock_release(&stores[0], lock), SL_OK);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
    for (int i = 0; i < MEMBERS; i++)
        test_server_stop(&members[i]);
    unsetenv("SL_TEST_ETCD_CLUSTER");
    unsetenv("SL_TEST_ETCD_MEMBER");
}

const struct fault_driver fault_driver = {
    .name = "lockd.etcd",
    .service = &fault_etcd,
    LOCKD_FAULT_HOOKS,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_no_herd),
        cmocka_unit_test(a_cluster_of_which_members_die),
    };

    return cmocka_run_group_tests_name("faults.lockd.etcd_many", tests,
                                       fault_start, fault_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd on bad days, with a real server: no lock has two holders, who lost
 * one learns that, and who waits goes on.
 */
#include "faults/faults.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kv/kv.h"
#include "lockd/driver.h"

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

#define LOGIN "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"\n"

static void open_at(struct test_store *store, int at, const char *more)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" LOGIN "%s\n", at, more);
    fault_open(store, "lockd.etcd", settings);
}

static void tell(const char *words)
{
    if (!test_server_tell(&server, words))
        fail_msg("%s", words);
}

/* --- Locks ---------------------------------------------------------------- */

struct terms {
    const char *key;
    uint64_t ttl_ms;
    uint64_t wait_ms;
    bool keep_alive;
};

static struct sl_lockd_request request_of(struct terms terms)
{
    return (struct sl_lockd_request){
        .verb = SL_LOCKD_ACQUIRE,
        .key = sl_bytes_of(terms.key),
        .ttl_ms = terms.ttl_ms,
        .has_wait = true,
        .wait_ms = terms.wait_ms,
        .keep_alive = terms.keep_alive,
    };
}

/* *lock is NULL where it was not granted. */
static enum sl_status acquire(struct test_store *store, struct terms terms,
                              struct sl_lock **lock)
{
    const struct sl_lockd_request request = request_of(terms);
    struct sl_lockd_answer answer;

    *lock = NULL;
    if (sl_service_do(store->service, NULL, &request, 1, &answer) != SL_OK)
        return answer.err.status;
    *lock = sl_lock_new(store->service, &request);
    sl_lock_grant(*lock, &answer);
    return SL_OK;
}

static enum sl_status tell_of(struct test_store *store, struct sl_lock *lock,
                              enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock, verb);
    struct sl_lockd_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    sl_lock_note(lock, verb, &answer);
    return answer.err.status;
}

static enum sl_status release(struct test_store *store, struct sl_lock *lock)
{
    enum sl_status status = tell_of(store, lock, SL_LOCKD_RELEASE);

    sl_lock_free(lock);
    return status;
}

static struct sl_lock *must_acquire(struct test_store *store,
                                    struct terms terms)
{
    struct sl_lock *lock;

    assert_int_equal(acquire(store, terms, &lock), SL_OK);
    return lock;
}

static bool is_locked(struct test_store *store, const char *key)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_IS_LOCKED,
                                             .key = sl_bytes_of(key)};
    struct sl_lockd_answer answer;

    assert_int_equal(sl_service_do(store->service, NULL, &request, 1, &answer),
                     SL_OK);
    return answer.locked;
}

/* --- Who lost a lock ------------------------------------------------------ */

static void a_lock_that_was_deleted_by_hand(void **state)
{
    const struct terms terms = {"by hand", 600000, 0, false};
    struct test_store store;

    (void)state;
    open_at(&store, port, "");
    struct sl_lock *lock = must_acquire(&store, terms);
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    tell("del --prefix slight/lockd/");
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_false(sl_lock_is_held(lock));
    struct sl_lock *next = must_acquire(&store, terms);
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    assert_int_equal(release(&store, lock), SL_CONFLICT);
    assert_int_equal(tell_of(&store, next, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(release(&store, next), SL_OK);
    test_store_done(&store);
}

/* Cut off for longer than its time to live. */
static void a_holder_that_is_cut_off(void **state)
{
    const struct terms kept = {"cut off", 1000, 30000, true};
    struct proxy *proxy = proxy_new(0, port);
    struct test_store far, near;

    (void)state;
    open_at(&far, proxy_port(proxy), "timeout = \"1s\"");
    open_at(&near, port, "");
    struct sl_lock *lock = must_acquire(&far, kept);
    usleep(3000000); /* it lives longer than its time, by renewals */
    assert_true(sl_lock_is_held(lock));
    proxy_stall(proxy, true);
    struct sl_lock *next = must_acquire(&near, kept);
    assert_false(sl_lock_is_held(lock)); /* before another has it */
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    assert_false(sl_lock_is_held(lock));
    assert_int_equal(tell_of(&far, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_true(sl_lock_is_held(next));
    sl_lock_free(lock);
    assert_int_equal(release(&near, next), SL_OK);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* --- Who waits ------------------------------------------------------------ */

struct waiter {
    struct test_store *store;
    struct terms terms;
    struct sl_lock *lock;
    enum sl_status status;
    pthread_t thread;
};

static void *wait_for_it(void *context)
{
    struct waiter *waiter = context;

    waiter->status = acquire(waiter->store, waiter->terms, &waiter->lock);
    return NULL;
}

static void start_waiting(struct waiter *waiter)
{
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter),
                     0);
    usleep(500000); /* that it stands in line */
}

/* Its place in the line ends while it is cut off; it takes another one. */
static void a_waiter_that_is_cut_off(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store far, near;
    struct waiter waiter = {.store = &far, .terms = {"w", 1000, 60000, false}};

    (void)state;
    open_at(&far, proxy_port(proxy), "timeout = \"60s\"");
    open_at(&near, port, "");
    struct sl_lock *lock =
        must_acquire(&near, (struct terms){"w", 600000, 0, false});
    start_waiting(&waiter);
    proxy_stall(proxy, true);
    usleep(4000000);
    proxy_stall(proxy, false);
    usleep(500000);
    assert_int_equal(release(&near, lock), SL_OK);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, SL_OK);
    assert_int_equal(release(&far, waiter.lock), SL_OK);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* Of two, which are one server behind two doors. */
static void a_waiter_goes_on_over_another_endpoint(void **state)
{
    struct proxy *proxy = proxy_new(0, port);
    struct test_store far, near;
    struct waiter waiter = {.store = &far,
                            .terms = {"over", 60000, 60000, false}};
    char settings[512];

    (void)state;
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d,http://127.0.0.1:%d\"\n" LOGIN,
             proxy_port(proxy), port);
    fault_open(&far, "lockd.etcd", settings);
    open_at(&near, port, "");
    struct sl_lock *lock =
        must_acquire(&near, (struct terms){"over", 600000, 0, false});
    start_waiting(&waiter);
    assert_true(proxy_connections(proxy) > 0);
    proxy_free(proxy); /* one door is shut */
    usleep(1000000);
    assert_int_equal(release(&near, lock), SL_OK);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, SL_OK);
    assert_int_equal(release(&far, waiter.lock), SL_OK);
    test_store_done(&far);
    test_store_done(&near);
}

/* Who waits, and holds, while the server is away; its state is on the disk. */
static void a_restart_ends_no_lock(void **state)
{
    const struct terms terms = {"restart", 60000, 60000, true};
    struct test_store store;
    struct sl_lock *other;

    (void)state;
    open_at(&store, port, "");
    struct sl_lock *lock = must_acquire(&store, terms);
    test_server_kill(&server);
    test_server_restart(&server);
    assert_int_equal(
        acquire(&store, (struct terms){"restart", 1000, 0, false}, &other),
        SL_CONFLICT);
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(release(&store, lock), SL_OK);
    lock = must_acquire(&store, terms);
    assert_int_equal(release(&store, lock), SL_OK);
    test_store_done(&store);
}

/* --- Who may do what ------------------------------------------------------ */

static void a_right_that_is_revoked(void **state)
{
    const struct terms terms = {"rights", 600000, 0, false};
    struct test_store store;
    struct sl_lock *other;
    char settings[256];

    (void)state;
    tell("role add locker");
    tell("role grant-permission locker --prefix=true readwrite own/");
    tell("user add locker:pw");
    tell("user grant-role locker locker");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\nuser = \"locker\"\n"
             "password = \"pw\"\nprefix = \"own/\"",
             port);
    fault_open(&store, "lockd.etcd", settings);
    struct sl_lock *lock = must_acquire(&store, terms);
    tell("user revoke-role locker locker");
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW),
                     SL_PERMISSION_DENIED);
    assert_int_equal(acquire(&store, terms, &other), SL_PERMISSION_DENIED);
    tell("user grant-role locker locker");
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(release(&store, lock), SL_OK);
    tell("user delete locker");
    assert_int_equal(acquire(&store, terms, &other), SL_UNAUTHENTICATED);
    test_store_done(&store);
}

/* Until its database is larger than it may be. */
static void fill(int at)
{
    enum { SIZE = 1 << 20 };
    char settings[256], *bytes = sl_alloc(SIZE);
    const struct sl_kv_request set = {.verb = SL_KV_SET,
                                      .key = SL_LITERAL("large"),
                                      .value = SL_BYTES(bytes, SIZE)};
    struct sl_kv_answer answer = {0};
    struct test_store store;

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" LOGIN, at);
    fault_open(&store, "kv.etcd", settings);
    for (int i = 0; i < 100 && answer.err.status == SL_OK; i++)
        sl_service_do(store.service, NULL, &set, 1, &answer);
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    test_store_done(&store);
    free(bytes);
}

/* What is held can be renewed and given back; nothing is granted. */
static void a_full_server_grants_nothing(void **state)
{
    const struct terms terms = {"full", 600000, 0, false};
    struct test_server own;
    struct test_store store;
    struct sl_lock *other;

    (void)state;
    setenv("SL_TEST_ETCD_ARGS", "--quota-backend-bytes 8388608", 1);
    test_server_start(&own, "etcd", "server");
    unsetenv("SL_TEST_ETCD_ARGS");
    int at = test_server_port(&own, "SL_TEST_ETCD_PORT");
    open_at(&store, at, "");
    struct sl_lock *lock = must_acquire(&store, terms);
    fill(at);
    assert_int_equal(
        acquire(&store, (struct terms){"another", 1000, 0, false}, &other),
        SL_UNAVAILABLE);
    assert_true(is_locked(&store, "full"));
    assert_int_equal(tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(release(&store, lock), SL_OK);
    assert_false(is_locked(&store, "full"));
    test_store_done(&store);
    test_server_stop(&own);
}

/* --- With etcd's own clients ---------------------------------------------- */

static void *lock_by_etcdctl(void *context)
{
    (void)context;
    tell("lock slight/lockd/shared -- sleep 2");
    return NULL;
}

static void etcdctl_and_components_exclude_each_other(void **state)
{
    struct test_store store;
    struct sl_lock *lock;
    pthread_t thread;

    (void)state;
    open_at(&store, port, "");
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, NULL), 0);
    while (!is_locked(&store, "shared"))
        usleep(10000);
    assert_int_equal(
        acquire(&store, (struct terms){"shared", 1000, 0, false}, &lock),
        SL_CONFLICT);
    lock = must_acquire(&store, (struct terms){"shared", 5000, 60000, true});
    pthread_join(thread, NULL);
    /* And the other way round: it waits until we are done. */
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, NULL), 0);
    usleep(1000000);
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(release(&store, lock), SL_OK);
    pthread_join(thread, NULL);
    test_store_done(&store);
}

/* --- In the middle of traffic --------------------------------------------- */

static _Atomic int inside;
static _Atomic uint64_t last_token;
static _Atomic int wrong;

/* A holder, for as long as it knows that it is one, is alone. */
static void be_inside(const struct sl_lock *lock)
{
    uint64_t token = sl_lock_fencing_token(lock);

    if (atomic_fetch_add(&inside, 1) != 0)
        atomic_store(&wrong, 1);
    if (atomic_exchange(&last_token, token) >= token)
        atomic_store(&wrong, 2);
    usleep(2000);
    atomic_fetch_sub(&inside, 1);
}

static enum sl_status lock_once(struct fault_traffic *traffic, int writer,
                                int number)
{
    struct test_store *store = &traffic->store[writer % 2];
    struct sl_lock *lock;

    (void)number;
    enum sl_status status =
        acquire(store, (struct terms){"traffic", 2000, 30000, true}, &lock);
    if (status != SL_OK)
        return status;
    be_inside(lock);
    status = release(store, lock);
    return status == SL_CONFLICT ? SL_UNAVAILABLE : status; /* it was cut off */
}

static void under_traffic(void (*disturb)(void *), void *context, int at,
                          int at_too)
{
    struct test_store stores[2];
    struct fault_traffic traffic = {.store = stores, .write = lock_once};

    open_at(&stores[0], at, "timeout = \"3s\"\nretry.backoff = \"5ms\"");
    open_at(&stores[1], at_too, "timeout = \"3s\"\nretry.backoff = \"5ms\"");
    atomic_store(&last_token, 0);
    fault_traffic_run(&traffic, disturb, context);
    assert_int_equal(atomic_load(&wrong), 0);
    struct sl_lock *lock =
        must_acquire(&stores[0], (struct terms){"traffic", 2000, 60000, false});
    assert_int_equal(release(&stores[0], lock), SL_OK);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
}

static void one_holder_though_the_server_is_killed(void **state)
{
    (void)state;
    under_traffic(fault_kill_now_and_then, &server, port, port);
}

static void one_holder_though_connections_are_cut(void **state)
{
    struct proxy *proxy = proxy_new(0, port);

    (void)state;
    under_traffic(fault_cut_now_and_then, proxy, proxy_port(proxy), port);
    proxy_free(proxy);
}

static void stall_now_and_then(void *context)
{
    for (int i = 0; i < 3; i++) {
        usleep(500000);
        proxy_stall(context, true);
        usleep(2500000);
        proxy_stall(context, false);
        proxy_cut_all(context);
    }
}

static void one_holder_though_connections_stall(void **state)
{
    struct proxy *proxy = proxy_new(0, port);

    (void)state;
    under_traffic(stall_now_and_then, proxy, proxy_port(proxy), port);
    proxy_free(proxy);
}

/* --- A cluster ------------------------------------------------------------ */

enum { MEMBERS = 3 };

static struct test_server members[MEMBERS];

/* One that nothing listens on. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int result = -1, found = 0;

    while (result != 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        found = 20000 + (int)arc4random_uniform(12000);
        address.sin_port = htons((uint16_t)found);
        result = bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
    }
    return found;
}

static void start_members(void)
{
    static const char *const names[MEMBERS] = {"a", "b", "c"};
    char cluster[128];

    snprintf(cluster, sizeof(cluster), "a=%d b=%d c=%d", free_port(),
             free_port(), free_port());
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
             "http://127.0.0.1:%d\"\ntimeout = \"5s\"",
             ports[0], ports[1], ports[2]);
    fault_open(store, "lockd.etcd", settings);
}

static void a_cluster_of_which_members_die(void **state)
{
    const struct terms kept = {"kept", 10000, 60000, true};
    struct test_store stores[2];
    struct fault_traffic traffic = {.store = stores, .write = lock_once};

    (void)state;
    start_members();
    open_cluster(&stores[0], 0);
    open_cluster(&stores[1], 1);
    struct sl_lock *lock = must_acquire(&stores[0], kept);
    atomic_store(&last_token, 0);
    fault_traffic_run(&traffic, kill_members, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(sl_lock_is_held(lock)); /* all the time */
    assert_int_equal(release(&stores[0], lock), SL_OK);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
    for (int i = 0; i < MEMBERS; i++)
        test_server_stop(&members[i]);
    unsetenv("SL_TEST_ETCD_CLUSTER");
    unsetenv("SL_TEST_ETCD_MEMBER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_that_was_deleted_by_hand),
        cmocka_unit_test(a_holder_that_is_cut_off),
        cmocka_unit_test(a_waiter_that_is_cut_off),
        cmocka_unit_test(a_waiter_goes_on_over_another_endpoint),
        cmocka_unit_test(a_restart_ends_no_lock),
        cmocka_unit_test(a_right_that_is_revoked),
        cmocka_unit_test(a_full_server_grants_nothing),
        cmocka_unit_test(etcdctl_and_components_exclude_each_other),
        cmocka_unit_test(one_holder_though_the_server_is_killed),
        cmocka_unit_test(one_holder_though_connections_are_cut),
        cmocka_unit_test(one_holder_though_connections_stall),
        cmocka_unit_test(a_cluster_of_which_members_die),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd on bad days, with a real server: who lost a lock learns that, and
 * who waits goes on.  etcd_traffic_faults.c has those of many at once.
 */
#include "faults/etcd_shared.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kv/kv.h"

/* --- Who lost a lock ------------------------------------------------------ */

static void a_lock_that_was_deleted_by_hand(void **state)
{
    const struct terms terms = {"by hand", 600000, 0, false};
    struct test_store store;

    (void)state;
    etcd_open_at(&store, etcd_port, "");
    struct sl_lock *lock = etcd_must_acquire(&store, terms);
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    etcd_tell("del --prefix slight/lockd/");
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_false(sl_lock_is_held(lock));
    struct sl_lock *next = etcd_must_acquire(&store, terms);
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    assert_int_equal(etcd_release(&store, lock), SL_CONFLICT);
    assert_int_equal(etcd_tell_of(&store, next, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(etcd_release(&store, next), SL_OK);
    test_store_done(&store);
}

/* Cut off for longer than its time to live. */
static void a_holder_that_is_cut_off(void **state)
{
    const struct terms kept = {"cut off", 1000, 30000, true};
    struct proxy *proxy = proxy_new(0, etcd_port);
    struct test_store far, near;

    (void)state;
    etcd_open_at(&far, proxy_port(proxy), "timeout = \"3s\"");
    etcd_open_at(&near, etcd_port, "");
    struct sl_lock *lock = etcd_must_acquire(&far, kept);
    usleep(3000000); /* it lives longer than its time, by renewals */
    assert_true(sl_lock_is_held(lock));
    proxy_stall(proxy, true);
    struct sl_lock *next = etcd_must_acquire(&near, kept);
    assert_false(sl_lock_is_held(lock)); /* before another has it */
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    assert_false(sl_lock_is_held(lock));
    assert_int_equal(etcd_tell_of(&far, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_true(sl_lock_is_held(next));
    sl_lock_free(lock);
    assert_int_equal(etcd_release(&near, next), SL_OK);
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

    waiter->status = etcd_acquire(waiter->store, waiter->terms, &waiter->lock);
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
    struct proxy *proxy = proxy_new(0, etcd_port);
    struct test_store far, near;
    struct waiter waiter = {.store = &far, .terms = {"w", 1000, 60000, false}};

    (void)state;
    etcd_open_at(&far, proxy_port(proxy), "timeout = \"60s\"");
    etcd_open_at(&near, etcd_port, "");
    struct sl_lock *lock =
        etcd_must_acquire(&near, (struct terms){"w", 600000, 0, false});
    start_waiting(&waiter);
    proxy_stall(proxy, true);
    usleep(4000000);
    proxy_stall(proxy, false);
    usleep(500000);
    assert_int_equal(etcd_release(&near, lock), SL_OK);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, SL_OK);
    assert_int_equal(etcd_release(&far, waiter.lock), SL_OK);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* Of two, which are one server behind two doors. */
static void a_waiter_goes_on_over_another_endpoint(void **state)
{
    struct proxy *proxy = proxy_new(0, etcd_port);
    struct test_store far, near;
    struct waiter waiter = {.store = &far,
                            .terms = {"over", 60000, 60000, false}};
    char settings[512];

    (void)state;
    snprintf(
        settings, sizeof(settings),
        "endpoints = \"http://127.0.0.1:%d,http://127.0.0.1:%d\"\n" ETCD_LOGIN,
        proxy_port(proxy), etcd_port);
    fault_open(&far, "lockd.etcd", settings);
    etcd_open_at(&near, etcd_port, "");
    struct sl_lock *lock =
        etcd_must_acquire(&near, (struct terms){"over", 600000, 0, false});
    start_waiting(&waiter);
    assert_true(proxy_connections(proxy) > 0);
    proxy_free(proxy); /* one door is shut */
    usleep(1000000);
    assert_int_equal(etcd_release(&near, lock), SL_OK);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.status, SL_OK);
    assert_int_equal(etcd_release(&far, waiter.lock), SL_OK);
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
    etcd_open_at(&store, etcd_port, "");
    struct sl_lock *lock = etcd_must_acquire(&store, terms);
    test_server_kill(&etcd_server);
    test_server_restart(&etcd_server);
    assert_int_equal(
        etcd_acquire(&store, (struct terms){"restart", 1000, 0, false}, &other),
        SL_CONFLICT);
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(etcd_release(&store, lock), SL_OK);
    lock = etcd_must_acquire(&store, terms);
    assert_int_equal(etcd_release(&store, lock), SL_OK);
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
    etcd_tell("role add locker");
    etcd_tell("role grant-permission locker --prefix=true readwrite own/");
    etcd_tell("user add locker:pw");
    etcd_tell("user grant-role locker locker");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\nuser = \"locker\"\n"
             "password = \"pw\"\nprefix = \"own/\"",
             etcd_port);
    fault_open(&store, "lockd.etcd", settings);
    struct sl_lock *lock = etcd_must_acquire(&store, terms);
    etcd_tell("user revoke-role locker locker");
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW),
                     SL_PERMISSION_DENIED);
    assert_int_equal(etcd_acquire(&store, terms, &other), SL_PERMISSION_DENIED);
    etcd_tell("user grant-role locker locker");
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(etcd_release(&store, lock), SL_OK);
    etcd_tell("user delete locker");
    assert_int_equal(etcd_acquire(&store, terms, &other), SL_UNAUTHENTICATED);
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
             "endpoints = \"http://127.0.0.1:%d\"\n" ETCD_LOGIN, at);
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
    etcd_open_at(&store, at, "");
    struct sl_lock *lock = etcd_must_acquire(&store, terms);
    fill(at);
    assert_int_equal(
        etcd_acquire(&store, (struct terms){"another", 1000, 0, false}, &other),
        SL_UNAVAILABLE);
    assert_true(etcd_is_locked(&store, "full"));
    assert_int_equal(etcd_tell_of(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(etcd_release(&store, lock), SL_OK);
    assert_false(etcd_is_locked(&store, "full"));
    test_store_done(&store);
    test_server_stop(&own);
}

/* --- With etcd's own clients ---------------------------------------------- */

static void *lock_by_etcdctl(void *context)
{
    (void)context;
    etcd_tell("lock slight/lockd/shared -- sleep 2");
    return NULL;
}

static void etcdctl_and_components_exclude_each_other(void **state)
{
    struct test_store store;
    struct sl_lock *lock;
    pthread_t thread;

    (void)state;
    etcd_open_at(&store, etcd_port, "");
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, NULL), 0);
    while (!etcd_is_locked(&store, "shared"))
        usleep(10000);
    assert_int_equal(
        etcd_acquire(&store, (struct terms){"shared", 1000, 0, false}, &lock),
        SL_CONFLICT);
    lock =
        etcd_must_acquire(&store, (struct terms){"shared", 5000, 60000, true});
    pthread_join(thread, NULL);
    /* And the other way round: it waits until we are done. */
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, NULL), 0);
    usleep(1000000);
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(etcd_release(&store, lock), SL_OK);
    pthread_join(thread, NULL);
    test_store_done(&store);
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
    };

    return cmocka_run_group_tests(tests, etcd_start, etcd_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.etcd under faults, with a real server: who lost a lock learns that, and
 * who waits goes on.  lockd_etcd_many.c has those of many at once.
 */
#include "faults/lockd_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* --- Who lost a lock ------------------------------------------------------ */

static void a_lock_that_was_deleted_by_hand(void **state)
{
    const struct terms terms = {"by hand", 600000, 0, false};
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    fault_tell("del --prefix slight/lockd/");
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_false(sl_lock_is_held(lock));
    struct sl_lock *next = lock_must_acquire(&store, terms);
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    assert_status(lock_release(&store, lock), SL_CONFLICT);
    assert_status(lock_tell(&store, next, SL_LOCKD_RENEW), SL_OK);
    assert_status(lock_release(&store, next), SL_OK);
    test_store_done(&store);
}

/* It may be repeated, and must find what it found before. */
static void a_release_that_failed_ends_nothing_later(void **state)
{
    const struct terms terms = {"later", 600000, 0, true};
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    fault_open_port(&store, proxy_port(proxy), "retry.attempts = 1");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    proxy_cut_after(proxy, 0);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RELEASE), SL_UNAVAILABLE);
    proxy_cut_after(proxy, -1);
    fault_works_soon(&store);
    usleep(3000000); /* what has nothing to do looks after leases meanwhile */
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    lock_must_release(&store, lock);
    test_store_done(&store);
    proxy_free(proxy);
}

/* --- Who waits ------------------------------------------------------------ */

/* Its place in the line ends while it is cut off; it takes another one. */
static void a_waiter_that_is_cut_off(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store far, near;
    struct lock_waiter waiter = {.store = &far,
                                 .terms = {"w", 3000, 600000, false}};

    (void)state;
    fault_open_port(&far, proxy_port(proxy), "");
    fault_open_own(&near, NULL, "");
    struct sl_lock *lock =
        lock_must_acquire(&near, (struct terms){"w", 600000, 0, false});
    lock_start_waiting(&waiter);
    proxy_stall(proxy, true);
    usleep(8000000);
    proxy_stall(proxy, false);
    usleep(500000);
    assert_status(lock_release(&near, lock), SL_OK);
    lock_waiter_gets_it(&waiter);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* Of two, which are one server behind two doors. */
static void a_waiter_goes_on_over_another_endpoint(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store far, near;
    struct lock_waiter waiter = {.store = &far,
                                 .terms = {"over", 600000, 600000, false}};
    char settings[512];

    (void)state;
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d,http://127.0.0.1:%d\"\n"
             "user = \"slight\"\npassword = \"" TEST_SERVER_PASSWORD "\"",
             proxy_port(proxy), fault_port);
    fault_open(&far, "lockd.etcd", settings);
    fault_open_own(&near, NULL, "");
    struct sl_lock *lock =
        lock_must_acquire(&near, (struct terms){"over", 600000, 0, false});
    lock_start_waiting(&waiter);
    while (proxy_connections(proxy) == 0)
        usleep(10000);
    proxy_free(proxy); /* one door is shut */
    usleep(1000000);
    assert_status(lock_release(&near, lock), SL_OK);
    lock_waiter_gets_it(&waiter);
    test_store_done(&far);
    test_store_done(&near);
}

/* --- Who may do what ------------------------------------------------------ */

static void a_right_that_is_revoked(void **state)
{
    const struct terms terms = {"rights", 600000, 0, false};
    struct test_store store;
    struct sl_lock *other;
    char settings[256];

    (void)state;
    fault_tell("role add locker");
    fault_tell("role grant-permission locker --prefix=true readwrite own/");
    fault_tell("user add locker:pw");
    fault_tell("user grant-role locker locker");
    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\nuser = \"locker\"\n"
             "password = \"pw\"\nprefix = \"own/\"",
             fault_port);
    fault_open(&store, "lockd.etcd", settings);
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    fault_tell("user revoke-role locker locker");
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW),
                  SL_PERMISSION_DENIED);
    assert_status(lock_acquire(&store, terms, &other), SL_PERMISSION_DENIED);
    fault_tell("user grant-role locker locker");
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_status(lock_release(&store, lock), SL_OK);
    test_store_done(&store);
}

/* --- With etcd's own clients ---------------------------------------------- */

/* Until the file is there. */
static void *lock_by_etcdctl(void *context)
{
    fault_tell("lock slight/lockd/shared -- sh -c 'until [ -e %s ]; do sleep "
               "0.05; done'",
               (const char *)context);
    return NULL;
}

static void etcdctl_and_components_exclude_each_other(void **state)
{
    const struct terms once = {"shared", 1000, 0, false};
    const struct terms patient = {"shared", 600000, 600000, true};
    SL_CLEANUP(sl_freep)
    char *let_go = sl_asprintf("%s/let-go", fault_server.folder);
    struct test_store store;
    struct sl_lock *lock;
    pthread_t thread;

    (void)state;
    fault_open_own(&store, NULL, "");
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, let_go), 0);
    while (!lock_is_locked(&store, "shared"))
        usleep(10000);
    assert_status(lock_acquire(&store, once, &lock), SL_CONFLICT);
    FILE *file = fopen(let_go, "we");
    assert_non_null(file);
    fclose(file);
    lock = lock_must_acquire(&store, patient);
    pthread_join(thread, NULL);
    /* And the other way round: it waits until we are done. */
    assert_int_equal(pthread_create(&thread, NULL, lock_by_etcdctl, let_go), 0);
    usleep(1000000);
    assert_true(sl_lock_is_held(lock));
    lock_must_release(&store, lock);
    pthread_join(thread, NULL);
    test_store_done(&store);
}

const struct fault_driver fault_driver = {
    .name = "lockd.etcd",
    .service = &fault_etcd,
    LOCKD_FAULT_HOOKS,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKD_FAULT_CASES,
        FAULT_TWO_PORTS_CASE,
        cmocka_unit_test(a_lock_that_was_deleted_by_hand),
        cmocka_unit_test(a_release_that_failed_ends_nothing_later),
        cmocka_unit_test(a_waiter_that_is_cut_off),
        cmocka_unit_test(a_waiter_goes_on_over_another_endpoint),
        cmocka_unit_test(a_right_that_is_revoked),
        cmocka_unit_test(etcdctl_and_components_exclude_each_other),
    };

    return cmocka_run_group_tests_name("faults.lockd.etcd", tests, fault_start,
                                       fault_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/etcd_shared.h"

#include <stdio.h>

struct test_server etcd_server;
int etcd_port;

int etcd_start(void **state)
{
    (void)state;
    test_server_start(&etcd_server, "etcd", "server");
    etcd_port = test_server_port(&etcd_server, "SL_TEST_ETCD_PORT");
    return 0;
}

int etcd_stop(void **state)
{
    (void)state;
    test_server_stop(&etcd_server);
    return 0;
}

void etcd_open_at(struct test_store *store, int at, const char *more)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "endpoints = \"http://127.0.0.1:%d\"\n" ETCD_LOGIN "%s\n", at,
             more);
    fault_open(store, "lockd.etcd", settings);
}

void etcd_tell(const char *words)
{
    if (!test_server_tell(&etcd_server, words))
        fail_msg("%s", words);
}

struct sl_lockd_request etcd_request_of(struct terms terms)
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

enum sl_status etcd_acquire(struct test_store *store, struct terms terms,
                            struct sl_lock **lock)
{
    const struct sl_lockd_request request = etcd_request_of(terms);
    struct sl_lockd_answer answer;

    *lock = NULL;
    if (sl_service_do(store->service, NULL, &request, 1, &answer) != SL_OK)
        return answer.err.status;
    *lock = sl_lock_new(store->service, &request);
    sl_lock_grant(*lock, &answer);
    return SL_OK;
}

enum sl_status etcd_tell_of(struct test_store *store, struct sl_lock *lock,
                            enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock, verb);
    struct sl_lockd_answer answer;

    sl_service_do(store->service, NULL, &request, 1, &answer);
    sl_lock_note(lock, verb, &answer);
    return answer.err.status;
}

enum sl_status etcd_release(struct test_store *store, struct sl_lock *lock)
{
    enum sl_status status = etcd_tell_of(store, lock, SL_LOCKD_RELEASE);

    sl_lock_free(lock);
    return status;
}

struct sl_lock *etcd_must_acquire(struct test_store *store, struct terms terms)
{
    struct sl_lock *lock;

    assert_int_equal(etcd_acquire(store, terms, &lock), SL_OK);
    return lock;
}

bool etcd_is_locked(struct test_store *store, const char *key)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_IS_LOCKED,
                                             .key = sl_bytes_of(key)};
    struct sl_lockd_answer answer;

    assert_int_equal(sl_service_do(store->service, NULL, &request, 1, &answer),
                     SL_OK);
    return answer.locked;
}

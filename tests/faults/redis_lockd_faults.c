/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.redis on bad days, with a real server that writes to its disk before it
 * acknowledges: never two holders, and tokens grow, whatever happens between.
 */
#include "faults/redis_shared.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lockd/driver.h"

static const struct sl_lockd_request *acquire(const char *key, uint64_t ttl_ms,
                                              uint64_t wait_ms)
{
    static _Thread_local struct sl_lockd_request request;

    request = (struct sl_lockd_request){.verb = SL_LOCKD_ACQUIRE,
                                        .key = sl_bytes_of(key),
                                        .has_wait = true,
                                        .ttl_ms = ttl_ms,
                                        .wait_ms = wait_ms};
    return &request;
}

/* A key that nobody has. */
static const void *request(int number)
{
    static char key[32];

    snprintf(key, sizeof(key), "k%d", number);
    return acquire(key, 60000, 0);
}

const struct redis_kind redis_kind = {
    .driver = "lockd.redis",
    .name = "prefix",
    .request = request,
    .rights = "+get +set +del +exists +incr +pttl +pexpire +time +zadd +zrem "
              "+zrange +zscore +hset +hget +hdel",
};

/* Take a lock, which works. */
static struct sl_lock *take(struct test_store *store, const char *key,
                            uint64_t ttl_ms, uint64_t wait_ms)
{
    const struct sl_lockd_request *request = acquire(key, ttl_ms, wait_ms);
    struct sl_lockd_answer answer;

    if (sl_service_do(store->service, NULL, request, 1, &answer) != SL_OK)
        fail_msg("%s", answer.err.message);
    struct sl_lock *lock = sl_lock_new(store->service, request);
    sl_lock_grant(lock, &answer);
    return lock;
}

static enum sl_status tell(struct test_store *store, struct sl_lock *lock,
                           enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock, verb);
    struct sl_lockd_answer answer;
    enum sl_status status =
        sl_service_do(store->service, NULL, &request, 1, &answer);

    sl_lock_note(lock, verb, &answer);
    return status;
}

/* --- In the middle of traffic ------------------------------------------- */

enum { KEYS = 4, TTL_MS = 3000, WAIT_MS = 10000 };

static struct arena {
    atomic_int inside[KEYS];
    atomic_ulong last_token[KEYS];
    atomic_int two;      /* holders at the same time */
    atomic_int backward; /* a token that did not grow */
} arena;

/* Between here and there, as long as it is held, nobody else is. */
static void be_inside(struct sl_lock *lock, int key)
{
    unsigned long token = sl_lock_fencing_token(lock);

    if (atomic_fetch_add(&arena.inside[key], 1) != 0)
        atomic_fetch_add(&arena.two, 1);
    if (atomic_exchange(&arena.last_token[key], token) >= token)
        atomic_fetch_add(&arena.backward, 1);
    usleep(500);
    atomic_fetch_sub(&arena.inside[key], 1);
}

/* A lock taken and given back; two writers and more want the same key. */
static enum sl_status take_turns(struct fault_traffic *traffic, int writer,
                                 int number)
{
    struct test_store *store = traffic->store;
    struct sl_lockd_answer answer;
    char key[16];

    (void)number;
    snprintf(key, sizeof(key), "key %d", writer % KEYS);
    const struct sl_lockd_request *request = acquire(key, TTL_MS, WAIT_MS);
    enum sl_status status =
        sl_service_do(store->service, NULL, request, 1, &answer);
    if (status != SL_OK)
        return status;
    struct sl_lock *lock = sl_lock_new(store->service, request);
    sl_lock_grant(lock, &answer);
    be_inside(lock, writer % KEYS);
    status = tell(store, lock, SL_LOCKD_RELEASE);
    sl_lock_free(lock);
    return status;
}

static void never_two(void (*disturb)(void *), void *context,
                      const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = take_turns};

    memset(&arena, 0, sizeof(arena));
    assert_true(test_server_tell(&redis_server, "flushall"));
    redis_open(&store, proxy, "timeout = \"2s\"\nretry.backoff = \"5ms\"");
    fault_traffic_run(&traffic, disturb, context);
    assert_int_equal(atomic_load(&arena.two), 0);
    assert_int_equal(atomic_load(&arena.backward), 0);
    test_store_done(&store);
}

static void a_server_killed_under_traffic(void **state)
{
    (void)state;
    never_two(fault_kill_now_and_then, &redis_server, NULL);
}

static void a_connection_cut_under_traffic(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);

    (void)state;
    never_two(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

/* --- One holder ----------------------------------------------------------- */

/* What was granted is held after the server is back, and by nobody else. */
static void a_lock_survives_the_server(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "");
    struct sl_lock *lock = take(&store, "survivor", 60000, 0);
    test_server_kill(&redis_server);
    test_server_restart(&redis_server);
    fault_call_is(&store, acquire("survivor", 1000, 0), SL_CONFLICT, "holds");
    assert_true(sl_lock_is_held(lock));
    assert_int_equal(tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(tell(&store, lock, SL_LOCKD_RELEASE), SL_OK);
    sl_lock_free(lock);
    test_store_done(&store);
}

/* Cut off for longer than its time to live: it knows that it lost the lock, and
 * the next one has it. */
static void a_holder_that_is_cut_off(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);
    struct test_store far, near;

    (void)state;
    redis_open(&far, proxy, "timeout = \"300ms\"");
    redis_open(&near, NULL, "");
    struct sl_lock *lost = take(&far, "far", 1000, 0);
    proxy_stall(proxy, true);
    struct sl_lock *next = take(&near, "far", 60000, 20000);
    assert_false(sl_lock_is_held(lost));
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lost));
    assert_int_equal(tell(&far, lost, SL_LOCKD_RENEW), SL_TIMEOUT);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    assert_int_equal(tell(&far, lost, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_int_equal(tell(&far, lost, SL_LOCKD_RELEASE), SL_CONFLICT);
    assert_true(sl_lock_is_held(next));
    sl_lock_free(lost);
    sl_lock_free(next);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* As a replica that takes over and lacks them. */
static void tokens_grow_though_the_last_is_lost(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "");
    struct sl_lock *before = take(&store, "lost", 60000, 0);
    assert_true(test_server_tell(&redis_server, "flushall"));
    struct sl_lock *after = take(&store, "lost", 60000, 0);
    assert_true(sl_lock_fencing_token(after) > sl_lock_fencing_token(before));
    assert_int_equal(tell(&store, before, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_int_equal(tell(&store, before, SL_LOCKD_RELEASE), SL_CONFLICT);
    assert_int_equal(tell(&store, after, SL_LOCKD_RELEASE), SL_OK);
    sl_lock_free(before);
    sl_lock_free(after);
    test_store_done(&store);
}

static void a_full_server_grants_nothing_and_takes_nothing(void **state)
{
    struct test_store store;

    (void)state;
    redis_open(&store, NULL, "retry.attempts = 1");
    struct sl_lock *lock = take(&store, "kept", 60000, 0);
    assert_true(test_server_tell(&redis_server, "config set maxmemory 1"));
    fault_call_is(&store, acquire("more", 1000, 0), SL_UNAVAILABLE,
                  "out of memory");
    assert_int_equal(tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_int_equal(tell(&store, lock, SL_LOCKD_RELEASE), SL_OK);
    assert_true(test_server_tell(&redis_server, "config set maxmemory 0"));
    sl_lock_free(lock);
    sl_lock_free(take(&store, "more", 1000, 0));
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDIS_SHARED_CASES,
        cmocka_unit_test(a_server_killed_under_traffic),
        cmocka_unit_test(a_connection_cut_under_traffic),
        cmocka_unit_test(a_lock_survives_the_server),
        cmocka_unit_test(a_holder_that_is_cut_off),
        cmocka_unit_test(tokens_grow_though_the_last_is_lost),
        cmocka_unit_test(a_full_server_grants_nothing_and_takes_nothing),
    };

    return cmocka_run_group_tests(tests, redis_start, redis_stop);
}

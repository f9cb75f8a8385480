/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/lockd_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* --- Locks -------------------------------------------------------------- */

struct sl_lockd_request lock_request_of(struct terms terms)
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

enum sl_status lock_acquire(struct test_store *store, struct terms terms,
                            struct sl_lock **lock)
{
    const struct sl_lockd_request request = lock_request_of(terms);
    struct sl_lockd_answer answer;

    *lock = NULL;
    (void)sl_service_do(store->service, NULL, &request, 1, &answer);
    fault_note(&answer.err);
    if (answer.err.status != SL_OK)
        return answer.err.status;
    *lock = sl_lock_new(store->service, &request);
    sl_lock_grant(*lock, &answer);
    return SL_OK;
}

struct sl_lock *lock_must_acquire(struct test_store *store, struct terms terms)
{
    struct sl_lock *lock;

    assert_status(lock_acquire(store, terms, &lock), SL_OK);
    return lock;
}

enum sl_status lock_tell(struct test_store *store, struct sl_lock *lock,
                         enum sl_lockd_verb verb)
{
    const struct sl_lockd_request request = sl_lock_request(lock, verb);
    struct sl_lockd_answer answer;
    int64_t start = sl_now_ns();

    sl_service_do(store->service, NULL, &request, 1, &answer);
    fault_note(&answer.err);
    fault_in_time(store, start, 0);
    sl_lock_note(lock, verb, &answer);
    return answer.err.status;
}

enum sl_status lock_release(struct test_store *store, struct sl_lock *lock)
{
    enum sl_status status = lock_tell(store, lock, SL_LOCKD_RELEASE);

    sl_lock_free(lock);
    return status;
}

void lock_must_release(struct test_store *store, struct sl_lock *lock)
{
    assert_status(lock_release(store, lock), SL_OK);
}

bool lock_is_locked(struct test_store *store, const char *key)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_IS_LOCKED,
                                             .key = sl_bytes_of(key)};
    struct sl_lockd_answer answer;

    (void)sl_service_do(store->service, NULL, &request, 1, &answer);
    fault_note(&answer.err);
    assert_status(answer.err.status, SL_OK);
    return answer.locked;
}

static void *wait_for_it(void *context)
{
    struct lock_waiter *waiter = context;

    if (lock_acquire(waiter->store, waiter->terms, &waiter->lock) ==
            SL_UNAVAILABLE &&
        fault_driver.asks_in_line) /* once: the server is killed once */
        (void)lock_acquire(waiter->store, waiter->terms, &waiter->lock);
    waiter->said = fault_said;
    return NULL;
}

void lock_start_waiting(struct lock_waiter *waiter)
{
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter),
                     0);
    usleep(500000); /* so that most likely it stands in line */
}

void lock_waiter_gets_it(struct lock_waiter *waiter)
{
    pthread_join(waiter->thread, NULL);
    fault_note(&waiter->said);
    assert_status(waiter->said.status, SL_OK);
    lock_must_release(waiter->store, waiter->lock);
}

void lock_until_lost(struct sl_lock *lock)
{
    for (int i = 0; i < 30000 && sl_lock_is_held(lock); i++)
        usleep(10000);
    assert_false(sl_lock_is_held(lock));
}

/* --- For all drivers ---------------------------------------------------- */

/* Of a key that nobody has. */
const void *lock_write(int number)
{
    static _Thread_local char key[32];
    static _Thread_local struct sl_lockd_request request;

    snprintf(key, sizeof(key), "k%d", number);
    request = lock_request_of((struct terms){key, 10000, 0, false});
    return &request;
}

static struct sl_lock *kept;

void lock_before_full(struct test_store *store)
{
    kept = lock_must_acquire(store, (struct terms){"full", 600000, 0, false});
}

/* What is held can be renewed and given back; nothing is granted. */
void lock_while_full(struct test_store *store)
{
    assert_true(lock_is_locked(store, "full"));
    assert_status(lock_tell(store, kept, SL_LOCKD_RENEW), SL_OK);
    lock_must_release(store, kept);
    assert_false(lock_is_locked(store, "full"));
}

/* --- A server that goes away -------------------------------------------- */

/* Who holds one while the server is away; its state is on the disk. */
void lock_case_restarted(void **state)
{
    const struct terms terms = {"restart", 600000, 0, true};
    struct test_store store, other;
    struct sl_lock *next;

    (void)state;
    fault_open_own(&store, NULL, "");
    fault_open_own(&other, NULL, "");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    test_server_kill(&fault_server);
    assert_status(lock_acquire(&other, terms, &next), SL_UNAVAILABLE);
    assert_true(sl_lock_is_held(lock));
    test_server_restart(&fault_server);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RENEW), SL_OK);
    assert_true(sl_lock_is_held(lock));
    assert_status(lock_acquire(&other, terms, &next), SL_CONFLICT);
    uint64_t token = sl_lock_fencing_token(lock);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RELEASE), SL_OK);
    assert_status(lock_tell(&store, lock, SL_LOCKD_RELEASE), SL_CONFLICT);
    sl_lock_free(lock);
    next = lock_must_acquire(&other, terms);
    assert_true(sl_lock_fencing_token(next) > token);
    lock_must_release(&other, next);
    test_store_done(&other);
    test_store_done(&store);
}

/* Who waits, and holds, while the server is away. */
void lock_case_waiter(void **state)
{
    const struct terms terms = {"line", 600000, 600000, true};
    struct test_store store, other;
    struct lock_waiter waiter = {.store = &other, .terms = terms};

    (void)state;
    fault_open_own(&store, NULL, "");
    fault_open_own(&other, NULL, "retry.attempts = 100");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    lock_start_waiting(&waiter);
    test_server_kill(&fault_server);
    usleep(200000);
    test_server_restart(&fault_server);
    assert_true(sl_lock_is_held(lock));
    lock_must_release(&store, lock);
    lock_waiter_gets_it(&waiter);
    test_store_done(&other);
    test_store_done(&store);
}

/* --- A holder that is cut off ------------------------------------------- */

/* For longer than its time to live. */
void lock_case_cut_off(void **state)
{
    const struct terms brief = {"cut off", 1000, 0, true},
                       terms = {"cut off", 600000, 600000, true};
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store far, near;

    (void)state;
    assert_non_null(proxy);
    fault_open_own(&far, proxy, "timeout = \"3s\"");
    fault_open_own(&near, NULL, "");
    struct sl_lock *lock = lock_must_acquire(&far, brief);
    proxy_stall(proxy, true);
    struct sl_lock *next = lock_must_acquire(&near, terms);
    assert_false(sl_lock_is_held(lock)); /* before another had it */
    assert_true(sl_lock_fencing_token(next) > sl_lock_fencing_token(lock));
    /* Of a server that does not answer nobody learns whether it is lost. */
    assert_status(lock_tell(&far, lock, SL_LOCKD_RENEW),
                  fault_driver.knows_when_lost ? SL_CONFLICT : SL_TIMEOUT);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    fault_works_soon(&far);
    assert_status(lock_tell(&far, lock, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_status(lock_tell(&far, lock, SL_LOCKD_RELEASE), SL_CONFLICT);
    assert_false(sl_lock_is_held(lock));
    sl_lock_free(lock);
    assert_status(lock_tell(&near, next, SL_LOCKD_RENEW), SL_OK);
    lock_must_release(&near, next);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* By renewals it lives longer than its time, and no longer than they come. */
void lock_case_away(void **state)
{
    const struct terms terms = {"away", 10000, 0, true};
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store store;

    (void)state;
    assert_non_null(proxy);
    fault_open_own(&store, proxy, "timeout = \"3s\"");
    struct sl_lock *lock = lock_must_acquire(&store, terms);
    for (int i = 0; i < 105; i++) {
        usleep(100000);
        assert_true(sl_lock_is_held(lock));
    }
    proxy_stall(proxy, true);
    lock_until_lost(lock);
    sl_lock_free(lock);
    proxy_free(proxy); /* which ends the renewal that waits for an answer */
    test_store_done(&store);
}

/* --- In the middle of traffic ------------------------------------------- */

enum { KEYS = 2 };

/* Who believes to hold which lock. */
static struct arena {
    pthread_mutex_t mutex;
    struct sl_lock *inside[FAULT_WRITERS];
    uint64_t last_token[KEYS];
    int two;      /* holders at the same time */
    int backward; /* a token that did not grow */
    int hasty;    /* "held by another" before the wait was over */
    int early;    /* "lost" before the time to live was over */
} arena = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Writers of both stores want each key. */
static int key_of(int writer)
{
    return writer / 2 % KEYS;
}

/* A holder, for as long as it knows that it is one, is alone. */
static void enter(int writer, struct sl_lock *lock)
{
    uint64_t token = sl_lock_fencing_token(lock);
    uint64_t *last = &arena.last_token[key_of(writer)];

    pthread_mutex_lock(&arena.mutex);
    if (sl_lock_is_held(lock)) {
        for (int i = 0; i < FAULT_WRITERS; i++)
            if (key_of(i) == key_of(writer) && arena.inside[i] != NULL &&
                sl_lock_is_held(arena.inside[i]))
                arena.two++;
        if (token <= *last)
            arena.backward++;
        *last = token;
        arena.inside[writer] = lock;
    }
    pthread_mutex_unlock(&arena.mutex);
}

static void leave(int writer)
{
    pthread_mutex_lock(&arena.mutex);
    arena.inside[writer] = NULL;
    pthread_mutex_unlock(&arena.mutex);
}

static void count(int *what)
{
    pthread_mutex_lock(&arena.mutex);
    (*what)++;
    pthread_mutex_unlock(&arena.mutex);
}

/*
 * SL_CONFLICT: another holds it, and the wait is over; never sooner, whatever
 * becomes of connections and of places in the line meanwhile.
 */
static enum sl_status take(struct test_store *store, struct terms terms,
                           struct sl_lock **lock)
{
    int64_t start = sl_now_ns();
    enum sl_status status = lock_acquire(store, terms, lock);
    int64_t took_ms = (sl_now_ns() - start) / 1000000;

    if (status != SL_CONFLICT)
        return status;
    if (took_ms < (int64_t)terms.wait_ms)
        count(&arena.hasty);
    return SL_UNAVAILABLE;
}

/*
 * SL_CONFLICT: it was lost before, for its time to live is over since a renewal
 * that the service confirmed was sent.  A service that is killed or cut off
 * forgets no lock, and a release that may have worked is not repeated, so that
 * nobody who may still hold it is told so.
 */
static enum sl_status give_back(struct test_store *store, struct sl_lock *lock)
{
    const struct sl_lockd_request release =
        sl_lock_request(lock, SL_LOCKD_RELEASE);
    struct sl_lockd_answer answer;

    sl_service_do(store->service, NULL, &release, 1, &answer);
    fault_note(&answer.err);
    if (answer.err.status == SL_CONFLICT && sl_lock_is_held(lock))
        count(&arena.early);
    sl_lock_note(lock, SL_LOCKD_RELEASE, &answer);
    sl_lock_free(lock);
    return answer.err.status == SL_CONFLICT ? SL_UNAVAILABLE
                                            : answer.err.status;
}

/* A lock taken and given back. */
static enum sl_status take_turn(struct fault_traffic *traffic, int writer,
                                int number)
{
    struct test_store *store = &traffic->store[writer % 2];
    struct sl_lock *lock;
    char key[16];

    (void)number;
    snprintf(key, sizeof(key), "turn %d", key_of(writer));
    enum sl_status status =
        take(store, (struct terms){key, 2000, 30000, true}, &lock);
    if (status != SL_OK)
        return status;
    enter(writer, lock);
    usleep(1000);
    leave(writer);
    return give_back(store, lock);
}

void lock_take_turns(struct test_store stores[2], void (*disturb)(void *),
                     void *context)
{
    struct fault_traffic traffic = {.store = stores, .write = take_turn};

    for (int i = 0; i < KEYS; i++)
        arena.last_token[i] = 0;
    arena.two = arena.backward = arena.hasty = arena.early = 0;
    fault_traffic_run(&traffic, disturb, context);
    assert_int_equal(arena.two, 0);
    assert_int_equal(arena.backward, 0);
    assert_int_equal(arena.hasty, 0);
    assert_int_equal(arena.early, 0);
    for (int i = 0; i < KEYS; i++) {
        char key[20];
        snprintf(key, sizeof(key), "turn %d", i);
        struct sl_lock *lock = lock_must_acquire(
            &stores[1], (struct terms){key, 600000, 600000, true});
        lock_must_release(&stores[1], lock);
    }
}

/* One of the two stores is over the proxy, if there is one. */
static void under_traffic(void (*disturb)(void *), void *context,
                          const struct proxy *proxy)
{
    static const char patient[] = "timeout = \"4s\"\nretry.backoff = \"5ms\"";
    struct test_store stores[2];

    fault_open_own(&stores[0], proxy, patient);
    fault_open_own(&stores[1], NULL, patient);
    lock_take_turns(stores, disturb, context);
    test_store_done(&stores[0]);
    test_store_done(&stores[1]);
}

void lock_case_killed(void **state)
{
    (void)state;
    under_traffic(fault_kill_now_and_then, &fault_server, NULL);
}

static void over_a_proxy(void (*disturb)(void *))
{
    struct proxy *proxy = proxy_new(0, fault_port);

    assert_non_null(proxy);
    under_traffic(disturb, proxy, proxy);
    proxy_free(proxy);
}

void lock_case_cut(void **state)
{
    (void)state;
    over_a_proxy(fault_cut_anywhere);
}

/* For longer than a lock lives. */
static void stall_now_and_then(void *proxy)
{
    for (int i = 0; i < 2; i++) {
        usleep(500000);
        proxy_stall(proxy, true);
        usleep(2500000);
        proxy_stall(proxy, false);
        proxy_cut_all(proxy);
    }
}

void lock_case_stalled(void **state)
{
    (void)state;
    over_a_proxy(stall_now_and_then);
}

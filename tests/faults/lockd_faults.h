/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with every lock service, once for all drivers: no lock has
 * two holders, and who lost one knows. */
#ifndef TEST_FAULTS_LOCKD_FAULTS_H
#define TEST_FAULTS_LOCKD_FAULTS_H

#include <pthread.h>

#include "faults/driver.h"
#include "lockd/driver.h"

/* What is asked for. */
struct terms {
    const char *key;
    uint64_t ttl_ms;
    uint64_t wait_ms;
    bool keep_alive;
};

struct sl_lockd_request lock_request_of(struct terms terms);
/* *lock is NULL where it was not granted. */
enum sl_status lock_acquire(struct test_store *store, struct terms terms,
                            struct sl_lock **lock);
struct sl_lock *lock_must_acquire(struct test_store *store, struct terms terms);
enum sl_status lock_tell(struct test_store *store, struct sl_lock *lock,
                         enum sl_lockd_verb verb);
/* And free it. */
enum sl_status lock_release(struct test_store *store, struct sl_lock *lock);
void lock_must_release(struct test_store *store, struct sl_lock *lock);
bool lock_is_locked(struct test_store *store, const char *key);

/* Who waits, in a thread of its own. */
struct lock_waiter {
    struct test_store *store;
    struct terms terms;
    struct sl_lock *lock;
    struct sl_error said;
    pthread_t thread;
};

void lock_start_waiting(struct lock_waiter *waiter);
/* It was granted; give it back. */
void lock_waiter_gets_it(struct lock_waiter *waiter);

/* Until nobody believes to hold it: a minute at most. */
void lock_until_lost(struct sl_lock *lock);

/*
 * Many of both stores take turns while disturb does what it does, and nobody
 * holds a lock together with another.
 */
void lock_take_turns(struct test_store stores[2], void (*disturb)(void *),
                     void *context);

/* For fault_driver. */
const void *lock_write(int number);
void lock_before_full(struct test_store *store);
void lock_while_full(struct test_store *store);
#define LOCKD_FAULT_HOOKS                                                      \
    .write = lock_write, .before_full = lock_before_full,                      \
    .while_full = lock_while_full

void lock_case_restarted(void **state);
void lock_case_killed(void **state);
void lock_case_cut(void **state);
void lock_case_stalled(void **state);
void lock_case_cut_off(void **state);
void lock_case_away(void **state);
void lock_case_waiter(void **state);

#define LOCKD_FAULT_CASES                                                      \
    FAULT_DRIVER_CASES,                                                        \
        {"a lock and its tokens outlive the server", lock_case_restarted,      \
         NULL, NULL, NULL},                                                    \
        {"one holder though the server is killed", lock_case_killed, NULL,     \
         NULL, NULL},                                                          \
        {"one holder though connections are cut", lock_case_cut, NULL, NULL,   \
         NULL},                                                                \
        {"one holder though connections stall", lock_case_stalled, NULL, NULL, \
         NULL},                                                                \
        {"a holder that is cut off has lost it before the next one has it",    \
         lock_case_cut_off, NULL, NULL, NULL},                                 \
        {"who hears nothing of the server does not hold", lock_case_away,      \
         NULL, NULL, NULL},                                                    \
    {                                                                          \
        "who waits goes on after a restart", lock_case_waiter, NULL, NULL,     \
            NULL                                                               \
    }

#endif

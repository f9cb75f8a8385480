/* SPDX-License-Identifier: Apache-2.0 */
/* Two instances, and more, of one lock service. */
#include <stddef.h>

#include "guest.h"
#include "lockd_cases.h"

enum { ROUNDS = 30, PATIENCE_MS = 600000 };

static void hold(struct resource *resource, bool stay)
{
    const struct lock_options options = {.ttl_ms = stay ? LOCKD_TTL_MIN_MS
                                                        : LOCKD_TTL_MAX_MS,
                                         .has_wait = true,
                                         .keep_alive = true};
    struct lock *lock;

    OK(lock_acquire(resource, TEXT("held"), options, &lock));
}

/* The end of the holder released it; or, where it was killed, of its time to
 * live. */
static void find(struct resource *resource)
{
    const struct lock_options options = {
        .ttl_ms = LOCKD_TTL_MAX_MS, .has_wait = true, .wait_ms = PATIENCE_MS};
    struct lock *lock;

    OK(lock_acquire(resource, TEXT("held"), options, &lock));
    CHECK(lock_token(lock) > 1);
    lock_give_back(lock);
}

/* Only who has the first lock asks for the second: somebody who has that, too,
 * has the first at the same time. */
static void contend(struct resource *resource)
{
    const struct lock_options patient = {
        .ttl_ms = LOCKD_TTL_MAX_MS, .has_wait = true, .wait_ms = PATIENCE_MS};
    const struct lock_options one_try = {.ttl_ms = LOCKD_TTL_MAX_MS,
                                         .has_wait = true};
    struct lock *outer, *inner;
    uint64_t last = 0;

    for (int i = 0; i < ROUNDS; i++) {
        OK(lock_acquire(resource, TEXT("outer"), patient, &outer));
        CHECK(lock_token(outer) > last);
        last = lock_token(outer);
        OK(lock_acquire(resource, TEXT("inner"), one_try, &inner));
        lock_give_back(inner);
        lock_give_back(outer);
    }
}

/* Each grant of a key has a larger token than the one before. */
static void audit(struct resource *resource)
{
    const struct lock_options one_try = {.ttl_ms = LOCKD_TTL_MAX_MS,
                                         .has_wait = true};
    struct lock *lock;

    OK(lock_acquire(resource, TEXT("outer"), one_try, &lock));
    CHECK(lock_token(lock) > ROUNDS);
    lock_give_back(lock);
}

/* holds: lockd-1 lockd-5 lockd-21 lockd-32 */
const struct suite_roles suite_roles = {hold, find, contend, audit};

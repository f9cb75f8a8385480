/* SPDX-License-Identifier: Apache-2.0 */
/* slight:lockd for the cases: wit/lockd/lockd.wit, implemented twice. */
#ifndef CONFORMANCE_LOCKD_CASES_H
#define CONFORMANCE_LOCKD_CASES_H

#include "cases.h"

enum {
    LOCKD_KEY_MAX = 512,
    LOCKD_TTL_MIN_MS = 1000,
    LOCKD_TTL_MAX_MS = 3600000,
};

/* What a provider may lack. */
enum {
    LOCKD_NEEDS_FAIR = 1 << 0,
    LOCKD_NEEDS_DURABLE = 1 << 1,
    LOCKD_NEEDS_SHARED = 1 << 2,
};

struct lock_options {
    uint64_t ttl_ms;
    bool has_wait;
    uint64_t wait_ms;
    bool keep_alive;
};

struct lock;

/* *lock is the caller's, to lock_drop. */
enum status lock_acquire(struct resource *resource, struct bytes key,
                         struct lock_options options, struct lock **lock);
enum status lock_is_locked(struct resource *resource, struct bytes key,
                           bool *locked);
bool lock_has_key(struct lock *lock, struct bytes key);
uint64_t lock_token(struct lock *lock);
uint64_t lock_ttl_ms(struct lock *lock);
bool lock_is_held(struct lock *lock);
enum status lock_renew(struct lock *lock);
enum status lock_release(struct lock *lock);
void lock_drop(struct lock *lock);
/* Release it, which must work, and drop it. */
void lock_give_back(struct lock *lock);

extern const struct suite_case lockd_cases[];
/* What only this side of the bridge can do: lockd_native.c, lockd_guest.c. */
extern const struct suite_case lockd_side_cases[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "lockd_cases.h"

#include <stdio.h>
#include <string.h>

static const struct lock_options one_try = {.ttl_ms = 30000, .has_wait = true};

static struct lock *take(struct resource *resource, struct bytes key)
{
    struct lock *lock;

    OK(lock_acquire(resource, key, one_try, &lock));
    return lock;
}

void lock_give_back(struct lock *lock)
{
    OK(lock_release(lock));
    lock_drop(lock);
}

static void free_again(struct resource *resource)
{
    struct lock *lock = take(resource, TEXT("key"));
    bool locked;

    CHECK(lock_has_key(lock, TEXT("key")));
    CHECK(lock_is_held(lock));
    CHECK(lock_ttl_ms(lock) >= one_try.ttl_ms);
    OK(lock_is_locked(resource, TEXT("key"), &locked));
    CHECK(locked);
    lock_give_back(lock);
    OK(lock_is_locked(resource, TEXT("key"), &locked));
    CHECK(!locked);
    lock_give_back(take(resource, TEXT("key")));
}

/* The handle stays, says what it was, and does nothing any more. */
static void what_was_released(struct resource *resource)
{
    struct lock *first = take(resource, TEXT("key")), *second;

    OK(lock_release(first));
    CHECK(!lock_is_held(first));
    CHECK(lock_has_key(first, TEXT("key")));
    CHECK(lock_token(first) > 0);
    FAILS(lock_release(first), CONFLICT);
    FAILS(lock_renew(first), CONFLICT);
    second = take(resource, TEXT("key"));
    FAILS(lock_release(first), CONFLICT);
    lock_drop(first);
    CHECK(lock_is_held(second));
    OK(lock_renew(second));
    lock_give_back(second);
}

static void held_is_held(struct resource *resource)
{
    struct lock *lock = take(resource, TEXT("key")), *second;

    for (int i = 0; i < 10; i++)
        FAILS(lock_acquire(resource, TEXT("key"), one_try, &second), CONFLICT);
    lock_give_back(take(resource, TEXT("Key"))); /* another one */
    CHECK(lock_is_held(lock));
    lock_give_back(lock);
}

static void tokens_grow(struct resource *resource)
{
    uint64_t last = 0;

    for (int i = 0; i < 100; i++) {
        struct lock *lock = take(resource, TEXT("key"));
        CHECK(lock_token(lock) > last);
        last = lock_token(lock);
        if (i % 2 == 0)
            lock_give_back(lock);
        else
            lock_drop(lock);
        if (i % 2 != 0) { /* a drop does not wait */
            struct lock_options patient = {
                .ttl_ms = 30000, .has_wait = true, .wait_ms = 20000};
            OK(lock_acquire(resource, TEXT("key"), patient, &lock));
            CHECK(lock_token(lock) > last);
            last = lock_token(lock);
            lock_give_back(lock);
        }
    }
}

static void a_wait_runs_out(struct resource *resource)
{
    struct lock *lock = take(resource, TEXT("key")), *second;
    const struct lock_options brief = {
        .ttl_ms = 30000, .has_wait = true, .wait_ms = 300};

    FAILS(lock_acquire(resource, TEXT("key"), brief, &second), CONFLICT);
    lock_give_back(lock);
    /* Whoever gave up is not waited for. */
    lock_give_back(take(resource, TEXT("key")));
}

static void it_ends_by_itself(struct resource *resource)
{
    const struct lock_options shortest = {
        .ttl_ms = LOCKD_TTL_MIN_MS, .has_wait = true, .wait_ms = 30000};
    struct lock_options longer = shortest;
    struct lock *first, *second;

    longer.ttl_ms = 30000;
    OK(lock_acquire(resource, TEXT("key"), shortest, &first));
    OK(lock_acquire(resource, TEXT("key"), longer, &second));
    CHECK(!lock_is_held(first));
    CHECK(lock_token(second) > lock_token(first));
    FAILS(lock_renew(first), CONFLICT);
    FAILS(lock_release(first), CONFLICT);
    lock_drop(first);
    lock_give_back(second);
}

static void what_is_lost_stays_lost(struct resource *resource)
{
    const struct lock_options shortest = {.ttl_ms = LOCKD_TTL_MIN_MS,
                                          .has_wait = true};
    struct lock *lock;

    OK(lock_acquire(resource, TEXT("key"), shortest, &lock));
    uint64_t ttl_ms = lock_ttl_ms(lock);
    sleep_ms((int)ttl_ms + 200);
    CHECK(!lock_is_held(lock));
    FAILS(lock_renew(lock), CONFLICT); /* although nobody has it */
    CHECK(!lock_is_held(lock));
    lock_drop(lock);
    lock_give_back(take(resource, TEXT("key")));
}

static void the_host_keeps_it_alive(struct resource *resource)
{
    const struct lock_options kept = {
        .ttl_ms = 4000, .has_wait = true, .keep_alive = true};
    struct lock *lock, *second;

    OK(lock_acquire(resource, TEXT("key"), kept, &lock));
    for (int i = 0; i < 10; i++) {
        sleep_ms((int)lock_ttl_ms(lock) / 8);
        CHECK(lock_is_held(lock));
        FAILS(lock_acquire(resource, TEXT("key"), kept, &second), CONFLICT);
    }
    lock_give_back(lock);
}

static void the_guest_keeps_it_alive(struct resource *resource)
{
    const struct lock_options own = {.ttl_ms = 5000, .has_wait = true};
    struct lock *lock, *second;

    OK(lock_acquire(resource, TEXT("key"), own, &lock));
    for (int i = 0; i < 12; i++) {
        sleep_ms((int)lock_ttl_ms(lock) / 10);
        OK(lock_renew(lock));
        CHECK(lock_is_held(lock));
        FAILS(lock_acquire(resource, TEXT("key"), own, &second), CONFLICT);
    }
    lock_give_back(lock);
}

static void a_drop_releases(struct resource *resource)
{
    const struct lock_options patient = {
        .ttl_ms = 600000, .has_wait = true, .wait_ms = 20000};
    struct lock *lock;

    for (int i = 0; i < 20; i++) {
        OK(lock_acquire(resource, TEXT("key"), patient, &lock));
        lock_drop(lock);
    }
}

static void limits(struct resource *resource)
{
    static char key[LOCKD_KEY_MAX + 2];
    struct lock_options options = one_try;
    struct lock *lock;
    bool locked;

    memset(key, 'k', sizeof(key));
    key[LOCKD_KEY_MAX + 1] = '\0';
    FAILS(lock_acquire(resource, TEXT(""), options, &lock), INVALID_ARGUMENT);
    FAILS(lock_acquire(resource, bytes_of(key), options, &lock),
          INVALID_ARGUMENT);
    FAILS(lock_acquire(resource, TEXT("a\0b"), options, &lock),
          INVALID_ARGUMENT);
    FAILS(lock_is_locked(resource, TEXT(""), &locked), INVALID_ARGUMENT);
    key[LOCKD_KEY_MAX] = '\0';
    lock = take(resource, bytes_of(key));
    CHECK(lock_has_key(lock, bytes_of(key)));
    lock_give_back(lock);
    options.ttl_ms = LOCKD_TTL_MIN_MS - 1;
    FAILS(lock_acquire(resource, TEXT("key"), options, &lock),
          INVALID_ARGUMENT);
    options.ttl_ms = LOCKD_TTL_MAX_MS + 1;
    FAILS(lock_acquire(resource, TEXT("key"), options, &lock),
          INVALID_ARGUMENT);
    options.ttl_ms = UINT64_MAX;
    FAILS(lock_acquire(resource, TEXT("key"), options, &lock),
          INVALID_ARGUMENT);
    options.ttl_ms = LOCKD_TTL_MAX_MS;
    OK(lock_acquire(resource, TEXT("key"), options, &lock));
    lock_give_back(lock);
}

static void keys_are_apart(struct resource *resource)
{
    enum { KEYS = 500 };
    static struct lock *locks[KEYS];
    struct lock_options options = one_try;
    char key[32];

    /* The first is held for as long as a busy machine takes for the others. */
    options.ttl_ms = LOCKD_TTL_MAX_MS;
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        OK(lock_acquire(resource, bytes_of(key), options, &locks[i]));
    }
    for (int i = 0; i < KEYS; i++) {
        CHECK(lock_is_held(locks[i]));
        lock_give_back(locks[i]);
    }
}

const struct suite_case lockd_cases[] = {
    {"acquire, release, acquire", 0, free_again,
     .holds = "lockd-8 lockd-19 lockd-22 lockd-29"},
    {"what was released stays a handle", 0, what_was_released,
     .holds = "lockd-30 lockd-35 lockd-36"},
    {"one holder at a time", 0, held_is_held,
     .holds = "lockd-1 lockd-3 lockd-9 lockd-16 lockd-18"},
    {"tokens grow", 0, tokens_grow, .holds = "lockd-23"},
    {"a wait runs out", 0, a_wait_runs_out, .holds = "lockd-16"},
    {"a lock ends by itself", 0, it_ends_by_itself,
     .holds = "lockd-4 lockd-28 lockd-30"},
    {"what is lost stays lost", 0, what_is_lost_stays_lost,
     .holds = "lockd-24 lockd-26 lockd-28"},
    {"the host keeps it alive", 0, the_host_keeps_it_alive,
     .holds = "lockd-5 lockd-11 lockd-31"},
    {"the guest keeps it alive", 0, the_guest_keeps_it_alive,
     .holds = "lockd-27 lockd-12"},
    {"a drop releases", 0, a_drop_releases, .holds = "lockd-20"},
    {"limits", 0, limits, .holds = "lockd-2 lockd-7"},
    {"keys are apart", 0, keys_are_apart},
    {0},
};

const struct suite_case *const suite[] = {lockd_cases, lockd_side_cases, NULL};

/* What it may lack cannot be called. */
const struct suite_feature suite_features[] = {
    {LOCKD_NEEDS_FAIR, "fair", NULL},
    {LOCKD_NEEDS_DURABLE, "durable", NULL},
    {LOCKD_NEEDS_SHARED, "shared", NULL},
    {0},
};

struct suite_limit suite_limits[] = {{0}};

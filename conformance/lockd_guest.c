/* SPDX-License-Identifier: Apache-2.0 */
/* lockd_cases.h over the bindings of slight:lockd; and what only a guest can
 * do. */
#include <stdlib.h>

#include "guest.h"
#include "lockd_cases.h"

struct resource {
    slight_lockd_locks_own_service_t service;
};

struct lock {
    slight_lockd_locks_own_lock_t lock;
};

enum status suite_open(const char *name, struct resource **resource)
{
    command_string_t string = string_of(bytes_of(name));
    slight_lockd_locks_own_service_t service;
    slight_types_errors_error_t error;

    if (!slight_lockd_locks_static_service_open(&string, &service, &error))
        return failed(&error);
    *resource = must(malloc(sizeof(**resource)));
    (*resource)->service = service;
    return WORKED;
}

void suite_close(struct resource *resource)
{
    slight_lockd_locks_service_drop_own(resource->service);
    free(resource);
}

enum status lock_acquire(struct resource *resource, struct bytes key,
                         struct lock_options options, struct lock **out)
{
    command_string_t string = string_of(key);
    slight_lockd_locks_options_t asked = {
        .ttl_ms = options.ttl_ms,
        .wait_ms = {.is_some = options.has_wait, .val = options.wait_ms},
        .keep_alive = options.keep_alive,
    };
    slight_lockd_locks_own_lock_t lock;
    slight_types_errors_error_t error;

    if (!slight_lockd_locks_method_service_acquire(
            slight_lockd_locks_borrow_service(resource->service), &string,
            &asked, &lock, &error))
        return failed(&error);
    *out = must(malloc(sizeof(**out)));
    (*out)->lock = lock;
    return WORKED;
}

enum status lock_is_locked(struct resource *resource, struct bytes key,
                           bool *locked)
{
    command_string_t string = string_of(key);
    slight_types_errors_error_t error;

    if (!slight_lockd_locks_method_service_is_locked(
            slight_lockd_locks_borrow_service(resource->service), &string,
            locked, &error))
        return failed(&error);
    return WORKED;
}

bool lock_has_key(struct lock *lock, struct bytes key)
{
    command_string_t string;

    slight_lockd_locks_method_lock_key(
        slight_lockd_locks_borrow_lock(lock->lock), &string);
    bool same = bytes_equal(key, (struct bytes){string.ptr, string.len});
    command_string_free(&string);
    return same;
}

uint64_t lock_token(struct lock *lock)
{
    return slight_lockd_locks_method_lock_fencing_token(
        slight_lockd_locks_borrow_lock(lock->lock));
}

uint64_t lock_ttl_ms(struct lock *lock)
{
    return slight_lockd_locks_method_lock_ttl_ms(
        slight_lockd_locks_borrow_lock(lock->lock));
}

bool lock_is_held(struct lock *lock)
{
    return slight_lockd_locks_method_lock_is_held(
        slight_lockd_locks_borrow_lock(lock->lock));
}

enum status lock_renew(struct lock *lock)
{
    slight_types_errors_error_t error;

    if (!slight_lockd_locks_method_lock_renew(
            slight_lockd_locks_borrow_lock(lock->lock), &error))
        return failed(&error);
    return WORKED;
}

enum status lock_release(struct lock *lock)
{
    slight_types_errors_error_t error;

    if (!slight_lockd_locks_method_lock_release(
            slight_lockd_locks_borrow_lock(lock->lock), &error))
        return failed(&error);
    return WORKED;
}

void lock_drop(struct lock *lock)
{
    slight_lockd_locks_lock_drop_own(lock->lock);
    free(lock);
}

/* --- What only a guest can do ------------------------------------------- */

static void only_what_is_granted(struct resource *resource)
{
    static const struct lock_options options = {.ttl_ms = 30000,
                                                .has_wait = true};
    struct lock *lock;

    check_grants();
    OK(lock_acquire(resource, TEXT("key"), options, &lock));
    lock_give_back(lock);
}

static void two_services(struct resource *resource)
{
    static const struct lock_options options = {.ttl_ms = 30000,
                                                .has_wait = true};
    struct resource *other;
    struct lock *here, *there;

    OK(suite_open("other", &other));
    OK(lock_acquire(resource, TEXT("key"), options, &here));
    OK(lock_acquire(other, TEXT("key"), options, &there));
    suite_close(other); /* the lock is its own */
    CHECK(lock_is_held(there));
    lock_give_back(there);
    lock_give_back(here);
}

static void a_thousand_locks_and_no_more(struct resource *resource)
{
    enum { MOST = 1024 };
    static const struct lock_options options = {.ttl_ms = 60000,
                                                .has_wait = true};
    static struct lock *locks[MOST];
    char key[8];
    struct lock *one_more;

    for (int i = 0; i < MOST - 1; i++) { /* the service is open already */
        key[0] = (char)('a' + i / 100);
        key[1] = (char)('0' + i / 10 % 10);
        key[2] = (char)('0' + i % 10);
        key[3] = '\0';
        OK(lock_acquire(resource, bytes_of(key), options, &locks[i]));
    }
    FAILS(lock_acquire(resource, TEXT("z"), options, &one_more),
          RESOURCE_EXHAUSTED);
    lock_drop(locks[7]);
    OK(lock_acquire(resource, TEXT("z"), options, &locks[7]));
    for (int i = 0; i < MOST - 1; i++)
        lock_drop(locks[i]);
}

const struct suite_case lockd_side_cases[] = {
    {"only what is granted can be opened", 0, only_what_is_granted,
     .holds = "lockd-14"},
    {"two services are two", 0, two_services},
    {"a thousand locks, and no more", 0, a_thousand_locks_and_no_more,
     .holds = "lockd-15 lockd-17"},
    {0},
};

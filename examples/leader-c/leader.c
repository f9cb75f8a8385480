/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election: of all that run, one at a time is the leader, and does the
 * work.  When it dies, or loses its lock, another one takes over.
 *
 * The fencing token grows with each leader: what the work writes elsewhere
 * should carry it, so that a leader that was replaced without knowing it (it
 * slept) is refused there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { TTL_MS = 2000, LINE_MS = 3600000 };

static void tell(const char *what, const slight_types_errors_error_t *error)
{
    fprintf(stderr, "%s: %.*s\n", what, (int)error->message.len,
            (const char *)error->message.ptr);
}

/* As long as the lock is held: one step at a time. */
static void lead(slight_lockd_locks_borrow_lock_t lock)
{
    printf(
        "leader, token %llu\n",
        (unsigned long long)slight_lockd_locks_method_lock_fencing_token(lock));
    fflush(stdout);
    while (slight_lockd_locks_method_lock_is_held(lock))
        usleep(100000); /* the work */
    puts("lost the lock");
    fflush(stdout);
}

int main(void)
{
    slight_lockd_locks_own_service_t service;
    slight_types_errors_error_t error;
    command_string_t name, key;

    command_string_set(&name, "election");
    command_string_set(&key, "leader");
    if (!slight_lockd_locks_static_service_open(&name, &service, &error)) {
        tell("no locks", &error);
        return 1;
    }
    puts("waiting");
    fflush(stdout);
    for (;;) {
        slight_lockd_locks_options_t options = {
            .ttl_ms = TTL_MS,
            .wait_ms = {.is_some = true, .val = LINE_MS},
            .keep_alive = true,
        };
        slight_lockd_locks_own_lock_t lock;
        if (!slight_lockd_locks_method_service_acquire(
                slight_lockd_locks_borrow_service(service), &key, &options,
                &lock, &error)) {
            tell("not the leader", &error);
            slight_types_errors_error_free(&error);
            usleep(100000);
            continue;
        }
        lead(slight_lockd_locks_borrow_lock(lock));
        slight_lockd_locks_lock_drop_own(lock);
    }
}

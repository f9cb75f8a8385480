/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election: one process at a time is the leader and does the work.  When
 * it dies or loses its lock, another process takes over.
 *
 * The fencing token grows with each leader.  The work should send it along with
 * what it writes elsewhere, so that a leader that was replaced without knowing
 * it (because it was suspended) is rejected there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { TTL_MS = 2000, WAIT_MS = 3600000 };

static void print_error(const char *what,
                        const slight_types_errors_error_t *error)
{
    fprintf(stderr, "%s: %.*s\n", what, (int)error->message.len,
            (const char *)error->message.ptr);
}

/* Work, one step at a time, while the lock is held. */
static void work_as_leader(slight_lockd_locks_borrow_lock_t lock)
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
        print_error("no locks", &error);
        return 1;
    }
    puts("waiting");
    fflush(stdout);
    for (;;) {
        slight_lockd_locks_options_t options = {
            .ttl_ms = TTL_MS,
            .wait_ms = {.is_some = true, .val = WAIT_MS},
            .keep_alive = true,
        };
        slight_lockd_locks_own_lock_t lock;
        if (!slight_lockd_locks_method_service_acquire(
                slight_lockd_locks_borrow_service(service), &key, &options,
                &lock, &error)) {
            print_error("not the leader", &error);
            slight_types_errors_error_free(&error);
            usleep(100000);
            continue;
        }
        work_as_leader(slight_lockd_locks_borrow_lock(lock));
        slight_lockd_locks_lock_drop_own(lock);
    }
}

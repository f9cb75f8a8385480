/* SPDX-License-Identifier: Apache-2.0 */
/* lockd.postgres under faults, with a real server: no lock has two holders, and
 * who lost one knows. */
#include "faults/lockd_faults.h"
#include "faults/postgres.h"

const struct fault_driver fault_driver = {
    .name = "lockd.postgres",
    .service = &fault_postgres,
    LOCKD_FAULT_HOOKS,
    .asks_in_line = true,
};

static void the_least_rights(void **state)
{
    (void)state;
    postgres_least_rights("slight_lock_token");
}

static _Atomic bool ended;

/* Until a call waits for it, whose connection is then ended. */
static void *hold_the_key(void *context)
{
    (void)context;
    postgres_tell("SELECT pg_advisory_lock(hashtext('slight_lock'), "
                  "hashtext('ended'))\" -c \"DO 'DECLARE who int; BEGIN LOOP "
                  "SELECT pid INTO who FROM pg_locks WHERE locktype = "
                  "''advisory'' AND NOT granted; EXIT WHEN FOUND; PERFORM "
                  "pg_sleep(0.01); END LOOP; PERFORM "
                  "pg_terminate_backend(who, 20000); END'");
    atomic_store(&ended, true);
    return NULL;
}

/* The server says that it ended what it was doing, so that none of it was done,
 * and whatever it was may be repeated. */
static void who_is_ended_by_an_administrator(void **state)
{
    struct test_store store;
    pthread_t thread;

    (void)state;
    fault_open_own(&store, NULL, "");
    assert_int_equal(pthread_create(&thread, NULL, hold_the_key, NULL), 0);
    while (!atomic_load(&ended))
        lock_must_release(
            &store, lock_must_acquire(
                        &store, (struct terms){"ended", 60000, 0, false}));
    pthread_join(thread, NULL);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKD_FAULT_CASES,
        cmocka_unit_test(the_least_rights),
        POSTGRES_PRIMARY_CASES,
        cmocka_unit_test(who_is_ended_by_an_administrator),
    };

    return cmocka_run_group_tests_name("faults.lockd.postgres", tests,
                                       fault_start, fault_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.redis under faults, with a real server that writes to its disk before
 * it acknowledges: never two holders, and tokens grow, whatever happens
 * between.
 */
#include "faults/lockd_faults.h"
#include "faults/redis_scripts.h"

static const struct fault_right rights[] = {
    REDIS_RIGHTS("+get +set +del +exists +incr +pttl +pexpire +time +zadd "
                 "+zrem +zrange +zscore +hset +hget +hdel"),
};

const struct fault_driver fault_driver = {
    .name = "lockd.redis",
    .service = &fault_redis,
    .settings = "prefix = \"own\"",
    LOCKD_FAULT_HOOKS,
    .asks_in_line = true,
    .rights = rights,
};

/* As a replica that takes over and lacks them. */
/* holds: lockd-23 */
static void tokens_grow_though_the_last_is_lost(void **state)
{
    const struct terms terms = {"lost", 60000, 0, false};
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "");
    struct sl_lock *before = lock_must_acquire(&store, terms);
    fault_tell("flushall");
    struct sl_lock *after = lock_must_acquire(&store, terms);
    assert_true(sl_lock_fencing_token(after) > sl_lock_fencing_token(before));
    assert_status(lock_tell(&store, before, SL_LOCKD_RENEW), SL_CONFLICT);
    assert_status(lock_tell(&store, before, SL_LOCKD_RELEASE), SL_CONFLICT);
    assert_status(lock_tell(&store, after, SL_LOCKD_RELEASE), SL_OK);
    sl_lock_free(before);
    sl_lock_free(after);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKD_FAULT_CASES,
        REDIS_SCRIPT_CASES,
        cmocka_unit_test(tokens_grow_though_the_last_is_lost),
    };

    return cmocka_run_group_tests_name("faults.lockd.redis", tests, fault_start,
                                       fault_stop);
}

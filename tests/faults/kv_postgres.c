/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.postgres under faults, with a real server: the guest's call gets a typed
 * error by its deadline, and the next one works once the cause is gone.
 */
#include "faults/kv_faults.h"
#include "faults/postgres.h"

const struct fault_driver fault_driver = {
    .name = "kv.postgres",
    .service = &fault_postgres,
    KV_FAULT_HOOKS,
};

static void the_least_rights(void **state)
{
    (void)state;
    postgres_least_rights("slight_kv_version");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KV_FAULT_CASES,
        cmocka_unit_test(the_least_rights),
        POSTGRES_PRIMARY_CASES,
    };

    return cmocka_run_group_tests_name("faults.kv.postgres", tests, fault_start,
                                       fault_stop);
}

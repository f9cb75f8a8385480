/* SPDX-License-Identifier: Apache-2.0 */
/* lockd.postgres on bad days, with a real server: no lock has two holders, and
 * who lost one knows. */
#include "faults/lockd_faults.h"
#include "faults/postgres.h"

const struct fault_driver fault_driver = {
    .name = "lockd.postgres",
    .service = &fault_postgres,
    LOCKD_FAULT_HOOKS,
};

static void the_least_rights(void **state)
{
    (void)state;
    postgres_least_rights("slight_lock_token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCKD_FAULT_CASES,
        cmocka_unit_test(the_least_rights),
    };

    return cmocka_run_group_tests_name("faults.lockd.postgres", tests,
                                       fault_start, fault_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the drivers on PostgreSQL share. */
#ifndef TEST_FAULTS_POSTGRES_H
#define TEST_FAULTS_POSTGRES_H

#include "faults/driver.h"

/* As the administrator, on the database `slight`. */
void postgres_tell(const char *statement);

/* Where the tables are there, the user of a driver needs no right to make them.
 * sequence: what they take numbers from. */
void postgres_least_rights(const char *sequence);

/* Cases: a server that takes no writes any more, and then does; and a standby
 * that takes the place of its primary.  The second one's server is its own. */
void postgres_no_writes(void **state);
void postgres_fail_over(void **state);
#define POSTGRES_PRIMARY_CASES                                                 \
    cmocka_unit_test(postgres_no_writes), cmocka_unit_test(postgres_fail_over)

#endif

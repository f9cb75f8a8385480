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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is only on this side: how a database is opened, and other processes. */
#ifndef TEST_CONFORMANCE_SQL_NATIVE_H
#define TEST_CONFORMANCE_SQL_NATIVE_H

#include <sys/types.h>

#include "sql_cases.h"
#include "support/stores.h"

struct sql {
    struct test_store store;
};

/*
 * Start another process that runs `work` of sql_native_cases.c on the same
 * database, with *out a pipe from its standard output.
 */
pid_t sql_start_process(int *out);

/* What such a process does until it is killed. */
void sql_work(struct sql *sql);

#endif

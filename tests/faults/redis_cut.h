/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis that was killed in the middle of writing a step to its file. */
#ifndef TEST_FAULTS_REDIS_CUT_H
#define TEST_FAULTS_REDIS_CUT_H

#include "faults/driver.h"

/* How many bytes its append-only file has. */
long redis_cut_size(const struct test_server *server);

/*
 * Of the last transaction, which began behind `before` bytes, leave so many
 * commands and the begin of the next one.  The server does not run.  False:
 * there is no such transaction, or it has no more commands.
 */
bool redis_cut(const struct test_server *server, long before, int commands);

#endif

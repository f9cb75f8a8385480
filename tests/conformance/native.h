/* SPDX-License-Identifier: Apache-2.0 */
/* What is only on this side: the service itself, and other processes. */
#ifndef TEST_CONFORMANCE_NATIVE_H
#define TEST_CONFORMANCE_NATIVE_H

#include <sys/types.h>

#include "cases.h"
#include "support/stores.h"

struct resource {
    struct test_store store;
};

/* Of an answer of the service; the failure is kept for last_failure. */
enum status status_of(const struct sl_answer *answer);

/* The same resource once more, as another process would open it. */
struct resource *resource_again(void);
void resource_close(struct resource *resource);

/*
 * Start another process that runs `what` of suite_work on the same resource,
 * with *out a pipe from its standard output.
 */
pid_t start_process(const char *what, int *out);

/* The suite's: what such a process does. */
void suite_work(struct resource *resource, const char *what);

/* The suite's: use the dialect of a driver of this name; false: it has none. */
bool suite_dialect(const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state of an embedded driver, run by hand, whose statements are counted.
 */
#ifndef TEST_GROWTH_SQLITE_SUPPORT_H
#define TEST_GROWTH_SQLITE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driverkit/embedded.h"
#include "support/sqlite_file.h"

struct growth {
    struct sqlite_file *file;
    struct sl_embedded *state;
};

/* A file of this driver, whose one state is ours. */
void growth_open(struct growth *growth, const char *driver, const char *more);
void growth_close(struct growth *growth);

/*
 * Run a batch of the same request, with no time limit and room for its answers,
 * which are finished but for the last one's where answer is not NULL.  All must
 * be answered with SL_OK.  How many of them are unfinished.
 */
size_t growth_run(struct growth *growth, const void *request, size_t count,
                  void *answer);

/* The steps of SQLite's virtual machine since the last call, of all statements.
 */
int64_t growth_steps(struct growth *growth);

/* Do what the administrator says in SQL, with the state's own connection. */
void growth_sql(struct growth *growth, const char *text);
int64_t growth_number(struct growth *growth, const char *text);

#endif

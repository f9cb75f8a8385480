/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests of drivers on SQLite: a resource in a file of its own, and
 * a look into that.  What does not work fails the test (cmocka). */
#ifndef TEST_SUPPORT_SQLITE_FILE_H
#define TEST_SUPPORT_SQLITE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "support/stores.h"

struct sqlite_file {
    const char *driver;
    char folder[64];
    char path[96];
    char settings[192];
    struct test_store store;
};

/* For a case's set-up: *state is one, open, of this driver ("mq.sqlite"), with
 * these settings beside its path.  It is of that case, to its tear-down. */
int sqlite_file_new(void **state, const char *driver, const char *more);
int sqlite_file_tear_down(void **state);

/* Close the resource and open it anew. */
void sqlite_file_reopen(struct sqlite_file *file);

/* As somebody with the sqlite3 tool would; the first number it answers. */
int64_t sqlite_file_number(const struct sqlite_file *file, const char *text);

/* Each statement finds its rows by an index, in the order it wants. */
void sqlite_file_is_searched(const struct sqlite_file *file,
                             const char *const statements[], size_t count);

#endif

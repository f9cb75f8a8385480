/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sqlite_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void sqlite_file_reopen(struct sqlite_file *file)
{
    struct sl_error err;

    test_store_done(&file->store);
    if (test_store_open(&file->store, file->driver, file->settings, &err) !=
        SL_OK)
        fail_msg("%s", err.message);
}

int sqlite_file_new(void **state, const char *driver, const char *more)
{
    struct sqlite_file *file = sl_alloc(sizeof(*file));

    file->driver = driver;
    snprintf(file->folder, sizeof(file->folder), "/tmp/slight-%s-XXXXXX",
             driver);
    if (mkdtemp(file->folder) == NULL)
        return -1;
    snprintf(file->path, sizeof(file->path), "%s/file.db", file->folder);
    snprintf(file->settings, sizeof(file->settings), "path = \"%s\"\n%s",
             file->path, more);
    sqlite_file_reopen(file);
    *state = file;
    return 0;
}

int sqlite_file_tear_down(void **state)
{
    struct sqlite_file *file = *state;

    test_store_done(&file->store);
    test_remove_folder(file->folder);
    free(file);
    return 0;
}

static sqlite3 *open_file(const struct sqlite_file *file)
{
    sqlite3 *handle;

    assert_int_equal(sqlite3_open(file->path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 10000);
    return handle;
}

int64_t sqlite_file_number(const struct sqlite_file *file, const char *text)
{
    sqlite3 *handle = open_file(file);
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(handle, text, -1, &statement, NULL),
                     SQLITE_OK);
    int code = sqlite3_step(statement);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
    return value;
}

void sqlite_file_is_searched(const struct sqlite_file *file,
                             const char *const statements[], size_t count)
{
    sqlite3 *handle = open_file(file);
    sqlite3_stmt *plan;

    for (size_t i = 0; i < count; i++) {
        SL_CLEANUP(sl_freep)
        char *text = sl_asprintf("EXPLAIN QUERY PLAN %s", statements[i]);
        assert_int_equal(sqlite3_prepare_v2(handle, text, -1, &plan, NULL),
                         SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(plan, 3);
            if (strstr(step, "USING") == NULL || strstr(step, "TEMP") != NULL)
                fail_msg("%s: %s", statements[i], step);
        }
        sqlite3_finalize(plan);
    }
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.sqlite: the embedded default.  A database file of its user's, in WAL
 * mode: readers never wait, and see the database as it was when they began; one
 * transaction writes at a time, and the others wait for it in SQLite's busy
 * handler, until their deadline.
 *
 * A transaction that may write takes that place when it begins, so that none of
 * its statements can come too late; unless it asks for repeatable reads, or to
 * be serializable: then it takes a snapshot, and what writes on an old one is
 * told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/sqlite_run.h"

struct options {
    const char *path;
    const char *sync;
    bool read_only;
};

static enum sl_status check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] == '\0' || strcmp(path, ":memory:") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected a file");
    return SL_OK;
}

static enum sl_status check_sync(const void *field, struct sl_error *err)
{
    const char *sync = *(const char *const *)field;

    if (strcmp(sync, "full") != 0 && strcmp(sync, "normal") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"full\" or \"normal\"");
    return SL_OK;
}

static const struct sl_option option_table[] = {
    {.name = "path",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, path),
     .required = true,
     .help = "the database file; it and its folder are made where they are "
             "missing",
     .check = check_path},
    {.name = "sync",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, sync),
     .fallback = "full",
     .help = "\"full\": what was committed survives a power failure; "
             "\"normal\": it survives the end of the process, and the last "
             "transactions may be lost with the power",
     .check = check_sync},
    {.name = "read-only",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct options, read_only),
     .fallback = "false",
     .help = "nothing may write, and the file must be there"},
    {0},
};

/* --- States
 * ------------------------------------------------------------------- */

static void sqlite_close(void *state)
{
    struct sl_sql_sqlite *sqlite = state;

    sl_sql_sqlite_end(sqlite);
    sl_sql_sqlite_forget(sqlite);
    sl_sqlite_close(&sqlite->file);
    free(sqlite);
}

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    const struct options *options = store;
    struct sl_sql_sqlite *sqlite = sl_alloc(sizeof(*sqlite));

    enum sl_status status = sl_sqlite_open_any(
        &sqlite->file, options->path, strcmp(options->sync, "full") == 0,
        options->read_only, deadline, err);
    if (status == SL_OK) {
        sl_sql_sqlite_guard(sqlite);
        *state = sqlite;
    } else {
        sqlite_close(sqlite);
    }
    return status;
}

static bool sqlite_reset(void *state)
{
    struct sl_sql_sqlite *sqlite = state;

    sl_sql_sqlite_end(sqlite);
    return sqlite3_get_autocommit(sqlite->file.handle) != 0;
}

static enum sl_status sqlite_store_new(const void *options, void **store,
                                       struct sl_error *err)
{
    (void)err;
    /* The file is what states share; the options say where it is. */
    *store = (void *)(uintptr_t)options;
    return SL_OK;
}

static void sqlite_store_free(void *store)
{
    (void)store;
}

static void sqlite_run(void *state, struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sql_sqlite_run(state, ops[i]);
}

/* The only symbol this file exports. */
const struct sl_sql_driver sl_sql_sqlite = {
    .driver = {.name = "sql.sqlite",
               .service = "SQLite",
               .summary = "one database file, in this process; several "
                          "processes may share it",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_INFINITY |
                           SL_SQL_FEATURE_LAST_INSERT_ID |
                           SL_SQL_FEATURE_SHARED,
               .max_batch = 1,
               .store_new = sqlite_store_new,
               .store_free = sqlite_store_free,
               .open = sqlite_open,
               .close = sqlite_close,
               .run = sqlite_run,
               .reset = sqlite_reset},
    .dialect = SL_SQL_SQLITE,
};

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

#include "base/alloc.h"
#include "driverkit/embedded.h"
#include "sql/sqlite/run.h"

struct options {
    struct sl_embedded_options file;
    bool read_only;
};

static const struct sl_option option_table[] = {
    SL_EMBEDDED_OPTIONS,
    {.name = "read-only",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct options, read_only),
     .fallback = "false",
     .help = "nothing may write, and the file must be there"},
    {0},
};

/* --- States ------------------------------------------------------------- */

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

    struct sl_sqlite_mode mode = sl_embedded_mode(&options->file);
    mode.read_only = options->read_only;
    enum sl_status status = sl_sqlite_open_any(
        &sqlite->file, options->file.path, &mode, deadline, err);
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

static void sqlite_run(void *state, struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sql_sqlite_run(state, ops[i]);
}

/* The only symbol this file exports. */
const struct sl_sql_driver sl_driver_sql_sqlite = {
    .driver = {.name = "sql.sqlite",
               .service = "SQLite",
               .summary = "one database file, in this process; several "
                          "processes may share it",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_INFINITY |
                           SL_SQL_FEATURE_LAST_INSERT_ID |
                           SL_SQL_FEATURE_SHARED | SL_SQL_FEATURE_RETURNING |
                           SL_SQL_FEATURE_SCHEMAS,
               .max_batch = 1,
               .store_new = sl_embedded_store_new,
               .store_free = sl_embedded_store_free,
               .usage = sl_embedded_usage,
               .open = sqlite_open,
               .close = sqlite_close,
               .run = sqlite_run,
               .reset = sqlite_reset},
    .dialect = SL_SQL_SQLITE,
};

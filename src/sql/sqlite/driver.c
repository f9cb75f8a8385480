/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.sqlite: the embedded default, a database file in WAL mode.  Readers never
 * wait, and see the database as it was when they began.  One transaction writes
 * at a time; the others wait for it in SQLite's busy handler, until their
 * deadline.
 *
 * A transaction that may write takes the write lock when it begins, so that its
 * statements cannot fail for want of it.  Only one that asks for repeatable
 * reads or serializability takes a snapshot instead, and fails when it writes
 * after another one has.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "driverkit/embedded.h"
#include "sql/sqlite/connection.h"

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
     .help = "refuse writes; the file must exist"},
    {0},
};

/* --- Connections -------------------------------------------------------- */

static void close_sqlite(void *connection)
{
    struct sl_sql_sqlite_conn *conn = connection;

    sl_sql_session_end(&conn->session);
    sl_sql_sqlite_statements_close(conn);
    sl_sqlite_close(&conn->file);
    free(conn);
}

static enum sl_status open_sqlite(void *store, sl_deadline deadline,
                                  void **connection, struct sl_error *err)
{
    const struct options *options = store;
    struct sl_sql_sqlite_conn *conn = sl_alloc(sizeof(*conn));

    sl_sql_sqlite_session_init(conn);
    struct sl_sqlite_mode mode = sl_embedded_mode(&options->file);
    mode.read_only = options->read_only;
    enum sl_status status = sl_sqlite_open_any(&conn->file, options->file.path,
                                               &mode, deadline, err);
    if (status == SL_OK) {
        sl_sql_sqlite_guard_session(conn);
        *connection = conn;
    } else {
        close_sqlite(conn);
    }
    return status;
}

static bool reset_sqlite(void *connection)
{
    struct sl_sql_sqlite_conn *conn = connection;

    sl_sql_session_end(&conn->session);
    return sqlite3_get_autocommit(conn->file.handle) != 0;
}

static void run_sqlite_ops(void *connection, struct sl_op *const ops[],
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_sql_sqlite_run(connection, ops[i]);
}

/* The only symbol of this file. */
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
               .open = open_sqlite,
               .close = close_sqlite,
               .run = run_sqlite_ops,
               .reset = reset_sqlite},
    .dialect = SL_SQL_SQLITE,
};

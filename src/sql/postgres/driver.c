/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres: a PostgreSQL server.
 *
 * Each connection keeps its prepared statements.  Values travel in the types
 * that the server infers, and results in binary format where the types are
 * known.  The session is reset after a statement that may leave something in it
 * (classifier.c), and always before another component uses it (session.c).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/postgres/connection.h"

struct options {
    struct sl_pg_options server;
    bool read_only;
};

static const struct sl_option option_table[] = {
    SL_PG_OPTIONS,
    {.name = "read-only",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct options, read_only),
     .fallback = "false",
     .help = "transactions are read-only by default, which a statement can "
             "override; to rule out writes, use a user without the right"},
    {0},
};

static enum sl_status new_postgres_store(const void *data, void **store,
                                         struct sl_error *err)
{
    const struct options *options = data;
    struct sl_sql_postgres_store *made = sl_alloc(sizeof(*made));
    enum sl_status status = sl_pg_target_new(
        &options->server,
        options->read_only ? "-c default_transaction_read_only=on" : "",
        &made->target, err);

    made->read_only = options->read_only;
    if (status == SL_OK)
        *store = made;
    else
        free(made);
    return status;
}

static void free_postgres_store(void *pointer)
{
    struct sl_sql_postgres_store *store = pointer;

    sl_pg_target_free(store->target);
    free(store);
}

static void close_postgres(void *connection)
{
    struct sl_sql_postgres_conn *conn = connection;

    sl_sql_postgres_cursors_forget(conn);
    sl_sql_postgres_statements_close(conn);
    sl_pg_close(&conn->pg);
    free(conn->own_settings);
    free(conn);
}

static enum sl_status open_postgres(void *pointer, sl_deadline deadline,
                                    void **connection, struct sl_error *err)
{
    struct sl_sql_postgres_store *store = pointer;
    struct sl_sql_postgres_conn *conn = sl_alloc(sizeof(*conn));

    conn->store = store;
    sl_sql_postgres_session_init(conn);
    enum sl_status status = sl_pg_open(&conn->pg, store->target, deadline, err);
    if (status == SL_OK)
        *connection = conn;
    else
        free(conn);
    return status;
}

static void run_postgres_ops(void *connection, struct sl_op *const ops[],
                             size_t count)
{
    sl_sql_postgres_run(connection, ops, count);
}

/* Nobody waits for this, while the next request would wait for the reset. */
static bool reset_postgres(void *connection)
{
    struct sl_sql_postgres_conn *conn = connection;

    conn->dirty =
        conn->dirty || (conn->used && atomic_load(&conn->store->shared));
    return sl_sql_postgres_session_reset(conn);
}

/* The only symbol of this file. */
const struct sl_sql_driver sl_driver_sql_postgres = {
    .driver = {.name = "sql.postgres",
               .service = "PostgreSQL 12 or newer",
               .summary = "a PostgreSQL server, with concurrent transactions",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_NAN | SL_SQL_FEATURE_INFINITY |
                           SL_SQL_FEATURE_WRITERS | SL_SQL_FEATURE_SHARED |
                           SL_SQL_FEATURE_RETURNING | SL_SQL_FEATURE_SCHEMAS,
               .blocking_safe = true,
               .max_batch = SL_SQL_POSTGRES_BATCH,
               .risks = sl_pg_risks,
               .store_new = new_postgres_store,
               .store_free = free_postgres_store,
               .open = open_postgres,
               .close = close_postgres,
               .run = run_postgres_ops,
               .reset = reset_postgres},
    .dialect = SL_SQL_POSTGRES,
};

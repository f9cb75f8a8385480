/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres: a PostgreSQL server.
 *
 * Statements are prepared and kept on each connection, values travel in the
 * types that the server infers, and results as bytes where their form is known.
 * A connection is given back as it was: what may have left something on it is
 * followed by a reset (postgres_words.c tells which).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/postgres_state.h"

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
     .help = "transactions are read-only unless a statement says otherwise; "
             "what must not write needs a user that may not"},
    {0},
};

static enum sl_status postgres_store_new(const void *data, void **store,
                                         struct sl_error *err)
{
    const struct options *options = data;
    struct sl_pg_target *target = NULL;
    enum sl_status status = sl_pg_target_new(
        &options->server,
        options->read_only ? "-c default_transaction_read_only=on" : "",
        &target, err);

    if (status == SL_OK)
        *store = target;
    return status;
}

static void postgres_store_free(void *store)
{
    sl_pg_target_free(store);
}

static void postgres_close(void *state)
{
    struct sl_sql_pg *sql = state;

    sl_sql_pg_forget_cursors(sql);
    sl_sql_pg_forget(sql);
    sl_pg_close(&sql->pg);
    free(sql->set_up);
    free(sql);
}

static enum sl_status postgres_open(void *store, sl_deadline deadline,
                                    void **state, struct sl_error *err)
{
    struct sl_sql_pg *sql = sl_alloc(sizeof(*sql));
    enum sl_status status = sl_pg_open(&sql->pg, store, deadline, err);

    if (status == SL_OK)
        *state = sql;
    else
        free(sql);
    return status;
}

static void postgres_run(void *state, struct sl_op *const ops[], size_t count)
{
    sl_sql_pg_run(state, ops, count);
}

static bool postgres_reset(void *state)
{
    return sl_sql_pg_end(state);
}

/* The only symbol this file exports. */
const struct sl_sql_driver sl_sql_postgres = {
    .driver = {.name = "sql.postgres",
               .service = "PostgreSQL 12 or newer",
               .summary = "a PostgreSQL server; transactions side by side",
               .options = option_table,
               .options_size = sizeof(struct options),
               .features = SL_SQL_FEATURE_NAN | SL_SQL_FEATURE_INFINITY |
                           SL_SQL_FEATURE_WRITERS | SL_SQL_FEATURE_SHARED |
                           SL_SQL_FEATURE_RETURNING | SL_SQL_FEATURE_SCHEMAS,
               .waits_aside = true,
               .max_batch = SL_SQL_PG_BATCH,
               .store_new = postgres_store_new,
               .store_free = postgres_store_free,
               .open = postgres_open,
               .close = postgres_close,
               .run = postgres_run,
               .reset = postgres_reset},
    .dialect = SL_SQL_POSTGRES,
};

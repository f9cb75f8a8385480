/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres: a PostgreSQL server.
 *
 * Statements are prepared and kept on each connection, values travel in the
 * types that the server infers, and results as bytes where their form is known.
 * A connection is given back as it was: what is known to leave something on it
 * is followed by a reset (postgres_words.c tells which), and whatever another
 * component did is, whatever it was (postgres_session.c).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/postgres/state.h"

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
    struct sl_sql_pg_store *made = sl_alloc(sizeof(*made));
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

static void postgres_store_free(void *pointer)
{
    struct sl_sql_pg_store *store = pointer;

    sl_pg_target_free(store->target);
    free(store);
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

static enum sl_status postgres_open(void *pointer, sl_deadline deadline,
                                    void **state, struct sl_error *err)
{
    struct sl_sql_pg_store *store = pointer;
    struct sl_sql_pg *sql = sl_alloc(sizeof(*sql));

    sql->store = store;
    enum sl_status status = sl_pg_open(&sql->pg, store->target, deadline, err);
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

/* Nobody waits for this: the next one finds the session in order already. */
static bool postgres_reset(void *state)
{
    struct sl_sql_pg *sql = state;

    sql->leaves =
        sql->leaves || (sql->used && atomic_load(&sql->store->shared));
    return sl_sql_pg_end(sql);
}

/* The only symbol this file exports. */
const struct sl_sql_driver sl_driver_sql_postgres = {
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
               .risks = sl_pg_risks,
               .store_new = postgres_store_new,
               .store_free = postgres_store_free,
               .open = postgres_open,
               .close = postgres_close,
               .run = postgres_run,
               .reset = postgres_reset},
    .dialect = SL_SQL_POSTGRES,
};

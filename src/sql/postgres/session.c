/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of a connection, which components use one after the other.
 *
 * What a statement leaves on it no word of the statement tells: the table may
 * be a view, its default, its trigger or an operator may call what sets a
 * setting, takes a lock, or prepares another statement under the name of one of
 * ours.  So the session is put in order whenever another component comes,
 * whatever was done before, in the trip that its own statement makes anyway.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/postgres/state.h"

/* One after the other.  As the user that we are we may do the rest. */
static const char *const orders[] = {
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "CLOSE ALL",
    "UNLISTEN *",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
};

enum { ORDER_COUNT = sizeof(orders) / sizeof(orders[0]) };

uint64_t sl_sql_pg_order_number(void)
{
    return (uint64_t)arc4random() << 32 | arc4random() | 1;
}

/*
 * The last one: locks, what random() begins with, and our settings.  It fails
 * where SQL prepared a statement (PREPARE, in a function), which may have taken
 * the place of one of ours, and where one of ours is gone.  Nothing of it is
 * looked up by search_path.
 */
static char *last_order(const struct sl_sql_pg *sql, uint64_t number)
{
    double seed =
        (double)(sl_sql_pg_order_number() >> 12) / (double)(1LL << 52);

    return sl_asprintf(
        "SELECT pg_catalog.pg_advisory_unlock_all(), "
        "pg_catalog.setseed(%.17g), %s, "
        "pg_catalog.set_config('slight.session', '%016" PRIx64 "', false), "
        "1 OPERATOR(pg_catalog./) (SELECT CASE WHEN pg_catalog.count(*) "
        "OPERATOR(pg_catalog.<) %zu OR pg_catalog.bool_or(from_sql) THEN 0 "
        "ELSE 1 END FROM pg_catalog.pg_prepared_statements)",
        seed, sql->set_up, number, sql->cached_count);
}

enum sl_status sl_sql_pg_not_in_order(struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE,
                   "PostgreSQL: what was left on the connection could not be "
                   "taken away, so that it was closed");
}

enum sl_status sl_sql_pg_put_in_order(struct sl_sql_pg *sql,
                                      sl_deadline deadline,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(4096);
    SL_CLEANUP(sl_freep)
    char *last = last_order(sql, sl_sql_pg_order_number());
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < ORDER_COUNT; i++)
        status = sl_buf_printf(&text, err, "%s; ", orders[i]);
    if (status == SL_OK)
        status = sl_buf_printf(&text, err, "%s", last);
    if (status == SL_OK)
        status = sl_buf_append(&text, SL_BYTES("", 1), err);
    if (status == SL_OK)
        status = sl_pg_exec(&sql->pg, (const char *)text.ptr, deadline, err);
    if (status != SL_OK) {
        sql->pg.lost = true;
        return sl_sql_pg_not_in_order(err);
    }
    sql->used = sql->leaves = false;
    return SL_OK;
}

/* --- Owners ------------------------------------------------------------- */

bool sl_sql_pg_is_foreign(const struct sl_sql_pg *sql, const struct sl_op *op)
{
    return sql->used && sql->owner != op->owner;
}

static void note_owner(struct sl_sql_pg_store *store, const void *owner)
{
    const void *first = NULL;

    if (owner != NULL &&
        !atomic_compare_exchange_strong(&store->owner, &first, owner) &&
        first != owner)
        atomic_store(&store->shared, true);
}

enum sl_status sl_sql_pg_admit(struct sl_sql_pg *sql, const struct sl_op *op,
                               struct sl_error *err)
{
    if (sl_sql_pg_is_foreign(sql, op)) {
        enum sl_status status = sl_sql_pg_put_in_order(sql, op->deadline, err);
        if (status != SL_OK)
            return status;
    }
    sl_sql_pg_take_over(sql, op);
    return SL_OK;
}

void sl_sql_pg_take_over(struct sl_sql_pg *sql, const struct sl_op *op)
{
    note_owner(sql->store, op->owner);
    sql->owner = op->owner;
    sql->used = true;
}

/* --- In a pipeline ------------------------------------------------------ */

enum sl_status sl_sql_pg_send_order(struct sl_sql_pg *sql, uint64_t number,
                                    struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *last = last_order(sql, number);
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < ORDER_COUNT; i++)
        status = sl_sql_pg_send_plain(sql, orders[i], err);
    if (status == SL_OK)
        status = sl_sql_pg_send_plain(sql, last, err);
    if (status == SL_OK)
        status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    return status;
}

/* What another one left (a time-out of a millisecond) may have let the order
 * fail, or its commit, and the server goes on with the next part. */
enum sl_status sl_sql_pg_send_gate(struct sl_sql_pg *sql, uint64_t number,
                                   struct sl_error *err)
{
    char text[256];

    snprintf(text, sizeof(text),
             "SELECT 1 OPERATOR(pg_catalog./) CASE WHEN "
             "pg_catalog.current_setting('slight.session', true) "
             "OPERATOR(pg_catalog.=) '%016" PRIx64 "' THEN 1 ELSE 0 END",
             number);
    return sl_sql_pg_send_plain(sql, text, err);
}

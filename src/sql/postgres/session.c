/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of a connection, which components use one after the other.
 *
 * The words of a statement do not show all that it leaves behind: a table may
 * be a view, and a default, a trigger or an operator may call what changes a
 * setting, takes a lock, or prepares a statement under the name of one of the
 * driver's.  So the session is always reset when another component uses it,
 * within the round trip of that component's statement.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/postgres/connection.h"

/* These run in this order.  The first one restores the right to do the rest. */
static const char *const resets[] = {
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "CLOSE ALL",
    "UNLISTEN *",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
};

enum { ORDER_COUNT = sizeof(resets) / sizeof(resets[0]) };

uint64_t sl_sql_postgres_reset_token(void)
{
    return (uint64_t)arc4random() << 32 | arc4random() | 1;
}

/*
 * The last one: locks, the seed of random(), and the driver's settings.  It
 * fails where SQL has prepared a statement (PREPARE in a function), which may
 * have replaced one of the driver's, and where one of the driver's is gone.  No
 * name in it depends on search_path.
 */
static char *final_reset(const struct sl_sql_postgres_conn *conn,
                         uint64_t number)
{
    double seed =
        (double)(sl_sql_postgres_reset_token() >> 12) / (double)(1LL << 52);

    return sl_asprintf(
        "SELECT pg_catalog.pg_advisory_unlock_all(), "
        "pg_catalog.setseed(%.17g), %s, "
        "pg_catalog.set_config('slight.session', '%016" PRIx64 "', false), "
        "1 OPERATOR(pg_catalog./) (SELECT CASE WHEN pg_catalog.count(*) "
        "OPERATOR(pg_catalog.<) %zu OR pg_catalog.bool_or(from_sql) THEN 0 "
        "ELSE 1 END FROM pg_catalog.pg_prepared_statements)",
        seed, conn->own_settings, number, conn->cache.count);
}

enum sl_status sl_sql_postgres_fail_reset(struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE,
                   "PostgreSQL: the session could not be reset, so the "
                   "connection was closed");
}

enum sl_status sl_sql_postgres_reset_session(struct sl_sql_postgres_conn *conn,
                                             sl_deadline deadline,
                                             struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(4096);
    SL_CLEANUP(sl_freep)
    char *last = final_reset(conn, sl_sql_postgres_reset_token());
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < ORDER_COUNT; i++)
        status = sl_buf_printf(&text, err, "%s; ", resets[i]);
    if (status == SL_OK)
        status = sl_buf_printf(&text, err, "%s", last);
    if (status == SL_OK)
        status = sl_buf_append(&text, SL_BYTES("", 1), err);
    if (status == SL_OK)
        status = sl_pg_exec(&conn->pg, (const char *)text.ptr, deadline, err);
    if (status != SL_OK) {
        conn->pg.broken = true;
        return sl_sql_postgres_fail_reset(err);
    }
    conn->used = conn->dirty = false;
    return SL_OK;
}

/* The server stops a statement that the driver can no longer stop. */
enum sl_status sl_sql_postgres_session_setup(struct sl_sql_postgres_conn *conn,
                                             const struct sl_op *op,
                                             struct sl_error *err)
{
    enum { CHECKS_SINCE = 140000, MORE_MS = 1000 };
    const struct sl_service_config *config = op->config;
    bool checks = PQserverVersion(conn->pg.handle) >= CHECKS_SINCE;

    conn->own_settings = sl_asprintf(
        "pg_catalog.set_config('statement_timeout', '%lld', false)%s",
        (long long)config->timeout_ms + MORE_MS,
        checks ? ", pg_catalog.set_config('client_connection_check_interval', "
                 "'2000', false)"
               : "");
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf("SELECT %s", conn->own_settings);
    return sl_pg_exec(&conn->pg, text, op->deadline, err);
}

/* --- Owners ------------------------------------------------------------- */

bool sl_sql_postgres_is_foreign(const struct sl_sql_postgres_conn *conn,
                                const struct sl_op *op)
{
    return conn->used && conn->owner != op->owner;
}

static void note_owner(struct sl_sql_postgres_store *store, const void *owner)
{
    const void *first = NULL;

    if (owner != NULL &&
        !atomic_compare_exchange_strong(&store->owner, &first, owner) &&
        first != owner)
        atomic_store(&store->shared, true);
}

enum sl_status sl_sql_postgres_claim_session(struct sl_sql_postgres_conn *conn,
                                             const struct sl_op *op,
                                             struct sl_error *err)
{
    if (sl_sql_postgres_is_foreign(conn, op)) {
        enum sl_status status =
            sl_sql_postgres_reset_session(conn, op->deadline, err);
        if (status != SL_OK)
            return status;
    }
    sl_sql_postgres_set_owner(conn, op);
    return SL_OK;
}

void sl_sql_postgres_set_owner(struct sl_sql_postgres_conn *conn,
                               const struct sl_op *op)
{
    note_owner(conn->store, op->owner);
    conn->owner = op->owner;
    conn->used = true;
}

/* --- In a pipeline ------------------------------------------------------ */

enum sl_status sl_sql_postgres_send_reset(struct sl_sql_postgres_conn *conn,
                                          uint64_t number, struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *last = final_reset(conn, number);
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < ORDER_COUNT; i++)
        status = sl_sql_postgres_send_own(conn, resets[i], err);
    if (status == SL_OK)
        status = sl_sql_postgres_send_own(conn, last, err);
    if (status == SL_OK)
        status = sl_pg_sent(&conn->pg, PQpipelineSync(conn->pg.handle), err);
    return status;
}

/* What another component left (a statement_timeout of a millisecond) may make
 * the reset fail, and the server goes on with the next part. */
enum sl_status
sl_sql_postgres_send_reset_check(struct sl_sql_postgres_conn *conn,
                                 uint64_t number, struct sl_error *err)
{
    char text[256];

    snprintf(text, sizeof(text),
             "SELECT 1 OPERATOR(pg_catalog./) CASE WHEN "
             "pg_catalog.current_setting('slight.session', true) "
             "OPERATOR(pg_catalog.=) '%016" PRIx64 "' THEN 1 ELSE 0 END",
             number);
    return sl_sql_postgres_send_own(conn, text, err);
}

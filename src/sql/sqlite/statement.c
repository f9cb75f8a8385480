/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept for the next time. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sql/sqlite/connection.h"

enum { CACHE_CAPACITY = 32 };

static void free_sqlite_statement(struct sl_sql_sqlite_statement *statement)
{
    if (statement == NULL)
        return;
    sqlite3_finalize(statement->handle);
    sl_sql_cached_statement_done(&statement->cached);
    free(statement);
}

/* Check that SQLite sees no second statement, either. */
static enum sl_status check_single_statement(struct sl_sql_sqlite_conn *conn,
                                             const char *rest,
                                             struct sl_error *err)
{
    sqlite3_stmt *second = NULL;
    int code =
        sqlite3_prepare_v3(conn->file.handle, rest, -1, 0, &second, NULL);

    bool none = code == SQLITE_OK && second == NULL;
    sqlite3_finalize(second);
    if (none)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a second statement; make two calls");
}

static enum sl_status
prepare_sqlite_statement(struct sl_sql_sqlite_conn *conn,
                         struct sl_sql_sqlite_statement *statement,
                         struct sl_error *err)
{
    const char *rest = NULL;
    bool cacheable = sl_sql_cached_statement_fits(&statement->cached);

    conn->effects = (struct sl_sql_sqlite_effects){0};
    errno = 0; /* for sl_sqlite_explain */
    int code = sqlite3_prepare_v3(conn->file.handle, statement->cached.text, -1,
                                  cacheable ? SQLITE_PREPARE_PERSISTENT : 0,
                                  &statement->handle, &rest);
    if (code != SQLITE_OK)
        return sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_PREPARING, err);
    statement->counts = conn->effects.changes && !conn->effects.schema;
    statement->inserts = statement->counts && conn->effects.inserts;
    statement->frees = conn->effects.frees && !conn->effects.grows;
    if (statement->handle == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "the statement is empty");
    return rest[0] == '\0' ? SL_OK : check_single_statement(conn, rest, err);
}

enum sl_status sl_sql_sqlite_statement_take(
    struct sl_sql_sqlite_conn *conn, struct sl_bytes text,
    struct sl_sql_sqlite_statement **out, struct sl_error *err)
{
    struct sl_sql_sqlite_statement *statement =
        sl_sql_statement_cache_take(&conn->cache, NULL, text);
    enum sl_status status = SL_OK;

    conn->session.reached = true;
    if (statement == NULL) {
        statement = sl_alloc(sizeof(*statement));
        sl_sql_cached_statement_init(&statement->cached, NULL, text);
        status = prepare_sqlite_statement(conn, statement, err);
    }
    if (status == SL_OK)
        *out = statement;
    else
        free_sqlite_statement(statement);
    return status;
}

void sl_sql_sqlite_statement_release(struct sl_sql_sqlite_conn *conn,
                                     struct sl_sql_sqlite_statement *statement)
{
    (void)sqlite3_reset(statement->handle); /* the failed step had its code */
    sqlite3_clear_bindings(statement->handle);
    if (sl_sql_cached_statement_fits(&statement->cached))
        statement = sl_sql_statement_cache_add(&conn->cache, CACHE_CAPACITY,
                                               &statement->cached);
    free_sqlite_statement(statement);
}

void sl_sql_sqlite_statements_close(struct sl_sql_sqlite_conn *conn)
{
    struct sl_sql_sqlite_statement *statement;

    while ((statement = sl_sql_statement_cache_pop(&conn->cache)) != NULL)
        free_sqlite_statement(statement);
}

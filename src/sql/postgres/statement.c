/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept for the next time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/postgres/connection.h"

enum { CACHE_CAPACITY = SL_SQL_STATEMENT_CACHE_MAX };

_Static_assert((int)CACHE_CAPACITY > (int)SL_SQL_POSTGRES_BATCH,
               "a batch borrows its statements from the cache");

static void free_postgres_statement(struct sl_sql_postgres_statement *statement)
{
    if (statement == NULL)
        return;
    sl_sql_postgres_columns_done(&statement->columns);
    sl_sql_cached_statement_done(&statement->cached);
    free(statement->parameters);
    free(statement->server_text);
    free(statement);
}

/* --- The cache ---------------------------------------------------------- */

/* Deallocate it on the server, too, and free it.  The enclosing transaction
 * must not have failed. */
static enum sl_status
deallocate_statement(struct sl_sql_postgres_conn *conn,
                     struct sl_sql_postgres_statement *statement,
                     sl_deadline deadline, struct sl_error *err)
{
    char text[48];

    snprintf(text, sizeof(text), "DEALLOCATE %s", statement->name);
    free_postgres_statement(statement);
    return sl_sql_postgres_exec(conn, text, deadline, err);
}

/* Add a statement as the most recently used one. */
static enum sl_status
cache_statement(struct sl_sql_postgres_conn *conn,
                struct sl_sql_postgres_statement *statement,
                sl_deadline deadline, struct sl_error *err)
{
    struct sl_sql_postgres_statement *evicted = sl_sql_statement_cache_add(
        &conn->cache, CACHE_CAPACITY, &statement->cached);

    return evicted == NULL ? SL_OK
                           : deallocate_statement(conn, evicted, deadline, err);
}

/*
 * Find a cached statement, which becomes the most recently used one.  A
 * statement of another owner may mean something else, because its literals were
 * read with that owner's settings (DateStyle).
 */
static struct sl_sql_postgres_statement *
find_statement(struct sl_sql_postgres_conn *conn, const void *owner,
               struct sl_bytes text)
{
    struct sl_sql_postgres_statement *statement =
        sl_sql_statement_cache_take(&conn->cache, owner, text);

    if (statement != NULL)
        (void)sl_sql_statement_cache_add(&conn->cache, CACHE_CAPACITY,
                                         &statement->cached);
    return statement;
}

bool sl_sql_postgres_statement_is_prepared(struct sl_sql_postgres_conn *conn,
                                           const void *owner,
                                           struct sl_bytes text)
{
    return find_statement(conn, owner, text) != NULL;
}

void sl_sql_postgres_statements_close(struct sl_sql_postgres_conn *conn)
{
    struct sl_sql_postgres_statement *statement;

    while ((statement = sl_sql_statement_cache_pop(&conn->cache)) != NULL)
        free_postgres_statement(statement);
    free_postgres_statement(conn->uncached);
    conn->uncached = NULL;
}

void sl_sql_postgres_statement_discard(struct sl_sql_postgres_conn *conn,
                                       const void *owner, struct sl_bytes text)
{
    enum { SOON_MS = 1000 };
    struct sl_sql_postgres_statement *statement =
        sl_sql_statement_cache_take(&conn->cache, owner, text);
    struct sl_error err;

    /* This fails where the server does not know it any more. */
    if (statement != NULL)
        (void)!deallocate_statement(conn, statement, sl_deadline_in_ms(SOON_MS),
                                    &err);
}

static enum sl_status
keep_statement(struct sl_sql_postgres_conn *conn,
               struct sl_sql_postgres_statement *statement,
               sl_deadline deadline, struct sl_error *err)
{
    if (statement->cacheable)
        return cache_statement(conn, statement, deadline, err);
    free_postgres_statement(conn->uncached);
    conn->uncached = statement;
    return SL_OK;
}

/* --- Types -------------------------------------------------------------- */

/* The name of a type that not every database has. */
static enum sl_status fetch_type_name(struct sl_sql_postgres_conn *conn,
                                      Oid oid, sl_deadline deadline,
                                      char **name, struct sl_error *err)
{
    char text[160];
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;

    snprintf(text, sizeof(text),
             "SELECT CASE WHEN typelem <> 0 AND typlen = -1 THEN "
             "substr(typname, 2) || '[]' ELSE typname END "
             "FROM pg_catalog.pg_type WHERE oid = %u",
             (unsigned)oid);
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQsendQuery(conn->pg.handle, text), err);
    if (status == SL_OK)
        status = sl_pg_next(&conn->pg, deadline, &result, err);
    if (status != SL_OK)
        return status;
    bool known = result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK &&
                 PQntuples(result) == 1;
    *name = sl_strdup(known ? PQgetvalue(result, 0, 0) : "");
    return sl_pg_drain(&conn->pg, deadline, err);
}

enum sl_status sl_sql_postgres_columns_name_types(
    struct sl_sql_postgres_conn *conn, sl_deadline deadline,
    struct sl_sql_postgres_columns *columns, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; i < columns->count && status == SL_OK; i++) {
        struct sl_sql_postgres_column *column = &columns->list[i];
        const struct sl_sql_postgres_type *type =
            sl_sql_postgres_find_type(column->oid);
        if (type != NULL)
            column->type_name = sl_strdup(type->name);
        else
            status = fetch_type_name(conn, column->oid, deadline,
                                     &column->type_name, err);
    }
    return status;
}

enum sl_status sl_sql_postgres_columns_describe(
    struct sl_sql_postgres_conn *conn, const PGresult *description,
    sl_deadline deadline, struct sl_sql_postgres_columns *columns,
    struct sl_error *err)
{
    sl_sql_postgres_columns_init(description, columns);
    enum sl_status status =
        sl_sql_postgres_columns_name_types(conn, deadline, columns, err);
    if (status != SL_OK)
        sl_sql_postgres_columns_done(columns);
    return status;
}

/* The types of the placeholders: of a description, or one in each row. */
static void load_parameters(struct sl_sql_postgres_statement *statement,
                            const PGresult *from)
{
    int count = statement->described ? PQnparams(from) : PQntuples(from);

    statement->parameter_count = (size_t)count;
    statement->parameters = sl_alloc_array(statement->parameter_count,
                                           sizeof(*statement->parameters));
    for (int i = 0; i < count; i++) {
        Oid oid = statement->described
                      ? PQparamtype(from, i)
                      : (Oid)strtoul(PQgetvalue(from, i, 0), NULL, 10);
        const struct sl_sql_postgres_type *type =
            sl_sql_postgres_find_type(oid);
        statement->parameters[i].oid = oid;
        statement->parameters[i].kind =
            type != NULL ? type->kind : SL_SQL_POSTGRES_OTHER;
    }
}

/* --- Preparing ---------------------------------------------------------- */

/* Query the types of the placeholders, which come in rows.  No name in it
 * depends on search_path. */
static int send_type_query(PGconn *handle, const char *name)
{
    char text[240];

    snprintf(text, sizeof(text),
             "SELECT pg_catalog.unnest(parameter_types)::pg_catalog.oid FROM "
             "pg_catalog.pg_prepared_statements WHERE name "
             "OPERATOR(pg_catalog.=) '%s'",
             name);
    return PQsendQueryParams(handle, text, 0, NULL, NULL, NULL, NULL, 0);
}

/* In one pipeline: deallocate the last uncached one, prepare, and describe. */
static enum sl_status
send_named_prepare(struct sl_sql_postgres_conn *conn,
                   const struct sl_sql_postgres_statement *statement,
                   struct sl_error *err)
{
    PGconn *handle = conn->pg.handle;
    char forget[48];
    int sent = PQenterPipelineMode(handle);

    if (conn->uncached_name[0] != '\0') {
        snprintf(forget, sizeof(forget), "DEALLOCATE %s", conn->uncached_name);
        conn->uncached_name[0] = '\0';
        if (sent == 1)
            sent =
                PQsendQueryParams(handle, forget, 0, NULL, NULL, NULL, NULL, 0);
    }
    if (sent == 1)
        sent = PQsendPrepare(handle, statement->name, statement->server_text, 0,
                             NULL);
    if (sent == 1)
        sent = statement->described
                   ? PQsendDescribePrepared(handle, statement->name)
                   : send_type_query(handle, statement->name);
    if (sent == 1)
        sent = PQpipelineSync(handle);
    return sl_pg_sent(&conn->pg, sent, err);
}

/* Read to the end of the pipeline.  *description is the last result. */
static enum sl_status read_prepared(struct sl_sql_postgres_conn *conn,
                                    sl_deadline deadline,
                                    PGresult **description,
                                    struct sl_error *err)
{
    enum sl_status failed = SL_OK;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status = sl_pg_next(&conn->pg, deadline, &result, err);
        if (status != SL_OK)
            return status;
        if (result == NULL)
            continue;
        switch (PQresultStatus(result)) {
        case PGRES_FATAL_ERROR:
            failed = sl_sql_postgres_fail_result(conn, result, NULL, err);
            if (conn->pg.broken)
                return failed;
            break;
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
            sl_pg_clear(description);
            *description = result;
            result = NULL; /* handed over */
            break;
        case PGRES_PIPELINE_SYNC:
            (void)PQexitPipelineMode(conn->pg.handle);
            return failed;
        default:
            break;
        }
    }
}

static enum sl_status check_type_rows(const PGresult *types,
                                      struct sl_error *err)
{
    return PQresultStatus(types) == PGRES_TUPLES_OK && PQntuples(types) > 0
               ? SL_OK
               : sl_fail(err, SL_INTERNAL,
                         "PostgreSQL does not report the types of the "
                         "placeholders");
}

/* Note a statement that the server has prepared, but that is not in the cache:
 * the next preparation deallocates it.  last: the last result of this one. */
static void note_uncached(struct sl_sql_postgres_conn *conn,
                          const struct sl_sql_postgres_statement *statement,
                          PGresult *last, bool failed)
{
    /* If a later step failed, the last result is the preparation's, which has
     * no tag. */
    bool known = last != NULL && (!failed || PQcmdStatus(last)[0] == '\0');

    if (known && (failed || !statement->cacheable))
        snprintf(conn->uncached_name, sizeof(conn->uncached_name), "%s",
                 statement->name);
}

static enum sl_status
prepare_postgres_statement(struct sl_sql_postgres_conn *conn,
                           struct sl_sql_postgres_statement *statement,
                           sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *description = NULL;

    conn->session.reached = true;
    enum sl_status status = send_named_prepare(conn, statement, err);
    if (status == SL_OK)
        status = read_prepared(conn, deadline, &description, err);
    if (status == SL_OK && !statement->described)
        status = check_type_rows(description, err);
    note_uncached(conn, statement, description, status != SL_OK);
    if (status != SL_OK || description == NULL)
        return status;
    load_parameters(statement, description);
    return statement->described
               ? sl_sql_postgres_columns_describe(conn, description, deadline,
                                                  &statement->columns, err)
               : SL_OK;
}

/* The server gets `before` in front of the statement. */
static enum sl_status prepare_new(struct sl_sql_postgres_conn *conn,
                                  const void *owner, struct sl_bytes text,
                                  const char *before, bool cacheable,
                                  sl_deadline deadline,
                                  struct sl_sql_postgres_statement **out,
                                  struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf sent = SL_BUF(16 << 20);
    struct sl_sql_postgres_class class = sl_sql_postgres_classify(text);

    if (class.refused != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not be %s",
                       class.refused);
    if (class.reaching != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "a statement may not use %s, which may reach other "
                       "components' statements",
                       class.reaching);
    size_t placeholders = 0;
    enum sl_status status =
        sl_sql_scan(text, SL_SQL_POSTGRES, &placeholders, err);
    if (status == SL_OK)
        status = sl_buf_printf(&sent, err, "%s", before);
    if (status == SL_OK)
        status = sl_sql_rewrite(text, SL_SQL_POSTGRES, &sent, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_postgres_statement *statement = sl_alloc(sizeof(*statement));
    statement->class = class;
    sl_sql_cached_statement_init(&statement->cached, owner, text);
    statement->server_text = sl_strndup(sent.ptr, sent.len);
    statement->described = placeholders <= SL_SQL_POSTGRES_DESCRIBED;
    statement->cacheable = cacheable && !class.dirties &&
                           sl_sql_cached_statement_fits(&statement->cached);
    snprintf(statement->name, sizeof(statement->name), "sl_s%" PRIu64,
             ++conn->name_count);
    /* In a transaction, the preparation has locked its tables. */
    statement->fresh = !statement->cacheable &&
                       PQtransactionStatus(conn->pg.handle) == PQTRANS_INTRANS;
    status = prepare_postgres_statement(conn, statement, deadline, err);
    if (status != SL_OK) {
        free_postgres_statement(statement);
        return status;
    }
    *out = statement;
    return keep_statement(conn, statement, deadline, err);
}

enum sl_status sl_sql_postgres_statement_get(
    struct sl_sql_postgres_conn *conn, const void *owner, struct sl_bytes text,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err)
{
    *out = find_statement(conn, owner, text);
    conn->was_cached = *out != NULL;
    return *out != NULL
               ? SL_OK
               : prepare_new(conn, owner, text, "", true, deadline, out, err);
}

enum sl_status sl_sql_postgres_statement_prepare_once(
    struct sl_sql_postgres_conn *conn, struct sl_bytes text,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err)
{
    return prepare_new(conn, conn->owner, text, "", false, deadline, out, err);
}

enum sl_status sl_sql_postgres_statement_prepare_cursor(
    struct sl_sql_postgres_conn *conn, struct sl_bytes text, const char *name,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err)
{
    char before[64];

    snprintf(before, sizeof(before), "DECLARE %s NO SCROLL CURSOR FOR ", name);
    return prepare_new(conn, conn->owner, text, before, false, deadline, out,
                       err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept because they come again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/postgres_state.h"

static void statement_free(struct sl_sql_pg_statement *statement)
{
    if (statement == NULL)
        return;
    sl_sql_pg_columns_done(&statement->columns);
    free(statement->parameters);
    free(statement->text);
    free(statement);
}

/* FNV-1a. */
static uint64_t hash_of(struct sl_bytes text)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.ptr[i]) * 1099511628211u;
    return hash;
}

/* --- What is kept ----------------------------------------------------------
 */

/* Take out of what is kept. */
static struct sl_sql_pg_statement *remove_at(struct sl_sql_pg *sql,
                                             size_t index)
{
    struct sl_sql_pg_statement *statement = sql->cached[index];

    sql->cached_count--;
    memmove(&sql->cached[index], &sql->cached[index + 1],
            (sql->cached_count - index) * sizeof(sql->cached[0]));
    return statement;
}

/* What another owner prepared may mean something else: literals were read as
 * that one's session had it (DateStyle). */
static struct sl_sql_pg_statement *find(struct sl_sql_pg *sql,
                                        const void *owner, struct sl_bytes text)
{
    uint64_t hash = hash_of(text);

    for (size_t i = sql->cached_count; i-- > 0;)
        if (sql->cached[i]->hash == hash && sql->cached[i]->owner == owner &&
            sql->cached[i]->len == text.len &&
            memcmp(sql->cached[i]->text, text.ptr, text.len) == 0) {
            struct sl_sql_pg_statement *found = remove_at(sql, i);
            sql->cached[sql->cached_count++] = found;
            return found;
        }
    return NULL;
}

bool sl_sql_pg_is_prepared(struct sl_sql_pg *sql, const void *owner,
                           struct sl_bytes text)
{
    return find(sql, owner, text) != NULL;
}

void sl_sql_pg_forget(struct sl_sql_pg *sql)
{
    while (sql->cached_count > 0)
        statement_free(remove_at(sql, 0));
    statement_free(sql->last);
    sql->last = NULL;
}

/* On the server as well; which it is in is none that has failed. */
static enum sl_status deallocate(struct sl_sql_pg *sql,
                                 struct sl_sql_pg_statement *statement,
                                 sl_deadline deadline, struct sl_error *err)
{
    char text[48];

    snprintf(text, sizeof(text), "DEALLOCATE %s", statement->name);
    statement_free(statement);
    return sl_sql_pg_perform(sql, text, deadline, err);
}

void sl_sql_pg_drop(struct sl_sql_pg *sql, const void *owner,
                    struct sl_bytes text)
{
    enum { SOON_MS = 1000 };
    struct sl_error err;

    /* The server may know it no more; then this fails. */
    if (find(sql, owner, text) != NULL)
        (void)!deallocate(sql, remove_at(sql, sql->cached_count - 1),
                          sl_deadline_in_ms(SOON_MS), &err);
}

static enum sl_status keep(struct sl_sql_pg *sql,
                           struct sl_sql_pg_statement *statement,
                           sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (!statement->keeps) {
        statement_free(sql->last);
        sql->last = statement;
        return SL_OK;
    }
    if (sql->cached_count == SL_SQL_PG_CACHED)
        status = deallocate(sql, remove_at(sql, 0), deadline, err);
    sql->cached[sql->cached_count++] = statement;
    return status;
}

/* --- Types -----------------------------------------------------------------
 */

/* Of a type that not every database has. */
static enum sl_status ask_name(struct sl_sql_pg *sql, Oid oid,
                               sl_deadline deadline, char **name,
                               struct sl_error *err)
{
    char text[160];
    SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;

    snprintf(text, sizeof(text),
             "SELECT CASE WHEN typelem <> 0 AND typlen = -1 THEN "
             "substr(typname, 2) || '[]' ELSE typname END "
             "FROM pg_catalog.pg_type WHERE oid = %u",
             (unsigned)oid);
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQsendQuery(sql->pg.handle, text), err);
    if (status == SL_OK)
        status = sl_pg_next(&sql->pg, deadline, &result, err);
    if (status != SL_OK)
        return status;
    bool known = result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK &&
                 PQntuples(result) == 1;
    *name = sl_strdup(known ? PQgetvalue(result, 0, 0) : "");
    return sl_pg_drain(&sql->pg, deadline, err);
}

enum sl_status sl_sql_pg_describe(struct sl_sql_pg *sql,
                                  const PGresult *description,
                                  sl_deadline deadline,
                                  struct sl_sql_pg_columns *columns,
                                  struct sl_error *err)
{
    size_t count = (size_t)PQnfields(description);
    enum sl_status status = SL_OK;

    columns->list = sl_alloc_array(count, sizeof(*columns->list));
    columns->count = count;
    columns->binary = true;
    for (size_t i = 0; i < count && status == SL_OK; i++) {
        Oid oid = PQftype(description, (int)i);
        const struct sl_sql_pg_type *type = sl_sql_pg_find_type(oid);
        struct sl_sql_pg_column *column = &columns->list[i];
        column->oid = oid;
        column->kind = type != NULL ? type->kind : SL_SQL_PG_OTHER;
        if (column->kind == SL_SQL_PG_OTHER)
            columns->binary = false; /* libpq asks for all alike */
        if (type != NULL)
            column->type_name = sl_strdup(type->name);
        else
            status = ask_name(sql, oid, deadline, &column->type_name, err);
    }
    if (status != SL_OK)
        sl_sql_pg_columns_done(columns);
    return status;
}

static void take_parameters(struct sl_sql_pg_statement *statement,
                            const PGresult *description)
{
    size_t count = (size_t)PQnparams(description);

    statement->parameters =
        sl_alloc_array(count, sizeof(*statement->parameters));
    statement->parameter_count = count;
    for (size_t i = 0; i < count; i++) {
        Oid oid = PQparamtype(description, (int)i);
        const struct sl_sql_pg_type *type = sl_sql_pg_find_type(oid);
        statement->parameters[i].oid = oid;
        statement->parameters[i].kind =
            type != NULL ? type->kind : SL_SQL_PG_OTHER;
    }
}

/* --- Preparing -------------------------------------------------------------
 */

/* In one go: forget the last one that is not kept, prepare, and describe. */
static enum sl_status send_prepare(struct sl_sql_pg *sql, const char *name,
                                   const char *text, struct sl_error *err)
{
    PGconn *handle = sql->pg.handle;
    char forget[48];
    int sent = PQenterPipelineMode(handle);

    if (sql->once[0] != '\0') {
        snprintf(forget, sizeof(forget), "DEALLOCATE %s", sql->once);
        sql->once[0] = '\0';
        if (sent == 1)
            sent =
                PQsendQueryParams(handle, forget, 0, NULL, NULL, NULL, NULL, 0);
    }
    if (sent == 1)
        sent = PQsendPrepare(handle, name, text, 0, NULL);
    if (sent == 1)
        sent = PQsendDescribePrepared(handle, name);
    if (sent == 1)
        sent = PQpipelineSync(handle);
    return sl_pg_sent(&sql->pg, sent, err);
}

/* Read to the end of the pipeline; the description, or what went wrong. */
static enum sl_status read_prepared(struct sl_sql_pg *sql, sl_deadline deadline,
                                    PGresult **description,
                                    struct sl_error *err)
{
    enum sl_status failed = SL_OK;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status = sl_pg_next(&sql->pg, deadline, &result, err);
        if (status != SL_OK)
            return status;
        if (result == NULL)
            continue;
        switch (PQresultStatus(result)) {
        case PGRES_FATAL_ERROR:
            failed = sl_sql_pg_failed(sql, result, NULL, err);
            if (sql->pg.lost)
                return failed;
            break;
        case PGRES_COMMAND_OK:
            sl_pg_clear(description);
            *description = result;
            result = NULL; /* handed over */
            break;
        case PGRES_PIPELINE_SYNC:
            (void)PQexitPipelineMode(sql->pg.handle);
            return failed;
        default:
            break;
        }
    }
}

static enum sl_status prepare(struct sl_sql_pg *sql,
                              struct sl_sql_pg_statement *statement,
                              const char *text, sl_deadline deadline,
                              struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *description = NULL;

    sql->asked = true;
    enum sl_status status = send_prepare(sql, statement->name, text, err);
    if (status == SL_OK)
        status = read_prepared(sql, deadline, &description, err);
    if (status != SL_OK || description == NULL)
        return status;
    if (!statement->keeps)
        snprintf(sql->once, sizeof(sql->once), "%s", statement->name);
    take_parameters(statement, description);
    return sl_sql_pg_describe(sql, description, deadline, &statement->columns,
                              err);
}

/* In front of the statement stands `before`; the server gets it with $1, …. */
static enum sl_status take_new(struct sl_sql_pg *sql, const void *owner,
                               struct sl_bytes text, const char *before,
                               bool keeps, sl_deadline deadline,
                               struct sl_sql_pg_statement **out,
                               struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf sent = SL_BUF(16 << 20);
    struct sl_sql_pg_words words = sl_sql_pg_words(text);

    if (words.refused != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not be %s",
                       words.refused);
    if (words.reaching != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "a statement may not use %s, which may reach other "
                       "components' statements",
                       words.reaching);
    enum sl_status status = sl_buf_printf(&sent, err, "%s", before);
    if (status == SL_OK)
        status = sl_sql_rewrite(text, SL_SQL_POSTGRES, &sent, err);
    if (status == SL_OK)
        status = sl_buf_append(&sent, SL_BYTES("", 1), err);
    if (status != SL_OK)
        return status;
    struct sl_sql_pg_statement *statement = sl_alloc(sizeof(*statement));
    statement->words = words;
    statement->owner = owner;
    statement->text = sl_strndup(text.ptr, text.len);
    statement->len = text.len;
    statement->hash = hash_of(text);
    statement->keeps =
        keeps && !words.leaves && text.len <= SL_SQL_PG_CACHED_BYTES;
    snprintf(statement->name, sizeof(statement->name), "sl_s%" PRIu64,
             ++sql->names);
    status = prepare(sql, statement, (const char *)sent.ptr, deadline, err);
    if (status != SL_OK) {
        statement_free(statement);
        return status;
    }
    *out = statement;
    return keep(sql, statement, deadline, err);
}

enum sl_status sl_sql_pg_take(struct sl_sql_pg *sql, const void *owner,
                              struct sl_bytes text, sl_deadline deadline,
                              struct sl_sql_pg_statement **out,
                              struct sl_error *err)
{
    *out = find(sql, owner, text);
    sql->again = *out != NULL;
    return *out != NULL
               ? SL_OK
               : take_new(sql, owner, text, "", true, deadline, out, err);
}

enum sl_status sl_sql_pg_take_cursor(struct sl_sql_pg *sql,
                                     struct sl_bytes text, const char *name,
                                     sl_deadline deadline,
                                     struct sl_sql_pg_statement **out,
                                     struct sl_error *err)
{
    char before[64];

    snprintf(before, sizeof(before), "DECLARE %s NO SCROLL CURSOR FOR ", name);
    return take_new(sql, sql->owner, text, before, false, deadline, out, err);
}

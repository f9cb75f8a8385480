/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept because they come again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/postgres/state.h"

static void statement_free(struct sl_sql_pg_statement *statement)
{
    if (statement == NULL)
        return;
    sl_sql_pg_columns_done(&statement->columns);
    free(statement->parameters);
    free(statement->text);
    free(statement->sent);
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

/* --- What is kept ------------------------------------------------------- */

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

/* --- Types -------------------------------------------------------------- */

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

void sl_sql_pg_take_columns(const PGresult *from,
                            struct sl_sql_pg_columns *columns)
{
    size_t count = (size_t)PQnfields(from);

    columns->list = sl_alloc_array(count, sizeof(*columns->list));
    columns->count = count;
    columns->binary = true;
    for (size_t i = 0; i < count; i++) {
        Oid oid = PQftype(from, (int)i);
        const struct sl_sql_pg_type *type = sl_sql_pg_find_type(oid);
        columns->list[i].oid = oid;
        columns->list[i].kind = type != NULL ? type->kind : SL_SQL_PG_OTHER;
        if (columns->list[i].kind == SL_SQL_PG_OTHER)
            columns->binary = false; /* libpq asks for all alike */
    }
}

enum sl_status sl_sql_pg_name_types(struct sl_sql_pg *sql, sl_deadline deadline,
                                    struct sl_sql_pg_columns *columns,
                                    struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; i < columns->count && status == SL_OK; i++) {
        struct sl_sql_pg_column *column = &columns->list[i];
        const struct sl_sql_pg_type *type = sl_sql_pg_find_type(column->oid);
        if (type != NULL)
            column->type_name = sl_strdup(type->name);
        else
            status =
                ask_name(sql, column->oid, deadline, &column->type_name, err);
    }
    return status;
}

enum sl_status sl_sql_pg_describe(struct sl_sql_pg *sql,
                                  const PGresult *description,
                                  sl_deadline deadline,
                                  struct sl_sql_pg_columns *columns,
                                  struct sl_error *err)
{
    sl_sql_pg_take_columns(description, columns);
    enum sl_status status = sl_sql_pg_name_types(sql, deadline, columns, err);
    if (status != SL_OK)
        sl_sql_pg_columns_done(columns);
    return status;
}

/* Of a description; or where there is none, one in each row. */
static void take_parameters(struct sl_sql_pg_statement *statement,
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
        const struct sl_sql_pg_type *type = sl_sql_pg_find_type(oid);
        statement->parameters[i].oid = oid;
        statement->parameters[i].kind =
            type != NULL ? type->kind : SL_SQL_PG_OTHER;
    }
}

/* --- Preparing ---------------------------------------------------------- */

/* The types of the placeholders come in rows, which may be many.  Nothing of it
 * is looked up by search_path. */
static int send_ask_types(PGconn *handle, const char *name)
{
    char text[240];

    snprintf(text, sizeof(text),
             "SELECT pg_catalog.unnest(parameter_types)::pg_catalog.oid FROM "
             "pg_catalog.pg_prepared_statements WHERE name "
             "OPERATOR(pg_catalog.=) '%s'",
             name);
    return PQsendQueryParams(handle, text, 0, NULL, NULL, NULL, NULL, 0);
}

/* In one go: forget the last one that is not kept, prepare, and describe. */
static enum sl_status send_prepare(struct sl_sql_pg *sql,
                                   const struct sl_sql_pg_statement *statement,
                                   struct sl_error *err)
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
        sent = PQsendPrepare(handle, statement->name, statement->sent, 0, NULL);
    if (sent == 1)
        sent = statement->described
                   ? PQsendDescribePrepared(handle, statement->name)
                   : send_ask_types(handle, statement->name);
    if (sent == 1)
        sent = PQpipelineSync(handle);
    return sl_pg_sent(&sql->pg, sent, err);
}

/* Read to the end of the pipeline; the last result, or what went wrong. */
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
        case PGRES_TUPLES_OK:
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

static enum sl_status check_types(const PGresult *types, struct sl_error *err)
{
    return PQresultStatus(types) == PGRES_TUPLES_OK && PQntuples(types) > 0
               ? SL_OK
               : sl_fail(err, SL_INTERNAL,
                         "PostgreSQL does not tell the types of the "
                         "placeholders");
}

/* Where the server knows a statement that nothing here is going to know, it is
 * forgotten with the next one that is prepared.  last: the result of it. */
static void note_once(struct sl_sql_pg *sql,
                      const struct sl_sql_pg_statement *statement,
                      PGresult *last, bool failed)
{
    /* Behind what failed that of the preparation, which has no tag, is last. */
    bool known = last != NULL && (!failed || PQcmdStatus(last)[0] == '\0');

    if (known && (failed || !statement->keeps))
        snprintf(sql->once, sizeof(sql->once), "%s", statement->name);
}

static enum sl_status prepare(struct sl_sql_pg *sql,
                              struct sl_sql_pg_statement *statement,
                              sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_pg_clear) PGresult *description = NULL;

    sql->asked = true;
    enum sl_status status = send_prepare(sql, statement, err);
    if (status == SL_OK)
        status = read_prepared(sql, deadline, &description, err);
    if (status == SL_OK && !statement->described)
        status = check_types(description, err);
    note_once(sql, statement, description, status != SL_OK);
    if (status != SL_OK || description == NULL)
        return status;
    take_parameters(statement, description);
    return statement->described ? sl_sql_pg_describe(sql, description, deadline,
                                                     &statement->columns, err)
                                : SL_OK;
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
    size_t placeholders = 0;
    enum sl_status status =
        sl_sql_scan(text, SL_SQL_POSTGRES, &placeholders, err);
    if (status == SL_OK)
        status = sl_buf_printf(&sent, err, "%s", before);
    if (status == SL_OK)
        status = sl_sql_rewrite(text, SL_SQL_POSTGRES, &sent, err);
    if (status != SL_OK)
        return status;
    struct sl_sql_pg_statement *statement = sl_alloc(sizeof(*statement));
    statement->words = words;
    statement->owner = owner;
    statement->text = sl_strndup(text.ptr, text.len);
    statement->len = text.len;
    statement->sent = sl_strndup(sent.ptr, sent.len);
    statement->hash = hash_of(text);
    statement->described = placeholders <= SL_SQL_PG_DESCRIBED;
    statement->keeps =
        keeps && !words.leaves && text.len <= SL_SQL_PG_CACHED_BYTES;
    snprintf(statement->name, sizeof(statement->name), "sl_s%" PRIu64,
             ++sql->names);
    /* What it names is locked by then, to the transaction's end. */
    statement->fresh = !statement->keeps &&
                       PQtransactionStatus(sql->pg.handle) == PQTRANS_INTRANS;
    status = prepare(sql, statement, deadline, err);
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

enum sl_status sl_sql_pg_take_once(struct sl_sql_pg *sql, struct sl_bytes text,
                                   sl_deadline deadline,
                                   struct sl_sql_pg_statement **out,
                                   struct sl_error *err)
{
    return take_new(sql, sql->owner, text, "", false, deadline, out, err);
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

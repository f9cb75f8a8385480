/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of the server: results and errors. */
#include <stdlib.h>
#include <string.h>

#include "sql/postgres/connection.h"

enum {
    DROPPED_MAX =
        1 << 20, /* bytes of rows that are read only to be discarded */
    CANCEL_MS = 1000,
};

/* --- Errors ------------------------------------------------------------- */

static bool has_prefix(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A type or a function that the plan knows by its OID has been dropped. */
static bool is_missing_object(const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    return strcmp(sl_pg_sqlstate(result), "XX000") == 0 && message != NULL &&
           has_prefix(message, "cache lookup failed");
}

/*
 * Whether the prepared statement is gone, or may no longer fit the tables: then
 * names and types are wrong that were right before.
 */
static bool is_stale_plan(const struct sl_sql_postgres_conn *conn,
                          const PGresult *result)
{
    const char *sqlstate = sl_pg_sqlstate(result);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    return strcmp(sqlstate, "26000") == 0 ||
           (conn->was_cached &&
            (strncmp(sqlstate, "42", 2) == 0 || is_missing_object(result))) ||
           (strcmp(sqlstate, "0A000") == 0 && function != NULL &&
            strcmp(function, "RevalidateCachedQuery") == 0);
}

/* Data errors may quote a value in any form; others only as it was sent. */
static bool may_quote(const PGresult *result,
                      const struct sl_sql_parameters *set)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (set == NULL || set->count == 0 || message == NULL)
        return false;
    return strncmp(sl_pg_sqlstate(result), "22", 2) == 0 ||
           sl_sql_postgres_quotes_value(message, set);
}

enum sl_status sl_sql_postgres_fail_altered(struct sl_sql_postgres_conn *conn,
                                            struct sl_error *err)
{
    conn->stale_plan = true;
    return sl_fail(err, SL_ABORTED,
                   "a table of the statement was altered; run the "
                   "transaction again");
}

/* Whether the server reports that it takes no writes.  One that does not report
 * it (before 14, or behind a pooler) is assumed to take none. */
static bool takes_no_writes(const struct sl_sql_postgres_conn *conn)
{
    const char *standby = PQparameterStatus(conn->pg.handle, "in_hot_standby");
    const char *reads =
        PQparameterStatus(conn->pg.handle, "default_transaction_read_only");

    return standby == NULL || reads == NULL || strcmp(standby, "on") == 0 ||
           strcmp(reads, "on") == 0;
}

/* A write in a read-only transaction: either somebody asked for it to be
 * read-only, or another server is the primary by now, which a new connection
 * may reach. */
static enum sl_status refuse_write(struct sl_sql_postgres_conn *conn,
                                   const PGresult *result, struct sl_error *err)
{
    enum sl_status status = sl_pg_explain(result, true, err);

    if (conn->session.read_only || conn->own_read_only ||
        conn->fetch_read_only || conn->store->read_only ||
        !takes_no_writes(conn)) {
        err->status = SL_READ_ONLY;
        return SL_READ_ONLY;
    }
    conn->demoted = true;
    conn->pg.broken = true;
    return status;
}

enum sl_status sl_sql_postgres_fail_result(struct sl_sql_postgres_conn *conn,
                                           const PGresult *result,
                                           const struct sl_sql_parameters *set,
                                           struct sl_error *err)
{
    const char *sqlstate = sl_pg_sqlstate(result);

    if (strcmp(sqlstate, "25006") == 0)
        return refuse_write(conn, result, err);
    conn->stale_plan = is_stale_plan(conn, result);
    if (conn->stale_plan &&
        conn->session.transaction == SL_SQL_TRANSACTION_OPEN &&
        strncmp(sqlstate, "42", 2) != 0)
        return sl_sql_postgres_fail_altered(conn, err);
    if (strcmp(sl_pg_sqlstate(result), "42P18") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "PostgreSQL cannot infer the type of a placeholder; "
                       "write CAST(? AS type)");
    return sl_pg_explain(result, !may_quote(result, set), err);
}

/* --- Results ------------------------------------------------------------ */

/* Add what one run of a statement did, from the server's command tag. */
static void add_tag_counts(PGresult *result, struct sl_sql_answer *answer)
{
    const char *tag = PQcmdStatus(result);

    if (has_prefix(tag, "INSERT ") || has_prefix(tag, "UPDATE ") ||
        has_prefix(tag, "DELETE ") || has_prefix(tag, "MERGE "))
        answer->affected += strtoull(PQcmdTuples(result), NULL, 10);
}

/* Whether the columns differ from those that were learned. */
static bool has_other_columns(const struct sl_sql_postgres_columns *columns,
                              const PGresult *result)
{
    if ((size_t)PQnfields(result) != columns->count)
        return true;
    for (size_t i = 0; i < columns->count; i++)
        if (PQftype(result, (int)i) != columns->list[i].oid)
            return true;
    return false;
}

static bool has_other_types(const struct sl_sql_postgres_statement *statement,
                            const PGresult *description)
{
    if ((size_t)PQnparams(description) != statement->parameter_count)
        return true;
    for (size_t i = 0; i < statement->parameter_count; i++)
        if (PQparamtype(description, (int)i) != statement->parameters[i].oid)
            return true;
    return false;
}

static enum sl_status take_rows(struct sl_sql_postgres_conn *conn,
                                struct sl_sql_postgres_reader *reader,
                                const PGresult *result, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (reader->rows == NULL)
        return SL_OK;
    if (!reader->has_columns && reader->learned == NULL &&
        reader->columns->count > 0 &&
        has_other_columns(reader->columns, result))
        return sl_sql_postgres_fail_altered(conn, err);
    if (!reader->has_columns && reader->learned != NULL) {
        sl_sql_postgres_columns_init(result, reader->learned);
        reader->columns = reader->learned;
    }
    if (!reader->has_columns)
        status = sl_sql_postgres_add_columns(reader->columns, result,
                                             reader->rows, err);
    reader->has_columns = true;
    for (int i = 0; status == SL_OK && i < PQntuples(result); i++)
        status = sl_sql_postgres_add_row(reader->columns, result, i,
                                         reader->rows, err);
    return status;
}

/* Discard rows; after many of them, cancel the statement. */
static void drop_rows(struct sl_sql_postgres_conn *conn,
                      struct sl_sql_postgres_reader *reader,
                      const PGresult *result)
{
    reader->discarded += PQresultMemorySize(result);
    if (reader->discarded <= DROPPED_MAX || reader->cancelled)
        return;
    reader->cancelled = true;
    (void)sl_pg_cancel(&conn->pg, sl_deadline_in_ms(CANCEL_MS));
}

static enum sl_status take_result(struct sl_sql_postgres_conn *conn,
                                  struct sl_sql_postgres_reader *reader,
                                  PGresult *result, struct sl_error *err)
{
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
        return take_rows(conn, reader, result, err);
    case PGRES_TUPLES_OK:
        if (reader->answer != NULL)
            add_tag_counts(result, reader->answer);
        return take_rows(conn, reader, result, err);
    case PGRES_COMMAND_OK:
        if (reader->expected != NULL && PQnparams(result) > 0 &&
            has_other_types(reader->expected, result))
            return sl_sql_postgres_fail_altered(conn, err);
        if (reader->answer != NULL)
            add_tag_counts(result, reader->answer);
        return SL_OK;
    case PGRES_PIPELINE_ABORTED: /* the failure was reported before */
        reader->aborted = true;
        return SL_OK;
    case PGRES_EMPTY_QUERY:
        return SL_OK;
    case PGRES_FATAL_ERROR:
        return sl_sql_postgres_fail_result(conn, result, reader->set, err);
    default:
        conn->pg.broken = true;
        return sl_fail(err, SL_UNAVAILABLE,
                       "PostgreSQL sent an unexpected result");
    }
}

enum sl_status
sl_sql_postgres_read_results(struct sl_sql_postgres_conn *conn,
                             struct sl_sql_postgres_reader *reader,
                             struct sl_error *err)
{
    enum sl_status failed = SL_OK;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status =
            sl_pg_next(&conn->pg, reader->deadline, &result, err);
        if (status != SL_OK)
            return status;
        if (result == NULL && !reader->to_sync)
            return failed;
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            return failed;
        if (failed != SL_OK)
            drop_rows(conn, reader, result);
        else
            failed = take_result(conn, reader, result, err);
        if (conn->pg.broken)
            return failed;
    }
}

enum sl_status sl_sql_postgres_exec(struct sl_sql_postgres_conn *conn,
                                    const char *text, sl_deadline deadline,
                                    struct sl_error *err)
{
    struct sl_sql_postgres_reader reader = {.deadline = deadline};
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQsendQuery(conn->pg.handle, text), err);

    return status == SL_OK ? sl_sql_postgres_read_results(conn, &reader, err)
                           : status;
}

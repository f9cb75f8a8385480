/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers: results to their end, and errors. */
#include <stdlib.h>
#include <string.h>

#include "sql/postgres/state.h"

enum {
    DROPPED_MAX = 1 << 20, /* bytes of rows that are read to no purpose */
    CANCEL_MS = 1000,
};

/* --- Errors ------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A type or a function has gone, which only its number stood for. */
static bool is_of_dropped(const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    return strcmp(sl_pg_sqlstate(result), "XX000") == 0 && message != NULL &&
           starts_with(message, "cache lookup failed");
}

/*
 * What was prepared does not fit the tables any more, or is gone; or perhaps,
 * where names and types are wrong that were right before.
 */
static bool is_old_plan(const struct sl_sql_pg *sql, const PGresult *result)
{
    const char *sqlstate = sl_pg_sqlstate(result);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    return strcmp(sqlstate, "26000") == 0 ||
           (sql->again &&
            (strncmp(sqlstate, "42", 2) == 0 || is_of_dropped(result))) ||
           (strcmp(sqlstate, "0A000") == 0 && function != NULL &&
            strcmp(function, "RevalidateCachedQuery") == 0);
}

/* Errors of the data quote it, in whatever form; others only by their author.
 */
static bool may_quote(const PGresult *result,
                      const struct sl_sql_parameters *set)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (set == NULL || set->count == 0 || message == NULL)
        return false;
    return strncmp(sl_pg_sqlstate(result), "22", 2) == 0 ||
           sl_sql_pg_quotes(message, set);
}

enum sl_status sl_sql_pg_altered(struct sl_sql_pg *sql, struct sl_error *err)
{
    sql->old_plan = true;
    sql->race = sql->transaction == SL_SQL_PG_OPEN;
    return sl_fail(err, SL_CONFLICT,
                   "a table of the statement was altered; begin the "
                   "transaction anew");
}

/* Whether the server says that it takes no writes; of one that cannot say so
 * (before 14, or behind a pooler) it is assumed. */
static bool takes_no_writes(const struct sl_sql_pg *sql)
{
    const char *standby = PQparameterStatus(sql->pg.handle, "in_hot_standby");
    const char *reads =
        PQparameterStatus(sql->pg.handle, "default_transaction_read_only");

    return standby == NULL || reads == NULL || strcmp(standby, "on") == 0 ||
           strcmp(reads, "on") == 0;
}

/* A write in a transaction that only reads: by somebody's wish; or else the
 * primary is another server by now, to which a new connection may lead. */
static enum sl_status refuse_write(struct sl_sql_pg *sql,
                                   const PGresult *result, struct sl_error *err)
{
    enum sl_status status = sl_pg_explain(result, true, err);

    if (sql->read_only || sql->own_read_only || sql->store->read_only ||
        !takes_no_writes(sql)) {
        err->status = SL_INVALID_ARGUMENT;
        return SL_INVALID_ARGUMENT;
    }
    sql->demoted = true;
    sql->pg.lost = true;
    return status;
}

enum sl_status sl_sql_pg_failed(struct sl_sql_pg *sql, const PGresult *result,
                                const struct sl_sql_parameters *set,
                                struct sl_error *err)
{
    const char *sqlstate = sl_pg_sqlstate(result);

    if (strcmp(sqlstate, "25006") == 0)
        return refuse_write(sql, result, err);
    sql->race = sl_pg_is_retryable(sqlstate);
    sql->old_plan = is_old_plan(sql, result);
    if (sql->old_plan && sql->transaction == SL_SQL_PG_OPEN &&
        strncmp(sqlstate, "42", 2) != 0)
        return sl_sql_pg_altered(sql, err);
    if (strcmp(sl_pg_sqlstate(result), "42P18") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "PostgreSQL cannot know the type of a placeholder; "
                       "write CAST(? AS type)");
    return sl_pg_explain(result, !may_quote(result, set), err);
}

/* --- Results ------------------------------------------------------------ */

/* What one run of a statement did, by the server's tag. */
static void count(PGresult *result, struct sl_sql_answer *answer)
{
    const char *tag = PQcmdStatus(result);

    if (starts_with(tag, "INSERT ") || starts_with(tag, "UPDATE ") ||
        starts_with(tag, "DELETE ") || starts_with(tag, "MERGE "))
        answer->affected += strtoull(PQcmdTuples(result), NULL, 10);
}

/* Where the server finds types anew, it tells of others than were learned. */
static bool has_other_columns(const struct sl_sql_pg_columns *columns,
                              const PGresult *result)
{
    if ((size_t)PQnfields(result) != columns->count)
        return true;
    for (size_t i = 0; i < columns->count; i++)
        if (PQftype(result, (int)i) != columns->list[i].oid)
            return true;
    return false;
}

static bool has_other_types(const struct sl_sql_pg_statement *statement,
                            const PGresult *description)
{
    if ((size_t)PQnparams(description) != statement->parameter_count)
        return true;
    for (size_t i = 0; i < statement->parameter_count; i++)
        if (PQparamtype(description, (int)i) != statement->parameters[i].oid)
            return true;
    return false;
}

static enum sl_status take_rows(struct sl_sql_pg *sql,
                                struct sl_sql_pg_reading *reading,
                                const PGresult *result, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (reading->rows == NULL)
        return SL_OK;
    if (!reading->has_columns && reading->learned == NULL &&
        reading->columns->count > 0 &&
        has_other_columns(reading->columns, result))
        return sl_sql_pg_altered(sql, err);
    if (!reading->has_columns && reading->learned != NULL) {
        sl_sql_pg_take_columns(result, reading->learned);
        reading->columns = reading->learned;
    }
    if (!reading->has_columns)
        status = sl_sql_pg_read_columns(reading->columns, result, reading->rows,
                                        err);
    reading->has_columns = true;
    for (int i = 0; status == SL_OK && i < PQntuples(result); i++)
        status =
            sl_sql_pg_read_row(reading->columns, result, i, reading->rows, err);
    return status;
}

/* Of a result that is too large the server need not send all. */
static void drop_rows(struct sl_sql_pg *sql, struct sl_sql_pg_reading *reading,
                      const PGresult *result)
{
    reading->dropped += PQresultMemorySize(result);
    if (reading->dropped <= DROPPED_MAX || reading->cancelled)
        return;
    reading->cancelled = true;
    (void)sl_pg_cancel(&sql->pg, sl_deadline_in_ms(CANCEL_MS));
}

static enum sl_status take(struct sl_sql_pg *sql,
                           struct sl_sql_pg_reading *reading, PGresult *result,
                           struct sl_error *err)
{
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
        return take_rows(sql, reading, result, err);
    case PGRES_TUPLES_OK:
        if (reading->answer != NULL)
            count(result, reading->answer);
        return take_rows(sql, reading, result, err);
    case PGRES_COMMAND_OK:
        if (reading->agrees != NULL && PQnparams(result) > 0 &&
            has_other_types(reading->agrees, result))
            return sl_sql_pg_altered(sql, err);
        if (reading->answer != NULL)
            count(result, reading->answer);
        return SL_OK;
    case PGRES_PIPELINE_ABORTED: /* what failed is told before */
        reading->aborted = true;
        return SL_OK;
    case PGRES_EMPTY_QUERY:
        return SL_OK;
    case PGRES_FATAL_ERROR:
        return sl_sql_pg_failed(sql, result, reading->set, err);
    default:
        sql->pg.lost = true;
        return sl_fail(err, SL_UNAVAILABLE,
                       "PostgreSQL does not answer the question");
    }
}

enum sl_status sl_sql_pg_read(struct sl_sql_pg *sql,
                              struct sl_sql_pg_reading *reading,
                              struct sl_error *err)
{
    enum sl_status failed = SL_OK;

    for (;;) {
        SL_CLEANUP(sl_pg_clear) PGresult *result = NULL;
        enum sl_status status =
            sl_pg_next(&sql->pg, reading->deadline, &result, err);
        if (status != SL_OK)
            return status;
        if (result == NULL && !reading->to_sync)
            return failed;
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            return failed;
        if (failed != SL_OK)
            drop_rows(sql, reading, result);
        else
            failed = take(sql, reading, result, err);
        if (sql->pg.lost)
            return failed;
    }
}

enum sl_status sl_sql_pg_perform(struct sl_sql_pg *sql, const char *text,
                                 sl_deadline deadline, struct sl_error *err)
{
    struct sl_sql_pg_reading reading = {.deadline = deadline};
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQsendQuery(sql->pg.handle, text), err);

    return status == SL_OK ? sl_sql_pg_read(sql, &reading, err) : status;
}

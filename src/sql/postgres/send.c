/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements on their way to the server: as they were prepared, or with types
 * of their placeholders that the server finds anew (postgres_state.h says why).
 * What it names is locked from then on to the end of the transaction, so that
 * the types stay what they are until the statement has run.
 */
#include "sql/postgres/state.h"

enum sl_status sl_sql_pg_send_plain(struct sl_sql_pg *sql, const char *text,
                                    struct sl_error *err)
{
    return sl_pg_sent(
        &sql->pg,
        PQsendQueryParams(sql->pg.handle, text, 0, NULL, NULL, NULL, NULL, 0),
        err);
}

/* name: of what the server has prepared; NULL: it gets the text. */
static enum sl_status send_as(struct sl_sql_pg *sql,
                              const struct sl_sql_pg_statement *statement,
                              const char *name,
                              const struct sl_sql_parameters *set,
                              struct sl_error *err)
{
    struct sl_sql_pg_parameters in;
    bool prepared = name == statement->name;
    bool binary = statement->columns.binary;
    enum sl_status status =
        sl_sql_pg_encode(statement, set, prepared, &in, err);
    int sent;

    if (status != SL_OK)
        return status;
    if (name != NULL)
        sent = PQsendQueryPrepared(sql->pg.handle, name, (int)set->count,
                                   in.values, in.lengths, in.formats, binary);
    else
        sent =
            PQsendQueryParams(sql->pg.handle, statement->sent, (int)set->count,
                              NULL, in.values, in.lengths, in.formats, binary);
    sl_sql_pg_parameters_done(&in);
    return sl_pg_sent(&sql->pg, sent, err);
}

enum sl_status sl_sql_pg_send(struct sl_sql_pg *sql,
                              const struct sl_sql_pg_statement *statement,
                              const struct sl_sql_parameters *set,
                              struct sl_error *err)
{
    bool prepared = sl_sql_pg_way_of(statement, set) == SL_SQL_PG_AS_PREPARED;

    return send_as(sql, statement, prepared ? statement->name : NULL, set, err);
}

enum sl_sql_pg_way
sl_sql_pg_way_of_all(const struct sl_sql_pg_statement *statement,
                     const struct sl_sql_request *request)
{
    enum sl_sql_pg_way way = SL_SQL_PG_AS_PREPARED;

    for (size_t i = 0; i < request->set_count; i++) {
        enum sl_sql_pg_way mine =
            sl_sql_pg_way_of(statement, &request->sets[i]);
        way = mine > way ? mine : way;
    }
    return way;
}

/* --- Types that are checked --------------------------------------------- */

/* Under the name of "", which has no other use; and perhaps its types. */
static enum sl_status send_prepare(struct sl_sql_pg *sql,
                                   const struct sl_sql_pg_statement *statement,
                                   bool describe, struct sl_error *err)
{
    PGconn *handle = sql->pg.handle;
    int sent = PQsendPrepare(handle, "", statement->sent, 0, NULL);

    if (sent == 1 && describe)
        sent = PQsendDescribePrepared(handle, "");
    return sl_pg_sent(&sql->pg, sent, err);
}

/* What was prepared, what it is like, and its result, to the pipeline's end. */
static enum sl_status read_checked(struct sl_sql_pg *sql,
                                   const struct sl_sql_pg_statement *statement,
                                   struct sl_sql_pg_reading *reading,
                                   struct sl_error *err)
{
    struct sl_sql_pg_reading head = {.agrees = statement,
                                     .deadline = reading->deadline};
    struct sl_error later;
    enum sl_status status = sl_sql_pg_read(sql, &head, err);

    if (!sql->pg.lost) {
        enum sl_status described =
            sl_sql_pg_read(sql, &head, status == SL_OK ? err : &later);
        status = status == SL_OK ? described : status;
    }
    if (sql->pg.lost)
        return status;
    (void)PQsetSingleRowMode(sql->pg.handle);
    reading->to_sync = true;
    enum sl_status ran =
        sl_sql_pg_read(sql, reading, status == SL_OK ? err : &later);
    return status == SL_OK ? ran : status;
}

enum sl_status
sl_sql_pg_run_checked(struct sl_sql_pg *sql,
                      const struct sl_sql_pg_statement *statement,
                      const struct sl_sql_parameters *set,
                      struct sl_sql_pg_reading *reading, struct sl_error *err)
{
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQenterPipelineMode(sql->pg.handle), err);

    if (status == SL_OK)
        status = send_prepare(sql, statement, true, err);
    if (status == SL_OK)
        status = send_as(sql, statement, "", set, err);
    if (status == SL_OK)
        status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    if (status != SL_OK) {
        sql->pg.lost = true;
        return status;
    }
    status = read_checked(sql, statement, reading, err);
    if (!sql->pg.lost && PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
    return status;
}

/* --- Many sets ---------------------------------------------------------- */

static enum sl_status send_sets(struct sl_sql_pg *sql,
                                const struct sl_sql_pg_statement *statement,
                                const char *name, const struct sl_op *op,
                                struct sl_error *err)
{
    enum { FLUSH_EVERY = 64 };
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        status = send_as(sql, statement, name, &request->sets[i], err);
        if (status == SL_OK && i % FLUSH_EVERY == FLUSH_EVERY - 1)
            status = sl_pg_flush(&sql->pg, op->deadline, err);
    }
    return status;
}

/* Each list fits its placeholders: found out before any is sent. */
static enum sl_status try_sets(const struct sl_sql_pg_statement *statement,
                               const struct sl_sql_request *request,
                               bool prepared, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        struct sl_sql_pg_parameters in;
        status =
            sl_sql_pg_encode(statement, &request->sets[i], prepared, &in, err);
        if (status == SL_OK)
            sl_sql_pg_parameters_done(&in);
    }
    return status;
}

static enum sl_status send_many(struct sl_sql_pg *sql,
                                const struct sl_sql_pg_statement *statement,
                                struct sl_op *op, enum sl_sql_pg_way way,
                                bool begins, bool commits, struct sl_error *err)
{
    bool prepared = way == SL_SQL_PG_AS_PREPARED;
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQenterPipelineMode(sql->pg.handle), err);

    if (status == SL_OK && begins)
        status = sl_sql_pg_send_plain(sql, "BEGIN", err);
    if (status == SL_OK && !prepared)
        status = send_prepare(sql, statement, way == SL_SQL_PG_CHECKED, err);
    if (status == SL_OK)
        status =
            send_sets(sql, statement, prepared ? statement->name : "", op, err);
    if (status == SL_OK && commits)
        status = sl_sql_pg_send_plain(sql, "COMMIT", err);
    if (status == SL_OK)
        status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    return status;
}

enum sl_status sl_sql_pg_run_many(struct sl_sql_pg *sql,
                                  const struct sl_sql_pg_statement *statement,
                                  struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_sql_pg_way way = sl_sql_pg_way_of_all(statement, request);
    bool own = PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE;
    bool checked = way == SL_SQL_PG_CHECKED;
    struct sl_sql_pg_reading reading = {
        .columns = &statement->columns,
        .agrees = checked ? statement : NULL,
        .set = &request->sets[0],
        .answer = op->answer,
        .deadline = op->deadline,
        .to_sync = true,
    };
    enum sl_status status =
        try_sets(statement, request, way == SL_SQL_PG_AS_PREPARED, err);

    if (status != SL_OK)
        return status;
    status = send_many(sql, statement, op, way, own, own && !checked, err);
    if (status != SL_OK) {
        sql->pg.lost = true;
        return status;
    }
    status = sl_sql_pg_read(sql, &reading, err);
    if (!sql->pg.lost && PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
    if (status == SL_OK && own && checked && !sql->pg.lost)
        status = sl_sql_pg_perform(sql, "COMMIT", op->deadline, err);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements on their way to the server: as they were prepared, or with types
 * of their placeholders that the server infers again (connection.h says why).
 * That locks the tables of the statement until the transaction ends, so that
 * the types do not change before the statement has run.
 */
#include "sql/postgres/connection.h"

enum sl_status sl_sql_postgres_send_own(struct sl_sql_postgres_conn *conn,
                                        const char *text, struct sl_error *err)
{
    return sl_pg_sent(
        &conn->pg,
        PQsendQueryParams(conn->pg.handle, text, 0, NULL, NULL, NULL, NULL, 0),
        err);
}

/* name: of the statement on the server; NULL: send the text. */
static enum sl_status send_as(struct sl_sql_postgres_conn *conn,
                              const struct sl_sql_postgres_statement *statement,
                              const char *name,
                              const struct sl_sql_parameters *set,
                              struct sl_error *err)
{
    struct sl_sql_postgres_parameters in;
    bool prepared = name == statement->name;
    bool binary = statement->columns.binary;
    enum sl_status status =
        sl_sql_postgres_encode(statement, set, prepared, &in, err);
    int sent;

    if (status != SL_OK)
        return status;
    if (name != NULL)
        sent = PQsendQueryPrepared(conn->pg.handle, name, (int)set->count,
                                   in.values, in.lengths, in.formats, binary);
    else
        sent = PQsendQueryParams(conn->pg.handle, statement->server_text,
                                 (int)set->count, NULL, in.values, in.lengths,
                                 in.formats, binary);
    sl_sql_postgres_parameters_done(&in);
    return sl_pg_sent(&conn->pg, sent, err);
}

enum sl_status
sl_sql_postgres_send(struct sl_sql_postgres_conn *conn,
                     const struct sl_sql_postgres_statement *statement,
                     const struct sl_sql_parameters *set, struct sl_error *err)
{
    bool prepared = sl_sql_postgres_binding_of(statement, set) ==
                    SL_SQL_POSTGRES_BIND_PREPARED;

    return send_as(conn, statement, prepared ? statement->name : NULL, set,
                   err);
}

enum sl_sql_postgres_binding sl_sql_postgres_binding_of_all(
    const struct sl_sql_postgres_statement *statement,
    const struct sl_sql_request *request)
{
    enum sl_sql_postgres_binding binding = SL_SQL_POSTGRES_BIND_PREPARED;

    for (size_t i = 0; i < request->set_count; i++) {
        enum sl_sql_postgres_binding mine =
            sl_sql_postgres_binding_of(statement, &request->sets[i]);
        binding = mine > binding ? mine : binding;
    }
    return binding;
}

/* --- Checked types ------------------------------------------------------ */

/* Prepare the unnamed statement, and perhaps describe it. */
static enum sl_status
send_unnamed_prepare(struct sl_sql_postgres_conn *conn,
                     const struct sl_sql_postgres_statement *statement,
                     bool describe, struct sl_error *err)
{
    PGconn *handle = conn->pg.handle;
    int sent = PQsendPrepare(handle, "", statement->server_text, 0, NULL);

    if (sent == 1 && describe)
        sent = PQsendDescribePrepared(handle, "");
    return sl_pg_sent(&conn->pg, sent, err);
}

/* Read the preparation, the description and the result, to the end. */
static enum sl_status
read_checked(struct sl_sql_postgres_conn *conn,
             const struct sl_sql_postgres_statement *statement,
             struct sl_sql_postgres_reader *reader, struct sl_error *err)
{
    struct sl_sql_postgres_reader head = {.expected = statement,
                                          .deadline = reader->deadline};
    struct sl_error later;
    enum sl_status status = sl_sql_postgres_read_results(conn, &head, err);

    if (!conn->pg.broken) {
        enum sl_status described = sl_sql_postgres_read_results(
            conn, &head, status == SL_OK ? err : &later);
        status = status == SL_OK ? described : status;
    }
    if (conn->pg.broken)
        return status;
    (void)PQsetSingleRowMode(conn->pg.handle);
    reader->to_sync = true;
    enum sl_status ran = sl_sql_postgres_read_results(
        conn, reader, status == SL_OK ? err : &later);
    return status == SL_OK ? ran : status;
}

enum sl_status
sl_sql_postgres_run_checked(struct sl_sql_postgres_conn *conn,
                            const struct sl_sql_postgres_statement *statement,
                            const struct sl_sql_parameters *set,
                            struct sl_sql_postgres_reader *reader,
                            struct sl_error *err)
{
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQenterPipelineMode(conn->pg.handle), err);

    if (status == SL_OK)
        status = send_unnamed_prepare(conn, statement, true, err);
    if (status == SL_OK)
        status = send_as(conn, statement, "", set, err);
    if (status == SL_OK)
        status = sl_pg_sent(&conn->pg, PQpipelineSync(conn->pg.handle), err);
    if (status != SL_OK) {
        conn->pg.broken = true;
        return status;
    }
    status = read_checked(conn, statement, reader, err);
    if (!conn->pg.broken && PQexitPipelineMode(conn->pg.handle) != 1)
        conn->pg.broken = true;
    return status;
}

/* --- Many sets ---------------------------------------------------------- */

static enum sl_status
send_sets(struct sl_sql_postgres_conn *conn,
          const struct sl_sql_postgres_statement *statement, const char *name,
          const struct sl_op *op, struct sl_error *err)
{
    enum { FLUSH_EVERY = 64 };
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        status = send_as(conn, statement, name, &request->sets[i], err);
        if (status == SL_OK && i % FLUSH_EVERY == FLUSH_EVERY - 1)
            status = sl_pg_flush(&conn->pg, op->deadline, err);
    }
    return status;
}

/* Check that every set fits the placeholders before any is sent. */
static enum sl_status
check_encoding_of_sets(const struct sl_sql_postgres_statement *statement,
                       const struct sl_sql_request *request, bool prepared,
                       struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        struct sl_sql_postgres_parameters in;
        status = sl_sql_postgres_encode(statement, &request->sets[i], prepared,
                                        &in, err);
        if (status == SL_OK)
            sl_sql_postgres_parameters_done(&in);
    }
    return status;
}

static enum sl_status
send_many(struct sl_sql_postgres_conn *conn,
          const struct sl_sql_postgres_statement *statement, struct sl_op *op,
          enum sl_sql_postgres_binding binding, bool begins, bool commits,
          struct sl_error *err)
{
    bool prepared = binding == SL_SQL_POSTGRES_BIND_PREPARED;
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQenterPipelineMode(conn->pg.handle), err);

    if (status == SL_OK && begins)
        status = sl_sql_postgres_send_own(conn, "BEGIN", err);
    if (status == SL_OK && !prepared)
        status = send_unnamed_prepare(
            conn, statement, binding == SL_SQL_POSTGRES_BIND_CHECKED, err);
    if (status == SL_OK)
        status = send_sets(conn, statement, prepared ? statement->name : "", op,
                           err);
    if (status == SL_OK && commits)
        status = sl_sql_postgres_send_own(conn, "COMMIT", err);
    if (status == SL_OK)
        status = sl_pg_sent(&conn->pg, PQpipelineSync(conn->pg.handle), err);
    return status;
}

enum sl_status
sl_sql_postgres_run_many(struct sl_sql_postgres_conn *conn,
                         const struct sl_sql_postgres_statement *statement,
                         struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_sql_postgres_binding binding =
        sl_sql_postgres_binding_of_all(statement, request);
    bool own = PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE;
    bool checked = binding == SL_SQL_POSTGRES_BIND_CHECKED;
    struct sl_sql_postgres_reader reader = {
        .columns = &statement->columns,
        .expected = checked ? statement : NULL,
        .set = &request->sets[0],
        .answer = op->answer,
        .deadline = op->deadline,
        .to_sync = true,
    };
    enum sl_status status = check_encoding_of_sets(
        statement, request, binding == SL_SQL_POSTGRES_BIND_PREPARED, err);

    if (status != SL_OK)
        return status;
    status = send_many(conn, statement, op, binding, own, own && !checked, err);
    if (status != SL_OK) {
        conn->pg.broken = true;
        return status;
    }
    status = sl_sql_postgres_read_results(conn, &reader, err);
    if (!conn->pg.broken && PQexitPipelineMode(conn->pg.handle) != 1)
        conn->pg.broken = true;
    if (status == SL_OK && own && checked && !conn->pg.broken)
        status = sl_sql_postgres_exec(conn, "COMMIT", op->deadline, err);
    return status;
}

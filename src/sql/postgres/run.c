/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and transactions of sql.postgres, one request at a time. */
#include <stdio.h>

#include "sql/postgres/connection.h"

enum { CLEAN_UP_MS = 2000 };

/* --- Transactions ------------------------------------------------------- */

static enum sl_status begin_postgres(void *data, struct sl_op *op,
                                     struct sl_error *err)
{
    static const char *const levels[SL_SQL_ISOLATION_COUNT] = {
        [SL_SQL_DEFAULT] = "",
        [SL_SQL_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [SL_SQL_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [SL_SQL_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    char text[80];

    snprintf(text, sizeof(text), "BEGIN%s%s", levels[request->isolation],
             request->read_only ? " READ ONLY" : "");
    enum sl_status status = sl_sql_postgres_exec(conn, text, op->deadline, err);
    if (status == SL_OK)
        conn->has_queried = false;
    return status;
}

static enum sl_status commit_postgres(void *data, struct sl_op *op,
                                      struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;

    if (PQtransactionStatus(conn->pg.handle) != PQTRANS_INTRANS)
        return sl_sql_session_refuse(&conn->session, err);
    sl_sql_postgres_cursors_forget(conn);
    return sl_sql_postgres_exec(conn, "COMMIT", op->deadline, err);
}

static void roll_back_postgres(void *data)
{
    struct sl_sql_postgres_conn *conn = data;
    struct sl_error err;

    sl_sql_postgres_cursor_cancel(conn);
    sl_sql_postgres_cursors_forget(conn);
    conn->own_read_only = conn->fetch_read_only = false;
    if (conn->pg.broken || PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE)
        return;
    if (PQpipelineStatus(conn->pg.handle) != PQ_PIPELINE_OFF ||
        sl_pg_exec(&conn->pg, "ROLLBACK", sl_deadline_in_ms(CLEAN_UP_MS),
                   &err) != SL_OK)
        conn->pg.broken = true;
}

/* Remove what a statement may have left in the session. */
static void reset_if_dirty(struct sl_sql_postgres_conn *conn)
{
    struct sl_error err;

    if (conn->dirty && !conn->pg.broken)
        (void)!sl_sql_postgres_reset_session(
            conn, sl_deadline_in_ms(CLEAN_UP_MS), &err);
}

static void end_postgres_session(void *data)
{
    struct sl_sql_postgres_conn *conn = data;

    conn->has_queried = false;
    reset_if_dirty(conn);
}

bool sl_sql_postgres_session_reset(struct sl_sql_postgres_conn *conn)
{
    if (conn->active != NULL) /* rows are still arriving */
        conn->pg.broken = true;
    sl_sql_session_end(&conn->session);
    return !conn->pg.broken;
}

/* --- Statements --------------------------------------------------------- */

/* Keep the columns that the first result showed of an undescribed statement. */
static enum sl_status learn_columns(struct sl_sql_postgres_conn *conn,
                                    struct sl_sql_postgres_statement *statement,
                                    struct sl_sql_postgres_columns *learned,
                                    struct sl_sql_result *result,
                                    sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status =
        sl_sql_postgres_columns_name_types(conn, deadline, learned, err);

    for (size_t i = 0; status == SL_OK && i < learned->count; i++)
        status = sl_sql_result_type_name(
            result, i, sl_bytes_of(learned->list[i].type_name), err);
    if (status != SL_OK)
        return status;
    learned->binary = false; /* the first result was requested as text */
    statement->columns = *learned;
    *learned = (struct sl_sql_postgres_columns){0};
    statement->described = true;
    return SL_OK;
}

/* Run one set.  Its rows go into result; NULL discards them. */
static enum sl_status
run_postgres_set(struct sl_sql_postgres_conn *conn,
                 struct sl_sql_postgres_statement *statement, struct sl_op *op,
                 struct sl_sql_result *result, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_columns learned = {0};
    bool learns = !statement->described && result != NULL;
    struct sl_sql_postgres_reader reader = {
        .columns = &statement->columns,
        .learned = learns ? &learned : NULL,
        .rows = result,
        .set = &request->sets[0],
        .answer = result == NULL ? op->answer : NULL,
        .deadline = op->deadline,
    };
    enum sl_status status;

    if (sl_sql_postgres_binding_of(statement, &request->sets[0]) ==
        SL_SQL_POSTGRES_BIND_CHECKED)
        return sl_sql_postgres_run_checked(conn, statement, &request->sets[0],
                                           &reader, err);
    status = sl_sql_postgres_send(conn, statement, &request->sets[0], err);
    if (status != SL_OK)
        return status;
    (void)PQsetSingleRowMode(conn->pg.handle);
    status = sl_sql_postgres_read_results(conn, &reader, err);
    if (status == SL_OK && learns)
        status =
            learn_columns(conn, statement, &learned, result, op->deadline, err);
    sl_sql_postgres_columns_done(&learned);
    return status;
}

/* Whether a statement outside of a transaction needs one of its own: it writes
 * and answers rows, which may not fit, or its types are checked. */
static bool
needs_postgres_transaction(const struct sl_sql_postgres_conn *conn,
                           const struct sl_sql_postgres_statement *statement,
                           const struct sl_sql_request *request)
{
    bool has_rows = request->verb == SL_SQL_QUERY && !statement->class.reads &&
                    (!statement->described || statement->columns.count > 0);

    return PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE &&
           (has_rows ||
            sl_sql_postgres_binding_of(statement, &request->sets[0]) ==
                SL_SQL_POSTGRES_BIND_CHECKED);
}

static enum sl_status
run_single_postgres_set(struct sl_sql_postgres_conn *conn,
                        struct sl_sql_postgres_statement *statement,
                        struct sl_op *op, struct sl_sql_result *result,
                        struct sl_error *err)
{
    bool own = needs_postgres_transaction(conn, statement, op->request);
    enum sl_status status = SL_OK;

    if (own)
        status = sl_sql_postgres_exec(conn, "BEGIN", op->deadline, err);
    if (status == SL_OK)
        status = run_postgres_set(conn, statement, op, result, err);
    if (status == SL_OK && own)
        status = sl_sql_postgres_exec(conn, "COMMIT", op->deadline, err);
    return status;
}

/* The first statement of a read-only transaction could make it read-write, so
 * one of the driver comes first. */
static enum sl_status
pin_read_only(struct sl_sql_postgres_conn *conn,
              const struct sl_sql_postgres_statement *statement,
              sl_deadline deadline, struct sl_error *err)
{
    bool pins = conn->session.read_only && !conn->has_queried &&
                statement->class.dirties;

    conn->has_queried = true;
    return pins ? sl_sql_postgres_exec(conn, "SELECT 1", deadline, err) : SL_OK;
}

/* begun: a transaction was begun for the statement. */
static enum sl_status
run_postgres_prepared(struct sl_sql_postgres_conn *conn,
                      struct sl_sql_postgres_statement *statement,
                      struct sl_op *op, bool begun, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_result *result = NULL;

    enum sl_status status = pin_read_only(conn, statement, op->deadline, err);
    if (status != SL_OK)
        return status;
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->answer_budget);
    status = request->verb == SL_SQL_EXECUTE_MANY
                 ? sl_sql_postgres_run_many(conn, statement, op, err)
                 : run_single_postgres_set(conn, statement, op, result, err);
    if (status == SL_OK && begun)
        status = sl_sql_postgres_exec(conn, "COMMIT", op->deadline, err);
    return sl_sql_result_finish(result, status, op->answer);
}

/* Get the statement.  Where the values do not fit the types it was prepared
 * with, it is prepared again. */
static enum sl_status get_fitting(struct sl_sql_postgres_conn *conn,
                                  struct sl_op *op,
                                  struct sl_sql_postgres_statement **statement,
                                  enum sl_sql_postgres_binding *binding,
                                  struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = sl_sql_postgres_statement_get(
        conn, op->owner, request->statement, op->deadline, statement, err);

    if (status != SL_OK)
        return status;
    *binding = sl_sql_postgres_binding_of_all(*statement, request);
    if (*binding != SL_SQL_POSTGRES_BIND_UNFIT || !conn->was_cached)
        return SL_OK;
    sl_sql_postgres_statement_discard(conn, op->owner, request->statement);
    status = sl_sql_postgres_statement_get(conn, op->owner, request->statement,
                                           op->deadline, statement, err);
    if (status == SL_OK)
        *binding = sl_sql_postgres_binding_of_all(*statement, request);
    return status;
}

/* Too many placeholders to be described: their types are checked by a
 * preparation in the transaction, which is begun if there is none. */
static enum sl_status
prepare_in_transaction(struct sl_sql_postgres_conn *conn, struct sl_op *op,
                       struct sl_sql_postgres_statement **statement,
                       bool *begun, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    *begun = PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE;
    if (*begun)
        status = sl_sql_postgres_exec(conn, "BEGIN", op->deadline, err);
    if (status == SL_OK)
        status = sl_sql_postgres_statement_prepare_once(
            conn, request->statement, op->deadline, statement, err);
    return status;
}

static enum sl_status try_statement(struct sl_sql_postgres_conn *conn,
                                    struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_statement *statement = NULL;
    enum sl_sql_postgres_binding binding;
    bool begun = false;

    if (request->set_count == 0)
        return SL_OK;
    enum sl_status status = get_fitting(conn, op, &statement, &binding, err);
    if (status == SL_OK && binding == SL_SQL_POSTGRES_BIND_CHECKED &&
        statement->parameter_count > SL_SQL_POSTGRES_DESCRIBED)
        status = prepare_in_transaction(conn, op, &statement, &begun, err);
    if (status != SL_OK)
        return status;
    conn->session.reached = true;
    conn->dirty = conn->dirty || statement->class.dirties;
    return run_postgres_prepared(conn, statement, op, begun, err);
}

static enum sl_status run_postgres_statement(void *data, struct sl_op *op,
                                             struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    enum sl_status status = try_statement(conn, op, err);

    if (status == SL_OK || !conn->stale_plan || conn->pg.broken ||
        conn->session.transaction != SL_SQL_TRANSACTION_NONE)
        return status;
    /* It has done nothing yet. */
    roll_back_postgres(conn);
    sl_sql_postgres_statement_discard(conn, op->owner, request->statement);
    conn->stale_plan = false;
    return try_statement(conn, op, err);
}

/* --- Requests ----------------------------------------------------------- */

static bool needs_session(const struct sl_sql_postgres_conn *conn,
                          const struct sl_sql_request *request)
{
    return request->verb != SL_SQL_COMMIT && request->verb != SL_SQL_ROLLBACK &&
           request->verb != SL_SQL_CURSOR_NEXT &&
           request->verb != SL_SQL_CURSOR_CLOSE &&
           conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
           PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE;
}

static enum sl_status admit_to_postgres(void *data, struct sl_op *op,
                                        struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;

    if (conn->active != NULL && request->verb != SL_SQL_CURSOR_NEXT &&
        request->verb != SL_SQL_CURSOR_CLOSE) {
        enum sl_status settled =
            sl_sql_postgres_cursor_settle(conn, op->deadline, err);
        conn->session.reached = settled != SL_OK;
        if (settled != SL_OK)
            return settled;
    }
    if (!needs_session(conn, request))
        return SL_OK;
    enum sl_status status = sl_sql_postgres_claim_session(conn, op, err);
    op->unsent = status != SL_OK;
    return status;
}

static void complete_postgres_failure(void *data, struct sl_op *op,
                                      const struct sl_error *err)
{
    struct sl_sql_postgres_conn *conn = data;
    const struct sl_sql_request *request = op->request;

    (void)err;
    if (conn->stale_plan && !conn->pg.broken)
        sl_sql_postgres_statement_discard(conn, op->owner, request->statement);
    /* Nothing was done, and another connection may lead to the primary. */
    op->unsent =
        op->unsent || (conn->demoted && !conn->dirty &&
                       conn->session.transaction == SL_SQL_TRANSACTION_NONE);
}

void sl_sql_postgres_session_init(struct sl_sql_postgres_conn *conn)
{
    static const struct sl_sql_session_ops ops = {
        .admit = admit_to_postgres,
        .begin = begin_postgres,
        .commit = commit_postgres,
        .run_statement = run_postgres_statement,
        .cursor_open = sl_sql_postgres_cursor_open,
        .cursor_next = sl_sql_postgres_cursor_next,
        .cursor_close = sl_sql_postgres_cursor_close,
        .roll_back = roll_back_postgres,
        .end = end_postgres_session,
        .fail = complete_postgres_failure,
    };

    sl_sql_session_init(&conn->session, &ops, conn);
}

void sl_sql_postgres_start_request(struct sl_sql_postgres_conn *conn)
{
    sl_sql_session_start(&conn->session);
    conn->was_cached = conn->stale_plan = conn->demoted = false;
}

void sl_sql_postgres_run_op(struct sl_sql_postgres_conn *conn, struct sl_op *op)
{
    sl_sql_postgres_start_request(conn);
    sl_sql_session_run(&conn->session, op);
    if (conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
        PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE)
        reset_if_dirty(conn);
}

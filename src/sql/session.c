/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/session.h"

void sl_sql_session_init(struct sl_sql_session *session,
                         const struct sl_sql_session_ops *ops, void *conn)
{
    *session = (struct sl_sql_session){.ops = ops, .conn = conn};
}

void sl_sql_session_start(struct sl_sql_session *session)
{
    session->reached = false;
}

void sl_sql_session_end(struct sl_sql_session *session)
{
    session->ops->roll_back(session->conn);
    session->transaction = SL_SQL_TRANSACTION_NONE;
    session->read_only = false;
    if (session->ops->end != NULL)
        session->ops->end(session->conn);
}

enum sl_status sl_sql_session_refuse(const struct sl_sql_session *session,
                                     struct sl_error *err)
{
    if (session->transaction == SL_SQL_TRANSACTION_FAILED)
        return sl_fail(err, SL_CONFLICT,
                       "the transaction has failed and was rolled back; begin "
                       "a new one");
    return sl_fail(err, SL_CONFLICT,
                   "the transaction was lost and rolled back; begin a new one");
}

/* --- Verbs -------------------------------------------------------------- */

static enum sl_status run_begin(struct sl_sql_session *session,
                                struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (session->transaction != SL_SQL_TRANSACTION_NONE)
        return sl_fail(err, SL_CONFLICT, "a transaction is already open");
    enum sl_status status = session->ops->begin(session->conn, op, err);
    if (status != SL_OK)
        return status;
    session->transaction = SL_SQL_TRANSACTION_OPEN;
    session->read_only = request->read_only;
    return SL_OK;
}

static enum sl_status run_commit(struct sl_sql_session *session,
                                 struct sl_op *op, struct sl_error *err)
{
    enum sl_status status = session->transaction == SL_SQL_TRANSACTION_OPEN
                                ? session->ops->commit(session->conn, op, err)
                                : sl_sql_session_refuse(session, err);

    if (status == SL_OK) /* nothing is left to roll back */
        session->transaction = SL_SQL_TRANSACTION_NONE;
    sl_sql_session_end(session);
    return status;
}

static enum sl_status run_verb(struct sl_sql_session *session, struct sl_op *op,
                               struct sl_error *err)
{
    const struct sl_sql_session_ops *ops = session->ops;
    const struct sl_sql_request *request = op->request;

    switch ((enum sl_sql_verb)request->verb) {
    case SL_SQL_QUERY:
    case SL_SQL_EXECUTE:
    case SL_SQL_EXECUTE_MANY:
        return ops->run_statement(session->conn, op, err);
    case SL_SQL_BEGIN:
        return run_begin(session, op, err);
    case SL_SQL_COMMIT:
        return run_commit(session, op, err);
    case SL_SQL_ROLLBACK:
        sl_sql_session_end(session);
        return SL_OK;
    case SL_SQL_CURSOR_OPEN:
        return ops->cursor_open(session->conn, op, err);
    case SL_SQL_CURSOR_NEXT:
        return ops->cursor_next(session->conn, op, err);
    case SL_SQL_CURSOR_CLOSE:
        return ops->cursor_close(session->conn, op, err);
    }
    return sl_fail(err, SL_INTERNAL, "unknown verb");
}

/* --- Requests ----------------------------------------------------------- */

/* COMMIT and ROLLBACK end a transaction in every state. */
static bool needs_open_transaction(const struct sl_sql_request *request)
{
    return request->in_transaction && request->verb != SL_SQL_COMMIT &&
           request->verb != SL_SQL_ROLLBACK;
}

/* Whether the call was a transaction by itself, which may be made again. */
static bool is_own_transaction(const struct sl_sql_request *request)
{
    return !request->in_transaction && request->verb != SL_SQL_COMMIT &&
           request->verb != SL_SQL_CURSOR_NEXT;
}

void sl_sql_session_fail(struct sl_sql_session *session, struct sl_op *op,
                         const struct sl_error *err)
{
    struct sl_sql_answer *answer = op->answer;

    if (session->reached) {
        session->ops->roll_back(session->conn);
        if (session->transaction == SL_SQL_TRANSACTION_OPEN)
            session->transaction = SL_SQL_TRANSACTION_FAILED;
    }
    if (session->ops->fail != NULL)
        session->ops->fail(session->conn, op, err);
    answer->affected = 0;
    answer->has_last_insert_id = false;
    answer->last_insert_id = 0;
    sl_op_fail(op, err);
    answer->retryable =
        err->status == SL_ABORTED && is_own_transaction(op->request);
}

void sl_sql_session_run(struct sl_sql_session *session, struct sl_op *op)
{
    struct sl_error err;
    enum sl_status status = SL_OK;

    sl_sql_session_start(session);
    if (needs_open_transaction(op->request) &&
        session->transaction != SL_SQL_TRANSACTION_OPEN)
        status = sl_sql_session_refuse(session, &err);
    else if (session->ops->admit != NULL)
        status = session->ops->admit(session->conn, op, &err);
    if (status == SL_OK)
        status = run_verb(session, op, &err);
    if (status != SL_OK)
        sl_sql_session_fail(session, op, &err);
}

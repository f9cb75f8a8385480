/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and transactions of sql.sqlite. */
#include <errno.h>

#include "sql/sqlite/connection.h"

/* --- Transactions ------------------------------------------------------- */

static enum sl_status run_own_statement(struct sl_sql_sqlite_conn *conn,
                                        const char *text, struct sl_error *err)
{
    int code = sl_sql_sqlite_exec(conn, text);

    return code == SQLITE_OK
               ? SL_OK
               : sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_RUNNING, err);
}

static enum sl_status begin_sqlite(void *data, struct sl_op *op,
                                   struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    bool snapshot = request->read_only ||
                    request->isolation == SL_SQL_REPEATABLE_READ ||
                    request->isolation == SL_SQL_SERIALIZABLE;

    return run_own_statement(data, snapshot ? "BEGIN" : "BEGIN IMMEDIATE", err);
}

/* COMMIT, unless what was written needs the space that is kept in reserve. */
static enum sl_status commit_within_limit(struct sl_sql_sqlite_conn *conn,
                                          bool grows, struct sl_error *err)
{
    if (grows && sl_sqlite_is_over(&conn->file))
        return sl_sql_sqlite_explain(conn, SQLITE_FULL, SL_SQL_SQLITE_RUNNING,
                                     err);
    return run_own_statement(conn, "COMMIT", err);
}

static enum sl_status commit_sqlite(void *data, struct sl_op *op,
                                    struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;

    (void)op;
    sl_sql_sqlite_cursors_close(conn);
    return commit_within_limit(conn, conn->grows, err);
}

static void roll_back_sqlite(void *data)
{
    struct sl_sql_sqlite_conn *conn = data;

    if (conn->file.handle == NULL) /* it could not be opened */
        return;
    sl_sql_sqlite_cursors_close(conn);
    /* SQLite rolls back by itself after some errors. */
    if (sqlite3_get_autocommit(conn->file.handle) == 0)
        (void)sl_sql_sqlite_exec(conn, "ROLLBACK");
}

static void end_sqlite_session(void *data)
{
    struct sl_sql_sqlite_conn *conn = data;

    conn->grows = false;
}

/* --- Statements --------------------------------------------------------- */

/* Step to the end.  The rows go into result; NULL discards them. */
static enum sl_status step_all(struct sl_sql_sqlite_conn *conn,
                               sqlite3_stmt *handle,
                               struct sl_sql_result *result,
                               struct sl_error *err)
{
    enum sl_status status = SL_OK;
    int code;

    errno = 0; /* for sl_sqlite_explain */
    bool first = true;
    do {
        code = sqlite3_step(handle);
        /* Only after the step, which may prepare the statement again. */
        if (first && result != NULL &&
            (code == SQLITE_ROW || code == SQLITE_DONE))
            status = sl_sql_sqlite_add_columns(handle, result, err);
        first = false;
        if (status == SL_OK && result != NULL && code == SQLITE_ROW)
            status = sl_sql_sqlite_add_row(handle, result, err);
    } while (status == SL_OK && code == SQLITE_ROW);
    if (status == SL_OK && code != SQLITE_DONE)
        return sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_RUNNING, err);
    return status;
}

/* Add what one run of the statement did. */
static void add_sqlite_counts(struct sl_sql_sqlite_conn *conn,
                              const struct sl_sql_sqlite_statement *statement,
                              struct sl_sql_answer *answer)
{
    sqlite3 *handle = conn->file.handle;
    int64_t changes = statement->counts ? sqlite3_changes64(handle) : 0;
    int64_t id = sqlite3_last_insert_rowid(handle);

    answer->affected += (uint64_t)changes;
    answer->has_last_insert_id = statement->inserts && changes > 0 && id != 0;
    answer->last_insert_id = answer->has_last_insert_id ? id : 0;
}

static enum sl_status
run_sqlite_set(struct sl_sql_sqlite_conn *conn,
               const struct sl_sql_sqlite_statement *statement,
               const struct sl_sql_parameters *set,
               struct sl_sql_result *result, struct sl_sql_answer *answer,
               struct sl_error *err)
{
    sqlite3_set_last_insert_rowid(conn->file.handle, 0);
    int code = sl_sql_sqlite_bind(statement->handle, set, false);
    if (code != SQLITE_OK)
        return sl_sql_sqlite_explain(conn, code, SL_SQL_SQLITE_RUNNING, err);
    enum sl_status status = step_all(conn, statement->handle, result, err);
    (void)sqlite3_reset(statement->handle); /* step_all has its code */
    if (status == SL_OK && result == NULL)
        add_sqlite_counts(conn, statement, answer);
    return status;
}

static enum sl_status
run_sqlite_sets(struct sl_sql_sqlite_conn *conn,
                const struct sl_sql_sqlite_statement *statement,
                struct sl_op *op, struct sl_sql_result *result,
                struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++)
        status = run_sqlite_set(conn, statement, &request->sets[i], result,
                                op->answer, err);
    return status;
}

/*
 * Whether a statement outside of a transaction needs one of its own: it runs
 * for several sets, or it writes and answers rows, which may not fit, or it
 * writes while the file is close to its limit, which is checked before the
 * commit.
 */
static bool
needs_sqlite_transaction(struct sl_sql_sqlite_conn *conn,
                         const struct sl_sql_sqlite_statement *statement,
                         const struct sl_sql_request *request)
{
    return conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
           sqlite3_stmt_readonly(statement->handle) == 0 &&
           (request->set_count > 1 ||
            (request->verb == SL_SQL_QUERY &&
             sqlite3_column_count(statement->handle) > 0) ||
            (!statement->frees && sl_sqlite_is_at_limit(&conn->file)));
}

/* A statement that frees space may use the space kept in reserve for it. */
static void set_frees(struct sl_sql_sqlite_conn *conn, bool frees)
{
    conn->trusted = true;
    sl_sqlite_set_frees(&conn->file, frees);
    conn->trusted = false;
}

static enum sl_status
run_sqlite_prepared(struct sl_sql_sqlite_conn *conn,
                    const struct sl_sql_sqlite_statement *statement,
                    struct sl_op *op, struct sl_sql_result *result,
                    struct sl_error *err)
{
    sqlite3_stmt *handle = statement->handle;
    bool own = needs_sqlite_transaction(conn, statement, op->request);
    enum sl_status status = SL_OK;

    if (conn->session.read_only && sqlite3_stmt_readonly(handle) == 0)
        return sl_fail(err, SL_READ_ONLY, "the transaction is read-only");
    if (statement->frees)
        set_frees(conn, true);
    else
        conn->grows |= sqlite3_stmt_readonly(handle) == 0;
    if (own)
        status = run_own_statement(conn, "BEGIN IMMEDIATE", err);
    if (status == SL_OK)
        status = run_sqlite_sets(conn, statement, op, result, err);
    if (status == SL_OK && own)
        status = commit_within_limit(conn, !statement->frees, err);
    if (statement->frees)
        set_frees(conn, false);
    return status;
}

static enum sl_status run_sqlite_statement(void *data, struct sl_op *op,
                                           struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_statement *statement = NULL;
    struct sl_sql_result *result = NULL;

    enum sl_status status =
        sl_sql_sqlite_statement_take(conn, request->statement, &statement, err);
    if (status != SL_OK)
        return status;
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->answer_budget);
    status = run_sqlite_prepared(conn, statement, op, result, err);
    sl_sql_sqlite_statement_release(conn, statement);
    return sl_sql_result_finish(result, status, op->answer);
}

/* --- Requests ----------------------------------------------------------- */

static void complete_sqlite_failure(void *data, struct sl_op *op,
                                    const struct sl_error *err)
{
    struct sl_sql_sqlite_conn *conn = data;

    op->full = conn->file.full;
    if (op->full && conn->session.reached)
        sl_sqlite_shorten_log(&conn->file);
    op->unsent = conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
                 err->status == SL_TIMEOUT;
}

void sl_sql_sqlite_session_init(struct sl_sql_sqlite_conn *conn)
{
    static const struct sl_sql_session_ops ops = {
        .begin = begin_sqlite,
        .commit = commit_sqlite,
        .run_statement = run_sqlite_statement,
        .cursor_open = sl_sql_sqlite_cursor_open,
        .cursor_next = sl_sql_sqlite_cursor_next,
        .cursor_close = sl_sql_sqlite_cursor_close,
        .roll_back = roll_back_sqlite,
        .end = end_sqlite_session,
        .fail = complete_sqlite_failure,
    };

    sl_sql_session_init(&conn->session, &ops, conn);
}

void sl_sql_sqlite_run(struct sl_sql_sqlite_conn *conn, struct sl_op *op)
{
    sl_sqlite_begin_call(&conn->file);
    conn->file.deadline = op->deadline;
    sl_sql_session_run(&conn->session, op);
}

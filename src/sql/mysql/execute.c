/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of sql.mysql, from the text to the answer. */
#include "sql/mysql/connection.h"

/* --- Rows --------------------------------------------------------------- */

/* Add all rows of the result. */
static enum sl_status read_binary_rows(struct sl_sql_mysql_conn *conn,
                                       struct sl_sql_mysql_statement *statement,
                                       size_t budget,
                                       struct sl_sql_result *result,
                                       struct sl_error *err)
{
    enum sl_status status = sl_sql_mysql_add_columns(statement, result, err);

    while (status == SL_OK) {
        int got = sl_sql_mysql_stmt_fetch(conn, statement->handle);
        if (got == MYSQL_NO_DATA)
            return SL_OK;
        if (got != 0 && got != MYSQL_DATA_TRUNCATED)
            return sl_sql_mysql_explain(conn, statement->handle,
                                        SL_SQL_MYSQL_RUNNING, err);
        status = sl_sql_mysql_add_row(conn, statement, budget, result, err);
    }
    /* The rest may be arbitrarily long, so it is not read. */
    conn->broken = true;
    return status;
}

/* Discard the rows one by one: an error may come after any of them. */
static enum sl_status skip_rows(struct sl_sql_mysql_conn *conn,
                                struct sl_sql_mysql_statement *statement,
                                struct sl_error *err)
{
    int got = statement->column_count > 0 ? 0 : MYSQL_NO_DATA;

    while (got == 0 || got == MYSQL_DATA_TRUNCATED)
        got = sl_sql_mysql_stmt_fetch(conn, statement->handle);
    if (got == MYSQL_NO_DATA)
        return SL_OK;
    return sl_sql_mysql_explain(conn, statement->handle, SL_SQL_MYSQL_RUNNING,
                                err);
}

/* Discard further results, which a procedure may have. */
static enum sl_status skip_results(struct sl_sql_mysql_conn *conn,
                                   struct sl_sql_mysql_statement *statement,
                                   struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && mysql_stmt_more_results(statement->handle)) {
        if (sl_sql_mysql_stmt_next_result(conn, statement->handle) > 0)
            return sl_sql_mysql_explain(conn, statement->handle,
                                        SL_SQL_MYSQL_RUNNING, err);
        status = sl_sql_mysql_load_columns(conn, statement, err);
        if (status == SL_OK)
            status = skip_rows(conn, statement, err);
    }
    return status;
}

/* --- Running ------------------------------------------------------------ */

/* Add what one run of the statement did.  Of several rows the server reports
 * the first id, while the last one is wanted; so only that of a single row is
 * answered. */
static void add_mysql_counts(const struct sl_sql_mysql_statement *statement,
                             struct sl_sql_answer *answer)
{
    uint64_t affected = mysql_stmt_affected_rows(statement->handle);
    uint64_t id = mysql_stmt_insert_id(statement->handle);

    if (statement->column_count > 0 || affected == UINT64_MAX)
        affected = 0;
    answer->affected += affected;
    answer->has_last_insert_id =
        statement->class.inserts && affected == 1 && id > 0 && id <= INT64_MAX;
    answer->last_insert_id = answer->has_last_insert_id ? (int64_t)id : 0;
}

static enum sl_status run_mysql_set(struct sl_sql_mysql_conn *conn,
                                    struct sl_sql_mysql_statement *statement,
                                    size_t budget, struct sl_sql_result *result,
                                    struct sl_sql_answer *answer,
                                    struct sl_error *err)
{
    if (sl_sql_mysql_stmt_execute(conn, statement->handle) != 0)
        return sl_sql_mysql_explain(conn, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    enum sl_status status = sl_sql_mysql_load_columns(conn, statement, err);
    if (status == SL_OK && result == NULL)
        add_mysql_counts(statement, answer);
    if (status == SL_OK && result != NULL && statement->column_count > 0)
        status = read_binary_rows(conn, statement, budget, result, err);
    else if (status == SL_OK)
        status = skip_rows(conn, statement, err);
    if (status == SL_OK)
        status = skip_results(conn, statement, err);
    return status;
}

static enum sl_status run_mysql_sets(struct sl_sql_mysql_conn *conn,
                                     struct sl_sql_mysql_statement *statement,
                                     struct sl_op *op,
                                     struct sl_sql_result *result,
                                     struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_mysql_parameters *parameters =
        sl_sql_mysql_parameters_new(mysql_stmt_param_count(statement->handle));
    enum sl_status status = SL_OK;

    conn->session.reached = true;
    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        status = sl_sql_mysql_bind(conn, statement, parameters,
                                   &request->sets[i], err);
        if (status != SL_OK)
            break;
        status = run_mysql_set(conn, statement, *op->answer_budget, result,
                               op->answer, err);
        if (status != SL_OK)
            sl_sql_mysql_suspect_session(conn);
    }
    sl_sql_mysql_parameters_free(parameters);
    return status;
}

/*
 * Whether a statement outside of a transaction needs one of its own: it runs
 * for several sets, or it may write and answers rows, which may not fit.
 */
static bool
needs_mysql_transaction(const struct sl_sql_mysql_conn *conn,
                        const struct sl_sql_mysql_statement *statement,
                        const struct sl_sql_request *request)
{
    const struct sl_sql_mysql_class *class = &statement->class;

    if (conn->session.transaction != SL_SQL_TRANSACTION_NONE ||
        !class->in_transaction)
        return false;
    if (request->set_count > 1)
        return true;
    return request->verb == SL_SQL_QUERY &&
           (class->reads ? class->may_write
                         : class->calls ||
                               mysql_stmt_field_count(statement->handle) > 0);
}

/* A procedure may have ended the transaction. */
static enum sl_status check_still_open(const struct sl_sql_mysql_conn *conn,
                                       struct sl_error *err)
{
    if ((conn->handle->server_status & SERVER_STATUS_IN_TRANS) != 0)
        return SL_OK;
    return sl_fail(err, SL_CONFLICT,
                   "the statement has ended the transaction; earlier "
                   "statements of it may be committed");
}

static enum sl_status
run_mysql_prepared(struct sl_sql_mysql_conn *conn,
                   struct sl_sql_mysql_statement *statement, struct sl_op *op,
                   struct sl_sql_result *result, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (needs_mysql_transaction(conn, statement, op->request)) {
        status = sl_sql_mysql_exec(conn, "START TRANSACTION", err);
        conn->own_transaction = status == SL_OK;
    }
    if (status == SL_OK)
        status = run_mysql_sets(conn, statement, op, result, err);
    if (status == SL_OK && conn->session.transaction == SL_SQL_TRANSACTION_OPEN)
        status = check_still_open(conn, err);
    if (status == SL_OK && conn->own_transaction) {
        status = sl_sql_mysql_exec(conn, "COMMIT", err);
        conn->own_transaction = status != SL_OK;
    }
    return status;
}

/* --- Requests ----------------------------------------------------------- */

static enum sl_status check_permitted(const struct sl_sql_mysql_conn *conn,
                                      const struct sl_sql_mysql_class *class,
                                      size_t set_count, struct sl_error *err)
{
    if (class->denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       class->denied);
    if (class->in_transaction)
        return SL_OK;
    if (conn->session.transaction == SL_SQL_TRANSACTION_OPEN)
        return sl_fail(err, SL_UNSUPPORTED,
                       "this statement would commit the transaction, as all "
                       "but SELECT, INSERT, UPDATE, DELETE and similar ones "
                       "do in MySQL; run it outside of the transaction");
    if (set_count > 1)
        return sl_fail(err, SL_UNSUPPORTED,
                       "this statement cannot be undone, so it cannot run "
                       "for several lists of parameters");
    return SL_OK;
}

static enum sl_status run_once(struct sl_sql_mysql_conn *conn, struct sl_op *op,
                               const struct sl_sql_mysql_class *class,
                               struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_mysql_statement *statement = NULL;
    struct sl_sql_result *result = NULL;
    enum sl_status status =
        sl_sql_mysql_statement_take(conn, request, class, &statement, err);

    if (status != SL_OK)
        return status;
    sl_sql_mysql_expect_changes(conn, class);
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->answer_budget);
    status = statement == NULL
                 ? sl_sql_mysql_run_text(conn, op, result, err)
                 : run_mysql_prepared(conn, statement, op, result, err);
    if (statement != NULL)
        sl_sql_mysql_statement_release(conn, statement);
    return sl_sql_result_finish(result, status, op->answer);
}

bool sl_sql_mysql_should_retry(struct sl_sql_mysql_conn *conn,
                               const struct sl_sql_mysql_class *class)
{
    bool again = conn->stale_columns && !conn->broken && class->reads &&
                 !class->may_write;

    conn->stale_columns = false;
    return again;
}

enum sl_status sl_sql_mysql_run_statement(void *data, struct sl_op *op,
                                          struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = data;
    const struct sl_sql_request *request = op->request;
    const struct sl_sql_mysql_class class =
        sl_sql_mysql_classify(request->statement);
    enum sl_status status =
        check_permitted(conn, &class, request->set_count, err);

    conn->session.reached = true;
    if (status != SL_OK || request->set_count == 0)
        return status;
    status = run_once(conn, op, &class, err);
    if (status != SL_OK && sl_sql_mysql_should_retry(conn, &class))
        status = run_once(conn, op, &class, err);
    return status;
}

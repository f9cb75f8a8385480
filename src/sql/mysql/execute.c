/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of sql.mysql, from the text to the answer. */
#include "sql/mysql/run.h"

/* --- Rows --------------------------------------------------------------- */

/* All rows of a result that has come. */
static enum sl_status read_rows(struct sl_sql_mysql *mysql,
                                struct sl_sql_mysql_statement *statement,
                                size_t room, struct sl_sql_result *result,
                                struct sl_error *err)
{
    enum sl_status status =
        sl_sql_mysql_read_columns(mysql, statement, result, err);

    while (status == SL_OK) {
        int got = sl_sql_mysql_fetch(mysql, statement->handle);
        if (got == MYSQL_NO_DATA)
            return SL_OK;
        if (got != 0 && got != MYSQL_DATA_TRUNCATED)
            return sl_sql_mysql_explain(mysql, statement->handle,
                                        SL_SQL_MYSQL_RUNNING, err);
        status = sl_sql_mysql_read_row(mysql, statement, room, result, err);
    }
    /* The rest may be anything up to all there is: not worth the wait. */
    mysql->lost = true;
    return status;
}

/* Rows that nobody wants, one by one, since only that shows how they end. */
static enum sl_status skip_rows(struct sl_sql_mysql *mysql,
                                struct sl_sql_mysql_statement *statement,
                                struct sl_error *err)
{
    int got = statement->column_count > 0 ? 0 : MYSQL_NO_DATA;

    while (got == 0 || got == MYSQL_DATA_TRUNCATED)
        got = sl_sql_mysql_fetch(mysql, statement->handle);
    if (got == MYSQL_NO_DATA)
        return SL_OK;
    return sl_sql_mysql_explain(mysql, statement->handle, SL_SQL_MYSQL_RUNNING,
                                err);
}

/* The results behind the first one, which a procedure may have. */
static enum sl_status skip_results(struct sl_sql_mysql *mysql,
                                   struct sl_sql_mysql_statement *statement,
                                   struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && mysql_stmt_more_results(statement->handle)) {
        if (sl_sql_mysql_next_result(mysql, statement->handle) > 0)
            return sl_sql_mysql_explain(mysql, statement->handle,
                                        SL_SQL_MYSQL_RUNNING, err);
        status = sl_sql_mysql_see_columns(mysql, statement, err);
        if (status == SL_OK)
            status = skip_rows(mysql, statement, err);
    }
    return status;
}

/* --- Running ------------------------------------------------------------ */

/* What one run of the statement did; the database tells the first number of
 * several rows, and the last one is asked for. */
static void count(const struct sl_sql_mysql_statement *statement,
                  struct sl_sql_answer *answer)
{
    uint64_t affected = mysql_stmt_affected_rows(statement->handle);
    uint64_t id = mysql_stmt_insert_id(statement->handle);

    if (statement->column_count > 0 || affected == UINT64_MAX)
        affected = 0;
    answer->affected += affected;
    answer->has_last_insert_id =
        statement->kind.inserts && affected == 1 && id > 0 && id <= INT64_MAX;
    answer->last_insert_id = answer->has_last_insert_id ? (int64_t)id : 0;
}

static enum sl_status run_set(struct sl_sql_mysql *mysql,
                              struct sl_sql_mysql_statement *statement,
                              size_t room, struct sl_sql_result *result,
                              struct sl_sql_answer *answer,
                              struct sl_error *err)
{
    if (sl_sql_mysql_execute(mysql, statement->handle) != 0)
        return sl_sql_mysql_explain(mysql, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    enum sl_status status = sl_sql_mysql_see_columns(mysql, statement, err);
    if (status == SL_OK && result == NULL)
        count(statement, answer);
    if (status == SL_OK && result != NULL && statement->column_count > 0)
        status = read_rows(mysql, statement, room, result, err);
    else if (status == SL_OK)
        status = skip_rows(mysql, statement, err);
    if (status == SL_OK)
        status = skip_results(mysql, statement, err);
    return status;
}

static enum sl_status run_sets(struct sl_sql_mysql *mysql,
                               struct sl_sql_mysql_statement *statement,
                               struct sl_op *op, struct sl_sql_result *result,
                               struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_mysql_parameters *parameters =
        sl_sql_mysql_parameters_new(mysql_stmt_param_count(statement->handle));
    enum sl_status status = SL_OK;

    mysql->asked = true;
    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        status = sl_sql_mysql_bind(mysql, statement, parameters,
                                   &request->sets[i], err);
        if (status != SL_OK)
            break;
        status = run_set(mysql, statement, *op->room, result, op->answer, err);
        if (status != SL_OK)
            sl_sql_mysql_has_failed(mysql);
    }
    sl_sql_mysql_parameters_free(parameters);
    return status;
}

/*
 * Whether several steps must happen as a whole, outside of a transaction: sets,
 * or rows of what may write, which may not fit.
 */
static bool
needs_own_transaction(const struct sl_sql_mysql *mysql,
                      const struct sl_sql_mysql_statement *statement,
                      const struct sl_sql_request *request)
{
    const struct sl_sql_mysql_kind *kind = &statement->kind;

    if (mysql->transaction != SL_SQL_MYSQL_NONE || !kind->in_transaction)
        return false;
    if (request->set_count > 1)
        return true;
    return request->verb == SL_SQL_QUERY &&
           (kind->reads
                ? kind->may_write
                : kind->calls || mysql_stmt_field_count(statement->handle) > 0);
}

/* A procedure may have ended the transaction, or begun another one. */
static enum sl_status check_still_open(const struct sl_sql_mysql *mysql,
                                       struct sl_error *err)
{
    if ((mysql->handle->server_status & SERVER_STATUS_IN_TRANS) != 0)
        return SL_OK;
    return sl_fail(err, SL_CONFLICT,
                   "the statement has ended the transaction, and what came "
                   "before it may be committed");
}

static enum sl_status run_taken(struct sl_sql_mysql *mysql,
                                struct sl_sql_mysql_statement *statement,
                                struct sl_op *op, struct sl_sql_result *result,
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (needs_own_transaction(mysql, statement, op->request)) {
        status = sl_sql_mysql_perform(mysql, "START TRANSACTION", err);
        mysql->own = status == SL_OK;
    }
    if (status == SL_OK)
        status = run_sets(mysql, statement, op, result, err);
    if (status == SL_OK && mysql->transaction == SL_SQL_MYSQL_OPEN)
        status = check_still_open(mysql, err);
    if (status == SL_OK && mysql->own) {
        status = sl_sql_mysql_perform(mysql, "COMMIT", err);
        mysql->own = status != SL_OK;
    }
    return status;
}

/* --- Requests ----------------------------------------------------------- */

static enum sl_status check_kind(const struct sl_sql_mysql *mysql,
                                 const struct sl_sql_mysql_kind *kind,
                                 size_t set_count, struct sl_error *err)
{
    if (kind->denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       kind->denied);
    if (kind->in_transaction)
        return SL_OK;
    if (mysql->transaction == SL_SQL_MYSQL_OPEN)
        return sl_fail(err, SL_UNSUPPORTED,
                       "this statement would commit the transaction, as MySQL "
                       "does with all but SELECT, INSERT, UPDATE, DELETE and "
                       "their kin; do it outside");
    if (set_count > 1)
        return sl_fail(err, SL_UNSUPPORTED,
                       "this statement cannot be undone, and so is not done "
                       "more than once in a call");
    return SL_OK;
}

static enum sl_status run_once(struct sl_sql_mysql *mysql, struct sl_op *op,
                               const struct sl_sql_mysql_kind *kind,
                               struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_mysql_statement *taken = NULL;
    struct sl_sql_result *result = NULL;
    enum sl_status status =
        sl_sql_mysql_take(mysql, request, kind, &taken, err);

    if (status != SL_OK)
        return status;
    sl_sql_mysql_note(mysql, kind);
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->room);
    status = taken == NULL ? sl_sql_mysql_run_text(mysql, op, result, err)
                           : run_taken(mysql, taken, op, result, err);
    if (taken != NULL)
        sl_sql_mysql_give(mysql, taken);
    if (status == SL_OK && result != NULL)
        sl_sql_result_give(result, op->answer);
    else
        sl_sql_result_free(result);
    return status;
}

bool sl_sql_mysql_try_again(struct sl_sql_mysql *mysql,
                            const struct sl_sql_mysql_kind *kind)
{
    bool again =
        mysql->outdated && !mysql->lost && kind->reads && !kind->may_write;

    mysql->outdated = false;
    if (again)
        mysql->lost_race = false;
    return again;
}

enum sl_status sl_sql_mysql_statement(struct sl_sql_mysql *mysql,
                                      struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    const struct sl_sql_mysql_kind kind =
        sl_sql_mysql_kind_of(request->statement);
    enum sl_status status = check_kind(mysql, &kind, request->set_count, err);

    mysql->asked = true;
    if (status != SL_OK || request->set_count == 0)
        return status;
    status = run_once(mysql, op, &kind, err);
    if (status != SL_OK && sl_sql_mysql_try_again(mysql, &kind))
        status = run_once(mysql, op, &kind, err);
    return status;
}

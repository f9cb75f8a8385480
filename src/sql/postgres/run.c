/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and transactions of sql.postgres, one request at a time. */
#include <stdio.h>

#include "base/alloc.h"
#include "sql/postgres/state.h"

enum { ORDER_MS = 2000 }; /* to put a connection in order */

/* --- The connection ----------------------------------------------------- */

/* Settings for our own safety: the server ends what we cannot. */
enum sl_status sl_sql_pg_set_up(struct sl_sql_pg *sql, const struct sl_op *op,
                                struct sl_error *err)
{
    enum { CHECKS_SINCE = 140000, MORE_MS = 1000 };
    const struct sl_service_config *config = op->config;
    bool checks = PQserverVersion(sql->pg.handle) >= CHECKS_SINCE;

    sql->set_up = sl_asprintf(
        "pg_catalog.set_config('statement_timeout', '%lld', false)%s",
        (long long)config->timeout_ms + MORE_MS,
        checks ? ", pg_catalog.set_config('client_connection_check_interval', "
                 "'2000', false)"
               : "");
    SL_CLEANUP(sl_freep) char *text = sl_asprintf("SELECT %s", sql->set_up);
    return sl_pg_exec(&sql->pg, text, op->deadline, err);
}

/* Take away what a statement may have left. */
static void put_in_order(struct sl_sql_pg *sql)
{
    struct sl_error err;

    if (sql->leaves && !sql->pg.lost)
        (void)!sl_sql_pg_put_in_order(sql, sl_deadline_in_ms(ORDER_MS), &err);
}

static void roll_back(struct sl_sql_pg *sql)
{
    struct sl_error err;

    sl_sql_pg_abandon(sql);
    sl_sql_pg_forget_cursors(sql);
    sql->own_read_only = false;
    if (sql->pg.lost || PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE)
        return;
    if (PQpipelineStatus(sql->pg.handle) != PQ_PIPELINE_OFF ||
        sl_pg_exec(&sql->pg, "ROLLBACK", sl_deadline_in_ms(ORDER_MS), &err) !=
            SL_OK)
        sql->pg.lost = true;
}

bool sl_sql_pg_end(struct sl_sql_pg *sql)
{
    if (sql->active != NULL) /* rows are still coming */
        sql->pg.lost = true;
    roll_back(sql);
    sql->transaction = SL_SQL_PG_NONE;
    sql->read_only = sql->has_read = false;
    put_in_order(sql);
    return !sql->pg.lost;
}

/* --- Transactions ------------------------------------------------------- */

static enum sl_status begin(struct sl_sql_pg *sql, struct sl_op *op,
                            struct sl_error *err)
{
    static const char *const levels[SL_SQL_ISOLATION_COUNT] = {
        [SL_SQL_DEFAULT] = "",
        [SL_SQL_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [SL_SQL_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [SL_SQL_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };
    const struct sl_sql_request *request = op->request;
    char text[80];

    if (sql->transaction != SL_SQL_PG_NONE)
        return sl_fail(err, SL_CONFLICT, "a transaction has begun already");
    snprintf(text, sizeof(text), "BEGIN%s%s", levels[request->isolation],
             request->read_only ? " READ ONLY" : "");
    enum sl_status status = sl_sql_pg_perform(sql, text, op->deadline, err);
    if (status != SL_OK)
        return status;
    sql->transaction = SL_SQL_PG_OPEN;
    sql->read_only = request->read_only;
    sql->has_read = false;
    return SL_OK;
}

static enum sl_status fail_over(const struct sl_sql_pg *sql,
                                struct sl_error *err)
{
    if (sql->transaction == SL_SQL_PG_FAILED)
        return sl_fail(err, SL_CONFLICT,
                       "the transaction has failed, and was rolled back; "
                       "begin anew");
    return sl_fail(err, SL_CONFLICT,
                   "the transaction was lost, and rolled back; begin anew");
}

static enum sl_status commit(struct sl_sql_pg *sql, struct sl_op *op,
                             struct sl_error *err)
{
    enum sl_status status;

    if (sql->transaction != SL_SQL_PG_OPEN ||
        PQtransactionStatus(sql->pg.handle) != PQTRANS_INTRANS) {
        status = fail_over(sql, err);
    } else {
        sl_sql_pg_forget_cursors(sql);
        status = sl_sql_pg_perform(sql, "COMMIT", op->deadline, err);
    }
    (void)sl_sql_pg_end(sql);
    return status;
}

static enum sl_status rollback(struct sl_sql_pg *sql, struct sl_op *op,
                               struct sl_error *err)
{
    (void)op;
    (void)err;
    (void)sl_sql_pg_end(sql);
    return SL_OK;
}

/* --- Statements --------------------------------------------------------- */

/* What the first result told of a statement that was not described. */
static enum sl_status learn_columns(struct sl_sql_pg *sql,
                                    struct sl_sql_pg_statement *statement,
                                    struct sl_sql_pg_columns *learned,
                                    struct sl_sql_result *result,
                                    sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = sl_sql_pg_name_types(sql, deadline, learned, err);

    for (size_t i = 0; status == SL_OK && i < learned->count; i++)
        status = sl_sql_result_type_name(
            result, i, sl_bytes_of(learned->list[i].type_name), err);
    if (status != SL_OK)
        return status;
    learned->binary = false; /* as the first one was asked for */
    statement->columns = *learned;
    *learned = (struct sl_sql_pg_columns){0};
    statement->described = true;
    return SL_OK;
}

/* One set, with its rows into result; NULL throws them away. */
static enum sl_status run_set(struct sl_sql_pg *sql,
                              struct sl_sql_pg_statement *statement,
                              struct sl_op *op, struct sl_sql_result *result,
                              struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_columns learned = {0};
    bool learns = !statement->described && result != NULL;
    struct sl_sql_pg_reading reading = {
        .columns = &statement->columns,
        .learned = learns ? &learned : NULL,
        .rows = result,
        .set = &request->sets[0],
        .answer = result == NULL ? op->answer : NULL,
        .deadline = op->deadline,
    };
    enum sl_status status;

    if (sl_sql_pg_way_of(statement, &request->sets[0]) == SL_SQL_PG_CHECKED)
        return sl_sql_pg_run_checked(sql, statement, &request->sets[0],
                                     &reading, err);
    status = sl_sql_pg_send(sql, statement, &request->sets[0], err);
    if (status != SL_OK)
        return status;
    (void)PQsetSingleRowMode(sql->pg.handle);
    status = sl_sql_pg_read(sql, &reading, err);
    if (status == SL_OK && learns)
        status =
            learn_columns(sql, statement, &learned, result, op->deadline, err);
    sl_sql_pg_columns_done(&learned);
    return status;
}

/* Outside of a transaction: rows of what writes may not fit, and types that
 * are to be checked may be others. */
static bool needs_own_transaction(const struct sl_sql_pg *sql,
                                  const struct sl_sql_pg_statement *statement,
                                  const struct sl_sql_request *request)
{
    bool has_rows = request->verb == SL_SQL_QUERY && !statement->words.reads &&
                    (!statement->described || statement->columns.count > 0);

    return PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE &&
           (has_rows || sl_sql_pg_way_of(statement, &request->sets[0]) ==
                            SL_SQL_PG_CHECKED);
}

static enum sl_status run_one(struct sl_sql_pg *sql,
                              struct sl_sql_pg_statement *statement,
                              struct sl_op *op, struct sl_sql_result *result,
                              struct sl_error *err)
{
    bool own = needs_own_transaction(sql, statement, op->request);
    enum sl_status status = SL_OK;

    if (own)
        status = sl_sql_pg_perform(sql, "BEGIN", op->deadline, err);
    if (status == SL_OK)
        status = run_set(sql, statement, op, result, err);
    if (status == SL_OK && own)
        status = sl_sql_pg_perform(sql, "COMMIT", op->deadline, err);
    return status;
}

/* The first statement of a read-only transaction could make it another one. */
static enum sl_status pin_read_only(struct sl_sql_pg *sql,
                                    const struct sl_sql_pg_statement *statement,
                                    sl_deadline deadline, struct sl_error *err)
{
    bool pins = sql->read_only && !sql->has_read && statement->words.leaves;

    sql->has_read = true;
    return pins ? sl_sql_pg_perform(sql, "SELECT 1", deadline, err) : SL_OK;
}

/* begun: the transaction is the statement's own. */
static enum sl_status run_taken(struct sl_sql_pg *sql,
                                struct sl_sql_pg_statement *statement,
                                struct sl_op *op, bool begun,
                                struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_result *result = NULL;

    enum sl_status status = pin_read_only(sql, statement, op->deadline, err);
    if (status != SL_OK)
        return status;
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->room);
    status = request->verb == SL_SQL_EXECUTE_MANY
                 ? sl_sql_pg_run_many(sql, statement, op, err)
                 : run_one(sql, statement, op, result, err);
    if (status == SL_OK && begun)
        status = sl_sql_pg_perform(sql, "COMMIT", op->deadline, err);
    if (status == SL_OK && result != NULL)
        sl_sql_result_give(result, op->answer);
    else
        sl_sql_result_free(result);
    return status;
}

/* The statement, with what is known of its types as they are, as far as the
 * values tell; way: how they go in. */
static enum sl_status take_fitting(struct sl_sql_pg *sql, struct sl_op *op,
                                   struct sl_sql_pg_statement **statement,
                                   enum sl_sql_pg_way *way,
                                   struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = sl_sql_pg_take(sql, op->owner, request->statement,
                                           op->deadline, statement, err);

    if (status != SL_OK)
        return status;
    *way = sl_sql_pg_way_of_all(*statement, request);
    if (*way != SL_SQL_PG_UNFIT || !sql->again)
        return SL_OK;
    sl_sql_pg_drop(sql, op->owner, request->statement);
    status = sl_sql_pg_take(sql, op->owner, request->statement, op->deadline,
                            statement, err);
    if (status == SL_OK)
        *way = sl_sql_pg_way_of_all(*statement, request);
    return status;
}

/* Types that are to be checked, and cannot be described, are learned in the
 * transaction itself, which is begun where there is none. */
static enum sl_status
take_in_transaction(struct sl_sql_pg *sql, struct sl_op *op,
                    struct sl_sql_pg_statement **statement, bool *begun,
                    struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    *begun = PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE;
    if (*begun)
        status = sl_sql_pg_perform(sql, "BEGIN", op->deadline, err);
    if (status == SL_OK)
        status = sl_sql_pg_take_once(sql, request->statement, op->deadline,
                                     statement, err);
    return status;
}

static enum sl_status try_statement(struct sl_sql_pg *sql, struct sl_op *op,
                                    struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_statement *statement = NULL;
    enum sl_sql_pg_way way;
    bool begun = false;

    if (request->set_count == 0)
        return SL_OK;
    enum sl_status status = take_fitting(sql, op, &statement, &way, err);
    if (status == SL_OK && way == SL_SQL_PG_CHECKED &&
        statement->parameter_count > SL_SQL_PG_DESCRIBED)
        status = take_in_transaction(sql, op, &statement, &begun, err);
    if (status != SL_OK)
        return status;
    sql->asked = true;
    sql->leaves = sql->leaves || statement->words.leaves;
    return run_taken(sql, statement, op, begun, err);
}

static enum sl_status statement(struct sl_sql_pg *sql, struct sl_op *op,
                                struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = try_statement(sql, op, err);

    if (status == SL_OK || !sql->old_plan || sql->pg.lost ||
        sql->transaction != SL_SQL_PG_NONE)
        return status;
    /* It did nothing yet. */
    roll_back(sql);
    sl_sql_pg_drop(sql, op->owner, request->statement);
    sql->old_plan = false;
    return try_statement(sql, op, err);
}

/* --- Requests ----------------------------------------------------------- */

/*
 * A failed answer.  What the call began is undone, and so is the transaction: a
 * failed one would only keep others waiting.
 */
void sl_sql_pg_fail(struct sl_sql_pg *sql, struct sl_op *op,
                    const struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_answer *answer = op->answer;

    if (sql->asked) {
        roll_back(sql);
        if (sql->transaction == SL_SQL_PG_OPEN)
            sql->transaction = SL_SQL_PG_FAILED;
    }
    if (sql->old_plan && !sql->pg.lost)
        sl_sql_pg_drop(sql, op->owner, request->statement);
    answer->affected = 0;
    /* Another connection may have the primary; nothing was done by this one. */
    op->not_sent = op->not_sent || (sql->demoted && !sql->leaves &&
                                    sql->transaction == SL_SQL_PG_NONE);
    sl_op_fail(op, err);
    answer->retryable = sql->race;
}

/* A statement of a transaction that is over.  To end it goes its own way. */
static bool comes_too_late(const struct sl_sql_pg *sql,
                           const struct sl_sql_request *request)
{
    return request->in_transaction && request->verb != SL_SQL_COMMIT &&
           request->verb != SL_SQL_ROLLBACK &&
           sql->transaction != SL_SQL_PG_OPEN;
}

/* Before what a guest asks for, unless it is in a transaction already. */
static enum sl_status admit(struct sl_sql_pg *sql, struct sl_op *op,
                            struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (request->verb == SL_SQL_COMMIT || request->verb == SL_SQL_ROLLBACK ||
        request->verb == SL_SQL_CURSOR_NEXT ||
        request->verb == SL_SQL_CURSOR_CLOSE ||
        sql->transaction != SL_SQL_PG_NONE ||
        PQtransactionStatus(sql->pg.handle) != PQTRANS_IDLE)
        return SL_OK;
    enum sl_status status = sl_sql_pg_admit(sql, op, err);
    op->not_sent = status != SL_OK;
    return status;
}

void sl_sql_pg_start(struct sl_sql_pg *sql)
{
    sql->asked = sql->race = sql->again = sql->old_plan = sql->demoted = false;
}

void sl_sql_pg_run_alone(struct sl_sql_pg *sql, struct sl_op *op)
{
    typedef enum sl_status run_fn(struct sl_sql_pg *, struct sl_op *,
                                  struct sl_error *);
    static run_fn *const runs[SL_SQL_VERB_COUNT] = {
        [SL_SQL_QUERY] = statement,
        [SL_SQL_EXECUTE] = statement,
        [SL_SQL_EXECUTE_MANY] = statement,
        [SL_SQL_BEGIN] = begin,
        [SL_SQL_COMMIT] = commit,
        [SL_SQL_ROLLBACK] = rollback,
        [SL_SQL_CURSOR_OPEN] = sl_sql_pg_cursor_open,
        [SL_SQL_CURSOR_NEXT] = sl_sql_pg_cursor_next,
        [SL_SQL_CURSOR_CLOSE] = sl_sql_pg_cursor_close,
    };
    const struct sl_sql_request *request = op->request;
    struct sl_error err;
    enum sl_status status = SL_OK;

    sl_sql_pg_start(sql);
    if (request->verb != SL_SQL_CURSOR_NEXT &&
        request->verb != SL_SQL_CURSOR_CLOSE && sql->active != NULL) {
        sql->asked = true;
        status = sl_sql_pg_settle(sql, op->deadline, &err);
        sql->asked = status != SL_OK;
    }
    if (status == SL_OK && comes_too_late(sql, request))
        status = fail_over(sql, &err);
    else if (status == SL_OK)
        status = admit(sql, op, &err);
    if (status == SL_OK)
        status = runs[request->verb](sql, op, &err);
    if (status != SL_OK)
        sl_sql_pg_fail(sql, op, &err);
    if (sql->transaction == SL_SQL_PG_NONE &&
        PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE)
        put_in_order(sql);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements and transactions of sql.postgres.
 *
 * What waits is done in one go, as a pipeline, where each statement stands for
 * itself: it is prepared, leaves nothing on the connection, and needs no
 * transaction around it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/postgres_state.h"

enum { ORDER_MS = 2000 }; /* to put a connection in order */

/* --- The connection --------------------------------------------------------
 */

/* Settings for our own safety: the server ends what we cannot. */
static enum sl_status set_up(struct sl_sql_pg *sql, const struct sl_op *op,
                             struct sl_error *err)
{
    enum { CHECKS_SINCE = 140000, MORE_MS = 1000 };
    const struct sl_service_config *config = op->config;
    bool checks = PQserverVersion(sql->pg.handle) >= CHECKS_SINCE;

    sql->set_up = sl_asprintf(
        "SET statement_timeout = %lld%s",
        (long long)config->timeout_ms + MORE_MS,
        checks ? "; SET client_connection_check_interval = 2000" : "");
    return sl_pg_exec(&sql->pg, sql->set_up, op->deadline, err);
}

/* Take away what a statement may have left. */
static void put_in_order(struct sl_sql_pg *sql)
{
    struct sl_error err;

    if (!sql->leaves || sql->pg.lost)
        return;
    sql->leaves = false;
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf(
        "SELECT pg_catalog.pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; "
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DISCARD TEMP; DISCARD "
        "SEQUENCES; %s",
        sql->set_up);
    if (sl_pg_exec(&sql->pg, text, sl_deadline_in_ms(ORDER_MS), &err) != SL_OK)
        sql->pg.lost = true;
}

static void roll_back(struct sl_sql_pg *sql)
{
    struct sl_error err;

    sl_sql_pg_abandon(sql);
    sl_sql_pg_forget_cursors(sql);
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

/* --- Transactions ----------------------------------------------------------
 */

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

/* --- Statements ------------------------------------------------------------
 */

enum sl_status sl_sql_pg_send(struct sl_sql_pg *sql,
                              const struct sl_sql_pg_statement *statement,
                              const struct sl_sql_parameters *set,
                              struct sl_error *err)
{
    struct sl_sql_pg_parameters in;
    enum sl_status status = sl_sql_pg_encode(statement, set, &in, err);

    if (status != SL_OK)
        return status;
    int sent = PQsendQueryPrepared(sql->pg.handle, statement->name,
                                   (int)set->count, in.values, in.lengths,
                                   in.formats, statement->columns.binary);
    sl_sql_pg_parameters_done(&in);
    return sl_pg_sent(&sql->pg, sent, err);
}

/* One set, with its rows into result; NULL throws them away. */
static enum sl_status run_set(struct sl_sql_pg *sql,
                              const struct sl_sql_pg_statement *statement,
                              struct sl_op *op, struct sl_sql_result *result,
                              struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_reading reading = {
        .columns = &statement->columns,
        .rows = result,
        .set = &request->sets[0],
        .answer = result == NULL ? op->answer : NULL,
        .deadline = op->deadline,
    };
    enum sl_status status =
        sl_sql_pg_send(sql, statement, &request->sets[0], err);

    if (status != SL_OK)
        return status;
    (void)PQsetSingleRowMode(sql->pg.handle);
    return sl_sql_pg_read(sql, &reading, err);
}

/* Rows of what writes, outside of a transaction: they may not fit. */
static bool needs_own_transaction(const struct sl_sql_pg *sql,
                                  const struct sl_sql_pg_statement *statement,
                                  const struct sl_sql_request *request)
{
    return sql->transaction == SL_SQL_PG_NONE &&
           request->verb == SL_SQL_QUERY && !statement->words.reads &&
           statement->columns.count > 0;
}

static enum sl_status run_one(struct sl_sql_pg *sql,
                              const struct sl_sql_pg_statement *statement,
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

/* A statement of ours in a pipeline. */
static enum sl_status send_plain(struct sl_sql_pg *sql, const char *text,
                                 struct sl_error *err)
{
    return sl_pg_sent(
        &sql->pg,
        PQsendQueryParams(sql->pg.handle, text, 0, NULL, NULL, NULL, NULL, 0),
        err);
}

static enum sl_status send_sets(struct sl_sql_pg *sql,
                                const struct sl_sql_pg_statement *statement,
                                const struct sl_op *op, struct sl_error *err)
{
    enum { FLUSH_EVERY = 64 };
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        status = sl_sql_pg_send(sql, statement, &request->sets[i], err);
        if (status == SL_OK && i % FLUSH_EVERY == FLUSH_EVERY - 1)
            status = sl_pg_flush(&sql->pg, op->deadline, err);
    }
    return status;
}

/* Each list fits its placeholders: found out before any is sent. */
static enum sl_status try_sets(const struct sl_sql_pg_statement *statement,
                               const struct sl_sql_request *request,
                               struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++) {
        struct sl_sql_pg_parameters in;
        status = sl_sql_pg_encode(statement, &request->sets[i], &in, err);
        if (status == SL_OK)
            sl_sql_pg_parameters_done(&in);
    }
    return status;
}

/* All sets in one pipeline: what fails ends it. */
static enum sl_status run_many(struct sl_sql_pg *sql,
                               const struct sl_sql_pg_statement *statement,
                               struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    bool own = sql->transaction == SL_SQL_PG_NONE;
    struct sl_sql_pg_reading reading = {
        .columns = &statement->columns,
        .set = &request->sets[0],
        .answer = op->answer,
        .deadline = op->deadline,
        .to_sync = true,
    };
    enum sl_status status = try_sets(statement, request, err);

    if (status != SL_OK)
        return status;
    status = sl_pg_sent(&sql->pg, PQenterPipelineMode(sql->pg.handle), err);
    if (status == SL_OK && own)
        status = send_plain(sql, "BEGIN", err);
    if (status == SL_OK)
        status = send_sets(sql, statement, op, err);
    if (status == SL_OK && own)
        status = send_plain(sql, "COMMIT", err);
    if (status == SL_OK)
        status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    if (status != SL_OK) {
        sql->pg.lost = true;
        return status;
    }
    status = sl_sql_pg_read(sql, &reading, err);
    if (!sql->pg.lost && PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
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

static enum sl_status run_taken(struct sl_sql_pg *sql,
                                const struct sl_sql_pg_statement *statement,
                                struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_result *result = NULL;

    enum sl_status status = pin_read_only(sql, statement, op->deadline, err);
    if (status != SL_OK)
        return status;
    if (request->verb == SL_SQL_EXECUTE_MANY)
        return run_many(sql, statement, op, err);
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->room);
    status = run_one(sql, statement, op, result, err);
    if (status == SL_OK && result != NULL)
        sl_sql_result_give(result, op->answer);
    else
        sl_sql_result_free(result);
    return status;
}

static enum sl_status try_statement(struct sl_sql_pg *sql, struct sl_op *op,
                                    struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_statement *statement = NULL;

    if (request->set_count == 0)
        return SL_OK;
    enum sl_status status =
        sl_sql_pg_take(sql, request->statement, op->deadline, &statement, err);
    if (status != SL_OK)
        return status;
    sql->asked = true;
    sql->leaves = sql->leaves || statement->words.leaves;
    return run_taken(sql, statement, op, err);
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
    sl_sql_pg_drop(sql, request->statement);
    sql->old_plan = false;
    return try_statement(sql, op, err);
}

/* --- Requests --------------------------------------------------------------
 */

/*
 * A failed answer.  What the call began is undone, and so is the transaction: a
 * failed one would only keep others waiting.
 */
static void fail(struct sl_sql_pg *sql, struct sl_op *op,
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
        sl_sql_pg_drop(sql, request->statement);
    answer->affected = 0;
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

static void start(struct sl_sql_pg *sql)
{
    sql->asked = sql->race = sql->again = sql->old_plan = false;
}

static void run_alone(struct sl_sql_pg *sql, struct sl_op *op)
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

    start(sql);
    if (request->verb != SL_SQL_CURSOR_NEXT &&
        request->verb != SL_SQL_CURSOR_CLOSE && sql->active != NULL) {
        sql->asked = true;
        status = sl_sql_pg_settle(sql, op->deadline, &err);
        sql->asked = status != SL_OK;
    }
    if (status == SL_OK && comes_too_late(sql, request))
        status = fail_over(sql, &err);
    else if (status == SL_OK)
        status = runs[request->verb](sql, op, &err);
    if (status != SL_OK)
        fail(sql, op, &err);
    if (sql->transaction == SL_SQL_PG_NONE &&
        PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE)
        put_in_order(sql);
}

/* --- Batches ---------------------------------------------------------------
 */

/*
 * Statements that go out together.  Those that only read, one after the other,
 * are one part of the pipeline, which is sent and answered at once; where one
 * of them fails, those behind it in the part are not done, and are run anew.
 */
struct group {
    struct sl_op *ops[SL_SQL_PG_BATCH];
    const struct sl_sql_pg_statement *statements[SL_SQL_PG_BATCH];
    size_t count;
    bool ends[SL_SQL_PG_BATCH]; /* behind it ends a part */
    enum { DONE, AGAIN, ANEW } rest[SL_SQL_PG_BATCH]; /* ANEW: prepared too */
    bool cancelled; /* by the one that was read last */
};

static bool may_join(const struct sl_sql_pg *sql,
                     const struct sl_sql_request *request)
{
    return sql->transaction == SL_SQL_PG_NONE && sql->active == NULL &&
           !request->in_transaction && request->set_count == 1 &&
           (request->verb == SL_SQL_QUERY || request->verb == SL_SQL_EXECUTE) &&
           PQtransactionStatus(sql->pg.handle) == PQTRANS_IDLE;
}

/* Join the group; false: it is to run alone.  What fails has its answer. */
static bool join(struct sl_sql_pg *sql, struct group *group, struct sl_op *op)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_pg_statement *statement = NULL;
    struct sl_error err;

    if (!may_join(sql, request) || sql->pg.lost)
        return false;
    start(sql);
    if (sl_sql_pg_take(sql, request->statement, op->deadline, &statement,
                       &err) != SL_OK) {
        fail(sql, op, &err);
        return true;
    }
    if (!statement->keeps ||
        (request->verb == SL_SQL_QUERY && !statement->words.reads))
        return false;
    group->ops[group->count] = op;
    group->statements[group->count++] = statement;
    return true;
}

/* Take out those whose values do not fit; and see where parts end. */
static void check_group(struct group *group)
{
    struct sl_sql_pg_parameters in;
    struct sl_error err;
    size_t kept = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (sl_sql_pg_encode(group->statements[i], &request->sets[0], &in,
                             &err) != SL_OK) {
            sl_op_fail(group->ops[i], &err);
            continue;
        }
        sl_sql_pg_parameters_done(&in);
        group->ops[kept] = group->ops[i];
        group->statements[kept++] = group->statements[i];
    }
    group->count = kept;
    for (size_t i = 0; i < kept; i++)
        group->ends[i] = i + 1 == kept || !group->statements[i]->words.reads ||
                         !group->statements[i + 1]->words.reads;
}

static enum sl_status send_group(struct sl_sql_pg *sql, struct group *group,
                                 struct sl_error *err)
{
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQenterPipelineMode(sql->pg.handle), err);

    for (size_t i = 0; status == SL_OK && i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        status =
            sl_sql_pg_send(sql, group->statements[i], &request->sets[0], err);
        if (status == SL_OK && group->ends[i])
            status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    }
    return status;
}

/* Read the answer of one; what is to be run anew is noted. */
static enum sl_status read_member(struct sl_sql_pg *sql, struct group *group,
                                  size_t i)
{
    struct sl_op *op = group->ops[i];
    const struct sl_sql_request *request = op->request;
    bool query = request->verb == SL_SQL_QUERY;
    struct sl_sql_result *result = query ? sl_sql_result_new(*op->room) : NULL;
    struct sl_sql_pg_reading reading = {
        .columns = &group->statements[i]->columns,
        .rows = result,
        .set = &request->sets[0],
        .answer = query ? NULL : op->answer,
        .deadline = op->deadline,
        .to_sync = group->ends[i],
    };
    struct sl_error err;

    start(sql);
    sql->again = true;
    (void)PQsetSingleRowMode(sql->pg.handle);
    enum sl_status status = sl_sql_pg_read(sql, &reading, &err);
    if (status == SL_OK && !reading.aborted && query)
        sl_sql_result_give(result, op->answer);
    else
        sl_sql_result_free(result);
    /* What ended a result that was too large may have come too late for it. */
    bool hit = status == SL_TIMEOUT && group->cancelled;
    group->cancelled = reading.cancelled || (group->cancelled && !hit);
    if (sql->pg.lost)
        fail(sql, op, &err);
    else if (sql->old_plan)
        group->rest[i] = ANEW;
    else if (reading.aborted || hit)
        group->rest[i] = AGAIN;
    else if (status != SL_OK)
        fail(sql, op, &err);
    return sql->pg.lost ? status : SL_OK;
}

static void fail_from(struct group *group, size_t first, const char *message)
{
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE, "%s", message);
    for (size_t i = first; i < group->count; i++)
        sl_op_fail(group->ops[i], &err);
}

static void run_group(struct sl_sql_pg *sql, struct group *group)
{
    struct sl_error err;

    check_group(group);
    if (group->count == 0)
        return;
    if (send_group(sql, group, &err) != SL_OK) {
        sql->pg.lost = true;
        fail_from(group, 0, err.message);
        return;
    }
    for (size_t i = 0; i < group->count; i++)
        if (read_member(sql, group, i) != SL_OK) {
            fail_from(group, i + 1,
                      "PostgreSQL: the connection was lost by the call before");
            return;
        }
    if (PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (group->rest[i] == ANEW && !sql->pg.lost)
            sl_sql_pg_drop(sql, request->statement);
        if (group->rest[i] != DONE)
            run_alone(sql, group->ops[i]);
    }
}

static void flush(struct sl_sql_pg *sql, struct group *group)
{
    if (group->count == 1)
        run_alone(sql, group->ops[0]);
    else if (group->count > 1)
        run_group(sql, group);
    *group = (struct group){.count = 0};
}

static void fail_unsent(struct sl_op *const ops[], size_t first, size_t count,
                        const struct sl_error *err)
{
    for (size_t i = first; i < count; i++) {
        ops[i]->not_sent = true;
        sl_op_fail(ops[i], err);
    }
}

void sl_sql_pg_run(struct sl_sql_pg *sql, struct sl_op *const ops[],
                   size_t count)
{
    struct group group = {.count = 0};
    struct sl_error err;

    if (sql->active == NULL && sl_pg_is_stale(&sql->pg, NULL, &err)) {
        fail_unsent(ops, 0, count, &err);
        return;
    }
    if (sql->set_up == NULL && set_up(sql, ops[0], &err) != SL_OK) {
        fail_unsent(ops, 0, count, &err);
        sql->pg.lost = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (count > 1 && join(sql, &group, ops[i]))
            continue;
        flush(sql, &group);
        if (sql->pg.lost) {
            sl_fail(&err, SL_UNAVAILABLE,
                    "PostgreSQL: the connection was lost before");
            fail_unsent(ops, i, count, &err);
            return;
        }
        run_alone(sql, ops[i]);
    }
    flush(sql, &group);
    for (size_t i = 0; i < count; i++)
        ops[i]->lost = sql->pg.lost;
}

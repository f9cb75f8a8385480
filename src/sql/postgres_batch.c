/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits for sql.postgres is done in one go, as a pipeline, where each
 * statement stands for itself: it is prepared, leaves nothing on the
 * connection, and needs no transaction around it.
 */
#include "sql/postgres_state.h"

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
    sl_sql_pg_start(sql);
    if (sl_sql_pg_take(sql, request->statement, op->deadline, &statement,
                       &err) != SL_OK) {
        sl_sql_pg_fail(sql, op, &err);
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

    sl_sql_pg_start(sql);
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
    if (status != SL_OK && sql->pg.lost)
        sl_sql_pg_fail(sql, op, &err);
    else if (sql->old_plan)
        group->rest[i] = ANEW;
    else if (reading.aborted || hit)
        group->rest[i] = AGAIN;
    else if (status != SL_OK)
        sl_sql_pg_fail(sql, op, &err);
    return sql->pg.lost ? status : SL_OK;
}

/* These and all behind them; sent: the service may have done them. */
static void fail_from(struct sl_op *const ops[], size_t first, size_t count,
                      bool sent, const struct sl_error *err)
{
    for (size_t i = first; i < count; i++) {
        ops[i]->not_sent = !sent;
        sl_op_fail(ops[i], err);
    }
}

static void fail_lost(struct sl_op *const ops[], size_t first, size_t count,
                      bool sent)
{
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE,
            "PostgreSQL: the connection was lost by the call before");
    fail_from(ops, first, count, sent, &err);
}

static void run_group(struct sl_sql_pg *sql, struct group *group)
{
    struct sl_error err;

    check_group(group);
    if (group->count == 0)
        return;
    if (send_group(sql, group, &err) != SL_OK) {
        sql->pg.lost = true;
        fail_from(group->ops, 0, group->count, true, &err);
        return;
    }
    for (size_t i = 0; i < group->count && !sql->pg.lost; i++)
        if (read_member(sql, group, i) != SL_OK)
            fail_lost(group->ops, i + 1, group->count, true);
    if (!sql->pg.lost && PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (group->rest[i] == ANEW && !sql->pg.lost)
            sl_sql_pg_drop(sql, request->statement);
        if (group->rest[i] != DONE && sql->pg.lost)
            fail_lost(group->ops, i, i + 1, false);
        else if (group->rest[i] != DONE)
            sl_sql_pg_run_alone(sql, group->ops[i]);
    }
}

/* On a lost connection others' answers may still be on their way. */
static void flush(struct sl_sql_pg *sql, struct group *group)
{
    if (sql->pg.lost)
        fail_lost(group->ops, 0, group->count, false);
    else if (group->count == 1)
        sl_sql_pg_run_alone(sql, group->ops[0]);
    else if (group->count > 1)
        run_group(sql, group);
    *group = (struct group){.count = 0};
}

void sl_sql_pg_run(struct sl_sql_pg *sql, struct sl_op *const ops[],
                   size_t count)
{
    struct group group = {.count = 0};
    struct sl_error err;

    if (sql->active == NULL && sl_pg_is_stale(&sql->pg, NULL, &err)) {
        fail_from(ops, 0, count, false, &err);
        return;
    }
    if (sql->set_up == NULL && sl_sql_pg_set_up(sql, ops[0], &err) != SL_OK) {
        fail_from(ops, 0, count, false, &err);
        sql->pg.lost = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (count > 1 && join(sql, &group, ops[i]))
            continue;
        flush(sql, &group);
        if (sql->pg.lost) {
            fail_lost(ops, i, count, false);
            break;
        }
        sl_sql_pg_run_alone(sql, ops[i]);
    }
    flush(sql, &group);
    for (size_t i = 0; i < count; i++)
        ops[i]->lost = sql->pg.lost;
}

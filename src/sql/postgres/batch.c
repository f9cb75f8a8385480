/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits for sql.postgres is done in one go, as a pipeline, where each
 * statement stands for itself: it is prepared, leaves nothing on the
 * connection that is known, and needs no transaction around it.  Where one
 * component's follow another's the session is put in order between them, in the
 * same pipeline.
 */
#include "sql/postgres/state.h"

/*
 * Statements that go out together.  Those that only read, one after the other,
 * are one part of the pipeline, which is sent and answered at once; where one
 * of them fails, those behind it in the part are not done, and are run anew.
 * No part has statements of two owners.
 */
struct group {
    struct sl_op *ops[SL_SQL_PG_BATCH];
    const struct sl_sql_pg_statement *statements[SL_SQL_PG_BATCH];
    size_t count;
    bool ends[SL_SQL_PG_BATCH];   /* behind it ends a part */
    bool orders[SL_SQL_PG_BATCH]; /* in front of it the session is put in order
                                   */
    uint64_t
        numbers[SL_SQL_PG_BATCH]; /* of that order, in which it is run; or 0 */
    bool shut;                    /* the gate of the part that is read is */
    bool spoiled;                 /* one was: the connection is of no use */
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
    /* What a name in it means depends on the session. */
    if (!sl_sql_pg_is_prepared(sql, op->owner, request->statement) &&
        sl_sql_pg_admit(sql, op, &err) != SL_OK) {
        op->not_sent = true;
        sl_sql_pg_fail(sql, op, &err);
        return true;
    }
    if (sl_sql_pg_take(sql, op->owner, request->statement, op->deadline,
                       &statement, &err) != SL_OK) {
        sl_sql_pg_fail(sql, op, &err);
        return true;
    }
    if (!statement->keeps ||
        sl_sql_pg_way_of(statement, &request->sets[0]) >= SL_SQL_PG_CHECKED ||
        (request->verb == SL_SQL_QUERY &&
         (!statement->words.reads || !statement->described)))
        return false;
    group->ops[group->count] = op;
    group->statements[group->count++] = statement;
    return true;
}

static void move_up(struct group *group, size_t from, size_t to)
{
    struct sl_op *op = group->ops[from];
    const struct sl_sql_pg_statement *statement = group->statements[from];

    for (size_t i = from; i > to; i--) {
        group->ops[i] = group->ops[i - 1];
        group->statements[i] = group->statements[i - 1];
    }
    group->ops[to] = op;
    group->statements[to] = statement;
}

/* The owners' one after the other, each one's in their order; whose session it
 * is first. */
static void sort_group(const struct sl_sql_pg *sql, struct group *group)
{
    const void *owner = sql->owner;

    for (size_t done = 0; done < group->count;
         owner = done < group->count ? group->ops[done]->owner : NULL)
        for (size_t i = done; i < group->count; i++)
            if (group->ops[i]->owner == owner)
                move_up(group, i, done++);
}

/* Where another owner's begin. */
static void divide_group(const struct sl_sql_pg *sql, struct group *group)
{
    const void *owner = sql->owner;
    bool used = sql->used;
    uint64_t number = 0;

    for (size_t i = 0; i < group->count; i++) {
        group->orders[i] = used && group->ops[i]->owner != owner;
        if (group->orders[i])
            number = sl_sql_pg_order_number();
        group->numbers[i] = number;
        owner = group->ops[i]->owner;
        used = true;
    }
}

/* Take out those whose values do not fit; and see where parts end. */
static void check_group(const struct sl_sql_pg *sql, struct group *group)
{
    struct sl_sql_pg_parameters in;
    struct sl_error err;
    size_t kept = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (sl_sql_pg_encode(group->statements[i], &request->sets[0], false,
                             &in, &err) != SL_OK) {
            sl_op_fail(group->ops[i], &err);
            continue;
        }
        sl_sql_pg_parameters_done(&in);
        group->ops[kept] = group->ops[i];
        group->statements[kept++] = group->statements[i];
    }
    group->count = kept;
    sort_group(sql, group);
    divide_group(sql, group);
    for (size_t i = 0; i < kept; i++)
        group->ends[i] = i + 1 == kept || !group->statements[i]->words.reads ||
                         !group->statements[i + 1]->words.reads ||
                         group->orders[i + 1];
}

static bool begins_part(const struct group *group, size_t i)
{
    return i == 0 || group->ends[i - 1];
}

/* What stands in front of a statement of the group. */
static enum sl_status send_ahead(struct sl_sql_pg *sql,
                                 const struct group *group, size_t i,
                                 struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (group->orders[i])
        status = sl_sql_pg_send_order(sql, group->numbers[i], err);
    if (status == SL_OK && group->numbers[i] != 0 && begins_part(group, i))
        status = sl_sql_pg_send_gate(sql, group->numbers[i], err);
    return status;
}

static enum sl_status send_group(struct sl_sql_pg *sql, struct group *group,
                                 struct sl_error *err)
{
    enum sl_status status =
        sl_pg_sent(&sql->pg, PQenterPipelineMode(sql->pg.handle), err);

    for (size_t i = 0; status == SL_OK && i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        status = send_ahead(sql, group, i, err);
        if (status == SL_OK)
            status = sl_sql_pg_send(sql, group->statements[i],
                                    &request->sets[0], err);
        if (status == SL_OK && group->ends[i])
            status = sl_pg_sent(&sql->pg, PQpipelineSync(sql->pg.handle), err);
    }
    return status;
}

/* The answers of what send_ahead sent; failed: the connection is lost. */
static enum sl_status read_ahead(struct sl_sql_pg *sql, struct group *group,
                                 size_t i, struct sl_error *err)
{
    struct sl_sql_pg_reading order = {.deadline = group->ops[i]->deadline,
                                      .to_sync = true};
    struct sl_sql_pg_reading gate = {.deadline = group->ops[i]->deadline};
    enum sl_status status = SL_OK;

    if (begins_part(group, i))
        group->shut = false;
    if (group->orders[i])
        status = sl_sql_pg_read(sql, &order, err);
    if (!sql->pg.lost && group->numbers[i] != 0 && begins_part(group, i)) {
        status = sl_sql_pg_read(sql, &gate, err);
        group->shut = status != SL_OK;
    }
    return sql->pg.lost ? status : SL_OK;
}

/* One behind a gate that is shut was certainly not done. */
static enum sl_status skip_member(struct sl_sql_pg *sql, struct group *group,
                                  size_t i, struct sl_error *err)
{
    struct sl_sql_pg_reading reading = {.deadline = group->ops[i]->deadline,
                                        .to_sync = group->ends[i]};
    struct sl_error mine;
    enum sl_status status = sl_sql_pg_read(sql, &reading, err);

    if (sql->pg.lost)
        return status;
    group->spoiled = true;
    group->ops[i]->not_sent = true;
    (void)sl_sql_pg_not_in_order(&mine);
    sl_op_fail(group->ops[i], &mine);
    return SL_OK;
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

/* Read all of them; the connection may be lost then. */
static void read_group(struct sl_sql_pg *sql, struct group *group)
{
    struct sl_error err;

    for (size_t i = 0; i < group->count && !sql->pg.lost; i++) {
        enum sl_status status = read_ahead(sql, group, i, &err);
        if (status == SL_OK && group->shut)
            status = skip_member(sql, group, i, &err);
        else if (status == SL_OK && read_member(sql, group, i) != SL_OK)
            fail_lost(group->ops, i + 1, group->count, true);
        if (status != SL_OK)
            fail_from(group->ops, i, group->count, true, &err);
    }
}

static void run_group(struct sl_sql_pg *sql, struct group *group)
{
    struct sl_error err;

    check_group(sql, group);
    if (group->count == 0)
        return;
    if (send_group(sql, group, &err) != SL_OK) {
        sql->pg.lost = true;
        fail_from(group->ops, 0, group->count, true, &err);
        return;
    }
    read_group(sql, group);
    sl_sql_pg_take_over(sql, group->ops[group->count - 1]);
    if (group->spoiled)
        sql->pg.lost = true;
    if (!sql->pg.lost && PQexitPipelineMode(sql->pg.handle) != 1)
        sql->pg.lost = true;
    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (group->rest[i] == ANEW && !sql->pg.lost)
            sl_sql_pg_drop(sql, group->ops[i]->owner, request->statement);
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
    else if (group->count == 1 && !sl_sql_pg_is_foreign(sql, group->ops[0]))
        sl_sql_pg_run_alone(sql, group->ops[0]);
    else if (group->count > 0)
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
        if ((count > 1 || sl_sql_pg_is_foreign(sql, ops[i])) &&
            join(sql, &group, ops[i]))
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

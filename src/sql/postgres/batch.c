/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait together are sent as one pipeline, if each statement is
 * independent: it is prepared, it is not known to leave anything in the
 * session, and it needs no transaction of its own.  Between the statements of
 * two components the session is reset, in the same pipeline.
 */
#include "sql/postgres/connection.h"

/*
 * Statements that are sent together.  Consecutive reads are one part of the
 * pipeline, which is sent and answered as a whole.  Where one of them fails,
 * the ones after it in the part are not run, and are run again alone.  No part
 * has statements of two owners.
 */
struct group {
    struct sl_op *ops[SL_SQL_POSTGRES_BATCH];
    const struct sl_sql_postgres_statement *statements[SL_SQL_POSTGRES_BATCH];
    size_t count;
    bool ends[SL_SQL_POSTGRES_BATCH];       /* a part ends after it */
    bool resets[SL_SQL_POSTGRES_BATCH];     /* the session is reset before it */
    uint64_t tokens[SL_SQL_POSTGRES_BATCH]; /* of its session's reset, or 0 */
    bool check_failed;                      /* of the part that is being read */
    bool broken; /* a check has failed: the connection is of no use */
    enum { DONE, RETRY, PREPARE_AND_RETRY } outcomes[SL_SQL_POSTGRES_BATCH];
    bool cancelled; /* while the statement before was read */
};

static bool may_join(const struct sl_sql_postgres_conn *conn,
                     const struct sl_sql_request *request)
{
    return conn->session.transaction == SL_SQL_TRANSACTION_NONE &&
           conn->active == NULL && !request->in_transaction &&
           request->set_count == 1 &&
           (request->verb == SL_SQL_QUERY || request->verb == SL_SQL_EXECUTE) &&
           PQtransactionStatus(conn->pg.handle) == PQTRANS_IDLE;
}

/* Add op to the group.  False: it must run alone.  A failed op is answered. */
static bool join_group(struct sl_sql_postgres_conn *conn, struct group *group,
                       struct sl_op *op)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_postgres_statement *statement = NULL;
    struct sl_error err;

    if (!may_join(conn, request) || conn->pg.broken)
        return false;
    sl_sql_postgres_start_request(conn);
    /* The session decides what a name in the statement means. */
    if (!sl_sql_postgres_statement_is_prepared(conn, op->owner,
                                               request->statement) &&
        sl_sql_postgres_claim_session(conn, op, &err) != SL_OK) {
        op->unsent = true;
        sl_sql_session_fail(&conn->session, op, &err);
        return true;
    }
    if (sl_sql_postgres_statement_get(conn, op->owner, request->statement,
                                      op->deadline, &statement,
                                      &err) != SL_OK) {
        sl_sql_session_fail(&conn->session, op, &err);
        return true;
    }
    if (!statement->cacheable ||
        sl_sql_postgres_binding_of(statement, &request->sets[0]) >=
            SL_SQL_POSTGRES_BIND_CHECKED ||
        (request->verb == SL_SQL_QUERY &&
         (!statement->class.reads || !statement->described)))
        return false;
    group->ops[group->count] = op;
    group->statements[group->count++] = statement;
    return true;
}

static void move_up(struct group *group, size_t from, size_t to)
{
    struct sl_op *op = group->ops[from];
    const struct sl_sql_postgres_statement *statement = group->statements[from];

    for (size_t i = from; i > to; i--) {
        group->ops[i] = group->ops[i - 1];
        group->statements[i] = group->statements[i - 1];
    }
    group->ops[to] = op;
    group->statements[to] = statement;
}

/* Sort by owner, the owner of the session first, and keep the order of each. */
static void sort_group(const struct sl_sql_postgres_conn *conn,
                       struct group *group)
{
    const void *owner = conn->owner;

    for (size_t done = 0; done < group->count;
         owner = done < group->count ? group->ops[done]->owner : NULL)
        for (size_t i = done; i < group->count; i++)
            if (group->ops[i]->owner == owner)
                move_up(group, i, done++);
}

/* Reset the session wherever the owner changes. */
static void divide_group(const struct sl_sql_postgres_conn *conn,
                         struct group *group)
{
    const void *owner = conn->owner;
    bool used = conn->used;
    uint64_t token = 0;

    for (size_t i = 0; i < group->count; i++) {
        group->resets[i] = used && group->ops[i]->owner != owner;
        if (group->resets[i])
            token = sl_sql_postgres_reset_token();
        group->tokens[i] = token;
        owner = group->ops[i]->owner;
        used = true;
    }
}

/* Answer those whose values do not fit, and divide the others into parts. */
static void check_group(const struct sl_sql_postgres_conn *conn,
                        struct group *group)
{
    struct sl_sql_postgres_parameters in;
    struct sl_error err;
    size_t kept = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (sl_sql_postgres_encode(group->statements[i], &request->sets[0],
                                   false, &in, &err) != SL_OK) {
            sl_op_fail(group->ops[i], &err);
            continue;
        }
        sl_sql_postgres_parameters_done(&in);
        group->ops[kept] = group->ops[i];
        group->statements[kept++] = group->statements[i];
    }
    group->count = kept;
    sort_group(conn, group);
    divide_group(conn, group);
    for (size_t i = 0; i < kept; i++)
        group->ends[i] = i + 1 == kept || !group->statements[i]->class.reads ||
                         !group->statements[i + 1]->class.reads ||
                         group->resets[i + 1];
}

static bool begins_part(const struct group *group, size_t i)
{
    return i == 0 || group->ends[i - 1];
}

/* Send what precedes a statement of the group. */
static enum sl_status send_prelude(struct sl_sql_postgres_conn *conn,
                                   const struct group *group, size_t i,
                                   struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (group->resets[i])
        status = sl_sql_postgres_send_reset(conn, group->tokens[i], err);
    if (status == SL_OK && group->tokens[i] != 0 && begins_part(group, i))
        status = sl_sql_postgres_send_reset_check(conn, group->tokens[i], err);
    return status;
}

static enum sl_status send_group(struct sl_sql_postgres_conn *conn,
                                 struct group *group, struct sl_error *err)
{
    enum sl_status status =
        sl_pg_sent(&conn->pg, PQenterPipelineMode(conn->pg.handle), err);

    for (size_t i = 0; status == SL_OK && i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        status = send_prelude(conn, group, i, err);
        if (status == SL_OK)
            status = sl_sql_postgres_send(conn, group->statements[i],
                                          &request->sets[0], err);
        if (status == SL_OK && group->ends[i])
            status =
                sl_pg_sent(&conn->pg, PQpipelineSync(conn->pg.handle), err);
    }
    return status;
}

/* Read the answers to send_prelude.  It fails where the connection is lost. */
static enum sl_status read_prelude(struct sl_sql_postgres_conn *conn,
                                   struct group *group, size_t i,
                                   struct sl_error *err)
{
    struct sl_sql_postgres_reader reset = {.deadline = group->ops[i]->deadline,
                                           .to_sync = true};
    struct sl_sql_postgres_reader check = {.deadline = group->ops[i]->deadline};
    enum sl_status status = SL_OK;

    if (begins_part(group, i))
        group->check_failed = false;
    if (group->resets[i])
        status = sl_sql_postgres_read_results(conn, &reset, err);
    if (!conn->pg.broken && group->tokens[i] != 0 && begins_part(group, i)) {
        status = sl_sql_postgres_read_results(conn, &check, err);
        group->check_failed = status != SL_OK;
    }
    return conn->pg.broken ? status : SL_OK;
}

/* A statement after a failed check was certainly not run. */
static enum sl_status skip_member(struct sl_sql_postgres_conn *conn,
                                  struct group *group, size_t i,
                                  struct sl_error *err)
{
    struct sl_sql_postgres_reader reader = {.deadline = group->ops[i]->deadline,
                                            .to_sync = group->ends[i]};
    struct sl_error mine;
    enum sl_status status = sl_sql_postgres_read_results(conn, &reader, err);

    if (conn->pg.broken)
        return status;
    group->broken = true;
    group->ops[i]->unsent = true;
    (void)sl_sql_postgres_fail_reset(&mine);
    sl_op_fail(group->ops[i], &mine);
    return SL_OK;
}

/* Read the answer of one statement.  outcomes says whether it runs again. */
static enum sl_status read_member(struct sl_sql_postgres_conn *conn,
                                  struct group *group, size_t i)
{
    struct sl_op *op = group->ops[i];
    const struct sl_sql_request *request = op->request;
    bool query = request->verb == SL_SQL_QUERY;
    struct sl_sql_result *result =
        query ? sl_sql_result_new(*op->answer_budget) : NULL;
    struct sl_sql_postgres_reader reader = {
        .columns = &group->statements[i]->columns,
        .rows = result,
        .set = &request->sets[0],
        .answer = query ? NULL : op->answer,
        .deadline = op->deadline,
        .to_sync = group->ends[i],
    };
    struct sl_error err;

    sl_sql_postgres_start_request(conn);
    conn->was_cached = true;
    (void)PQsetSingleRowMode(conn->pg.handle);
    enum sl_status status = sl_sql_postgres_read_results(conn, &reader, &err);
    /* A statement that was not run has no result. */
    (void)sl_sql_result_finish(result, reader.aborted ? SL_CONFLICT : status,
                               op->answer);
    /* The cancellation of a too large result may have hit this statement. */
    bool hit = status == SL_TIMEOUT && group->cancelled;
    group->cancelled = reader.cancelled || (group->cancelled && !hit);
    if (status != SL_OK && conn->pg.broken)
        sl_sql_session_fail(&conn->session, op, &err);
    else if (conn->stale_plan)
        group->outcomes[i] = PREPARE_AND_RETRY;
    else if (reader.aborted || hit)
        group->outcomes[i] = RETRY;
    else if (status != SL_OK)
        sl_sql_session_fail(&conn->session, op, &err);
    return conn->pg.broken ? status : SL_OK;
}

/* Fail these and all after them.  sent: the server may have run them. */
static void fail_ops_from(struct sl_op *const ops[], size_t first, size_t count,
                          bool sent, const struct sl_error *err)
{
    for (size_t i = first; i < count; i++) {
        ops[i]->unsent = !sent;
        sl_op_fail(ops[i], err);
    }
}

static void fail_lost(struct sl_op *const ops[], size_t first, size_t count,
                      bool sent)
{
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE,
            "PostgreSQL: the connection was lost during an earlier call");
    fail_ops_from(ops, first, count, sent, &err);
}

/* Read all answers, unless the connection is lost. */
static void read_group(struct sl_sql_postgres_conn *conn, struct group *group)
{
    struct sl_error err;

    for (size_t i = 0; i < group->count && !conn->pg.broken; i++) {
        enum sl_status status = read_prelude(conn, group, i, &err);
        if (status == SL_OK && group->check_failed)
            status = skip_member(conn, group, i, &err);
        else if (status == SL_OK && read_member(conn, group, i) != SL_OK)
            fail_lost(group->ops, i + 1, group->count, true);
        if (status != SL_OK)
            fail_ops_from(group->ops, i, group->count, true, &err);
    }
}

static void run_pipeline(struct sl_sql_postgres_conn *conn, struct group *group)
{
    struct sl_error err;

    check_group(conn, group);
    if (group->count == 0)
        return;
    if (send_group(conn, group, &err) != SL_OK) {
        conn->pg.broken = true;
        fail_ops_from(group->ops, 0, group->count, true, &err);
        return;
    }
    read_group(conn, group);
    sl_sql_postgres_set_owner(conn, group->ops[group->count - 1]);
    if (group->broken)
        conn->pg.broken = true;
    if (!conn->pg.broken && PQexitPipelineMode(conn->pg.handle) != 1)
        conn->pg.broken = true;
    for (size_t i = 0; i < group->count; i++) {
        const struct sl_sql_request *request = group->ops[i]->request;
        if (group->outcomes[i] == PREPARE_AND_RETRY && !conn->pg.broken)
            sl_sql_postgres_statement_discard(conn, group->ops[i]->owner,
                                              request->statement);
        if (group->outcomes[i] != DONE && conn->pg.broken)
            fail_lost(group->ops, i, i + 1, false);
        else if (group->outcomes[i] != DONE)
            sl_sql_postgres_run_op(conn, group->ops[i]);
    }
}

/* Run the group, and empty it. */
static void flush_group(struct sl_sql_postgres_conn *conn, struct group *group)
{
    if (conn->pg.broken)
        fail_lost(group->ops, 0, group->count, false);
    else if (group->count == 1 &&
             !sl_sql_postgres_is_foreign(conn, group->ops[0]))
        sl_sql_postgres_run_op(conn, group->ops[0]);
    else if (group->count > 0)
        run_pipeline(conn, group);
    *group = (struct group){.count = 0};
}

void sl_sql_postgres_run(struct sl_sql_postgres_conn *conn,
                         struct sl_op *const ops[], size_t count)
{
    struct group group = {.count = 0};
    struct sl_error err;

    if (conn->active == NULL && sl_pg_is_stale(&conn->pg, NULL, &err)) {
        fail_ops_from(ops, 0, count, false, &err);
        return;
    }
    if (conn->own_settings == NULL &&
        sl_sql_postgres_session_setup(conn, ops[0], &err) != SL_OK) {
        fail_ops_from(ops, 0, count, false, &err);
        conn->pg.broken = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((count > 1 || sl_sql_postgres_is_foreign(conn, ops[i])) &&
            join_group(conn, &group, ops[i]))
            continue;
        flush_group(conn, &group);
        if (conn->pg.broken) {
            fail_lost(ops, i, count, false);
            break;
        }
        sl_sql_postgres_run_op(conn, ops[i]);
    }
    flush_group(conn, &group);
    for (size_t i = 0; i < count; i++)
        ops[i]->broken = conn->pg.broken;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of sql.mysql, and what remains of the connection after them. */
#include "sql/mysql/run.h"

enum { END_MS = 5000 }; /* for the end of a session, which has no deadline */

static enum sl_status make_clean(struct sl_sql_mysql *mysql,
                                 struct sl_error *err)
{
    sl_sql_mysql_forget(mysql);
    if (sl_sql_mysql_reset(mysql) != 0)
        return sl_sql_mysql_explain(mysql, NULL, SL_SQL_MYSQL_PREPARING, err);
    return sl_sql_mysql_set_up(mysql, err);
}

void sl_sql_mysql_note(struct sl_sql_mysql *mysql,
                       const struct sl_sql_mysql_kind *kind)
{
    mysql->dirty = mysql->dirty || kind->calls;
    mysql->doubtful =
        mysql->doubtful || kind->may_write || !kind->in_transaction;
}

void sl_sql_mysql_has_failed(struct sl_sql_mysql *mysql)
{
    if (mysql->mariadb)
        mysql->dirty = true;
    else
        mysql->doubtful = true;
}

/* What the server has not told yet it tells with any answer without rows; of
 * locks it never tells. */
static enum sl_status settle_doubt(struct sl_sql_mysql *mysql,
                                   struct sl_error *err)
{
    /* MariaDB forgets warnings (SHOW WARNINGS) with what has a table only. */
    enum sl_status status = sl_sql_mysql_perform(
        mysql,
        mysql->mariadb
            ? "DO RELEASE_ALL_LOCKS(), (SELECT 1 FROM (SELECT 1) nothing)"
            : "DO RELEASE_ALL_LOCKS()",
        err);

    mysql->doubtful = status != SL_OK;
    return status;
}

static enum sl_status begin(struct sl_sql_mysql *mysql, struct sl_op *op,
                            struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (mysql->transaction != SL_SQL_MYSQL_NONE)
        return sl_fail(err, SL_CONFLICT, "a transaction has begun already");
    enum sl_status status =
        sl_sql_mysql_begin(mysql, (enum sl_sql_isolation)request->isolation,
                           request->read_only, err);
    if (status == SL_OK)
        mysql->transaction = SL_SQL_MYSQL_OPEN;
    return status;
}

static enum sl_status fail_over(const struct sl_sql_mysql *mysql,
                                struct sl_error *err)
{
    if (mysql->transaction == SL_SQL_MYSQL_FAILED)
        return sl_fail(err, SL_CONFLICT,
                       "the transaction has failed, and was rolled back; "
                       "begin anew");
    return sl_fail(err, SL_CONFLICT,
                   "the transaction was lost, and rolled back; begin anew");
}

static enum sl_status commit(struct sl_sql_mysql *mysql, struct sl_op *op,
                             struct sl_error *err)
{
    enum sl_status status;

    (void)op;
    if (mysql->transaction != SL_SQL_MYSQL_OPEN) {
        status = fail_over(mysql, err);
    } else {
        sl_sql_mysql_close_cursors(mysql);
        status = sl_sql_mysql_perform(mysql, "COMMIT", err);
    }
    if (status != SL_OK)
        sl_sql_mysql_roll_back(mysql);
    mysql->transaction = SL_SQL_MYSQL_NONE;
    return status;
}

static enum sl_status rollback(struct sl_sql_mysql *mysql, struct sl_op *op,
                               struct sl_error *err)
{
    (void)op;
    (void)err;
    sl_sql_mysql_roll_back(mysql);
    mysql->transaction = SL_SQL_MYSQL_NONE;
    return SL_OK;
}

static enum sl_status close_cursor(struct sl_sql_mysql *mysql, struct sl_op *op,
                                   struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    (void)err;
    sl_sql_mysql_cursor_close(mysql, request->cursor);
    return SL_OK;
}

/*
 * A failed answer.  What the call began is undone, and so is the transaction: a
 * failed one would only keep others waiting.
 */
static void fail(struct sl_sql_mysql *mysql, struct sl_op *op,
                 const struct sl_error *err)
{
    struct sl_sql_answer *answer = op->answer;
    bool open = mysql->transaction == SL_SQL_MYSQL_OPEN;

    if (mysql->asked) {
        sl_sql_mysql_roll_back(mysql);
        if (open)
            mysql->transaction = SL_SQL_MYSQL_FAILED;
    }
    answer->affected = 0;
    answer->has_last_insert_id = false;
    answer->last_insert_id = 0;
    sl_op_fail(op, err);
    answer->retryable = mysql->lost_race;
}

/* A statement of a transaction that is over.  To end it goes its own way. */
static bool comes_too_late(const struct sl_sql_mysql *mysql,
                           const struct sl_sql_request *request)
{
    return request->in_transaction && request->verb != SL_SQL_COMMIT &&
           request->verb != SL_SQL_ROLLBACK &&
           mysql->transaction != SL_SQL_MYSQL_OPEN;
}

/* Behind another component's rows there may be what the server has not told. */
static void note_owner(struct sl_sql_mysql *mysql, const void *owner)
{
    if (mysql->used && mysql->owner != owner)
        mysql->doubtful = true;
    mysql->owner = owner;
    mysql->used = true;
}

/* As every request expects it: the session is that of nobody. */
static enum sl_status make_ready(struct sl_sql_mysql *mysql,
                                 const struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    if (mysql->transaction != SL_SQL_MYSQL_NONE || mysql->own ||
        request->verb == SL_SQL_ROLLBACK || request->in_transaction)
        return SL_OK;
    note_owner(mysql, op->owner);
    if (mysql->doubtful && !mysql->dirty) {
        enum sl_status status = settle_doubt(mysql, err);
        if (status != SL_OK)
            return status;
    }
    if (mysql->dirty)
        return make_clean(mysql, err);
    return request->verb == SL_SQL_BEGIN ? SL_OK
                                         : sl_sql_mysql_be_plain(mysql, err);
}

static enum sl_status dispatch(struct sl_sql_mysql *mysql, struct sl_op *op,
                               struct sl_error *err)
{
    typedef enum sl_status run_fn(struct sl_sql_mysql *, struct sl_op *,
                                  struct sl_error *);
    static run_fn *const runs[SL_SQL_VERB_COUNT] = {
        [SL_SQL_QUERY] = sl_sql_mysql_statement,
        [SL_SQL_EXECUTE] = sl_sql_mysql_statement,
        [SL_SQL_EXECUTE_MANY] = sl_sql_mysql_statement,
        [SL_SQL_BEGIN] = begin,
        [SL_SQL_COMMIT] = commit,
        [SL_SQL_ROLLBACK] = rollback,
        [SL_SQL_CURSOR_OPEN] = sl_sql_mysql_cursor_open,
        [SL_SQL_CURSOR_NEXT] = sl_sql_mysql_cursor_next,
        [SL_SQL_CURSOR_CLOSE] = close_cursor,
    };
    const struct sl_sql_request *request = op->request;

    if (comes_too_late(mysql, request))
        return fail_over(mysql, err);
    enum sl_status status = make_ready(mysql, op, err);
    if (status != SL_OK) {
        op->not_sent = true;
        return status;
    }
    return runs[request->verb](mysql, op, err);
}

void sl_sql_mysql_run(struct sl_sql_mysql *mysql, struct sl_op *op)
{
    struct sl_error err;
    enum sl_status status;

    mysql->deadline = op->deadline;
    mysql->expired = false;
    mysql->lost_race = false;
    mysql->outdated = false;
    mysql->asked = false;
    if (sl_sql_mysql_is_stale(mysql)) {
        mysql->lost = true;
        op->not_sent = true;
        status = sl_fail(&err, SL_UNAVAILABLE,
                         "the server has closed the connection");
    } else {
        status = dispatch(mysql, op, &err);
    }
    if (status != SL_OK)
        fail(mysql, op, &err);
    op->lost = mysql->lost;
}

bool sl_sql_mysql_end(struct sl_sql_mysql *mysql)
{
    mysql->deadline = sl_deadline_in_ms(END_MS);
    mysql->expired = false;
    sl_sql_mysql_roll_back(mysql);
    mysql->transaction = SL_SQL_MYSQL_NONE;
    return !mysql->lost;
}

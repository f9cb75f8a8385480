/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and transactions of sql.sqlite. */
#include "sql/sqlite/run.h"

#include <errno.h>

/* --- Transactions ------------------------------------------------------- */

static void roll_back(struct sl_sql_sqlite *sqlite)
{
    sl_sql_sqlite_close_cursors(sqlite);
    /* SQLite rolls back by itself after some errors. */
    if (sqlite3_get_autocommit(sqlite->file.handle) == 0)
        (void)sl_sql_sqlite_exec(sqlite, "ROLLBACK");
}

void sl_sql_sqlite_end(struct sl_sql_sqlite *sqlite)
{
    if (sqlite->file.handle != NULL)
        roll_back(sqlite);
    sqlite->transaction = SL_SQL_SQLITE_NONE;
    sqlite->read_only = false;
    sqlite->grows = false;
}

/* A statement of ours. */
static enum sl_status perform(struct sl_sql_sqlite *sqlite, const char *text,
                              struct sl_error *err)
{
    int code = sl_sql_sqlite_exec(sqlite, text);

    return code == SQLITE_OK ? SL_OK
                             : sl_sql_sqlite_explain(
                                   sqlite, code, SL_SQL_SQLITE_RUNNING, err);
}

static enum sl_status begin(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                            struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    bool snapshot = request->read_only ||
                    request->isolation == SL_SQL_REPEATABLE_READ ||
                    request->isolation == SL_SQL_SERIALIZABLE;

    if (sqlite->transaction != SL_SQL_SQLITE_NONE)
        return sl_fail(err, SL_CONFLICT, "a transaction has begun already");
    enum sl_status status =
        perform(sqlite, snapshot ? "BEGIN" : "BEGIN IMMEDIATE", err);
    if (status != SL_OK)
        return status;
    sqlite->transaction = SL_SQL_SQLITE_OPEN;
    sqlite->read_only = request->read_only;
    return SL_OK;
}

static enum sl_status fail_over(const struct sl_sql_sqlite *sqlite,
                                struct sl_error *err)
{
    if (sqlite->transaction == SL_SQL_SQLITE_FAILED)
        return sl_fail(err, SL_CONFLICT,
                       "the transaction has failed, and was rolled back; "
                       "begin anew");
    return sl_fail(err, SL_CONFLICT,
                   "the transaction was lost, and rolled back; begin anew");
}

/* COMMIT, unless what was written took the room that is kept for others. */
static enum sl_status commit_within_limit(struct sl_sql_sqlite *sqlite,
                                          bool grows, struct sl_error *err)
{
    if (grows && sl_sqlite_is_over(&sqlite->file))
        return sl_sql_sqlite_explain(sqlite, SQLITE_FULL, SL_SQL_SQLITE_RUNNING,
                                     err);
    return perform(sqlite, "COMMIT", err);
}

static enum sl_status commit(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                             struct sl_error *err)
{
    enum sl_status status;

    (void)op;
    if (sqlite->transaction != SL_SQL_SQLITE_OPEN) {
        status = fail_over(sqlite, err);
    } else {
        sl_sql_sqlite_close_cursors(sqlite);
        status = commit_within_limit(sqlite, sqlite->grows, err);
    }
    sl_sql_sqlite_end(sqlite);
    return status;
}

static enum sl_status rollback(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                               struct sl_error *err)
{
    (void)op;
    (void)err;
    sl_sql_sqlite_end(sqlite);
    return SL_OK;
}

/* --- Statements --------------------------------------------------------- */

/* To the end, with rows into result; NULL throws them away. */
static enum sl_status step_all(struct sl_sql_sqlite *sqlite,
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
        /* Not before: a step may prepare the statement anew. */
        if (first && result != NULL &&
            (code == SQLITE_ROW || code == SQLITE_DONE))
            status = sl_sql_sqlite_read_columns(handle, result, err);
        first = false;
        if (status == SL_OK && result != NULL && code == SQLITE_ROW)
            status = sl_sql_sqlite_read_row(handle, result, err);
    } while (status == SL_OK && code == SQLITE_ROW);
    if (status == SL_OK && code != SQLITE_DONE)
        return sl_sql_sqlite_explain(sqlite, code, SL_SQL_SQLITE_RUNNING, err);
    return status;
}

/* What one run of the statement did. */
static void count(struct sl_sql_sqlite *sqlite,
                  const struct sl_sql_sqlite_statement *statement,
                  struct sl_sql_answer *answer)
{
    sqlite3 *handle = sqlite->file.handle;
    int64_t changes = statement->counts ? sqlite3_changes64(handle) : 0;
    int64_t id = sqlite3_last_insert_rowid(handle);

    answer->affected += (uint64_t)changes;
    answer->has_last_insert_id = statement->inserts && changes > 0 && id != 0;
    answer->last_insert_id = answer->has_last_insert_id ? id : 0;
}

static enum sl_status run_set(struct sl_sql_sqlite *sqlite,
                              const struct sl_sql_sqlite_statement *statement,
                              const struct sl_sql_parameters *set,
                              struct sl_sql_result *result,
                              struct sl_sql_answer *answer,
                              struct sl_error *err)
{
    sqlite3_set_last_insert_rowid(sqlite->file.handle, 0);
    int code = sl_sql_sqlite_bind(statement->handle, set, false);
    if (code != SQLITE_OK)
        return sl_sql_sqlite_explain(sqlite, code, SL_SQL_SQLITE_RUNNING, err);
    enum sl_status status = step_all(sqlite, statement->handle, result, err);
    (void)sqlite3_reset(statement->handle); /* step_all has its code */
    if (status == SL_OK && result == NULL)
        count(sqlite, statement, answer);
    return status;
}

static enum sl_status run_sets(struct sl_sql_sqlite *sqlite,
                               const struct sl_sql_sqlite_statement *statement,
                               struct sl_op *op, struct sl_sql_result *result,
                               struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < request->set_count; i++)
        status = run_set(sqlite, statement, &request->sets[i], result,
                         op->answer, err);
    return status;
}

/*
 * Whether several steps must happen as a whole, outside of a transaction: sets,
 * or rows of what writes, which may not fit; or a write and a look at how much
 * room it took.
 */
static bool
needs_own_transaction(struct sl_sql_sqlite *sqlite,
                      const struct sl_sql_sqlite_statement *statement,
                      const struct sl_sql_request *request)
{
    return sqlite->transaction == SL_SQL_SQLITE_NONE &&
           sqlite3_stmt_readonly(statement->handle) == 0 &&
           (request->set_count > 1 ||
            (request->verb == SL_SQL_QUERY &&
             sqlite3_column_count(statement->handle) > 0) ||
            (!statement->frees && sl_sqlite_is_at_limit(&sqlite->file)));
}

/* What frees room may use what is kept for that. */
static void set_frees(struct sl_sql_sqlite *sqlite, bool frees)
{
    sqlite->trusted = true;
    sl_sqlite_set_frees(&sqlite->file, frees);
    sqlite->trusted = false;
}

static enum sl_status run_taken(struct sl_sql_sqlite *sqlite,
                                const struct sl_sql_sqlite_statement *statement,
                                struct sl_op *op, struct sl_sql_result *result,
                                struct sl_error *err)
{
    sqlite3_stmt *handle = statement->handle;
    bool own = needs_own_transaction(sqlite, statement, op->request);
    enum sl_status status = SL_OK;

    if (sqlite->read_only && sqlite3_stmt_readonly(handle) == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the transaction is read-only");
    if (statement->frees)
        set_frees(sqlite, true);
    else
        sqlite->grows |= sqlite3_stmt_readonly(handle) == 0;
    if (own)
        status = perform(sqlite, "BEGIN IMMEDIATE", err);
    if (status == SL_OK)
        status = run_sets(sqlite, statement, op, result, err);
    if (status == SL_OK && own)
        status = commit_within_limit(sqlite, !statement->frees, err);
    if (statement->frees)
        set_frees(sqlite, false);
    return status;
}

static enum sl_status statement(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                                struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    struct sl_sql_sqlite_statement *taken = NULL;
    struct sl_sql_result *result = NULL;

    enum sl_status status =
        sl_sql_sqlite_take(sqlite, request->statement, &taken, err);
    if (status != SL_OK)
        return status;
    if (request->verb == SL_SQL_QUERY)
        result = sl_sql_result_new(*op->room);
    status = run_taken(sqlite, taken, op, result, err);
    sl_sql_sqlite_give(sqlite, taken);
    if (status == SL_OK && result != NULL)
        sl_sql_result_give(result, op->answer);
    else
        sl_sql_result_free(result);
    return status;
}

static enum sl_status close_cursor(struct sl_sql_sqlite *sqlite,
                                   struct sl_op *op, struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    (void)err;
    if (request->cursor != 0)
        sl_sql_sqlite_cursor_close(sqlite, request->cursor);
    return SL_OK;
}

/* --- Requests ----------------------------------------------------------- */

/*
 * A failed answer.  What the call began is undone, and so is the transaction: a
 * failed one would only keep others waiting.
 */
static void fail(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                 const struct sl_error *err)
{
    struct sl_sql_answer *answer = op->answer;
    bool alone = sqlite->transaction == SL_SQL_SQLITE_NONE;

    op->full = sqlite->file.full;
    if (sqlite->asked) {
        roll_back(sqlite);
        if (op->full)
            sl_sqlite_shorten_log(&sqlite->file);
        if (!alone)
            sqlite->transaction = SL_SQL_SQLITE_FAILED;
    }
    answer->affected = 0;
    answer->has_last_insert_id = false;
    answer->last_insert_id = 0;
    sl_op_fail(op, err);
    answer->retryable = sqlite->lost_race;
    op->not_sent = alone && err->status == SL_TIMEOUT;
}

/* A statement of a transaction that is over.  To end it goes its own way. */
static bool comes_too_late(const struct sl_sql_sqlite *sqlite,
                           const struct sl_sql_request *request)
{
    return request->in_transaction && request->verb != SL_SQL_COMMIT &&
           request->verb != SL_SQL_ROLLBACK &&
           sqlite->transaction != SL_SQL_SQLITE_OPEN;
}

void sl_sql_sqlite_run(struct sl_sql_sqlite *sqlite, struct sl_op *op)
{
    typedef enum sl_status run_fn(struct sl_sql_sqlite *, struct sl_op *,
                                  struct sl_error *);
    static run_fn *const runs[SL_SQL_VERB_COUNT] = {
        [SL_SQL_QUERY] = statement,
        [SL_SQL_EXECUTE] = statement,
        [SL_SQL_EXECUTE_MANY] = statement,
        [SL_SQL_BEGIN] = begin,
        [SL_SQL_COMMIT] = commit,
        [SL_SQL_ROLLBACK] = rollback,
        [SL_SQL_CURSOR_OPEN] = sl_sql_sqlite_cursor_open,
        [SL_SQL_CURSOR_NEXT] = sl_sql_sqlite_cursor_next,
        [SL_SQL_CURSOR_CLOSE] = close_cursor,
    };
    const struct sl_sql_request *request = op->request;
    struct sl_error err;
    enum sl_status status;

    sl_sqlite_begin_call(&sqlite->file);
    sqlite->file.deadline = op->deadline;
    sqlite->lost_race = false;
    sqlite->asked = false;
    if (comes_too_late(sqlite, request))
        status = fail_over(sqlite, &err);
    else
        status = runs[request->verb](sqlite, op, &err);
    if (status != SL_OK)
        fail(sqlite, op, &err);
}

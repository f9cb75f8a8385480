/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of sql.mysql. */
#include "sql/mysql/connection.h"

enum { RESET_MS = 5000 }; /* the reset of a session has no deadline */

/* --- Operations of the session ------------------------------------------ */

static enum sl_status admit_to_mysql(void *data, struct sl_op *op,
                                     struct sl_error *err)
{
    struct sl_sql_mysql_conn *conn = data;
    const struct sl_sql_request *request = op->request;

    if (conn->session.transaction != SL_SQL_TRANSACTION_NONE ||
        conn->own_transaction || request->verb == SL_SQL_ROLLBACK ||
        request->in_transaction)
        return SL_OK;
    enum sl_status status = sl_sql_mysql_session_clean(conn, op->owner, err);
    if (status == SL_OK && request->verb != SL_SQL_BEGIN)
        status = sl_sql_mysql_clear_isolation(conn, err);
    op->unsent = status != SL_OK;
    return status;
}

static enum sl_status begin_mysql(void *data, struct sl_op *op,
                                  struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;

    return sl_sql_mysql_begin_transaction(
        data, (enum sl_sql_isolation)request->isolation, request->read_only,
        err);
}

static enum sl_status commit_mysql(void *data, struct sl_op *op,
                                   struct sl_error *err)
{
    (void)op;
    sl_sql_mysql_cursors_close(data);
    return sl_sql_mysql_exec(data, "COMMIT", err);
}

static void roll_back_mysql(void *data)
{
    struct sl_sql_mysql_conn *conn = data;
    bool open = conn->own_transaction ||
                conn->session.transaction == SL_SQL_TRANSACTION_OPEN;

    sl_sql_mysql_cursors_close(conn);
    conn->own_transaction = false;
    if (conn->streaming)
        conn->broken = true; /* nobody is going to read the rows */
    if (!open || conn->broken)
        return;
    if (sl_sql_mysql_query(conn, SL_LITERAL("ROLLBACK")) != 0)
        conn->broken = true;
}

void sl_sql_mysql_session_init(struct sl_sql_mysql_conn *conn)
{
    static const struct sl_sql_session_ops ops = {
        .admit = admit_to_mysql,
        .begin = begin_mysql,
        .commit = commit_mysql,
        .run_statement = sl_sql_mysql_run_statement,
        .cursor_open = sl_sql_mysql_cursor_open,
        .cursor_next = sl_sql_mysql_cursor_next,
        .cursor_close = sl_sql_mysql_cursor_close,
        .roll_back = roll_back_mysql,
    };

    sl_sql_session_init(&conn->session, &ops, conn);
}

/* --- Requests ----------------------------------------------------------- */

static void fail_stale(struct sl_sql_mysql_conn *conn, struct sl_op *op)
{
    struct sl_error err;

    conn->broken = true;
    op->unsent = true;
    sl_fail(&err, SL_UNAVAILABLE, "the server has closed the connection");
    sl_sql_session_start(&conn->session);
    sl_sql_session_fail(&conn->session, op, &err);
}

void sl_sql_mysql_run(struct sl_sql_mysql_conn *conn, struct sl_op *op)
{
    conn->deadline = op->deadline;
    conn->timed_out = false;
    conn->stale_columns = false;
    if (sl_sql_mysql_is_stale(conn))
        fail_stale(conn, op);
    else
        sl_sql_session_run(&conn->session, op);
    op->broken = conn->broken;
}

bool sl_sql_mysql_session_reset(struct sl_sql_mysql_conn *conn)
{
    conn->deadline = sl_deadline_in_ms(RESET_MS);
    conn->timed_out = false;
    sl_sql_session_end(&conn->session);
    return !conn->broken;
}

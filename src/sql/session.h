/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of a connection: which transaction is open, which requests it
 * admits, and what a failure does to it.  The rules are the same for every
 * database; a driver supplies the operations.
 *
 *            BEGIN                 a request fails
 *   NONE  ----------->  OPEN  --------------------->  FAILED
 *     ^                  |                               |
 *     +------------------+-------------------------------+
 *            COMMIT, ROLLBACK, reset
 *
 * A transaction is rolled back as soon as one of its requests fails, so that it
 * does not hold locks until its client notices.  All its later requests but
 * COMMIT and ROLLBACK answer SL_CONFLICT.
 */
#ifndef SL_SQL_SESSION_H
#define SL_SQL_SESSION_H

#include "sql/driver.h"

/* What a driver does; `conn` is its connection. */
typedef enum sl_status sl_sql_request_fn(void *conn, struct sl_op *op,
                                         struct sl_error *err);

struct sl_sql_session_ops {
    /*
     * May.  Called before each request that the transaction admits.  Where it
     * fails, the request has not run.
     */
    sl_sql_request_fn *admit;

    /* Begin a transaction.  The connection has none. */
    sl_sql_request_fn *begin;

    /*
     * Close the cursors and commit the open transaction; roll_back follows
     * where it fails.  A driver that finds that the database has lost the
     * transaction answers sl_sql_session_refuse().
     */
    sl_sql_request_fn *commit;

    sl_sql_request_fn *run_statement; /* QUERY, EXECUTE, EXECUTE_MANY */
    sl_sql_request_fn *cursor_open;
    sl_sql_request_fn *cursor_next;
    sl_sql_request_fn *cursor_close;

    /* Close the cursors, and roll back whatever is open, if anything is. */
    void (*roll_back)(void *conn);

    /* May.  The transaction is over, or the session is reset. */
    void (*end)(void *conn);

    /* May.  Add to a failed answer, after what was open was rolled back. */
    void (*fail)(void *conn, struct sl_op *op, const struct sl_error *err);
};

enum sl_sql_transaction {
    SL_SQL_TRANSACTION_NONE,
    SL_SQL_TRANSACTION_OPEN,
    SL_SQL_TRANSACTION_FAILED, /* rolled back; the client does not know yet */
};

struct sl_sql_session {
    const struct sl_sql_session_ops *ops;
    void *conn;
    enum sl_sql_transaction transaction;
    bool read_only; /* the open transaction */
    /* The request that runs has reached the database: if it fails, so does the
     * transaction.  The driver sets it. */
    bool reached;
};

void sl_sql_session_init(struct sl_sql_session *session,
                         const struct sl_sql_session_ops *ops, void *conn);

/* Answer op. */
void sl_sql_session_run(struct sl_sql_session *session, struct sl_op *op);

/* For a driver that runs a request outside of sl_sql_session_run: forget what
 * the request before it did. */
void sl_sql_session_start(struct sl_sql_session *session);

/* Answer op with err, and roll back what it has begun. */
void sl_sql_session_fail(struct sl_sql_session *session, struct sl_op *op,
                         const struct sl_error *err);

/* Fill err with why the transaction takes no more requests. */
enum sl_status sl_sql_session_refuse(const struct sl_sql_session *session,
                                     struct sl_error *err);

/* Close the cursors, roll back, and forget the transaction. */
void sl_sql_session_end(struct sl_sql_session *session);

#endif

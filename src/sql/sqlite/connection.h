/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.sqlite: what its statements may do (session_guard.c,
 * schema.c), its prepared statements (statement.c), its requests (run.c,
 * cursor.c), how values go in and out (value.c), and what SQLite's failures
 * mean (error.c).
 */
#ifndef SL_SQL_SQLITE_CONNECTION_H
#define SL_SQL_SQLITE_CONNECTION_H

#include "driverkit/sqlite.h"
#include "sql/cursor.h"
#include "sql/driver.h"
#include "sql/session.h"
#include "sql/statement_cache.h"

/* A prepared statement.  One that was taken has one user. */
struct sl_sql_sqlite_statement {
    struct sl_sql_cached_statement cached;
    sqlite3_stmt *handle;
    bool counts;  /* INSERT, UPDATE or DELETE: its changes are answered */
    bool inserts; /* INSERT */
    bool frees;   /* only deletes or drops */
};

/* What SQLite's authorizer says of the statement that is being prepared. */
struct sl_sql_sqlite_effects {
    bool changes; /* rows of a table, by the statement itself */
    bool inserts;
    bool schema;        /* CREATE, DROP, ALTER */
    bool alters;        /* ALTER TABLE */
    bool grows;         /* INSERT, UPDATE, CREATE, ALTER, in triggers too */
    bool frees;         /* DELETE, DROP */
    const char *denied; /* the action that was denied, or NULL */
};

struct sl_sql_sqlite_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_sqlite_statement *statement; /* NULL: after the last row */
    bool pending; /* the row it stands on has not been answered */
};

/* Its address must not change while it is open. */
struct sl_sql_sqlite_conn {
    struct sl_sqlite_file file;
    struct sl_sql_session session;
    bool trusted; /* the driver's own statement: no rules, no deadline */
    struct sl_sql_sqlite_effects effects;
    struct sl_sql_statement_cache cache;
    bool grows; /* the transaction has written what may grow the file */
    struct sl_sql_sqlite_cursor cursors[SL_SQL_CURSORS_MAX];
};

/* --- run.c -------------------------------------------------------------- */

/* Make the session of a connection that is about to be opened. */
void sl_sql_sqlite_session_init(struct sl_sql_sqlite_conn *conn);

/* Answer op, by its deadline. */
void sl_sql_sqlite_run(struct sl_sql_sqlite_conn *conn, struct sl_op *op);

/* --- cursor.c ----------------------------------------------------------- */

/* These are operations of the session; conn is a sl_sql_sqlite_conn. */
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_cursor_open(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_cursor_next(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_cursor_close(void *conn, struct sl_op *op, struct sl_error *err);
void sl_sql_sqlite_cursors_close(struct sl_sql_sqlite_conn *conn);

/* --- session_guard.c ---------------------------------------------------- */

/* Make the connection safe for the statements of guests. */
void sl_sql_sqlite_guard_session(struct sl_sql_sqlite_conn *conn);

/* Run a statement of the driver.  Returns SQLite's code. */
int sl_sql_sqlite_exec(struct sl_sql_sqlite_conn *conn, const char *text);

/* Whether the statement has used up its time. */
static inline bool
sl_sql_sqlite_is_past_deadline(const struct sl_sql_sqlite_conn *conn)
{
    return !conn->trusted && sl_deadline_passed(conn->file.deadline);
}

/* --- schema.c ----------------------------------------------------------- */

/*
 * Let the schema of the file use what is known to be harmless, and nothing
 * else.  Statements lose the rest, too.  Call it before the authorizer is set.
 */
void sl_sql_sqlite_limit_schema(struct sl_sql_sqlite_conn *conn);

/* --- function.c --------------------------------------------------------- */

/* Replace SQLite's own functions by ones that observe the deadline. */
void sl_sql_sqlite_add_functions(struct sl_sql_sqlite_conn *conn);

/* --- statement.c -------------------------------------------------------- */

/* Prepare the statement, or take it out of the cache. */
SL_MUST_CHECK enum sl_status sl_sql_sqlite_statement_take(
    struct sl_sql_sqlite_conn *conn, struct sl_bytes text,
    struct sl_sql_sqlite_statement **out, struct sl_error *err);

/* Reset the statement and put it into the cache. */
void sl_sql_sqlite_statement_release(struct sl_sql_sqlite_conn *conn,
                                     struct sl_sql_sqlite_statement *statement);

/* Finalize all cached statements. */
void sl_sql_sqlite_statements_close(struct sl_sql_sqlite_conn *conn);

/* --- value.c ------------------------------------------------------------ */

/*
 * Bind a set.  The values are copied, or borrowed until the statement is reset.
 * Returns SQLite's code.
 */
int sl_sql_sqlite_bind(sqlite3_stmt *statement,
                       const struct sl_sql_parameters *set, bool copy);

SL_MUST_CHECK enum sl_status
sl_sql_sqlite_add_columns(sqlite3_stmt *statement, struct sl_sql_result *result,
                          struct sl_error *err);

/* Add the current row of the statement. */
SL_MUST_CHECK enum sl_status sl_sql_sqlite_add_row(sqlite3_stmt *statement,
                                                   struct sl_sql_result *result,
                                                   struct sl_error *err);

/* --- error.c ------------------------------------------------------------ */

/* Where a statement failed: the phase decides what SQLite's message quotes. */
enum sl_sql_sqlite_phase {
    SL_SQL_SQLITE_PREPARING, /* the statement */
    SL_SQL_SQLITE_RUNNING,   /* perhaps values, which must not be shown */
};

/*
 * Fill err with why the last call returned code.  errno must be that of the
 * call, so callers set it to 0 before.
 */
enum sl_status sl_sql_sqlite_explain(struct sl_sql_sqlite_conn *conn, int code,
                                     enum sl_sql_sqlite_phase phase,
                                     struct sl_error *err);

#endif

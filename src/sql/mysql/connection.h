/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.mysql: the library's calls by a deadline (wait.c), what
 * statements may do (classifier.c) and may leave behind (session.c), prepared
 * statements (statement.c), requests (run.c, execute.c, text.c, cursor.c,
 * transaction.c), how values go in (bind.c) and out (row.c, type.c), and what
 * the server's errors mean (error.c).
 */
#ifndef SL_SQL_MYSQL_CONNECTION_H
#define SL_SQL_MYSQL_CONNECTION_H

#include <mysql.h>

#include "net/url.h"
#include "sql/cursor.h"
#include "sql/driver.h"
#include "sql/session.h"
#include "sql/statement_cache.h"

/* What all connections share. */
struct sl_sql_mysql_store {
    struct sl_url url;
    const char *user;
    const char *password;
    const char *database;
    const char *ca, *certificate, *key;
    const char *server_key; /* a file with its public key, or NULL */
    bool tls;
};

/* What a statement does, as far as its words tell. */
struct sl_sql_mysql_class {
    const char *denied;  /* what it must not use, or NULL */
    bool in_transaction; /* it does not commit an open transaction */
    bool reads;          /* SELECT and similar statements */
    bool may_write;      /* it may call a stored function */
    bool inserts;
    bool calls; /* a procedure, which may change the session in any way */
    bool
        as_text; /* it asks about the statement before, so it is not prepared */
};

/* Where the library stores the value of a column. */
struct sl_sql_mysql_slot {
    union {
        int64_t int64;
        double float64;
        MYSQL_TIME time;
        uint8_t bytes[128]; /* the beginning of a longer value */
    };
    unsigned long len;
    my_bool is_null;
    my_bool truncated;
};

/* A prepared statement.  One that was taken has one user. */
struct sl_sql_mysql_statement {
    struct sl_sql_cached_statement cached;
    MYSQL_STMT *handle;
    struct sl_sql_mysql_class class;
    MYSQL_RES *columns; /* of the last run, or NULL */
    unsigned column_count;
    MYSQL_BIND *binds;
    struct sl_sql_mysql_slot *slots;
    unsigned slot_count;    /* of binds and slots */
    uint64_t columns_hash;  /* at its first run, or 0 */
    bool has_server_cursor; /* it is set to open one */
    /* The types that the server gave its placeholders; NULL: not known. */
    enum enum_field_types *parameter_types;
    unsigned parameter_type_count;
    bool reusable; /* it may run again: its values have these types */
};

struct sl_sql_mysql_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_mysql_statement *statement; /* NULL: after the last row */
    bool pending; /* the row it stands on has not been answered */
};

/* Its address must not change while it is open. */
struct sl_sql_mysql_conn {
    const struct sl_sql_mysql_store *store;
    MYSQL *handle;
    struct sl_sql_session session;
    bool mariadb;
    bool fixes_parameter_types;        /* at preparation, as MySQL does */
    struct st_mariadb_methods methods; /* the library's, and one of ours */
    bool has_snapshot_isolation;       /* MariaDB's innodb_snapshot_isolation */
    bool snapshot_isolation;           /* it is on */
    uint64_t max_packet;
    sl_deadline deadline; /* of the request that runs */
    bool timed_out;       /* it passed, and the connection was shut down */
    bool broken;          /* the connection cannot be used any more */
    bool dirty;           /* the session has been changed */
    bool maybe_dirty;     /* perhaps; the server has not reported it yet */
    bool used;
    const void *owner;    /* whose statement was the last */
    bool stale_columns;   /* the statement was prepared for other columns */
    bool streaming;       /* rows that nobody has asked for are on their way */
    bool own_transaction; /* one that the driver began is open */
    struct sl_sql_statement_cache cache;
    struct sl_sql_mysql_cursor cursors[SL_SQL_CURSORS_MAX];
    struct sl_buf scratch; /* a value that is longer than its slot */
};

/* --- wait.c: the library's calls, by conn->deadline --------------------- */

/* Each returns what the library does: 0 on success.  Where the server reports
 * a changed session with its answer, conn becomes dirty. */
int sl_sql_mysql_connect(struct sl_sql_mysql_conn *conn, const char *database);
int sl_sql_mysql_query(struct sl_sql_mysql_conn *conn, struct sl_bytes text);
MYSQL_RES *sl_sql_mysql_store_result(struct sl_sql_mysql_conn *conn);
/* NULL: after the last row, or it failed (mysql_errno). */
MYSQL_ROW sl_sql_mysql_fetch_row(struct sl_sql_mysql_conn *conn,
                                 MYSQL_RES *rows);
void sl_sql_mysql_free_result(struct sl_sql_mysql_conn *conn, MYSQL_RES *rows);
int sl_sql_mysql_next_result(struct sl_sql_mysql_conn *conn);
int sl_sql_mysql_reset_connection(struct sl_sql_mysql_conn *conn);
int sl_sql_mysql_stmt_prepare(struct sl_sql_mysql_conn *conn,
                              MYSQL_STMT *statement, struct sl_bytes text);
int sl_sql_mysql_stmt_execute(struct sl_sql_mysql_conn *conn,
                              MYSQL_STMT *statement);
int sl_sql_mysql_stmt_fetch(struct sl_sql_mysql_conn *conn,
                            MYSQL_STMT *statement);
int sl_sql_mysql_stmt_store_result(struct sl_sql_mysql_conn *conn,
                                   MYSQL_STMT *statement);
int sl_sql_mysql_stmt_next_result(struct sl_sql_mysql_conn *conn,
                                  MYSQL_STMT *statement);
int sl_sql_mysql_stmt_free_result(struct sl_sql_mysql_conn *conn,
                                  MYSQL_STMT *statement);
void sl_sql_mysql_stmt_close(struct sl_sql_mysql_conn *conn,
                             MYSQL_STMT *statement);

/* Shut the connection down: it is broken, and nothing more is read. */
void sl_sql_mysql_abort(struct sl_sql_mysql_conn *conn);

/* Whether the server has closed the connection.  Costs one system call. */
bool sl_sql_mysql_is_stale(const struct sl_sql_mysql_conn *conn);

/* --- classifier.c ------------------------------------------------------- */

/* text is a statement that sl_sql_scan accepts. */
struct sl_sql_mysql_class sl_sql_mysql_classify(struct sl_bytes text);

/* --- builtin.c ---------------------------------------------------------- */

/* Whether a name directly before a parenthesis cannot be a stored function. */
bool sl_sql_mysql_is_built_in(struct sl_bytes word);

/* --- session.c ---------------------------------------------------------- */

/* Run a statement of the driver. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_exec(struct sl_sql_mysql_conn *conn,
                                               const char *text,
                                               struct sl_error *err);

/* Give a session that is new, or was reset, the settings of every request. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_session_setup(struct sl_sql_mysql_conn *conn,
                           struct sl_error *err);

/*
 * Before a request of owner, outside of a transaction: undo what earlier
 * statements have done to the session.
 */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_session_clean(struct sl_sql_mysql_conn *conn, const void *owner,
                           struct sl_error *err);

/* A statement of this class runs next: note what it may do to the session. */
void sl_sql_mysql_expect_changes(struct sl_sql_mysql_conn *conn,
                                 const struct sl_sql_mysql_class *class);

/*
 * A statement has failed while it ran.  MySQL reports what it did to the
 * session with a later answer, and MariaDB never does.
 */
void sl_sql_mysql_suspect_session(struct sl_sql_mysql_conn *conn);

/* --- transaction.c ------------------------------------------------------ */

SL_MUST_CHECK enum sl_status
sl_sql_mysql_begin_transaction(struct sl_sql_mysql_conn *conn,
                               enum sl_sql_isolation isolation, bool read_only,
                               struct sl_error *err);

/* Before a statement outside of a transaction: undo the settings of a level of
 * isolation. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_clear_isolation(struct sl_sql_mysql_conn *conn,
                             struct sl_error *err);

/* --- run.c -------------------------------------------------------------- */

/* Make the state machine of a connection that is about to be opened. */
void sl_sql_mysql_session_init(struct sl_sql_mysql_conn *conn);

/* Answer op, by its deadline. */
void sl_sql_mysql_run(struct sl_sql_mysql_conn *conn, struct sl_op *op);

/* Close the cursors and roll back.  False: the connection is broken. */
bool sl_sql_mysql_session_reset(struct sl_sql_mysql_conn *conn);

/* --- execute.c ---------------------------------------------------------- */

/* An operation of the session; conn is a sl_sql_mysql_conn. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_run_statement(void *conn, struct sl_op *op, struct sl_error *err);

/*
 * Whether a failed statement is to be prepared and run once more: the columns
 * of its table have changed since it was prepared, and it only reads.
 */
bool sl_sql_mysql_should_retry(struct sl_sql_mysql_conn *conn,
                               const struct sl_sql_mysql_class *class);

/* --- text.c ------------------------------------------------------------- */

/*
 * Run the statement of op without preparing it.  Its rows go into result; NULL
 * discards them.
 */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_run_text(struct sl_sql_mysql_conn *conn, struct sl_op *op,
                      struct sl_sql_result *result, struct sl_error *err);

/* --- cursor.c ----------------------------------------------------------- */

/* These are operations of the session; conn is a sl_sql_mysql_conn. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_cursor_open(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_mysql_cursor_next(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_mysql_cursor_close(void *conn, struct sl_op *op, struct sl_error *err);
void sl_sql_mysql_cursors_close(struct sl_sql_mysql_conn *conn);

/* --- url.c -------------------------------------------------------------- */

enum sl_status sl_sql_mysql_check_url(const void *field, struct sl_error *err);
/* By its scheme or its parameters. */
bool sl_sql_mysql_wants_tls(const struct sl_url *url);

/* --- statement.c -------------------------------------------------------- */

/*
 * After connecting: have the library record which types the server gives the
 * placeholders of each statement, where these matter.
 */
void sl_sql_mysql_hook_parameter_types(struct sl_sql_mysql_conn *conn);

/*
 * Prepare the request's statement, or take it out of the cache.  *out is NULL
 * for a statement that the server can only run as text.
 */
SL_MUST_CHECK enum sl_status sl_sql_mysql_statement_take(
    struct sl_sql_mysql_conn *conn, const struct sl_sql_request *request,
    const struct sl_sql_mysql_class *class, struct sl_sql_mysql_statement **out,
    struct sl_error *err);

/* Free the rows of the statement and put it into the cache. */
void sl_sql_mysql_statement_release(struct sl_sql_mysql_conn *conn,
                                    struct sl_sql_mysql_statement *statement);

/* Close all cached statements. */
void sl_sql_mysql_statements_close(struct sl_sql_mysql_conn *conn);

/* --- bind.c ------------------------------------------------------------- */

/* Values on their way to the server.  They borrow the set. */
struct sl_sql_mysql_parameters;

struct sl_sql_mysql_parameters *sl_sql_mysql_parameters_new(size_t count);
void sl_sql_mysql_parameters_free(struct sl_sql_mysql_parameters *parameters);
/* SL_TOO_LARGE where they are more than the server accepts in a packet. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_bind(struct sl_sql_mysql_conn *conn,
                  struct sl_sql_mysql_statement *statement,
                  struct sl_sql_mysql_parameters *parameters,
                  const struct sl_sql_parameters *set, struct sl_error *err);

/* --- type.c ------------------------------------------------------------- */

/* The type as SQL has it, in lower case. */
const char *sl_sql_mysql_type_name(const MYSQL_FIELD *field);
/* It holds bytes rather than text. */
bool sl_sql_mysql_is_binary(const MYSQL_FIELD *field);
bool sl_sql_mysql_is_json(const MYSQL_FIELD *field);
bool sl_sql_mysql_may_be_uuid(const MYSQL_FIELD *field);

/* --- row.c -------------------------------------------------------------- */

/* The type of a value that the library gives as bytes. */
enum sl_sql_type sl_sql_mysql_type_of_bytes(const MYSQL_FIELD *field,
                                            struct sl_bytes bytes);

/* After a run: load the columns of the result, and bind their slots. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_load_columns(struct sl_sql_mysql_conn *conn,
                          struct sl_sql_mysql_statement *statement,
                          struct sl_error *err);

SL_MUST_CHECK enum sl_status
sl_sql_mysql_add_columns(const struct sl_sql_mysql_statement *statement,
                         struct sl_sql_result *result, struct sl_error *err);

/* Add the row that was fetched; budget is that of the whole result. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_add_row(struct sl_sql_mysql_conn *conn,
                     const struct sl_sql_mysql_statement *statement,
                     size_t budget, struct sl_sql_result *result,
                     struct sl_error *err);

/* --- error.c ------------------------------------------------------------ */

/* Where a call failed: the phase decides what the server's message quotes. */
enum sl_sql_mysql_phase {
    SL_SQL_MYSQL_CONNECTING,
    SL_SQL_MYSQL_PREPARING, /* the statement */
    SL_SQL_MYSQL_RUNNING,   /* perhaps values, which must not be shown */
};

/* An error of the server or the library. */
struct sl_sql_mysql_server_error {
    unsigned code;
    const char *sqlstate;
    const char *message;
    bool mariadb;
};

/* What an error means. */
struct sl_sql_mysql_error_class {
    enum sl_status status;
    bool broken; /* the connection is */
};

struct sl_sql_mysql_error_class
sl_sql_mysql_classify_error(const struct sl_sql_mysql_server_error *error);

/* Fill err with the error, without any value of a parameter. */
enum sl_status
sl_sql_mysql_report_error(const struct sl_sql_mysql_server_error *error,
                          enum sl_sql_mysql_phase phase, struct sl_error *err);

/* Fill err with why the last call failed; statement may be NULL. */
enum sl_status sl_sql_mysql_explain(struct sl_sql_mysql_conn *conn,
                                    MYSQL_STMT *statement,
                                    enum sl_sql_mysql_phase phase,
                                    struct sl_error *err);

#endif

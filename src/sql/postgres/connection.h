/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.postgres: what statements do (classifier.c), prepared
 * statements (statement.c), how values go in (parameter.c) and out (value.c,
 * type.c), how statements are sent (send.c) and results read (result.c), what
 * requests do (run.c, batch.c, cursor.c), and how components share a session
 * (session.c).
 *
 * The server fixes the types of placeholders when it prepares a statement, even
 * if a column gets another type later: it would first convert a value to the
 * old type, and so perhaps truncate it.  So a prepared statement is only run
 * with values that no other type would treat differently.  For all others the
 * server infers the types again, in the transaction that runs the statement.
 */
#ifndef SL_SQL_POSTGRES_CONNECTION_H
#define SL_SQL_POSTGRES_CONNECTION_H

#include <stdatomic.h>

#include "client/postgres/postgres.h"
#include "sql/cursor.h"
#include "sql/driver.h"
#include "sql/session.h"
#include "sql/statement_cache.h"

enum {
    SL_SQL_POSTGRES_BATCH = 32, /* statements in a pipeline */
    /*
     * The most placeholders that libpq can describe: every version takes a
     * ParameterDescription of more than 30,000 bytes for a loss of
     * synchronization, and closes the connection.  The message has 6 bytes, and
     * 4 for each placeholder.
     */
    SL_SQL_POSTGRES_DESCRIBED = (30000 - 6) / 4,
};

/* --- Types (type.c) ----------------------------------------------------- */

/* How a type of the database is read and written. */
enum sl_sql_postgres_kind {
    SL_SQL_POSTGRES_OTHER, /* as text, in its own notation */
    SL_SQL_POSTGRES_BOOL,
    SL_SQL_POSTGRES_INT2,
    SL_SQL_POSTGRES_INT4,
    SL_SQL_POSTGRES_INT8,
    SL_SQL_POSTGRES_OID,
    SL_SQL_POSTGRES_FLOAT4,
    SL_SQL_POSTGRES_FLOAT8,
    SL_SQL_POSTGRES_NUMERIC,
    SL_SQL_POSTGRES_TEXT,
    SL_SQL_POSTGRES_BYTEA,
    SL_SQL_POSTGRES_DATE,
    SL_SQL_POSTGRES_TIME,
    SL_SQL_POSTGRES_TIMESTAMP,
    SL_SQL_POSTGRES_TIMESTAMPTZ,
    SL_SQL_POSTGRES_UUID,
    SL_SQL_POSTGRES_JSON,
    SL_SQL_POSTGRES_JSONB,
};

struct sl_sql_postgres_type {
    Oid oid;
    enum sl_sql_postgres_kind kind;
    const char *name;
};

/* One of the types that every database has; NULL: it is another one. */
const struct sl_sql_postgres_type *sl_sql_postgres_find_type(Oid oid);

/* Days since 1970, and back.  Year 0 is 1 BC. */
int64_t sl_sql_postgres_days_from_date(int64_t year, int64_t month,
                                       int64_t day);
void sl_sql_postgres_date_from_days(int64_t days, int64_t *year, int *month,
                                    int *day);

struct sl_sql_postgres_column {
    Oid oid;
    enum sl_sql_postgres_kind kind;
    char *type_name;
};

struct sl_sql_postgres_columns {
    struct sl_sql_postgres_column *list;
    size_t count;
    bool binary; /* the format to request results in */
};

/* The columns of a description or a result, without the names of types. */
void sl_sql_postgres_columns_init(const PGresult *from,
                                  struct sl_sql_postgres_columns *columns);
void sl_sql_postgres_columns_done(struct sl_sql_postgres_columns *columns);

/* --- classifier.c ------------------------------------------------------- */

/* What a statement does, as far as its words tell. */
struct sl_sql_postgres_class {
    bool reads;           /* and nothing else */
    bool writes;          /* it begins with a word for writing */
    bool dirties;         /* it may leave something in the session */
    const char *refused;  /* a kind of statement that is not allowed, or NULL */
    const char *reaching; /* a name that it must not use, or NULL */
};

struct sl_sql_postgres_class sl_sql_postgres_classify(struct sl_bytes text);

/* --- A connection ------------------------------------------------------- */

struct sl_sql_postgres_statement {
    struct sl_sql_cached_statement cached;
    char name[32];
    bool cacheable;    /* of the others there is one at a time */
    bool fresh;        /* prepared by the transaction that runs it */
    char *server_text; /* with $1, … */
    struct sl_sql_postgres_class class;
    struct sl_sql_postgres_column *parameters;
    size_t parameter_count;
    /* False: it has too many placeholders to be described, and its columns are
     * learned from its first result. */
    bool described;
    struct sl_sql_postgres_columns columns;
};

struct sl_sql_postgres_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_postgres_columns columns;
    /* Rows that were read but not answered: buffered[first..count). */
    PGresult **buffered;
    size_t first, count, capacity;
    size_t buffered_bytes;
    bool exhausted;     /* the server has no more rows */
    bool too_large;     /* the rows to be buffered were */
    uint32_t requested; /* rows that are being fetched; 0: none */
    uint32_t received;  /* of these */
};

/* What all connections of a resource share. */
struct sl_sql_postgres_store {
    struct sl_pg_target *target;
    bool read_only;              /* by its settings */
    _Atomic(const void *) owner; /* the first component that called */
    atomic_bool shared;          /* another one has called, too */
};

/* Its address must not change while it is open. */
struct sl_sql_postgres_conn {
    struct sl_pg pg;
    struct sl_sql_postgres_store *store;
    struct sl_sql_session session;
    char *own_settings; /* that RESET ALL removes; NULL: not set yet */
    const void *owner;  /* of what was done since the session was reset */
    bool used;          /* something was done since then */
    bool dirty;      /* something may be left that its owner does not expect */
    bool was_cached; /* the statement of this request */
    bool demoted;    /* it failed because the server takes no writes now */
    bool stale_plan; /* it failed because its statement is outdated */
    bool own_read_only;   /* the transaction is a cursor's own, and read-only */
    bool fetch_read_only; /* a FETCH runs in a subtransaction that is */
    bool has_queried;     /* the transaction has run a statement */
    struct sl_sql_statement_cache cache;
    struct sl_sql_postgres_statement *uncached; /* the last such one, or NULL */
    char uncached_name[32]; /* that the server still has prepared, or "" */
    uint64_t name_count;
    struct sl_sql_postgres_cursor cursors[SL_SQL_CURSORS_MAX];
    struct sl_sql_postgres_cursor *active; /* whose rows are being fetched */
};

/* --- statement.c -------------------------------------------------------- */

/*
 * The owner's statement, prepared now or before.  It is borrowed until
 * SL_SQL_POSTGRES_BATCH others were got, or one that is not cacheable.
 */
SL_MUST_CHECK enum sl_status sl_sql_postgres_statement_get(
    struct sl_sql_postgres_conn *conn, const void *owner, struct sl_bytes text,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err);
/* The same, but always prepared now, and not cached. */
SL_MUST_CHECK enum sl_status sl_sql_postgres_statement_prepare_once(
    struct sl_sql_postgres_conn *conn, struct sl_bytes text,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err);
/* The same, for a cursor: `DECLARE name …`. */
SL_MUST_CHECK enum sl_status sl_sql_postgres_statement_prepare_cursor(
    struct sl_sql_postgres_conn *conn, struct sl_bytes text, const char *name,
    sl_deadline deadline, struct sl_sql_postgres_statement **out,
    struct sl_error *err);
/* Whether sl_sql_postgres_statement_get needs no round trip for it. */
bool sl_sql_postgres_statement_is_prepared(struct sl_sql_postgres_conn *conn,
                                           const void *owner,
                                           struct sl_bytes text);
/* Discard an outdated statement. */
void sl_sql_postgres_statement_discard(struct sl_sql_postgres_conn *conn,
                                       const void *owner, struct sl_bytes text);
/* Free all statements; the server's end with the connection. */
void sl_sql_postgres_statements_close(struct sl_sql_postgres_conn *conn);

/* Add the names of types.  This may ask the server. */
SL_MUST_CHECK enum sl_status sl_sql_postgres_columns_name_types(
    struct sl_sql_postgres_conn *conn, sl_deadline deadline,
    struct sl_sql_postgres_columns *columns, struct sl_error *err);
/* The columns of a description, with names of types.  A failure leaves none. */
SL_MUST_CHECK enum sl_status sl_sql_postgres_columns_describe(
    struct sl_sql_postgres_conn *conn, const PGresult *description,
    sl_deadline deadline, struct sl_sql_postgres_columns *columns,
    struct sl_error *err);

/* --- parameter.c -------------------------------------------------------- */

/* A set as libpq takes it. */
struct sl_sql_postgres_parameters {
    const char **values;
    int *lengths;
    int *formats;
    void *block; /* the memory of all of them */
};

/* How the values of a set are bound, from the laxest way to the strictest. */
enum sl_sql_postgres_binding {
    /* To the prepared statement: whatever types the placeholders would have by
     * now, the server makes the same of the values, or refuses them. */
    SL_SQL_POSTGRES_BIND_PREPARED,
    /* With types that the server infers again. */
    SL_SQL_POSTGRES_BIND_INFERRED,
    /* With inferred types that must be those of the prepared statement. */
    SL_SQL_POSTGRES_BIND_CHECKED,
    /* Not at all: a value does not fit the type of its placeholder. */
    SL_SQL_POSTGRES_BIND_UNFIT,
};

enum sl_sql_postgres_binding
sl_sql_postgres_binding_of(const struct sl_sql_postgres_statement *statement,
                           const struct sl_sql_parameters *set);
/* The strictest of all sets of the request. */
enum sl_sql_postgres_binding sl_sql_postgres_binding_of_all(
    const struct sl_sql_postgres_statement *statement,
    const struct sl_sql_request *request);
/* prepared: for the types that the statement was prepared with. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_encode(const struct sl_sql_postgres_statement *statement,
                       const struct sl_sql_parameters *set, bool prepared,
                       struct sl_sql_postgres_parameters *out,
                       struct sl_error *err);
void sl_sql_postgres_parameters_done(
    struct sl_sql_postgres_parameters *parameters);
/* Whether text contains a value of the set, as the server might quote it. */
bool sl_sql_postgres_quotes_value(const char *text,
                                  const struct sl_sql_parameters *set);

/* --- value.c ------------------------------------------------------------ */

SL_MUST_CHECK enum sl_status
sl_sql_postgres_add_columns(const struct sl_sql_postgres_columns *columns,
                            const PGresult *from, struct sl_sql_result *result,
                            struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_postgres_add_row(const struct sl_sql_postgres_columns *columns,
                        const PGresult *from, int row,
                        struct sl_sql_result *result, struct sl_error *err);
/* Read one value.  Its bytes are borrowed from data or buf. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_read_value(enum sl_sql_postgres_kind kind, bool binary,
                           struct sl_bytes data, struct sl_buf *buf,
                           struct sl_sql_value *value, struct sl_error *err);

/* --- result.c ----------------------------------------------------------- */

/* What to do with the results of a statement. */
struct sl_sql_postgres_reader {
    const struct sl_sql_postgres_columns *columns;
    /* Where the columns are not known: filled from the first result, without
     * names of types.  Else NULL. */
    struct sl_sql_postgres_columns *learned;
    /* The statement whose types a description must have; NULL: no description
     * is requested. */
    const struct sl_sql_postgres_statement *expected;
    struct sl_sql_result *rows;          /* NULL: discard them */
    const struct sl_sql_parameters *set; /* never quoted; may be NULL */
    struct sl_sql_answer *answer;        /* counts; may be NULL */
    sl_deadline deadline;
    bool to_sync; /* read to the next synchronization point of a pipeline */
    bool has_columns;
    bool aborted;     /* an earlier statement of the pipeline has failed */
    size_t discarded; /* bytes of rows, after a failure */
    bool cancelled;
};

/* Read the results to their end. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_read_results(struct sl_sql_postgres_conn *conn,
                             struct sl_sql_postgres_reader *reader,
                             struct sl_error *err);
/*
 * Fill err with an error of the server, and note what it means for the
 * transaction.  set: the values that the message must not quote, or NULL.
 */
enum sl_status sl_sql_postgres_fail_result(struct sl_sql_postgres_conn *conn,
                                           const PGresult *result,
                                           const struct sl_sql_parameters *set,
                                           struct sl_error *err);
/* Fail, because a table was altered since the statement was prepared. */
enum sl_status sl_sql_postgres_fail_altered(struct sl_sql_postgres_conn *conn,
                                            struct sl_error *err);
/* Run a statement of the driver. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_exec(struct sl_sql_postgres_conn *conn, const char *text,
                     sl_deadline deadline, struct sl_error *err);

/* --- batch.c ------------------------------------------------------------ */

void sl_sql_postgres_run(struct sl_sql_postgres_conn *conn,
                         struct sl_op *const ops[], size_t count);

/* --- session.c ---------------------------------------------------------- */

/* Before the first request, which is op: apply the driver's settings. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_session_setup(struct sl_sql_postgres_conn *conn,
                              const struct sl_op *op, struct sl_error *err);
/*
 * Whether the session must be reset before op's owner uses it: another
 * component may have left anything in it (a view may call set_config).
 */
bool sl_sql_postgres_is_foreign(const struct sl_sql_postgres_conn *conn,
                                const struct sl_op *op);
/* Give the session to op's owner; a foreign one is reset first, which costs a
 * round trip.  Where that fails: SL_UNAVAILABLE, and the connection is lost. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_claim_session(struct sl_sql_postgres_conn *conn,
                              const struct sl_op *op, struct sl_error *err);
/* Remove whatever statements may have left.  Where that fails, the connection
 * is lost. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_reset_session(struct sl_sql_postgres_conn *conn,
                              sl_deadline deadline, struct sl_error *err);
/*
 * The same in a pipeline, without a round trip.  send_reset is a part of its
 * own.  Every part after it begins with send_reset_check, which fails its part
 * unless the session was reset with this token.
 */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_send_reset(struct sl_sql_postgres_conn *conn, uint64_t token,
                           struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_postgres_send_reset_check(struct sl_sql_postgres_conn *conn,
                                 uint64_t token, struct sl_error *err);
/* Random, and never 0. */
uint64_t sl_sql_postgres_reset_token(void);
/* Fail, because the session could not be reset.  Nothing after it was run. */
enum sl_status sl_sql_postgres_fail_reset(struct sl_error *err);
/* The session is op's owner's now; a foreign one has been reset. */
void sl_sql_postgres_set_owner(struct sl_sql_postgres_conn *conn,
                               const struct sl_op *op);

/* --- run.c -------------------------------------------------------------- */

/* Make the state machine of a connection that is about to be opened. */
void sl_sql_postgres_session_init(struct sl_sql_postgres_conn *conn);
/* Run one request, and answer it. */
void sl_sql_postgres_run_op(struct sl_sql_postgres_conn *conn,
                            struct sl_op *op);
/* For batch.c: a request begins. */
void sl_sql_postgres_start_request(struct sl_sql_postgres_conn *conn);
/* Roll back, close the cursors, and reset the session.  False: the connection
 * is lost. */
bool sl_sql_postgres_session_reset(struct sl_sql_postgres_conn *conn);

/* --- send.c ------------------------------------------------------------- */

/* Send a statement of the driver. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_send_own(struct sl_sql_postgres_conn *conn, const char *text,
                         struct sl_error *err);
/* Send a statement whose binding is not SL_SQL_POSTGRES_BIND_CHECKED. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_send(struct sl_sql_postgres_conn *conn,
                     const struct sl_sql_postgres_statement *statement,
                     const struct sl_sql_parameters *set, struct sl_error *err);
/*
 * Run one set of a statement whose types are checked.  A transaction must be
 * open; where this fails, it must be rolled back.
 */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_run_checked(struct sl_sql_postgres_conn *conn,
                            const struct sl_sql_postgres_statement *statement,
                            const struct sl_sql_parameters *set,
                            struct sl_sql_postgres_reader *reader,
                            struct sl_error *err);
/* Run all sets in one pipeline and one transaction, which a failure ends. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_run_many(struct sl_sql_postgres_conn *conn,
                         const struct sl_sql_postgres_statement *statement,
                         struct sl_op *op, struct sl_error *err);

/* --- cursor.c ----------------------------------------------------------- */

/* These are operations of the session; conn is a sl_sql_postgres_conn. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_cursor_open(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_postgres_cursor_next(void *conn, struct sl_op *op, struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_sql_postgres_cursor_close(void *conn,
                                                          struct sl_op *op,
                                                          struct sl_error *err);
/* Cancel the fetch that is running; this may lose the connection. */
void sl_sql_postgres_cursor_cancel(struct sl_sql_postgres_conn *conn);
/* Before another statement: buffer the rows of the fetch that is running. */
SL_MUST_CHECK enum sl_status
sl_sql_postgres_cursor_settle(struct sl_sql_postgres_conn *conn,
                              sl_deadline deadline, struct sl_error *err);
/* Free all cursors; the server's end with the transaction. */
void sl_sql_postgres_cursors_forget(struct sl_sql_postgres_conn *conn);

#endif

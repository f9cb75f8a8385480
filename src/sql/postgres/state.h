/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.postgres: its prepared statements
 * (postgres_statement.c), how values go in (postgres_parameter.c), how a
 * statement is sent (postgres_send.c), how values come out (postgres_value.c),
 * and what requests do (postgres_run.c, postgres_batch.c, postgres_cursor.c).
 *
 * The server keeps the types of the placeholders that it found when it prepared
 * a statement, also where a table has others by now: it would convert a value
 * to the old type first, and so cut it.  So a statement runs as it was prepared
 * only with values that no other type would take otherwise.  With all others
 * the server finds the types anew, in the transaction that runs the statement.
 */
#ifndef SL_SQL_POSTGRES_STATE_H
#define SL_SQL_POSTGRES_STATE_H

#include <stdatomic.h>

#include "client/postgres/postgres.h"
#include "sql/cursor.h"
#include "sql/driver.h"

enum {
    SL_SQL_PG_CACHED = 128,         /* statements that are kept */
    SL_SQL_PG_CACHED_BYTES = 16384, /* in the text of one */
    SL_SQL_PG_BATCH = 32,           /* in one go; fewer than are kept */
    /*
     * Placeholders of a statement that libpq can have described: of every
     * version it takes a ParameterDescription of no more than 30,000 bytes for
     * a sign that it has lost its place, and closes the connection.  The
     * message has 4 bytes for each, and 6 before.
     */
    SL_SQL_PG_DESCRIBED = (30000 - 6) / 4,
};

/* --- Types (postgres_type.c) -------------------------------------------- */

/* How a type of the database is read and written. */
enum sl_sql_pg_kind {
    SL_SQL_PG_OTHER, /* as text, in its own notation */
    SL_SQL_PG_BOOL,
    SL_SQL_PG_INT2,
    SL_SQL_PG_INT4,
    SL_SQL_PG_INT8,
    SL_SQL_PG_OID,
    SL_SQL_PG_FLOAT4,
    SL_SQL_PG_FLOAT8,
    SL_SQL_PG_NUMERIC,
    SL_SQL_PG_TEXT,
    SL_SQL_PG_BYTEA,
    SL_SQL_PG_DATE,
    SL_SQL_PG_TIME,
    SL_SQL_PG_TIMESTAMP,
    SL_SQL_PG_TIMESTAMPTZ,
    SL_SQL_PG_UUID,
    SL_SQL_PG_JSON,
    SL_SQL_PG_JSONB,
};

struct sl_sql_pg_type {
    Oid oid;
    enum sl_sql_pg_kind kind;
    const char *name;
};

/* Of those that every database has; NULL: another one. */
const struct sl_sql_pg_type *sl_sql_pg_find_type(Oid oid);

/* Days since 1970, and back; year 0 is 1 before Christ. */
int64_t sl_sql_pg_days_of(int64_t year, int64_t month, int64_t day);
void sl_sql_pg_date_of(int64_t days, int64_t *year, int *month, int *day);

struct sl_sql_pg_column {
    Oid oid;
    enum sl_sql_pg_kind kind;
    char *type_name;
};

struct sl_sql_pg_columns {
    struct sl_sql_pg_column *list;
    size_t count;
    bool binary; /* how results are to be asked for */
};

void sl_sql_pg_columns_done(struct sl_sql_pg_columns *columns);

/* --- Statements --------------------------------------------------------- */

/* What can be known of a statement by its words. */
struct sl_sql_pg_words {
    bool reads;           /* and nothing else */
    bool leaves;          /* perhaps something on the connection */
    const char *refused;  /* what it is and may not be, or NULL */
    const char *reaching; /* what it may not use, or NULL */
};

struct sl_sql_pg_words sl_sql_pg_words(struct sl_bytes text);

struct sl_sql_pg_statement {
    char name[32];
    bool keeps;        /* for later; of the others there is one at a time */
    bool fresh;        /* prepared by the transaction that runs it */
    const void *owner; /* in whose session it was prepared */
    char *text;
    size_t len;
    char *sent; /* the text as the server gets it, with $1, … */
    uint64_t hash;
    struct sl_sql_pg_words words;
    struct sl_sql_pg_column *parameters;
    size_t parameter_count;
    /* Else it has too many placeholders for that; its columns are learned from
     * its first result. */
    bool described;
    struct sl_sql_pg_columns columns;
};

/* --- Cursors ------------------------------------------------------------ */

struct sl_sql_pg_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_pg_columns columns;
    /* Rows that were read and not answered: saved[first..count). */
    PGresult **saved;
    size_t first, count, space;
    size_t saved_bytes;
    bool over;      /* there are no more on the server */
    bool too_large; /* what had to be saved was */
    uint32_t asked; /* rows that are under way; 0: none */
    uint32_t came;  /* of these */
};

/* --- A connection ------------------------------------------------------- */

enum sl_sql_pg_transaction {
    SL_SQL_PG_NONE,
    SL_SQL_PG_OPEN,
    SL_SQL_PG_FAILED, /* rolled back; its user does not know yet */
};

/* What all connections of a resource share. */
struct sl_sql_pg_store {
    struct sl_pg_target *target;
    bool read_only;              /* by its settings */
    _Atomic(const void *) owner; /* the first that called */
    atomic_bool shared;          /* another one did, too */
};

/* Its address must not change while it is open. */
struct sl_sql_pg {
    struct sl_pg pg;
    struct sl_sql_pg_store *store;
    char *set_up; /* settings that RESET ALL takes away; NULL: not done yet */
    const void *owner; /* of what was done since it was put in order */
    bool used;         /* something was */
    bool leaves;  /* something may have stayed that its owner does not expect */
    bool asked;   /* the server was, by this request */
    bool again;   /* its statement was prepared before */
    bool demoted; /* it failed as the server takes no writes (any more) */
    bool old_plan; /* it failed as what was prepared is outdated */
    bool race;     /* it failed as another transaction came first */
    enum sl_sql_pg_transaction transaction;
    bool read_only;     /* the transaction */
    bool own_read_only; /* it is a cursor's own */
    bool has_read;      /* the transaction has asked something */
    /* The least recently used first. */
    struct sl_sql_pg_statement *cached[SL_SQL_PG_CACHED];
    size_t cached_count;
    struct sl_sql_pg_statement *last; /* that is not kept, or NULL */
    char once[32]; /* its name, where the server knows it still; or "" */
    uint64_t names;
    struct sl_sql_pg_cursor cursors[SL_SQL_CURSORS_MAX];
    struct sl_sql_pg_cursor *active; /* whose rows are under way */
};

/* --- postgres_statement.c --- */

/*
 * The owner's statement, prepared now or before; borrowed until SL_SQL_PG_BATCH
 * others were taken, or one that is not kept.
 */
SL_MUST_CHECK enum sl_status
sl_sql_pg_take(struct sl_sql_pg *sql, const void *owner, struct sl_bytes text,
               sl_deadline deadline, struct sl_sql_pg_statement **out,
               struct sl_error *err);
/* As above, whatever was prepared before, and not kept. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_take_once(struct sl_sql_pg *sql, struct sl_bytes text,
                    sl_deadline deadline, struct sl_sql_pg_statement **out,
                    struct sl_error *err);
/* As above, of a cursor: `DECLARE name …`. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_take_cursor(struct sl_sql_pg *sql, struct sl_bytes text,
                      const char *name, sl_deadline deadline,
                      struct sl_sql_pg_statement **out, struct sl_error *err);
/* Whether taking it asks the server nothing. */
bool sl_sql_pg_is_prepared(struct sl_sql_pg *sql, const void *owner,
                           struct sl_bytes text);
/* What was prepared of it is outdated. */
void sl_sql_pg_drop(struct sl_sql_pg *sql, const void *owner,
                    struct sl_bytes text);
void sl_sql_pg_forget(struct sl_sql_pg *sql); /* all of them */

/* What a description or a result says of columns, but for names of types. */
void sl_sql_pg_take_columns(const PGresult *from,
                            struct sl_sql_pg_columns *columns);
/* Add the names of types, for which it may ask the server. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_name_types(struct sl_sql_pg *sql, sl_deadline deadline,
                     struct sl_sql_pg_columns *columns, struct sl_error *err);
/* Both; what fails leaves no columns. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_describe(struct sl_sql_pg *sql, const PGresult *description,
                   sl_deadline deadline, struct sl_sql_pg_columns *columns,
                   struct sl_error *err);

/* --- postgres_parameter.c --- */

/* A set as libpq wants it. */
struct sl_sql_pg_parameters {
    const char **values;
    int *lengths;
    int *formats;
    void *block; /* in which all of it stands */
};

/* How the values of a set may go in. */
enum sl_sql_pg_way {
    /* As the statement was prepared: whatever types the placeholders have by
     * now, the server makes the same of the values, or refuses them. */
    SL_SQL_PG_AS_PREPARED,
    /* With types that the server finds anew. */
    SL_SQL_PG_FOUND_ANEW,
    /* Found anew, and they must be those of the statement. */
    SL_SQL_PG_CHECKED,
    /* Not at all: by what was learned of the types a value does not fit. */
    SL_SQL_PG_UNFIT,
};

enum sl_sql_pg_way sl_sql_pg_way_of(const struct sl_sql_pg_statement *statement,
                                    const struct sl_sql_parameters *set);
/* prepared: for the types that the statement was prepared with. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_encode(const struct sl_sql_pg_statement *statement,
                 const struct sl_sql_parameters *set, bool prepared,
                 struct sl_sql_pg_parameters *out, struct sl_error *err);
void sl_sql_pg_parameters_done(struct sl_sql_pg_parameters *parameters);
/* Whether text holds a value of the set, as the server might quote it. */
bool sl_sql_pg_quotes(const char *text, const struct sl_sql_parameters *set);

/* --- postgres_value.c --- */

SL_MUST_CHECK enum sl_status
sl_sql_pg_read_columns(const struct sl_sql_pg_columns *columns,
                       const PGresult *from, struct sl_sql_result *result,
                       struct sl_error *err);
/* Add a row. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_read_row(const struct sl_sql_pg_columns *columns,
                   const PGresult *from, int row, struct sl_sql_result *result,
                   struct sl_error *err);
/* One value as the server sent it; the bytes are borrowed from data or buf. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_read_value(enum sl_sql_pg_kind kind, bool binary,
                     struct sl_bytes data, struct sl_buf *buf,
                     struct sl_sql_value *value, struct sl_error *err);

/* --- postgres_result.c --- */

/* What to do with the results of a statement. */
struct sl_sql_pg_reading {
    const struct sl_sql_pg_columns *columns;
    /* Where they are not known: filled by the first result, without names of
     * types; else NULL. */
    struct sl_sql_pg_columns *learned;
    /* Whose types a description must have; NULL: none is asked for. */
    const struct sl_sql_pg_statement *agrees;
    struct sl_sql_result *rows;          /* NULL: they are thrown away */
    const struct sl_sql_parameters *set; /* not to be quoted; may be NULL */
    struct sl_sql_answer *answer;        /* counts; may be NULL */
    sl_deadline deadline;
    bool to_sync; /* to the end of a part of a pipeline */
    bool has_columns;
    bool aborted;   /* another one in the pipeline failed before */
    size_t dropped; /* bytes that nobody wants any more */
    bool cancelled;
};

/* Read them to their end. */
SL_MUST_CHECK enum sl_status sl_sql_pg_read(struct sl_sql_pg *sql,
                                            struct sl_sql_pg_reading *reading,
                                            struct sl_error *err);
/*
 * Fill err with an error of the server, and note what it means for the
 * transaction.  set: the values that the message must not quote, or NULL.
 */
enum sl_status sl_sql_pg_failed(struct sl_sql_pg *sql, const PGresult *result,
                                const struct sl_sql_parameters *set,
                                struct sl_error *err);
/* A table is not what it was when the statement was prepared; old_plan. */
enum sl_status sl_sql_pg_altered(struct sl_sql_pg *sql, struct sl_error *err);
/* Do a statement of ours. */
SL_MUST_CHECK enum sl_status sl_sql_pg_perform(struct sl_sql_pg *sql,
                                               const char *text,
                                               sl_deadline deadline,
                                               struct sl_error *err);

/* --- postgres_batch.c --- */

void sl_sql_pg_run(struct sl_sql_pg *sql, struct sl_op *const ops[],
                   size_t count);

/* --- postgres_session.c --- */

/*
 * The session is not to be used by op's owner before it was put in order: what
 * another one did may have left anything (a view may call set_config).
 */
bool sl_sql_pg_is_foreign(const struct sl_sql_pg *sql, const struct sl_op *op);
/* It is op's owner's; put in order before, at the cost of a trip, where it is
 * foreign.  SL_UNAVAILABLE and lost where that fails. */
SL_MUST_CHECK enum sl_status sl_sql_pg_admit(struct sl_sql_pg *sql,
                                             const struct sl_op *op,
                                             struct sl_error *err);
/* Take away whatever statements may have left; else the connection is lost. */
SL_MUST_CHECK enum sl_status sl_sql_pg_put_in_order(struct sl_sql_pg *sql,
                                                    sl_deadline deadline,
                                                    struct sl_error *err);
/*
 * The same without a trip, in a pipeline: send_order is a part of its own, and
 * every part behind it begins with send_gate, which fails, and with it its
 * part, unless the session is in the order that has this number.
 */
SL_MUST_CHECK enum sl_status sl_sql_pg_send_order(struct sl_sql_pg *sql,
                                                  uint64_t number,
                                                  struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_sql_pg_send_gate(struct sl_sql_pg *sql,
                                                 uint64_t number,
                                                 struct sl_error *err);
/* At random, and never 0. */
uint64_t sl_sql_pg_order_number(void);
/* A failure that says so; what was to follow was certainly not done. */
enum sl_status sl_sql_pg_not_in_order(struct sl_error *err);
/* The session is op's owner's, and was put in order where it was foreign. */
void sl_sql_pg_take_over(struct sl_sql_pg *sql, const struct sl_op *op);

/* --- postgres_run.c --- */

/* Before the first request on a new connection, which is op. */
SL_MUST_CHECK enum sl_status sl_sql_pg_set_up(struct sl_sql_pg *sql,
                                              const struct sl_op *op,
                                              struct sl_error *err);
/* One request from its start to its answer. */
void sl_sql_pg_run_alone(struct sl_sql_pg *sql, struct sl_op *op);
/* For who does so in parts: a request begins; and its answer, if it failed. */
void sl_sql_pg_start(struct sl_sql_pg *sql);
void sl_sql_pg_fail(struct sl_sql_pg *sql, struct sl_op *op,
                    const struct sl_error *err);
/* Roll back, close cursors, and take away what stayed.  False: it is lost. */
bool sl_sql_pg_end(struct sl_sql_pg *sql);
/* --- postgres_send.c --- */

/* Send a statement of ours. */
SL_MUST_CHECK enum sl_status sl_sql_pg_send_plain(struct sl_sql_pg *sql,
                                                  const char *text,
                                                  struct sl_error *err);
/* Send a statement, unless its set is to be SL_SQL_PG_CHECKED; its rows come
 * one by one. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_send(struct sl_sql_pg *sql,
               const struct sl_sql_pg_statement *statement,
               const struct sl_sql_parameters *set, struct sl_error *err);
/* The strictest way of all sets of the request. */
enum sl_sql_pg_way
sl_sql_pg_way_of_all(const struct sl_sql_pg_statement *statement,
                     const struct sl_sql_request *request);
/*
 * One set of a statement whose types must be what they were, in a transaction
 * that has begun: what was done is of no use where it fails.
 */
SL_MUST_CHECK enum sl_status
sl_sql_pg_run_checked(struct sl_sql_pg *sql,
                      const struct sl_sql_pg_statement *statement,
                      const struct sl_sql_parameters *set,
                      struct sl_sql_pg_reading *reading, struct sl_error *err);
/* All sets, in one go and a transaction: what fails ends it. */
SL_MUST_CHECK enum sl_status
sl_sql_pg_run_many(struct sl_sql_pg *sql,
                   const struct sl_sql_pg_statement *statement,
                   struct sl_op *op, struct sl_error *err);

/* --- postgres_cursor.c --- */

SL_MUST_CHECK enum sl_status sl_sql_pg_cursor_open(struct sl_sql_pg *sql,
                                                   struct sl_op *op,
                                                   struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_sql_pg_cursor_next(struct sl_sql_pg *sql,
                                                   struct sl_op *op,
                                                   struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_sql_pg_cursor_close(struct sl_sql_pg *sql,
                                                    struct sl_op *op,
                                                    struct sl_error *err);
/* Rows that are under way are wanted no more; may lose the connection. */
void sl_sql_pg_abandon(struct sl_sql_pg *sql);
/* Before anything else is asked: take in the rows that are under way. */
SL_MUST_CHECK enum sl_status sl_sql_pg_settle(struct sl_sql_pg *sql,
                                              sl_deadline deadline,
                                              struct sl_error *err);
/* Forget all of them; what the server has of them ends with the transaction. */
void sl_sql_pg_forget_cursors(struct sl_sql_pg *sql);

#endif

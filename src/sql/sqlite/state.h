/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.sqlite: what it may do (sqlite_guard.c), its prepared
 * statements (sqlite_statement.c), how values go in and out (sqlite_value.c),
 * and what its failures mean (sqlite_error.c).
 */
#ifndef SL_SQL_SQLITE_STATE_H
#define SL_SQL_SQLITE_STATE_H

#include "driverkit/sqlite.h"
#include "sql/cursor.h"
#include "sql/driver.h"

enum {
    SL_SQL_SQLITE_CACHED = 32,          /* statements that are kept */
    SL_SQL_SQLITE_CACHED_BYTES = 16384, /* in the text of one */
};

/* A prepared statement; of one that is taken there is one user. */
struct sl_sql_sqlite_statement {
    sqlite3_stmt *handle;
    char *text;
    size_t len;
    bool counts;  /* INSERT, UPDATE or DELETE: changes are to be told */
    bool inserts; /* INSERT */
    bool frees;   /* only deletes, or drops */
};

/* What the authorizer of SQLite says of the statement being prepared. */
struct sl_sql_sqlite_seen {
    bool changes; /* rows of a table, by the statement itself */
    bool inserts;
    bool schema;        /* CREATE, DROP, ALTER */
    bool alters;        /* ALTER TABLE */
    bool grows;         /* INSERT, UPDATE, CREATE, ALTER, in triggers too */
    bool frees;         /* DELETE, DROP */
    const char *denied; /* what was, or NULL */
};

struct sl_sql_sqlite_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_sqlite_statement *statement; /* NULL: after the last row */
    bool pending; /* the row it stands on was not answered yet */
};

enum sl_sql_sqlite_transaction {
    SL_SQL_SQLITE_NONE,
    SL_SQL_SQLITE_OPEN,
    SL_SQL_SQLITE_FAILED, /* rolled back; its user does not know yet */
};

/* Its address must not change while it is open. */
struct sl_sql_sqlite {
    struct sl_sqlite_file file;
    bool trusted; /* the statement is ours: no rules, no deadline */
    /* Of the request that is being run: */
    bool asked;     /* SQLite was; a failure is the transaction's */
    bool lost_race; /* it failed as another transaction came first */
    struct sl_sql_sqlite_seen seen;
    /* The least recently used first. */
    struct sl_sql_sqlite_statement *cached[SL_SQL_SQLITE_CACHED];
    size_t cached_count;
    enum sl_sql_sqlite_transaction transaction;
    bool read_only; /* the transaction */
    bool grows;     /* the transaction has written what may take room */
    struct sl_sql_sqlite_cursor cursors[SL_SQL_CURSORS_MAX];
};

/* --- sqlite_guard.c --- */

/* Make the connection safe for statements that others wrote. */
void sl_sql_sqlite_guard(struct sl_sql_sqlite *sqlite);

/* Whether the statement has had its time. */
bool sl_sql_sqlite_is_late(const struct sl_sql_sqlite *sqlite);

/* --- sqlite_schema.c --- */

/*
 * Let the schema of the file use what is known to do no harm, and nothing else;
 * statements lose the rest too.  Before the authorizer is set.
 */
void sl_sql_sqlite_limit_schema(struct sl_sql_sqlite *sqlite);

/* --- sqlite_function.c --- */

/* Functions that look at the deadline, in place of SQLite's own. */
void sl_sql_sqlite_add_functions(struct sl_sql_sqlite *sqlite);

/* --- sqlite_guard.c --- */

/* Run a statement of ours; SQLite's code. */
int sl_sql_sqlite_exec(struct sl_sql_sqlite *sqlite, const char *text);

/* --- sqlite_statement.c --- */

/* Prepare, or take what was. */
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_take(struct sl_sql_sqlite *sqlite, struct sl_bytes text,
                   struct sl_sql_sqlite_statement **out, struct sl_error *err);

/* Reset, and keep for later. */
void sl_sql_sqlite_give(struct sl_sql_sqlite *sqlite,
                        struct sl_sql_sqlite_statement *statement);

/* Finalize what is kept. */
void sl_sql_sqlite_forget(struct sl_sql_sqlite *sqlite);

/* --- sqlite_value.c --- */

/*
 * Bind a set.  The values are borrowed until the statement is reset, or copied.
 * Returns SQLite's code.
 */
int sl_sql_sqlite_bind(sqlite3_stmt *statement,
                       const struct sl_sql_parameters *set, bool copy);

SL_MUST_CHECK enum sl_status
sl_sql_sqlite_read_columns(sqlite3_stmt *statement,
                           struct sl_sql_result *result, struct sl_error *err);

/* Add the row that statement stands on. */
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_read_row(sqlite3_stmt *statement, struct sl_sql_result *result,
                       struct sl_error *err);

/* --- sqlite_error.c --- */

/* Where a statement failed: what SQLite says then differs in what it quotes. */
enum sl_sql_sqlite_phase {
    SL_SQL_SQLITE_PREPARING, /* the statement */
    SL_SQL_SQLITE_RUNNING,   /* perhaps values, which are not shown */
};

/*
 * Fill err with why the last call answered code.  errno is that of the call, or
 * 0 from before it.
 */
enum sl_status sl_sql_sqlite_explain(struct sl_sql_sqlite *sqlite, int code,
                                     enum sl_sql_sqlite_phase phase,
                                     struct sl_error *err);

#endif

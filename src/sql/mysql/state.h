/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of sql.mysql: how it waits by a deadline (mysql_wait.c), what
 * statements may do to it (mysql_guard.c), its prepared statements
 * (mysql_statement.c), how values go in (mysql_bind.c) and out (mysql_row.c,
 * mysql_type.c),
 * and what the server's errors mean (mysql_error.c).
 */
#ifndef SL_SQL_MYSQL_STATE_H
#define SL_SQL_MYSQL_STATE_H

#include <mysql.h>

#include "net/url.h"
#include "sql/cursor.h"
#include "sql/driver.h"

enum {
    SL_SQL_MYSQL_CACHED = 32,          /* statements that are kept */
    SL_SQL_MYSQL_CACHED_BYTES = 16384, /* in the text of one */
};

/* What all connections share. */
struct sl_sql_mysql_store {
    struct sl_url url;
    const char *user;
    const char *password;
    const char *database;
    const char *ca, *certificate, *key;
    const char *server_key; /* a file, of its public key; or NULL */
    bool tls;
};

/* What a statement is, as far as its words tell. */
struct sl_sql_mysql_kind {
    const char *denied;  /* what it may not do, or NULL */
    bool in_transaction; /* does not commit what came before it */
    bool reads;          /* SELECT and its kin */
    bool may_write;      /* it may call a stored function */
    bool inserts;
    bool calls;   /* a procedure, which may do anything to the session */
    bool as_text; /* it asks of the statement before, so is not prepared */
};

/* Where a value of a column is put by the library. */
struct sl_sql_mysql_slot {
    union {
        int64_t int64;
        double float64;
        MYSQL_TIME time;
        uint8_t bytes[128]; /* the start, of a longer one */
    };
    unsigned long len;
    my_bool is_null;
    my_bool cut;
};

/* A prepared statement; of one that is taken there is one user. */
struct sl_sql_mysql_statement {
    MYSQL_STMT *handle;
    char *text;
    size_t len;
    struct sl_sql_mysql_kind kind;
    MYSQL_RES *columns; /* of the last run, or NULL */
    unsigned column_count;
    MYSQL_BIND *binds;
    struct sl_sql_mysql_slot *slots;
    unsigned slot_count; /* of binds and slots */
    uint64_t shape;      /* of its columns when it ran first, or 0 */
    bool cursor;         /* is set to have one on the server */
    /* What the server made of its placeholders; NULL: it has not told. */
    enum enum_field_types *types;
    unsigned type_count;
    bool keeps; /* it may run again */
};

struct sl_sql_mysql_cursor {
    SL_SQL_CURSOR_HEAD
    struct sl_sql_mysql_statement *statement; /* NULL: after the last row */
    bool pending; /* the row it stands on was not answered yet */
};

enum sl_sql_mysql_transaction {
    SL_SQL_MYSQL_NONE,
    SL_SQL_MYSQL_OPEN,
    SL_SQL_MYSQL_FAILED, /* rolled back; its user does not know yet */
};

/* Its address must not change while it is open. */
struct sl_sql_mysql {
    const struct sl_sql_mysql_store *store;
    MYSQL *handle;
    bool mariadb;
    bool keeps_types;                  /* of placeholders, as MySQL does */
    struct st_mariadb_methods methods; /* the library's, and one of ours */
    bool has_snapshots;                /* MariaDB's innodb_snapshot_isolation */
    uint64_t max_packet;
    sl_deadline deadline; /* of the request that is being run */
    bool expired;         /* it passed: the connection was shut down */
    bool lost;            /* the connection is of no use any more */
    bool asked;           /* the server was, by this request */
    bool lost_race;       /* it failed as another transaction came first */
    bool dirty;           /* the session is not as it was */
    bool doubtful;        /* perhaps; the server has not told yet */
    bool used;            /* by somebody */
    const void *owner;    /* whose statement was the last */
    bool outdated;        /* a statement was prepared for other columns */
    bool streams;         /* rows that nobody wants yet are on their way */
    bool own;             /* a transaction of the driver's own is open */
    bool snapshots_on;
    enum sl_sql_mysql_transaction transaction;
    /* The least recently used first. */
    struct sl_sql_mysql_statement *cached[SL_SQL_MYSQL_CACHED];
    size_t cached_count;
    struct sl_sql_mysql_cursor cursors[SL_SQL_CURSORS_MAX];
    struct sl_buf scratch; /* a value that is longer than its slot */
};

/* --- mysql_wait.c: the library's calls, by mysql->deadline -------------- */

/* Each returns what the library does: 0 where it worked.  Where the server
 * tells with its answer that the session was changed, it is dirty. */
int sl_sql_mysql_connect(struct sl_sql_mysql *mysql, const char *database);
int sl_sql_mysql_query(struct sl_sql_mysql *mysql, struct sl_bytes text);
MYSQL_RES *sl_sql_mysql_store_result(struct sl_sql_mysql *mysql);
/* NULL: after the last row, or it failed (mysql_errno). */
MYSQL_ROW sl_sql_mysql_fetch_row(struct sl_sql_mysql *mysql, MYSQL_RES *rows);
void sl_sql_mysql_free_text(struct sl_sql_mysql *mysql, MYSQL_RES *rows);
int sl_sql_mysql_next_text(struct sl_sql_mysql *mysql);
int sl_sql_mysql_reset(struct sl_sql_mysql *mysql);
int sl_sql_mysql_prepare(struct sl_sql_mysql *mysql, MYSQL_STMT *statement,
                         struct sl_bytes text);
int sl_sql_mysql_execute(struct sl_sql_mysql *mysql, MYSQL_STMT *statement);
int sl_sql_mysql_fetch(struct sl_sql_mysql *mysql, MYSQL_STMT *statement);
int sl_sql_mysql_keep_rows(struct sl_sql_mysql *mysql, MYSQL_STMT *statement);
int sl_sql_mysql_next_result(struct sl_sql_mysql *mysql, MYSQL_STMT *statement);
int sl_sql_mysql_free_rows(struct sl_sql_mysql *mysql, MYSQL_STMT *statement);
void sl_sql_mysql_close_statement(struct sl_sql_mysql *mysql,
                                  MYSQL_STMT *statement);

/* Nothing more is read: the connection is lost. */
void sl_sql_mysql_give_up(struct sl_sql_mysql *mysql);

/* Whether the server has closed the connection.  Costs one system call. */
bool sl_sql_mysql_is_stale(const struct sl_sql_mysql *mysql);

/* --- mysql_guard.c ------------------------------------------------------ */

/* text is a statement that sl_sql_scan accepts. */
struct sl_sql_mysql_kind sl_sql_mysql_kind_of(struct sl_bytes text);

/* --- mysql_words.c ------------------------------------------------------ */

/* Whether no stored function can be called by that name, written right in front
 * of a parenthesis. */
bool sl_sql_mysql_is_built_in(struct sl_bytes word);

/* --- mysql_statement.c -------------------------------------------------- */

/* After connecting: learn of each statement that is prepared what the server
 * makes of its placeholders, where that matters. */
void sl_sql_mysql_learn_types(struct sl_sql_mysql *mysql);

/*
 * Prepare the request's statement, or take what was prepared before.  *out is
 * NULL for a statement that the server does not prepare, and takes as it is.
 */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_take(struct sl_sql_mysql *mysql,
                  const struct sl_sql_request *request,
                  const struct sl_sql_mysql_kind *kind,
                  struct sl_sql_mysql_statement **out, struct sl_error *err);

/* Let its rows go, and keep it for later. */
void sl_sql_mysql_give(struct sl_sql_mysql *mysql,
                       struct sl_sql_mysql_statement *statement);

/* Close what is kept. */
void sl_sql_mysql_forget(struct sl_sql_mysql *mysql);

/* --- mysql_bind.c ------------------------------------------------------- */

/* Values on their way to the server; borrows the set. */
struct sl_sql_mysql_parameters;

struct sl_sql_mysql_parameters *sl_sql_mysql_parameters_new(size_t count);
void sl_sql_mysql_parameters_free(struct sl_sql_mysql_parameters *parameters);
/* SL_TOO_LARGE where they are more than the server takes at once. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_bind(struct sl_sql_mysql *mysql,
                  struct sl_sql_mysql_statement *statement,
                  struct sl_sql_mysql_parameters *parameters,
                  const struct sl_sql_parameters *set, struct sl_error *err);

/* --- mysql_type.c ------------------------------------------------------- */

/* As the type is written in SQL, in small letters. */
const char *sl_sql_mysql_type_name(const MYSQL_FIELD *field);
/* Bytes, no text. */
bool sl_sql_mysql_is_binary(const MYSQL_FIELD *field);
bool sl_sql_mysql_is_json(const MYSQL_FIELD *field);
bool sl_sql_mysql_may_be_uuid(const MYSQL_FIELD *field);

/* --- mysql_row.c -------------------------------------------------------- */

/* What the bytes of a column are that has neither numbers nor times. */
enum sl_sql_type sl_sql_mysql_type_of_bytes(const MYSQL_FIELD *field,
                                            struct sl_bytes bytes);

/* After a run: find out what its columns are, and where to put them. */
SL_MUST_CHECK enum sl_status
sl_sql_mysql_see_columns(struct sl_sql_mysql *mysql,
                         struct sl_sql_mysql_statement *statement,
                         struct sl_error *err);

SL_MUST_CHECK enum sl_status
sl_sql_mysql_read_columns(const struct sl_sql_mysql *mysql,
                          const struct sl_sql_mysql_statement *statement,
                          struct sl_sql_result *result, struct sl_error *err);

/* Add the row that was fetched; room is what the whole result may have. */
SL_MUST_CHECK enum sl_status sl_sql_mysql_read_row(
    struct sl_sql_mysql *mysql, const struct sl_sql_mysql_statement *statement,
    size_t room, struct sl_sql_result *result, struct sl_error *err);

/* --- mysql_error.c ------------------------------------------------------ */

/* Where a call failed: what the server says then differs in what it quotes. */
enum sl_sql_mysql_phase {
    SL_SQL_MYSQL_CONNECTING,
    SL_SQL_MYSQL_PREPARING, /* the statement */
    SL_SQL_MYSQL_RUNNING,   /* perhaps values, which are not shown */
};

/* What the server, or the library, says. */
struct sl_sql_mysql_said {
    unsigned code;
    const char *state; /* of SQL */
    const char *message;
    bool mariadb;
};

/* What a code means. */
struct sl_sql_mysql_meaning {
    enum sl_status status;
    bool retry; /* another transaction came first */
    bool lost;  /* the connection is */
};

struct sl_sql_mysql_meaning
sl_sql_mysql_meaning_of(const struct sl_sql_mysql_said *said);

/* Fill err with that, in words without values. */
enum sl_status sl_sql_mysql_tell(const struct sl_sql_mysql_said *said,
                                 enum sl_sql_mysql_phase phase,
                                 struct sl_error *err);

/* Fill err with why the last call failed; statement may be NULL. */
enum sl_status sl_sql_mysql_explain(struct sl_sql_mysql *mysql,
                                    MYSQL_STMT *statement,
                                    enum sl_sql_mysql_phase phase,
                                    struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kit for the embedded drivers: their settings, and a SQLite file whose
 * requests are answered in batches; a batch that writes is one transaction.  A
 * driver provides the tables, the statements and the code of a request (struct
 * sl_embedded_kind).
 *
 * Functions that return an int return SQLite's code, for sl_sqlite_explain.
 */
#ifndef SL_DRIVERKIT_EMBEDDED_H
#define SL_DRIVERKIT_EMBEDDED_H

#include "driverkit/sqlite.h"
#include "service/driver.h"

/* --- Settings ----------------------------------------------------------- */

struct sl_embedded_options {
    const char *path;
    const char *sync; /* "full", "normal" */
    int64_t max_bytes;
};

enum sl_status sl_embedded_check_path(const void *field, struct sl_error *err);
enum sl_status sl_embedded_check_sync(const void *field, struct sl_error *err);

/* The entries of an option table whose struct begins with the above. */
#define SL_EMBEDDED_OPTIONS                                                    \
    {.name = "path",                                                           \
     .type = SL_OPTION_PATH,                                                   \
     .offset = offsetof(struct sl_embedded_options, path),                     \
     .required = true,                                                         \
     .is_store = true,                                                         \
     .help =                                                                   \
         "the database file; it and its folder are created if they do not "    \
         "exist",                                                              \
     .check = sl_embedded_check_path},                                         \
        {.name = "sync",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_embedded_options, sync),                 \
         .fallback = "full",                                                   \
         .help =                                                               \
             "\"full\": an answered write survives a power failure; "          \
             "\"normal\": it survives a crash of the process, but a power "    \
             "failure may lose the last ones",                                 \
         .check = sl_embedded_check_sync},                                     \
        {.name = "max-bytes",                                                  \
         .type = SL_OPTION_SIZE,                                               \
         .offset = offsetof(struct sl_embedded_options, max_bytes),            \
         .min = SL_SQLITE_BYTES_MIN,                                           \
         .max = INT64_C(1) << 46,                                              \
         .fallback = "16GiB",                                                  \
         .help = "the most bytes of the file and its -wal file; a write that " \
                 "does "                                                       \
                 "not fit is refused"}

/* An option table of only these entries. */
extern const struct sl_option sl_embedded_options[];

/* The mode of these settings. */
struct sl_sqlite_mode
sl_embedded_mode(const struct sl_embedded_options *options);

/* For a driver's `usage`, whose options begin with these. */
bool sl_embedded_usage(void *store, struct sl_usage *out);

/* The store of a driver is its options: connections share the file. */
enum sl_status sl_embedded_store_new(const void *options, void **store,
                                     struct sl_error *err);
void sl_embedded_store_free(void *store);

/* --- Connections -------------------------------------------------------- */

/*
 * For a kind's `create`: the clock of the store.  It runs while the file is
 * closed, never goes back, and ignores changes of the system's time while the
 * machine is up.  It is the time since boot, which all processes share, plus an
 * offset that is stored for each boot.
 */
#define SL_EMBEDDED_CLOCK                                                      \
    "CREATE TABLE clock (boot TEXT NOT NULL, skew INTEGER NOT NULL, "          \
    "last INTEGER NOT NULL);"                                                  \
    "INSERT INTO clock VALUES ('', 0, 0);"

struct sl_embedded;

/* Constant. */
struct sl_embedded_kind {
    const struct sl_capability *capability;
    struct sl_sqlite_format format;
    const char *const *statements; /* ended by NULL */
    size_t
        connection_size; /* of a struct that begins with struct sl_embedded */
    bool has_clock;      /* format.create contains SL_EMBEDDED_CLOCK */

    /* Whether op needs a write transaction. */
    bool (*writes)(const struct sl_op *op);

    /* Answer op.  SQLITE_OK: op was answered, perhaps with a failure that is
     * not SQLite's.  Ops that write run inside a transaction. */
    int (*run)(struct sl_embedded *connection, struct sl_op *op);

    /* Whether op, which writes, must work in a full file: it frees room, or
     * leads to that. */
    bool (*frees)(const struct sl_op *op);

    /* May.  Delete expired rows by sl_embedded_sweep.  False: there are
     * more. */
    bool (*sweep)(struct sl_embedded *connection);

    /* May.  A transaction was rolled back: drop what was read in it. */
    void (*rolled_back)(struct sl_embedded *connection);
};

/* A connection.  Its address must not change while it is open. */
struct sl_embedded {
    struct sl_sqlite_file file;
    const struct sl_embedded_kind *kind;
    sqlite3_stmt **statements; /* in the kind's order */
    sqlite3_stmt *begin, *commit, *roll_back, *data_version, *tick;
    /* By the clock of the store, in ms: of this transaction or batch. */
    int64_t now;
    int64_t skew;
    int64_t saved;        /* the last time that was stored in the file */
    bool only_reads;      /* the query is interrupted at the file's deadline */
    int64_t seen_version; /* PRAGMA data_version */
    int changes_before;   /* total_changes before this transaction */
    bool frees;           /* the transaction may use the reserve */
    int64_t sweep_rows;   /* rows per sweep statement: about a millisecond */
    int64_t may_sweep;    /* rows to sweep in this batch; 0: not in a batch */
    int sweep_code;       /* the failure of that sweep */
};

/* For a driver's `open`, `close`, `run` and `changed`. sl_embedded_close frees
 * what sl_embedded_open has made. */
enum sl_status sl_embedded_open(const struct sl_embedded_kind *kind,
                                const struct sl_embedded_options *options,
                                sl_deadline deadline, void **connection,
                                struct sl_error *err);
void sl_embedded_close(void *connection);
void sl_embedded_run(void *connection, struct sl_op *const ops[], size_t count);
bool sl_embedded_changed(void *connection);

/* A transaction outside of sl_embedded_run, for `idle` and sessions. */
int sl_embedded_begin(struct sl_embedded *connection);
int sl_embedded_commit(struct sl_embedded *connection);
/* After any failure since sl_embedded_begin, including its own and that of the
 * commit. */
void sl_embedded_roll_back(struct sl_embedded *connection);

/* --- Statements --------------------------------------------------------- */

/* Reset a statement; returns the code of its last step. */
int sl_embedded_finish(sqlite3_stmt *statement);
/* Run a statement that returns no rows. */
int sl_embedded_perform(sqlite3_stmt *statement);
/* Borrowed until the statement is finished; text.ptr NULL binds NULL. */
void sl_embedded_bind_text(sqlite3_stmt *statement, int at,
                           struct sl_bytes text);
/* The same; no bytes are an empty blob.  Fails if it is too large. */
int sl_embedded_bind_blob(sqlite3_stmt *statement, int at,
                          struct sl_bytes bytes);
/* A column; borrowed until the next step. */
struct sl_bytes sl_embedded_text(sqlite3_stmt *statement, int column);
struct sl_bytes sl_embedded_blob(sqlite3_stmt *statement, int column);

/* Run a statement and return the first column of its first row; without a row
 * *found is false and *value 0.  The statement is finished. */
int sl_embedded_query_integer(sqlite3_stmt *statement, int64_t *value,
                              bool *found);

/* A receipt: the number of a row and the number of its delivery. */
enum { SL_EMBEDDED_RECEIPT_MAX = 48 };
void sl_embedded_make_receipt(char receipt[SL_EMBEDDED_RECEIPT_MAX],
                              int64_t row, int64_t delivery);
bool sl_embedded_parse_receipt(struct sl_bytes receipt, int64_t *row,
                               int64_t *delivery);

/* Answer op with a failure. */
void sl_embedded_refuse(struct sl_op *op, enum sl_status status,
                        const char *why);

/*
 * Delete expired rows. `look` finds one, so that nothing is locked if there is
 * none; ?1 is now. `sweep` deletes at most ?2 of them.  False: there are more.
 *
 * Within a batch that writes: twice as many rows as it has writes, so that
 * sweeping keeps up with any load.  Otherwise in several transactions, until
 * the deadline of the file.
 */
bool sl_embedded_sweep(struct sl_embedded *connection, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now);
/* For a driver's `idle`: the kind's sweep, for 10 ms. */
bool sl_embedded_idle(void *connection);

/* The current time of the clock of the store. */
int64_t sl_embedded_now(const struct sl_embedded *connection);
/* connection->now on CLOCK_BOOTTIME, in nanoseconds. */
int64_t sl_embedded_boottime_ns(const struct sl_embedded *connection);
/* The deadline at which the clock of the store shows `at`. */
sl_deadline sl_embedded_deadline(const struct sl_embedded *connection,
                                 int64_t at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the embedded drivers have in common: their settings, and a SQLite file
 * of ours whose requests are answered in batches, each batch that writes in one
 * transaction.  A driver gives the tables, the statements, and what one request
 * does (struct sl_embedded_kind).
 *
 * What returns an int returns SQLite's code, for sl_sqlite_explain.
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
     .help = "the database file; it and its folder are made where they are "   \
             "missing",                                                        \
     .check = sl_embedded_check_path},                                         \
        {.name = "sync",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_embedded_options, sync),                 \
         .fallback = "full",                                                   \
         .help = "\"full\": an answered write survives a power failure; "      \
                 "\"normal\": it survives the end of the process, and the "    \
                 "last ones may be lost with the power",                       \
         .check = sl_embedded_check_sync},                                     \
        {.name = "max-bytes",                                                  \
         .type = SL_OPTION_SIZE,                                               \
         .offset = offsetof(struct sl_embedded_options, max_bytes),            \
         .min = SL_SQLITE_BYTES_MIN,                                           \
         .max = INT64_C(1) << 46,                                              \
         .fallback = "16GiB",                                                  \
         .help = "the most that the file and the -wal beside it may take; "    \
                 "what has no room is too-large"}

/* The above and nothing else. */
extern const struct sl_option sl_embedded_options[];

/* How these settings open the file. */
struct sl_sqlite_mode
sl_embedded_mode(const struct sl_embedded_options *options);

/* For a driver's `usage`, whose options begin with these. */
bool sl_embedded_usage(void *store, struct sl_usage *out);

/* The store of a driver is its options: the file is what states share. */
enum sl_status sl_embedded_store_new(const void *options, void **store,
                                     struct sl_error *err);
void sl_embedded_store_free(void *store);

/* --- States ------------------------------------------------------------- */

/*
 * For a kind's `create`: the clock of the store.  It goes on while nobody has
 * the file open, never goes back, and does not jump while the machine is up:
 * what is set to the system's time is not followed.  It is the time since the
 * machine was started, which its processes share, behind that of earlier
 * starts.
 */
#define SL_EMBEDDED_CLOCK                                                      \
    "CREATE TABLE clock (boot TEXT NOT NULL, skew INTEGER NOT NULL, "          \
    "last INTEGER NOT NULL);"                                                  \
    "INSERT INTO clock VALUES ('', 0, 0);"

struct sl_embedded;

/* Constant. */
struct sl_embedded_kind {
    struct sl_sqlite_format format;
    const char *const *statements; /* ended by NULL */
    size_t state_size;             /* which begins with struct sl_embedded */
    bool has_clock;                /* format.create has SL_EMBEDDED_CLOCK */

    /* Whether op needs a transaction. */
    bool (*writes)(const struct sl_op *op);

    /* Answer op.  SQLITE_OK: it is, be it with a failure that has nothing to do
     * with SQLite.  What writes is inside a transaction. */
    int (*run)(struct sl_embedded *state, struct sl_op *op);

    /* Whether op, which writes, must work where the file is full: it gives
     * room back, or leads to that. */
    bool (*frees)(const struct sl_op *op);

    /* May.  Delete what is over, by sl_embedded_sweep.  False: there is more.
     */
    bool (*sweep)(struct sl_embedded *state);

    /* Make op's answer what it was before run. */
    void (*undo)(struct sl_op *op);

    /* May.  A transaction was rolled back: forget what was read in it. */
    void (*rolled_back)(struct sl_embedded *state);
};

/* What a state begins with.  Its address does not change while it is open. */
struct sl_embedded {
    struct sl_sqlite_file file;
    const struct sl_embedded_kind *kind;
    sqlite3_stmt **statements; /* in the kind's order */
    sqlite3_stmt *begin, *commit, *roll_back, *data_version, *tick;
    int64_t now; /* by the clock of the store, in ms: of this transaction, or
                  * of this batch */
    int64_t skew;
    int64_t saved;        /* the last time that is in the file */
    bool only_reads;      /* what runs ends at the deadline of the file */
    int64_t seen_version; /* of the data */
    int changes_before;   /* this transaction */
    bool frees;           /* it may use what is kept for that */
    int64_t sweep_rows;   /* that one statement deletes: about a millisecond */
    int64_t may_sweep;    /* rows, beside what a batch writes; 0: it is none */
    int sweep_code;       /* how that failed */
};

/* For a driver's `open`, `close`, `run` and `changed`.  sl_embedded_close is
 * given what sl_embedded_open made, and frees it. */
enum sl_status sl_embedded_open(const struct sl_embedded_kind *kind,
                                const struct sl_embedded_options *options,
                                sl_deadline deadline, void **state,
                                struct sl_error *err);
void sl_embedded_close(void *state);
void sl_embedded_run(void *state, struct sl_op *const ops[], size_t count);
bool sl_embedded_changed(void *state);

/* A transaction outside of sl_embedded_run, for `idle` and sessions. */
int sl_embedded_begin(struct sl_embedded *state);
int sl_embedded_commit(struct sl_embedded *state);
/* After any failure since sl_embedded_begin, its own and commit's too. */
void sl_embedded_roll_back(struct sl_embedded *state);

/* --- Statements --------------------------------------------------------- */

/* Reset a statement; the code of its last step. */
int sl_embedded_finish(sqlite3_stmt *statement);
/* Run to the end a statement that answers with no rows. */
int sl_embedded_perform(sqlite3_stmt *statement);
/* Borrowed until the statement is finished; text.ptr NULL binds NULL. */
void sl_embedded_bind_text(sqlite3_stmt *statement, int at,
                           struct sl_bytes text);
/* The same; no bytes at all are a blob as well.  Fails on too large a one. */
int sl_embedded_bind_blob(sqlite3_stmt *statement, int at,
                          struct sl_bytes bytes);
/* A column as it is until the next step. */
struct sl_bytes sl_embedded_text(sqlite3_stmt *statement, int column);
struct sl_bytes sl_embedded_blob(sqlite3_stmt *statement, int column);

/* The first column of a statement's first row; *found is false, and *value 0,
 * where there is none.  The statement is finished. */
int sl_embedded_look_up(sqlite3_stmt *statement, int64_t *value, bool *found);

/* A receipt: the number of a row, and which delivery of it. */
enum { SL_EMBEDDED_RECEIPT_MAX = 48 };
void sl_embedded_make_receipt(char receipt[SL_EMBEDDED_RECEIPT_MAX],
                              int64_t row, int64_t delivery);
bool sl_embedded_parse_receipt(struct sl_bytes receipt, int64_t *row,
                               int64_t *delivery);

/* Answer op with a failure of our own. */
void sl_embedded_refuse(struct sl_op *op, enum sl_status status,
                        const char *why);

/*
 * Delete rows that are over.  `look` finds one, so that nobody is kept waiting
 * where there is none; ?1 is now.  `sweep` deletes at most ?2 of them.  False:
 * there is more.
 *
 * Within a batch that writes: twice as many rows as it has writes, so that
 * sweeping keeps up however much is written.  Else some in each transaction,
 * until the deadline of the file.
 */
bool sl_embedded_sweep(struct sl_embedded *state, sqlite3_stmt *look,
                       sqlite3_stmt *sweep, int64_t now);
/* For a driver's `idle`: the kind's sweep, for a moment. */
bool sl_embedded_idle(void *state);

/* By the clock of the store, now. */
int64_t sl_embedded_now(const struct sl_embedded *state);
/* state->now on CLOCK_BOOTTIME, in nanoseconds. */
int64_t sl_embedded_up_ns(const struct sl_embedded *state);
/* The deadline that is when the clock of the store shows `at`. */
sl_deadline sl_embedded_deadline(const struct sl_embedded *state, int64_t at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SQLite database file of ours, which several processes may share: opening
 * it, waiting for the others, and what its failures mean.
 */
#ifndef SL_DRIVERKIT_SQLITE_H
#define SL_DRIVERKIT_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/deadline.h"
#include "base/error.h"
#include "driverkit/sqlite_limit.h"

/* What is in such a file. */
struct sl_sqlite_format {
    int64_t application_id; /* PRAGMA application_id: the file is ours */
    int64_t version;        /* PRAGMA user_version: of the tables */
    const char *create;     /* makes the tables, and sets both */
    const char *remedy; /* what else gives room back where the file is full, for
                         * the error: "; ..."; NULL: nothing */
};

/* A connection.  Its address must not change while it is open. */
struct sl_sqlite_file {
    const char *path;   /* borrowed */
    const char *remedy; /* of the format; or NULL */
    sqlite3 *handle;
    sl_deadline deadline; /* how long to wait for others; set before each use */
    struct sl_sqlite_limit limit;
    int64_t page_size;
    sqlite3_stmt *page_count, *free_count; /* of pages */
    /* Set by sl_sqlite_explain: what failed had no room within max_bytes. */
    bool full;
};

/* How a file is opened. */
struct sl_sqlite_mode {
    bool flush;     /* a commit is on the disk when it is answered; without, it
                     * survives this process only */
    bool read_only; /* nothing is changed, and the file must be there */
    int64_t max_bytes; /* the most that it may take, with its log;
                        * SL_SQLITE_BYTES_MIN or more (sqlite_limit.h) */
};

/*
 * Fill file and open path, by the deadline, in WAL mode.  The file is made, for
 * this user only, where it is missing, and so is its folder, but not the folder
 * above that: a slip of the pen makes no trees.
 *
 * A file that is not ours, or of a format that we do not know, is SL_INTERNAL
 * and stays as it is.  Call sl_sqlite_close also after a failure.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open(struct sl_sqlite_file *file, const char *path,
               const struct sl_sqlite_mode *mode,
               const struct sl_sqlite_format *format, sl_deadline deadline,
               struct sl_error *err);

/*
 * The same, of a database that may be anybody's: nothing is made in it, but
 * that it is in WAL mode from then on, unless it is only read.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open_any(struct sl_sqlite_file *file, const char *path,
                   const struct sl_sqlite_mode *mode, sl_deadline deadline,
                   struct sl_error *err);

/* All statements are finalized. */
void sl_sqlite_close(struct sl_sqlite_file *file);

/*
 * Fill err with why the last call on file answered code, and return its status.
 * errno is that of the call, or 0 from before it.
 */
enum sl_status sl_sqlite_explain(struct sl_sqlite_file *file, int code,
                                 struct sl_error *err);

/* --- The limit -------------------------------------------------------------
 *
 * A write that has no room within max_bytes fails with SQLITE_FULL, and is
 * SL_TOO_LARGE.  Room comes from what is deleted: its pages are written anew,
 * the file does not shrink.
 */

/* Forget what earlier calls found: the next failure is explained by itself. */
void sl_sqlite_begin_call(struct sl_sqlite_file *file);

/* Whether SQLite failed with `code` as max_bytes leaves no room. */
bool sl_sqlite_is_full(const struct sl_sqlite_file *file, int code);

/*
 * Whether what runs from now on gives room back, so that it may use what is
 * kept for that.  Costs little where the file is not nearly full.
 */
void sl_sqlite_set_frees(struct sl_sqlite_file *file, bool frees);

/* Whether the file has as many pages as it may, so that what writes must ask
 * sl_sqlite_is_over before it commits. */
bool sl_sqlite_is_at_limit(struct sl_sqlite_file *file);

/* Whether more pages are in use than may be, inside a transaction: it has used
 * what is kept for others, and must be rolled back. */
bool sl_sqlite_is_over(struct sl_sqlite_file *file);

/* After a failure by the limit: what is in the log goes to the database, so
 * that the log can begin anew.  Does not wait for readers. */
void sl_sqlite_shorten_log(struct sl_sqlite_file *file);

/* What a database takes.  All are bytes. */
struct sl_sqlite_usage {
    int64_t used;  /* pages that hold something */
    int64_t limit; /* the most that `used` may be */
    int64_t
        files; /* the database, its log and its index of that, on the disk */
};

/*
 * Read the above of the file at path, which need not be there, with a
 * connection of its own that changes nothing.  Any thread.  False: it cannot be
 * read.
 */
bool sl_sqlite_usage(const char *path, int64_t max_bytes,
                     struct sl_sqlite_usage *out);

#endif

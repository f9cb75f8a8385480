/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SQLite database file that processes may share: opening it, waiting for
 * locks, and the meaning of its errors.
 */
#ifndef SL_DRIVERKIT_SQLITE_H
#define SL_DRIVERKIT_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/deadline.h"
#include "base/error.h"
#include "driverkit/sqlite_limit.h"

/* The format of a file. */
struct sl_sqlite_format {
    int64_t application_id; /* PRAGMA application_id: identifies our files */
    int64_t version;        /* PRAGMA user_version: the version of the tables */
    const char *create;     /* creates the tables and sets both */
    /* What else frees room in a full file, for the error: "; ...", or NULL. */
    const char *remedy;
};

/* A connection.  Its address must not change while it is open. */
struct sl_sqlite_file {
    const char *path;   /* borrowed */
    const char *remedy; /* of the format; or NULL */
    sqlite3 *handle;
    sl_deadline deadline; /* for waiting for locks; set before each use */
    struct sl_sqlite_limit limit;
    int64_t page_size;
    sqlite3_stmt *page_count, *free_count; /* of pages */
    /* Set by sl_sqlite_explain: the failure was for lack of room in
     * max_bytes. */
    bool full;
};

/* How a file is opened. */
struct sl_sqlite_mode {
    /* A commit is on the disk when it is answered; otherwise it survives only
     * a crash of the process. */
    bool flush;
    bool read_only; /* the file is not changed and must exist */
    /* The most bytes of the file and its log; SL_SQLITE_BYTES_MIN or more. */
    int64_t max_bytes;
};

/*
 * Fill file and open path by the deadline, in WAL mode.  A missing file is
 * created for this user only, and so is its folder, but not the parents of
 * that: a typing error must not create a tree.
 *
 * A file of another program or of an unknown version is SL_INTERNAL and is not
 * changed.  Call sl_sqlite_close also after a failure.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open(struct sl_sqlite_file *file, const char *path,
               const struct sl_sqlite_mode *mode,
               const struct sl_sqlite_format *format, sl_deadline deadline,
               struct sl_error *err);

/*
 * The same for a database of any program: nothing is created in it, except that
 * it is switched to WAL mode unless it is opened read-only.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open_any(struct sl_sqlite_file *file, const char *path,
                   const struct sl_sqlite_mode *mode, sl_deadline deadline,
                   struct sl_error *err);

/* All statements have been finalized. */
void sl_sqlite_close(struct sl_sqlite_file *file);

/*
 * Fill err with the reason of the last call's code, and return its status.
 * errno is that of the call, or 0.
 */
enum sl_status sl_sqlite_explain(struct sl_sqlite_file *file, int code,
                                 struct sl_error *err);

/* --- The limit ----------------------------------------------------------
 *
 * A write that exceeds max_bytes fails with SQLITE_FULL and is SL_RESOURCE_EXHAUSTED.
 * Deleting frees room: its pages are reused; the file does not shrink.
 */

/* Reset what earlier failures have set. */
void sl_sqlite_begin_call(struct sl_sqlite_file *file);

/* Whether `code` means that max_bytes leaves no room. */
bool sl_sqlite_is_full(const struct sl_sqlite_file *file, int code);

/*
 * Whether the following statements free room, so that they may use the reserve.
 * Cheap unless the file is nearly full.
 */
void sl_sqlite_set_frees(struct sl_sqlite_file *file, bool frees);

/* Whether the file has reached its limit of pages, so that a write must check
 * sl_sqlite_is_over before its commit. */
bool sl_sqlite_is_at_limit(struct sl_sqlite_file *file);

/* Inside a transaction: whether it has used the reserve and must be rolled
 * back. */
bool sl_sqlite_is_over(struct sl_sqlite_file *file);

/* After a failure by the limit: checkpoint the log, so that it can be reused.
 * Does not wait for readers. */
void sl_sqlite_shorten_log(struct sl_sqlite_file *file);

/* The size of a database, in bytes. */
struct sl_sqlite_usage {
    int64_t used;  /* pages in use */
    int64_t limit; /* the most that `used` may be */
    int64_t files; /* the database, its log and the -shm file, on the disk */
};

/*
 * Read the usage of the file at path, which need not exist, through a read-only
 * connection.  Any thread.  False: it cannot be read.
 */
bool sl_sqlite_usage(const char *path, int64_t max_bytes,
                     struct sl_sqlite_usage *out);

#endif

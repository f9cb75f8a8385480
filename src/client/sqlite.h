/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SQLite database file of ours, which several processes may share: opening
 * it, waiting for the others, and what its failures mean.
 */
#ifndef SL_CLIENT_SQLITE_H
#define SL_CLIENT_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/deadline.h"
#include "base/error.h"

/* What is in such a file. */
struct sl_sqlite_format {
    int64_t application_id; /* PRAGMA application_id: the file is ours */
    int64_t version;        /* PRAGMA user_version: of the tables */
    const char *create;     /* makes the tables, and sets both */
};

/* A connection.  Its address must not change while it is open. */
struct sl_sqlite_file {
    const char *path; /* borrowed */
    sqlite3 *handle;
    sl_deadline deadline; /* how long to wait for others; set before each use */
};

/*
 * Fill file and open path, by the deadline, in WAL mode.  The file is made, for
 * this user only, where it is missing, and so is its folder, but not the folder
 * above that: a slip of the pen makes no trees.  With `flush` a commit is on
 * the disk when it is answered; without, it survives this process only.
 *
 * A file that is not ours, or of a format that we do not know, is SL_INTERNAL
 * and stays as it is.  Call sl_sqlite_close also after a failure.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open(struct sl_sqlite_file *file, const char *path, bool flush,
               const struct sl_sqlite_format *format, sl_deadline deadline,
               struct sl_error *err);

/*
 * The same, of a database that may be anybody's: nothing is made in it, but
 * that it is in WAL mode from then on.  With `read_only` nothing at all is
 * changed, and the file must be there.
 */
SL_MUST_CHECK enum sl_status
sl_sqlite_open_any(struct sl_sqlite_file *file, const char *path, bool flush,
                   bool read_only, sl_deadline deadline, struct sl_error *err);

/* All statements are finalized. */
void sl_sqlite_close(struct sl_sqlite_file *file);

/*
 * Fill err with why the last call on file answered code, and return its status.
 * errno is that of the call, or 0 from before it.
 */
enum sl_status sl_sqlite_explain(const struct sl_sqlite_file *file, int code,
                                 struct sl_error *err);

#endif

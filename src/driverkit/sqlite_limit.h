/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits the bytes that one connection lets a SQLite database take, including
 * its write-ahead log and its temporary files.
 *
 * PRAGMA max_page_count limits only the database, so each connection has a VFS
 * that wraps SQLite's (https://www.sqlite.org/vfs.html).  It refuses writes
 * that would make the log or the temporary files too long with SQLITE_FULL, as
 * PRAGMA max_page_count does.
 *
 * Of max_bytes, twice `log` is kept for the log, and `reserve` for statements
 * that free room: a deletion takes pages before it frees some.
 */
#ifndef SL_DRIVERKIT_SQLITE_LIMIT_H
#define SL_DRIVERKIT_SQLITE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#define SL_SQLITE_BYTES_MIN (INT64_C(1) << 20)
/* Of the temporary files of a connection, or max_bytes if that is less. */
#define SL_SQLITE_TEMPORARY_MAX (INT64_C(1) << 30)

/* Of one connection; one thread at a time.  Its address must not change. */
struct sl_sqlite_limit {
    sqlite3_vfs vfs; /* first: the VFS is cast to its limit */
    sqlite3_vfs *base;
    char name[40]; /* of the VFS */
    bool registered;

    int64_t max_bytes;
    int64_t log;     /* the guaranteed size of the log */
    int64_t reserve; /* for statements that free room */
    int64_t data;    /* what remains for the database */

    sqlite3_file *database; /* NULL: not open */
    int64_t temporary;      /* bytes of its temporary files */
    bool frees;             /* the running statement may use the reserve */
    bool raised;            /* PRAGMA max_page_count was raised for that */
    bool device_full;       /* the disk was full, not the limit; never reset */
};

/* Divide max_bytes, which is at least SL_SQLITE_BYTES_MIN. */
void sl_sqlite_limit_divide(struct sl_sqlite_limit *limit, int64_t max_bytes);

/* Fill limit and register its VFS as limit->name.  Returns SQLite's code. */
int sl_sqlite_limit_begin(struct sl_sqlite_limit *limit, int64_t max_bytes);

/* The connection is closed.  A zeroed limit is fine. */
void sl_sqlite_limit_end(struct sl_sqlite_limit *limit);

#endif

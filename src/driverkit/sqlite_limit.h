/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most bytes that one connection lets a SQLite database take, its
 * write-ahead log and its temporary files included.
 *
 * PRAGMA max_page_count bounds the database alone, so that a VFS of the
 * connection's own stands before SQLite's (https://www.sqlite.org/vfs.html). It
 * refuses what would make the log or the temporary files too long, by
 * SQLITE_FULL, as PRAGMA max_page_count does.
 *
 * Of max_bytes, twice `log` is kept for the log, and `reserve` for what frees
 * room: to delete takes pages, too, before it gives some back.
 */
#ifndef SL_DRIVERKIT_SQLITE_LIMIT_H
#define SL_DRIVERKIT_SQLITE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#define SL_SQLITE_BYTES_MIN (INT64_C(1) << 20)
/* Of the temporary files of a connection; max_bytes where that is less. */
#define SL_SQLITE_TEMPORARY_MAX (INT64_C(1) << 30)

/* Of one connection; one thread at a time.  Its address must not change. */
struct sl_sqlite_limit {
    sqlite3_vfs vfs; /* first: a VFS of ours is its limit */
    sqlite3_vfs *base;
    char name[40]; /* of the VFS */
    bool registered;

    int64_t max_bytes;
    int64_t log;     /* what the log may always have */
    int64_t reserve; /* for what frees room */
    int64_t data;    /* what is left for the database */

    sqlite3_file *database; /* NULL: not open */
    int64_t temporary;      /* bytes of its temporary files */
    bool frees;             /* what runs now may use the reserve */
    bool raised;            /* PRAGMA max_page_count is, for that */
    bool device_full;       /* the disk, and not we, had no room; sticks */
};

/* How max_bytes (at least SL_SQLITE_BYTES_MIN) is divided. */
void sl_sqlite_limit_divide(struct sl_sqlite_limit *limit, int64_t max_bytes);

/* Fill limit and register its VFS, which is called limit->name.  SQLite's code.
 */
int sl_sqlite_limit_begin(struct sl_sqlite_limit *limit, int64_t max_bytes);

/* The connection is closed.  A zeroed limit is fine. */
void sl_sqlite_limit_end(struct sl_sqlite_limit *limit);

#endif

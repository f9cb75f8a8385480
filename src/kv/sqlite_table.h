/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys and values in a SQLite file: one request at a time, inside
 * or outside of a transaction.  For sqlite.c, which makes batches of them.
 *
 * What answers an int answers SQLite's code, for sl_sqlite_explain.
 */
#ifndef SL_KV_SQLITE_TABLE_H
#define SL_KV_SQLITE_TABLE_H

#include "client/sqlite.h"
#include "kv/driver.h"

enum { SL_SQLITE_STATEMENTS = 15 };

/* A connection with its statements. */
struct sl_sqlite_table {
    struct sl_sqlite_file file;
    sqlite3_stmt *statements[SL_SQLITE_STATEMENTS];
    int64_t version;     /* the last one that was given */
    int64_t version_end; /* the last one that may be */
};

/* As sl_sqlite_open; close it also after a failure. */
SL_MUST_CHECK enum sl_status sl_sqlite_table_open(struct sl_sqlite_table *table,
                                                  const char *path, bool flush,
                                                  sl_deadline deadline,
                                                  struct sl_error *err);
void sl_sqlite_table_close(struct sl_sqlite_table *table);

/* A transaction for writing. */
int sl_sqlite_begin(struct sl_sqlite_table *table);
int sl_sqlite_commit(struct sl_sqlite_table *table);
/* After any failure since sl_sqlite_begin, its own and that of commit too. */
void sl_sqlite_roll_back(struct sl_sqlite_table *table);

/*
 * Do what op asks.  SQLITE_OK: op is answered, be it with a failure that has
 * nothing to do with SQLite.  What writes must be inside a transaction.
 */
int sl_sqlite_do(struct sl_sqlite_table *table, struct sl_op *op);

/* Delete some rows that have expired; whether there may be more. */
bool sl_sqlite_sweep(struct sl_sqlite_table *table);

#endif

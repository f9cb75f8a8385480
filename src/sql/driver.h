/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of relational databases must do, besides what service/driver.h
 * asks of every driver.
 *
 * Requests arrive checked: each has one statement of the driver's dialect, as
 * many values as placeholders, and valid literals for the types of the values.
 *
 *   QUERY         Run the statement and answer all its rows.  Where they do not
 *                 fit, undo the statement and fail with SL_TOO_LARGE.
 *   EXECUTE       Run the statement, discard its rows and answer the counts.
 *   EXECUTE_MANY  Run the statement once for each set of values, all or none.
 *   BEGIN         Begin a transaction.  The connection has none.
 *   COMMIT        Commit the transaction.  SL_CONFLICT where it has failed, and
 *                 then roll it back; SL_CONFLICT where there is none.
 *   ROLLBACK      Roll the transaction back.  Succeeds where there is none.
 *   CURSOR_OPEN   Run the statement and keep its rows for CURSOR_NEXT.
 *                 SL_READ_ONLY where it does more than read.
 *   CURSOR_NEXT   Answer the next `limit` rows: fewer where the answer is full,
 *                 but at least one; none at the end.  SL_NOT_FOUND where no
 *                 cursor has this number.
 *   CURSOR_CLOSE  Close the cursor.  Succeeds where there is none.
 *
 * For all verbs:
 *
 *   - A request with in_transaction fails with SL_CONFLICT where the state has
 *     no transaction, or one that has failed.
 *   - The rows of an answer take at most *op->answer_budget bytes, as result.h counts.
 *   - A request that failed because another transaction was first is
 *     SL_ABORTED: nothing of its transaction has taken effect.
 *   - A write in a transaction that is read_only, or by the statement of a
 *     cursor, is SL_READ_ONLY: the database refuses it, also in a function.
 *   - Without a session, a request leaves the state as it found it: the driver
 *     refuses what would stay behind (temporary tables, variables), or resets
 *     the state.
 *   - `reset` closes the cursors and rolls back.
 *
 * session.h keeps the rules on transactions for all drivers.
 */
#ifndef SL_SQL_DRIVER_H
#define SL_SQL_DRIVER_H

#include "service/driver.h"
#include "sql/lexer.h"
#include "sql/result.h"
#include "sql/sql.h"

/* What only some databases can do.  A missing feature is SL_UNSUPPORTED. */
enum sl_sql_feature {
    SL_SQL_FEATURE_NAN = 1 << 0,            /* a float64 that is NaN */
    SL_SQL_FEATURE_INFINITY = 1 << 1,       /* an infinite float64 */
    SL_SQL_FEATURE_LAST_INSERT_ID = 1 << 2, /* without RETURNING */
    SL_SQL_FEATURE_WRITERS = 1 << 3,        /* concurrent write transactions */
    SL_SQL_FEATURE_SHARED = 1 << 4,    /* other processes see the same data */
    SL_SQL_FEATURE_RETURNING = 1 << 5, /* writing statements can return rows */
    SL_SQL_FEATURE_SCHEMAS = 1 << 6,   /* transactions undo CREATE, DROP … */
};

/* A driver of this capability.  sl_sql_drivers points to its first member. */
struct sl_sql_driver {
    struct sl_driver driver;
    unsigned dialect; /* of enum sl_sql_dialect */
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes
 * drivers.c). */
extern const struct sl_driver *const sl_sql_drivers[];
extern const char *const sl_sql_drivers_left_out[];

#endif

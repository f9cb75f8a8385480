/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of relational databases does, beside what service/driver.h asks
 * of every driver.  Requests have been checked: one statement of the dialect,
 * with as many placeholders as values, which have the form of their type.
 *
 *   QUERY         do the statement, all its rows into the answer; nothing of it
 *                 stays where the rows do not fit (SL_TOO_LARGE).
 *   EXECUTE       do it, throw rows away, count.
 *   EXECUTE_MANY  do it for each set, all or none.
 *   BEGIN         begin a transaction in this state, which has none.
 *   COMMIT        end it; in a transaction that has failed, roll back and
 * answer SL_CONFLICT.  In a state without one: SL_CONFLICT. ROLLBACK      end
 * it; in a state without one there is nothing to do. CURSOR_OPEN   as QUERY, of
 * a statement that only reads (any other is SL_INVALID_ARGUMENT), and keep the
 * rows for CURSOR_NEXT. CURSOR_NEXT   up to `limit` rows, fewer where the
 * answer has no room, but then at least one.  A number that is none:
 * SL_NOT_FOUND. CURSOR_CLOSE  forget it.
 *
 * With in_transaction in a state that has none, or one that failed:
 * SL_CONFLICT. An answer's rows are at most *op->room bytes (result.h counts).
 * In a failed answer a driver sets `retryable` where a transaction, begun anew,
 * may succeed. Without a session a state is given back as it was: a driver
 * refuses whatever would stay behind (temporary tables, variables), or resets
 * it. `reset` rolls back and closes the cursors.
 */
#ifndef SL_SQL_DRIVER_H
#define SL_SQL_DRIVER_H

#include "service/driver.h"
#include "sql/lexer.h"
#include "sql/result.h"
#include "sql/sql.h"

/* What not every database can do; what is missing is SL_UNSUPPORTED. */
enum sl_sql_feature {
    SL_SQL_FEATURE_NAN = 1 << 0,            /* float64 that is NaN */
    SL_SQL_FEATURE_INFINITY = 1 << 1,       /* float64 without end */
    SL_SQL_FEATURE_LAST_INSERT_ID = 1 << 2, /* told without RETURNING */
    SL_SQL_FEATURE_WRITERS = 1 << 3,   /* transactions write side by side */
    SL_SQL_FEATURE_SHARED = 1 << 4,    /* other processes see the same */
    SL_SQL_FEATURE_RETURNING = 1 << 5, /* rows of what writes */
    SL_SQL_FEATURE_SCHEMAS = 1 << 6, /* transactions undo CREATE and its kin */
};

/* A driver of this capability; sl_sql_drivers point to its first member. */
struct sl_sql_driver {
    struct sl_driver driver;
    unsigned dialect; /* of enum sl_sql_dialect */
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes drivers.c). */
extern const struct sl_driver *const sl_sql_drivers[];
extern const char *const sl_sql_drivers_left_out[];

#endif

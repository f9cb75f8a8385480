/* SPDX-License-Identifier: Apache-2.0 */
/* SQL functions that stop at the deadline of the statement. */
#ifndef SL_SQL_SQLITE_FUNCTION_H
#define SL_SQL_SQLITE_FUNCTION_H

#include "sql/sqlite/connection.h"

/* The user data of a function. */
struct sl_sql_sqlite_function {
    const struct sl_sql_sqlite_conn *conn;
    bool at_begin, at_end; /* trim */
};

/* The work of one call. */
struct sl_sql_sqlite_steps {
    const struct sl_sql_sqlite_conn *conn;
    unsigned taken;
    bool late;
};

struct sl_sql_sqlite_steps sl_sql_sqlite_steps(sqlite3_context *context);
/* Count a step.  False: the deadline has passed, and `late` is set. */
bool sl_sql_sqlite_count_step(struct sl_sql_sqlite_steps *steps);
/* If it is late, fail the call, and so the statement, with SQLITE_INTERRUPT. */
bool sl_sql_sqlite_fail_if_late(sqlite3_context *context,
                                const struct sl_sql_sqlite_steps *steps);

/* --- pattern.c ---------------------------------------------------------- */

void sl_sql_sqlite_run_like(sqlite3_context *context, int count,
                            sqlite3_value **values);
void sl_sql_sqlite_run_glob(sqlite3_context *context, int count,
                            sqlite3_value **values);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of SQL that end at the deadline of the statement. */
#ifndef SL_SQL_SQLITE_FUNCTION_H
#define SL_SQL_SQLITE_FUNCTION_H

#include "sql/sqlite/state.h"

/* What SQLite keeps for one of them. */
struct sl_sql_sqlite_function {
    const struct sl_sql_sqlite *sqlite;
    bool at_begin, at_end; /* trim */
};

/* Of one call. */
struct sl_sql_sqlite_steps {
    const struct sl_sql_sqlite *sqlite;
    unsigned taken;
    bool late;
};

struct sl_sql_sqlite_steps sl_sql_sqlite_steps(sqlite3_context *context);
/* False, from now on late: the deadline passed. */
bool sl_sql_sqlite_step(struct sl_sql_sqlite_steps *steps);
/* Where it did: the call, and the statement, fail with SQLITE_INTERRUPT. */
bool sl_sql_sqlite_end_if_late(sqlite3_context *context,
                               const struct sl_sql_sqlite_steps *steps);

/* --- sqlite_pattern.c --- */

void sl_sql_sqlite_like(sqlite3_context *context, int count,
                        sqlite3_value **values);
void sl_sql_sqlite_glob(sqlite3_context *context, int count,
                        sqlite3_value **values);

#endif

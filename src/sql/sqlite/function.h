/* SPDX-License-Identifier: Apache-2.0 */
/* SQL functions that stop at the deadline of the statement. */
#ifndef SL_SQL_SQLITE_FUNCTION_H
#define SL_SQL_SQLITE_FUNCTION_H

#include "sql/sqlite/connection.h"

/* The user data of a function. */
struct sl_sql_sqlite_function {
    const struct sl_sql_sqlite_conn *conn;
    bool at_begin, at_end; /* trim */
    /* json_patch: a database in which SQLite's own function is not replaced, and
     * a statement that calls it; made when they are first needed. */
    const char *helper_sql;
    sqlite3 *helper;
    sqlite3_stmt *helper_statement;
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

/* --- json_patch.c ------------------------------------------------------- */

/* What SQLITE_TOOBIG says of a call that would take too long. */
#define SL_SQL_SQLITE_PATCH_TOO_LARGE                                          \
    "json_patch of objects that both have many members takes too long; patch " \
    "a smaller part, or with fewer members at a time"

void sl_sql_sqlite_run_json_patch(sqlite3_context *context, int count,
                                  sqlite3_value **values);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of sql.sqlite on one of its connections. */
#ifndef SL_SQL_SQLITE_RUN_H
#define SL_SQL_SQLITE_RUN_H

#include "sql/sqlite/state.h"

/* Answer op, by its deadline. */
void sl_sql_sqlite_run(struct sl_sql_sqlite *sqlite, struct sl_op *op);

/* Close the cursors and roll back what is open. */
void sl_sql_sqlite_end(struct sl_sql_sqlite *sqlite);

/* --- sqlite_cursor.c --- */

/* Each fills the answer of op, or err. */
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_cursor_open(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                          struct sl_error *err);
SL_MUST_CHECK enum sl_status
sl_sql_sqlite_cursor_next(struct sl_sql_sqlite *sqlite, struct sl_op *op,
                          struct sl_error *err);
void sl_sql_sqlite_cursor_close(struct sl_sql_sqlite *sqlite, uint64_t number);
void sl_sql_sqlite_close_cursors(struct sl_sql_sqlite *sqlite);

#endif

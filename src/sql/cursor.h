/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursors of a connection: an array of SL_SQL_CURSORS_MAX structs of the
 * driver, which begin with SL_SQL_CURSOR_HEAD and have this size.
 */
#ifndef SL_SQL_CURSOR_H
#define SL_SQL_CURSOR_H

#include "sql/driver.h"

/* The head of a driver's struct.  Number 0: it is free. */
#define SL_SQL_CURSOR_HEAD uint64_t number;

/* A number is never reused, so the cursor of a lost connection is not found. */
uint64_t sl_sql_cursor_next_number(void);

/* The cursor with this number; NULL: there is none. */
void *sl_sql_cursor_find(void *cursors, size_t size, uint64_t number);
/* The cursor of a CURSOR_NEXT.  NULL: err has SL_NOT_FOUND. */
void *sl_sql_cursor_of(void *cursors, size_t size, const struct sl_op *op,
                       struct sl_error *err);
/* A free one.  NULL: err has SL_TOO_LARGE. */
void *sl_sql_cursor_free(void *cursors, size_t size, struct sl_error *err);

/* Fail, because the statement does more than read. */
enum sl_status sl_sql_cursor_only_reads(struct sl_error *err);

#endif

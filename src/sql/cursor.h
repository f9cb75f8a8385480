/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursors of a connection: an array of SL_SQL_CURSORS_MAX structs of the
 * driver's own, of this size, each of which begins with its number.
 */
#ifndef SL_SQL_CURSOR_H
#define SL_SQL_CURSOR_H

#include "sql/driver.h"

/* Begins a driver's struct; 0: this one is free. */
#define SL_SQL_CURSOR_HEAD uint64_t number;

/* Never used twice, so that none of a lost connection is found again. */
uint64_t sl_sql_cursor_next_number(void);

/* The cursor of this number, which is not 0; or NULL. */
void *sl_sql_cursor_find(void *cursors, size_t size, uint64_t number);
/* The one that op asks for more of; NULL: SL_NOT_FOUND is in err. */
void *sl_sql_cursor_of(void *cursors, size_t size, const struct sl_op *op,
                       struct sl_error *err);
/* A free one; NULL: SL_TOO_LARGE is in err. */
void *sl_sql_cursor_free(void *cursors, size_t size, struct sl_error *err);

/* What is said of a statement that does more than read. */
enum sl_status sl_sql_cursor_only_reads(struct sl_error *err);

#endif

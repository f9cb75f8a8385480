/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of an answer, as a driver puts them there one value after the other.
 * What they may hold is limited: each value counts as wit/sql/sql.wit says.
 */
#ifndef SL_SQL_RESULT_H
#define SL_SQL_RESULT_H

#include "sql/sql.h"

struct sl_sql_result;

/*
 * A result of at most `room` bytes, and never NULL.  It becomes an answer's, or
 * is freed.
 */
struct sl_sql_result *sl_sql_result_new(size_t room);
void sl_sql_result_free(struct sl_sql_result *result); /* NULL is fine */

/*
 * Add a column, before the first value.  The texts are copied, as UTF-8: bytes
 * that are none become `?`.  SL_TOO_LARGE where there is no room.
 */
SL_MUST_CHECK enum sl_status sl_sql_result_column(struct sl_sql_result *result,
                                                  struct sl_bytes name,
                                                  struct sl_bytes type_name,
                                                  struct sl_error *err);

/* Give column i, which has none, its type_name; as above. */
SL_MUST_CHECK enum sl_status
sl_sql_result_type_name(struct sl_sql_result *result, size_t i,
                        struct sl_bytes type_name, struct sl_error *err);

/* Add a value; its bytes are copied.  SL_TOO_LARGE where there is no room. */
SL_MUST_CHECK enum sl_status
sl_sql_result_value(struct sl_sql_result *result,
                    const struct sl_sql_value *value, struct sl_error *err);

/* The row is complete: it has as many values as were added since the last. */
void sl_sql_result_end_row(struct sl_sql_result *result);

/* Take away the values that were added since the last row. */
void sl_sql_result_drop_row(struct sl_sql_result *result);

size_t sl_sql_result_rows(const struct sl_sql_result *result);

/* Hand everything over to answer. */
void sl_sql_result_give(struct sl_sql_result *result,
                        struct sl_sql_answer *answer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of an answer, which a driver adds value by value.  A budget limits
 * their size; each value counts as wit/sql/sql.wit says.
 */
#ifndef SL_SQL_RESULT_H
#define SL_SQL_RESULT_H

#include "sql/sql.h"

struct sl_sql_result;

/*
 * A result of at most `budget` bytes; never NULL.  It is given to an answer, or
 * freed.
 */
struct sl_sql_result *sl_sql_result_new(size_t budget);
void sl_sql_result_free(struct sl_sql_result *result); /* NULL is fine */

/*
 * Add a column, before the first value.  The texts are copied; bytes that are
 * not UTF-8 become `?`.  SL_TOO_LARGE where the budget is used up.
 */
SL_MUST_CHECK enum sl_status sl_sql_result_column(struct sl_sql_result *result,
                                                  struct sl_bytes name,
                                                  struct sl_bytes type_name,
                                                  struct sl_error *err);

/* Set the type_name of column i, which has none; as above. */
SL_MUST_CHECK enum sl_status
sl_sql_result_type_name(struct sl_sql_result *result, size_t i,
                        struct sl_bytes type_name, struct sl_error *err);

/*
 * Add a value; its bytes are copied.  SL_TOO_LARGE where the budget is used up.
 */
SL_MUST_CHECK enum sl_status
sl_sql_result_value(struct sl_sql_result *result,
                    const struct sl_sql_value *value, struct sl_error *err);

/* Complete a row of the values that were added since the last one. */
void sl_sql_result_end_row(struct sl_sql_result *result);

/* Remove the values that were added since the last row. */
void sl_sql_result_drop_row(struct sl_sql_result *result);

/* Fail, because a result would exceed its budget. */
enum sl_status sl_sql_result_fail_full(size_t budget, struct sl_error *err);

/* What the rows of an answer take, as its budget counts it. */
size_t sl_sql_result_bytes(const struct sl_sql_answer *answer);
size_t sl_sql_result_rows(const struct sl_sql_result *result);

/* Hand everything over to answer where status is SL_OK, else free the result.
 * Returns status.  NULL is fine. */
enum sl_status sl_sql_result_finish(struct sl_sql_result *result,
                                    enum sl_status status,
                                    struct sl_sql_answer *answer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The literal syntax of the types of wit/sql/sql.wit that are written as text.
 * Each function tells whether text is a valid literal.
 */
#ifndef SL_SQL_LITERAL_H
#define SL_SQL_LITERAL_H

#include "base/bytes.h"

/* Digits, with an optional sign, point and exponent. */
bool sl_sql_is_decimal(struct sl_bytes text);
/* A day of the calendar, such as 2026-11-23. */
bool sl_sql_is_date(struct sl_bytes text);
/* 13:37:00, with up to nine digits of a fraction. */
bool sl_sql_is_time(struct sl_bytes text);
/* A date, the separator (T in the WIT) and a time, perhaps with an offset: Z or
 * +01:00. */
bool sl_sql_is_timestamp(struct sl_bytes text, char separator);
bool sl_sql_is_uuid(struct sl_bytes text);

enum { SL_SQL_UUID_LEN = 36 };

/* Copy a valid UUID in lower case. */
void sl_sql_lower_uuid(struct sl_bytes uuid, char out[SL_SQL_UUID_LEN]);
/* month is 1 to 12. */
int sl_sql_days_in_month(int year, int month);

/* One JSON value, nested at most SL_SQL_JSON_DEPTH_MAX deep. */
bool sl_sql_is_json(struct sl_bytes text);

#endif

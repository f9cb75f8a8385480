/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms that wit/sql/sql.wit gives to values that are written as text.
 * Each function tells whether text has the form; none fails.
 */
#ifndef SL_SQL_FORM_H
#define SL_SQL_FORM_H

#include "base/bytes.h"

/* Digits, with an optional sign, point and exponent. */
bool sl_sql_is_decimal(struct sl_bytes text);
/* A day of the calendar, as 2026-11-23. */
bool sl_sql_is_date(struct sl_bytes text);
/* 13:37:00, with up to nine digits of a fraction. */
bool sl_sql_is_time(struct sl_bytes text);
/* A date, `between` (a T, where the WIT decides) and a time, perhaps with an
 * offset: Z or +01:00. */
bool sl_sql_is_timestamp(struct sl_bytes text, char between);
bool sl_sql_is_uuid(struct sl_bytes text);
/* One JSON value, nested at most SL_SQL_JSON_DEPTH_MAX deep. */
bool sl_sql_is_json(struct sl_bytes text);

#endif

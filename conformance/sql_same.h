/* SPDX-License-Identifier: Apache-2.0 */
/* When a value that comes back is the one that was written. */
#ifndef CONFORMANCE_SQL_SAME_H
#define CONFORMANCE_SQL_SAME_H

#include "sql_cases.h"

/*
 * Of the same type, and the same number, instant or text: a database may write
 * a decimal, a fraction of a second, an offset or JSON in another way.
 */
bool sql_same(const struct sql_value *a, const struct sql_value *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/cursor.h"

#include <stdatomic.h>

uint64_t sl_sql_cursor_next_number(void)
{
    static _Atomic uint64_t last;

    return atomic_fetch_add(&last, 1) + 1;
}

/* Number 0 finds a free one. */
static void *find_number(void *cursors, size_t size, uint64_t number)
{
    for (size_t i = 0; i < SL_SQL_CURSORS_MAX; i++) {
        void *cursor = (char *)cursors + i * size;
        if (*(const uint64_t *)cursor == number)
            return cursor;
    }
    return NULL;
}

void *sl_sql_cursor_find(void *cursors, size_t size, uint64_t number)
{
    return number == 0 ? NULL : find_number(cursors, size, number);
}

void *sl_sql_cursor_of(void *cursors, size_t size, const struct sl_op *op,
                       struct sl_error *err)
{
    const struct sl_sql_request *request = op->request;
    void *cursor = sl_sql_cursor_find(cursors, size, request->cursor);

    if (cursor == NULL)
        (void)sl_fail(err, SL_NOT_FOUND,
                      "the cursor is closed: it has failed, or its transaction "
                      "has ended");
    return cursor;
}

void *sl_sql_cursor_free(void *cursors, size_t size, struct sl_error *err)
{
    void *cursor = find_number(cursors, size, 0);

    if (cursor == NULL)
        (void)sl_fail(err, SL_RESOURCE_EXHAUSTED,
                      "%d cursors are already open in this transaction",
                      SL_SQL_CURSORS_MAX);
    return cursor;
}

enum sl_status sl_sql_cursor_only_reads(struct sl_error *err)
{
    return sl_fail(err, SL_READ_ONLY,
                   "the statement of a cursor may only read; use query");
}

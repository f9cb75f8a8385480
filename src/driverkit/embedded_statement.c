/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of the embedded drivers: running them, their values, receipts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driverkit/embedded.h"

int sl_embedded_finish(sqlite3_stmt *statement)
{
    int code = sqlite3_reset(statement); /* the code of the last step */

    sqlite3_clear_bindings(statement);
    return code;
}

int sl_embedded_perform(sqlite3_stmt *statement)
{
    errno = 0;                     /* for sl_sqlite_explain */
    (void)sqlite3_step(statement); /* finish returns its code */
    return sl_embedded_finish(statement);
}

int sl_embedded_query_integer(sqlite3_stmt *statement, int64_t *value,
                              bool *found)
{
    *found = sqlite3_step(statement) == SQLITE_ROW;
    *value = *found ? sqlite3_column_int64(statement, 0) : 0;
    return sl_embedded_finish(statement);
}

void sl_embedded_make_receipt(char receipt[SL_EMBEDDED_RECEIPT_MAX],
                              int64_t row, int64_t delivery)
{
    snprintf(receipt, SL_EMBEDDED_RECEIPT_MAX, "%" PRId64 ".%" PRId64, row,
             delivery);
}

bool sl_embedded_parse_receipt(struct sl_bytes receipt, int64_t *row,
                               int64_t *delivery)
{
    const uint8_t *dot =
        receipt.len > 0 ? memchr(receipt.ptr, '.', receipt.len) : NULL;

    if (dot == NULL)
        return false;
    size_t before = (size_t)(dot - receipt.ptr);
    return sl_bytes_to_integer(SL_BYTES(receipt.ptr, before), row) &&
           sl_bytes_to_integer(SL_BYTES(dot + 1, receipt.len - before - 1),
                               delivery);
}

void sl_embedded_bind_text(sqlite3_stmt *statement, int at,
                           struct sl_bytes text)
{
    sqlite3_bind_text(statement, at, (const char *)text.ptr, (int)text.len,
                      SQLITE_STATIC);
}

int sl_embedded_bind_blob(sqlite3_stmt *statement, int at,
                          struct sl_bytes bytes)
{
    return sqlite3_bind_blob64(statement, at,
                               bytes.len > 0 ? (const void *)bytes.ptr : "",
                               bytes.len, SQLITE_STATIC);
}

struct sl_bytes sl_embedded_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return SL_BYTES(text, (size_t)sqlite3_column_bytes(statement, column));
}

struct sl_bytes sl_embedded_blob(sqlite3_stmt *statement, int column)
{
    const void *blob = sqlite3_column_blob(statement, column);

    return SL_BYTES(blob, (size_t)sqlite3_column_bytes(statement, column));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that may be values: what we take for a date, a time or JSON, SQLite
 * does too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "sql/literal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Whether the query, of one parameter, answers 1. */
static bool sqlite_says(const char *query, struct sl_bytes text)
{
    static sqlite3 *handle;
    sqlite3_stmt *statement = NULL;

    if (handle == NULL)
        must(sqlite3_open(":memory:", &handle) == SQLITE_OK);
    must(sqlite3_prepare_v2(handle, query, -1, &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text(statement, 1, (const char *)text.ptr, (int)text.len,
                      SQLITE_STATIC);
    bool yes = sqlite3_step(statement) == SQLITE_ROW &&
               sqlite3_column_int(statement, 0) == 1;
    sqlite3_finalize(statement);
    return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_bytes text = {data, size};

    if (size > 65536 || !sl_bytes_are_text(text))
        return 0;
    if (sl_sql_is_json(text))
        must(sqlite_says("SELECT json_valid(?)", text));
    if (sl_sql_is_date(text))
        must(sqlite_says("SELECT date(?1) = ?1", text));
    if (sl_sql_is_time(text))
        must(sqlite_says("SELECT time(?1) = substr(?1, 1, 8)", text));
    for (const char *between = "T "; *between != '\0'; between++)
        if (sl_sql_is_timestamp(text, *between))
            must(sqlite_says("SELECT date(substr(?1, 1, 10)) IS NOT NULL AND "
                             "time(substr(?1, 12, 8)) IS NOT NULL",
                             text));
    if (sl_sql_is_decimal(text))
        must(sqlite_says("SELECT typeof(?1 + 0) IN ('integer', 'real')", text));
    if (sl_sql_is_uuid(text))
        must(size == 36);
    return 0;
}

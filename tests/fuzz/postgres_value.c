/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a server sends as a value: the first byte says of which type, and
 * whether as bytes or as text; what comes out has the form of its type.  The
 * same as the text of an error, and as a statement.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sql/literal.h"
#include "sql/postgres/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_form(const struct sl_sql_value *value)
{
    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_DECIMAL:
        return sl_sql_is_decimal(value->bytes);
    case SL_SQL_DATE:
        return sl_sql_is_date(value->bytes);
    case SL_SQL_TIME:
        return sl_sql_is_time(value->bytes);
    case SL_SQL_TIMESTAMP:
        return sl_sql_is_timestamp(value->bytes, 'T');
    case SL_SQL_UUID:
        return sl_sql_is_uuid(value->bytes);
    case SL_SQL_TEXT:
    case SL_SQL_JSON:
        return sl_bytes_are_text(value->bytes);
    default:
        return true;
    }
}

static void explain(const char *text)
{
    struct sl_error err;

    (void)sl_pg_explain_connect(text, "here", &err);
    if (strpbrk(err.message, "\r\n") != NULL ||
        !sl_bytes_are_text(sl_bytes_of(err.message)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { KINDS = SL_SQL_POSTGRES_JSONB + 1 };
    struct sl_buf buf = SL_BUF(1 << 20);
    struct sl_sql_value value = {.type = SL_SQL_NULL};
    struct sl_error err;

    if (size < 1)
        return 0;
    enum sl_sql_postgres_kind kind =
        (enum sl_sql_postgres_kind)(data[0] % KINDS);
    bool binary = data[0] >= 128;
    char *text = malloc(size); /* a NUL behind, as libpq's values have */
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (sl_sql_postgres_read_value(kind, binary, SL_BYTES(text, size - 1), &buf,
                                   &value, &err) == SL_OK &&
        !has_form(&value))
        abort();
    explain(text);
    (void)sl_sql_postgres_classify(SL_BYTES(text, size - 1));
    free(text);
    sl_buf_done(&buf);
    return 0;
}

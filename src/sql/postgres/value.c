/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way out, from PostgreSQL's binary or text format.  What is
 * not a valid literal in the WIT (infinity, years BC or of five digits, 24:00)
 * comes as text, in the notation of PostgreSQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/literal.h"
#include "sql/postgres/connection.h"

enum { EPOCH_DAYS = 10957 }; /* from 1970 to 2000 */

static const int64_t day_us = INT64_C(86400000000);

static enum sl_status fail_malformed(const char *type, struct sl_error *err)
{
    return sl_fail(err, SL_INTERNAL, "PostgreSQL sent a malformed %s", type);
}

static uint64_t read_big_endian(struct sl_bytes data)
{
    uint64_t number = 0;

    for (size_t i = 0; i < data.len; i++)
        number = number << 8 | data.ptr[i];
    return number;
}

/* The value is what was written to buf. */
static enum sl_status set_from_buf(struct sl_buf *buf, enum sl_sql_type type,
                                   enum sl_status status,
                                   struct sl_sql_value *value)
{
    value->type = type;
    value->bytes = sl_buf_bytes(buf);
    return status;
}

/* --- Bytes: numbers ----------------------------------------------------- */

static enum sl_status read_binary_integer(struct sl_bytes data, size_t size,
                                          struct sl_sql_value *value,
                                          struct sl_error *err)
{
    uint64_t number = read_big_endian(data);

    if (data.len != size)
        return fail_malformed("integer", err);
    value->type = SL_SQL_INT64;
    value->int64 = size == 2   ? (int16_t)number
                   : size == 4 ? (int32_t)number
                               : (int64_t)number;
    return SL_OK;
}

static enum sl_status read_oid(struct sl_bytes data, struct sl_sql_value *value,
                               struct sl_error *err)
{
    value->type = SL_SQL_INT64;
    value->int64 = (int64_t)read_big_endian(data);
    return data.len == 4 ? SL_OK : fail_malformed("oid", err);
}

static enum sl_status read_binary_float(struct sl_bytes data,
                                        struct sl_sql_value *value,
                                        struct sl_error *err)
{
    uint64_t bits = read_big_endian(data);
    uint32_t half = (uint32_t)bits;
    float single;

    value->type = SL_SQL_FLOAT64;
    if (data.len == 4) {
        memcpy(&single, &half, sizeof(single));
        value->float64 = (double)single;
        return SL_OK;
    }
    memcpy(&value->float64, &bits, sizeof(bits));
    return data.len == 8 ? SL_OK : fail_malformed("float", err);
}

static unsigned short_at(struct sl_bytes data, size_t at)
{
    return (unsigned)data.ptr[at] << 8 | data.ptr[at + 1];
}

/* Groups of four digits.  A group that was not sent is 0. */
struct numeric {
    struct sl_bytes data;
    int groups;
    int weight; /* of the first group */
    int scale;  /* digits behind the point */
};

static unsigned group_at(const struct numeric *numeric, int weight)
{
    int index = numeric->weight - weight;

    return index < 0 || index >= numeric->groups
               ? 0
               : short_at(numeric->data, 8 + 2 * (size_t)index);
}

static enum sl_status write_numeric(const struct numeric *numeric, bool minus,
                                    struct sl_buf *buf, struct sl_error *err)
{
    enum sl_status status = sl_buf_printf(buf, err, "%s", minus ? "-" : "");
    int first = numeric->weight > 0 ? numeric->weight : 0;
    int scale = numeric->scale;

    for (int w = first; status == SL_OK && w >= 0; w--)
        status = sl_buf_printf(buf, err, w == first ? "%u" : "%04u",
                               group_at(numeric, w));
    if (status == SL_OK && scale > 0)
        status = sl_buf_printf(buf, err, ".");
    for (int w = -1; status == SL_OK && scale > 0; w--, scale -= 4) {
        char digits[8];
        snprintf(digits, sizeof(digits), "%04u", group_at(numeric, w) % 10000);
        status = sl_buf_printf(buf, err, "%.*s", scale < 4 ? scale : 4, digits);
    }
    return status;
}

static enum sl_status read_numeric(struct sl_bytes data, struct sl_buf *buf,
                                   struct sl_sql_value *value,
                                   struct sl_error *err)
{
    enum {
        MINUS = 0x4000,
        NAN_ = 0xC000,
        PLUS_INF = 0xD000,
        MINUS_INF = 0xF000
    };

    if (data.len < 8 || data.len != 8 + 2 * (size_t)short_at(data, 0))
        return fail_malformed("numeric", err);
    unsigned sign = short_at(data, 4);
    const char *special = sign == NAN_        ? "NaN"
                          : sign == PLUS_INF  ? "Infinity"
                          : sign == MINUS_INF ? "-Infinity"
                                              : NULL;
    if (special != NULL)
        return set_from_buf(buf, SL_SQL_TEXT,
                            sl_buf_printf(buf, err, "%s", special), value);
    const struct numeric numeric = {
        .data = data,
        .groups = (int)short_at(data, 0),
        .weight = (int16_t)short_at(data, 2),
        .scale = (int)short_at(data, 6),
    };
    enum sl_status status = write_numeric(&numeric, sign == MINUS, buf, err);
    return set_from_buf(buf, SL_SQL_DECIMAL, status, value);
}

/* --- Bytes: times ------------------------------------------------------- */

static enum sl_status write_date(int64_t days, bool *common, struct sl_buf *buf,
                                 struct sl_error *err)
{
    int64_t year;
    int month, day;

    sl_sql_postgres_date_from_days(days + EPOCH_DAYS, &year, &month, &day);
    *common = year >= 1 && year <= 9999;
    return sl_buf_printf(buf, err, "%04lld-%02d-%02d",
                         (long long)(year > 0 ? year : 1 - year), month, day);
}

static enum sl_status write_time_of_day(int64_t us, struct sl_buf *buf,
                                        struct sl_error *err)
{
    int seconds = (int)(us / 1000000), fraction = (int)(us % 1000000);
    enum sl_status status =
        sl_buf_printf(buf, err, "%02d:%02d:%02d", seconds / 3600,
                      seconds / 60 % 60, seconds % 60);

    if (status == SL_OK && fraction != 0) {
        status = sl_buf_printf(buf, err, ".%06d", fraction);
        while (buf->ptr[buf->len - 1] == '0')
            buf->len--;
    }
    return status;
}

static enum sl_status write_infinity(bool positive, struct sl_buf *buf,
                                     struct sl_sql_value *value,
                                     struct sl_error *err)
{
    return set_from_buf(
        buf, SL_SQL_TEXT,
        sl_buf_printf(buf, err, "%sinfinity", positive ? "" : "-"), value);
}

static enum sl_status read_binary_date(struct sl_bytes data, struct sl_buf *buf,
                                       struct sl_sql_value *value,
                                       struct sl_error *err)
{
    int32_t days = (int32_t)read_big_endian(data);
    bool common;

    if (data.len != 4)
        return fail_malformed("date", err);
    if (days == INT32_MAX || days == INT32_MIN)
        return write_infinity(days > 0, buf, value, err);
    enum sl_status status = write_date(days, &common, buf, err);
    if (status == SL_OK && !common && days < 0)
        status = sl_buf_printf(buf, err, " BC");
    return set_from_buf(buf, common ? SL_SQL_DATE : SL_SQL_TEXT, status, value);
}

static enum sl_status read_binary_time(struct sl_bytes data, struct sl_buf *buf,
                                       struct sl_sql_value *value,
                                       struct sl_error *err)
{
    int64_t us = (int64_t)read_big_endian(data);

    if (data.len != 8 || us < 0 || us > day_us)
        return fail_malformed("time", err);
    return set_from_buf(buf, us < day_us ? SL_SQL_TIME : SL_SQL_TEXT,
                        write_time_of_day(us, buf, err), value);
}

/* A year that the WIT does not have is written as PostgreSQL writes it. */
static enum sl_status read_binary_timestamp(struct sl_bytes data, bool instant,
                                            struct sl_buf *buf,
                                            struct sl_sql_value *value,
                                            struct sl_error *err)
{
    int64_t us = (int64_t)read_big_endian(data);
    bool common;

    if (data.len != 8)
        return fail_malformed("timestamp", err);
    if (us == INT64_MAX || us == INT64_MIN)
        return write_infinity(us > 0, buf, value, err);
    int64_t days = us / day_us - (us % day_us < 0);
    int64_t of_day = us % day_us + (us % day_us < 0 ? day_us : 0);
    enum sl_status status = write_date(days, &common, buf, err);
    if (status == SL_OK)
        status = sl_buf_printf(buf, err, "%c", common ? 'T' : ' ');
    if (status == SL_OK)
        status = write_time_of_day(of_day, buf, err);
    if (status == SL_OK && instant)
        status = sl_buf_printf(buf, err, "%s", common ? "Z" : "+00");
    if (status == SL_OK && !common && days < 0)
        status = sl_buf_printf(buf, err, " BC");
    return set_from_buf(buf, common ? SL_SQL_TIMESTAMP : SL_SQL_TEXT, status,
                        value);
}

/* --- Bytes: the others -------------------------------------------------- */

static enum sl_status read_binary_uuid(struct sl_bytes data, struct sl_buf *buf,
                                       struct sl_sql_value *value,
                                       struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if (data.len != 16)
        return fail_malformed("uuid", err);
    for (size_t i = 0; status == SL_OK && i < data.len; i++)
        status = sl_buf_printf(buf, err, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                               data.ptr[i]);
    return set_from_buf(buf, SL_SQL_UUID, status, value);
}

/* A database without an encoding (SQL_ASCII) may hold any bytes. */
static enum sl_status set_text_value(struct sl_bytes data,
                                     enum sl_sql_type type,
                                     struct sl_sql_value *value)
{
    value->type = sl_bytes_are_text(data) ? type : SL_SQL_BYTES;
    value->bytes = data;
    return SL_OK;
}

static enum sl_status read_binary_format(enum sl_sql_postgres_kind kind,
                                         struct sl_bytes data,
                                         struct sl_buf *buf,
                                         struct sl_sql_value *value,
                                         struct sl_error *err)
{
    switch (kind) {
    case SL_SQL_POSTGRES_BOOL:
        value->type = SL_SQL_BOOLEAN;
        value->boolean = data.len == 1 && data.ptr[0] != 0;
        return data.len == 1 ? SL_OK : fail_malformed("boolean", err);
    case SL_SQL_POSTGRES_INT2:
        return read_binary_integer(data, 2, value, err);
    case SL_SQL_POSTGRES_INT4:
        return read_binary_integer(data, 4, value, err);
    case SL_SQL_POSTGRES_INT8:
        return read_binary_integer(data, 8, value, err);
    case SL_SQL_POSTGRES_OID:
        return read_oid(data, value, err);
    case SL_SQL_POSTGRES_FLOAT4:
    case SL_SQL_POSTGRES_FLOAT8:
        return read_binary_float(data, value, err);
    case SL_SQL_POSTGRES_NUMERIC:
        return read_numeric(data, buf, value, err);
    case SL_SQL_POSTGRES_BYTEA:
        value->type = SL_SQL_BYTES;
        value->bytes = data;
        return SL_OK;
    case SL_SQL_POSTGRES_DATE:
        return read_binary_date(data, buf, value, err);
    case SL_SQL_POSTGRES_TIME:
        return read_binary_time(data, buf, value, err);
    case SL_SQL_POSTGRES_TIMESTAMP:
    case SL_SQL_POSTGRES_TIMESTAMPTZ:
        return read_binary_timestamp(data, kind == SL_SQL_POSTGRES_TIMESTAMPTZ,
                                     buf, value, err);
    case SL_SQL_POSTGRES_UUID:
        return read_binary_uuid(data, buf, value, err);
    case SL_SQL_POSTGRES_JSON:
        return set_text_value(data, SL_SQL_JSON, value);
    case SL_SQL_POSTGRES_JSONB:
        if (data.len < 1 || data.ptr[0] != 1)
            return fail_malformed("jsonb", err);
        return set_text_value(SL_BYTES(data.ptr + 1, data.len - 1), SL_SQL_JSON,
                              value);
    case SL_SQL_POSTGRES_TEXT:
    case SL_SQL_POSTGRES_OTHER:
        break;
    }
    return set_text_value(data, SL_SQL_TEXT, value);
}

/* --- Text --------------------------------------------------------------- */

static enum sl_status parse_integer(struct sl_bytes data,
                                    struct sl_sql_value *value,
                                    struct sl_error *err)
{
    value->type = SL_SQL_INT64;
    return sl_bytes_to_integer(data, &value->int64)
               ? SL_OK
               : fail_malformed("integer", err);
}

/* data is NUL-terminated, as libpq's values are. */
static enum sl_status parse_float(struct sl_bytes data, bool single,
                                  struct sl_sql_value *value)
{
    const char *text = (const char *)data.ptr;

    value->type = SL_SQL_FLOAT64;
    value->float64 = single ? (double)strtof(text, NULL) : strtod(text, NULL);
    return SL_OK;
}

static int hex_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "\x00ff" */
static enum sl_status parse_bytes(struct sl_bytes data, struct sl_buf *buf,
                                  struct sl_sql_value *value,
                                  struct sl_error *err)
{
    enum sl_status status = sl_buf_reserve(buf, data.len / 2, err);

    if (data.len < 2 || data.ptr[0] != '\\' || data.ptr[1] != 'x' ||
        data.len % 2 != 0)
        return fail_malformed("bytea", err);
    for (size_t i = 2; status == SL_OK && i < data.len; i += 2) {
        int high = hex_of(data.ptr[i]), low = hex_of(data.ptr[i + 1]);
        if (high < 0 || low < 0)
            return fail_malformed("bytea", err);
        buf->ptr[buf->len++] = (uint8_t)(high * 16 + low);
    }
    return set_from_buf(buf, SL_SQL_BYTES, status, value);
}

/* "2026-11-23 13:37:00.5+00" becomes a literal of the WIT, with T and Z. */
static enum sl_status parse_text_timestamp(struct sl_bytes data,
                                           struct sl_buf *buf,
                                           struct sl_sql_value *value,
                                           struct sl_error *err)
{
    bool utc = data.len > 3 && memcmp(data.ptr + data.len - 3, "+00", 3) == 0;
    if (data.len == 0)
        return fail_malformed("timestamp", err);
    enum sl_status status =
        sl_buf_append(buf, SL_BYTES(data.ptr, data.len - (utc ? 3 : 0)), err);

    if (status == SL_OK && utc)
        status = sl_buf_append(buf, SL_LITERAL("Z"), err);
    if (status == SL_OK && sl_sql_is_timestamp(sl_buf_bytes(buf), ' ')) {
        buf->ptr[10] = 'T';
        return set_from_buf(buf, SL_SQL_TIMESTAMP, SL_OK, value);
    }
    if (status == SL_OK)
        status = set_text_value(data, SL_SQL_TEXT, value);
    return status;
}

static enum sl_status read_text_format(enum sl_sql_postgres_kind kind,
                                       struct sl_bytes data, struct sl_buf *buf,
                                       struct sl_sql_value *value,
                                       struct sl_error *err)
{
    switch (kind) {
    case SL_SQL_POSTGRES_BOOL:
        value->type = SL_SQL_BOOLEAN;
        value->boolean = data.len == 1 && data.ptr[0] == 't';
        return SL_OK;
    case SL_SQL_POSTGRES_INT2:
    case SL_SQL_POSTGRES_INT4:
    case SL_SQL_POSTGRES_INT8:
    case SL_SQL_POSTGRES_OID:
        return parse_integer(data, value, err);
    case SL_SQL_POSTGRES_FLOAT4:
    case SL_SQL_POSTGRES_FLOAT8:
        return parse_float(data, kind == SL_SQL_POSTGRES_FLOAT4, value);
    case SL_SQL_POSTGRES_NUMERIC:
        return set_text_value(
            data, sl_sql_is_decimal(data) ? SL_SQL_DECIMAL : SL_SQL_TEXT,
            value);
    case SL_SQL_POSTGRES_BYTEA:
        return parse_bytes(data, buf, value, err);
    case SL_SQL_POSTGRES_DATE:
        return set_text_value(
            data, sl_sql_is_date(data) ? SL_SQL_DATE : SL_SQL_TEXT, value);
    case SL_SQL_POSTGRES_TIME:
        return set_text_value(
            data, sl_sql_is_time(data) ? SL_SQL_TIME : SL_SQL_TEXT, value);
    case SL_SQL_POSTGRES_TIMESTAMP:
    case SL_SQL_POSTGRES_TIMESTAMPTZ:
        return parse_text_timestamp(data, buf, value, err);
    case SL_SQL_POSTGRES_UUID:
        return set_text_value(
            data, sl_sql_is_uuid(data) ? SL_SQL_UUID : SL_SQL_TEXT, value);
    case SL_SQL_POSTGRES_JSON:
    case SL_SQL_POSTGRES_JSONB:
        return set_text_value(data, SL_SQL_JSON, value);
    case SL_SQL_POSTGRES_TEXT:
    case SL_SQL_POSTGRES_OTHER:
        break;
    }
    return set_text_value(data, SL_SQL_TEXT, value);
}

/* --- Rows --------------------------------------------------------------- */

enum sl_status sl_sql_postgres_read_value(enum sl_sql_postgres_kind kind,
                                          bool binary, struct sl_bytes data,
                                          struct sl_buf *buf,
                                          struct sl_sql_value *value,
                                          struct sl_error *err)
{
    sl_buf_clear(buf);
    return binary ? read_binary_format(kind, data, buf, value, err)
                  : read_text_format(kind, data, buf, value, err);
}

enum sl_status
sl_sql_postgres_add_columns(const struct sl_sql_postgres_columns *columns,
                            const PGresult *from, struct sl_sql_result *result,
                            struct sl_error *err)
{
    enum sl_status status = SL_OK;

    if ((size_t)PQnfields(from) != columns->count)
        return fail_malformed("set of columns", err);
    for (size_t i = 0; status == SL_OK && i < columns->count; i++) {
        const char *type_name = columns->list[i].type_name;
        status = sl_sql_result_column(
            result, sl_bytes_of(PQfname(from, (int)i)),
            sl_bytes_of(type_name != NULL ? type_name : ""), err);
    }
    return status;
}

enum sl_status
sl_sql_postgres_add_row(const struct sl_sql_postgres_columns *columns,
                        const PGresult *from, int row,
                        struct sl_sql_result *result, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf buf = SL_BUF(SIZE_MAX / 2);
    enum sl_status status = SL_OK;

    if ((size_t)PQnfields(from) != columns->count)
        return fail_malformed("set of columns", err);
    for (int i = 0; status == SL_OK && i < (int)columns->count; i++) {
        struct sl_sql_value value = {.type = SL_SQL_NULL};
        struct sl_bytes data = SL_BYTES(PQgetvalue(from, row, i),
                                        (size_t)PQgetlength(from, row, i));
        if (PQgetisnull(from, row, i) == 0)
            status = sl_sql_postgres_read_value(columns->list[i].kind,
                                                PQfformat(from, i) == 1, data,
                                                &buf, &value, err);
        if (status == SL_OK)
            status = sl_sql_result_value(result, &value, err);
    }
    if (status == SL_OK)
        sl_sql_result_end_row(result);
    return status;
}

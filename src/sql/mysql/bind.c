/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in, by the binary protocol: each as the nearest type of MySQL.  An
 * instant is converted to UTC, the session's time zone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/literal.h"
#include "sql/mysql/connection.h"

/* Storage for a value that is converted. */
struct bind_slot {
    union {
        MYSQL_TIME time;
        int64_t int64;
        double float64;
        char uuid[SL_SQL_UUID_LEN];
    };
    unsigned long len;
};

struct sl_sql_mysql_parameters {
    size_t count;
    MYSQL_BIND *binds;
    struct bind_slot *slots;
};

struct sl_sql_mysql_parameters *sl_sql_mysql_parameters_new(size_t count)
{
    struct sl_sql_mysql_parameters *parameters = sl_alloc(sizeof(*parameters));

    parameters->count = count;
    if (count > 0) {
        parameters->binds = sl_alloc(count * sizeof(parameters->binds[0]));
        parameters->slots = sl_alloc(count * sizeof(parameters->slots[0]));
    }
    return parameters;
}

void sl_sql_mysql_parameters_free(struct sl_sql_mysql_parameters *parameters)
{
    if (parameters == NULL)
        return;
    free(parameters->binds);
    free(parameters->slots);
    free(parameters);
}

/* --- Times -------------------------------------------------------------- */

/* The portable layer has checked the digits. */
static unsigned parse_number(struct sl_bytes text, size_t at, size_t len)
{
    unsigned number = 0;

    for (size_t i = at; i < at + len && i < text.len; i++)
        number = number * 10 + (unsigned)(text.ptr[i] - '0');
    return number;
}

static void parse_date(struct sl_bytes text, MYSQL_TIME *time)
{
    time->year = parse_number(text, 0, 4);
    time->month = parse_number(text, 5, 2);
    time->day = parse_number(text, 8, 2);
}

/* Microseconds; further digits are truncated. */
static unsigned long parse_fraction(struct sl_bytes text, size_t at)
{
    enum { DIGITS = 6 };
    unsigned long part = 0;

    if (at >= text.len || text.ptr[at] != '.')
        return 0;
    for (size_t i = at + 1; i <= at + DIGITS; i++) {
        bool is_digit =
            i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9';
        part = part * 10 + (is_digit ? (unsigned long)(text.ptr[i] - '0') : 0);
        if (!is_digit)
            text.len = i; /* zeros follow */
    }
    return part;
}

static void parse_time(struct sl_bytes text, size_t at, MYSQL_TIME *time)
{
    time->hour = parse_number(text, at, 2);
    time->minute = parse_number(text, at + 3, 2);
    time->second = parse_number(text, at + 6, 2);
    time->second_part = parse_fraction(text, at + 8);
}

static unsigned days_in(const MYSQL_TIME *time)
{
    return (unsigned)sl_sql_days_in_month((int)time->year, (int)time->month);
}

/* One day forward, or back. */
static void move_day(MYSQL_TIME *time, bool forward)
{
    if (forward && ++time->day > days_in(time)) {
        time->day = 1;
        if (++time->month > 12) {
            time->month = 1;
            time->year++;
        }
    } else if (!forward && --time->day == 0) {
        if (--time->month == 0) {
            time->month = 12;
            time->year--;
        }
        time->day = days_in(time);
    }
}

/* The minutes of an offset such as +01:00.  False: it is a local time. */
static bool parse_offset(struct sl_bytes text, int *minutes)
{
    uint8_t last = text.ptr[text.len - 1];
    uint8_t sign = text.ptr[text.len - 6];

    *minutes = 0;
    if (last == 'Z')
        return true;
    if (sign != '+' && sign != '-')
        return false;
    *minutes = (int)(parse_number(text, text.len - 5, 2) * 60 +
                     parse_number(text, text.len - 2, 2));
    if (sign == '-')
        *minutes = -*minutes;
    return true;
}

static void parse_timestamp(struct sl_bytes text, MYSQL_TIME *time)
{
    enum { DAY = 24 * 60, TIME_AT = 11 };
    int offset;

    parse_date(text, time);
    parse_time(text, TIME_AT, time);
    if (!parse_offset(text, &offset))
        return;
    int minutes = (int)(time->hour * 60 + time->minute) - offset;
    if (minutes < 0 || minutes >= DAY)
        move_day(time, minutes >= DAY);
    minutes = (minutes + DAY) % DAY;
    time->hour = (unsigned)minutes / 60;
    time->minute = (unsigned)minutes % 60;
}

static void bind_time(MYSQL_BIND *bind, struct bind_slot *slot,
                      const struct sl_sql_value *value)
{
    static const enum enum_field_types types[SL_SQL_TYPE_COUNT] = {
        [SL_SQL_DATE] = MYSQL_TYPE_DATE,
        [SL_SQL_TIME] = MYSQL_TYPE_TIME,
        [SL_SQL_TIMESTAMP] = MYSQL_TYPE_DATETIME,
    };
    static const enum enum_mysql_timestamp_type kinds[SL_SQL_TYPE_COUNT] = {
        [SL_SQL_DATE] = MYSQL_TIMESTAMP_DATE,
        [SL_SQL_TIME] = MYSQL_TIMESTAMP_TIME,
        [SL_SQL_TIMESTAMP] = MYSQL_TIMESTAMP_DATETIME,
    };

    slot->time = (MYSQL_TIME){.time_type = kinds[value->type]};
    if (value->type == SL_SQL_DATE)
        parse_date(value->bytes, &slot->time);
    else if (value->type == SL_SQL_TIME)
        parse_time(value->bytes, 0, &slot->time);
    else
        parse_timestamp(value->bytes, &slot->time);
    bind->buffer_type = types[value->type];
    bind->buffer = &slot->time;
}

/* --- Values ------------------------------------------------------------- */

static void bind_bytes(MYSQL_BIND *bind, struct bind_slot *slot,
                       enum enum_field_types type, struct sl_bytes bytes)
{
    slot->len = bytes.len;
    bind->buffer_type = type;
    /* The library only reads it. */
    bind->buffer =
        (void *)(uintptr_t)(bytes.len > 0 ? (const void *)bytes.ptr : "");
    bind->buffer_length = bytes.len;
    bind->length = &slot->len;
}

static void bind_mysql_uuid(MYSQL_BIND *bind, struct bind_slot *slot,
                            struct sl_bytes uuid)
{
    sl_sql_lower_uuid(uuid, slot->uuid);
    bind_bytes(bind, slot, MYSQL_TYPE_STRING,
               SL_BYTES(slot->uuid, SL_SQL_UUID_LEN));
}

static void bind_mysql_value(MYSQL_BIND *bind, struct bind_slot *slot,
                             const struct sl_sql_value *value)
{
    *bind = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_NULL:
        return;
    case SL_SQL_BOOLEAN:
    case SL_SQL_INT64:
        slot->int64 =
            value->type == SL_SQL_INT64 ? value->int64 : value->boolean;
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = &slot->int64;
        return;
    case SL_SQL_FLOAT64:
        slot->float64 = value->float64;
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        bind->buffer = &slot->float64;
        return;
    case SL_SQL_DECIMAL:
        bind_bytes(bind, slot, MYSQL_TYPE_NEWDECIMAL, value->bytes);
        return;
    case SL_SQL_BYTES:
        bind_bytes(bind, slot, MYSQL_TYPE_BLOB, value->bytes);
        return;
    case SL_SQL_TEXT:
    case SL_SQL_JSON:
        bind_bytes(bind, slot, MYSQL_TYPE_STRING, value->bytes);
        return;
    case SL_SQL_UUID:
        bind_mysql_uuid(bind, slot, value->bytes);
        return;
    case SL_SQL_DATE:
    case SL_SQL_TIME:
    case SL_SQL_TIMESTAMP:
        bind_time(bind, slot, value);
        return;
    }
}

/* A server closes a connection that sends more. */
static enum sl_status check_size(const struct sl_sql_mysql_conn *conn,
                                 const struct sl_sql_parameters *set,
                                 struct sl_error *err)
{
    enum { HEAD = 64, EACH = 16 };
    uint64_t bytes = HEAD;

    for (size_t i = 0; i < set->count; i++)
        bytes += EACH + (set->values[i].type >= SL_SQL_DECIMAL
                             ? set->values[i].bytes.len
                             : 0);
    if (bytes > conn->max_packet)
        return sl_fail(err, SL_TOO_LARGE,
                       "the parameters exceed the server's max_allowed_packet "
                       "of %llu bytes",
                       (unsigned long long)conn->max_packet);
    return SL_OK;
}

enum sl_status sl_sql_mysql_bind(struct sl_sql_mysql_conn *conn,
                                 struct sl_sql_mysql_statement *statement,
                                 struct sl_sql_mysql_parameters *parameters,
                                 const struct sl_sql_parameters *set,
                                 struct sl_error *err)
{
    enum sl_status status = check_size(conn, set, err);

    if (status != SL_OK)
        return status;
    if (mysql_stmt_param_count(statement->handle) != set->count)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the server counts %lu placeholders, but there are %zu "
                       "parameters",
                       mysql_stmt_param_count(statement->handle), set->count);
    if (set->count == 0)
        return SL_OK;
    for (size_t i = 0; i < set->count; i++)
        bind_mysql_value(&parameters->binds[i], &parameters->slots[i],
                         &set->values[i]);
    if (mysql_stmt_bind_param(statement->handle, parameters->binds) != 0)
        return sl_sql_mysql_explain(conn, statement->handle,
                                    SL_SQL_MYSQL_RUNNING, err);
    return SL_OK;
}

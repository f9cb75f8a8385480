/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way in.  A statement that runs as it was prepared gets them
 * in the types that PostgreSQL inferred then.  Otherwise they are sent as text,
 * which the server reads as the type that the placeholder has now, or refuses.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/postgres/connection.h"

enum { NUMBER_SIZE = 48 }; /* any number as text, or as bytes */

/* --- Numbers ------------------------------------------------------------ */

static int write_big_endian(char *out, uint64_t number, int size)
{
    for (int i = 0; i < size; i++)
        out[i] = (char)(uint8_t)(number >> (8 * (size - 1 - i)));
    return size;
}

/* The size of an integer of this kind; 0: it cannot hold the number. */
static int integer_size(enum sl_sql_postgres_kind kind, int64_t number)
{
    if (kind == SL_SQL_POSTGRES_INT8)
        return 8;
    if (kind == SL_SQL_POSTGRES_INT4 && number >= INT32_MIN &&
        number <= INT32_MAX)
        return 4;
    if (kind == SL_SQL_POSTGRES_INT2 && number >= INT16_MIN &&
        number <= INT16_MAX)
        return 2;
    return 0;
}

/* The shortest text that reads as the same number. */
static void write_float(char *out, double number)
{
    if (isnan(number)) {
        snprintf(out, NUMBER_SIZE, "NaN");
        return;
    }
    if (isinf(number)) {
        snprintf(out, NUMBER_SIZE, "%sInfinity", number < 0 ? "-" : "");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, NUMBER_SIZE, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            return;
    }
}

/* --- Instants ----------------------------------------------------------- */

static int digits_at(const uint8_t *text, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

/* The offset of a timestamp; its end, where it has none. */
static const uint8_t *find_utc_offset(struct sl_bytes text)
{
    const uint8_t *end = text.ptr + text.len, *offset = text.ptr + 19;

    while (offset < end && *offset != 'Z' && *offset != '+' && *offset != '-')
        offset++;
    return offset;
}

static bool has_utc_offset(struct sl_bytes text)
{
    return find_utc_offset(text) < text.ptr + text.len;
}

/*
 * Convert a timestamp with an offset to UTC, for a type without one, which
 * would drop the offset.
 */
static void write_in_utc(char *out, struct sl_bytes text)
{
    const uint8_t *fraction = text.ptr + 19, *offset = find_utc_offset(text);
    int64_t year;
    int month, day;

    int64_t seconds =
        sl_sql_postgres_days_from_date(digits_at(text.ptr, 4),
                                       digits_at(text.ptr + 5, 2),
                                       digits_at(text.ptr + 8, 2)) *
            86400 +
        digits_at(text.ptr + 11, 2) * INT64_C(3600) +
        digits_at(text.ptr + 14, 2) * INT64_C(60) + digits_at(text.ptr + 17, 2);
    if (*offset != 'Z') {
        int shift =
            digits_at(offset + 1, 2) * 3600 + digits_at(offset + 4, 2) * 60;
        seconds -= *offset == '+' ? shift : -shift;
    }
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    seconds -= days * 86400;
    sl_sql_postgres_date_from_days(days, &year, &month, &day);
    snprintf(out, NUMBER_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%.*sZ%s",
             (int)(year > 0 ? year : 1 - year), month, day,
             (int)(seconds / 3600), (int)(seconds / 60 % 60),
             (int)(seconds % 60), (int)(offset - fraction),
             (const char *)fraction, year > 0 ? "" : " BC");
}

/* --- One value ---------------------------------------------------------- */

/* Writes the values of a set. */
struct writer {
    bool prepared; /* for the types of the prepared statement */
    struct sl_sql_postgres_parameters *out;
    char *free; /* of the block */
    size_t at;  /* which parameter */
};

static void put_bytes(struct writer *writer, struct sl_bytes bytes)
{
    struct sl_sql_postgres_parameters *out = writer->out;

    /* libpq takes a NULL pointer for NULL. */
    out->values[writer->at] = bytes.len > 0 ? (const char *)bytes.ptr : "";
    out->lengths[writer->at] = (int)bytes.len;
    out->formats[writer->at] = 1;
}

/* A number that was written to `free`. */
static void put_number(struct writer *writer, int length)
{
    struct sl_sql_postgres_parameters *out = writer->out;

    out->values[writer->at] = writer->free;
    out->lengths[writer->at] = length;
    out->formats[writer->at] = length > 0;
    writer->free += NUMBER_SIZE;
}

static void put_text(struct writer *writer, struct sl_bytes text)
{
    struct sl_sql_postgres_parameters *out = writer->out;

    out->values[writer->at] = writer->free;
    memcpy(writer->free, text.ptr, text.len);
    writer->free[text.len] = '\0';
    writer->free += text.len + 1;
}

static bool put_boolean(struct writer *writer, enum sl_sql_postgres_kind kind,
                        bool boolean)
{
    if (writer->prepared && kind == SL_SQL_POSTGRES_BOOL)
        put_number(writer, write_big_endian(writer->free, boolean, 1));
    else
        put_text(writer, sl_bytes_of(boolean ? "true" : "false"));
    return true;
}

static bool put_integer(struct writer *writer, enum sl_sql_postgres_kind kind,
                        int64_t number)
{
    int size = writer->prepared ? integer_size(kind, number) : 0;

    if (size > 0)
        write_big_endian(writer->free, (uint64_t)number, size);
    else
        snprintf(writer->free, NUMBER_SIZE, "%" PRId64, number);
    put_number(writer, size);
    return true;
}

static bool put_float(struct writer *writer, enum sl_sql_postgres_kind kind,
                      double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    if (writer->prepared && kind == SL_SQL_POSTGRES_FLOAT8) {
        put_number(writer, write_big_endian(writer->free, bits, 8));
    } else {
        write_float(writer->free, number);
        put_number(writer, 0);
    }
    return true;
}

/* Types that drop an offset.  They get UTC with its Z, which is also right for
 * a type that the column may have by now. */
static bool is_instant(enum sl_sql_postgres_kind kind)
{
    return kind == SL_SQL_POSTGRES_DATE || kind == SL_SQL_POSTGRES_TIMESTAMP ||
           kind == SL_SQL_POSTGRES_TIMESTAMPTZ;
}

static bool put_timestamp(struct writer *writer, enum sl_sql_postgres_kind kind,
                          struct sl_bytes text)
{
    if (is_instant(kind) && has_utc_offset(text)) {
        write_in_utc(writer->free, text);
        put_number(writer, 0);
    } else {
        put_text(writer, text);
    }
    return true;
}

/* False: the value does not fit. */
static bool put_parameter(struct writer *writer, enum sl_sql_postgres_kind kind,
                          const struct sl_sql_value *value)
{
    bool raw = writer->prepared &&
               (kind == SL_SQL_POSTGRES_TEXT || kind == SL_SQL_POSTGRES_JSON);

    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_NULL:
        writer->out->values[writer->at] = NULL;
        return true;
    case SL_SQL_BOOLEAN:
        return put_boolean(writer, kind, value->boolean);
    case SL_SQL_INT64:
        return put_integer(writer, kind, value->int64);
    case SL_SQL_FLOAT64:
        return put_float(writer, kind, value->float64);
    case SL_SQL_BYTES:
        put_bytes(writer, value->bytes);
        return kind == SL_SQL_POSTGRES_BYTEA;
    case SL_SQL_TIMESTAMP:
        return put_timestamp(writer, kind, value->bytes);
    default:
        if (raw)
            put_bytes(writer, value->bytes);
        else
            put_text(writer, value->bytes);
        return true;
    }
}

/* --- Bindings ----------------------------------------------------------- */

static bool is_in_small_letters(struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')
            return false;
    return true;
}

/*
 * Whether the type of the placeholder holds the value exactly, and converting
 * it from there to any other type gives what converting the value itself would.
 * This is false for text (char(6) drops blanks, citext compares differently),
 * numbers with a fraction (rounded if the column is an integer by now), times
 * (whose notation differs) and bytes (which a text column would take as
 * hexadecimal digits).
 */
static bool is_type_independent(enum sl_sql_postgres_kind kind,
                                const struct sl_sql_value *value)
{
    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_NULL:
        return true;
    case SL_SQL_BOOLEAN:
        return kind == SL_SQL_POSTGRES_BOOL;
    case SL_SQL_INT64:
        return integer_size(kind, value->int64) > 0;
    case SL_SQL_UUID:
        return kind == SL_SQL_POSTGRES_UUID &&
               is_in_small_letters(value->bytes);
    default:
        return false;
    }
}

/* Whether the encoding depends on the type, even when that is inferred again.
 */
static bool depends_on_type(enum sl_sql_postgres_kind kind,
                            const struct sl_sql_value *value)
{
    if (value->type == SL_SQL_BYTES)
        return true;
    return value->type == SL_SQL_TIMESTAMP && has_utc_offset(value->bytes) &&
           !is_instant(kind);
}

enum sl_sql_postgres_binding
sl_sql_postgres_binding_of(const struct sl_sql_postgres_statement *statement,
                           const struct sl_sql_parameters *set)
{
    enum sl_sql_postgres_binding binding = SL_SQL_POSTGRES_BIND_PREPARED;

    for (size_t i = 0; i < set->count && i < statement->parameter_count; i++) {
        enum sl_sql_postgres_kind kind = statement->parameters[i].kind;
        const struct sl_sql_value *value = &set->values[i];
        enum sl_sql_postgres_binding mine = SL_SQL_POSTGRES_BIND_INFERRED;
        if (value->type == SL_SQL_BYTES && kind != SL_SQL_POSTGRES_BYTEA)
            return SL_SQL_POSTGRES_BIND_UNFIT;
        if (is_type_independent(kind, value))
            mine = SL_SQL_POSTGRES_BIND_PREPARED;
        else if (depends_on_type(kind, value))
            mine = SL_SQL_POSTGRES_BIND_CHECKED;
        binding = mine > binding ? mine : binding;
    }
    return statement->fresh ? SL_SQL_POSTGRES_BIND_PREPARED : binding;
}

/* --- Sets --------------------------------------------------------------- */

void sl_sql_postgres_parameters_done(
    struct sl_sql_postgres_parameters *parameters)
{
    free(parameters->block);
    parameters->block = NULL;
}

/* The memory that put_parameter needs for all of them. */
static size_t block_size(const struct sl_sql_parameters *set)
{
    size_t bytes = 0;

    for (size_t i = 0; i < set->count; i++)
        bytes += NUMBER_SIZE + (set->values[i].type >= SL_SQL_DECIMAL
                                    ? set->values[i].bytes.len
                                    : 0);
    return bytes;
}

enum sl_status
sl_sql_postgres_encode(const struct sl_sql_postgres_statement *statement,
                       const struct sl_sql_parameters *set, bool prepared,
                       struct sl_sql_postgres_parameters *out,
                       struct sl_error *err)
{
    size_t each = sizeof(*out->values) + 2 * sizeof(int), count = set->count;

    *out = (struct sl_sql_postgres_parameters){0};
    if (count != statement->parameter_count)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "the server counts %zu placeholders, but there are %zu "
                       "parameters",
                       statement->parameter_count, count);
    if (count == 0)
        return SL_OK;
    out->block = calloc(1, count * each + block_size(set));
    if (out->block == NULL)
        return sl_fail(err, SL_TOO_LARGE, "out of memory for the parameters");
    out->values = out->block;
    out->lengths = (int *)(out->values + count);
    out->formats = out->lengths + count;
    struct writer writer = {.prepared = prepared,
                            .out = out,
                            .free = (char *)(out->formats + count)};
    for (; writer.at < count; writer.at++)
        if (!put_parameter(&writer, statement->parameters[writer.at].kind,
                           &set->values[writer.at])) {
            sl_sql_postgres_parameters_done(out);
            return sl_fail(
                err, SL_INVALID_ARGUMENT,
                "parameter %zu: bytes need a placeholder of type bytea",
                writer.at + 1);
        }
    return SL_OK;
}

bool sl_sql_postgres_quotes_value(const char *text,
                                  const struct sl_sql_parameters *set)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < set->count; i++) {
        const struct sl_sql_value *value = &set->values[i];
        char number[NUMBER_SIZE] = "";
        struct sl_bytes part;
        if (value->type == SL_SQL_NULL || value->type == SL_SQL_BOOLEAN)
            continue;
        if (value->type == SL_SQL_INT64)
            snprintf(number, sizeof(number), "%" PRId64, value->int64);
        if (value->type == SL_SQL_FLOAT64)
            write_float(number, value->float64);
        part =
            value->type >= SL_SQL_DECIMAL ? value->bytes : sl_bytes_of(number);
        if (part.len > 0 && memmem(text, len, part.ptr, part.len) != NULL)
            return true;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in and out of SQLite, which stores only integers, floating point, text
 * and blobs.  The other types of wit/sql/sql.wit are written as text; when they
 * are read, the declared type of the column tells which type a text has, if it
 * is a valid literal of it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sql/literal.h"
#include "sql/sqlite/connection.h"

/* --- In ----------------------------------------------------------------- */

/* The digits of a decimal. */
struct digits {
    size_t significant;
    int64_t exponent; /* of the first significant digit */
    bool whole;       /* it has neither point nor exponent */
};

static int64_t read_exponent(const uint8_t *text, const uint8_t *end)
{
    enum { FAR = 1000000 };
    bool negative = text < end && *text == '-';
    int64_t exponent = 0;

    if (text < end && (*text == '-' || *text == '+'))
        text++;
    for (; text < end && exponent < FAR; text++)
        exponent = exponent * 10 + (*text - '0');
    return negative ? -exponent : exponent;
}

/* text is a valid decimal. */
static struct digits count_digits(struct sl_bytes text)
{
    struct digits digits = {.whole = true};
    const uint8_t *c = text.ptr, *end = text.ptr + text.len;
    size_t zeros = 0; /* after the last nonzero digit */
    bool fraction = false;
    int64_t places = 0; /* from the first significant digit to the point */

    for (c += *c == '-' || *c == '+'; c < end && *c != 'e' && *c != 'E'; c++) {
        if (*c == '.') {
            fraction = true;
            continue;
        }
        if (digits.significant > 0 || *c != '0')
            places += !fraction;
        else
            places -= fraction;
        if (*c == '0') {
            zeros += digits.significant > 0;
        } else {
            digits.significant += zeros + 1;
            zeros = 0;
        }
    }
    digits.whole = !fraction && c == end;
    digits.exponent = places + (c < end ? read_exponent(c + 1, end) : 0);
    return digits;
}

/*
 * Whether a numeric column, which converts such a text to a number, gives the
 * same number back as floating point or as an integer.
 */
static bool is_exact_number(struct sl_bytes text)
{
    enum { DIGITS = 15, FAR = 300, INTEGER_DIGITS = 18 };
    struct digits digits = count_digits(text);

    if (digits.significant == 0)
        return true;
    if (digits.whole && digits.exponent <= INTEGER_DIGITS)
        return true;
    return digits.significant <= DIGITS && digits.exponent < FAR &&
           digits.exponent > -FAR;
}

static bool is_json_number(struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] > ' ')
            return text.ptr[i] == '-' ||
                   (text.ptr[i] >= '0' && text.ptr[i] <= '9');
    return false;
}

static struct sl_bytes trim_space(struct sl_bytes text)
{
    while (text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    for (; text.len > 0 && text.ptr[0] <= ' '; text.len--)
        text.ptr++;
    return text;
}

/* SQLite takes a NULL pointer for NULL, which an empty value is not. */
static const void *non_null_pointer(struct sl_bytes bytes)
{
    return bytes.len > 0 ? (const void *)bytes.ptr : "";
}

static int bind_text(sqlite3_stmt *statement, int at, struct sl_bytes text,
                     sqlite3_destructor_type copy)
{
    return sqlite3_bind_text64(statement, at, non_null_pointer(text), text.len,
                               copy, SQLITE_UTF8);
}

static int bind_blob(sqlite3_stmt *statement, int at, struct sl_bytes bytes,
                     sqlite3_destructor_type copy)
{
    return sqlite3_bind_blob64(statement, at, non_null_pointer(bytes),
                               bytes.len, copy);
}

/* A number that SQLite would round is stored as a blob, which stays exact. */
static int bind_number(sqlite3_stmt *statement, int at, struct sl_bytes number,
                       sqlite3_destructor_type copy)
{
    return is_exact_number(number) ? bind_text(statement, at, number, copy)
                                   : bind_blob(statement, at, number, copy);
}

static int bind_sqlite_uuid(sqlite3_stmt *statement, int at,
                            struct sl_bytes uuid)
{
    char small[SL_SQL_UUID_LEN];

    sl_sql_lower_uuid(uuid, small);
    return bind_text(statement, at, SL_BYTES(small, sizeof(small)),
                     SQLITE_TRANSIENT);
}

static int bind_sqlite_value(sqlite3_stmt *statement, int at,
                             const struct sl_sql_value *value,
                             sqlite3_destructor_type copy)
{
    switch ((enum sl_sql_type)value->type) {
    case SL_SQL_NULL:
        return sqlite3_bind_null(statement, at);
    case SL_SQL_BOOLEAN:
        return sqlite3_bind_int(statement, at, value->boolean);
    case SL_SQL_INT64:
        return sqlite3_bind_int64(statement, at, value->int64);
    case SL_SQL_FLOAT64:
        return sqlite3_bind_double(statement, at, value->float64);
    case SL_SQL_BYTES:
        return bind_blob(statement, at, value->bytes, copy);
    case SL_SQL_DECIMAL:
        return bind_number(statement, at, value->bytes, copy);
    case SL_SQL_UUID:
        return bind_sqlite_uuid(statement, at, value->bytes);
    case SL_SQL_JSON:
        if (is_json_number(value->bytes))
            return bind_number(statement, at, trim_space(value->bytes), copy);
        return bind_text(statement, at, value->bytes, copy);
    case SL_SQL_TEXT:
    case SL_SQL_DATE:
    case SL_SQL_TIME:
    case SL_SQL_TIMESTAMP:
        return bind_text(statement, at, value->bytes, copy);
    }
    return SQLITE_MISUSE;
}

int sl_sql_sqlite_bind(sqlite3_stmt *statement,
                       const struct sl_sql_parameters *set, bool copy)
{
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < set->count; i++)
        code = bind_sqlite_value(statement, (int)i + 1, &set->values[i],
                                 copy ? SQLITE_TRANSIENT : SQLITE_STATIC);
    return code;
}

/* --- Out ---------------------------------------------------------------- */

static bool starts_with_word(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

/* The declared type of a column, or SL_SQL_NULL. */
static enum sl_sql_type declared_type(sqlite3_stmt *statement, int column)
{
    static const struct {
        const char *start;
        enum sl_sql_type type;
    } types[] = {
        {"BOOL", SL_SQL_BOOLEAN},    {"DECIMAL", SL_SQL_DECIMAL},
        {"NUMERIC", SL_SQL_DECIMAL}, {"DATETIME", SL_SQL_TIMESTAMP},
        {"DATE", SL_SQL_DATE},       {"TIMESTAMP", SL_SQL_TIMESTAMP},
        {"TIME", SL_SQL_TIME},       {"UUID", SL_SQL_UUID},
        {"JSON", SL_SQL_JSON},
    };
    const char *type = sqlite3_column_decltype(statement, column);

    for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]);
         i++)
        if (starts_with_word(type, types[i].start))
            return types[i].type;
    return SL_SQL_NULL;
}

/* Long enough for a number, and for a date with its time. */
struct scratch {
    char text[64];
};

static struct sl_bytes write_int64(struct scratch *scratch, int64_t number)
{
    int len =
        snprintf(scratch->text, sizeof(scratch->text), "%" PRId64, number);

    return SL_BYTES(scratch->text, (size_t)len);
}

/* Whether b is a, or one of the next few floating-point numbers. */
static bool is_nearly_equal(double a, double b)
{
    enum { FAR = 2 };

    for (int i = 0; i < FAR && a != b; i++)
        a = nextafter(a, b);
    return a == b;
}

/*
 * Write number as a decimal.  SQLite promises 15 digits and may miss the
 * nearest number slightly; a number that is further away needs 17.
 */
static struct sl_bytes write_real(struct scratch *scratch, double number)
{
    int len = snprintf(scratch->text, sizeof(scratch->text), "%.15g", number);

    if (!is_nearly_equal(strtod(scratch->text, NULL), number))
        len = snprintf(scratch->text, sizeof(scratch->text), "%.17g", number);
    return SL_BYTES(scratch->text, (size_t)len);
}

/* SQLite's own functions write a space where RFC 3339 has a T. */
static bool convert_timestamp(struct sl_sql_value *value,
                              struct scratch *scratch)
{
    struct sl_bytes text = value->bytes;

    if (sl_sql_is_timestamp(text, 'T'))
        return true;
    if (text.len > sizeof(scratch->text) || !sl_sql_is_timestamp(text, ' '))
        return false;
    memcpy(scratch->text, text.ptr, text.len);
    scratch->text[10] = 'T';
    value->bytes = SL_BYTES(scratch->text, text.len);
    return true;
}

/* Whether the text is a literal of the type.  A timestamp gets its T. */
static bool convert_literal(enum sl_sql_type type, struct sl_sql_value *value,
                            struct scratch *scratch)
{
    switch (type) {
    case SL_SQL_DECIMAL:
        return sl_sql_is_decimal(value->bytes);
    case SL_SQL_DATE:
        return sl_sql_is_date(value->bytes);
    case SL_SQL_TIME:
        return sl_sql_is_time(value->bytes);
    case SL_SQL_TIMESTAMP:
        return convert_timestamp(value, scratch);
    case SL_SQL_UUID:
        return sl_sql_is_uuid(value->bytes);
    case SL_SQL_JSON:
        return sl_sql_is_json(value->bytes);
    default:
        return false;
    }
}

static bool is_number_type(enum sl_sql_type type)
{
    return type == SL_SQL_DECIMAL || type == SL_SQL_JSON;
}

static void read_sqlite_integer(int64_t number, enum sl_sql_type type,
                                struct sl_sql_value *value,
                                struct scratch *scratch)
{
    if (type == SL_SQL_BOOLEAN && (number == 0 || number == 1)) {
        value->type = SL_SQL_BOOLEAN;
        value->boolean = number == 1;
    } else if (is_number_type(type)) {
        value->type = type;
        value->bytes = write_int64(scratch, number);
    } else {
        value->type = SL_SQL_INT64;
        value->int64 = number;
    }
}

static void read_real(double number, enum sl_sql_type type,
                      struct sl_sql_value *value, struct scratch *scratch)
{
    value->bytes = write_real(scratch, number);
    if (is_number_type(type) && sl_sql_is_decimal(value->bytes)) {
        value->type = type;
        return;
    }
    value->type = SL_SQL_FLOAT64; /* or infinite */
    value->float64 = number;
}

/* Text and blobs. */
static void read_bytes(struct sl_bytes bytes, bool is_blob,
                       enum sl_sql_type type, struct sl_sql_value *value,
                       struct scratch *scratch)
{
    bool is_text = sl_bytes_are_text(bytes);

    value->bytes = bytes;
    /* A blob is a number only where sl_sql_sqlite_bind stored one as a blob. */
    if (is_text && (!is_blob || is_number_type(type)) &&
        convert_literal(type, value, scratch))
        value->type = type;
    else
        value->type = is_blob || !is_text ? SL_SQL_BYTES : SL_SQL_TEXT;
}

/* The content of a text or a blob.  False: out of memory. */
static bool take_bytes(sqlite3_stmt *statement, int column, bool is_blob,
                       struct sl_bytes *bytes)
{
    /* The order matters: this may convert the value, which changes its size. */
    const void *start =
        is_blob ? sqlite3_column_blob(statement, column)
                : (const void *)sqlite3_column_text(statement, column);

    *bytes = SL_BYTES(start, (size_t)sqlite3_column_bytes(statement, column));
    return start != NULL || (is_blob && bytes->len == 0);
}

static bool read_sqlite_value(sqlite3_stmt *statement, int column,
                              struct sl_sql_value *value,
                              struct scratch *scratch)
{
    int storage = sqlite3_column_type(statement, column);
    enum sl_sql_type type = declared_type(statement, column);
    struct sl_bytes bytes;

    value->type = SL_SQL_NULL;
    switch (storage) {
    case SQLITE_NULL:
        return true;
    case SQLITE_INTEGER:
        read_sqlite_integer(sqlite3_column_int64(statement, column), type,
                            value, scratch);
        return true;
    case SQLITE_FLOAT:
        read_real(sqlite3_column_double(statement, column), type, value,
                  scratch);
        return true;
    default:
        if (!take_bytes(statement, column, storage == SQLITE_BLOB, &bytes))
            return false;
        read_bytes(bytes, storage == SQLITE_BLOB, type, value, scratch);
        return true;
    }
}

enum sl_status sl_sql_sqlite_add_row(sqlite3_stmt *statement,
                                     struct sl_sql_result *result,
                                     struct sl_error *err)
{
    int count = sqlite3_column_count(statement);
    enum sl_status status = SL_OK;
    struct sl_sql_value value;
    struct scratch scratch;

    for (int i = 0; status == SL_OK && i < count; i++) {
        if (!read_sqlite_value(statement, i, &value, &scratch))
            return sl_fail(err, SL_TOO_LARGE, "out of memory for a value");
        status = sl_sql_result_value(result, &value, err);
    }
    if (status == SL_OK)
        sl_sql_result_end_row(result);
    return status;
}

enum sl_status sl_sql_sqlite_add_columns(sqlite3_stmt *statement,
                                         struct sl_sql_result *result,
                                         struct sl_error *err)
{
    int count = sqlite3_column_count(statement);
    enum sl_status status = SL_OK;

    for (int i = 0; status == SL_OK && i < count; i++) {
        const char *name = sqlite3_column_name(statement, i);
        const char *type = sqlite3_column_decltype(statement, i);
        if (name == NULL)
            return sl_fail(err, SL_TOO_LARGE,
                           "out of memory for a column's name");
        status =
            sl_sql_result_column(result, sl_bytes_of(name),
                                 sl_bytes_of(type != NULL ? type : ""), err);
    }
    return status;
}

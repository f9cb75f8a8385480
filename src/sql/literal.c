/* SPDX-License-Identifier: Apache-2.0 */
/* Decimals, dates, times, UUIDs and JSON: their syntax, read in one pass. */
#include "sql/literal.h"

#include <string.h>

#include "service/check.h"
#include "sql/sql.h"

/* The rest of the text. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *look; /* where the clock is looked at next */
};

static struct reader make_reader(struct sl_bytes text)
{
    return (struct reader){text.ptr, text.ptr + text.len, text.ptr};
}

/* False: it is late (service/check.h). */
static bool may_go_on(struct reader *reader)
{
    if (reader->at < reader->look)
        return true;
    reader->look = reader->end - reader->at > SL_CHECK_PIECE
                       ? reader->at + SL_CHECK_PIECE
                       : reader->end;
    return reader->at == reader->end || !sl_check_is_late();
}

static bool is_at_end(const struct reader *reader)
{
    return reader->at == reader->end;
}

static int peek_byte(const struct reader *reader)
{
    return is_at_end(reader) ? -1 : *reader->at;
}

static bool skip_byte(struct reader *reader, char c)
{
    if (peek_byte(reader) != c)
        return false;
    reader->at++;
    return true;
}

static bool skip_one_of(struct reader *reader, const char *characters)
{
    int c = peek_byte(reader);

    if (c <= 0 || strchr(characters, c) == NULL)
        return false;
    reader->at++;
    return true;
}

static size_t skip_digits(struct reader *reader)
{
    const uint8_t *start = reader->at;

    while (peek_byte(reader) >= '0' && peek_byte(reader) <= '9')
        reader->at++;
    return (size_t)(reader->at - start);
}

/* Exactly `digits` digits, as a number from low to high. */
static bool read_digits(struct reader *reader, int digits, int low, int high,
                        int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++) {
        int c = peek_byte(reader);
        if (c < '0' || c > '9')
            return false;
        *number = *number * 10 + (c - '0');
        reader->at++;
    }
    return *number >= low && *number <= high;
}

/* --- Decimals ----------------------------------------------------------- */

/* An optional e, sign and digits. */
static bool skip_exponent(struct reader *reader)
{
    if (!skip_one_of(reader, "eE"))
        return true;
    (void)skip_one_of(reader, "+-");
    return skip_digits(reader) > 0;
}

bool sl_sql_is_decimal(struct sl_bytes text)
{
    struct reader reader = make_reader(text);

    (void)skip_one_of(&reader, "+-");
    if (skip_digits(&reader) == 0)
        return false;
    if (skip_byte(&reader, '.') && skip_digits(&reader) == 0)
        return false;
    return skip_exponent(&reader) && is_at_end(&reader);
}

/* --- Dates and times ---------------------------------------------------- */

int sl_sql_days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static bool skip_date(struct reader *reader)
{
    int year, month, day;

    return read_digits(reader, 4, 1, 9999, &year) && skip_byte(reader, '-') &&
           read_digits(reader, 2, 1, 12, &month) && skip_byte(reader, '-') &&
           read_digits(reader, 2, 1, sl_sql_days_in_month(year, month), &day);
}

static bool skip_time(struct reader *reader)
{
    int number;

    if (!read_digits(reader, 2, 0, 23, &number) || !skip_byte(reader, ':') ||
        !read_digits(reader, 2, 0, 59, &number) || !skip_byte(reader, ':') ||
        !read_digits(reader, 2, 0, 59, &number))
        return false;
    if (!skip_byte(reader, '.'))
        return true;
    size_t digits = skip_digits(reader);
    return digits >= 1 && digits <= 9;
}

static bool skip_offset(struct reader *reader)
{
    int number;

    if (skip_byte(reader, 'Z'))
        return true;
    return skip_one_of(reader, "+-") &&
           read_digits(reader, 2, 0, 23, &number) && skip_byte(reader, ':') &&
           read_digits(reader, 2, 0, 59, &number);
}

bool sl_sql_is_date(struct sl_bytes text)
{
    struct reader reader = make_reader(text);

    return skip_date(&reader) && is_at_end(&reader);
}

bool sl_sql_is_time(struct sl_bytes text)
{
    struct reader reader = make_reader(text);

    return skip_time(&reader) && is_at_end(&reader);
}

bool sl_sql_is_timestamp(struct sl_bytes text, char separator)
{
    struct reader reader = make_reader(text);

    if (!skip_date(&reader) || !skip_byte(&reader, separator) ||
        !skip_time(&reader))
        return false;
    return is_at_end(&reader) || (skip_offset(&reader) && is_at_end(&reader));
}

/* --- UUIDs -------------------------------------------------------------- */

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

bool sl_sql_is_uuid(struct sl_bytes text)
{
    if (text.len != SL_SQL_UUID_LEN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : !is_hex(text.ptr[i]))
            return false;
    }
    return true;
}

void sl_sql_lower_uuid(struct sl_bytes uuid, char out[SL_SQL_UUID_LEN])
{
    for (size_t i = 0; i < SL_SQL_UUID_LEN; i++) {
        uint8_t c = uuid.ptr[i];
        out[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
}

/* --- JSON --------------------------------------------------------------- */

static void skip_space(struct reader *reader)
{
    while (may_go_on(reader) && skip_one_of(reader, " \t\n\r"))
        continue;
}

static bool skip_escape(struct reader *reader)
{
    if (skip_one_of(reader, "\"\\/bfnrt"))
        return true;
    if (!skip_byte(reader, 'u'))
        return false;
    for (int i = 0; i < 4; i++, reader->at++)
        if (!is_hex(peek_byte(reader)))
            return false;
    return true;
}

static bool skip_string(struct reader *reader)
{
    if (!skip_byte(reader, '"'))
        return false;
    while (!skip_byte(reader, '"')) {
        if (!may_go_on(reader))
            return false;
        if (skip_byte(reader, '\\')) {
            if (!skip_escape(reader))
                return false;
        } else if (peek_byte(reader) < ' ') { /* the end as well */
            return false;
        } else {
            reader->at++;
        }
    }
    return true;
}

static bool skip_json_number(struct reader *reader)
{
    (void)skip_byte(reader, '-');
    if (!skip_byte(reader, '0') && skip_digits(reader) == 0)
        return false;
    if (skip_byte(reader, '.') && skip_digits(reader) == 0)
        return false;
    return skip_exponent(reader);
}

static bool skip_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len ||
        memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

/* Anything but an array or an object. */
static bool skip_scalar(struct reader *reader)
{
    switch (peek_byte(reader)) {
    case '"':
        return skip_string(reader);
    case 't':
        return skip_word(reader, "true");
    case 'f':
        return skip_word(reader, "false");
    case 'n':
        return skip_word(reader, "null");
    default:
        return skip_json_number(reader);
    }
}

/* The arrays ([) and objects ({) that are open. */
struct nest {
    char inside[SL_SQL_JSON_DEPTH_MAX];
    int depth;
};

static bool skip_name(struct reader *reader)
{
    skip_space(reader);
    if (!skip_string(reader))
        return false;
    skip_space(reader);
    return skip_byte(reader, ':');
}

/*
 * Read a scalar, or a [ or {, and of an object the name of its first member.
 * *open: it is not empty, and its first value follows.
 */
static bool begin_value(struct reader *reader, struct nest *nest, bool *open)
{
    *open = false;
    skip_space(reader);
    int c = peek_byte(reader);
    if (c != '[' && c != '{')
        return skip_scalar(reader);
    reader->at++;
    skip_space(reader);
    if (nest->depth == SL_SQL_JSON_DEPTH_MAX)
        return false;
    if (skip_byte(reader, c == '[' ? ']' : '}'))
        return true;
    nest->inside[nest->depth++] = (char)c;
    *open = true;
    return c == '[' || skip_name(reader);
}

/* After a value, read what ends there.  *more: another value follows. */
static bool end_values(struct reader *reader, struct nest *nest, bool *more)
{
    for (*more = false; nest->depth > 0; nest->depth--) {
        bool array = nest->inside[nest->depth - 1] == '[';
        skip_space(reader);
        if (skip_byte(reader, ',')) {
            *more = true;
            return array || skip_name(reader);
        }
        if (!skip_byte(reader, array ? ']' : '}'))
            return false;
    }
    return true;
}

bool sl_sql_is_json(struct sl_bytes text)
{
    struct reader reader = make_reader(text);
    struct nest nest = {.depth = 0};
    bool more = true, open;

    while (more) {
        if (!begin_value(&reader, &nest, &open))
            return false;
        if (!open && !end_values(&reader, &nest, &more))
            return false;
    }
    skip_space(&reader);
    return is_at_end(&reader);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values compared by what they mean: each text is brought into a form that all
 * spellings of one meaning share.
 */
#include "sql_same.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new text for what stands in text, which has `more` bytes to spare. */
static char *space_for(const char *text, size_t more)
{
    char *space = calloc(1, strlen(text) + more + 1);

    CHECK(space != NULL);
    return space;
}

/* "-0012.50e1" is "-125e0": no zeros around, no point. */
static char *of_decimal(const char *text)
{
    enum { EXPONENT = 32 };
    char *simple = space_for(text, EXPONENT);
    const char *end = strpbrk(text, "eE");
    long exponent = end != NULL ? strtol(end + 1, NULL, 10) : 0;
    size_t len = 0, sign = text[0] == '-';
    bool point = false;

    simple[0] = '-';
    for (const char *c = text; *c != '\0' && c != end; c++) {
        point = point || *c == '.';
        if (!isdigit((unsigned char)*c))
            continue;
        exponent -= point;
        if (len > 0 || *c != '0')
            simple[sign + len++] = *c;
    }
    for (; len > 0 && simple[sign + len - 1] == '0'; len--)
        exponent++;
    if (len == 0)
        sign = 0; /* there is no other zero */
    snprintf(simple + sign + len, EXPONENT, "e%ld", len > 0 ? exponent : 0);
    return simple;
}

/* Without zeros at the end of a fraction. */
static char *of_time(const char *text)
{
    char *simple = space_for(text, 0);
    size_t len = strlen(text);

    while (strchr(text, '.') != NULL && text[len - 1] == '0')
        len--;
    if (len > 0 && text[len - 1] == '.')
        len--;
    memcpy(simple, text, len);
    return simple;
}

static long number_at(const char *text, size_t at, size_t digits)
{
    char copy[8] = "";

    if (strlen(text) < at + digits || digits >= sizeof(copy))
        return -1;
    memcpy(copy, text + at, digits);
    return strtol(copy, NULL, 10);
}

/* Days since 1970; http://howardhinnant.github.io/date_algorithms.html. */
static long days_of(long year, long month, long day)
{
    year -= month <= 2;
    long era = (year >= 0 ? year : year - 399) / 400;
    long of_era = year - era * 400;
    long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

/* Seconds since 1970, the fraction, and whether it is an instant. */
static char *of_timestamp(const char *text)
{
    char fraction[16] = "";
    size_t at = 19, digits = 0;
    long seconds = days_of(number_at(text, 0, 4), number_at(text, 5, 2),
                           number_at(text, 8, 2)) *
                       86400 +
                   number_at(text, 11, 2) * 3600 + number_at(text, 14, 2) * 60 +
                   number_at(text, 17, 2);

    CHECK(strlen(text) >= at && text[10] == 'T');
    if (text[at] == '.')
        for (at++; isdigit((unsigned char)text[at]); at++)
            if (digits < sizeof(fraction) - 1)
                fraction[digits++] = text[at];
    while (digits > 0 && fraction[digits - 1] == '0')
        fraction[--digits] = '\0';
    bool instant = text[at] != '\0';
    if (text[at] == '+' || text[at] == '-') {
        long offset =
            number_at(text, at + 1, 2) * 3600 + number_at(text, at + 4, 2) * 60;
        seconds -= text[at] == '-' ? -offset : offset;
    }
    char *simple = space_for(text, 64);
    snprintf(simple, strlen(text) + 64, "%ld.%s%s", seconds, fraction,
             instant ? "Z" : "");
    return simple;
}

/* In small letters. */
static char *of_uuid(const char *text)
{
    char *simple = space_for(text, 0);

    for (size_t i = 0; text[i] != '\0'; i++)
        simple[i] = (char)tolower((unsigned char)text[i]);
    return simple;
}

/* The character of \u and four digits behind it, where that is more than ASCII;
 * returns how many bytes it has in UTF-8. */
static size_t decode_escape(const char *digits, char out[3])
{
    char copy[5] = "";

    strncpy(copy, digits, 4);
    unsigned long c = strtoul(copy, NULL, 16);
    if (c < 0x80 || (c >= 0xd800 && c < 0xe000))
        return 0;
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* Without space around its parts; a number alone by what it is. */
static char *of_json(const char *text)
{
    char *simple = space_for(text, 0);
    size_t len = 0;
    bool string = false;

    while (isspace((unsigned char)*text))
        text++;
    if (*text == '-' || isdigit((unsigned char)*text)) {
        free(simple);
        return of_decimal(text);
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (!string && isspace((unsigned char)*c))
            continue;
        if (*c == '"')
            string = !string;
        size_t decoded = 0;
        if (*c == '\\' && c[1] == 'u')
            decoded = decode_escape(c + 2, simple + len);
        if (decoded > 0) {
            len += decoded;
            c += 5;
            continue;
        }
        simple[len++] = *c;
        if (*c == '\\' && c[1] != '\0')
            simple[len++] = *++c;
    }
    return simple;
}

static char *meaning_of(const struct sql_value *value)
{
    static char *(*const functions[SQL_TYPES])(const char *) = {
        [SQL_DECIMAL] = of_decimal,     [SQL_TIME] = of_time,
        [SQL_TIMESTAMP] = of_timestamp, [SQL_UUID] = of_uuid,
        [SQL_JSON] = of_json,
    };
    char *text = calloc(1, value->len + 1);

    CHECK(text != NULL);
    if (value->len > 0)
        memcpy(text, value->ptr, value->len);
    if (functions[value->type] == NULL)
        return text;
    char *meaning = functions[value->type](text);
    free(text);
    return meaning;
}

static bool same_bytes(const struct sql_value *a, const struct sql_value *b)
{
    return a->len == b->len &&
           (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

/* The same bits, but that a zero may lose its sign. */
static bool same_float(double a, double b)
{
    return (a == 0 && b == 0) || memcmp(&a, &b, sizeof(a)) == 0 ||
           (a != a && b != b);
}

bool sql_same(const struct sql_value *a, const struct sql_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case SQL_NULL:
        return true;
    case SQL_BOOLEAN:
        return a->boolean == b->boolean;
    case SQL_INT64:
        return a->int64 == b->int64;
    case SQL_FLOAT64:
        return same_float(a->float64, b->float64);
    case SQL_TEXT:
    case SQL_BYTES:
    case SQL_DATE:
        return same_bytes(a, b);
    default:
        break;
    }
    char *first = meaning_of(a), *second = meaning_of(b);
    bool same = strcmp(first, second) == 0;
    free(first);
    free(second);
    return same;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Values of every type, at their extremes: what is written comes back. */
#include "sql_cases.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *column_of(enum sql_type type)
{
    return sql_dialect()->columns[type];
}

/* A table with one column of this type. */
static void make_table(struct resource *sql, enum sql_type type)
{
    sql_create(sql, "CREATE TABLE one (v %s)", column_of(type));
}

/* Write a value to the table, read it back, and take it away. */
static void round_trip(struct resource *sql, struct sql_value value)
{
    struct sql_rows rows = {0};
    struct sql_done done;

    OK(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)", SET(value), &done));
    CHECK(done.affected == 1);
    OK(sql_query(sql, NULL, "SELECT v FROM one", NONE, &rows));
    CHECK(rows.row_count == 1 && rows.column_count == 1);
    SAME(&rows.values[0], &value);
    sql_rows_done(&rows);
    DO(sql, NULL, "DELETE FROM one");
}

static void round_trip_texts(struct resource *sql, enum sql_type type,
                             const char *const texts[])
{
    make_table(sql, type);
    round_trip(sql, (struct sql_value){.type = SQL_NULL});
    for (size_t i = 0; texts[i] != NULL; i++)
        round_trip(sql, sql_as(type, texts[i]));
}

static void refuse_texts(struct resource *sql, enum sql_type type,
                         const char *const texts[])
{
    for (size_t i = 0; texts[i] != NULL; i++)
        FAILS(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)",
                          SET(sql_as(type, texts[i])), &(struct sql_done){0}),
              INVALID_ARGUMENT);
    INT(sql, NULL, "SELECT count(*) FROM one", 0);
}

static void null_comes_back(struct resource *sql)
{
    for (int type = SQL_BOOLEAN; type < SQL_TYPES; type++) {
        make_table(sql, (enum sql_type)type);
        round_trip(sql, (struct sql_value){.type = SQL_NULL});
        DO(sql, NULL, "DROP TABLE one");
    }
}

static void boolean_comes_back(struct resource *sql)
{
    make_table(sql, SQL_BOOLEAN);
    round_trip(sql, (struct sql_value){.type = SQL_BOOLEAN, .boolean = true});
    round_trip(sql, (struct sql_value){.type = SQL_BOOLEAN});
}

static void integers_come_back(struct resource *sql)
{
    static const int64_t numbers[] = {
        0,
        1,
        -1,
        INT32_MAX,
        INT32_MIN,
        INT64_C(9007199254740993), /* which a double cannot hold */
        INT64_MAX - 1,
        INT64_MAX,
        INT64_MIN,
    };

    make_table(sql, SQL_INT64);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        round_trip(sql, sql_int(numbers[i]));
}

static struct sql_value float_of(double number)
{
    return (struct sql_value){.type = SQL_FLOAT64, .float64 = number};
}

static void floats_come_back(struct resource *sql)
{
    static const double numbers[] = {
        0,
        -0.0,
        1,
        -1,
        0.1,
        1.0 / 3,
        M_PI,
        1e308,
        -1e308,
        DBL_MAX,
        -DBL_MAX,
        DBL_MIN,
        5e-324,
        DBL_EPSILON,
        1e15,
        1e16,
        9007199254740993.0,
        1e100,
        123456789.123456789,
    };

    make_table(sql, SQL_FLOAT64);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        round_trip(sql, float_of(numbers[i]));
}

static void infinities_come_back(struct resource *sql)
{
    make_table(sql, SQL_FLOAT64);
    round_trip(sql, float_of(INFINITY));
    round_trip(sql, float_of(-INFINITY));
}

void sql_no_infinity(struct resource *sql)
{
    make_table(sql, SQL_FLOAT64);
    FAILS(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)",
                      SET(float_of(-INFINITY)), &(struct sql_done){0}),
          UNSUPPORTED);
}

static void not_a_number(struct resource *sql)
{
    make_table(sql, SQL_FLOAT64);
    round_trip(sql, float_of(NAN));
}

void sql_no_nan(struct resource *sql)
{
    make_table(sql, SQL_FLOAT64);
    FAILS(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)",
                      SET(float_of(NAN)), &(struct sql_done){0}),
          UNSUPPORTED);
    INT(sql, NULL, "SELECT count(*) FROM one", 0);
}

static void decimals_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "0",
        "1",
        "-1",
        "+7",
        "12.50",
        "-0.000000000000000000000000000001",
        "0.1",
        "18446744073709551615",
        "9223372036854775808",
        "-9223372036854775809",
        "9007199254740993",
        "9007199254740993.5",
        "0.30000000000000004",
        "99999999999999999999999999999999999.99999999999999999999999999999",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
        "123456789012345678901234567890.123456789",
        "1e10",
        "1.5E-7",
        "100000000000000000000",
        "007",
        NULL,
    };
    static const char *const bad[] = {
        "",    " ",     "1 ", " 1",   "abc",   "1,5",      "1.",  ".5",
        "--1", "1e",    "e5", "0x10", "1_000", "Infinity", "NaN", "1;",
        "$1",  "1e5.5", "+",  "1-1",  "'1'",   NULL,
    };

    round_trip_texts(sql, SQL_DECIMAL, good);
    refuse_texts(sql, SQL_DECIMAL, bad);
}

/* Digits and exponents by chance; the same ones in every run. */
static void many_decimals(struct resource *sql)
{
    uint64_t chance = 88172645463325252u;
    char text[64];

    make_table(sql, SQL_DECIMAL);
    for (int i = 0; i < 300; i++) {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        int digits = 1 + (int)(chance % 18), places = (int)(chance >> 40) % 25;
        snprintf(text, sizeof(text), "%s%llu.%0*llu",
                 (chance & 1) != 0 ? "-" : "",
                 (unsigned long long)(chance >> 32) % 1000000, digits,
                 (unsigned long long)chance % 100000 + 1);
        if (places > 20)
            snprintf(text, sizeof(text), "%llue%d",
                     (unsigned long long)(chance % 1000000000000000u),
                     places - 30);
        round_trip(sql, sql_as(SQL_DECIMAL, text));
    }
}

static void texts_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "",
        " ",
        "a",
        "'",
        "''",
        "\"",
        "\\",
        "?",
        "$1",
        "0",
        "007",
        "1e5",
        "NULL",
        "true",
        "line\nline\r\n\ttab",
        "\x01\x02\x1f\x7f",
        "gr\xc3\xbc\xc3\x9f",
        "\xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf",
        "e\xcc\x81 is not \xc3\xa9",
        "\xef\xbb\xbf with a mark",
        NULL,
    };

    round_trip_texts(sql, SQL_TEXT, good);
    char *large = sql_repeat('x', SQL_VALUE_MAX);
    round_trip(sql, sql_text(large));
    free(large);
}

static void text_with_nul(struct resource *sql)
{
    make_table(sql, SQL_TEXT);
    for (int type = SQL_TEXT; type < SQL_TYPES; type++)
        if (type != SQL_BYTES)
            FAILS(
                sql_execute(
                    sql, NULL, "INSERT INTO one VALUES (?)",
                    SET({.type = (enum sql_type)type, .ptr = "a\0b", .len = 3}),
                    &(struct sql_done){0}),
                INVALID_ARGUMENT);
    INT(sql, NULL, "SELECT count(*) FROM one", 0);
}

static void bytes_come_back(struct resource *sql)
{
    uint8_t all[256];

    make_table(sql, SQL_BYTES);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    round_trip(sql, (struct sql_value){SQL_BYTES, .ptr = all, .len = 256});
    round_trip(sql, (struct sql_value){SQL_BYTES, .ptr = "", .len = 0});
    round_trip(sql, (struct sql_value){SQL_BYTES, .ptr = "\0", .len = 1});
    round_trip(sql, (struct sql_value){SQL_BYTES, .ptr = "text", .len = 4});
    round_trip(sql, (struct sql_value){SQL_BYTES, .ptr = "12", .len = 2});
    char *large = sql_repeat('\xff', SQL_VALUE_MAX);
    round_trip(
        sql, (struct sql_value){SQL_BYTES, .ptr = large, .len = SQL_VALUE_MAX});
    free(large);
}

static void dates_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "2026-11-23", "1970-01-01", "2024-02-29", "2000-02-29",
        "0001-01-01", "9999-12-31", "1582-10-10", NULL,
    };
    static const char *const bad[] = {
        "",
        "2026-11-31",
        "2026-02-29",
        "1900-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "0000-01-01",
        "26-11-23",
        "2026-1-2",
        "2026/11/23",
        "20261123",
        "2026-11-23 ",
        "2026-11-23T00:00:00",
        "-001-01-01",
        "today",
        "'2026-11-23'",
        NULL,
    };

    round_trip_texts(sql, SQL_DATE, good);
    refuse_texts(sql, SQL_DATE, bad);
}

static void times_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "00:00:00",   "23:59:59",        "13:37:00.000001",
        "13:37:00.5", "23:59:59.999999", "12:00:00.100000",
        NULL,
    };
    static const char *const bad[] = {
        "",
        "24:00:00",
        "12:60:00",
        "12:00:60",
        "12:00",
        "1:2:3",
        "12:00:00.",
        "12:00:00Z",
        "12:00:00+01:00",
        "12:00:00.1234567890",
        "12.00.00",
        "noon",
        NULL,
    };

    round_trip_texts(sql, SQL_TIME, good);
    refuse_texts(sql, SQL_TIME, bad);
}

static void timestamps_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "2026-11-23T13:37:00", "2026-11-23T13:37:00.000001",
        "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999",
        "1970-01-01T00:00:00", NULL,
    };
    static const char *const bad[] = {
        "",
        "2026-11-23",
        "2026-11-23 13:37:00",
        "2026-11-23T13:37",
        "2026-11-23T13:37:00 Z",
        "2026-11-23T13:37:00z",
        "2026-11-23t13:37:00Z",
        "2026-11-23T13:37:00+1",
        "2026-11-23T13:37:00+24:00",
        "2026-11-23T13:37:00+01:60",
        "2026-11-23T13:37:00+0100",
        "2026-02-30T13:37:00Z",
        "now",
        NULL,
    };

    round_trip_texts(sql, SQL_TIMESTAMP, good);
    refuse_texts(sql, SQL_TIMESTAMP, bad);
}

static void uuids_come_back(struct resource *sql)
{
    static const char *const good[] = {
        "123e4567-e89b-12d3-a456-426614174000",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "ABCDEF01-2345-6789-ABCD-EF0123456789",
        "00000000-0000-0000-0000-00000000e000",
        NULL,
    };
    static const char *const bad[] = {
        "",
        "123e4567e89b12d3a456426614174000",
        "{123e4567-e89b-12d3-a456-426614174000}",
        "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000",
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567-e89b-12d3-a456 426614174000",
        NULL,
    };

    round_trip_texts(sql, SQL_UUID, good);
    refuse_texts(sql, SQL_UUID, bad);
}

static void json_comes_back(struct resource *sql)
{
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "0.1",
        "1.5e300",
        "\"\"",
        "\"text\"",
        "\"a \\\"quoted\\\" \\\\ \\u00e9 \\n\"",
        "\"gr\xc3\xbc\xc3\x9f\"",
        "[]",
        "{}",
        "[1, 2, 3]",
        "{\"a\": [true, null, {\"b\": \"c\"}]}",
        " [ 1 , [ ] ] ",
        NULL,
    };
    static const char *const bad[] = {
        "",      " ",       "nul",        "True", "'text'",  "[1,]",
        "{a:1}", "{\"a\"}", "[1 2]",      "\"",   "\"\\x\"", "\"\\u12\"",
        "01",    "1.",      ".5",         "+1",   "[",       "]",
        "{",     "[}",      "{\"a\":1,}", "1 2",  "NaN",     "\"a\nb\"",
        "//",    "[1]x",    "\"\t\"",     NULL,
    };

    round_trip_texts(sql, SQL_JSON, good);
    if (!sql_dialect()->rounds_json)
        round_trip(sql, sql_as(SQL_JSON, "12345678901234567890123"));
    refuse_texts(sql, SQL_JSON, bad);
}

static void deep_json(struct resource *sql)
{
    size_t most = sql_dialect()->json_depth; /* that the database holds */
    char text[2 * 101 + 1] = "";

    most = most == 0 ? 100 : most;
    make_table(sql, SQL_JSON);
    memset(text, '[', most);
    memset(text + most, ']', most);
    round_trip(sql, sql_as(SQL_JSON, text));
    memset(text, '[', 101);
    memset(text + 101, ']', 101);
    FAILS(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)",
                      SET(sql_as(SQL_JSON, text)), &(struct sql_done){0}),
          INVALID_ARGUMENT);
    char *deep = sql_repeat('[', 100000);
    FAILS(sql_execute(sql, NULL, "INSERT INTO one VALUES (?)",
                      SET(sql_as(SQL_JSON, deep)), &(struct sql_done){0}),
          INVALID_ARGUMENT);
    free(deep);
}

/* One row of all types, found by each of its values. */
static void found_by_value(struct resource *sql)
{
    const struct sql_dialect *d = sql_dialect();
    const struct sql_value values[] = {
        {.type = SQL_BOOLEAN, .boolean = true},
        sql_int(INT64_MIN),
        float_of(0.5),
        sql_as(SQL_DECIMAL, "12345678901234567890.5"),
        sql_text("it's"),
        {.type = SQL_BYTES, .ptr = "\0\xff", .len = 2},
        sql_as(SQL_DATE, "2026-11-23"),
        sql_as(SQL_TIME, "13:37:00"),
        sql_as(SQL_TIMESTAMP, "2026-11-23T13:37:00"),
        sql_as(SQL_UUID, "123E4567-e89b-12d3-a456-426614174000"),
    };
    enum { COLUMNS = sizeof(values) / sizeof(values[0]) };
    struct sql_done done;

    sql_create(sql,
               "CREATE TABLE all_types (c0 %s, c1 %s, c2 %s, c3 %s, c4 %s, "
               "c5 %s, c6 %s, c7 %s, c8 %s, c9 %s)",
               d->columns[1], d->columns[2], d->columns[3], d->columns[4],
               d->columns[5], d->columns[6], d->columns[7], d->columns[8],
               d->columns[9], d->columns[10]);
    OK(sql_execute(sql, NULL,
                   "INSERT INTO all_types VALUES (?,?,?,?,?,?,?,?,?,?)",
                   (struct sql_set){values, COLUMNS}, &done));
    for (size_t i = 0; i < COLUMNS; i++) {
        struct sql_rows rows = {0};
        char query[64];
        snprintf(query, sizeof(query), "SELECT * FROM all_types WHERE c%zu = ?",
                 i);
        OK(sql_query(sql, NULL, query, SET(values[i]), &rows));
        CHECK(rows.row_count == 1 && rows.column_count == COLUMNS);
        for (size_t j = 0; j < COLUMNS; j++)
            SAME(&rows.values[j], &values[j]);
        sql_rows_done(&rows);
    }
}

const struct suite_case sql_value_cases[] = {
    {"values: null", 0, null_comes_back},
    {"values: boolean", 0, boolean_comes_back},
    {"values: int64", 0, integers_come_back},
    {"values: float64", 0, floats_come_back},
    {"values: infinities", SQL_NEEDS_INFINITY, infinities_come_back,
     .holds = "sql-28"},
    {"values: NaN", SQL_NEEDS_NAN, not_a_number, .holds = "sql-28"},
    {"values: decimal", 0, decimals_come_back,
     .holds = "sql-29 sql-30 sql-31 sql-26"},
    {"values: decimals by chance", 0, many_decimals},
    {"values: text", 0, texts_come_back},
    {"values: text with NUL is refused", 0, text_with_nul, .holds = "sql-32"},
    {"values: bytes", 0, bytes_come_back, .holds = "sql-33"},
    {"values: date", 0, dates_come_back, .holds = "sql-34"},
    {"values: time", 0, times_come_back, .holds = "sql-35"},
    {"values: timestamp", 0, timestamps_come_back, .holds = "sql-36"},
    {"values: uuid", 0, uuids_come_back, .holds = "sql-37"},
    {"values: json", 0, json_comes_back, .holds = "sql-39"},
    {"values: json is deep", 0, deep_json, .holds = "sql-38"},
    {"values: a row of all types, found by each", 0, found_by_value,
     .holds = "sql-27"},
    {0},
};

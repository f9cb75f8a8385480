/* SPDX-License-Identifier: Apache-2.0 */
/* What columns of SQLite become. */
#include "sql/sqlite/shared_test.h"

#include <stdio.h>
#include <string.h>

static void expect_column_text(struct fixture *f, const char *text,
                               enum sl_sql_type type, const char *expected)
{
    const struct sl_sql_answer *answer = query(f, text);

    expect_ok(answer, text);
    assert_int_equal(answer->row_count, 1);
    const struct sl_sql_value *value = &answer->values[0];
    if (value->type != type ||
        !sl_bytes_equal(value->bytes, sl_bytes_of(expected)))
        fail_msg("%s: type %u: %.*s", text, value->type, (int)value->bytes.len,
                 (const char *)value->bytes.ptr);
}

static void columns_by_their_declared_type(void **state)
{
    static const struct {
        const char *declared, *literal;
        enum sl_sql_type type;
        const char *text;
    } cases[] = {
        {"TIMESTAMP", "'2026-11-23 13:37:00'", SL_SQL_TIMESTAMP,
         "2026-11-23T13:37:00"},
        {"DATETIME", "datetime('2026-11-23T13:37:00Z')", SL_SQL_TIMESTAMP,
         "2026-11-23T13:37:00"},
        {"timestamp with time zone", "'2026-11-23T13:37:00+01:00'",
         SL_SQL_TIMESTAMP, "2026-11-23T13:37:00+01:00"},
        {"TIMESTAMP", "'soon'", SL_SQL_TEXT, "soon"},
        {"DATE", "date('2026-11-23')", SL_SQL_DATE, "2026-11-23"},
        {"DATE", "'2026-02-30'", SL_SQL_TEXT, "2026-02-30"},
        {"TIME", "time('13:37')", SL_SQL_TIME, "13:37:00"},
        {"DECIMAL(10,2)", "12.50", SL_SQL_DECIMAL, "12.5"},
        {"NUMERIC", "'1e3'", SL_SQL_DECIMAL, "1000"},
        {"NUMERIC", "9223372036854775807", SL_SQL_DECIMAL,
         "9223372036854775807"},
        {"DECIMAL", "0.1 + 0.2", SL_SQL_DECIMAL, "0.3"},
        {"DECIMAL", "1.0 / 3", SL_SQL_DECIMAL, "0.33333333333333331"},
        {"DECIMAL", "'7.10787331'", SL_SQL_DECIMAL, "7.10787331"},
        {"DECIMAL", "'-2.29969572e216'", SL_SQL_DECIMAL, "-2.29969572e+216"},
        {"DECIMAL", "'many'", SL_SQL_TEXT, "many"},
        {"UUID", "'123e4567-e89b-12d3-a456-426614174000'", SL_SQL_UUID,
         "123e4567-e89b-12d3-a456-426614174000"},
        {"JSON", "json_object('a', 1)", SL_SQL_JSON, "{\"a\":1}"},
        {"JSON", "5", SL_SQL_JSON, "5"},
        {"JSON", "'{'", SL_SQL_TEXT, "{"},
        {"TEXT", "5", SL_SQL_TEXT, "5"},
        {"VARCHAR(10)", "'longer than that'", SL_SQL_TEXT, "longer than that"},
        {"BLOB", "x'6162'", SL_SQL_BYTES, "ab"},
        {"TEXT", "x'6162'", SL_SQL_BYTES, "ab"},
        {"TEXT", "CAST(x'ff' AS TEXT)", SL_SQL_BYTES, "\xff"},
        {"", "'x'", SL_SQL_TEXT, "x"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "CREATE TABLE a (b %s)",
                 cases[i].declared);
        execute(f, text);
        snprintf(text, sizeof(text), "INSERT INTO a VALUES (%s)",
                 cases[i].literal);
        execute(f, text);
        expect_column_text(f, "SELECT b FROM a", cases[i].type, cases[i].text);
        assert_true(sl_bytes_equal(f->answer.columns[0].type_name,
                                   sl_bytes_of(cases[i].declared)));
        execute(f, "DROP TABLE a");
    }
}

static void values_without_a_declared_type(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b BOOLEAN, c BOOLEAN, d INTEGER)");
    execute(f, "INSERT INTO a VALUES (1, 2, 1)");
    const struct sl_sql_answer *answer =
        query(f, "SELECT b, c, d, b + 0, 1.5, 1e999, NULL, '' FROM a");
    static const uint32_t types[] = {
        SL_SQL_BOOLEAN, SL_SQL_INT64,   SL_SQL_INT64, SL_SQL_INT64,
        SL_SQL_FLOAT64, SL_SQL_FLOAT64, SL_SQL_NULL,  SL_SQL_TEXT,
    };
    expect_ok(answer, "select");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_int_equal(answer->values[i].type, types[i]);
}

static void another_encoding(void **state)
{
    struct fixture *f = *state;

    by_another(f, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE a (b TEXT); "
                  "INSERT INTO a VALUES ('gr\xc3\xbc\xc3\x9f')");
    expect_column_text(f, "SELECT b FROM a", SL_SQL_TEXT, "gr\xc3\xbc\xc3\x9f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(columns_by_their_declared_type),
        SQLITE_CASE(values_without_a_declared_type),
        SQLITE_CASE(another_encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

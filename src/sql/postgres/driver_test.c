/* SPDX-License-Identifier: Apache-2.0 */
/* What is special about sql.postgres; no server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/postgres/connection.h"

static void statements_are_classified(void **state)
{
    static const struct {
        const char *text;
        bool reads, dirties;
    } cases[] = {
        {"SELECT 1", true, false},
        {"SELECT count(*) FROM a WHERE x.id IN (1, 2)", true, false},
        {"(SELECT max(a) FROM b) UNION (SELECT 1)", true, false},
        {"WITH a AS (SELECT 1) SELECT * FROM a", true, false},
        {"SELECT 1 FROM a FOR UPDATE", false, false},
        {"INSERT INTO a (b, c) VALUES (1, 2)", false, false},
        {"INSERT INTO s.a (b) SELECT lower(c) FROM d", false, false},
        {"INSERT INTO \"a\" (b) VALUES (1) ON CONFLICT (b) DO NOTHING", false,
         false},
        {"INSERT INTO a SELECT set_config('a.b', 'c', false)", false, true},
        {"UPDATE a SET b = coalesce(c, 1) WHERE d = 2 RETURNING b", false,
         false},
        {"DELETE FROM a WHERE b = f(1)", false, true},
        {"SELECT pg_advisory_lock(1)", false, true},
        {"SELECT s.count(1)", false, true},
        {"SELECT \"count\"(1)", false, true},
        {"SELECT 'f(' || 'x'", true, false},
        {"SELECT * INTO TEMP a FROM b", false, true},
        {"WITH a AS (DELETE FROM b RETURNING c) SELECT * FROM a", false, false},
        {"CREATE TABLE a (b int)", false, true},
        {"SET a.b = 'c'", false, true},
        {"DO $$ BEGIN END $$", false, true},
        /* a name behind AS is only that */
        {"SELECT 1 AS \"x\", set_config('search_path', 'evil', false)", true,
         true},
        {"SELECT 1 AS x, set_config('search_path', 'evil', false)", true, true},
        {"SELECT 1 AS \"x\" , 2, /* */ f (1)", true, true},
        {"WITH \"a\" (b) AS (SELECT 1) SELECT * FROM a", true, false},
        {"SELECT * FROM generate_series(1, 2) AS a (b)", true, false},
        {"SELECT * FROM generate_series(1, 2) AS \"a\" (b)", true, false},
        {"SELECT CAST(1 AS numeric(3, 1))", true, false},
        /* INSERT where it begins a statement, and nowhere else */
        {"SELECT 1, 2 AS insert INTO \"pg_temp\".prices", false, true},
        {"SELECT 2 insert INTO a", false, true},
        {"SELECT (2) insert INTO a", false, true},
        {"SELECT b.insert INTO a FROM b", false, true},
        {"SELECT \"insert\" INTO a FROM b", false, true},
        {"SELECT insert INTO a FROM b", false, true},
        {"SELECT 2 AS merge INTO a", false, true},
        {"WITH c AS (SELECT 1) SELECT (2) insert INTO a", false, true},
        {"WITH c AS (SELECT 1) SELECT f.a insert INTO a", false, true},
        {"WITH RECURSIVE c AS (SELECT 1 AS n) SEARCH DEPTH FIRST BY n SET o "
         "SELECT (2) insert INTO a FROM c",
         false, true},
        {"SELECT 2 AS insert INTO set_config('a', 'b', false)", false, true},
        {"WITH c AS (SELECT 1) INSERT INTO a (b) SELECT 1 FROM c", false,
         false},
        {"WITH c AS (INSERT INTO a (b) VALUES (1) RETURNING b) SELECT b FROM c",
         false, false},
        {"WITH c AS MATERIALIZED (SELECT 1), d AS (SELECT 2) INSERT INTO a (b) "
         "SELECT 1 FROM c",
         false, false},
        {"MERGE INTO a USING b ON (a.c = b.c) WHEN MATCHED THEN DELETE", false,
         false},
        {"INSERT INTO \"pg_temp\".a VALUES (1)", false, true},
        {"INSERT INTO pg_temp_3.a VALUES (1)", false, true},
        {"SELECT U&\"set_config\"('a.b', 'c', false)", true, true},
        {"SELECT pg_catalog . set_config ('a.b', 'c', false)", true, true},
        {"SELECT count(*) FROM a WHERE b = $x$ f( $x$", true, false},
        {"CALL p()", false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_sql_postgres_class class =
            sl_sql_postgres_classify(sl_bytes_of(cases[i].text));
        bool reads = cases[i].reads && !cases[i].dirties;
        if (class.reads != reads || class.dirties != cases[i].dirties)
            fail_msg("%s: reads %d, dirties %d", cases[i].text, class.reads,
                     class.dirties);
    }
    assert_string_equal(
        sl_sql_postgres_classify(SL_LITERAL("copy a TO STDOUT")).refused,
        "COPY");
    assert_null(
        sl_sql_postgres_classify(SL_LITERAL("SELECT copy FROM a")).refused);
}

/* What is another component's, the server does not know. */
static void what_reaches_others(void **state)
{
    static const char *const denied[] = {
        "SELECT pg_terminate_backend(1)",
        "SELECT PG_Cancel_Backend(pid) FROM a",
        "SELECT pg_catalog.\"pg_cancel_backend\"(1)",
        "SELECT query FROM pg_stat_activity",
        "TABLE \"pg_stat_activity\"",
        "SELECT * FROM pg_catalog . pg_stat_get_activity(NULL)",
        "SELECT statement FROM pg_prepared_statements",
        "SELECT U&\"pg\\005fcancel_backend\"(1)",
        "SELECT u&\"a\"",
        "CREATE VIEW a AS SELECT * FROM pg_stat_activity",
    };
    static const char *const allowed[] = {
        "SELECT 'pg_terminate_backend(1)'",
        "SELECT \"Pg\"\"x\" FROM a",
        "SELECT pg_backend_pid()",
        "SELECT a & \"b\" FROM c",
        "SELECT U&'\\0041'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        if (sl_sql_postgres_classify(sl_bytes_of(denied[i])).reaching == NULL)
            fail_msg("%s", denied[i]);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (sl_sql_postgres_classify(sl_bytes_of(allowed[i])).reaching != NULL)
            fail_msg("%s", allowed[i]);
}

/* --- Values out --------------------------------------------------------- */

struct sent {
    enum sl_sql_postgres_kind kind;
    const char *bytes;
    size_t len; /* 0: as text */
    enum sl_sql_type type;
    const char *expected; /* as text, or for numbers what they are */
};

#define BYTES(s) s, sizeof(s) - 1
#define TEXT(s) s, 0

static void expect_sent(const struct sent *sent)
{
    struct sl_buf buf = SL_BUF(1 << 20);
    struct sl_sql_value value = {.type = SL_SQL_NULL};
    struct sl_error err = {0};
    size_t len = sent->len > 0 ? sent->len : strlen(sent->bytes);
    char text[128];

    enum sl_status status = sl_sql_postgres_read_value(
        sent->kind, sent->len > 0, SL_BYTES(sent->bytes, len), &buf, &value,
        &err);
    if (status != SL_OK)
        fail_msg("%s: %s", sent->expected, err.message);
    if (value.type == SL_SQL_BOOLEAN)
        snprintf(text, sizeof(text), "%s", value.boolean ? "true" : "false");
    else if (value.type == SL_SQL_INT64)
        snprintf(text, sizeof(text), "%lld", (long long)value.int64);
    else if (value.type == SL_SQL_FLOAT64)
        snprintf(text, sizeof(text), "%.17g", value.float64);
    else
        snprintf(text, sizeof(text), "%.*s", (int)value.bytes.len,
                 (const char *)value.bytes.ptr);
    assert_string_equal(text, sent->expected);
    assert_int_equal(value.type, sent->type);
    sl_buf_done(&buf);
}

static void values_out(void **state)
{
    static const struct sent values[] = {
        {SL_SQL_POSTGRES_BOOL, BYTES("\1"), SL_SQL_BOOLEAN, "true"},
        {SL_SQL_POSTGRES_BOOL, TEXT("f"), SL_SQL_BOOLEAN, "false"},
        {SL_SQL_POSTGRES_INT2, BYTES("\x80\0"), SL_SQL_INT64, "-32768"},
        {SL_SQL_POSTGRES_INT4, BYTES("\xff\xff\xff\xff"), SL_SQL_INT64, "-1"},
        {SL_SQL_POSTGRES_INT8, BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"),
         SL_SQL_INT64, "9223372036854775807"},
        {SL_SQL_POSTGRES_INT8, TEXT("-9223372036854775808"), SL_SQL_INT64,
         "-9223372036854775808"},
        {SL_SQL_POSTGRES_OID, BYTES("\xff\xff\xff\xff"), SL_SQL_INT64,
         "4294967295"},
        {SL_SQL_POSTGRES_FLOAT4, BYTES("\x3f\x80\0\0"), SL_SQL_FLOAT64, "1"},
        {SL_SQL_POSTGRES_FLOAT8, BYTES("\x7f\xf0\0\0\0\0\0\0"), SL_SQL_FLOAT64,
         "inf"},
        {SL_SQL_POSTGRES_FLOAT8, TEXT("-Infinity"), SL_SQL_FLOAT64, "-inf"},
        /* 12345678.0900: groups 1234 5678 0900, weight 1, scale 4 */
        {SL_SQL_POSTGRES_NUMERIC,
         BYTES("\0\3\0\1\0\0\0\4\x04\xd2\x16\x2e\x03\x84"), SL_SQL_DECIMAL,
         "12345678.0900"},
        /* -0.00000001: group 1, weight -2, scale 8 */
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\1\xff\xfe\x40\0\0\x08\0\1"),
         SL_SQL_DECIMAL, "-0.00000001"},
        /* 10000: group 1, weight 1 */
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\1\0\1\0\0\0\0\0\1"), SL_SQL_DECIMAL,
         "10000"},
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\0\0\0\0\0\0\2"), SL_SQL_DECIMAL,
         "0.00"},
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\0\0\0\xc0\0\0\0"), SL_SQL_TEXT,
         "NaN"},
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\0\0\0\xf0\0\0\0"), SL_SQL_TEXT,
         "-Infinity"},
        {SL_SQL_POSTGRES_NUMERIC, TEXT("NaN"), SL_SQL_TEXT, "NaN"},
        {SL_SQL_POSTGRES_BYTEA, TEXT("\\x6162"), SL_SQL_BYTES, "ab"},
        {SL_SQL_POSTGRES_DATE, BYTES("\0\0\0\0"), SL_SQL_DATE, "2000-01-01"},
        {SL_SQL_POSTGRES_DATE, BYTES("\x7f\xff\xff\xff"), SL_SQL_TEXT,
         "infinity"},
        {SL_SQL_POSTGRES_DATE, BYTES("\x80\0\0\0"), SL_SQL_TEXT, "-infinity"},
        {SL_SQL_POSTGRES_DATE, TEXT("0044-03-15 BC"), SL_SQL_TEXT,
         "0044-03-15 BC"},
        {SL_SQL_POSTGRES_TIME, BYTES("\0\0\0\x14\x1d\xd7\x60\0"), SL_SQL_TEXT,
         "24:00:00"},
        {SL_SQL_POSTGRES_TIME, BYTES("\0\0\0\0\0\x0f\x42\x41"), SL_SQL_TIME,
         "00:00:01.000001"},
        {SL_SQL_POSTGRES_TIMESTAMP, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"),
         SL_SQL_TIMESTAMP, "1999-12-31T23:59:59.999999"},
        {SL_SQL_POSTGRES_TIMESTAMPTZ, BYTES("\0\0\0\0\0\0\0\0"),
         SL_SQL_TIMESTAMP, "2000-01-01T00:00:00Z"},
        {SL_SQL_POSTGRES_TIMESTAMPTZ, BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"),
         SL_SQL_TEXT, "infinity"},
        {SL_SQL_POSTGRES_TIMESTAMPTZ, TEXT("2026-11-23 13:37:00.5+00"),
         SL_SQL_TIMESTAMP, "2026-11-23T13:37:00.5Z"},
        {SL_SQL_POSTGRES_TIMESTAMP, TEXT("-infinity"), SL_SQL_TEXT,
         "-infinity"},
        {SL_SQL_POSTGRES_TIMESTAMP, TEXT("10000-01-01 00:00:00"), SL_SQL_TEXT,
         "10000-01-01 00:00:00"},
        {SL_SQL_POSTGRES_UUID,
         BYTES("\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56"
               "\x42\x66\x14\x17\x40\x00"),
         SL_SQL_UUID, "123e4567-e89b-12d3-a456-426614174000"},
        {SL_SQL_POSTGRES_JSONB, BYTES("\1[1]"), SL_SQL_JSON, "[1]"},
        {SL_SQL_POSTGRES_JSON, TEXT("[1]"), SL_SQL_JSON, "[1]"},
        {SL_SQL_POSTGRES_OTHER, TEXT("{1,2}"), SL_SQL_TEXT, "{1,2}"},
        {SL_SQL_POSTGRES_TEXT, BYTES("a\xff"), SL_SQL_BYTES, "a\xff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        expect_sent(&values[i]);
}

static void what_is_no_value(void **state)
{
    static const struct sent values[] = {
        {SL_SQL_POSTGRES_BOOL, BYTES("\1\1"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_INT4, BYTES("\1"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_INT8, TEXT("x"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_FLOAT8, BYTES("\1\1\1"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0\2\0\0\0\0\0\0\0\1"), SL_SQL_NULL,
         ""},
        {SL_SQL_POSTGRES_NUMERIC, BYTES("\0"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_DATE, BYTES("\0\0"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_TIME, BYTES("\xff\0\0\0\0\0\0\0"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_TIMESTAMP, BYTES("\0"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_UUID, BYTES("\0"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_JSONB, BYTES("\2[]"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_BYTEA, TEXT("abcd"), SL_SQL_NULL, ""},
        {SL_SQL_POSTGRES_BYTEA, TEXT("\\x0g"), SL_SQL_NULL, ""},
    };
    struct sl_buf buf = SL_BUF(1 << 20);

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct sl_sql_value value;
        struct sl_error err;
        size_t len =
            values[i].len > 0 ? values[i].len : strlen(values[i].bytes);
        if (sl_sql_postgres_read_value(values[i].kind, values[i].len > 0,
                                       SL_BYTES(values[i].bytes, len), &buf,
                                       &value, &err) != SL_INTERNAL)
            fail_msg("%zu", i);
    }
    sl_buf_done(&buf);
}

/* --- Values in ---------------------------------------------------------- */

static struct sl_sql_value text_as(enum sl_sql_type type, const char *text)
{
    return (struct sl_sql_value){.type = type, .bytes = sl_bytes_of(text)};
}

/* What the value becomes for a placeholder of this kind; len 0: text. */
static void expect_encoded_for(bool prepared, struct sl_sql_value value,
                               enum sl_sql_postgres_kind kind,
                               const char *bytes, int len)
{
    struct sl_sql_postgres_column column = {.kind = kind};
    struct sl_sql_postgres_statement statement = {.parameters = &column,
                                                  .parameter_count = 1};
    const struct sl_sql_parameters set = {&value, 1};
    struct sl_sql_postgres_parameters out;
    struct sl_error err;

    assert_int_equal(
        sl_sql_postgres_encode(&statement, &set, prepared, &out, &err), SL_OK);
    assert_int_equal(out.formats[0], len > 0);
    if (len > 0) {
        assert_int_equal(out.lengths[0], len);
        assert_memory_equal(out.values[0], bytes, (size_t)len);
    } else {
        assert_string_equal(out.values[0], bytes);
    }
    sl_sql_postgres_parameters_done(&out);
}

static void expect_encoded(struct sl_sql_value value,
                           enum sl_sql_postgres_kind kind, const char *bytes,
                           int len)
{
    expect_encoded_for(true, value, kind, bytes, len);
}

/* Types that are found anew may be any. */
static void expect_text(struct sl_sql_value value,
                        enum sl_sql_postgres_kind kind, const char *text)
{
    expect_encoded_for(false, value, kind, text, 0);
}

static void values_in(void **state)
{
    const struct sl_sql_value yes = {.type = SL_SQL_BOOLEAN, .boolean = true};
    const struct sl_sql_value number = {.type = SL_SQL_INT64, .int64 = -2};
    const struct sl_sql_value large = {.type = SL_SQL_INT64,
                                       .int64 = 5000000000};
    const struct sl_sql_value tenth = {.type = SL_SQL_FLOAT64, .float64 = 0.1};

    (void)state;
    expect_encoded(yes, SL_SQL_POSTGRES_BOOL, "\1", 1);
    expect_encoded(yes, SL_SQL_POSTGRES_TEXT, "true", 0);
    expect_encoded(number, SL_SQL_POSTGRES_INT2, "\xff\xfe", 2);
    expect_encoded(number, SL_SQL_POSTGRES_NUMERIC, "-2", 0);
    expect_encoded(large, SL_SQL_POSTGRES_INT4, "5000000000", 0);
    expect_encoded(large, SL_SQL_POSTGRES_INT8, "\0\0\0\1\x2a\x05\xf2\0", 8);
    expect_encoded(tenth, SL_SQL_POSTGRES_NUMERIC, "0.1", 0);
    expect_encoded(text_as(SL_SQL_TEXT, "a"), SL_SQL_POSTGRES_TEXT, "a", 1);
    expect_encoded(text_as(SL_SQL_TEXT, "a"), SL_SQL_POSTGRES_OTHER, "a", 0);
    expect_encoded(text_as(SL_SQL_BYTES, "a"), SL_SQL_POSTGRES_BYTEA, "a", 1);
    expect_encoded(text_as(SL_SQL_JSON, "[1]"), SL_SQL_POSTGRES_JSONB, "[1]",
                   0);
    expect_text(yes, SL_SQL_POSTGRES_BOOL, "true");
    expect_text(number, SL_SQL_POSTGRES_INT2, "-2");
    expect_text(tenth, SL_SQL_POSTGRES_FLOAT8, "0.1");
    expect_text(text_as(SL_SQL_TEXT, "a"), SL_SQL_POSTGRES_TEXT, "a");
}

/* Whether a statement may run as it was prepared. */
static void ways_in(void **state)
{
    static const char instant[] = "2026-11-23T13:37:00+01:00";
    const struct {
        struct sl_sql_value value;
        enum sl_sql_postgres_kind kind;
        enum sl_sql_postgres_binding way;
    } cases[] = {
        {{.type = SL_SQL_NULL},
         SL_SQL_POSTGRES_OTHER,
         SL_SQL_POSTGRES_BIND_PREPARED},
        {{.type = SL_SQL_BOOLEAN},
         SL_SQL_POSTGRES_BOOL,
         SL_SQL_POSTGRES_BIND_PREPARED},
        {{.type = SL_SQL_BOOLEAN},
         SL_SQL_POSTGRES_TEXT,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {{.type = SL_SQL_INT64, .int64 = 32767},
         SL_SQL_POSTGRES_INT2,
         SL_SQL_POSTGRES_BIND_PREPARED},
        {{.type = SL_SQL_INT64, .int64 = 32768},
         SL_SQL_POSTGRES_INT2,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {{.type = SL_SQL_INT64},
         SL_SQL_POSTGRES_NUMERIC,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {{.type = SL_SQL_FLOAT64},
         SL_SQL_POSTGRES_FLOAT8,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {text_as(SL_SQL_TEXT, "a"), SL_SQL_POSTGRES_TEXT,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {text_as(SL_SQL_UUID, "a"), SL_SQL_POSTGRES_UUID,
         SL_SQL_POSTGRES_BIND_PREPARED},
        {text_as(SL_SQL_UUID, "A"), SL_SQL_POSTGRES_UUID,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {text_as(SL_SQL_TIMESTAMP, instant), SL_SQL_POSTGRES_TIMESTAMP,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {text_as(SL_SQL_TIMESTAMP, instant), SL_SQL_POSTGRES_TEXT,
         SL_SQL_POSTGRES_BIND_CHECKED},
        {text_as(SL_SQL_TIMESTAMP, "2026-11-23T13:37:00"), SL_SQL_POSTGRES_TEXT,
         SL_SQL_POSTGRES_BIND_INFERRED},
        {text_as(SL_SQL_BYTES, "a"), SL_SQL_POSTGRES_BYTEA,
         SL_SQL_POSTGRES_BIND_CHECKED},
        {text_as(SL_SQL_BYTES, "a"), SL_SQL_POSTGRES_TEXT,
         SL_SQL_POSTGRES_BIND_UNFIT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_sql_postgres_column column = {.kind = cases[i].kind};
        struct sl_sql_postgres_statement statement = {.parameters = &column,
                                                      .parameter_count = 1};
        const struct sl_sql_parameters set = {&cases[i].value, 1};
        assert_int_equal(sl_sql_postgres_binding_of(&statement, &set),
                         cases[i].way);
        statement.fresh = true;
        assert_int_equal(sl_sql_postgres_binding_of(&statement, &set),
                         cases[i].way == SL_SQL_POSTGRES_BIND_UNFIT
                             ? SL_SQL_POSTGRES_BIND_UNFIT
                             : SL_SQL_POSTGRES_BIND_PREPARED);
    }
}

/* A type without a zone would forget the offset. */
static void instants_in(void **state)
{
    static const struct {
        const char *text, *utc;
    } instants[] = {
        {"2026-11-23T13:37:00+01:00", "2026-11-23T12:37:00Z"},
        {"2026-11-23T13:37:00.25Z", "2026-11-23T13:37:00.25Z"},
        {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"},
        {"2024-03-01T00:10:00+00:30", "2024-02-29T23:40:00Z"},
        {"1970-01-01T00:00:00+23:59", "1969-12-31T00:01:00Z"},
        {"0001-01-01T00:00:00+01:00", "0001-12-31T23:00:00Z BC"},
        {"2026-11-23T13:37:00", "2026-11-23T13:37:00"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        struct sl_sql_value value = text_as(SL_SQL_TIMESTAMP, instants[i].text);
        expect_encoded(value, SL_SQL_POSTGRES_TIMESTAMP, instants[i].utc, 0);
        expect_text(value, SL_SQL_POSTGRES_TIMESTAMPTZ, instants[i].utc);
        expect_text(value, SL_SQL_POSTGRES_DATE, instants[i].utc);
        expect_text(value, SL_SQL_POSTGRES_TIME, instants[i].text);
        expect_text(value, SL_SQL_POSTGRES_TEXT, instants[i].text);
    }
}

static void what_does_not_fit(void **state)
{
    struct sl_sql_postgres_column column = {.kind = SL_SQL_POSTGRES_TEXT};
    struct sl_sql_postgres_statement statement = {.parameters = &column,
                                                  .parameter_count = 1};
    struct sl_sql_value value = text_as(SL_SQL_BYTES, "a");
    struct sl_sql_postgres_parameters out;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_sql_postgres_encode(
                         &statement, &(struct sl_sql_parameters){&value, 1},
                         true, &out, &err),
                     SL_INVALID_ARGUMENT);
    assert_int_equal(sl_sql_postgres_encode(
                         &statement, &(struct sl_sql_parameters){&value, 0},
                         true, &out, &err),
                     SL_INVALID_ARGUMENT);
}

static void quoted_values_are_found(void **state)
{
    const struct sl_sql_value values[] = {
        {.type = SL_SQL_NULL},
        {.type = SL_SQL_INT64, .int64 = 4711},
        text_as(SL_SQL_TEXT, "my secret"),
        text_as(SL_SQL_TEXT, ""),
    };
    const struct sl_sql_parameters set = {values, 4};

    (void)state;
    assert_true(sl_sql_postgres_quotes_value("no user \"my secret\"", &set));
    assert_true(sl_sql_postgres_quotes_value("4711 is too much", &set));
    assert_false(sl_sql_postgres_quotes_value("no such table", &set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_classified),
        cmocka_unit_test(what_reaches_others),
        cmocka_unit_test(values_out),
        cmocka_unit_test(what_is_no_value),
        cmocka_unit_test(values_in),
        cmocka_unit_test(ways_in),
        cmocka_unit_test(instants_in),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(quoted_values_are_found),
    };

    return cmocka_run_group_tests_name("sql.postgres", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Types that only MySQL and MariaDB have, and what stays of a session. */
#include "faults/mysql_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Types --------------------------------------------------------------- */

/* What `SELECT v FROM one` answers. */
static void expect(struct test_store *store, enum sl_sql_type type,
                   const char *text, const char *type_name)
{
    struct sl_sql_answer answer;

    if (run_in(store, NULL, SL_SQL_QUERY, "SELECT v FROM one", &answer) !=
        SL_OK)
        fail_msg("%s", answer.err.message);
    assert_int_equal(answer.row_count, 1);
    assert_int_equal(answer.column_count, 1);
    const struct sl_sql_value *value = &answer.values[0];
    if (value->type != type)
        fail_msg("%s: a %s", type_name, sl_sql_type_text(value->type));
    struct sl_bytes name = answer.columns[0].type_name;
    if (!sl_bytes_equal(name, sl_bytes_of(type_name)))
        fail_msg("%s is called %.*s", type_name, (int)name.len, name.ptr);
    char is[64] = "";
    if (type == SL_SQL_INT64)
        snprintf(is, sizeof(is), "%lld", (long long)value->int64);
    else if (type == SL_SQL_BOOLEAN)
        snprintf(is, sizeof(is), "%d", value->boolean);
    else if (type == SL_SQL_FLOAT64)
        snprintf(is, sizeof(is), "%g", value->float64);
    else if (type >= SL_SQL_DECIMAL)
        snprintf(is, sizeof(is), "%.*s", (int)value->bytes.len,
                 (const char *)value->bytes.ptr);
    if (strcmp(is, text) != 0)
        fail_msg("%s: %s, not %s", type_name, is, text);
    sl_answers_done(store->service, &answer, 1);
}

static const struct {
    const char *column, *literal;
    enum sl_sql_type type;
    const char *text, *name;
} types[] = {
    {"BIGINT UNSIGNED", "18446744073709551615", SL_SQL_DECIMAL,
     "18446744073709551615", "bigint unsigned"},
    {"BIGINT UNSIGNED", "9223372036854775807", SL_SQL_INT64,
     "9223372036854775807", "bigint unsigned"},
    {"INT UNSIGNED", "4294967295", SL_SQL_INT64, "4294967295", "int unsigned"},
    {"MEDIUMINT", "-8388608", SL_SQL_INT64, "-8388608", "mediumint"},
    {"SMALLINT UNSIGNED", "65535", SL_SQL_INT64, "65535", "smallint unsigned"},
    {"TINYINT", "-128", SL_SQL_INT64, "-128", "tinyint"},
    {"TINYINT UNSIGNED", "255", SL_SQL_INT64, "255", "tinyint unsigned"},
    {"TINYINT(1)", "1", SL_SQL_BOOLEAN, "1", "tinyint"},
    {"TINYINT(1)", "7", SL_SQL_INT64, "7", "tinyint"},
    {"BIT(1)", "b'1'", SL_SQL_BOOLEAN, "1", "bit"},
    {"BIT(12)", "b'101010101010'", SL_SQL_INT64, "2730", "bit"},
    {"BIT(64)", "18446744073709551615", SL_SQL_DECIMAL, "18446744073709551615",
     "bit"},
    {"YEAR", "2026", SL_SQL_INT64, "2026", "year"},
    {"FLOAT", "0.5", SL_SQL_FLOAT64, "0.5", "float"},
    {"DECIMAL(10, 3)", "12.5", SL_SQL_DECIMAL, "12.500", "decimal"},
    {"ENUM('a', 'b?')", "'b?'", SL_SQL_TEXT, "b?", "enum"},
    {"SET('a', 'b')", "'b,a'", SL_SQL_TEXT, "a,b", "set"},
    {"CHAR(10)", "'x'", SL_SQL_TEXT, "x", "char"},
    {"VARCHAR(10)", "'x'", SL_SQL_TEXT, "x", "varchar"},
    {"TINYTEXT", "'x'", SL_SQL_TEXT, "x", "tinytext"},
    {"TEXT", "'x'", SL_SQL_TEXT, "x", "text"},
    {"MEDIUMTEXT", "'x'", SL_SQL_TEXT, "x", "mediumtext"},
    {"LONGTEXT", "'x'", SL_SQL_TEXT, "x", "longtext"},
    {"VARCHAR(10)", "'a\\0b'", SL_SQL_BYTES, "a", "varchar"},
    {"VARCHAR(10) CHARACTER SET latin1", "'gr\xc3\xbc\xc3\x9f'", SL_SQL_TEXT,
     "gr\xc3\xbc\xc3\x9f", "varchar"},
    {"BINARY(3)", "'abc'", SL_SQL_BYTES, "abc", "binary"},
    {"VARBINARY(9)", "'abc'", SL_SQL_BYTES, "abc", "varbinary"},
    {"TINYBLOB", "'x'", SL_SQL_BYTES, "x", "tinyblob"},
    {"BLOB", "'x'", SL_SQL_BYTES, "x", "blob"},
    {"MEDIUMBLOB", "'x'", SL_SQL_BYTES, "x", "mediumblob"},
    {"LONGBLOB", "'x'", SL_SQL_BYTES, "x", "longblob"},
    {"DATE", "'1000-01-01'", SL_SQL_DATE, "1000-01-01", "date"},
    {"TIME", "'12:34:56'", SL_SQL_TIME, "12:34:56", "time"},
    {"TIME(3)", "'12:34:56.789'", SL_SQL_TIME, "12:34:56.789", "time"},
    {"TIME", "'838:59:59'", SL_SQL_TEXT, "838:59:59", "time"},
    {"TIME(6)", "'-00:00:00.000001'", SL_SQL_TEXT, "-00:00:00.000001", "time"},
    {"TIME", "'24:00:00'", SL_SQL_TEXT, "24:00:00", "time"},
    {"DATETIME", "'2026-11-23 13:37:00'", SL_SQL_TIMESTAMP,
     "2026-11-23T13:37:00", "datetime"},
    {"DATETIME(6)", "'9999-12-31 23:59:59.999999'", SL_SQL_TIMESTAMP,
     "9999-12-31T23:59:59.999999", "datetime"},
    {"TIMESTAMP", "'1970-01-01 00:00:01'", SL_SQL_TIMESTAMP,
     "1970-01-01T00:00:01Z", "timestamp"},
    {"TIMESTAMP(6)", "'2038-01-19 03:14:07.499999'", SL_SQL_TIMESTAMP,
     "2038-01-19T03:14:07.499999Z", "timestamp"},
    {"CHAR(36)", "'123e4567-e89b-12d3-a456-426614174000'", SL_SQL_UUID,
     "123e4567-e89b-12d3-a456-426614174000", "char"},
    {"CHAR(36)", "'none'", SL_SQL_TEXT, "none", "char"},
    {"JSON", "'[1, 2]'", SL_SQL_JSON, "[1, 2]", "json"},
};

static void every_type_of_a_column(void **state)
{
    struct test_store store;
    char statement[256];

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(statement, sizeof(statement), "CREATE TABLE one (v %s)",
                 types[i].column);
        assert_int_equal(run(&store, statement), SL_OK);
        snprintf(statement, sizeof(statement), "INSERT INTO one VALUES (%s)",
                 types[i].literal);
        run_fails(&store, statement, SL_OK, "");
        expect(&store, types[i].type, types[i].text, types[i].name);
        assert_int_equal(run(&store, "DROP TABLE one"), SL_OK);
    }
    test_store_done(&store);
}

/* Which only a session that is not strict can write. */
static void zeros_that_are_no_days(void **state)
{
    static const struct {
        const char *column, *literal, *text, *name;
    } zeros[] = {
        {"DATE", "0000-00-00", "0000-00-00", "date"},
        {"DATE", "2026-00-10", "2026-00-10", "date"},
        {"DATETIME", "0000-00-00 00:00:00", "0000-00-00 00:00:00", "datetime"},
        {"TIMESTAMP NULL", "0000-00-00 00:00:00", "0000-00-00 00:00:00",
         "timestamp"},
    };
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "");
    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
        char statement[128];
        tell("SET sql_mode = ''; CREATE TABLE one (v %s); "
             "INSERT INTO one VALUES ('%s')",
             zeros[i].column, zeros[i].literal);
        expect(&store, SL_SQL_TEXT, zeros[i].text, zeros[i].name);
        snprintf(statement, sizeof(statement), "INSERT INTO one VALUES ('%s')",
                 zeros[i].literal);
        run_fails(&store, statement, SL_INVALID_ARGUMENT, "");
        tell("DROP TABLE one");
    }
    test_store_done(&store);
}

static void only_mariadb_has_these(void **state)
{
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "");
    if (is_mariadb()) {
        assert_int_equal(run(&store, "CREATE TABLE one (v UUID)"), SL_OK);
        assert_int_equal(run(&store,
                             "INSERT INTO one VALUES "
                             "('123E4567-e89b-12d3-a456-426614174000')"),
                         SL_OK);
        expect(&store, SL_SQL_UUID, "123e4567-e89b-12d3-a456-426614174000",
               "uuid");
        assert_int_equal(run(&store, "DROP TABLE one"), SL_OK);
        assert_int_equal(run(&store, "CREATE TABLE one (v INET6)"), SL_OK);
        assert_int_equal(run(&store, "INSERT INTO one VALUES ('::1')"), SL_OK);
        expect(&store, SL_SQL_TEXT, "::1", "inet6");
    } else {
        /* The client library has no place for this one. */
        assert_int_equal(run(&store, "CREATE TABLE one (v VECTOR(2))"), SL_OK);
        assert_int_equal(
            run(&store, "INSERT INTO one VALUES (TO_VECTOR('[1, 2]'))"), SL_OK);
        run_fails(&store, "SELECT v FROM one", SL_UNSUPPORTED, "convert it");
        assert_string_equal(value_of(&store, "SELECT FROM_VECTOR(v) FROM one"),
                            "[1.00000e+00,2.00000e+00]");
    }
    assert_int_equal(run(&store, "DROP TABLE one"), SL_OK);
    test_store_done(&store);
}

/* An instant is one, wherever it was written down. */
static void instants_are_brought_to_utc(void **state)
{
    static const struct {
        const char *in, *out;
    } instants[] = {
        {"2026-11-23T13:37:00Z", "2026-11-23T13:37:00.000000Z"},
        {"2026-11-23T13:37:00.5+01:00", "2026-11-23T12:37:00.500000Z"},
        {"2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"},
        {"2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00.000000Z"},
        {"2026-12-31T20:00:00-05:30", "2027-01-01T01:30:00.000000Z"},
        {"2026-11-23T13:37:00.123456789Z", "2026-11-23T13:37:00.123456Z"},
    };
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "");
    assert_int_equal(run(&store, "CREATE TABLE one (v TIMESTAMP(6))"), SL_OK);
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        const struct sl_sql_value value = {
            .type = SL_SQL_TIMESTAMP, .bytes = sl_bytes_of(instants[i].in)};
        const struct sl_sql_parameters set = {&value, 1};
        const struct sl_sql_request insert = {
            .verb = SL_SQL_EXECUTE,
            .statement = SL_LITERAL("INSERT INTO one VALUES (?)"),
            .sets = &set,
            .set_count = 1};
        fault_call_is(&store, &insert, SL_OK, "");
        expect(&store, SL_SQL_TIMESTAMP, instants[i].out, "timestamp");
        assert_int_equal(run(&store, "DELETE FROM one"), SL_OK);
    }
    assert_int_equal(run(&store, "DROP TABLE one"), SL_OK);
    test_store_done(&store);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO strict_one (n) VALUES (1000)",
        "INSERT INTO strict_one (n) VALUES ('x')",
        "INSERT INTO strict_one (t) VALUES ('too long')",
        "INSERT INTO strict_one (d) VALUES ('2026-02-30')",
        "INSERT INTO strict_one (e) VALUES ('other')",
    };
    struct test_store store;

    (void)state;
    open_store(&store, NULL, "");
    assert_int_equal(run(&store, "CREATE TABLE strict_one (n TINYINT, t "
                                 "VARCHAR(3), d DATE, e ENUM('a'))"),
                     SL_OK);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        run_fails(&store, statements[i], SL_INVALID_ARGUMENT, "");
    assert_string_equal(value_of(&store, "SELECT count(*) FROM strict_one"),
                        "0");
    assert_int_equal(run(&store, "DROP TABLE strict_one"), SL_OK);
    test_store_done(&store);
}

/* --- Sessions ------------------------------------------------------------ */

static void nothing_stays_with_the_session(void **state)
{
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "connections = 1");
    run_fails(&store, "SET @x = 1", SL_PERMISSION_DENIED, "session");
    run_fails(&store, "SELECT @x := 1", SL_PERMISSION_DENIED, "@name");
    run_fails(&store, "CREATE TEMPORARY TABLE t (id INT)", SL_PERMISSION_DENIED,
              "temporary");
    run_fails(&store, "SELECT GET_LOCK('a', 0)", SL_PERMISSION_DENIED, "locks");
    /* A procedure may do all of that; the session is reset. */
    tell_routine(
        "CREATE PROCEDURE untidy() BEGIN SET @x = 1; SET sql_mode = ''; "
        "SET time_zone = '+05:00'; SET autocommit = 0; DO GET_LOCK('a', 0); "
        "CREATE TEMPORARY TABLE left_over (id INT); SELECT 5 AS five; END");
    assert_string_equal(value_of(&store, "CALL untidy()"), "5");
    assert_string_equal(value_of(&store, "SELECT @@time_zone"), "+00:00");
    assert_non_null(
        strstr(value_of(&store, "SELECT @@sql_mode"), "STRICT_ALL_TABLES"));
    assert_string_equal(value_of(&store, "SELECT @@autocommit"), "1");
    assert_string_equal(value_of(&store, "SELECT IS_FREE_LOCK('a')"), "1");
    run_fails(&store, "SELECT * FROM left_over", SL_INVALID_ARGUMENT,
              "left_over");
    tell("DROP PROCEDURE untidy");
    test_store_done(&store);
}

static void a_procedure_that_commits_is_found_out(void **state)
{
    struct test_store store;
    struct sl_session *session = NULL;
    struct sl_error err;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    tell("CREATE TABLE one (v INT)");
    tell_routine("CREATE PROCEDURE commits() BEGIN COMMIT; END");
    open_store(&store, NULL, "");
    assert_int_equal(sl_session_open(store.service, &session, &err), SL_OK);
    assert_int_equal(run_in(&store, session, SL_SQL_BEGIN, "", NULL), SL_OK);
    assert_int_equal(run_in(&store, session, SL_SQL_EXECUTE,
                            "INSERT INTO one VALUES (1)", NULL),
                     SL_OK);
    assert_int_equal(
        run_in(&store, session, SL_SQL_EXECUTE, "CALL commits()", NULL),
        SL_CONFLICT);
    assert_int_equal(run_in(&store, session, SL_SQL_COMMIT, "", NULL),
                     SL_CONFLICT);
    sl_session_close(session);
    test_store_done(&store);
    tell("DROP PROCEDURE commits; DROP TABLE one");
}

/* A query that writes, by a procedure or a function, and whose rows do not fit.
 */
static void what_writes_and_does_not_fit(void **state)
{
    static const char *const queries[] = {
        "CALL writes()",
        "SELECT writes_too(), REPEAT('x', 100000)",
    };
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    tell("CREATE TABLE one (v INT)");
    tell_routine("CREATE PROCEDURE writes() BEGIN INSERT INTO one VALUES (1); "
                 "SELECT REPEAT('x', 100000); END");
    tell_routine(
        "CREATE FUNCTION writes_too() RETURNS INT MODIFIES SQL DATA BEGIN "
        "INSERT INTO one VALUES (2); RETURN 1; END");
    open_store(&store, NULL, "max-result = \"4KiB\"");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct sl_sql_answer answer;
        run_in(&store, NULL, SL_SQL_QUERY, queries[i], &answer);
        assert_int_equal(answer.err.status, SL_TOO_LARGE);
        sl_answers_done(store.service, &answer, 1);
        assert_string_equal(value_of(&store, "SELECT count(*) FROM one"), "0");
    }
    assert_string_equal(value_of(&store, "SELECT writes_too()"), "1");
    assert_string_equal(value_of(&store, "SELECT count(*) FROM one"), "1");
    test_store_done(&store);
    tell("DROP PROCEDURE writes; DROP FUNCTION writes_too; DROP TABLE one");
}

/* Statements that the server takes as text only. */
static void what_is_not_prepared(void **state)
{
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    open_store(&store, NULL, "");
    assert_int_equal(run(&store, "CREATE TABLE one (v INT)"), SL_OK);
    assert_int_equal(run(&store, "CREATE TRIGGER doubles BEFORE INSERT ON one "
                                 "FOR EACH ROW SET NEW.v = 2 * NEW.v"),
                     SL_OK);
    assert_int_equal(run(&store, "INSERT INTO one VALUES (21)"), SL_OK);
    assert_string_equal(value_of(&store, "SELECT v FROM one"), "42");
    run_fails(&store,
              "CREATE TRIGGER doubles BEFORE INSERT ON one FOR EACH ROW SET "
              "NEW.v = 1",
              SL_ALREADY_EXISTS, "");
    assert_int_equal(run(&store, "DROP TABLE one"), SL_OK);
    test_store_done(&store);
}

/* The file of a client is never read, whatever a server or a guest asks. */
static void no_local_files(void **state)
{
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    tell("SET GLOBAL local_infile = 1; CREATE TABLE one (v VARCHAR(1000))");
    open_store(&store, NULL, "");
    enum sl_status status =
        run(&store, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE one");
    assert_int_not_equal(status, SL_OK);
    assert_int_not_equal(status, SL_INTERNAL);
    assert_string_equal(value_of(&store, "SELECT count(*) FROM one"), "0");
    test_store_done(&store);
    tell("DROP TABLE one");
}

const struct CMUnitTest mysql_session_tests[] = {
    cmocka_unit_test(every_type_of_a_column),
    cmocka_unit_test(zeros_that_are_no_days),
    cmocka_unit_test(only_mariadb_has_these),
    cmocka_unit_test(instants_are_brought_to_utc),
    cmocka_unit_test(what_does_not_fit_is_refused),
    cmocka_unit_test(nothing_stays_with_the_session),
    cmocka_unit_test(a_procedure_that_commits_is_found_out),
    cmocka_unit_test(what_writes_and_does_not_fit),
    cmocka_unit_test(what_is_not_prepared),
    cmocka_unit_test(no_local_files),
};
const size_t mysql_session_test_count =
    sizeof(mysql_session_tests) / sizeof(mysql_session_tests[0]);

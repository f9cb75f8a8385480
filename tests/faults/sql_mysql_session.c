/* SPDX-License-Identifier: Apache-2.0 */
/* Types that only MySQL and MariaDB have, and what stays of a session. */
#include "faults/sql_mysql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mysql_open_one(void **state)
{
    static struct test_store store;

    tell("DROP TABLE IF EXISTS one");
    fault_open_own(&store, NULL, "");
    *state = &store;
    return 0;
}

int mysql_done_with_one(void **state)
{
    test_store_done(*state);
    return 0;
}

/* --- Types --------------------------------------------------------------- */

/* What `SELECT v FROM one` answers. */
static void expect(struct test_store *store, enum sl_sql_type type,
                   const char *text, const char *type_name)
{
    OK(sql_query(store, NULL, "SELECT v FROM one"));
    assert_int_equal(said.rows, 1);
    if (said.value_type != (int)type)
        fail_msg("%s: a %s", type_name,
                 sl_sql_type_text((enum sl_sql_type)said.value_type));
    assert_string_equal(said.type, type_name);
    if (strcmp(said.value, text) != 0)
        fail_msg("%s: %s, not %s", type_name, said.value, text);
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

void mysql_every_type_of_a_column(void **state)
{
    struct test_store *store = *state;
    char statement[256];

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(statement, sizeof(statement), "CREATE TABLE one (v %s)",
                 types[i].column);
        OK(run(store, statement));
        snprintf(statement, sizeof(statement), "INSERT INTO one VALUES (%s)",
                 types[i].literal);
        IS(run(store, statement), SL_OK, "");
        expect(store, types[i].type, types[i].text, types[i].name);
        OK(run(store, "DROP TABLE one"));
    }
}

/* Which only a session that is not strict can write. */
void mysql_zeros_that_are_no_days(void **state)
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
    struct test_store *store = *state;

    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
        char statement[128];
        tell("SET sql_mode = ''; CREATE TABLE one (v %s); "
             "INSERT INTO one VALUES ('%s')",
             zeros[i].column, zeros[i].literal);
        expect(store, SL_SQL_TEXT, zeros[i].text, zeros[i].name);
        snprintf(statement, sizeof(statement), "INSERT INTO one VALUES ('%s')",
                 zeros[i].literal);
        IS(run(store, statement), SL_INVALID_ARGUMENT, "");
        tell("DROP TABLE one");
    }
}

void mysql_only_mariadb_has_these(void **state)
{
    struct test_store *store = *state;

    if (is_mariadb()) {
        OK(run(store, "CREATE TABLE one (v UUID)"));
        OK(run(store, "INSERT INTO one VALUES "
                      "('123E4567-e89b-12d3-a456-426614174000')"));
        expect(store, SL_SQL_UUID, "123e4567-e89b-12d3-a456-426614174000",
               "uuid");
        OK(run(store, "DROP TABLE one"));
        OK(run(store, "CREATE TABLE one (v INET6)"));
        OK(run(store, "INSERT INTO one VALUES ('::1')"));
        expect(store, SL_SQL_TEXT, "::1", "inet6");
    } else {
        /* The client library has no place for this one. */
        OK(run(store, "CREATE TABLE one (v VECTOR(2))"));
        OK(run(store, "INSERT INTO one VALUES (TO_VECTOR('[1, 2]'))"));
        IS(run(store, "SELECT v FROM one"), SL_UNSUPPORTED, "CAST it");
        assert_string_equal(
            sql_value_of(store, "SELECT FROM_VECTOR(v) FROM one"),
            "[1.00000e+00,2.00000e+00]");
    }
}

/* An instant is one, wherever it was written down. */
void mysql_instants_are_brought_to_utc(void **state)
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
    struct test_store *store = *state;

    OK(run(store, "CREATE TABLE one (v TIMESTAMP(6))"));
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        const struct sl_sql_value value = {
            .type = SL_SQL_TIMESTAMP, .bytes = sl_bytes_of(instants[i].in)};
        const struct sl_sql_parameters set = {&value, 1};
        const struct sl_sql_request insert = {
            .verb = SL_SQL_EXECUTE,
            .statement = SL_LITERAL("INSERT INTO one VALUES (?)"),
            .sets = &set,
            .set_count = 1};
        fault_call_is(store, &insert, SL_OK, "");
        expect(store, SL_SQL_TIMESTAMP, instants[i].out, "timestamp");
        OK(run(store, "DELETE FROM one"));
    }
}

void mysql_what_does_not_fit_is_refused(void **state)
{
    static const char *const statements[] = {
        "INSERT INTO strict_one (n) VALUES (1000)",
        "INSERT INTO strict_one (n) VALUES ('x')",
        "INSERT INTO strict_one (t) VALUES ('too long')",
        "INSERT INTO strict_one (d) VALUES ('2026-02-30')",
        "INSERT INTO strict_one (e) VALUES ('other')",
    };
    struct test_store *store = *state;

    OK(run(store, "CREATE TABLE strict_one (n TINYINT, t "
                  "VARCHAR(3), d DATE, e ENUM('a'))"));
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        IS(run(store, statements[i]), SL_INVALID_ARGUMENT, "");
    assert_string_equal(sql_value_of(store, "SELECT count(*) FROM strict_one"),
                        "0");
    OK(run(store, "DROP TABLE strict_one"));
}

/* --- Sessions ------------------------------------------------------------ */

void mysql_nothing_stays_with_the_session(void **state)
{
    struct test_store store;

    (void)state;
    tell("DROP TABLE IF EXISTS one");
    fault_open_own(&store, NULL, "connections = 1");
    IS(run(&store, "SET @x = 1"), SL_PERMISSION_DENIED, "session");
    IS(run(&store, "SELECT @x := 1"), SL_PERMISSION_DENIED, "@name");
    IS(run(&store, "CREATE TABLE one AS SELECT @x := 1"), SL_PERMISSION_DENIED,
       "@name");
    IS(run(&store, "ANALYZE SELECT @x := 1"), SL_PERMISSION_DENIED, "@name");
    IS(run(&store, "CREATE TEMPORARY TABLE t (id INT)"), SL_PERMISSION_DENIED,
       "temporary");
    IS(run(&store, "SELECT GET_LOCK('a', 0)"), SL_PERMISSION_DENIED, "locks");
    IS(run(&store, "SELECT `Get_Lock` ('a', 0)"), SL_PERMISSION_DENIED,
       "locks");
    /* A procedure may do all of that; the session is reset. */
    tell_routine(
        "CREATE PROCEDURE untidy() BEGIN SET @x = 1; SET sql_mode = ''; "
        "SET time_zone = '+05:00'; SET autocommit = 0; DO GET_LOCK('a', 0); "
        "CREATE TEMPORARY TABLE left_over (id INT); SELECT 5 AS five; END");
    assert_string_equal(sql_value_of(&store, "CALL untidy()"), "5");
    assert_string_equal(sql_value_of(&store, "SELECT @@time_zone"), "+00:00");
    assert_non_null(
        strstr(sql_value_of(&store, "SELECT @@sql_mode"), "STRICT_ALL_TABLES"));
    assert_string_equal(sql_value_of(&store, "SELECT @@autocommit"), "1");
    assert_string_equal(sql_value_of(&store, "SELECT IS_FREE_LOCK('a')"), "1");
    IS(run(&store, "SELECT * FROM left_over"), SL_INVALID_ARGUMENT,
       "left_over");
    tell("DROP PROCEDURE untidy");
    test_store_done(&store);
}

/* Functions and a trigger that change the session, and one that tells. */
static void open_untidy(struct test_store *store)
{
    tell("DROP TABLE IF EXISTS one, two; CREATE TABLE one (v INT PRIMARY KEY);"
         "CREATE TRIGGER untidy BEFORE INSERT ON one FOR EACH ROW "
         "SET @left_over = NEW.v;"
         "CREATE TABLE two (v INT PRIMARY KEY); INSERT INTO two VALUES (1)");
    tell_routine("CREATE FUNCTION puts_one() RETURNS INT NOT DETERMINISTIC "
                 "BEGIN SET @left_over = 1; RETURN 7; END");
    tell_routine("CREATE FUNCTION abs (n INT) RETURNS INT NOT DETERMINISTIC "
                 "BEGIN SET @left_over = 2; RETURN n; END");
    tell_routine("CREATE FUNCTION shifts() RETURNS INT NOT DETERMINISTIC "
                 "BEGIN SET time_zone = '+05:00'; RETURN 7; END");
    tell_routine("CREATE FUNCTION holds() RETURNS INT NOT DETERMINISTIC "
                 "BEGIN DO GET_LOCK('held', 0); RETURN 7; END");
    tell_routine("CREATE FUNCTION keeps() RETURNS INT NOT DETERMINISTIC "
                 "BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS kept (id INT); "
                 "RETURN 7; END");
    tell_routine("CREATE FUNCTION tells() RETURNS INT NOT DETERMINISTIC "
                 "READS SQL DATA BEGIN RETURN coalesce(@left_over, 0); END");
    tell("CREATE VIEW viewed AS SELECT puts_one() AS v");
    fault_open_own(store, NULL, "connections = 1");
}

static void done_with_untidy(struct test_store *store)
{
    test_store_done(store);
    tell("DROP VIEW viewed; DROP TABLE one, two; DROP FUNCTION puts_one;"
         "DROP FUNCTION slight.abs; DROP FUNCTION shifts; DROP FUNCTION holds;"
         "DROP FUNCTION keeps; DROP FUNCTION tells");
}

static void expect_tidy(struct test_store *store, const char *after)
{
    if (strcmp(sql_value_of(store, "SELECT tells()"), "0") != 0)
        fail_msg("%s leaves @left_over = %s", after, said.value);
    if (strcmp(sql_value_of(store, "SELECT @@time_zone"), "+00:00") != 0)
        fail_msg("%s leaves time_zone = %s", after, said.value);
    if (strcmp(sql_value_of(store, "SELECT IS_FREE_LOCK('held')"), "1") != 0)
        fail_msg("%s leaves a lock", after);
    IS(run(store, "SELECT id FROM kept"), SL_INVALID_ARGUMENT, "kept");
}

void mysql_what_a_function_leaves(void **state)
{
    static const struct {
        const char *statement;
        enum sl_status status;
    } cases[] = {
        {"SELECT puts_one()", SL_OK},
        {"SELECT puts_one() FROM two", SL_OK},
        {"SELECT slight.abs(v) FROM two", SL_OK},
        {"SELECT shifts()", SL_OK},
        {"SELECT holds()", SL_OK},
        {"SELECT keeps()", SL_OK},
        {"DO puts_one()", SL_OK},
        {"DO holds()", SL_OK},
        {"UPDATE two SET v = puts_one() - 6", SL_OK},
        {"INSERT INTO one VALUES (5)", SL_OK}, /* the trigger */
        {"INSERT INTO one SELECT v FROM two", SL_OK},
        {"CREATE TABLE three AS SELECT puts_one() AS v", SL_OK},
        {"DROP TABLE three", SL_OK},
        /* What fails has run a part of the way. */
        {"INSERT INTO one VALUES (5)", SL_ALREADY_EXISTS},
        {"INSERT INTO two VALUES (puts_one()), (7)", SL_ALREADY_EXISTS},
        {"SELECT puts_one(), (SELECT v FROM two UNION SELECT 9)",
         SL_INVALID_ARGUMENT},
    };
    struct test_store store;

    (void)state;
    open_untidy(&store);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        IS(run(&store, cases[i].statement), cases[i].status, "");
        expect_tidy(&store, cases[i].statement);
    }
    assert_string_equal(sql_value_of(&store, "SELECT puts_one()"), "7");
    expect_tidy(&store, "a query");
    if (is_mariadb()) {
        const char *insert = "INSERT INTO one VALUES (30) RETURNING v";
        assert_string_equal(sql_value_of(&store, insert), "30");
        expect_tidy(&store, insert);
    }
    done_with_untidy(&store);
}

/* MariaDB tells behind the rows; MySQL with the next answer that has none. */
void mysql_what_a_view_leaves(void **state)
{
    struct test_store store;

    (void)state;
    open_untidy(&store);
    assert_string_equal(sql_value_of(&store, "SELECT v FROM viewed"), "7");
    if (!is_mariadb())
        OK(run(&store, "UPDATE two SET v = 1"));
    expect_tidy(&store, "a view");
    /* A transaction's end is such an answer. */
    for (int i = 0; i < 2; i++) {
        struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
        OK(sql_query(&store, tx, "SELECT tells()"));
        assert_string_equal(said.value, "0");
        OK(sql_query(&store, tx, "SELECT v FROM viewed"));
        OK(sql_query(&store, tx, "SELECT tells()"));
        assert_string_equal(said.value, "1");
        OK(sql_end(&store, tx, SL_SQL_COMMIT));
    }
    done_with_untidy(&store);
}

static enum sl_status ask(struct test_store *store, const char *owner,
                          const char *text)
{
    return sql_call(&(struct sql_call){
        .store = store, .verb = SL_SQL_QUERY, .text = text, .owner = owner});
}

/* Whatever is behind a view. */
void mysql_nothing_is_left_for_another_component(void **state)
{
    static const char attacker[] = "attacker", victim[] = "victim";
    struct test_store store;

    (void)state;
    open_untidy(&store);
    tell("CREATE VIEW shifted AS SELECT shifts() AS v;"
         "CREATE VIEW held AS SELECT holds() AS v");
    for (int i = 0; i < 2; i++) {
        OK(ask(&store, attacker, "SELECT v FROM viewed"));
        OK(ask(&store, victim, "SELECT tells()"));
        assert_string_equal(said.value, "0");
        OK(ask(&store, attacker, "SELECT v FROM shifted"));
        OK(ask(&store, victim, "SELECT @@time_zone"));
        assert_string_equal(said.value, "+00:00");
        OK(ask(&store, attacker, "SELECT v FROM held"));
        OK(ask(&store, victim, "SELECT IS_FREE_LOCK('held')"));
        assert_string_equal(said.value, "1");
    }
    tell("DROP VIEW shifted, held");
    done_with_untidy(&store);
}

/* To its own end a transaction has what it has set. */
void mysql_what_a_transaction_leaves(void **state)
{
    static const enum sl_sql_verb ends[] = {SL_SQL_COMMIT, SL_SQL_ROLLBACK};
    struct test_store store;

    (void)state;
    open_untidy(&store);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
        OK(sql_execute(&store, tx, "INSERT INTO one VALUES (40)"));
        OK(sql_query(&store, tx, "SELECT tells()"));
        assert_string_equal(said.value, "40");
        OK(sql_execute(&store, tx, "DELETE FROM one"));
        OK(sql_end(&store, tx, ends[i]));
        tx = sql_begin(&store, SL_SQL_REPEATABLE_READ, false);
        OK(sql_query(&store, tx, "SELECT tells()"));
        assert_string_equal(said.value, "0");
        OK(sql_end(&store, tx, SL_SQL_COMMIT));
        expect_tidy(&store, "a transaction");
    }
    done_with_untidy(&store);
}

/* That this session has prepared so many statements so far, this one with them.
 */
static void expect_prepared(struct test_store *store, int count)
{
    char query[160];

    snprintf(query, sizeof(query),
             "SHOW SESSION STATUS WHERE variable_name = 'Com_stmt_prepare' "
             "AND value = %d",
             count);
    OK(sql_query(store, NULL, query));
    if (said.rows != 1)
        fail_msg("not %d statements are prepared", count);
}

/* The session stays, and what is prepared in it, and nothing is asked. */
void mysql_plain_statements_leave_nothing(void **state)
{
    static const char *const statements[] = {
        "SELECT v FROM two WHERE v IN (1, 2)",
        "SELECT count(*), max(abs(v)) FROM two",
        "INSERT INTO two (v) VALUES (2)",
        "UPDATE two SET v = v + 1 WHERE v = 2",
        "DELETE FROM two WHERE v = 3",
        "SHOW TABLES",
    };
    enum { COUNT = sizeof(statements) / sizeof(statements[0]), ROUNDS = 5 };
    struct test_store store;

    (void)state;
    open_untidy(&store);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT; i++)
            OK(run(&store, statements[i]));
        expect_prepared(&store, COUNT + 1 + round);
    }
    OK(sql_query(&store, NULL,
                 "SHOW SESSION STATUS WHERE variable_name = 'Com_do' "
                 "AND value = 0"));
    assert_int_equal(said.rows, 1);
    /* A function that leaves nothing has nothing reset. */
    OK(run(&store, "SELECT tells()"));
    expect_prepared(&store, COUNT + ROUNDS + 3);
    OK(run(&store, "DO puts_one()"));
    OK(run(&store, statements[0]));
    expect_prepared(&store, 2); /* anew */
    done_with_untidy(&store);
}

/* Whatever the server thinks that clients speak, in a new session and in one
 * that was reset. */
void mysql_sessions_speak_utf8(void **state)
{
    static const char query[] =
        "SELECT hex(convert('gr\xc3\xbc\xc3\x9f' USING utf8mb4))";
    struct test_store store;

    (void)state;
    tell("SET GLOBAL character_set_client = latin1, GLOBAL "
         "character_set_connection = latin1, GLOBAL character_set_results = "
         "latin1");
    tell("CREATE PROCEDURE nothing() BEGIN END");
    fault_open_own(&store, NULL, "connections = 1");
    assert_string_equal(sql_value_of(&store, query), "6772C3BCC39F");
    OK(run(&store, "CALL nothing()"));
    assert_string_equal(sql_value_of(&store, query), "6772C3BCC39F");
    test_store_done(&store);
    tell("SET GLOBAL character_set_client = utf8mb4, GLOBAL "
         "character_set_connection = utf8mb4, GLOBAL character_set_results = "
         "utf8mb4; DROP PROCEDURE nothing");
}

void mysql_a_procedure_that_commits_is_found_out(void **state)
{
    struct test_store *store = *state;

    tell("CREATE TABLE one (v INT)");
    tell_routine("CREATE PROCEDURE commits() BEGIN COMMIT; END");
    struct sl_session *tx = sql_begin(store, SL_SQL_DEFAULT, false);
    OK(sql_execute(store, tx, "INSERT INTO one VALUES (1)"));
    IS(sql_execute(store, tx, "CALL commits()"), SL_CONFLICT, "");
    IS(sql_end(store, tx, SL_SQL_COMMIT), SL_CONFLICT, "");
    tell("DROP PROCEDURE commits; DROP TABLE one");
}

/* A query that writes, by a procedure or a function, and whose rows do not fit.
 */
void mysql_what_writes_and_does_not_fit(void **state)
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
    fault_open_own(&store, NULL, "max-result = \"4KiB\"");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        IS(sql_query(&store, NULL, queries[i]), SL_TOO_LARGE, "");
        assert_string_equal(sql_value_of(&store, "SELECT count(*) FROM one"),
                            "0");
    }
    assert_string_equal(sql_value_of(&store, "SELECT writes_too()"), "1");
    assert_string_equal(sql_value_of(&store, "SELECT count(*) FROM one"), "1");
    test_store_done(&store);
    tell("DROP PROCEDURE writes; DROP FUNCTION writes_too; DROP TABLE one");
}

/* Statements that the server takes as text only. */
void mysql_what_is_not_prepared(void **state)
{
    struct test_store *store = *state;

    OK(run(store, "CREATE TABLE one (v INT)"));
    OK(run(store, "CREATE TRIGGER doubles BEFORE INSERT ON one "
                  "FOR EACH ROW SET NEW.v = 2 * NEW.v"));
    OK(run(store, "INSERT INTO one VALUES (21)"));
    assert_string_equal(sql_value_of(store, "SELECT v FROM one"), "42");
    IS(run(store,
           "CREATE TRIGGER doubles BEFORE INSERT ON one FOR EACH ROW SET "
           "NEW.v = 1"),
       SL_ALREADY_EXISTS, "");
}

/* Rows of what the server takes as text only, and tells of accounts. */
void mysql_rows_of_what_is_not_prepared(void **state)
{
    static const char *const asks[] = {
        "CHECK TABLE one",
        "HELP 'select'",
        "SHOW GRANTS FOR 'slight'@'%'",
        "SHOW CREATE USER slight@`%`",
        "SHOW ERRORS",
    };
    struct test_store *store = *state;

    OK(run(store, "CREATE TABLE one (v INT)"));
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        OK(sql_query(store, NULL, asks[i]));
        OK(run(store, asks[i]));
    }
    OK(sql_query(store, NULL, "CHECK TABLE one"));
    assert_int_equal(said.rows, 1);
    assert_non_null(strstr(said.value, ".one"));
    IS(run(store, "SELECT v FROM one WHERE v = @v"), SL_PERMISSION_DENIED,
       "session variables");
}

/* Of the statement before, and of nobody else's. */
void mysql_warnings_are_shown(void **state)
{
    static const char owner[] = "another component";
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "connections = 1");
    OK(sql_query(&store, NULL, "SELECT CAST('abc' AS SIGNED)"));
    assert_string_equal(sql_value_of(&store, "SHOW COUNT(*) WARNINGS"), "1");
    assert_int_equal(said.value_type, SL_SQL_INT64);
    OK(sql_query(&store, NULL, "SHOW WARNINGS"));
    assert_int_equal(said.rows, 1);
    assert_string_equal(said.value, "Warning");
    OK(sql_call(&(struct sql_call){.store = &store,
                                   .verb = SL_SQL_QUERY,
                                   .text = "SHOW WARNINGS",
                                   .owner = owner}));
    assert_int_equal(said.rows, 0);
    IS(sql_call(&(struct sql_call){.store = &store,
                                   .verb = SL_SQL_CURSOR_OPEN,
                                   .text = "SHOW WARNINGS"}),
       SL_UNSUPPORTED, "use query");
    test_store_done(&store);
    /* What does not fit costs the connection, and the next call has another. */
    fault_open_own(&store, NULL, "connections = 1\nmax-result = \"4KiB\"");
    IS(sql_query(&store, NULL, "HELP 'create table'"), SL_TOO_LARGE,
       "max-result");
    OK(sql_query(&store, NULL, "SHOW WARNINGS"));
    assert_int_equal(said.rows, 0);
    test_store_done(&store);
}

/* What is made with semicolons inside is one statement; what is behind it is
 * another one, for which the server does nothing, wherever it is hidden. */
void mysql_bodies_with_semicolons(void **state)
{
    static const char *const made[] = {
        "CREATE TABLE one (v INT)",
        "CREATE PROCEDURE adds(IN begin INT) main: BEGIN DECLARE end INT "
        "DEFAULT begin; IF end > 0 THEN BEGIN INSERT INTO one VALUES (end); "
        "END; INSERT INTO one VALUES (end + 1); END IF; END main",
        "CREATE FUNCTION twice(v INT) RETURNS INT DETERMINISTIC BEGIN DECLARE "
        "w INT; SET w = CASE WHEN v > 0 THEN 2 * v ELSE 0 END; RETURN w; END;",
        "CREATE TRIGGER caps BEFORE INSERT ON one FOR EACH ROW IF NEW.v > 100 "
        "THEN SET NEW.v = 100; END IF",
        "CREATE EVENT sweeps ON SCHEDULE EVERY 1 DAY STARTS CURRENT_TIMESTAMP "
        "+ INTERVAL 1 DAY DO BEGIN DELETE FROM one; DELETE FROM one; END",
        "ALTER EVENT sweeps DO BEGIN DELETE FROM one; END",
        "CALL adds(1)",
        "CALL adds(99)",
        "INSERT INTO one VALUES (101)",
    };
    static const char *const hidden[] = {
        "CREATE PROCEDURE x() BEGIN SELECT 1; END; DROP TABLE one",
        "CREATE PROCEDURE x() BEGIN SELECT 1; END; DROP TABLE one; END",
        "CREATE PROCEDURE x() IF 1 THEN SELECT 1; END IF; DROP TABLE one; END",
        "CREATE PROCEDURE x() SELECT CASE WHEN 1 THEN 2 END; DELETE FROM one "
        "WHERE CASE WHEN 1 THEN 2 END",
        "CREATE TRIGGER x BEFORE INSERT ON one FOR EACH ROW SET NEW.v = CASE "
        "WHEN 1 THEN 2 END; DELETE FROM one WHERE v IN (SELECT CASE v WHEN 1 "
        "THEN 1 END); END",
    };
    struct test_store *store = *state;

    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        OK(run(store, made[i]));
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        IS(run(store, hidden[i]), SL_INVALID_ARGUMENT, "");
    assert_string_equal(sql_value_of(store, "SELECT sum(v) FROM one"), "302");
    assert_string_equal(sql_value_of(store, "SELECT twice(21)"), "42");
    if (is_mariadb()) {
        OK(run(store, "BEGIN NOT ATOMIC DECLARE w INT DEFAULT 7; INSERT INTO "
                      "one VALUES (w); SET SESSION sql_mode = ''; END"));
        assert_string_equal(sql_value_of(store, "SELECT @@sql_mode = ''"), "0");
        IS(run(store, "BEGIN NOT ATOMIC SET @left = 1; END"),
           SL_PERMISSION_DENIED, "variables");
        OK(run(store, "DELETE FROM one WHERE v = 7"));
    }
    IS(run(store, "BEGIN NOT ATOMIC SELECT 1; END; DROP TABLE one"),
       SL_INVALID_ARGUMENT, "second statement");
    assert_string_equal(sql_value_of(store, "SELECT count(*) FROM one"), "5");
    OK(run(store, "DROP PROCEDURE adds"));
    OK(run(store, "DROP FUNCTION twice"));
    OK(run(store, "DROP EVENT sweeps"));
    OK(run(store, "DROP TABLE one"));
}

/* The file of a client is never read, whatever a server or a guest asks. */
void mysql_no_local_files(void **state)
{
    struct test_store *store = *state;

    tell("SET GLOBAL local_infile = 1; CREATE TABLE one (v VARCHAR(1000))");
    IS(run(store, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE one"),
       SL_INVALID_ARGUMENT, "local");
    assert_string_equal(sql_value_of(store, "SELECT count(*) FROM one"), "0");
    tell("DROP TABLE one");
}

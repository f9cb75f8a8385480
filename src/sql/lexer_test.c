/* SPDX-License-Identifier: Apache-2.0 */
/* Where statements end, and which ? is a placeholder, in each dialect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sql/lexer.h"

enum { ALL = SL_SQL_SQLITE | SL_SQL_POSTGRES | SL_SQL_MYSQL };

static const unsigned dialects[] = {SL_SQL_SQLITE, SL_SQL_POSTGRES,
                                    SL_SQL_MYSQL};

/* As count, which fails the test where text has not so many placeholders. */
static void expect_count(const char *text, unsigned dialect, size_t expected)
{
    size_t count = 99;
    struct sl_error err;

    if (sl_sql_scan(sl_bytes_of(text), dialect, &count, &err) != SL_OK)
        fail_msg("%s: %s", text, err.message);
    if (count != expected)
        fail_msg("%s: %zu placeholders", text, count);
}

static void expect_refused(const char *text, unsigned dialect,
                           const char *because)
{
    size_t count = 99;
    struct sl_error err;

    if (sl_sql_scan(sl_bytes_of(text), dialect, &count, &err) !=
        SL_INVALID_ARGUMENT)
        fail_msg("%s: accepted", text);
    if (strstr(err.message, because) == NULL)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(count, 99);
}

static void expect_rewritten(const char *text, unsigned dialect,
                             const char *expected)
{
    struct sl_buf out = SL_BUF(1 << 20);
    struct sl_error err;

    assert_int_equal(sl_sql_rewrite(sl_bytes_of(text), dialect, &out, &err),
                     SL_OK);
    if (!sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(expected)))
        fail_msg("%s became %.*s", text, (int)out.len, (const char *)out.ptr);
    sl_buf_done(&out);
}

/* holds: sql-5 */
static void what_all_dialects_share(void **state)
{
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        {"SELECT 1", 0},
        {"SELECT ?", 1},
        {"SELECT ?, ?,?", 3},
        {"?", 1},
        {"INSERT INTO t VALUES (?,?)", 2},
        {"SELECT '?'", 0},
        {"SELECT '''?'", 0},
        {"SELECT '?''?', ?", 1},
        {"SELECT ''?", 1},
        {"SELECT '''' || ?", 1},
        {"SELECT \"?\", ?", 1},
        {"SELECT \"a\"\"?\", ?", 1},
        {"SELECT '\"', ?, \"'\"", 1},
        {"SELECT ? -- ?", 1},
        {"SELECT ? -- ?\n, ?", 2},
        {"-- '\nSELECT ?", 1},
        {"SELECT /* ? */ ?", 1},
        {"SELECT /* ' */ ? /* \" */", 1},
        {"SELECT /* -- */ ?", 1},
        {"SELECT '/*' ? '*/'", 1},
        {"SELECT /**/ ?", 1},
        {"SELECT /***/ ? /****/", 1},
        {"SELECT a - b - -?", 1},
        {"SELECT 5 / ? * 3", 1},
        {"SELECT ?;", 1},
        {"SELECT ? ; -- the end", 1},
        {"SELECT ?;\n\n", 1},
        {"SELECT ';', ?", 1},
        {"  \t\r\n SELECT ?", 1},
        {"SELECT gr\xc3\xbc\xc3\x9f, ?", 1},
        {"select a.b, c.* from x where y=?and z=?", 2},
        {"SELECT 1.5e-3, ?", 1},
        {"SELECT x'3F', ?", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++)
            expect_count(cases[j].text, dialects[i], cases[j].count);
}

static void what_no_dialect_takes(void **state)
{
    static const struct {
        const char *text, *because;
    } cases[] = {
        {"", "statement is empty"},
        {" \n", "statement is empty"},
        {"-- only this", "statement is empty"},
        {"/* and this */", "statement is empty"},
        {";", "a ; without a statement"},
        {"; SELECT 1", "a ; without a statement"},
        {"SELECT 1; SELECT 2", "a second statement"},
        {"SELECT 1; ?", "a second statement"},
        {"SELECT 1;;x", "a second statement"},
        {"SELECT '", "an unterminated string"},
        {"SELECT 'a''", "an unterminated string"},
        {"SELECT \"a", "an unterminated quoted name"},
        {"SELECT /* a", "an unterminated comment"},
        {"SELECT /*/", "an unterminated comment"},
        {"SELECT ?1", "a numbered placeholder"},
        {"SELECT\n\n?12", "line 3"},
        {"BEGIN", "a transaction statement"},
        {"begin", "a transaction statement"},
        {" /* x */ Commit;", "a transaction statement"},
        {"SAVEPOINT x", "a transaction statement"},
        {"ROLLBACK TO x", "a transaction statement"},
        {"START TRANSACTION", "a transaction statement"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++)
            expect_refused(cases[j].text, dialects[i], cases[j].because);
}

static void tokens_of_sqlite(void **state)
{
    (void)state;
    expect_count("SELECT `?`, ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT `a``?`, ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT [?], [a'b], ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT 'a\\', ?, '\\'", SL_SQL_SQLITE, 1);
    expect_count("SELECT /* /* */ ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT --x\r ?\n, ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT --?", SL_SQL_SQLITE, 0);
    expect_count("SELECT a -> '$.x', b ->> ?", SL_SQL_SQLITE, 1);
    expect_count("SELECT x$y, ?", SL_SQL_SQLITE, 1);
    expect_refused("SELECT :name", SL_SQL_SQLITE, "a named placeholder");
    expect_refused("SELECT @name", SL_SQL_SQLITE, "a named placeholder");
    expect_refused("SELECT $name", SL_SQL_SQLITE, "a named placeholder");
    expect_refused("SELECT $1", SL_SQL_SQLITE, "a named placeholder");
    expect_refused("SELECT :1", SL_SQL_SQLITE, "a named placeholder");
    expect_refused("SELECT ??", SL_SQL_SQLITE, "adjacent");
    expect_refused("SELECT `a", SL_SQL_SQLITE, "an unterminated quoted name");
    expect_refused("SELECT [a", SL_SQL_SQLITE, "an unterminated quoted name");
}

static void triggers_of_sqlite(void **state)
{
    static const char trigger[] =
        "CREATE TRIGGER a AFTER INSERT ON b BEGIN UPDATE c SET d = CASE WHEN "
        "e THEN 1 ELSE 2 END; DELETE FROM f; END";

    (void)state;
    expect_count(trigger, SL_SQL_SQLITE, 0);
    expect_count("create temp trigger a after insert on b begin select 1; end;",
                 SL_SQL_SQLITE, 0);
    expect_count("EXPLAIN QUERY PLAN CREATE TEMPORARY TRIGGER a AFTER INSERT "
                 "ON b BEGIN SELECT 1;\n-- x\nEND ;",
                 SL_SQL_SQLITE, 0);
    expect_refused("CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT 1; END; "
                   "DROP TABLE b",
                   SL_SQL_SQLITE, "a second statement");
    expect_refused("CREATE TABLE trigger_x (a); DROP TABLE b", SL_SQL_SQLITE,
                   "a second statement");
    expect_refused("SELECT 1; CREATE TRIGGER a", SL_SQL_SQLITE,
                   "a second statement");
    expect_refused(trigger, SL_SQL_POSTGRES, "a second statement");
}

static void bodies_of_postgres(void **state)
{
    static const char *const taken[] = {
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT "
        "a; SELECT a + 1; END",
        "create or replace function f() returns int begin atomic; select 1;; "
        "end;",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (CASE WHEN x "
        "THEN 1 ELSE CASE y WHEN 1 THEN 2 END END); DELETE FROM t; END ; -- x",
        "CREATE FUNCTION f(int) RETURNS int BEGIN ATOMIC SELECT $1 + 1; END",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end, t.end, "
        "t.case, 2 AS case FROM t; SELECT ';', $$;$$, \"end\"; END",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END",
        "CREATE FUNCTION begin() RETURNS int RETURN 1",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM "
        "b WHERE c IN (1, 2);)",
        "CREATE OR REPLACE RULE r AS ON UPDATE TO t WHERE (a > 1) DO INSTEAD "
        "(SELECT 1; SELECT 2);",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;",
    };
    static const struct {
        const char *text, *because;
    } refused[] = {
        {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; DROP "
         "TABLE t",
         "a second statement"},
        {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 "
         "THEN 2 END; END; DROP TABLE t; END",
         "a second statement"},
        {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; DROP TABLE t",
         "a BEGIN ATOMIC without an END"},
        {"CREATE FUNCTION f() RETURNS int AS 'begin atomic' LANGUAGE sql; DROP "
         "TABLE t",
         "a second statement"},
        {"CREATE FUNCTION f() RETURNS int RETURN 1; BEGIN ATOMIC; END",
         "a second statement"},
        {"CREATE FUNCTION f() RETURNS int RETURN $1", "a numbered placeholder"},
        {"CREATE FUNCTION f(begin int) RETURNS int RETURN begin; SELECT 1",
         "a second statement"},
        {"CREATE TABLE t (begin int, atomic int); DROP TABLE u",
         "a second statement"},
        {"SELECT 1 AS begin, atomic; DROP TABLE u; END", "a second statement"},
        {"BEGIN ATOMIC SELECT 1; END", "a transaction statement"},
        {"CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM "
         "b); DROP TABLE t",
         "a second statement"},
        {"CREATE RULE r AS ON INSERT TO t DO NOTHING; DROP TABLE t",
         "a second statement"},
        {"SELECT (1; DROP TABLE t)", "a second statement"},
        {"CREATE TABLE rule (a int; b int)", "a second statement"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        expect_count(taken[i], SL_SQL_POSTGRES, 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        expect_refused(refused[i].text, SL_SQL_POSTGRES, refused[i].because);
}

static void bodies_of_mysql(void **state)
{
    static const char *const taken[] = {
        "CREATE PROCEDURE p(IN begin INT) BEGIN DECLARE end INT; INSERT INTO t "
        "(start, end) VALUES (1, 2); SELECT end, begin FROM t; END",
        "CREATE DEFINER=`a`@`%` PROCEDURE p() DETERMINISTIC COMMENT 'x;' main: "
        "BEGIN one: LOOP LEAVE one; END LOOP one; END main;",
        "CREATE PROCEDURE p() BEGIN BEGIN END; IF a THEN BEGIN SELECT 1; END; "
        "ELSE SELECT IF(a, 1, 2); END IF; CASE a WHEN 1 THEN SELECT 1; ELSE "
        "BEGIN END; END CASE; WHILE a DO SET b = CASE WHEN 1 THEN 2 END; END "
        "WHILE; REPEAT SELECT REPEAT('a', 2); UNTIL a END REPEAT; START "
        "TRANSACTION; COMMIT; END",
        "CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW IF NEW.a < 0 THEN "
        "BEGIN SET NEW.a = 0; END; SET NEW.b = 1; END IF",
        "create trigger if not exists t after update on u for each row begin "
        "insert into v values (new.a); insert into w values (1); end;",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS '2030-01-01' DO BEGIN "
        "DELETE FROM t; DELETE FROM u; END",
        "ALTER DEFINER = CURRENT_USER EVENT e DO BEGIN SELECT 1; END",
        "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC BEGIN IF a > 1 "
        "THEN RETURN 1; ELSEIF a > 0 THEN RETURN 2; END IF; RETURN CASE a WHEN "
        "1 THEN 2 ELSE 3 END; END",
        "CREATE OR REPLACE AGGREGATE FUNCTION f(a INT) RETURNS INT BEGIN LOOP "
        "FETCH GROUP NEXT ROW; END LOOP; END",
        "CREATE PROCEDURE p() lbl: LOOP SELECT 1; LEAVE lbl; END LOOP lbl",
        "CREATE PROCEDURE p() FOR i IN 1..3 DO INSERT INTO t VALUES (i); END "
        "FOR",
        "CREATE PROCEDURE p() SELECT 1;",
        "CREATE PACKAGE q PROCEDURE a(); FUNCTION b() RETURNS INT; END",
        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END",
        "begin /* x */ not atomic declare a int; end; # x",
    };
    static const struct {
        const char *text, *because;
    } refused[] = {
        {"CREATE PROCEDURE p() BEGIN SELECT 1; END; DROP TABLE t",
         "a second statement"},
        {"CREATE PROCEDURE p() BEGIN SELECT 1; END; DROP TABLE t; END",
         "a second statement"},
        {"CREATE PROCEDURE p() BEGIN END; DROP TABLE t; BEGIN NOT ATOMIC END",
         "a second statement"},
        {"CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; END p; DROP "
         "TABLE t",
         "a second statement"},
        {"CREATE PROCEDURE p() SELECT 1; DROP TABLE t; END",
         "a second statement"},
        {"CREATE PROCEDURE p() BEGIN SELECT 1; DROP TABLE t", "without an END"},
        {"CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.a = 1; DROP "
         "TABLE t",
         "a second statement"},
        {"CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW IF a THEN SET NEW.a "
         "= 1; END IF; DROP TABLE t",
         "a second statement"},
        {"CREATE FUNCTION f() RETURNS INT RETURN CASE WHEN 1 THEN 2 END; "
         "SHUTDOWN",
         "a second statement"},
        {"CREATE TABLE t (event INT); BEGIN SELECT 1; END",
         "a second statement"},
        {"CREATE DATABASE event; BEGIN SELECT 1; END", "a second statement"},
        {"SELECT 1; BEGIN NOT ATOMIC SELECT 2; END", "a second statement"},
        {"BEGIN NOT ATOMIC SELECT 1; END; DROP TABLE t", "a second statement"},
        {"BEGIN SELECT 1; END", "a transaction statement"},
        {"BEGIN; SELECT 1", "a transaction statement"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        expect_count(taken[i], SL_SQL_MYSQL, 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        expect_refused(refused[i].text, SL_SQL_MYSQL, refused[i].because);
}

/* holds: sql-5 sql-6 */
static void tokens_of_postgres(void **state)
{
    const unsigned pg = SL_SQL_POSTGRES;

    (void)state;
    expect_count("SELECT $$?$$, ?", pg, 1);
    expect_count("SELECT $a$ ? $$ ' ; $a$, ?", pg, 1);
    expect_count("SELECT $\xc3\xbc_1$?$\xc3\xbc_1$, ?", pg, 1);
    expect_count("SELECT a$b$ FROM c$b$ WHERE d = ?", pg, 1);
    expect_count("SELECT E'\\'?', ?", pg, 1);
    expect_count("SELECT e'\\\\', ?", pg, 1);
    expect_count("SELECT E'a'\n  '\\'?', ?", pg, 1);
    expect_count("SELECT E'a' -- x'\n '\\'?', ?", pg, 1);
    expect_count("SELECT E'a'\n -- x'\n '\\'?', ?", pg, 1);
    expect_count("SELECT E'a' '\\', ?, '?'", pg, 1);
    expect_count("SELECT namE'\\', ?", pg, 1);
    expect_count("SELECT '\\', ?", pg, 1);
    expect_count("SELECT U&'\\0041?', ?", pg, 1);
    expect_count("SELECT /* /* ? */ ? */ ?", pg, 1);
    expect_count("SELECT a ?? ?, b ??| ?, c ??& ?", pg, 3);
    expect_count("SELECT a @?? ?", pg, 1);
    expect_count("SELECT '?"
                 "?', ?",
                 pg, 1);
    expect_count("SELECT ?::int4, a[1:2], b[?]", pg, 2);
    expect_count("SELECT ? --x\r, ?", pg, 2);
    expect_count("SELECT a # ?", pg, 1);
    expect_refused("SELECT $1", pg, "a numbered placeholder");
    expect_refused("SELECT $$ a", pg, "an unterminated dollar quote");
    expect_refused("SELECT $a$ $b$ $A$", pg, "an unterminated dollar quote");
    expect_refused("SELECT E'\\'", pg, "an unterminated string");
    expect_refused("SELECT /* /* */", pg, "an unterminated comment");
    expect_refused("DO $$ BEGIN; END $$; x", pg, "a second statement");
}

static void tokens_of_mysql(void **state)
{
    const unsigned my = SL_SQL_MYSQL;

    (void)state;
    expect_count("SELECT '\\'?', ?", my, 1);
    expect_count("SELECT \"\\\"?\", ?", my, 1);
    expect_count("SELECT '\\\\', ?", my, 1);
    expect_count("SELECT `\\`, ?", my, 1);
    expect_count("SELECT ? # ?\n, ?", my, 2);
    expect_count("SELECT 5--?", my, 1);
    expect_count("SELECT 5-- ?", my, 0);
    expect_count("SELECT 5--\t?", my, 0);
    expect_count("SELECT 5 --", my, 0);
    expect_count("SELECT /*+ HINT */ ?", my, 1);
    expect_count("SELECT /* /* */ ?", my, 1);
    expect_count("SELECT @a := ?", my, 1);
    expect_count("SELECT a, [?]", my, 1);
    expect_refused("SELECT /*!50000 ? */ 1", my, "executable comment");
    expect_refused("SELECT /*M! ? */ 1", my, "executable comment");
    expect_refused("SELECT ??", my, "adjacent");
    expect_refused("XA START 'a'", my, "a transaction statement");
}

/* holds: sql-4 sql-6 */
static void statements_are_rewritten(void **state)
{
    (void)state;
    expect_rewritten("SELECT ?, '?', ? -- ?", SL_SQL_POSTGRES,
                     "SELECT $1, '?', $2 -- ?");
    expect_rewritten("SELECT a ?? ? AND b ??| ?", SL_SQL_POSTGRES,
                     "SELECT a ? $1 AND b ?| $2");
    expect_rewritten("SELECT ?::int4, $$?$$, E'\\'?'", SL_SQL_POSTGRES,
                     "SELECT $1::int4, $$?$$, E'\\'?'");
    /* A number must not become part of what stands beside it. */
    expect_rewritten("a=?AND b LIKE?ESCAPE'x'", SL_SQL_POSTGRES,
                     "a=$1 AND b LIKE $2 ESCAPE'x'");
    expect_rewritten("?,?,?,?,?,?,?,?,?,?", SL_SQL_POSTGRES,
                     "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10");
    expect_rewritten("?$$x$$", SL_SQL_POSTGRES, "$1 $$x$$");
    expect_rewritten("SELECT ?, `?`", SL_SQL_MYSQL, "SELECT ?, `?`");
    expect_rewritten("SELECT ?", SL_SQL_SQLITE, "SELECT ?");
}

static void rewriting_has_a_limit(void **state)
{
    struct sl_buf out = SL_BUF(9);
    struct sl_error err;

    (void)state;
    assert_int_equal(
        sl_sql_rewrite(SL_LITERAL("SELECT ?"), SL_SQL_POSTGRES, &out, &err),
        SL_OK);
    sl_buf_clear(&out);
    assert_int_equal(
        sl_sql_rewrite(SL_LITERAL("SELECT ?, ?"), SL_SQL_POSTGRES, &out, &err),
        SL_TOO_LARGE);
    sl_buf_done(&out);
}

/* Whatever is made of these pieces: the tokens are the text. */
static void tokens_are_the_text(void **state)
{
    static const char *const pieces[] = {
        "'",  "\"", "`",  "[", "]",  "$", "$a$", "E'", "\\", "--", "/*",
        "*/", "?",  "??", ";", "\n", " ", "a",   "1",  "#",  "\r", "/*!",
    };
    enum { PIECES = sizeof(pieces) / sizeof(pieces[0]), LEN = 3 };

    (void)state;
    for (size_t n = 0; n < (size_t)PIECES * PIECES * PIECES * 4; n++) {
        char text[32] = "";
        size_t rest = n / 4, total = 0;
        for (int i = 0; i < LEN; i++, rest /= PIECES)
            strncat(text, pieces[rest % PIECES],
                    sizeof(text) - strlen(text) - 1);
        struct sl_sql_lexer lexer = {sl_bytes_of(text),
                                     n % 4 == 3 ? ALL : dialects[n % 4]};
        for (;;) {
            struct sl_sql_token token = sl_sql_next(&lexer);
            assert_ptr_equal(token.text.ptr, (const uint8_t *)text + total);
            total += token.text.len;
            if (token.type == SL_SQL_END)
                break;
            assert_true(token.text.len > 0);
        }
        assert_int_equal(total, strlen(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_dialects_share),
        cmocka_unit_test(what_no_dialect_takes),
        cmocka_unit_test(tokens_of_sqlite),
        cmocka_unit_test(triggers_of_sqlite),
        cmocka_unit_test(bodies_of_postgres),
        cmocka_unit_test(bodies_of_mysql),
        cmocka_unit_test(tokens_of_postgres),
        cmocka_unit_test(tokens_of_mysql),
        cmocka_unit_test(statements_are_rewritten),
        cmocka_unit_test(rewriting_has_a_limit),
        cmocka_unit_test(tokens_are_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

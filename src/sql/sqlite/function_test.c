/* SPDX-License-Identifier: Apache-2.0 */
/* Our own forms of SQLite's functions: the same answers, and an end. */
#include "sql/sqlite/shared_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/sqlite/connection.h"

/* --- Side by side ------------------------------------------------------- */

struct pair {
    sqlite3 *theirs;
    struct sl_sql_sqlite_conn ours;
};

static int open_pair(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    assert_int_equal(sqlite3_open(":memory:", &pair->theirs), SQLITE_OK);
    assert_int_equal(sqlite3_open(":memory:", &pair->ours.file.handle),
                     SQLITE_OK);
    pair->ours.file.deadline = SL_NEVER;
    sl_sql_sqlite_guard_session(&pair->ours);
    *state = pair;
    return 0;
}

static int close_pair(void **state)
{
    struct pair *pair = *state;

    sqlite3_close(pair->theirs);
    sqlite3_close(pair->ours.file.handle);
    free(pair);
    return 0;
}

/* What `SELECT expression` answers, in words. */
static char *evaluate_expression(sqlite3 *handle, const char *expression,
                                 const char *const parameters[])
{
    char *text, *sql = sqlite3_mprintf("SELECT typeof(v), quote(v), length(v) "
                                       "FROM (SELECT %s AS v)",
                                       expression);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);

    for (int i = 0; parameters != NULL && i < 3 && parameters[i] != NULL; i++)
        sqlite3_bind_text(statement, i + 1, parameters[i], -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        text = sqlite3_mprintf("%s %s %s", sqlite3_column_text(statement, 0),
                               sqlite3_column_text(statement, 1),
                               sqlite3_column_text(statement, 2));
    else
        text = sqlite3_mprintf("%d %s", code, sqlite3_errmsg(handle));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return text;
}

static void compare_results(struct pair *pair, const char *expression,
                            const char *const parameters[])
{
    char *theirs = evaluate_expression(pair->theirs, expression, parameters);
    char *ours =
        evaluate_expression(pair->ours.file.handle, expression, parameters);

    if (strcmp(theirs, ours) != 0)
        fail_msg("%s (\"%s\", \"%s\"): SQLite says %s, and we %s", expression,
                 parameters != NULL ? parameters[0] : "",
                 parameters != NULL ? parameters[1] : "", theirs, ours);
    sqlite3_free(theirs);
    sqlite3_free(ours);
}

static void they_answer_the_same(void **state)
{
    static const char *const all[] = {
        "instr('abc', 'c')",
        "instr('äöü', 'ü')",
        "instr('abc', '')",
        "instr('', 'a')",
        "instr('', '')",
        "instr(NULL, 'a')",
        "instr('a', NULL)",
        "instr(x'c3a4c3b6', x'b6')",
        "instr('äö', x'c3b6')",
        "instr(x'c3a4c3b6', 'ö')",
        "instr(cast(x'c3a4c3b6' AS TEXT), cast(x'a4' AS TEXT))",
        "instr(cast(x'a461a4' AS TEXT), cast(x'a4' AS TEXT))",
        "instr(12345, 34)",
        "instr(x'', x'')",
        "instr(x'00', x'')",
        "instr(zeroblob(10), zeroblob(3) || x'01')",
        "replace('abcabc', 'b', 'xyz')",
        "replace('aaaa', 'aa', 'a')",
        "replace('abc', '', 'x')",
        "replace(5, '', 'x')",
        "replace('abc', '', NULL)",
        "replace('abc', 'b', NULL)",
        "replace('abc', NULL, 'x')",
        "replace(NULL, 'b', 'x')",
        "replace(x'616263', 'b', 'x')",
        "replace(12345, 34, 0)",
        "replace('abc', 'b', '')",
        "replace('äöü', 'ö', 'o')",
        "replace('', 'a', 'b')",
        "replace('ab', 'abc', 'x')",
        "trim('  a b  ')",
        "trim('xyaxy', 'xy')",
        "trim('äöaäö', 'öä')",
        "trim('abc', '')",
        "trim('abc', NULL)",
        "trim(NULL)",
        "trim(NULL, 'a')",
        "trim(x'2020612020')",
        "trim(12321, 1)",
        "trim('')",
        "trim('   ')",
        "ltrim('xxaxx', 'x')",
        "rtrim('xxaxx', 'x')",
        "ltrim('  a  ')",
        "rtrim('  a  ')",
        "trim(cast(x'e4a4' AS TEXT), cast(x'a4' AS TEXT))",
        "'abc' LIKE 'ABC'",
        "'abc' LIKE 'a%'",
        "'abc' LIKE '%b%'",
        "'abc' LIKE 'a_c'",
        "'äbc' LIKE '_bc'",
        "'Ä' LIKE 'ä'",
        "'a%c' LIKE 'a\\%c' ESCAPE '\\'",
        "'abc' LIKE 'a\\%c' ESCAPE '\\'",
        "'a_c' LIKE 'a!_c' ESCAPE '!'",
        "'a%' LIKE 'a%%' ESCAPE '%'",
        "'a_' LIKE 'a__' ESCAPE '_'",
        "'aX' LIKE 'a_' ESCAPE '%'",
        "'abc' LIKE 'abc!' ESCAPE '!'",
        "'abc' LIKE '%!' ESCAPE '!'",
        "'abc' LIKE 'abc' ESCAPE ''",
        "'abc' LIKE 'abc' ESCAPE 'ab'",
        "'abc' LIKE 'abc' ESCAPE NULL",
        "'aABx' LIKE 'Axab' ESCAPE 'x'",
        "'abc' LIKE 'abc' ESCAPE 'ä'",
        "NULL LIKE 'a'",
        "'a' LIKE NULL",
        "x'616263' LIKE 'abc'",
        "123 LIKE '1%'",
        "'' LIKE ''",
        "'' LIKE '%'",
        "'' LIKE '_'",
        "'abc' LIKE '%%%_%'",
        "'abc' NOT LIKE 'x%'",
        "like('a%', 'abc')",
        "'abc' GLOB 'a*'",
        "'abc' GLOB 'A*'",
        "'abc' GLOB '?b?'",
        "'abc' GLOB '[a-c]*'",
        "'abc' GLOB '[^a-c]*'",
        "']' GLOB '[]]'",
        "'a' GLOB '[^]]'",
        "'-' GLOB '[a-]'",
        "'b' GLOB '[a-'",
        "'a' GLOB '['",
        "'é' GLOB '[à-ü]'",
        "'abc' GLOB '*[c]'",
        "'abc' GLOB '*[a]'",
        "'a*c' GLOB 'a[*]c'",
        "NULL GLOB 'a'",
        "glob('a*', 'abc')",
        "json_patch('{\"a\":1,\"b\":{\"c\":2}}', "
        "'{\"b\":{\"c\":null,\"d\":3}}')",
        "json_patch('[1,2]', '{\"a\":1}')",
        "json_patch('{\"a\":1}', '[3]')",
        "json_patch('{', '{}')",
        "json_patch('{}', 'x')",
        "json_patch(NULL, '{}')",
        "json_patch('{}', NULL)",
        "json_patch('1', 2.5)",
        "json_patch('{}', x'00')",
        "json_array(json_patch('{}', '{\"a\":1}'))",
        "json_patch('{\"a\":\"' || hex(zeroblob(50000)) || '\"}', "
        "'{\"a\":2}')",
    };
    struct pair *pair = *state;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        compare_results(pair, all[i], NULL);
}

/* Texts of a few characters, so that they often match in part. */
static void fill_text(char *text, size_t most, const char *const alphabet[],
                      unsigned count)
{
    size_t parts = (size_t)rand() % most;

    text[0] = '\0';
    for (size_t i = 0; i < parts; i++)
        strcat(text, alphabet[(unsigned)rand() % count]);
}

static void they_answer_the_same_at_random(void **state)
{
    static const char *const of_text[] = {"a", "b", "A", "ä", "\xa4", "-", "]"};
    static const char *const of_pattern[] = {
        "a", "b", "B", "ä", "\xc3", "%", "_", "*", "?",
        "[", "]", "^", "-", "!",    "%", "*", "a",
    };
    static const char *const expressions[] = {
        "instr(?1, ?2)",         "replace(?1, ?2, ?3)", "trim(?1, ?2)",
        "ltrim(?1, ?2)",         "rtrim(?1, ?2)",       "?1 LIKE ?2",
        "?1 LIKE ?2 ESCAPE '!'", "?1 GLOB ?2",          "?1 LIKE ?2 ESCAPE '%'",
    };
    struct pair *pair = *state;
    char text[64], pattern[64], with[64];

    srand(15);
    for (int i = 0; i < 20000; i++) {
        const char *const parameters[] = {text, pattern, with};
        const char *expression = expressions[i % 9];
        fill_text(text, 10, of_text, 7);
        if (i % 9 < 5)
            fill_text(pattern, 3, of_text, 7);
        else
            fill_text(pattern, 8, of_pattern, 17);
        fill_text(with, 4, of_text, 7);
        compare_results(pair, expression, parameters);
    }
}

/* --- An end ------------------------------------------------------------- */

/* Each takes hours in SQLite's own form, or ends before the deadline in ours.
 */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void all_of_them_end(void **state)
{
    static const char *const long_ones[] = {
        "SELECT trim(replace(hex(zeroblob(8000000)), '0', 'b'), "
        "replace(hex(zeroblob(8000000)), '0', 'a') || 'b')",
        "SELECT replace(hex(zeroblob(16000000)), '0', 'a') LIKE '%' || "
        "replace(hex(zeroblob(2000)), '0', 'a') || 'b'",
        "SELECT replace(hex(zeroblob(16000000)), '0', 'a') GLOB '*' || "
        "replace(hex(zeroblob(700)), '0', '[a]') || 'b'",
        "SELECT replace(hex(zeroblob(16000000)), '0', 'a') LIKE '%_' || "
        "replace(hex(zeroblob(1000)), '0', '_a') || 'b%'",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT "
        "100000000) SELECT i FROM n ORDER BY random()",
    };
    static const char *const linear[] = {
        "SELECT instr(zeroblob(32000000), zeroblob(16000000) || x'01')",
        "SELECT instr(replace(hex(zeroblob(8000000)), '0', 'a'), "
        "replace(hex(zeroblob(4000000)), '0', 'a') || 'b')",
        "SELECT length(replace(hex(zeroblob(8000000)), "
        "hex(zeroblob(4000000)) || 'b', ''))",
    };
    struct fixture *f = *state;

    reopen(f, "timeout = \"2s\"\nretry.attempts = 1");
    for (size_t i = 0; i < sizeof(long_ones) / sizeof(long_ones[0]); i++) {
        struct sl_sql_answer *answer = query(f, long_ones[i]);
        /* Of the driver itself, and not that it did not come back. */
        assert_int_equal(answer->err.status, SL_TIMEOUT);
        assert_non_null(strstr(answer->err.message, "until the deadline"));
    }
    reopen(f, "timeout = \"60s\"\nretry.attempts = 1");
    for (size_t i = 0; i < sizeof(linear) / sizeof(linear[0]); i++)
        expect_ok(query(f, linear[i]), linear[i]);
    /* 100,000 members in each: about half a minute in SQLite's own form. */
    struct sl_sql_answer *answer = query(
        f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "LIMIT 100000) SELECT json_patch(json_group_object('a' || i, i), "
           "json_group_object('b' || i, i)) FROM n");
    assert_int_equal(answer->err.status, SL_TOO_LARGE);
    assert_non_null(strstr(answer->err.message, "fewer members at a time"));
    expect_ok(query(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
                       "i + 1 FROM n LIMIT 100000) SELECT "
                       "json_patch(json_group_object('a' || i, i), "
                       "'{\"a1\":0,\"b\":1}') FROM n"),
              "a long object and a short patch");
    expect_status(f, "SELECT 'a' LIKE replace(hex(zeroblob(3000)), '0', 'aa')",
                  SL_INVALID_ARGUMENT);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_answer_the_same, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(they_answer_the_same_at_random,
                                        open_pair, close_pair),
/* Under a sanitizer SQLite's own functions, between two looks at the clock,
 * take longer than a call that is late is waited for. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        SQLITE_CASE(all_of_them_end),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What statements of sql.sqlite may do, and what not. */
#include "sql/sqlite/shared_test.h"

#include <unistd.h>

static void what_is_not_allowed(void **state)
{
    static const char *const bad[] = {
        "ATTACH DATABASE '/tmp/slight-evil.db' AS evil",
        "ATTACH ':memory:' AS evil",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '/tmp/slight-evil.db'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA journal_mode(DELETE)",
        "PRAGMA synchronous = OFF",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA user_version = 5",
        "PRAGMA writable_schema = ON",
        "PRAGMA database_list",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA cache_size = 100000",
        "PRAGMA query_only",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "SELECT load_extension('evil')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT * FROM sqlite_stmt",
        "SELECT sql FROM sqlite_stmt",
        "CREATE TEMP TABLE a (b)",
        "CREATE TEMPORARY VIEW a AS SELECT 1",
        "CREATE TABLE temp.a (b)",
        "CREATE VIEW temp.a AS SELECT 1",
        "CREATE VIRTUAL TABLE a USING dbstat",
        "CREATE VIRTUAL TABLE a USING csv(filename='/etc/passwd')",
        "EXPLAIN BEGIN",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_status(f, bad[i], SL_PERMISSION_DENIED);
    assert_int_equal(access("/tmp/slight-evil.db", F_OK), -1);
    expect_number(f, "PRAGMA foreign_keys", 1);
    /* As functions of a table they are refused when they run, or before. */
    assert_int_not_equal(
        query(f, "SELECT * FROM pragma_database_list")->err.status, SL_OK);
    /* The schema cannot be written, nor a quoted name be a text. */
    assert_int_not_equal(
        query(f, "INSERT INTO sqlite_schema (name) VALUES ('a')")->err.status,
        SL_OK);
    expect_status(f, "SELECT \"no such column\"", SL_INVALID_ARGUMENT);
}

static void what_is_allowed(void **state)
{
    static const char *const good[] = {
        "CREATE TABLE a (b INTEGER PRIMARY KEY, c TEXT)",
        "CREATE UNIQUE INDEX d ON a (c)",
        "CREATE VIEW e AS SELECT b FROM a",
        "CREATE TRIGGER g AFTER INSERT ON a BEGIN DELETE FROM a WHERE c = "
        "'gone'; UPDATE a SET c = lower(c) WHERE b = new.b; END",
        "INSERT INTO a (c) VALUES ('X')",
        "ALTER TABLE a ADD COLUMN h INTEGER DEFAULT 5",
        "PRAGMA table_info(a)",
        "PRAGMA index_list('a')",
        "SELECT name FROM pragma_table_info('a')",
        "PRAGMA integrity_check",
        "ANALYZE",
        "REINDEX",
        "EXPLAIN QUERY PLAN SELECT * FROM a",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
        "i < 10) SELECT sum(i) FROM n",
        "SELECT json_extract('{\"a\": 1}', '$.a'), value FROM json_each('[1]')",
        "CREATE VIRTUAL TABLE words USING fts5(word)",
        "INSERT INTO words VALUES ('hello world')",
        "SELECT * FROM words WHERE words MATCH 'hello'",
        "DROP TABLE words",
        "DROP VIEW e",
        "DROP TABLE a",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        expect_ok(query(f, good[i]), good[i]);
}

static void a_statement_without_end(void **state)
{
    static const char *const endless[] = {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "INSERT INTO a SELECT i FROM n",
    };
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b)");
    reopen(f, "timeout = \"200ms\"\nretry.attempts = 1");
    for (int i = 0; i < 2; i++) {
        expect_status(f, endless[i], SL_TIMEOUT);
        expect_number(f, "SELECT count(*) FROM a", 0);
    }
    /* In a transaction it takes that with it. */
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "INSERT INTO a VALUES (1)"), "insert");
    assert_int_equal(in(f, session, endless[1])->err.status, SL_TIMEOUT);
    assert_int_equal(in(f, session, "INSERT INTO a VALUES (2)")->err.status,
                     SL_CONFLICT);
    assert_int_equal(end(f, session, SL_SQL_COMMIT)->err.status, SL_CONFLICT);
    expect_number(f, "SELECT count(*) FROM a", 0);
    execute(f, "INSERT INTO a VALUES (3)");
}

static void memory_has_a_limit(void **state)
{
    static const char *const large[] = {
        "SELECT zeroblob(1000000000)",
        "SELECT length(zeroblob(1000000000))",
        "SELECT hex(zeroblob(100000000))",
        "SELECT group_concat(hex(zeroblob(1000000))) FROM (WITH RECURSIVE "
        "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "SELECT i FROM n)",
        "SELECT replace(hex(zeroblob(50000)), '0', hex(zeroblob(50000)))",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        expect_status(f, large[i], SL_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(what_is_not_allowed),
        SQLITE_CASE(what_is_allowed),
        SQLITE_CASE(a_statement_without_end),
        SQLITE_CASE(memory_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the schema of a file made elsewhere may use, and how it is changed. */
#include "sql/sqlite/shared_test.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

/* --- ALTER TABLE -------------------------------------------------------- */

static void tables_are_altered(void **state)
{
    static const char *const steps[] = {
        "CREATE TABLE a (b INTEGER PRIMARY KEY, c TEXT CHECK (length(c) > 0), "
        "d, e GENERATED ALWAYS AS (c || '!') VIRTUAL)",
        "CREATE TABLE child (a REFERENCES a (b))",
        "CREATE INDEX by_c ON a (c) WHERE c <> ''",
        "CREATE INDEX by_lower ON a (lower(c))",
        "CREATE VIEW v AS SELECT b, c, e FROM a",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET d = 1 WHERE b = "
        "new.b; END",
        "INSERT INTO a (c) VALUES ('x')",
        "ALTER TABLE a RENAME TO \"the a\"",
        "ALTER TABLE \"the a\" RENAME COLUMN c TO \"the c\"",
        "ALTER TABLE main.\"the a\" ADD COLUMN f TEXT NOT NULL DEFAULT 'f' "
        "CHECK "
        "(f <> '')",
        "ALTER TABLE \"the a\" ADD g AS (\"the c\" || f)",
        "ALTER TABLE \"the a\" ADD COLUMN h REFERENCES child (a)",
        "ALTER TABLE \"the a\" DROP COLUMN h",
        "INSERT INTO \"the a\" (\"the c\") VALUES ('y')",
        "ALTER TABLE \"the a\" RENAME TO \"B\"",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        execute(f, steps[i]);
    expect_number(f, "SELECT count(*) FROM v WHERE e IN ('x!', 'y!')", 2);
    expect_number(f, "SELECT count(*) FROM b WHERE d = 1", 2);
    expect_number(f, "SELECT count(*) FROM b WHERE g = 'yf'", 1);
    execute(f, "DROP TRIGGER t");
    execute(f, "ALTER TABLE b DROP COLUMN d");
    expect_number(f, "SELECT count(*) FROM pragma_table_info('b')", 3);
    expect_number(f,
                  "SELECT count(*) FROM pragma_foreign_key_list('child') "
                  "WHERE \"table\" = 'B'",
                  1);
}

static void virtual_tables_are_renamed(void **state)
{
    static const char *const steps[] = {
        "CREATE VIRTUAL TABLE f5 USING fts5(x)",
        "CREATE VIRTUAL TABLE f4 USING fts4(x)",
        "CREATE VIRTUAL TABLE f3 USING fts3(x)",
        "CREATE VIRTUAL TABLE r USING rtree(id, a, b)",
        "INSERT INTO f5 VALUES ('hello')",
        "INSERT INTO f4 VALUES ('hello')",
        "INSERT INTO f3 VALUES ('hello')",
        "INSERT INTO r VALUES (1, 2, 3)",
        "ALTER TABLE f5 RENAME TO g5",
        "ALTER TABLE f4 RENAME TO g4",
        "ALTER TABLE f3 RENAME TO g3",
        "ALTER TABLE r RENAME TO s",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        execute(f, steps[i]);
    expect_number(f,
                  "SELECT (SELECT count(*) FROM g5 WHERE g5 MATCH 'hello') + "
                  "(SELECT count(*) FROM g4 WHERE g4 MATCH 'hello') + "
                  "(SELECT count(*) FROM g3 WHERE g3 MATCH 'hello') + "
                  "(SELECT count(*) FROM s WHERE a > 1)",
                  4);
}

static void altering_in_a_transaction_is_undone_with_it(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b, c)");
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "ALTER TABLE a RENAME TO z"), "rename");
    expect_ok(in(f, session, "ALTER TABLE z DROP COLUMN c"), "drop");
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    expect_number(f, "SELECT count(*) FROM pragma_table_info('a')", 2);
}

/* What only SQLite's own steps may do is no guest's to do. */
static void what_is_temporary_stays_denied(void **state)
{
    static const char *const bad[] = {
        "UPDATE temp.sqlite_schema SET sql = 'CREATE TABLE x (y)'",
        "UPDATE sqlite_temp_master SET name = 'x'",
        "UPDATE sqlite_temp_schema SET name = 'x'",
        "DELETE FROM sqlite_temp_schema",
        "INSERT INTO temp.sqlite_master (name) VALUES ('x')",
        "ALTER TABLE temp.a RENAME TO b",
        "ALTER TABLE sqlite_temp_schema RENAME TO b",
        "ALTER TABLE sqlite_schema ADD COLUMN b",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
    };
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b)");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        execute(f, i % 2 == 0 ? "ALTER TABLE a RENAME COLUMN b TO c"
                              : "ALTER TABLE a RENAME COLUMN c TO b");
        if (query(f, bad[i])->err.status == SL_OK)
            fail_msg("%s was done", bad[i]);
    }
}

/* --- Files made elsewhere ----------------------------------------------- */

static const char documents[] =
    "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT, meta TEXT NOT NULL "
    "DEFAULT '{}' CHECK (json_valid(meta) AND json_type(meta) = 'object'), "
    "author TEXT GENERATED ALWAYS AS (json_extract(meta, '$.author')) VIRTUAL, "
    "tags TEXT GENERATED ALWAYS AS (json_array(meta ->> '$.a', meta -> '$.b')) "
    "STORED);"
    "CREATE INDEX by_year ON doc (json_extract(meta, '$.year'));"
    "CREATE INDEX by_open ON doc (id) WHERE json_extract(meta, '$.open') = 1;"
    "CREATE VIEW years AS SELECT json_group_array(meta ->> 'year') AS all_of, "
    "json_group_object(id, author) AS who FROM doc;"
    "CREATE VIEW parts AS SELECT doc.id, key, value FROM doc, json_each(meta);"
    "CREATE VIRTUAL TABLE words5 USING fts5(body, content=doc, "
    "content_rowid=id, tokenize='porter unicode61');"
    "CREATE VIRTUAL TABLE words4 USING fts4(body);"
    "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words5, row);"
    "CREATE VIRTUAL TABLE terms USING fts4aux(words4);"
    "CREATE VIRTUAL TABLE place USING rtree(id, left, right);"
    "CREATE TRIGGER added AFTER INSERT ON doc BEGIN "
    "INSERT INTO words5 (rowid, body) VALUES (new.id, new.body); "
    "INSERT INTO words4 (docid, body) VALUES (new.id, new.body); "
    "INSERT INTO place VALUES (new.id, length(new.body), length(new.body) + "
    "1); END;"
    "CREATE TRIGGER removed AFTER DELETE ON doc BEGIN "
    "INSERT INTO words5 (words5, rowid, body) VALUES ('delete', old.id, "
    "old.body); "
    "DELETE FROM words4 WHERE docid = old.id; "
    "DELETE FROM place WHERE id = old.id; END;"
    "CREATE VIEW found5 AS SELECT rowid AS id, bm25(words5) AS rank_of, "
    "snippet(words5, 0, '[', ']', '', 4) AS part, highlight(words5, 0, '<', "
    "'>') AS whole FROM words5 WHERE words5 MATCH 'hello';"
    "CREATE VIEW found4 AS SELECT docid AS id, snippet(words4) AS part, "
    "offsets(words4) AS places, matchinfo(words4) AS info FROM words4 WHERE "
    "body MATCH 'hello';"
    "CREATE VIEW near AS SELECT id FROM place WHERE left BETWEEN 5 AND 20;"
    "CREATE VIEW shape AS SELECT name FROM pragma_table_info('doc');"
    "CREATE TRIGGER by_view INSTEAD OF INSERT ON near BEGIN INSERT INTO doc "
    "(id, body) VALUES (new.id, 'through a view'); END;";

static void files_made_elsewhere_work(void **state)
{
    static const char *const added[] = {
        "INSERT INTO doc (id, body, meta) VALUES (1, 'hello world', "
        "'{\"author\": \"ann\", \"year\": 2024, \"open\": 1, \"a\": 1}')",
        "INSERT INTO doc (id, body) VALUES (2, 'hello again')",
        "INSERT INTO near VALUES (3)",
        "UPDATE doc SET meta = json_set(meta, '$.year', 2025) WHERE id = 2",
    };
    struct fixture *f = *state;

    by_another(f, documents);
    for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
        execute(f, added[i]);
    expect_number(f, "SELECT count(*) FROM doc WHERE author = 'ann'", 1);
    expect_number(f,
                  "SELECT id FROM doc WHERE json_extract(meta, '$.year') = "
                  "2025",
                  2);
    expect_number(f, "SELECT json_array_length(all_of) FROM years", 3);
    expect_number(f, "SELECT count(*) FROM parts", 5);
    expect_number(f,
                  "SELECT count(*) FROM found5 WHERE part LIKE '[hello]%' "
                  "AND whole LIKE '<hello>%' AND rank_of < 0",
                  2);
    expect_number(f, "SELECT count(*) FROM found4 WHERE places <> ''", 2);
    expect_number(f, "SELECT count(*) FROM near", 3);
    expect_number(f, "SELECT count(*) FROM shape", 3);
    expect_number(f, "SELECT doc FROM vocabulary WHERE term = 'hello'", 2);
    expect_number(f,
                  "SELECT documents FROM terms WHERE term = 'hello' AND col "
                  "= '*'",
                  2);
    execute(f, "DELETE FROM doc WHERE id = 1");
    expect_number(f,
                  "SELECT (SELECT count(*) FROM found5) + (SELECT count(*) "
                  "FROM found4) + (SELECT count(*) FROM near)",
                  4);
    expect_status(f, "INSERT INTO doc (meta) VALUES ('[]')", SL_CONFLICT);
    expect_status(f, "INSERT INTO doc (meta) VALUES ('{')",
                  SL_INVALID_ARGUMENT);
    execute(f, "ALTER TABLE doc RENAME COLUMN meta TO about");
    execute(f, "INSERT INTO words5 (words5) VALUES ('integrity-check')");
}

/* --- Hostile ones ------------------------------------------------------- */

static int evil_calls;

static void count_evil_call(sqlite3_context *context, int count,
                            sqlite3_value **values)
{
    (void)count;
    (void)values;
    evil_calls++;
    sqlite3_result_int(context, 1);
}

static int evil_connect(sqlite3 *handle, void *context, int count,
                        const char *const *words, sqlite3_vtab **out,
                        char **message)
{
    (void)handle;
    (void)context;
    (void)count;
    (void)words;
    (void)out;
    (void)message;
    evil_calls++;
    return SQLITE_ERROR;
}

static sqlite3_module evil_module = {.xCreate = evil_connect,
                                     .xConnect = evil_connect};

/* As a library does that was built with more than ours. */
static int add_evil(sqlite3 *handle, const char **message,
                    const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    sqlite3_create_function(handle, "evil", -1, SQLITE_UTF8, NULL,
                            count_evil_call, NULL, NULL);
    sqlite3_create_function(handle, "evil", 1,
                            SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                            count_evil_call, NULL, NULL);
    return sqlite3_create_module(handle, "evil", &evil_module, NULL);
}

static void hostile_schemas_do_nothing(void **state)
{
    static const char *const bad[] = {
        "SELECT * FROM v1",
        "SELECT * FROM v2",
        "SELECT * FROM v3",
        "SELECT * FROM v4",
        "SELECT * FROM v5",
        "SELECT * FROM v6",
        "SELECT * FROM t1",
        "INSERT INTO t2 VALUES (1)",
        "INSERT INTO t3 (a) VALUES (1)",
        "INSERT INTO t4 VALUES (1)",
        "INSERT INTO t5 (a) VALUES (1)",
        "INSERT INTO t6 VALUES (1)",
        "INSERT INTO t7 VALUES (1)",
    };
    struct fixture *f = *state;

    sqlite3_auto_extension((void (*)(void))add_evil);
    by_another(
        f, "CREATE VIEW v1 AS SELECT evil(1);"
           "CREATE VIEW v2 AS SELECT evil(1, 2);"
           "CREATE VIEW v3 AS SELECT load_extension('evil');"
           "CREATE VIEW v4 AS SELECT fts3_tokenizer('simple');"
           "CREATE VIEW v5 AS SELECT sql FROM sqlite_stmt;"
           "CREATE VIEW v6 AS SELECT * FROM pragma_database_list;"
           "CREATE TABLE t2 (a CHECK (evil(a)));"
           "CREATE TABLE t3 (a, b AS (evil(a)) STORED);"
           "CREATE TABLE t4 (a);"
           "CREATE INDEX i4 ON t4 (evil(a));"
           "CREATE TABLE t5 (a, b DEFAULT (evil(1, 2)));"
           "CREATE TABLE t6 (a);"
           "CREATE TRIGGER g6 AFTER INSERT ON t6 BEGIN SELECT evil(1); END;"
           "CREATE TABLE t7 (a CHECK (load_extension('evil')));"
           "PRAGMA writable_schema = ON;"
           "INSERT INTO sqlite_schema VALUES ('table', 't1', 't1', 0, 'CREATE "
           "VIRTUAL TABLE t1 USING evil(x)');");
    evil_calls = 0;
    reopen(f, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (query(f, bad[i])->err.status == SL_OK)
            fail_msg("%s was done", bad[i]);
    sqlite3_reset_auto_extension();
    assert_int_equal(evil_calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_CASE(tables_are_altered),
        SQLITE_CASE(virtual_tables_are_renamed),
        SQLITE_CASE(altering_in_a_transaction_is_undone_with_it),
        SQLITE_CASE(what_is_temporary_stays_denied),
        SQLITE_CASE(files_made_elsewhere_work),
        SQLITE_CASE(hostile_schemas_do_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

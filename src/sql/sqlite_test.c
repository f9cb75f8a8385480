/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is special about sql.sqlite: the file, what statements may not do, what
 * columns of SQLite become.  What every driver must do is in tests/conformance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sql/driver.h"
#include "support/stores.h"

/* --- A database in a folder of its own -------------------------------------
 */

struct fixture {
    char folder[64];
    char path[96];
    struct test_store store;
    struct sl_sql_answer answer; /* of the last call */
};

/* Open the database anew, with these settings beside its path. */
static void reopen(struct fixture *f, const char *settings)
{
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *all = sl_asprintf("path = \"%s\"\n%s", f->path, settings);

    test_store_done(&f->store);
    if (test_store_open(&f->store, "sql.sqlite", all, &err) != SL_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-sqlite-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/sql.db", f->folder);
    reopen(f, "timeout = \"60s\"");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->answer.memory.owner != NULL)
        sl_answers_done(f->store.service, &f->answer, 1);
    test_store_done(&f->store);
    test_remove_folder(f->folder);
    free(f);
    return 0;
}

static struct sl_sql_answer *call(struct fixture *f, struct sl_session *session,
                                  const struct sl_sql_request *request)
{
    if (f->answer.memory.owner != NULL)
        sl_answers_done(f->store.service, &f->answer, 1);
    sl_service_do(f->store.service, session, request, 1, &f->answer);
    return &f->answer;
}

/* A statement with at most one parameter. */
static struct sl_sql_answer *ask_with(struct fixture *f,
                                      struct sl_session *session,
                                      enum sl_sql_verb verb, const char *text,
                                      const struct sl_sql_value *value)
{
    const struct sl_sql_parameters set = {value, value != NULL};
    const struct sl_sql_request request = {.verb = verb,
                                           .statement = sl_bytes_of(text),
                                           .sets = &set,
                                           .set_count = 1,
                                           .in_transaction = session != NULL};

    return call(f, session, &request);
}

static struct sl_sql_answer *query(struct fixture *f, const char *text)
{
    return ask_with(f, NULL, SL_SQL_QUERY, text, NULL);
}

static void expect_ok(const struct sl_sql_answer *answer, const char *what)
{
    if (answer->err.status != SL_OK)
        fail_msg("%s: %s", what, answer->err.message);
}

static void execute(struct fixture *f, const char *text)
{
    expect_ok(ask_with(f, NULL, SL_SQL_EXECUTE, text, NULL), text);
}

static void expect_status(struct fixture *f, const char *text,
                          enum sl_status expected)
{
    const struct sl_sql_answer *answer = query(f, text);

    if (answer->err.status != expected)
        fail_msg("%s: %s: %s", text, sl_status_text(answer->err.status),
                 answer->err.message);
}

static void expect_number(struct fixture *f, const char *text, int64_t expected)
{
    const struct sl_sql_answer *answer = query(f, text);

    expect_ok(answer, text);
    assert_int_equal(answer->row_count, 1);
    assert_int_equal(answer->values[0].type, SL_SQL_INT64);
    assert_int_equal(answer->values[0].int64, expected);
}

/* A transaction; nothing where it cannot begin. */
static struct sl_session *begin(struct fixture *f, uint32_t isolation)
{
    const struct sl_sql_request request = {.verb = SL_SQL_BEGIN,
                                           .isolation = isolation};
    struct sl_session *session;
    struct sl_error err;

    assert_int_equal(sl_session_open(f->store.service, &session, &err), SL_OK);
    expect_ok(call(f, session, &request), "begin");
    return session;
}

static struct sl_sql_answer *in(struct fixture *f, struct sl_session *session,
                                const char *text)
{
    return ask_with(f, session, SL_SQL_EXECUTE, text, NULL);
}

static struct sl_sql_answer *end(struct fixture *f, struct sl_session *session,
                                 enum sl_sql_verb verb)
{
    const struct sl_sql_request request = {.verb = verb};
    struct sl_sql_answer *answer = call(f, session, &request);

    sl_session_close(session);
    return answer;
}

/* Something done to the file by another program. */
static void by_another(struct fixture *f, const char *text)
{
    sqlite3 *handle = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(handle);
}

/* --- The file
 * ----------------------------------------------------------------- */

static void is_made_for_this_user_only(void **state)
{
    struct fixture *f = *state;
    struct stat info;

    execute(f, "CREATE TABLE a (b)");
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void wrong_options(void **state)
{
    static const char *const bad[] = {
        "path = \"\"",
        "path = \":memory:\"",
        "path = \"a\"\nsync = \"off\"",
        "path = \"a\"\nread-only = \"yes\"",
        "path = \"a\"\nmax-value = \"33MiB\"",
        "path = \"a\"\nmax-transactions = 0",
    };
    struct test_store store;
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(test_store_set(&store, "sql.sqlite", bad[i], &err),
                         SL_INVALID_ARGUMENT);
        test_store_done(&store);
    }
}

static void anybodys_database(void **state)
{
    struct fixture *f = *state;

    by_another(f, "PRAGMA application_id = 4711; PRAGMA user_version = 12; "
                  "CREATE TABLE theirs (v VARCHAR(20)); "
                  "INSERT INTO theirs VALUES ('x')");
    expect_number(f, "SELECT count(*) FROM theirs WHERE v = 'x'", 1);
    execute(f, "INSERT INTO theirs VALUES ('y')");
    expect_number(f, "PRAGMA application_id", 4711);
    expect_number(f, "PRAGMA user_version", 12);
    expect_number(f, "SELECT count(*) FROM sqlite_schema", 1);
}

static void read_only(void **state)
{
    struct fixture *f = *state;

    reopen(f, "read-only = true");
    expect_status(f, "SELECT 1", SL_UNAVAILABLE); /* there is no file */
    assert_int_equal(access(f->path, F_OK), -1);
    by_another(f, "CREATE TABLE a (b); INSERT INTO a VALUES (1)");
    expect_number(f, "SELECT b FROM a", 1);
    expect_status(f, "INSERT INTO a VALUES (2)", SL_PERMISSION_DENIED);
    expect_status(f, "DROP TABLE a", SL_PERMISSION_DENIED);
    struct sl_session *session = begin(f, SL_SQL_SERIALIZABLE);
    assert_int_equal(in(f, session, "DELETE FROM a")->err.status,
                     SL_PERMISSION_DENIED);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    expect_number(f, "SELECT b FROM a", 1);
}

static void what_is_no_database(void **state)
{
    struct fixture *f = *state;
    struct sl_error err;

    assert_int_equal(
        sl_file_write(f->path,
                      SL_LITERAL("this is the text of a letter, which "
                                 "nobody may take for a database"),
                      &err),
        SL_OK);
    expect_status(f, "SELECT 1", SL_INTERNAL);
    assert_non_null(strstr(f->answer.err.message, f->path));
    reopen(f, "read-only = true");
    expect_status(f, "SELECT 1", SL_INTERNAL);
}

static void a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, small;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    execute(f, "CREATE TABLE a (b)");
    small = before;
    small.rlim_cur = 200000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    enum sl_status status =
        in(f, session, "INSERT INTO a VALUES (zeroblob(10000000))")->err.status;
    if (status == SL_OK) /* it all stays in memory until then */
        status = end(f, session, SL_SQL_COMMIT)->err.status;
    else
        assert_int_equal(end(f, session, SL_SQL_COMMIT)->err.status,
                         SL_CONFLICT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, SL_UNAVAILABLE);
    expect_number(f, "SELECT count(*) FROM a", 0);
    execute(f, "INSERT INTO a VALUES (1)");
}

/* --- What statements may not do
 * ------------------------------------------------- */

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

/* --- Values
 * ------------------------------------------------------------------- */

static void expect_text(struct fixture *f, const char *text,
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
        expect_text(f, "SELECT b FROM a", cases[i].type, cases[i].text);
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
    expect_text(f, "SELECT b FROM a", SL_SQL_TEXT, "gr\xc3\xbc\xc3\x9f");
}

/* --- Failures
 * ------------------------------------------------------------------ */

static void messages(void **state)
{
    const struct sl_sql_value secret = {.type = SL_SQL_TEXT,
                                        .bytes = SL_LITERAL("$.my secret[")};
    static const char *const texts[] = {
        "SELECT json_extract('{\"my secret\": [1]}', ?)",
        "SELECT json(?)",
        "SELECT * FROM words WHERE words MATCH ?",
        "SELECT 'a' LIKE 'b' ESCAPE ?",
    };
    struct fixture *f = *state;

    execute(f, "CREATE VIRTUAL TABLE words USING fts5(word)");
    execute(f, "INSERT INTO words VALUES ('x')");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct sl_sql_answer *answer =
            ask_with(f, NULL, SL_SQL_QUERY, texts[i], &secret);
        assert_int_equal(answer->err.status, SL_INVALID_ARGUMENT);
        assert_null(strstr(answer->err.message, "secret"));
    }
    expect_status(f, "SELECT \"two\nlines\"", SL_INVALID_ARGUMENT);
    assert_null(strchr(f->answer.err.message, '\n'));
    if (strstr(f->answer.err.message, "two?lines") == NULL)
        fail_msg("%s", f->answer.err.message);
}

static void counts_leave_out_what_triggers_do(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b INTEGER PRIMARY KEY)");
    execute(f, "CREATE TABLE noted (c INTEGER PRIMARY KEY, d)");
    execute(f, "INSERT INTO noted VALUES (500, 0)");
    execute(f, "CREATE TRIGGER e AFTER INSERT ON a BEGIN INSERT INTO noted (d) "
               "VALUES (1), (2); END");
    execute(f, "INSERT INTO a VALUES (7)");
    assert_int_equal(f->answer.affected, 1);
    assert_true(f->answer.has_last_insert_id);
    assert_int_equal(f->answer.last_insert_id, 7);
    execute(f, "CREATE TABLE g (h TEXT PRIMARY KEY) WITHOUT ROWID");
    execute(f, "INSERT INTO g VALUES ('x')");
    assert_int_equal(f->answer.affected, 1);
    assert_false(f->answer.has_last_insert_id);
    execute(f, "CREATE TABLE i AS SELECT * FROM noted");
    assert_int_equal(f->answer.affected, 0);
    execute(f, "INSERT INTO a VALUES (7) ON CONFLICT DO NOTHING");
    assert_int_equal(f->answer.affected, 0);
    assert_false(f->answer.has_last_insert_id);
}

static void constraints_at_the_end(void **state)
{
    struct fixture *f = *state;

    execute(f, "CREATE TABLE a (b INTEGER PRIMARY KEY)");
    execute(f, "CREATE TABLE c (d INTEGER REFERENCES a (b) DEFERRABLE "
               "INITIALLY DEFERRED)");
    struct sl_session *session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "INSERT INTO c VALUES (5)"), "insert");
    const struct sl_sql_answer *answer = end(f, session, SL_SQL_COMMIT);
    assert_int_equal(answer->err.status, SL_CONFLICT);
    assert_false(answer->retryable);
    expect_number(f, "SELECT count(*) FROM c", 0);
    expect_status(f, "INSERT INTO c VALUES (5)", SL_CONFLICT);
    /* What rolls back by itself. */
    execute(f, "INSERT INTO a VALUES (1)");
    session = begin(f, SL_SQL_DEFAULT);
    expect_ok(in(f, session, "INSERT INTO a VALUES (2)"), "insert");
    assert_int_equal(
        in(f, session, "INSERT OR ROLLBACK INTO a VALUES (1)")->err.status,
        SL_ALREADY_EXISTS);
    assert_int_equal(in(f, session, "INSERT INTO a VALUES (3)")->err.status,
                     SL_CONFLICT);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    expect_number(f, "SELECT count(*) FROM a", 1);
}

static void another_program_writes(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;

    execute(f, "CREATE TABLE a (b)");
    reopen(f, "timeout = \"100ms\"\nretry.attempts = 1");
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    expect_status(f, "INSERT INTO a VALUES (1)", SL_TIMEOUT);
    assert_true(f->answer.retryable); /* nothing was done */
    expect_number(f, "SELECT count(*) FROM a", 0);
    /* A snapshot does not wait: it would be too old. */
    struct sl_session *session = begin(f, SL_SQL_SERIALIZABLE);
    expect_ok(in(f, session, "SELECT * FROM a"), "select");
    const struct sl_sql_answer *answer =
        in(f, session, "INSERT INTO a VALUES (1)");
    assert_int_equal(answer->err.status, SL_CONFLICT);
    assert_true(answer->retryable);
    expect_ok(end(f, session, SL_SQL_ROLLBACK), "rollback");
    sqlite3_close(other);
    execute(f, "INSERT INTO a VALUES (1)");
}

/* --- A state of the driver alone ---------------------------------------------
 */

static struct sl_sql_answer run(const struct sl_driver *driver, void *state,
                                enum sl_sql_verb verb, const char *text,
                                bool in_transaction)
{
    static struct sl_error none;
    const struct sl_sql_parameters set = {NULL, 0};
    const struct sl_sql_request request = {.verb = verb,
                                           .statement = sl_bytes_of(text),
                                           .sets = &set,
                                           .set_count = 1,
                                           .in_transaction = in_transaction};
    struct sl_sql_answer answer = {.err = none};
    size_t room = 1 << 20;
    struct sl_op op = {.request = &request,
                       .answer = &answer,
                       .deadline = sl_deadline_in_ms(60000),
                       .room = &room};
    struct sl_op *const ops[] = {&op};

    driver->run(state, ops, 1);
    sl_held_done(&answer.memory);
    return answer;
}

/* What is left of a transaction whose connection was lost: nothing. */
static void a_transaction_that_was_lost(void **state)
{
    struct fixture *f = *state;
    const struct sl_driver *driver = f->store.driver;
    struct sl_error err;
    void *store, *fresh;

    execute(f, "CREATE TABLE a (b)");
    assert_int_equal(driver->store_new(f->store.options, &store, &err), SL_OK);
    assert_int_equal(
        driver->open(store, sl_deadline_in_ms(60000), &fresh, &err), SL_OK);
    const char insert[] = "INSERT INTO a VALUES (1)";
    assert_int_equal(
        run(driver, fresh, SL_SQL_EXECUTE, insert, true).err.status,
        SL_CONFLICT);
    assert_int_equal(run(driver, fresh, SL_SQL_COMMIT, "", false).err.status,
                     SL_CONFLICT);
    assert_int_equal(run(driver, fresh, SL_SQL_ROLLBACK, "", true).err.status,
                     SL_OK);
    assert_int_equal(run(driver, fresh, SL_SQL_BEGIN, "", false).err.status,
                     SL_OK);
    assert_int_equal(run(driver, fresh, SL_SQL_BEGIN, "", false).err.status,
                     SL_CONFLICT);
    assert_int_equal(
        run(driver, fresh, SL_SQL_EXECUTE, insert, true).err.status, SL_OK);
    assert_true(driver->reset(fresh)); /* rolls back */
    expect_number(f, "SELECT count(*) FROM a", 0);
    driver->close(fresh);
    driver->store_free(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(is_made_for_this_user_only),
        TEST(wrong_options),
        TEST(anybodys_database),
        TEST(read_only),
        TEST(what_is_no_database),
        TEST(a_full_disk),
        TEST(what_is_not_allowed),
        TEST(what_is_allowed),
        TEST(a_statement_without_end),
        TEST(memory_has_a_limit),
        TEST(columns_by_their_declared_type),
        TEST(values_without_a_declared_type),
        TEST(another_encoding),
        TEST(messages),
        TEST(counts_leave_out_what_triggers_do),
        TEST(constraints_at_the_end),
        TEST(another_program_writes),
        TEST(a_transaction_that_was_lost),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

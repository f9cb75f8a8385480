/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.postgres while somebody else alters what its statements use: a statement
 * that ran before gives and takes what one that is new would.
 */
#include "faults/postgres.h"
#include "faults/sql_faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* A value, as a table of cases has it. */
struct plain {
    enum sl_sql_type type;
    const char *text;
    int64_t number;
    double real;
};

#define TEXT(is, bytes) {.type = SL_SQL_##is, .text = (bytes)}
#define INTEGER(is) {.type = SL_SQL_INT64, .number = (is)}
#define FLOAT(is) {.type = SL_SQL_FLOAT64, .real = (is)}

static struct sl_sql_value value_of(const struct plain *plain)
{
    struct sl_sql_value value = {.type = plain->type};

    if (plain->type == SL_SQL_BOOLEAN)
        value.boolean = plain->number != 0;
    else if (plain->type == SL_SQL_INT64)
        value.int64 = plain->number;
    else if (plain->type == SL_SQL_FLOAT64)
        value.float64 = plain->real;
    else if (plain->type != SL_SQL_NULL)
        value.bytes = sl_bytes_of(plain->text);
    return value;
}

/* One connection, so that the next call has that of the one before. */
static void open_one(struct test_store *store)
{
    fault_open_own(store, NULL, "connections = 1\ntimeout = \"60s\"");
}

static enum sl_status run(struct test_store *store, struct sl_session *session,
                          enum sl_sql_verb verb, const char *text,
                          const struct plain *plain)
{
    const struct sl_sql_value value = value_of(plain);
    const struct sl_sql_parameters sets[] = {{&value, 1}, {&value, 1}};

    return sql_call(
        &(struct sql_call){.store = store,
                           .session = session,
                           .verb = verb,
                           .text = text,
                           .sets = sets,
                           .set_count = verb == SL_SQL_EXECUTE_MANY ? 2 : 1});
}

/* --- Values ------------------------------------------------------------- */

/* The column's type changes from `was` to `is`; `before` fits the first, and
 * `after` is what the column then shows of `value`. */
static const struct {
    const char *was, *is;
    struct plain before, value;
    const char *after; /* NULL: the value is refused */
} alterations[] = {
    {"date", "timestamptz", TEXT(DATE, "2026-11-23"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00.25Z"), "2026-11-23 13:37:00.25+00"},
    {"date", "timestamptz", TEXT(DATE, "2026-11-23"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"), "2026-11-23 11:37:00+00"},
    {"date", "timestamp", TEXT(DATE, "2026-11-23"),
     TEXT(TEXT, "2026-11-23 13:37:00"), "2026-11-23 13:37:00"},
    {"time", "timestamp", TEXT(TIME, "13:37:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"), "2026-11-23 11:37:00"},
    {"timestamp", "date", TEXT(TIMESTAMP, "2026-11-23T13:37:00Z"),
     TEXT(TIMESTAMP, "2026-11-23T00:37:00+02:00"), "2026-11-22"},
    {"timestamptz", "timestamp", TEXT(TIMESTAMP, "2026-11-23T13:37:00Z"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"), "2026-11-23 11:37:00"},
    {"timestamp", "timestamptz", TEXT(TIMESTAMP, "2026-11-23T13:37:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"), "2026-11-23 11:37:00+00"},
    {"timestamp(0)", "timestamp(6)", TEXT(TIMESTAMP, "2026-11-23T13:37:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00.123456"),
     "2026-11-23 13:37:00.123456"},
    {"timestamptz", "text", TEXT(TIMESTAMP, "2026-11-23T13:37:00Z"),
     TEXT(TEXT, "2026-11-23T13:37:00Z"), "2026-11-23T13:37:00Z"},
    {"text", "timestamp", TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"),
     TEXT(TIMESTAMP, "2026-11-23T13:37:00+02:00"), "2026-11-23 11:37:00"},
    {"real", "double precision", FLOAT(0.5), FLOAT(0.1), "0.1"},
    {"real", "numeric", FLOAT(0.5), FLOAT(0.30000000000000004),
     "0.30000000000000004"},
    {"double precision", "numeric", FLOAT(0.5), FLOAT(0.30000000000000004),
     "0.30000000000000004"},
    {"double precision", "int", FLOAT(1), FLOAT(1.5), NULL},
    {"numeric", "int", TEXT(DECIMAL, "1"), TEXT(DECIMAL, "1.5"), NULL},
    {"numeric(4,1)", "numeric(8,3)", TEXT(DECIMAL, "1.5"),
     TEXT(DECIMAL, "12345.678"), "12345.678"},
    {"numeric", "text", TEXT(DECIMAL, "1"), TEXT(DECIMAL, "1e-7"), "1e-7"},
    {"int", "bigint", INTEGER(1), INTEGER(5000000000), "5000000000"},
    {"smallint", "int", INTEGER(1), INTEGER(70000), "70000"},
    {"smallint", "numeric", INTEGER(1), INTEGER(70000), "70000"},
    {"smallint", "numeric", INTEGER(1), TEXT(DECIMAL, "1.25"), "1.25"},
    {"int", "double precision", INTEGER(1), FLOAT(1.25), "1.25"},
    {"int", "text", INTEGER(1), TEXT(TEXT, "007"), "007"},
    {"int", "text", INTEGER(1), INTEGER(7), "7"},
    {"int", "money", INTEGER(1), INTEGER(7), "$7.00"},
    {"bigint", "real", INTEGER(1), INTEGER(16777217), "1.6777216e+07"},
    {"char(6)", "text", TEXT(TEXT, "ab"), TEXT(TEXT, "ab   "), "ab   "},
    {"char(6)", "varchar(9)", TEXT(TEXT, "ab"), TEXT(TEXT, "abcdefghi"),
     "abcdefghi"},
    {"varchar(3)", "text", TEXT(TEXT, "ab"), TEXT(TEXT, "abcdefghi"),
     "abcdefghi"},
    {"name", "text", TEXT(TEXT, "ab"),
     TEXT(TEXT, "0123456789012345678901234567890123456789012345678901234567890"
                "123456789"),
     "0123456789012345678901234567890123456789012345678901234567890"
     "123456789"},
    {"text", "json", TEXT(JSON, "[1]"), TEXT(JSON, "[1,  2]"), "[1,  2]"},
    {"jsonb", "json", TEXT(JSON, "[1]"), TEXT(JSON, "{\"b\":1,\"a\":2}"),
     "{\"b\":1,\"a\":2}"},
    {"jsonb", "text", TEXT(JSON, "[1]"), TEXT(JSON, "[1,  2]"), "[1,  2]"},
    {"uuid", "text", TEXT(UUID, "123e4567-e89b-12d3-a456-426614174000"),
     TEXT(UUID, "123E4567-E89B-12D3-A456-426614174000"),
     "123E4567-E89B-12D3-A456-426614174000"},
    {"uuid", "text", TEXT(UUID, "123e4567-e89b-12d3-a456-426614174000"),
     TEXT(UUID, "123e4567-e89b-12d3-a456-426614174000"),
     "123e4567-e89b-12d3-a456-426614174000"},
    {"bool",
     "text",
     {.type = SL_SQL_BOOLEAN, .number = 1},
     TEXT(TEXT, "yes"),
     "yes"},
    {"inet", "text", TEXT(TEXT, "10.0.0.1"), TEXT(TEXT, "10.0.0.1/32"),
     "10.0.0.1/32"},
    {"int[]", "bigint[]", TEXT(TEXT, "{1}"), TEXT(TEXT, "{5000000000}"),
     "{5000000000}"},
    {"bytea", "text", TEXT(BYTES, "ab"), TEXT(BYTES, "ab"), NULL},
    {"bytea", "bigint", TEXT(BYTES, "ab"), TEXT(BYTES, "abcdefgh"), NULL},
    {"bytea", "uuid", TEXT(BYTES, "ab"), TEXT(BYTES, "0123456789abcdef"), NULL},
    {"text", "bytea", TEXT(TEXT, "ab"), TEXT(BYTES, "\377"), "\\xff"},
    {"text", "int", TEXT(TEXT, "ab"), INTEGER(7), "7"},
};

enum { ALTERATIONS = sizeof(alterations) / sizeof(alterations[0]) };

/* How a value may come to a table. */
static const struct way {
    enum sl_sql_verb verb;
    bool in_transaction;
    const char *text;
} ways[] = {
    {SL_SQL_EXECUTE, false, "INSERT INTO altered VALUES (?)"},
    {SL_SQL_QUERY, false, "INSERT INTO altered VALUES (?) RETURNING v"},
    {SL_SQL_EXECUTE_MANY, false, "INSERT INTO altered VALUES (?)"},
    {SL_SQL_EXECUTE, true, "INSERT INTO altered VALUES (?)"},
    {SL_SQL_EXECUTE_MANY, true, "INSERT INTO altered VALUES (?)"},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* What the statement writes is there, or it failed for good reason. */
static void write_is(struct test_store *store, const struct way *way,
                     const struct plain *value, const char *expected)
{
    struct sl_session *tx =
        way->in_transaction ? sql_begin(store, SL_SQL_DEFAULT, false) : NULL;
    enum sl_status status = run(store, tx, way->verb, way->text, value);

    /* A transaction that may not be right is to be begun anew. */
    if (tx != NULL && status == SL_ABORTED) {
        OK(sql_end(store, tx, SL_SQL_ROLLBACK));
        tx = sql_begin(store, SL_SQL_DEFAULT, false);
        status = run(store, tx, way->verb, way->text, value);
    }
    if (expected != NULL && status != SL_OK)
        fail_msg("%s: %s", way->text, said.message);
    if (expected == NULL && status != SL_INVALID_ARGUMENT)
        fail_msg("%s: %d, %s", way->text, status, said.message);
    if (tx != NULL)
        (void)sql_end(store, tx,
                      expected != NULL ? SL_SQL_COMMIT : SL_SQL_ROLLBACK);
}

static void alter(struct test_store *other, size_t i)
{
    SL_CLEANUP(sl_freep)
    char *make =
        sl_asprintf("ALTER TABLE altered DROP COLUMN v, ADD COLUMN v %s",
                    alterations[i].is);

    OK(sql_execute(other, NULL, "TRUNCATE altered"));
    OK(sql_execute(other, NULL, make));
}

/* Where the types convert, by that; the plan is then another one. */
static void widen(struct test_store *other, size_t i)
{
    SL_CLEANUP(sl_freep)
    char *widen = sl_asprintf("ALTER TABLE altered ALTER COLUMN v TYPE %s",
                              alterations[i].is);

    OK(sql_execute(other, NULL, "TRUNCATE altered"));
    if (sql_execute(other, NULL, widen) != SL_OK)
        alter(other, i);
}

static void altered_is(struct test_store *store, struct test_store *other,
                       size_t i, const struct way *way, bool widens)
{
    SL_CLEANUP(sl_freep)
    char *make = sl_asprintf("CREATE TABLE altered (v %s)", alterations[i].was);
    char name[160];

    snprintf(name, sizeof(name), "%s to %s by %s", alterations[i].was,
             alterations[i].is, way->text);
    OK(sql_execute(other, NULL, make));
    for (int again = 0; again < 2; again++)
        write_is(store, way, &alterations[i].before, "");
    (widens ? widen : alter)(other, i);
    write_is(store, way, &alterations[i].value, alterations[i].after);
    OK(sql_query(other, NULL, "SELECT min(v::text) FROM altered"));
    const char *expected = alterations[i].after;
    if (expected == NULL ? said.value_type != SL_SQL_NULL
                         : strcmp(said.value, expected) != 0)
        fail_msg("%s: %s", name, said.value);
    OK(sql_execute(other, NULL, "DROP TABLE altered"));
}

static void columns_that_change(void **state)
{
    struct test_store store, other;

    (void)state;
    open_one(&store);
    open_one(&other);
    for (size_t i = 0; i < ALTERATIONS; i++)
        for (size_t j = 0; j < WAYS; j++)
            altered_is(&store, &other, i, &ways[j], j % 2 == 0);
    test_store_done(&store);
    test_store_done(&other);
}

/* --- Rows that are looked for ------------------------------------------- */

static void affects(struct test_store *store, const char *text,
                    const struct plain *value, const char *left)
{
    if (run(store, NULL, SL_SQL_EXECUTE, text, value) != SL_OK)
        fail_msg("%s: %s", text, said.message);
    OK(sql_query(store, NULL, "SELECT count(*) FROM altered"));
    if (strcmp(said.value, left) != 0)
        fail_msg("%s left %s, not %s", text, said.value, left);
}

/* What is deleted is what the value names, and not what its day does. */
static void rows_that_are_looked_for(void **state)
{
    static const struct {
        const char *was, *is;
        struct plain before, value;
        const char *rows, *left;
    } cases[] = {
        {"date", "timestamp", TEXT(DATE, "2000-01-01"),
         TEXT(TIMESTAMP, "2026-11-23T13:37:00"),
         "('2026-11-23'), ('2026-11-23 13:37'), ('2026-11-24')", "2"},
        {"real", "double precision", FLOAT(1), FLOAT(0.1), "(0.1), (0.2)", "1"},
        {"text", "citext", TEXT(TEXT, "a"), TEXT(TEXT, "Ab"),
         "('ab'), ('AB'), ('c')", "1"},
        {"text", "char(6)", TEXT(TEXT, "a"), TEXT(TEXT, "ab  "),
         "('ab'), ('c')", "1"},
        {"char(6)", "text", TEXT(TEXT, "a"), TEXT(TEXT, "ab  "),
         "('ab'), ('ab  ')", "1"},
        {"int", "numeric", INTEGER(1), TEXT(DECIMAL, "2.5"), "(2), (2.5), (3)",
         "2"},
    };
    struct test_store store, other;

    (void)state;
    postgres_tell("CREATE EXTENSION citext");
    open_one(&store);
    open_one(&other);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SL_CLEANUP(sl_freep)
        char *make = sl_asprintf("CREATE TABLE altered (v %s)", cases[i].was);
        SL_CLEANUP(sl_freep)
        char *alter = sl_asprintf("ALTER TABLE altered ALTER COLUMN v TYPE %s",
                                  cases[i].is);
        SL_CLEANUP(sl_freep)
        char *fill =
            sl_asprintf("INSERT INTO altered VALUES %s", cases[i].rows);
        OK(sql_execute(&other, NULL, make));
        affects(&store, "DELETE FROM altered WHERE v = ?", &cases[i].before,
                "0");
        OK(sql_execute(&other, NULL, alter));
        OK(sql_execute(&other, NULL, fill));
        affects(&store, "DELETE FROM altered WHERE v = ?", &cases[i].value,
                cases[i].left);
        OK(sql_execute(&other, NULL, "DROP TABLE altered"));
    }
    test_store_done(&store);
    test_store_done(&other);
}

/* --- Types and functions ------------------------------------------------ */

static void make_all(struct test_store *other, const char *const statements[])
{
    for (size_t i = 0; statements[i] != NULL; i++)
        OK(sql_execute(other, NULL, statements[i]));
}

static void value_is(struct test_store *store, struct sl_session *session,
                     const char *text, const struct plain *value,
                     const char *expected)
{
    if (run(store, session, SL_SQL_QUERY, text, value) != SL_OK)
        fail_msg("%s: %s", text, said.message);
    if (strcmp(said.value, expected) != 0)
        fail_msg("%s: %s, not %s", text, said.value, expected);
}

static void types_that_are_made_anew(void **state)
{
    static const char *const before[] = {
        "CREATE TYPE mood AS ENUM ('sad')", "CREATE DOMAIN amount AS real",
        "CREATE TABLE altered (m mood, a amount)", NULL};
    static const char *const after[] = {
        "DROP TABLE altered",
        "DROP TYPE mood",
        "CREATE TYPE mood AS ENUM ('glad', 'sad')",
        "DROP DOMAIN amount",
        "CREATE DOMAIN amount AS double precision",
        "CREATE TABLE altered (m mood, a amount)",
        NULL};
    static const char by_mood[] =
        "INSERT INTO altered (m) VALUES (?) RETURNING m";
    static const char by_amount[] =
        "INSERT INTO altered (a) VALUES (?) RETURNING a::text";
    static const char casts[] = "SELECT ?::mood";
    const struct plain sad = TEXT(TEXT, "sad"), glad = TEXT(TEXT, "glad");
    const struct plain half = FLOAT(0.5), tenth = FLOAT(0.1);
    struct test_store store, other;

    (void)state;
    open_one(&store);
    open_one(&other);
    make_all(&other, before);
    value_is(&store, NULL, by_mood, &sad, "sad");
    value_is(&store, NULL, by_amount, &half, "0.5");
    value_is(&store, NULL, casts, &sad, "sad");
    make_all(&other, after);
    value_is(&store, NULL, by_mood, &glad, "glad");
    value_is(&store, NULL, by_amount, &tenth, "0.1");
    value_is(&store, NULL, casts, &glad, "glad");
    /* In a transaction it is to be begun anew where that shows too late. */
    struct sl_session *tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    value_is(&store, tx, by_mood, &sad, "sad");
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    make_all(&other, after);
    tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    IS(run(&store, tx, SL_SQL_QUERY, by_mood, &sad), SL_ABORTED, "altered");
    assert_false(said.retryable);
    OK(sql_end(&store, tx, SL_SQL_ROLLBACK));
    tx = sql_begin(&store, SL_SQL_DEFAULT, false);
    value_is(&store, tx, by_mood, &sad, "sad");
    OK(sql_end(&store, tx, SL_SQL_COMMIT));
    OK(sql_execute(&other, NULL, "DROP TABLE altered"));
    OK(sql_execute(&other, NULL, "DROP DOMAIN amount"));
    OK(sql_execute(&other, NULL, "DROP TYPE mood"));
    test_store_done(&store);
    test_store_done(&other);
}

static void functions_and_views_that_are_made_anew(void **state)
{
    static const char *const before[] = {
        "CREATE FUNCTION upper(v date) RETURNS text LANGUAGE sql AS 'SELECT "
        "v::text'",
        "CREATE TABLE base (d date, t timestamp)",
        "CREATE VIEW seen AS SELECT d AS v FROM base", NULL};
    static const char *const after[] = {
        "DROP FUNCTION upper(date)",
        "CREATE FUNCTION upper(v timestamp) RETURNS text LANGUAGE sql AS "
        "'SELECT v::text'",
        "DROP VIEW seen", "CREATE VIEW seen AS SELECT t AS v FROM base", NULL};
    static const char calls[] = "SELECT upper(coalesce(?, max(v))) FROM seen";
    static const char writes[] =
        "INSERT INTO seen VALUES (?) RETURNING v::text";
    const struct plain day = TEXT(DATE, "2026-11-23");
    const struct plain instant = TEXT(TIMESTAMP, "2026-11-23T13:37:00");
    struct test_store store, other;

    (void)state;
    open_one(&store);
    open_one(&other);
    make_all(&other, before);
    value_is(&store, NULL, writes, &day, "2026-11-23");
    value_is(&store, NULL, calls, &day, "2026-11-23");
    make_all(&other, after);
    value_is(&store, NULL, writes, &instant, "2026-11-23 13:37:00");
    value_is(&store, NULL, calls, &instant, "2026-11-23 13:37:00");
    OK(sql_execute(&other, NULL, "DROP VIEW seen"));
    OK(sql_execute(&other, NULL, "DROP TABLE base"));
    OK(sql_execute(&other, NULL, "DROP FUNCTION upper(timestamp)"));
    test_store_done(&store);
    test_store_done(&other);
}

/* --- Side by side ------------------------------------------------------- */

enum { WRITERS = 8, WRITES = 150, CHANGES = 12 };

static void *write_on(void *context)
{
    static const char *const texts[] = {"INSERT INTO moving (v) VALUES (?)",
                                        "INSERT INTO moving (b) VALUES (?)"};
    const struct plain instant = TEXT(TIMESTAMP, "2026-11-23T13:37:00.25");
    const struct plain bytes = TEXT(BYTES, "ab");

    for (int i = 0; i < WRITES; i++)
        if (run(context, NULL, SL_SQL_EXECUTE, texts[i % 2],
                i % 2 == 0 ? &instant : &bytes) != SL_OK)
            fail_msg("%s", said.message);
    return NULL;
}

/* A row is what the column took when it came: the same for all that is wider
 * than a second, whatever the moment. */
static void columns_that_change_all_the_while(void **state)
{
    static const char *const types[] = {"timestamptz", "timestamp", "text"};
    pthread_t threads[WRITERS];
    struct test_store store, other;

    (void)state;
    fault_open_own(&store, NULL, "connections = 2\ntimeout = \"60s\"");
    open_one(&other);
    OK(sql_execute(&other, NULL, "CREATE TABLE moving (v timestamp, b bytea)"));
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &store),
                         0);
    for (size_t i = 0; i < CHANGES; i++) {
        const char *type = types[i % 3];
        SL_CLEANUP(sl_freep)
        char *change =
            sl_asprintf("ALTER TABLE moving ALTER COLUMN v TYPE %s USING v::%s",
                        type, type);
        OK(sql_execute(&other, NULL, change));
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    OK(sql_query(&other, NULL,
                 "SELECT count(*) FROM moving WHERE v::timestamptz = "
                 "'2026-11-23 13:37:00.25+00' OR b = 'ab'"));
    assert_int_equal(strtol(said.value, NULL, 10), WRITERS * WRITES);
    OK(sql_execute(&other, NULL, "DROP TABLE moving"));
    test_store_done(&store);
    test_store_done(&other);
}

/* More parameters than can be described. */
static void many_parameters_of_altered_columns(void **state)
{
    enum { MANY = 7600 };
    static const char start[] = "INSERT INTO altered VALUES ";
    const struct plain bytes = TEXT(BYTES, "\377"), text = TEXT(TEXT, "a ");
    const struct sl_sql_value values[] = {value_of(&text), value_of(&bytes)};
    struct sl_sql_value *all = sl_alloc_array(MANY, sizeof(*all));
    SL_CLEANUP(sl_freep) char *query = sl_alloc(sizeof(start) + 4 * MANY);
    const struct sl_sql_parameters set = {all, MANY};
    struct test_store store, other;

    (void)state;
    size_t len = (size_t)snprintf(query, sizeof(start), "%s", start);
    for (size_t i = 0; i < MANY; i += 2) {
        memcpy(query + len, "(?,?),", 6);
        len += 6;
        memcpy(&all[i], values, sizeof(values));
    }
    query[len - 1] = '\0';
    open_one(&store);
    open_one(&other);
    OK(sql_execute(&other, NULL, "CREATE TABLE altered (t char(2), b bytea)"));
    for (int i = 0; i < 3; i++) {
        OK(sql_call(&(struct sql_call){.store = &store,
                                       .verb = SL_SQL_EXECUTE,
                                       .text = query,
                                       .sets = &set,
                                       .set_count = 1}));
        if (i == 1)
            OK(sql_execute(&other, NULL,
                           "ALTER TABLE altered ALTER COLUMN t TYPE text"));
    }
    OK(sql_query(&other, NULL, "SELECT count(*) FROM altered WHERE t = 'a '"));
    assert_int_equal(strtol(said.value, NULL, 10), MANY / 2);
    OK(sql_execute(&other, NULL,
                   "ALTER TABLE altered ALTER COLUMN b TYPE text"));
    IS(sql_call(&(struct sql_call){.store = &store,
                                   .verb = SL_SQL_EXECUTE,
                                   .text = query,
                                   .sets = &set,
                                   .set_count = 1}),
       SL_INVALID_ARGUMENT, "bytea");
    OK(sql_execute(&other, NULL, "DROP TABLE altered"));
    test_store_done(&store);
    test_store_done(&other);
    free(all);
}

const struct fault_driver fault_driver = {
    .name = "sql.postgres",
    .service = &fault_postgres,
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_that_change),
        cmocka_unit_test(rows_that_are_looked_for),
        cmocka_unit_test(types_that_are_made_anew),
        cmocka_unit_test(functions_and_views_that_are_made_anew),
        cmocka_unit_test(columns_that_change_all_the_while),
        cmocka_unit_test(many_parameters_of_altered_columns),
    };

    return cmocka_run_group_tests_name("faults.sql.postgres_altered", tests,
                                       fault_start, fault_stop);
}

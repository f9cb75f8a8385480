/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: placeholders, columns, counts, constraints, and what is wrong. */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_items(struct resource *sql)
{
    sql_create(sql, "CREATE TABLE items (id %s NOT NULL UNIQUE, name %s)",
               sql_dialect()->columns[SQL_INT64],
               sql_dialect()->columns[SQL_TEXT]);
}

/* A query of one text. */
static void expect_text(struct resource *sql, const char *query,
                        struct sql_set set, const char *expected)
{
    struct sql_rows rows = {0};
    struct sql_value text = sql_text(expected);

    OK(sql_query(sql, NULL, query, set, &rows));
    CHECK(rows.row_count == 1 && rows.column_count == 1);
    SAME(&rows.values[0], &text);
    sql_rows_done(&rows);
}

static void question_marks_that_are_text(struct resource *sql)
{
    const struct sql_set x = SET(sql_text("x"));

    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (1, '?')");
    expect_text(sql, "SELECT '?' || name FROM items WHERE name <> ?", x, "??");
    expect_text(sql, "SELECT 'it''s ?' FROM items WHERE name <> ?", x,
                "it's ?");
    expect_text(sql, "SELECT name -- a ? in a comment\nFROM items", NONE, "?");
    expect_text(sql, "SELECT /* ? */ name FROM items /* ?\n? */", NONE, "?");
    expect_text(sql, "SELECT name AS q FROM items WHERE name <> ? -- ?", x,
                "?");
    expect_text(sql, "SELECT '--' || name FROM items WHERE '/*' <> ?", x,
                "--?");
}

static void the_number_of_parameters(struct resource *sql)
{
    static const struct {
        const char *query;
        size_t placeholders;
    } queries[] = {
        {"SELECT 1", 0},
        {"SELECT '?'", 0},
        {"SELECT id FROM items WHERE id = ?", 1},
        {"SELECT id FROM items WHERE id IN (?, ?, ?)", 3},
    };
    const struct sql_value values[5] = {sql_int(1), sql_int(2), sql_int(3),
                                        sql_int(4), sql_int(5)};
    struct sql_rows rows = {0};

    make_items(sql);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        for (size_t count = 0; count < 5; count++) {
            struct sql_set set = {values, count};
            if (count == queries[i].placeholders) {
                OK(sql_query(sql, NULL, queries[i].query, set, &rows));
                sql_rows_done(&rows);
                continue;
            }
            FAILS(sql_query(sql, NULL, queries[i].query, set, &rows),
                  INVALID_ARGUMENT);
            char both[2][32];
            snprintf(both[0], sizeof(both[0]), "%zu placeholder",
                     queries[i].placeholders);
            snprintf(both[1], sizeof(both[1]), "%zu parameter", count);
            CHECK(strstr(last_failure()->message, both[0]) != NULL);
            CHECK(strstr(last_failure()->message, both[1]) != NULL);
        }
}

static void one_statement(struct resource *sql)
{
    static const char *const bad[] = {
        "INSERT INTO items VALUES (1, 'a'); INSERT INTO items VALUES (2, 'b')",
        "INSERT INTO items VALUES (1, 'a');INSERT INTO items VALUES (2, 'b');",
        "SELECT 1; SELECT 2",
        "SELECT 1; x",
        "SELECT 1;;'",
        "; SELECT 1",
        ";",
        "",
        "   \n\t",
        "-- nothing",
        "/* nothing */",
    };
    struct sql_done done;

    make_items(sql);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sql_rows rows = {0};
        FAILS(sql_execute(sql, NULL, bad[i], NONE, &done), INVALID_ARGUMENT);
        FAILS(sql_query(sql, NULL, bad[i], NONE, &rows), INVALID_ARGUMENT);
    }
    INT(sql, NULL, "SELECT count(*) FROM items", 0);
    DO(sql, NULL, "INSERT INTO items VALUES (1, 'a;b'); -- the end ;");
    DO(sql, NULL, "/* ; */ INSERT INTO items VALUES (2, ';') ; \n");
    INT(sql, NULL, "SELECT count(*) FROM items;", 2);
}

/* `??` is one `?` of an operator, where there are such operators. */
static void question_marks_of_operators(struct resource *sql)
{
    static const char has_key[] =
        "SELECT count(*) FROM (SELECT CAST('{\"a\": 1}' AS jsonb) AS doc) AS d "
        "WHERE doc ?? ?";
    struct sql_rows rows = {0};

    if (!sql_dialect()->has_question_marks) {
        FAILS(sql_query(sql, NULL, "SELECT 1 ?? 2", NONE, &rows),
              INVALID_ARGUMENT);
        return;
    }
    OK(sql_query(sql, NULL, has_key, SET(sql_text("a")), &rows));
    CHECK(sql_int_of(&rows.values[0]) == 1);
    sql_rows_done(&rows);
    OK(sql_query(sql, NULL, has_key, SET(sql_text("b")), &rows));
    CHECK(sql_int_of(&rows.values[0]) == 0);
    sql_rows_done(&rows);
    INT(sql, NULL, "SELECT length($$a ? b$$)", 5);
    INT(sql, NULL, "SELECT length($tag$a ? $$ b$tag$)", 8);
}

static void placeholders_have_no_names(struct resource *sql)
{
    struct sql_rows rows = {0};

    FAILS(sql_query(sql, NULL, "SELECT ?1", SET(sql_int(1)), &rows),
          INVALID_ARGUMENT);
    FAILS(sql_query(sql, NULL, "SELECT :name", SET(sql_int(1)), &rows),
          INVALID_ARGUMENT);
    FAILS(sql_query(sql, NULL, "SELECT :name", NONE, &rows), INVALID_ARGUMENT);
    /* A variable of the connection, where there are such. */
    enum status status = sql_query(sql, NULL, "SELECT @name", NONE, &rows);
    CHECK(status == INVALID_ARGUMENT || status == PERMISSION_DENIED);
}

/* Whichever connection the next calls have. */
static void nothing_stays_on_a_connection(struct resource *sql)
{
    enum status status =
        sql_execute(sql, NULL, "CREATE TEMPORARY TABLE left_over (id INTEGER)",
                    NONE, &(struct sql_done){0});

    CHECK(status == WORKED || status == PERMISSION_DENIED);
    for (int i = 0; i < 10; i++)
        FAILS(sql_query(sql, NULL, "SELECT id FROM left_over", NONE,
                        &(struct sql_rows){0}),
              INVALID_ARGUMENT);
}

static void what_is_wrong_is_told(struct resource *sql)
{
    static const char *const bad[] = {
        "SELEC 1",
        "SELECT ,",
        "SELECT FROM WHERE",
        "SELECT * FROM no_such_table",
        "SELECT no_such_column FROM items",
        "SELECT no_such_function(1)",
        "INSERT INTO items VALUES (1, 'a', 2)",
        "INSERT INTO items (id, nothing) VALUES (1, 2)",
        "SELECT 'no end",
        "SELECT \"no end",
        "SELECT 1 /* no end",
        "SELECT (1",
        "SELECT 1)",
        "SELECT ?1",
    };
    struct sql_rows rows = {0};

    make_items(sql);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        FAILS(sql_query(sql, NULL, bad[i], NONE, &rows), INVALID_ARGUMENT);
    FAILS(sql_query(sql, NULL, "SELECT * FROM no_such_table", NONE, &rows),
          INVALID_ARGUMENT);
    CHECK(strstr(last_failure()->message, "no_such_table") != NULL);
    INT(sql, NULL, "SELECT count(*) FROM items", 0);
}

static void transactions_have_calls(struct resource *sql)
{
    static const char *const bad[] = {
        "BEGIN",         "begin immediate", "START TRANSACTION", "COMMIT",
        "END",           "ROLLBACK",        "SAVEPOINT a",       "RELEASE a",
        "ROLLBACK TO a", " -- x\n BEGIN",   "/**/COMMIT;",
    };

    make_items(sql);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        FAILS(sql_execute(sql, NULL, bad[i], NONE, &(struct sql_done){0}),
              INVALID_ARGUMENT);
    /* None is open: this is committed by itself. */
    DO(sql, NULL, "INSERT INTO items VALUES (1, 'a')");
    INT(sql, NULL, "SELECT count(*) FROM items", 1);
}

static void columns_are_named(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_items(sql);
    OK(sql_query(sql, NULL,
                 "SELECT id, name AS label, 'x' AS label, id AS \"a b\" FROM "
                 "items",
                 NONE, &rows));
    CHECK(rows.column_count == 4 && rows.row_count == 0);
    CHECK(strcmp(rows.names[0], "id") == 0);
    CHECK(strcmp(rows.names[1], "label") == 0);
    CHECK(strcmp(rows.names[2], "label") == 0);
    CHECK(strcmp(rows.names[3], "a b") == 0);
    CHECK(rows.types[0][0] != '\0' && rows.types[1][0] != '\0');
    sql_rows_done(&rows);
}

static void rows_are_rows(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_items(sql);
    DO(sql, NULL, "INSERT INTO items VALUES (2, 'b'), (1, 'a'), (3, NULL)");
    OK(sql_query(sql, NULL, "SELECT id, name FROM items ORDER BY id", NONE,
                 &rows));
    CHECK(rows.column_count == 2 && rows.row_count == 3);
    for (int i = 0; i < 3; i++)
        CHECK(rows.values[i * 2].int64 == i + 1);
    CHECK(rows.values[1].len == 1 && rows.values[3].len == 1);
    CHECK(rows.values[5].type == SQL_NULL);
    sql_rows_done(&rows);
    OK(sql_query(sql, NULL, "INSERT INTO items VALUES (4, 'd')", NONE, &rows));
    CHECK(rows.column_count == 0 && rows.row_count == 0);
    sql_rows_done(&rows);
    INT(sql, NULL, "SELECT count(*) FROM items", 4);
}

static void expect_affected(struct resource *sql, const char *statement,
                            uint64_t expected)
{
    struct sql_done done;

    OK(sql_execute(sql, NULL, statement, NONE, &done));
    if (done.affected != expected)
        case_fail(__FILE__, __LINE__, "%s: %llu rows", statement,
                  (unsigned long long)done.affected);
}

static void rows_are_counted(struct resource *sql)
{
    make_items(sql);
    expect_affected(sql,
                    "INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c')", 3);
    expect_affected(sql, "CREATE TABLE other (id INTEGER)", 0);
    expect_affected(sql, "UPDATE items SET name = 'x' WHERE id > 1", 2);
    expect_affected(sql, "SELECT * FROM items", 0);
    expect_affected(sql, "UPDATE items SET name = 'x' WHERE id > 100", 0);
    expect_affected(sql, "INSERT INTO other SELECT id FROM items", 3);
    expect_affected(sql, "DELETE FROM items WHERE id = 1", 1);
    expect_affected(sql, "DELETE FROM items WHERE id = 1", 0);
    expect_affected(sql, "DELETE FROM items", 2);
    expect_affected(sql, "DROP TABLE other", 0);
}

static void the_last_insert_is_told(struct resource *sql)
{
    struct sql_done done;

    sql_create(sql, "CREATE TABLE numbered (id %s, name %s)",
               sql_dialect()->numbered, sql_dialect()->columns[SQL_TEXT]);
    OK(sql_execute(sql, NULL, "INSERT INTO numbered (name) VALUES ('a')", NONE,
                   &done));
    CHECK(done.has_last_insert_id && done.last_insert_id == 1);
    OK(sql_execute(sql, NULL, "INSERT INTO numbered (name) VALUES ('b')", NONE,
                   &done));
    CHECK(done.has_last_insert_id && done.last_insert_id == 2);
    OK(sql_execute(sql, NULL, "UPDATE numbered SET name = 'c'", NONE, &done));
    CHECK(done.affected == 2 && !done.has_last_insert_id);
    OK(sql_execute(sql, NULL,
                   "INSERT INTO numbered (name) SELECT name FROM numbered "
                   "WHERE id > 100",
                   NONE, &done));
    CHECK(done.affected == 0 && !done.has_last_insert_id);
    OK(sql_execute(sql, NULL, "DELETE FROM numbered", NONE, &done));
    CHECK(!done.has_last_insert_id);
    const struct sql_set sets[] = {SET(sql_text("x")), SET(sql_text("y"))};
    OK(sql_execute_many(sql, NULL,
                        "INSERT INTO numbered (id, name) VALUES (40 + "
                        "length(?), 'x')",
                        sets, 1, &done));
    CHECK(done.has_last_insert_id && done.last_insert_id == 41);
}

void sql_no_last_insert_id(struct resource *sql)
{
    struct sql_done done;

    sql_create(sql, "CREATE TABLE numbered (id %s, name %s)",
               sql_dialect()->numbered, sql_dialect()->columns[SQL_TEXT]);
    OK(sql_execute(sql, NULL, "INSERT INTO numbered (name) VALUES ('a')", NONE,
                   &done));
    CHECK(!done.has_last_insert_id);
}

static void constraints_are_conflicts(struct resource *sql)
{
    struct sql_done done;

    DO(sql, NULL, "CREATE TABLE parents (id INTEGER PRIMARY KEY)");
    DO(sql, NULL,
       "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT "
       "NULL, age INTEGER CHECK (age >= 0), name VARCHAR(100) UNIQUE, FOREIGN "
       "KEY (parent) REFERENCES parents (id))");
    DO(sql, NULL, "INSERT INTO parents VALUES (1)");
    DO(sql, NULL, "INSERT INTO children VALUES (1, 1, 5, 'a')");
    FAILS(sql_execute(sql, NULL, "INSERT INTO parents VALUES (1)", NONE, &done),
          ALREADY_EXISTS);
    FAILS(sql_execute(sql, NULL, "INSERT INTO children VALUES (2, 1, 5, 'a')",
                      NONE, &done),
          ALREADY_EXISTS);
    FAILS(sql_execute(sql, NULL, "INSERT INTO children VALUES (2, 9, 5, 'b')",
                      NONE, &done),
          CONFLICT);
    FAILS(sql_execute(sql, NULL, "DELETE FROM parents", NONE, &done), CONFLICT);
    FAILS(sql_execute(sql, NULL, "INSERT INTO children VALUES (2, 1, -1, 'b')",
                      NONE, &done),
          CONFLICT);
    FAILS(sql_execute(sql, NULL, "INSERT INTO children (id, age) VALUES (2, 1)",
                      NONE, &done),
          CONFLICT);
    FAILS(sql_execute(sql, NULL, "CREATE TABLE parents (id INTEGER)", NONE,
                      &done),
          ALREADY_EXISTS);
    /* As a whole or not at all. */
    FAILS(sql_execute(sql, NULL, "INSERT INTO parents VALUES (7), (8), (1)",
                      NONE, &done),
          ALREADY_EXISTS);
    INT(sql, NULL, "SELECT count(*) FROM parents", 1);
    INT(sql, NULL, "SELECT count(*) FROM children", 1);
}

static void messages_hold_no_values(struct resource *sql)
{
    const struct sql_set set = SET(sql_int(1), sql_text("my secret"));
    struct sql_done done;
    struct sql_rows rows = {0};

    sql_create(sql,
               "CREATE TABLE keyed (id INTEGER, name VARCHAR(100) UNIQUE)");
    OK(sql_execute(sql, NULL, "INSERT INTO keyed VALUES (?, ?)", set, &done));
    FAILS(sql_execute(sql, NULL, "INSERT INTO keyed VALUES (?, ?)", set, &done),
          ALREADY_EXISTS);
    CHECK(strstr(last_failure()->message, "secret") == NULL);
    FAILS(sql_query(sql, NULL, "SELECT ? FROM nowhere WHERE x = ?", set, &rows),
          INVALID_ARGUMENT);
    CHECK(strstr(last_failure()->message, "secret") == NULL);
    FAILS(sql_execute(sql, NULL, "INSERT INTO keyed VALUES (?, ?)",
                      SET(sql_int(1), sql_as(SQL_DATE, "my secret")), &done),
          INVALID_ARGUMENT);
    CHECK(strstr(last_failure()->message, "secret") == NULL);
}

static void many_sets(struct resource *sql)
{
    enum { SETS = 1000 };
    static struct sql_value values[SETS][2];
    static struct sql_set sets[SETS];
    struct sql_done done;

    make_items(sql);
    for (int i = 0; i < SETS; i++) {
        values[i][0] = sql_int(i);
        values[i][1] = sql_text(i % 2 == 0 ? "even" : "odd");
        sets[i] = (struct sql_set){values[i], 2};
    }
    OK(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?, ?)", sets,
                        SETS, &done));
    CHECK(done.affected == SETS);
    INT(sql, NULL, "SELECT count(*) FROM items WHERE name = 'odd'", SETS / 2);
    OK(sql_execute_many(sql, NULL, "DELETE FROM items WHERE id = ?", NULL, 0,
                        &done));
    CHECK(done.affected == 0);
    /* The last one is there already: none of them is written. */
    DO(sql, NULL, "DELETE FROM items WHERE id < 999");
    FAILS(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?, ?)", sets,
                           SETS, &done),
          ALREADY_EXISTS);
    INT(sql, NULL, "SELECT count(*) FROM items", 1);
    sets[500].count = 1;
    FAILS(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?, ?)", sets,
                           SETS - 1, &done),
          INVALID_ARGUMENT);
    INT(sql, NULL, "SELECT count(*) FROM items", 1);
}

static void the_same_statement_again(struct resource *sql)
{
    char query[64];

    make_items(sql);
    for (int i = 0; i < 200; i++) {
        OK(sql_execute(sql, NULL, "INSERT INTO items VALUES (?, ?)",
                       SET(sql_int(i), sql_text("x")), &(struct sql_done){0}));
        /* Many different ones. */
        snprintf(query, sizeof(query), "SELECT %d FROM items WHERE id = 0", i);
        INT(sql, NULL, query, i);
    }
    /* And one whose table changes. */
    for (int i = 0; i < 5; i++) {
        struct sql_rows rows = {0};
        char add[64];
        OK(sql_query(sql, NULL, "SELECT * FROM items WHERE id = 1", NONE,
                     &rows));
        CHECK(rows.row_count == 1 && rows.column_count == (size_t)i + 2);
        sql_rows_done(&rows);
        snprintf(add, sizeof(add), "ALTER TABLE items ADD COLUMN c%d INTEGER",
                 i);
        DO(sql, NULL, add);
    }
    DO(sql, NULL, "DROP TABLE items");
    FAILS(sql_query(sql, NULL, "SELECT * FROM items WHERE id = 1", NONE,
                    &(struct sql_rows){0}),
          INVALID_ARGUMENT);
}

const struct suite_case sql_statement_cases[] = {
    {"statements: a ? in text is no placeholder", 0,
     question_marks_that_are_text, .holds = "sql-5"},
    {"statements: too few and too many parameters", 0, the_number_of_parameters,
     .holds = "sql-7"},
    {"statements: one in a call", 0, one_statement, .holds = "sql-1 sql-2"},
    {"statements: a ?? is of an operator", 0, question_marks_of_operators,
     .holds = "sql-6 sql-88 sql-5"},
    {"statements: placeholders have no names", 0, placeholders_have_no_names,
     .holds = "sql-7"},
    {"statements: nothing stays on a connection", 0,
     nothing_stays_on_a_connection, .holds = "sql-16"},
    {"statements: what is wrong is told", 0, what_is_wrong_is_told,
     .holds = "sql-17"},
    {"statements: none for transactions", 0, transactions_have_calls,
     .holds = "sql-3"},
    {"statements: columns have names and types", 0, columns_are_named,
     .holds = "sql-40 sql-41"},
    {"statements: rows", 0, rows_are_rows, .holds = "sql-42 sql-43 sql-55"},
    {"statements: rows are counted", 0, rows_are_counted,
     .holds = "sql-44 sql-61"},
    {"statements: the last insert is told", SQL_NEEDS_LAST_INSERT_ID,
     the_last_insert_is_told, .holds = "sql-45"},
    {"statements: constraints", 0, constraints_are_conflicts,
     .holds = "sql-18 sql-19"},
    {"statements: messages hold no values", 0, messages_hold_no_values,
     .holds = "sql-23"},
    {"statements: many sets, all or none", 0, many_sets,
     .holds = "sql-62 sql-64 sql-65"},
    {"statements: again and again", 0, the_same_statement_again},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that try to become part of a statement: in every place where a
 * parameter may stand, and of every type.  None does.
 */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const attacks[] = {
    "'; DROP TABLE items; --",
    "\"; DROP TABLE items; --",
    "`; DROP TABLE items; --",
    "]; DROP TABLE items; --",
    "$$; DROP TABLE items; --",
    "; DELETE FROM items",
    "' OR '1'='1",
    "\" OR \"1\"=\"1",
    "1 OR 1=1",
    "' UNION SELECT secret FROM secrets --",
    "\\'; DELETE FROM items; --",
    "\\",
    "'",
    "''",
    "/*",
    "*/ DELETE FROM items /*",
    "--",
    "?",
    "??",
    "?1",
    "$1",
    ":name",
    "@name",
    "%s%n%d",
    "\xca\xbc; DROP TABLE items; --",     /* a quote that folds to ' */
    "\xef\xbc\x87; DROP TABLE items; --", /* a wide one */
    "1); DELETE FROM items; SELECT (1",
    "\n; DELETE FROM items;\n",
    "x'; ATTACH DATABASE '/tmp/evil' AS evil; --",
    "'); SELECT load_extension('evil'); --",
    NULL,
};

/* Three items, and what nobody may read. */
static void set_up(struct resource *sql)
{
    sql_create(sql, "CREATE TABLE items (id %s, name %s)",
               sql_dialect()->columns[SQL_INT64],
               sql_dialect()->columns[SQL_TEXT]);
    sql_create(sql, "CREATE TABLE secrets (secret %s)",
               sql_dialect()->columns[SQL_TEXT]);
    DO(sql, NULL, "INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    DO(sql, NULL, "INSERT INTO secrets VALUES ('hunter2')");
}

/* Nothing was lost, added or changed. */
static void expect_whole(struct resource *sql)
{
    INT(sql, NULL,
        "SELECT count(*) FROM items WHERE (id = 1 AND name = 'a') OR (id = 2 "
        "AND name = 'b') OR (id = 3 AND name = 'c')",
        3);
    INT(sql, NULL, "SELECT count(*) FROM items", 3);
    INT(sql, NULL, "SELECT count(*) FROM secrets WHERE secret = 'hunter2'", 1);
}

/* A query with one text that must answer so many rows, none of it secret. */
static void query_attack(struct resource *sql, const char *query,
                         const char *attack, size_t expected)
{
    struct sql_rows rows = {0};

    OK(sql_query(sql, NULL, query, SET(sql_text(attack)), &rows));
    CHECK(rows.row_count == expected);
    for (size_t i = 0; i < rows.row_count * rows.column_count; i++)
        CHECK(rows.values[i].type != SQL_TEXT ||
              rows.values[i].len != strlen("hunter2") ||
              memcmp(rows.values[i].ptr, "hunter2", 7) != 0);
    sql_rows_done(&rows);
}

static void in_every_place(struct resource *sql)
{
    static const struct {
        const char *query;
        size_t rows;
    } places[] = {
        {"SELECT id FROM items WHERE name = ?", 0},
        {"SELECT id FROM items WHERE ? = name", 0},
        {"SELECT id FROM items WHERE name IN ('x', ?)", 0},
        {"SELECT id FROM items WHERE name LIKE 'zz' || ?", 0},
        {"SELECT id FROM items WHERE name BETWEEN ? AND ''", 0},
        {"SELECT id FROM items WHERE name <> ?", 3},
        {"SELECT coalesce(?, 'x'), id FROM items", 3},
        {"SELECT id FROM items GROUP BY id HAVING max(name) = ?", 0},
        {"SELECT id FROM items ORDER BY CASE WHEN name = ? THEN 1 ELSE 2 END",
         3},
        {"SELECT i.id FROM items i JOIN secrets s ON s.secret = ?", 0},
        {"SELECT id FROM items WHERE id = (SELECT max(id) FROM items WHERE "
         "name = ?)",
         0},
        {"SELECT id FROM items WHERE length(?) < 0", 0},
        {"SELECT CASE WHEN ? = 'x' THEN 1 ELSE 0 END", 1},
    };

    set_up(sql);
    for (size_t i = 0; attacks[i] != NULL; i++)
        for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
            query_attack(sql, places[j].query, attacks[i], places[j].rows);
    expect_whole(sql);
}

static void as_what_is_written(struct resource *sql)
{
    struct sql_done done;
    struct sql_rows rows = {0};

    set_up(sql);
    for (size_t i = 0; attacks[i] != NULL; i++) {
        struct sql_value attack = sql_text(attacks[i]);
        OK(sql_execute(sql, NULL, "INSERT INTO items VALUES (?, ?)",
                       SET(sql_int(10), attack), &done));
        CHECK(done.affected == 1);
        OK(sql_execute(sql, NULL, "UPDATE items SET name = ? WHERE name = ?",
                       SET(attack, attack), &done));
        CHECK(done.affected == 1);
        OK(sql_query(sql, NULL, "SELECT name FROM items WHERE id = 10", NONE,
                     &rows));
        CHECK(rows.row_count == 1);
        SAME(&rows.values[0], &attack);
        sql_rows_done(&rows);
        OK(sql_execute(sql, NULL, "DELETE FROM items WHERE name = ?",
                       SET(attack), &done));
        CHECK(done.affected == 1);
    }
    expect_whole(sql);
}

/* Types with a form refuse them before the database hears of it. */
static void as_every_type(struct resource *sql)
{
    static const enum sql_type types[] = {SQL_DECIMAL,   SQL_DATE, SQL_TIME,
                                          SQL_TIMESTAMP, SQL_UUID, SQL_JSON};

    set_up(sql);
    for (size_t i = 0; attacks[i] != NULL; i++)
        for (size_t j = 0; j < sizeof(types) / sizeof(types[0]); j++) {
            struct sql_value attack = sql_as(types[j], attacks[i]);
            FAILS(sql_execute(sql, NULL, "INSERT INTO items VALUES (?, 'x')",
                              SET(attack), &(struct sql_done){0}),
                  INVALID_ARGUMENT);
            CHECK(strlen(attacks[i]) < 5 ||
                  strstr(last_failure()->message, attacks[i]) == NULL);
        }
    expect_whole(sql);
}

static void as_bytes(struct resource *sql)
{
    struct sql_rows rows = {0};

    set_up(sql);
    sql_create(sql, "CREATE TABLE blobs (v %s)",
               sql_dialect()->columns[SQL_BYTES]);
    for (size_t i = 0; attacks[i] != NULL; i++) {
        struct sql_value attack = sql_as(SQL_BYTES, attacks[i]);
        OK(sql_execute(sql, NULL, "INSERT INTO blobs VALUES (?)", SET(attack),
                       &(struct sql_done){0}));
        OK(sql_query(sql, NULL, "SELECT v FROM blobs WHERE v = ?", SET(attack),
                     &rows));
        CHECK(rows.row_count == 1);
        SAME(&rows.values[0], &attack);
        sql_rows_done(&rows);
    }
    expect_whole(sql);
}

/* As text that JSON quotes, as it must be. */
static void in_json(struct resource *sql)
{
    char text[256];
    struct sql_rows rows = {0};

    set_up(sql);
    sql_create(sql, "CREATE TABLE documents (v %s)",
               sql_dialect()->columns[SQL_JSON]);
    for (size_t i = 0; attacks[i] != NULL; i++) {
        if (strpbrk(attacks[i], "\"\\\n") != NULL)
            continue;
        snprintf(text, sizeof(text), "{\"a\": \"%s\"}", attacks[i]);
        struct sql_value document = sql_as(SQL_JSON, text);
        OK(sql_execute(sql, NULL, "INSERT INTO documents VALUES (?)",
                       SET(document), &(struct sql_done){0}));
        OK(sql_query(sql, NULL, "SELECT v FROM documents", NONE, &rows));
        CHECK(rows.row_count == 1);
        SAME(&rows.values[0], &document);
        sql_rows_done(&rows);
        DO(sql, NULL, "DELETE FROM documents");
    }
    expect_whole(sql);
}

static void in_many_sets(struct resource *sql)
{
    enum { ATTACKS = sizeof(attacks) / sizeof(attacks[0]) - 1 };
    struct sql_value values[ATTACKS][2];
    struct sql_set sets[ATTACKS];
    struct sql_done done;

    set_up(sql);
    for (size_t i = 0; i < ATTACKS; i++) {
        values[i][0] = sql_int((int64_t)i + 10);
        values[i][1] = sql_text(attacks[i]);
        sets[i] = (struct sql_set){values[i], 2};
    }
    OK(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?, ?)", sets,
                        ATTACKS, &done));
    CHECK(done.affected == ATTACKS);
    OK(sql_execute(sql, NULL, "DELETE FROM items WHERE id >= 10", NONE, &done));
    CHECK(done.affected == ATTACKS);
    expect_whole(sql);
}

const struct suite_case sql_injection_cases[] = {
    {"injection: in every place of a query", 0, in_every_place,
     .holds = "sql-8"},
    {"injection: as what is written", 0, as_what_is_written, .holds = "sql-8"},
    {"injection: as a value of every type", 0, as_every_type,
     .holds = "sql-8 sql-26"},
    {"injection: as bytes", 0, as_bytes},
    {"injection: in JSON", 0, in_json},
    {"injection: in many sets", 0, in_many_sets},
    {0},
};

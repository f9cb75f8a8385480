/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit: up to it, and one more. */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void long_statements(struct resource *sql)
{
    struct sql_rows rows = {0};
    char *text = sql_repeat(' ', SQL_STATEMENT_MAX + 1);

    memcpy(text, "SELECT 7", 8);
    FAILS(sql_query(sql, NULL, text, NONE, &rows), TOO_LARGE);
    text[SQL_STATEMENT_MAX] = '\0';
    INT(sql, NULL, text, 7);
    free(text);
}

static void large_values(struct resource *sql)
{
    struct sql_done done;
    char *text = sql_repeat('x', SQL_VALUE_MAX + 1);

    sql_create(sql, "CREATE TABLE texts (v %s)",
               sql_dialect()->columns[SQL_TEXT]);
    FAILS(sql_execute(sql, NULL, "INSERT INTO texts VALUES (?)",
                      SET(sql_text(text)), &done),
          TOO_LARGE);
    CHECK(strstr(last_failure()->message, "max-value") != NULL);
    INT(sql, NULL, "SELECT count(*) FROM texts", 0);
    text[SQL_VALUE_MAX] = '\0';
    OK(sql_execute(sql, NULL, "INSERT INTO texts VALUES (?)",
                   SET(sql_text(text)), &done));
    INT(sql, NULL, "SELECT length(v) FROM texts", (int64_t)SQL_VALUE_MAX);
    free(text);
}

static void many_values_together(struct resource *sql)
{
    enum { SETS = 65 };
    struct sql_value values[SETS];
    struct sql_set sets[SETS];
    struct sql_done done;
    char *text = sql_repeat('x', SQL_VALUE_MAX);

    sql_create(sql, "CREATE TABLE texts (v %s)",
               sql_dialect()->columns[SQL_TEXT]);
    for (int i = 0; i < SETS; i++) {
        values[i] = sql_text(text);
        sets[i] = (struct sql_set){&values[i], 1};
    }
    FAILS(sql_execute_many(sql, NULL, "INSERT INTO texts VALUES (?)", sets,
                           SETS, &done),
          TOO_LARGE);
    INT(sql, NULL, "SELECT count(*) FROM texts", 0);
    free(text);
}

static void many_sets(struct resource *sql)
{
    static struct sql_set sets[SQL_SETS_MAX + 1];
    const struct sql_value one = sql_int(1);
    struct sql_done done;

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    for (int i = 0; i <= SQL_SETS_MAX; i++)
        sets[i] = (struct sql_set){&one, 1};
    FAILS(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?)", sets,
                           SQL_SETS_MAX + 1, &done),
          TOO_LARGE);
    INT(sql, NULL, "SELECT count(*) FROM items", 0);
    OK(sql_execute_many(sql, NULL, "INSERT INTO items VALUES (?)", sets,
                        SQL_SETS_MAX, &done));
    CHECK(done.affected == SQL_SETS_MAX);
}

/* Ten rows of half a MiB, where four MiB are allowed. */
static void make_large_rows(struct resource *sql)
{
    char *text = sql_repeat('x', 512 * 1024);

    sql_create(sql, "CREATE TABLE texts (id INTEGER, v %s)",
               sql_dialect()->columns[SQL_TEXT]);
    for (int i = 0; i < 10; i++)
        OK(sql_execute(sql, NULL, "INSERT INTO texts VALUES (?, ?)",
                       SET(sql_int(i), sql_text(text)), &(struct sql_done){0}));
    free(text);
}

static void large_results(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_large_rows(sql);
    FAILS(sql_query(sql, NULL, "SELECT * FROM texts", NONE, &rows), TOO_LARGE);
    CHECK(strstr(last_failure()->message, "max-result") != NULL);
    OK(sql_query(sql, NULL, "SELECT * FROM texts WHERE id < 7", NONE, &rows));
    CHECK(rows.row_count == 7 && rows.values[13].len == 512 * 1024);
    sql_rows_done(&rows);
}

/* Small ones count as well: a value is 24 bytes, even NULL. */
static void many_small_rows(struct resource *sql)
{
    struct sql_rows rows = {0};
    char query[512];

    snprintf(query, sizeof(query), "%s SELECT NULL FROM series",
             sql_dialect()->series);
    FAILS(sql_query(sql, NULL, query, SET(sql_int(1000000)), &rows), TOO_LARGE);
    FAILS(sql_query(sql, NULL, query, SET(sql_int(174763)), &rows), TOO_LARGE);
    OK(sql_query(sql, NULL, query, SET(sql_int(174000)), &rows));
    CHECK(rows.row_count == 174000);
    sql_rows_done(&rows);
}

static void what_writes_and_does_not_fit(struct resource *sql)
{
    struct sql_rows rows = {0};

    make_large_rows(sql);
    FAILS(sql_query(sql, NULL, "UPDATE texts SET id = id + 100 RETURNING v, v",
                    NONE, &rows),
          TOO_LARGE);
    INT(sql, NULL, "SELECT count(*) FROM texts WHERE id >= 100", 0);
    OK(sql_query(sql, NULL,
                 "UPDATE texts SET id = id + 100 WHERE id < 3 RETURNING id, v",
                 NONE, &rows));
    CHECK(rows.row_count == 3 && rows.column_count == 2);
    sql_rows_done(&rows);
    INT(sql, NULL, "SELECT count(*) FROM texts WHERE id >= 100", 3);
}

const struct suite_case sql_limit_cases[] = {
    {"limits: a long statement", 0, long_statements, .holds = "sql-1"},
    {"limits: a large value", 0, large_values, .holds = "sql-10"},
    {"limits: many values together", 0, many_values_together,
     .holds = "sql-11"},
    {"limits: many sets", 0, many_sets, .holds = "sql-63"},
    {"limits: a large result", 0, large_results, .holds = "sql-12"},
    {"limits: many small rows", 0, many_small_rows, .holds = "sql-12"},
    {"limits: what writes and does not fit changes nothing",
     SQL_NEEDS_RETURNING, what_writes_and_does_not_fit,
     .holds = "sql-57 sql-56"},
    {0},
};

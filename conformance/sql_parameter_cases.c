/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many parameters: up to the limit, and the same by whatever way they go.  What
 * libpq can describe ends between 7,498 and 7,499 of them.
 */
#include "sql_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t counts[] = {
    7000, 7489, 7490, 7498, 7499, 8000, SQL_PARAMETERS_MAX,
};

enum { COUNTS = sizeof(counts) / sizeof(counts[0]), MANY = 7499 };

/* The numbers from 0 on. */
static struct sql_set numbers_below(size_t count)
{
    static struct sql_value values[SQL_PARAMETERS_MAX + 1];

    for (size_t i = 0; i < count; i++)
        values[i] = sql_int((int64_t)i);
    return (struct sql_set){values, count};
}

/* start, then the item as often as that with commas between, then end. */
static char *text_of(const char *start, const char *item, size_t times,
                     const char *end)
{
    size_t len = strlen(item);
    char *text =
        sql_repeat(',', strlen(start) + (len + 1) * times + strlen(end));
    char *at = text + strlen(start);

    memcpy(text, start, strlen(start));
    for (size_t i = 0; i < times; i++, at += len + 1)
        memcpy(at, item, len);
    memcpy(at - 1, end, strlen(end) + 1);
    return text;
}

static char *items_of(const char *start, size_t count)
{
    return text_of(start, "?", count, ")");
}

/* All but one of them are low enough for every count. */
static void make_items(struct resource *sql)
{
    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    DO(sql, NULL, "INSERT INTO items VALUES (5), (32765), (32766)");
}

static void expect_found(struct resource *sql, struct sql_tx *tx, size_t count)
{
    char *query = items_of("SELECT count(*) FROM items WHERE id IN (", count);
    struct sql_rows rows = {0};

    OK(sql_query(sql, tx, query, numbers_below(count), &rows));
    CHECK(rows.row_count == 1 &&
          sql_int_of(&rows.values[0]) == (count > 32765 ? 2 : 1));
    sql_rows_done(&rows);
    free(query);
}

static void many_parameters(struct resource *sql)
{
    enum { MOST = SQL_PARAMETERS_MAX };
    struct sql_rows rows = {0};

    make_items(sql);
    for (size_t i = 0; i < COUNTS; i++)
        for (int again = 0; again < 3; again++)
            expect_found(sql, NULL, counts[i]);
    char *query =
        items_of("SELECT count(*) FROM items WHERE id IN (", MOST + 1);
    FAILS(sql_query(sql, NULL, query, numbers_below(MOST + 1), &rows),
          TOO_LARGE);
    free(query);
}

static void in_transactions(struct resource *sql)
{
    struct sql_tx *tx = NULL;
    struct sql_done done;

    make_items(sql);
    for (size_t i = 0; i < COUNTS; i++) {
        char *text = items_of("DELETE FROM items WHERE id IN (", counts[i]);
        OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
        expect_found(sql, tx, counts[i]);
        OK(sql_execute(sql, tx, text, numbers_below(counts[i]), &done));
        CHECK(done.affected == (counts[i] > 32765 ? 2 : 1));
        INT(sql, tx, "SELECT count(*) FROM items", 3 - (int)done.affected);
        OK(sql_rollback(tx));
        INT(sql, NULL, "SELECT count(*) FROM items", 3);
        free(text);
    }
}

static void in_cursors(struct resource *sql)
{
    struct sql_cursor *cursor = NULL;
    struct sql_rows rows = {0};

    make_items(sql);
    for (size_t i = 0; i < COUNTS; i++) {
        char *query = items_of("SELECT id FROM items WHERE id IN (", counts[i]);
        OK(sql_open_cursor(sql, NULL, query, numbers_below(counts[i]),
                           &cursor));
        OK(sql_next(cursor, 10, &rows));
        CHECK(rows.row_count == (counts[i] > 32765 ? 2 : 1));
        sql_rows_done(&rows);
        sql_close_cursor(cursor);
        free(query);
    }
}

static void in_sets(struct resource *sql)
{
    struct sql_done done;

    make_items(sql);
    for (size_t i = 0; i < COUNTS; i++) {
        char *text =
            items_of("UPDATE items SET id = id WHERE id IN (", counts[i]);
        const struct sql_set sets[2] = {numbers_below(counts[i]),
                                        numbers_below(counts[i])};
        OK(sql_execute_many(sql, NULL, text, sets, 2, &done));
        CHECK(done.affected == (counts[i] > 32765 ? 4 : 2));
        free(text);
    }
}

static void too_few_and_too_many(struct resource *sql)
{
    char *query =
        items_of("SELECT count(*) FROM items WHERE id IN (", MANY + 1);
    struct sql_rows rows = {0};

    make_items(sql);
    FAILS(sql_query(sql, NULL, query, numbers_below(MANY), &rows),
          INVALID_ARGUMENT);
    FAILS(sql_query(sql, NULL, query, numbers_below(MANY + 2), &rows),
          INVALID_ARGUMENT);
    free(query);
}

/* --- Of all types ------------------------------------------------------- */

static const struct sql_value samples[] = {
    {.type = SQL_BOOLEAN, .boolean = true},
    {.type = SQL_INT64, .int64 = INT64_MIN},
    {.type = SQL_FLOAT64, .float64 = 0.1},
    {.type = SQL_DECIMAL, .ptr = "12345678901234567890.5", .len = 22},
    {.type = SQL_TEXT, .ptr = "it's", .len = 4},
    {.type = SQL_BYTES, .ptr = "\0\xff\\", .len = 3},
    {.type = SQL_DATE, .ptr = "2026-11-23", .len = 10},
    {.type = SQL_TIME, .ptr = "13:37:00.25", .len = 11},
    {.type = SQL_TIMESTAMP, .ptr = "2026-11-23T13:37:00.25", .len = 22},
    {.type = SQL_UUID,
     .ptr = "123e4567-e89b-12d3-a456-426614174000",
     .len = 36},
    {.type = SQL_JSON, .ptr = "{\"a\": [1, null]}", .len = 16},
};

enum { TYPES = sizeof(samples) / sizeof(samples[0]) };

/* Every second row has NULL everywhere. */
static struct sql_set rows_of(size_t count)
{
    static struct sql_value values[SQL_PARAMETERS_MAX];

    for (size_t i = 0; i < count * TYPES; i++)
        values[i] = i / TYPES % 2 == 0 ? samples[i % TYPES]
                                       : (struct sql_value){.type = SQL_NULL};
    return (struct sql_set){values, count * TYPES};
}

static void make_all(struct resource *sql)
{
    const char *const *of = sql_dialect()->columns;

    sql_create(sql,
               "CREATE TABLE all_types (c0 %s, c1 %s, c2 %s, c3 %s, c4 %s, "
               "c5 %s, c6 %s, c7 %s, c8 %s, c9 %s, c10 %s)",
               of[1], of[2], of[3], of[4], of[5], of[6], of[7], of[8], of[9],
               of[10], of[11]);
}

static void expect_rows(const struct sql_rows *rows, size_t count)
{
    struct sql_set expected = rows_of(count);

    CHECK(rows->row_count == count && rows->column_count == TYPES);
    for (size_t i = 0; i < count * TYPES; i++)
        SAME(&rows->values[i], &expected.values[i]);
}

static void are_written(struct resource *sql)
{
    static const size_t rows_in[] = {2, 680, 682, 800};
    struct sql_rows rows = {0};
    struct sql_done done;

    make_all(sql);
    for (size_t i = 0; i < sizeof(rows_in) / sizeof(rows_in[0]); i++) {
        char *text = text_of("INSERT INTO all_types VALUES ",
                             "(?,?,?,?,?,?,?,?,?,?,?)", rows_in[i], "");
        OK(sql_execute(sql, NULL, text, rows_of(rows_in[i]), &done));
        CHECK(done.affected == rows_in[i]);
        OK(sql_query(sql, NULL, "SELECT * FROM all_types", NONE, &rows));
        expect_rows(&rows, rows_in[i]);
        sql_rows_done(&rows);
        DO(sql, NULL, "DELETE FROM all_types");
        free(text);
    }
}

/* As few parameters find them, many do: with the same names, types, values. */
static void are_read(struct resource *sql)
{
    struct sql_rows few = {0}, many = {0};
    struct sql_done done;

    make_all(sql);
    OK(sql_execute(sql, NULL,
                   "INSERT INTO all_types VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                   rows_of(1), &done));
    OK(sql_query(sql, NULL, "SELECT * FROM all_types WHERE 7 IN (?)",
                 SET(sql_int(7)), &few));
    expect_rows(&few, 1);
    for (size_t i = 0; i < COUNTS; i++) {
        char *text =
            items_of("SELECT * FROM all_types WHERE 7 IN (", counts[i]);
        for (int again = 0; again < 2; again++) {
            OK(sql_query(sql, NULL, text, numbers_below(counts[i]), &many));
            expect_rows(&many, 1);
            for (size_t j = 0; j < TYPES; j++)
                CHECK(strcmp(few.names[j], many.names[j]) == 0 &&
                      strcmp(few.types[j], many.types[j]) == 0);
            sql_rows_done(&many);
        }
        free(text);
    }
    sql_rows_done(&few);
}

/* What writing the value so often came to. */
struct outcome {
    enum status status;
    char message[1024];
    struct sql_rows rows;
};

/* The text of each sample is another one: MySQL fails in other words where a
 * statement was run before with values of another type. */
static void write_often(struct resource *sql, int column, size_t sample,
                        size_t count, struct outcome *outcome)
{
    static struct sql_value values[MANY];
    char insert[64], query[64], empty[64];

    snprintf(insert, sizeof(insert), "INSERT INTO of_type%d /* %zu */ VALUES ",
             column, sample);
    snprintf(query, sizeof(query), "SELECT v FROM of_type%d LIMIT 1", column);
    snprintf(empty, sizeof(empty), "DELETE FROM of_type%d", column);
    char *text = text_of(insert, "(?)", count, "");

    for (size_t i = 0; i < count; i++)
        values[i] = samples[sample];
    outcome->status =
        sql_execute(sql, NULL, text, (struct sql_set){values, count},
                    &(struct sql_done){0});
    snprintf(outcome->message, sizeof(outcome->message), "%s",
             outcome->status == WORKED ? "" : last_failure()->message);
    OK(sql_query(sql, NULL, query, NONE, &outcome->rows));
    DO(sql, NULL, empty);
    free(text);
}

/* Of each type into a column of each: it is taken, or refused, all the same. */
static void are_refused(struct resource *sql)
{
    for (int column = SQL_BOOLEAN; column < SQL_TYPES; column++) {
        sql_create(sql, "CREATE TABLE of_type%d (v %s)", column,
                   sql_dialect()->columns[column]);
        for (size_t i = 0; i < TYPES; i++) {
            struct outcome few = {0}, many = {0};
            write_often(sql, column, i, 2, &few);
            write_often(sql, column, i, MANY, &many);
            CHECK(few.status == many.status);
            CHECK(strcmp(few.message, many.message) == 0);
            CHECK(few.rows.row_count == many.rows.row_count);
            if (few.rows.row_count > 0)
                SAME(&few.rows.values[0], &many.rows.values[0]);
            sql_rows_done(&few.rows);
            sql_rows_done(&many.rows);
        }
    }
}

static void what_writes_gives_rows(struct resource *sql)
{
    struct sql_rows rows = {0};
    struct sql_tx *tx = NULL;
    char *text = text_of("INSERT INTO items VALUES ", "(?)", MANY,
                         " RETURNING id, id + 1 AS next");

    DO(sql, NULL, "CREATE TABLE items (id INTEGER)");
    for (int again = 0; again < 2; again++) {
        OK(sql_query(sql, NULL, text, numbers_below(MANY), &rows));
        CHECK(rows.row_count == MANY && rows.column_count == 2);
        CHECK(strcmp(rows.names[1], "next") == 0);
        CHECK(sql_int_of(&rows.values[2 * MANY - 1]) == MANY);
        sql_rows_done(&rows);
    }
    OK(sql_begin(sql, SQL_DEFAULT, false, &tx));
    OK(sql_query(sql, tx, text, numbers_below(MANY), &rows));
    sql_rows_done(&rows);
    OK(sql_rollback(tx));
    INT(sql, NULL, "SELECT count(*) FROM items", 2 * MANY);
    free(text);
}

const struct suite_case sql_parameter_cases[] = {
    {"limits: many parameters", 0, many_parameters, .holds = "sql-9"},
    {"limits: many parameters in a transaction", 0, in_transactions},
    {"limits: many parameters of a cursor", 0, in_cursors},
    {"limits: many parameters in sets", 0, in_sets},
    {"limits: many parameters, and one less or more", 0, too_few_and_too_many},
    {"limits: many parameters of all types are written", 0, are_written},
    {"limits: many parameters read as few do", 0, are_read},
    {"limits: many parameters are refused as few are", 0, are_refused},
    {"limits: many parameters of what writes and gives rows",
     SQL_NEEDS_RETURNING, what_writes_gives_rows},
    {0},
};

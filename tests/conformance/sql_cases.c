/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all cases, and what they share. */
#include "sql_cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql_same.h"

static const struct sql_case *const lists[] = {
    sql_value_cases,  sql_injection_cases,   sql_statement_cases,
    sql_limit_cases,  sql_transaction_cases, sql_isolation_cases,
    sql_cursor_cases, sql_side_cases,
};

/* What the features lack is a feature too, for cases about its absence. */
static unsigned with_lacks(unsigned features)
{
    if ((features & SQL_NEEDS_NAN) == 0)
        features |= SQL_NEEDS_NO_NAN;
    if ((features & SQL_NEEDS_INFINITY) == 0)
        features |= SQL_NEEDS_NO_INFINITY;
    return features;
}

const struct sql_case *sql_case_at(unsigned features, size_t index)
{
    unsigned has = with_lacks(features);

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (const struct sql_case *item = lists[i]; item->name != NULL; item++)
            if ((item->needs & ~has) == 0 && index-- == 0)
                return item;
    return NULL;
}

static const struct sql_dialect dialects[] = {
    {.driver = "sql.sqlite",
     .columns = {[SQL_BOOLEAN] = "BOOLEAN",
                 [SQL_INT64] = "BIGINT",
                 [SQL_FLOAT64] = "DOUBLE PRECISION",
                 [SQL_DECIMAL] = "DECIMAL(65, 30)",
                 [SQL_TEXT] = "TEXT",
                 [SQL_BYTES] = "BLOB",
                 [SQL_DATE] = "DATE",
                 [SQL_TIME] = "TIME",
                 [SQL_TIMESTAMP] = "TIMESTAMP",
                 [SQL_UUID] = "UUID",
                 [SQL_JSON] = "JSON"},
     .series = "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
               "FROM series WHERE n < ?)",
     .numbered = "INTEGER PRIMARY KEY"},
};

static const struct sql_dialect *used;

bool sql_use_dialect(const char *driver)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (strcmp(dialects[i].driver, driver) == 0)
            used = &dialects[i];
    return used != NULL;
}

const struct sql_dialect *sql_dialect(void)
{
    return used;
}

/* --- Values ----------------------------------------------------------------
 */

struct sql_value sql_int(int64_t number)
{
    return (struct sql_value){.type = SQL_INT64, .int64 = number};
}

struct sql_value sql_as(enum sql_type type, const char *text)
{
    return (struct sql_value){.type = type, .ptr = text, .len = strlen(text)};
}

struct sql_value sql_text(const char *text)
{
    return sql_as(SQL_TEXT, text);
}

void sql_rows_done(struct sql_rows *rows)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        free(rows->names[i]);
        free(rows->types[i]);
    }
    for (size_t i = 0; i < rows->row_count * rows->column_count; i++)
        free((void *)(uintptr_t)rows->values[i].ptr);
    free(rows->names);
    free(rows->types);
    free(rows->values);
    *rows = (struct sql_rows){0};
}

char *sql_repeat(char letter, size_t len)
{
    char *text = calloc(1, len + 1);

    CHECK(text != NULL);
    memset(text, letter, len);
    return text;
}

/* --- Checks ----------------------------------------------------------------
 */

static const char *status_text(enum sql_status status)
{
    static const char *const texts[] = {
        [SQL_OK] = "ok",
        [SQL_INVALID_ARGUMENT] = "invalid-argument",
        [SQL_NOT_FOUND] = "not-found",
        [SQL_ALREADY_EXISTS] = "already-exists",
        [SQL_CONFLICT] = "conflict",
        [SQL_PERMISSION_DENIED] = "permission-denied",
        [SQL_UNAUTHENTICATED] = "unauthenticated",
        [SQL_TOO_LARGE] = "too-large",
        [SQL_TIMEOUT] = "timeout",
        [SQL_UNAVAILABLE] = "unavailable",
        [SQL_UNSUPPORTED] = "unsupported",
        [SQL_INTERNAL] = "internal",
    };

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status]
                                                             : "?";
}

/* One line, for people. */
static void expect_well_formed(const struct sql_failure *failure,
                               bool retryable, const char *call,
                               const char *file, int line)
{
    size_t len = strlen(failure->message);

    if (len == 0 || len > SQL_MESSAGE_MAX ||
        strpbrk(failure->message, "\r\n") != NULL)
        sql_fail(file, line, "%s: a message of %zu bytes: %s", call, len,
                 failure->message);
    if (failure->retryable != retryable)
        sql_fail(file, line, "%s: %s retryable: %s", call,
                 retryable ? "not" : "", failure->message);
}

void sql_expect(enum sql_status status, enum sql_status expected,
                bool retryable, const char *call, const char *file, int line)
{
    const struct sql_failure *failure = sql_last_failure();

    if (status != expected)
        sql_fail(file, line, "%s is %s, not %s: %s", call, status_text(status),
                 status_text(expected),
                 status == SQL_OK ? "" : failure->message);
    if (status != SQL_OK)
        expect_well_formed(failure, retryable, call, file, line);
}

static void describe(const struct sql_value *value, char *out, size_t size)
{
    switch (value->type) {
    case SQL_NULL:
        snprintf(out, size, "null");
        return;
    case SQL_BOOLEAN:
        snprintf(out, size, "%s", value->boolean ? "true" : "false");
        return;
    case SQL_INT64:
        snprintf(out, size, "%lld", (long long)value->int64);
        return;
    case SQL_FLOAT64:
        snprintf(out, size, "%.17g", value->float64);
        return;
    default:
        snprintf(out, size, "%zu bytes of type %d: %.*s", value->len,
                 (int)value->type, value->len < 100 ? (int)value->len : 100,
                 (const char *)value->ptr);
    }
}

void sql_expect_same(const struct sql_value *value,
                     const struct sql_value *expected, const char *file,
                     int line)
{
    char is[256], should[256];

    if (sql_same(value, expected))
        return;
    describe(value, is, sizeof(is));
    describe(expected, should, sizeof(should));
    sql_fail(file, line, "%s where %s was expected", is, should);
}

void sql_expect_int(struct sql *sql, struct sql_tx *tx, const char *query,
                    int64_t expected, const char *file, int line)
{
    struct sql_rows rows = {0};
    const struct sql_value number = sql_int(expected);

    sql_expect(sql_query(sql, tx, query, NONE, &rows), SQL_OK, false, query,
               file, line);
    if (rows.row_count != 1 || rows.column_count != 1)
        sql_fail(file, line, "%s: %zu rows of %zu columns", query,
                 rows.row_count, rows.column_count);
    sql_expect_same(&rows.values[0], &number, file, line);
    sql_rows_done(&rows);
}

void sql_create(struct sql *sql, const char *fmt, ...)
{
    char statement[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(statement, sizeof(statement), fmt, args);
    va_end(args);
    DO(sql, NULL, statement);
}

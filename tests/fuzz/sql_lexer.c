/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements made of anything, in any dialect (the first two bytes): the tokens
 * are the text, what is accepted can be rewritten, and SQLite counts the same
 * placeholders in what both of us accept.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "sql/lexer.h"

enum { DIALECT_BYTES = 2, TEXT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Returns how many placeholders there are. */
static size_t check_tokens(struct sl_bytes text, unsigned dialect)
{
    struct sl_sql_lexer lexer = {text, dialect};
    struct sl_sql_token token;
    size_t total = 0, placeholders = 0;

    do {
        token = sl_sql_next(&lexer);
        must(token.text.ptr == text.ptr + total);
        must((token.type == SL_SQL_END) == (token.text.len == 0));
        must((token.type == SL_SQL_BAD) == (token.problem != NULL));
        total += token.text.len;
        placeholders += token.type == SL_SQL_PLACEHOLDER;
    } while (token.type != SL_SQL_END);
    must(total == text.len);
    return placeholders;
}

/* What was rewritten is one statement still, of the same database. */
static void check_rewriting(struct sl_bytes text, unsigned dialect,
                            size_t placeholders)
{
    struct sl_buf out = SL_BUF(TEXT_MAX * 10);
    struct sl_error err;
    size_t left = 0;

    must(sl_sql_rewrite(text, dialect, &out, &err) == SL_OK);
    if ((dialect & (SL_SQL_NUMBERED | SL_SQL_QUESTION_OPERATORS)) == 0)
        must(sl_bytes_equal(sl_buf_bytes(&out), text));
    /* As the database reads it, $1 is no dollar quote, and ? an operator. */
    if (dialect == SL_SQL_POSTGRES) {
        must(sl_sql_scan(sl_buf_bytes(&out), dialect ^ SL_SQL_NUMBERED, &left,
                         &err) == SL_OK ||
             memmem(text.ptr, text.len, "??", 2) != NULL);
        must(placeholders == 0 || memmem(out.ptr, out.len, "$1", 2) != NULL);
    }
    sl_buf_done(&out);
}

/* Tables that statements of the corpus name. */
static sqlite3 *open_database(void)
{
    sqlite3 *handle = NULL;

    must(sqlite3_open(":memory:", &handle) == SQLITE_OK);
    must(sqlite3_exec(handle, "CREATE TABLE t (a, b, c)", NULL, NULL, NULL) ==
         SQLITE_OK);
    return handle;
}

static void check_sqlite(struct sl_bytes text, size_t placeholders)
{
    static sqlite3 *handle;
    sqlite3_stmt *statement = NULL, *second = NULL;
    const char *rest = NULL;

    if (handle == NULL)
        handle = open_database();
    char *copy = sl_strndup(text.ptr, text.len);
    if (sqlite3_prepare_v2(handle, copy, -1, &statement, &rest) == SQLITE_OK &&
        statement != NULL) {
        must(sqlite3_bind_parameter_count(statement) == (int)placeholders);
        must(sqlite3_prepare_v2(handle, rest, -1, &second, NULL) == SQLITE_OK);
        must(second == NULL);
    }
    sqlite3_finalize(statement);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err;
    size_t placeholders = 0;

    if (size < DIALECT_BYTES || size > TEXT_MAX)
        return 0;
    unsigned dialect = data[0] | (unsigned)data[1] << 8;
    if (data[1] == 's')
        dialect = SL_SQL_SQLITE;
    else if (data[1] == 'p')
        dialect = SL_SQL_POSTGRES;
    else if (data[1] == 'm')
        dialect = SL_SQL_MYSQL;
    struct sl_bytes text = {data + DIALECT_BYTES, size - DIALECT_BYTES};
    size_t counted = check_tokens(text, dialect);
    if (sl_sql_scan(text, dialect, &placeholders, &err) != SL_OK) {
        must(err.status == SL_INVALID_ARGUMENT);
        return 0;
    }
    must(placeholders == counted);
    check_rewriting(text, dialect, placeholders);
    if (dialect == SL_SQL_SQLITE && sl_bytes_are_text(text))
        check_sqlite(text, placeholders);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, and those that are kept because they come again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sql/sqlite/state.h"

static void statement_free(struct sl_sql_sqlite_statement *statement)
{
    sqlite3_finalize(statement->handle);
    free(statement->text);
    free(statement);
}

/* Take out of what is kept. */
static struct sl_sql_sqlite_statement *remove_at(struct sl_sql_sqlite *sqlite,
                                                 size_t index)
{
    struct sl_sql_sqlite_statement *statement = sqlite->cached[index];

    sqlite->cached_count--;
    memmove(&sqlite->cached[index], &sqlite->cached[index + 1],
            (sqlite->cached_count - index) * sizeof(sqlite->cached[0]));
    return statement;
}

static struct sl_sql_sqlite_statement *find(struct sl_sql_sqlite *sqlite,
                                            struct sl_bytes text)
{
    for (size_t i = sqlite->cached_count; i-- > 0;)
        if (sl_bytes_equal(
                SL_BYTES(sqlite->cached[i]->text, sqlite->cached[i]->len),
                text))
            return remove_at(sqlite, i);
    return NULL;
}

/* The text behind the statement holds none: the lexer was right. */
static enum sl_status check_rest(struct sl_sql_sqlite *sqlite, const char *rest,
                                 struct sl_error *err)
{
    sqlite3_stmt *second = NULL;
    int code =
        sqlite3_prepare_v3(sqlite->file.handle, rest, -1, 0, &second, NULL);

    bool none = code == SQLITE_OK && second == NULL;
    sqlite3_finalize(second);
    if (none)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a second statement; make two calls");
}

static enum sl_status prepare(struct sl_sql_sqlite *sqlite,
                              struct sl_sql_sqlite_statement *statement,
                              struct sl_error *err)
{
    const char *rest = NULL;
    bool keeps = statement->len <= SL_SQL_SQLITE_CACHED_BYTES;

    sqlite->seen = (struct sl_sql_sqlite_seen){0};
    errno = 0; /* for sl_sqlite_explain */
    int code = sqlite3_prepare_v3(sqlite->file.handle, statement->text, -1,
                                  keeps ? SQLITE_PREPARE_PERSISTENT : 0,
                                  &statement->handle, &rest);
    if (code != SQLITE_OK)
        return sl_sql_sqlite_explain(sqlite, code, SL_SQL_SQLITE_PREPARING,
                                     err);
    statement->counts = sqlite->seen.changes && !sqlite->seen.schema;
    statement->inserts = statement->counts && sqlite->seen.inserts;
    statement->frees = sqlite->seen.frees && !sqlite->seen.grows;
    if (statement->handle == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "there is no statement");
    return rest[0] == '\0' ? SL_OK : check_rest(sqlite, rest, err);
}

enum sl_status sl_sql_sqlite_take(struct sl_sql_sqlite *sqlite,
                                  struct sl_bytes text,
                                  struct sl_sql_sqlite_statement **out,
                                  struct sl_error *err)
{
    struct sl_sql_sqlite_statement *statement = find(sqlite, text);
    enum sl_status status = SL_OK;

    sqlite->asked = true;
    if (statement == NULL) {
        statement = sl_alloc(sizeof(*statement));
        statement->text = sl_strndup(text.ptr, text.len);
        statement->len = text.len;
        status = prepare(sqlite, statement, err);
    }
    if (status == SL_OK)
        *out = statement;
    else
        statement_free(statement);
    return status;
}

void sl_sql_sqlite_give(struct sl_sql_sqlite *sqlite,
                        struct sl_sql_sqlite_statement *statement)
{
    (void)sqlite3_reset(statement->handle); /* whoever stepped has its code */
    sqlite3_clear_bindings(statement->handle);
    if (statement->len > SL_SQL_SQLITE_CACHED_BYTES) {
        statement_free(statement);
        return;
    }
    if (sqlite->cached_count == SL_SQL_SQLITE_CACHED)
        statement_free(remove_at(sqlite, 0));
    sqlite->cached[sqlite->cached_count++] = statement;
}

void sl_sql_sqlite_forget(struct sl_sql_sqlite *sqlite)
{
    while (sqlite->cached_count > 0)
        statement_free(remove_at(sqlite, 0));
}

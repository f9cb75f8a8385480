/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite's failures mean for whoever wrote the statement. */
#include <string.h>

#include "sql/sqlite/state.h"

/* SQLite quotes names out of the file, which need not be UTF-8. */
static void clean(char *text)
{
    if (sl_bytes_are_text(sl_bytes_of(text)))
        return;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            *text = '?';
}

/* How much of SQLite's message may be shown: when it runs, it may quote values.
 */
static size_t shown(const char *message, enum sl_sql_sqlite_phase phase)
{
    return phase == SL_SQL_SQLITE_PREPARING ? strlen(message)
                                            : strcspn(message, "\"':[");
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum sl_status explain_error(const char *message,
                                    enum sl_sql_sqlite_phase phase,
                                    struct sl_error *err)
{
    enum sl_status status = ends_with(message, "already exists")
                                ? SL_ALREADY_EXISTS
                                : SL_INVALID_ARGUMENT;

    return sl_fail(err, status, "SQLite says: %.*s", (int)shown(message, phase),
                   message);
}

/* These messages name columns and constraints, never values. */
static enum sl_status explain_constraint(int code, const char *message,
                                         struct sl_error *err)
{
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return sl_fail(err, SL_ALREADY_EXISTS, "SQLite says: %s", message);
    case SQLITE_CONSTRAINT_DATATYPE:
        return sl_fail(err, SL_INVALID_ARGUMENT, "SQLite says: %s", message);
    default:
        return sl_fail(err, SL_CONFLICT, "SQLite says: %s", message);
    }
}

/* Whether another transaction came first. */
static bool lost_race(const struct sl_sql_sqlite *sqlite, int code)
{
    if (code == SQLITE_BUSY_SNAPSHOT)
        return true;
    /* SQLite does not wait where it holds a snapshot that would be too old. */
    return (code & 0xff) == SQLITE_BUSY &&
           sqlite->transaction == SL_SQL_SQLITE_OPEN &&
           !sl_deadline_passed(sqlite->file.deadline);
}

/* What a code means whatever the statement was. */
static const struct meaning {
    int code;
    enum sl_status status;
    const char *text;
} meanings[] = {
    {SQLITE_BUSY, SL_TIMEOUT,
     "another transaction was writing until the deadline"},
    {SQLITE_INTERRUPT, SL_TIMEOUT, "the statement ran until the deadline"},
    {SQLITE_LOCKED, SL_CONFLICT,
     "a cursor is open on the table; close it first"},
    {SQLITE_TOOBIG, SL_TOO_LARGE,
     "a value, or a row, or the statement is larger than SQLite is allowed to "
     "make it here"},
};

static enum sl_status explain_code(struct sl_sql_sqlite *sqlite, int code,
                                   struct sl_error *err)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (meanings[i].code == (code & 0xff))
            return sl_fail(err, meanings[i].status, "%s", meanings[i].text);
    return sl_sqlite_explain(&sqlite->file, code, err);
}

static enum sl_status explain(struct sl_sql_sqlite *sqlite, int code,
                              enum sl_sql_sqlite_phase phase,
                              struct sl_error *err)
{
    const char *message = sqlite3_errmsg(sqlite->file.handle);

    /* Of functions that are denied the code says less than this. */
    if (phase == SL_SQL_SQLITE_PREPARING && sqlite->seen.denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       sqlite->seen.denied);
    switch (code & 0xff) {
    case SQLITE_ERROR:
        return explain_error(message, phase, err);
    case SQLITE_CONSTRAINT:
        return explain_constraint(code, message, err);
    case SQLITE_MISMATCH:
        return sl_fail(err, SL_INVALID_ARGUMENT, "SQLite says: %s", message);
    case SQLITE_AUTH: /* prepared anew by a step */
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "a statement may not use this");
    default:
        return explain_code(sqlite, code, err);
    }
}

enum sl_status sl_sql_sqlite_explain(struct sl_sql_sqlite *sqlite, int code,
                                     enum sl_sql_sqlite_phase phase,
                                     struct sl_error *err)
{
    sqlite->lost_race = lost_race(sqlite, code);
    if (sqlite->lost_race)
        return sl_fail(err, SL_CONFLICT,
                       "another transaction wrote since this one began to "
                       "read; begin it anew");
    enum sl_status status = explain(sqlite, code, phase, err);
    clean(err->message);
    return status;
}

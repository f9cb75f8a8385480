/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite's failures mean for whoever wrote the statement. */
#include <string.h>

#include "sql/sqlite_state.h"

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

enum sl_status sl_sql_sqlite_explain(struct sl_sql_sqlite *sqlite, int code,
                                     enum sl_sql_sqlite_phase phase,
                                     struct sl_error *err)
{
    const char *message = sqlite3_errmsg(sqlite->file.handle);
    enum sl_status status;

    sqlite->lost_race = lost_race(sqlite, code);
    if (sqlite->lost_race)
        return sl_fail(err, SL_CONFLICT,
                       "another transaction wrote since this one began to "
                       "read; begin it anew");
    /* Of functions that are denied the code says less than this. */
    if (phase == SL_SQL_SQLITE_PREPARING && sqlite->seen.denied != NULL)
        code = SQLITE_AUTH;
    switch (code & 0xff) {
    case SQLITE_ERROR:
        status = explain_error(message, phase, err);
        break;
    case SQLITE_CONSTRAINT:
        status = explain_constraint(code, message, err);
        break;
    case SQLITE_MISMATCH:
        status = sl_fail(err, SL_INVALID_ARGUMENT, "SQLite says: %s", message);
        break;
    case SQLITE_AUTH:
        status =
            sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                    sqlite->seen.denied != NULL ? sqlite->seen.denied : "this");
        break;
    case SQLITE_BUSY:
        status = sl_fail(err, SL_TIMEOUT,
                         "%s: another transaction was writing until the "
                         "deadline",
                         sqlite->file.path);
        break;
    case SQLITE_INTERRUPT:
        status =
            sl_fail(err, SL_TIMEOUT, "the statement ran until the deadline");
        break;
    case SQLITE_LOCKED:
        status = sl_fail(err, SL_CONFLICT,
                         "a cursor is open on the table; close it first");
        break;
    case SQLITE_TOOBIG:
        status = sl_fail(err, SL_TOO_LARGE,
                         "a value, or a row, or the statement is larger than "
                         "SQLite is allowed to make it here");
        break;
    default:
        status = sl_sqlite_explain(&sqlite->file, code, err);
        break;
    }
    clean(err->message);
    return status;
}

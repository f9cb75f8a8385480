/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite's failures mean for the author of the statement. */
#include <string.h>

#include "sql/sqlite/function.h"

/* SQLite quotes names from the file, which need not be UTF-8. */
static void replace_invalid_utf8(char *text)
{
    if (sl_bytes_are_text(sl_bytes_of(text)))
        return;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            *text = '?';
}

/* How much of a message may be shown.  When a statement runs, it may quote
 * values. */
static size_t sqlite_shown_length(const char *message,
                                  enum sl_sql_sqlite_phase phase)
{
    return phase == SL_SQL_SQLITE_PREPARING ? strlen(message)
                                            : strcspn(message, "\"':[");
}

static bool message_ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum sl_status explain_error(const char *message,
                                    enum sl_sql_sqlite_phase phase,
                                    struct sl_error *err)
{
    enum sl_status status = message_ends_with(message, "already exists")
                                ? SL_ALREADY_EXISTS
                                : SL_INVALID_ARGUMENT;

    return sl_fail(err, status, "SQLite says: %.*s",
                   (int)sqlite_shown_length(message, phase), message);
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

/* Whether another transaction wrote first. */
static bool lost_to_another(const struct sl_sql_sqlite_conn *conn, int code)
{
    if (code == SQLITE_BUSY_SNAPSHOT)
        return true;
    /* SQLite does not wait where its snapshot would be too old afterwards. */
    return (code & 0xff) == SQLITE_BUSY &&
           conn->session.transaction == SL_SQL_TRANSACTION_OPEN &&
           !sl_deadline_passed(conn->file.deadline);
}

/* Codes that mean the same for every statement. */
static const struct code_meaning {
    int code;
    enum sl_status status;
    const char *text;
} code_meanings[] = {
    {SQLITE_BUSY, SL_TIMEOUT,
     "another transaction was writing until the deadline"},
    {SQLITE_INTERRUPT, SL_TIMEOUT, "the statement ran until the deadline"},
    {SQLITE_LOCKED, SL_CONFLICT,
     "a cursor is open on the table; close it first"},
    {SQLITE_TOOBIG, SL_TOO_LARGE,
     "a value, a row or the statement is over SQLite's size limit here"},
};

static enum sl_status explain_code(struct sl_sql_sqlite_conn *conn, int code,
                                   struct sl_error *err)
{
    for (size_t i = 0; i < sizeof(code_meanings) / sizeof(code_meanings[0]);
         i++)
        if (code_meanings[i].code == (code & 0xff))
            return sl_fail(err, code_meanings[i].status, "%s",
                           code_meanings[i].text);
    return sl_sqlite_explain(&conn->file, code, err);
}

static enum sl_status explain_failure(struct sl_sql_sqlite_conn *conn, int code,
                                      enum sl_sql_sqlite_phase phase,
                                      struct sl_error *err)
{
    const char *message = sqlite3_errmsg(conn->file.handle);

    /* This says more than SQLite's code for a denied function. */
    if (phase == SL_SQL_SQLITE_PREPARING && conn->effects.denied != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED, "a statement may not use %s",
                       conn->effects.denied);
    switch (code & 0xff) {
    case SQLITE_ERROR:
        return explain_error(message, phase, err);
    case SQLITE_CONSTRAINT:
        return explain_constraint(code, message, err);
    case SQLITE_TOOBIG:
        if (strcmp(message, SL_SQL_SQLITE_PATCH_TOO_LARGE) == 0)
            return sl_fail(err, SL_TOO_LARGE, "%s", message);
        return explain_code(conn, code, err);
    case SQLITE_MISMATCH:
        return sl_fail(err, SL_INVALID_ARGUMENT, "SQLite says: %s", message);
    case SQLITE_AUTH: /* a step has prepared the statement again */
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "a statement may not use this");
    default:
        return explain_code(conn, code, err);
    }
}

enum sl_status sl_sql_sqlite_explain(struct sl_sql_sqlite_conn *conn, int code,
                                     enum sl_sql_sqlite_phase phase,
                                     struct sl_error *err)
{
    if (lost_to_another(conn, code))
        return sl_fail(err, SL_ABORTED,
                       "another transaction has written since this one began "
                       "to read; run the transaction again");
    enum sl_status status = explain_failure(conn, code, phase, err);
    replace_invalid_utf8(err->message);
    return status;
}

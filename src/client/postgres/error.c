/* SPDX-License-Identifier: Apache-2.0 */
/* The meaning of PostgreSQL's errors: appendix A of its documentation. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client/postgres/postgres.h"

/* Whole codes come before their class (two characters): the first match
 * counts. */
static const struct meaning {
    const char *code;
    enum sl_status status;
} meanings[] = {
    {"03", SL_INVALID_ARGUMENT}, /* statement not yet complete */
    {"08", SL_UNAVAILABLE},      /* connection */
    {"09", SL_CONFLICT},         /* triggered action */
    {"0A", SL_UNSUPPORTED},
    {"0B", SL_CONFLICT},            /* transaction initiation */
    {"0F", SL_INVALID_ARGUMENT},    /* locator */
    {"0L", SL_PERMISSION_DENIED},   /* grantor */
    {"0P", SL_INVALID_ARGUMENT},    /* role */
    {"0Z", SL_INVALID_ARGUMENT},    /* diagnostics */
    {"20", SL_INVALID_ARGUMENT},    /* case not found */
    {"21", SL_INVALID_ARGUMENT},    /* cardinality */
    {"22P05", SL_UNSUPPORTED},      /* character it has not */
    {"22", SL_INVALID_ARGUMENT},    /* data */
    {"23505", SL_ALREADY_EXISTS},   /* unique */
    {"23", SL_CONFLICT},            /* constraint */
    {"24", SL_INVALID_ARGUMENT},    /* cursor state */
    {"25001", SL_INVALID_ARGUMENT}, /* not in a transaction */
    {"25006", SL_UNAVAILABLE},      /* no primary (any more) */
    {"25P03", SL_UNAVAILABLE},      /* idle for too long: connection ended */
    {"25", SL_CONFLICT},            /* transaction state */
    {"26", SL_INVALID_ARGUMENT},    /* statement name */
    {"27", SL_CONFLICT},            /* triggered data change */
    {"28", SL_UNAUTHENTICATED},
    {"2B", SL_CONFLICT},         /* others depend on it */
    {"2D", SL_INVALID_ARGUMENT}, /* transaction termination */
    {"2F", SL_INVALID_ARGUMENT}, /* routine */
    {"34", SL_INVALID_ARGUMENT}, /* cursor name */
    {"38", SL_INVALID_ARGUMENT}, /* external routine */
    {"39", SL_INVALID_ARGUMENT}, /* external routine's invocation */
    {"3B", SL_INVALID_ARGUMENT}, /* savepoint */
    {"3D", SL_UNAVAILABLE},      /* no such database */
    {"3F", SL_INVALID_ARGUMENT}, /* schema name */
    {"40001", SL_ABORTED},       /* serialization */
    {"40P01", SL_ABORTED},       /* deadlock */
    {"40003", SL_UNAVAILABLE},   /* completion unknown */
    {"40", SL_CONFLICT},         /* rolled back */
    {"42501", SL_PERMISSION_DENIED},
    {"42701", SL_ALREADY_EXISTS},     /* column */
    {"42710", SL_ALREADY_EXISTS},     /* object */
    {"42723", SL_ALREADY_EXISTS},     /* function */
    {"42P04", SL_ALREADY_EXISTS},     /* database */
    {"42P06", SL_ALREADY_EXISTS},     /* schema */
    {"42P07", SL_ALREADY_EXISTS},     /* table */
    {"42", SL_INVALID_ARGUMENT},      /* syntax, names, types */
    {"44", SL_CONFLICT},              /* with check option */
    {"53400", SL_TOO_LARGE},          /* configured limit: temp_file_limit */
    {"53100", SL_RESOURCE_EXHAUSTED}, /* disk */
    {"53200", SL_RESOURCE_EXHAUSTED}, /* memory */
    {"53", SL_UNAVAILABLE},           /* connections */
    {"54", SL_TOO_LARGE},             /* the program's limits */
    {"55P02", SL_INVALID_ARGUMENT},   /* setting cannot be changed now */
    {"55P03", SL_ABORTED},            /* lock not available */
    {"55P04", SL_INVALID_ARGUMENT},   /* enum value too new */
    {"55", SL_CONFLICT},              /* state, in use */
    {"57014", SL_TIMEOUT},            /* cancelled */
    {"57", SL_UNAVAILABLE},           /* shutdown, crash, starting up */
    {"58P01", SL_INVALID_ARGUMENT},   /* no such file */
    {"58P02", SL_INVALID_ARGUMENT},   /* file exists */
    {"58", SL_INTERNAL},              /* system, I/O */
    {"72", SL_ABORTED},               /* snapshot too old */
    {"F0", SL_INTERNAL},              /* configuration file */
    {"HV", SL_UNAVAILABLE},           /* foreign data */
    {"P0", SL_CONFLICT},              /* raised by a function */
    {"XX", SL_INTERNAL},
};

static const struct meaning *find_meaning(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (strncmp(sqlstate, meanings[i].code, strlen(meanings[i].code)) == 0)
            return &meanings[i];
    return NULL;
}

enum sl_status sl_pg_status_of(const char *sqlstate)
{
    const struct meaning *meaning = find_meaning(sqlstate);

    return meaning != NULL ? meaning->status : SL_INTERNAL;
}

bool sl_pg_is_undone(const PGresult *result)
{
    const char *sqlstate = sl_pg_sqlstate(result);
    const char *severity =
        PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return sqlstate[0] != '\0' && strncmp(sqlstate, "08", 2) != 0 &&
           strcmp(sqlstate, "40003") != 0 &&
           (severity == NULL || strcmp(severity, "PANIC") != 0);
}

const char *sl_pg_sqlstate(const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return sqlstate != NULL ? sqlstate : "";
}

/* Messages are one line of UTF-8; a server may send other bytes. */
static void clean_postgres_text(char *text)
{
    bool is_text = sl_bytes_are_text(sl_bytes_of(text));

    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ')
            *text = ' ';
        else if (!is_text && (unsigned char)*text >= 0x80)
            *text = '?';
}

/* --- Results ------------------------------------------------------------ */

/* Our own texts for errors whose message may not be shown. */
static const char *describe_sqlstate(const char *sqlstate)
{
    static const struct {
        const char *code, *text;
    } words[] = {
        {"22001", "a text is too long for its column"},
        {"22003", "a number is out of the range of its type"},
        {"22012", "a division by zero"},
        {"22P02", "a value does not have the form of its type"},
        {"22007", "a value does not have the form of its type"},
        {"22008", "a date or time is out of range"},
        {"22P03", "a value does not have the form of its type"},
        {"22P05", "a character that the database cannot hold"},
        {"22", "a value does not fit"},
        {"23505", "a row with this key exists"},
        {"23502", "a null value in a column that must not be null"},
        {"23503", "a foreign key constraint was violated"},
        {"23514", "a check constraint was violated"},
        {"23", "a constraint was violated"},
        {"P0", "a function of the database refused it"},
        {"", "the statement failed"},
    };
    size_t i = 0;

    while (strncmp(sqlstate, words[i].code, strlen(words[i].code)) != 0)
        i++;
    return words[i].text;
}

/* Append the names that the server sent: `, constraint "c", table "t"`. */
static void append_names(const PGresult *result, char *out, size_t size)
{
    static const struct {
        int field;
        const char *what;
    } names[] = {
        {PG_DIAG_CONSTRAINT_NAME, "constraint"},
        {PG_DIAG_COLUMN_NAME, "column"},
        {PG_DIAG_TABLE_NAME, "table"},
        {PG_DIAG_DATATYPE_NAME, "type"},
    };
    size_t len = strlen(out);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *name = PQresultErrorField(result, names[i].field);
        if (name == NULL || name[0] == '\0' || len >= size)
            continue;
        snprintf(out + len, size - len, ", %s \"%s\"", names[i].what, name);
        len = strlen(out);
    }
}

enum sl_status sl_pg_explain(const PGresult *result, bool show_message,
                             struct sl_error *err)
{
    char text[SL_ERROR_MESSAGE_MAX];
    const char *sqlstate = sl_pg_sqlstate(result);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (message == NULL)
        return sl_fail(err, SL_UNAVAILABLE,
                       "PostgreSQL: the server sent no error message");
    if (show_message) {
        snprintf(text, sizeof(text), "%s", message);
    } else {
        snprintf(text, sizeof(text), "%s", describe_sqlstate(sqlstate));
        append_names(result, text, sizeof(text));
    }
    clean_postgres_text(text);
    return sl_fail(err, sl_pg_status_of(sqlstate), "PostgreSQL says: %s (%s)",
                   text, sqlstate);
}

/* --- Connecting --------------------------------------------------------- */

/* The "28P01: …" in "FATAL:  28P01: …", or NULL. */
static const char *find_sqlstate(const char *text)
{
    for (const char *at = text; (at = strstr(at, ":  ")) != NULL; at++) {
        const char *code = at + 3;
        size_t len = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (len == 5 && code[5] == ':' && code[6] == ' ')
            return code;
    }
    return NULL;
}

/* The first line, without "connection to server at …, port … failed: ". */
static void first_line(const char *text, char out[SL_ERROR_MESSAGE_MAX])
{
    const char *failed = strstr(text, " failed: ");

    if (failed != NULL)
        text = failed + strlen(" failed: ");
    snprintf(out, SL_ERROR_MESSAGE_MAX, "%.*s", (int)strcspn(text, "\r\n"),
             text);
    clean_postgres_text(out);
}

/* Errors of libpq itself. */
static const struct {
    const char *part;
    enum sl_status status;
    const char *remedy;
} causes[] = {
    {"certificate verify failed", SL_UNAUTHENTICATED,
     "the authority of the server's certificate is not trusted; set ca"},
    {"does not match host name", SL_UNAUTHENTICATED,
     "the server's certificate is for another name"},
    {"server does not support SSL", SL_UNAUTHENTICATED,
     "the server has no TLS, which `tls` in the manifest requires"},
    {"root certificate file", SL_UNAUTHENTICATED,
     "the file of authorities cannot be read; set ca"},
    {"certificate file", SL_UNAUTHENTICATED,
     "the client's certificate cannot be read"},
    {"private key file", SL_UNAUTHENTICATED,
     "the key cannot be used; only its owner may be able to read it"},
    {"no password supplied", SL_UNAUTHENTICATED,
     "the server requires a password; set `password`"},
    {"unexpected eof", SL_UNAVAILABLE, "the connection was lost"},
    {"SSL error", SL_UNAUTHENTICATED, "TLS with the server failed"},
    {"Connection refused", SL_UNAVAILABLE,
     "connection refused; is the server running there?"},
};

enum sl_status sl_pg_explain_connect(const char *text, const char *where,
                                     struct sl_error *err)
{
    char line[SL_ERROR_MESSAGE_MAX];
    const char *code = find_sqlstate(text);

    if (code != NULL) {
        first_line(code + 7, line);
        return sl_fail(err, sl_pg_status_of(code), "%s: %s (%.5s)", where, line,
                       code);
    }
    first_line(text, line);
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (strstr(text, causes[i].part) != NULL)
            return sl_fail(err, causes[i].status, "%s: %s (%s)", where,
                           causes[i].remedy, line);
    return sl_fail(err, SL_UNAVAILABLE, "%s: %s", where, line);
}

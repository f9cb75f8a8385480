/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What statements of guests may do: anything that the database allows its user,
 * but nothing to the session, which is shared, and in a transaction nothing
 * that commits it.  Both show in the words of a statement; what a stored
 * procedure does is undone by resetting the session.
 */
#include <string.h>
#include <strings.h>

#include "sql/mysql_state.h"

static bool is_one_of(struct sl_bytes word, const char *const words[])
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (word.len == strlen(words[i]) &&
            strncasecmp((const char *)word.ptr, words[i], word.len) == 0)
            return true;
    return false;
}

static bool is(struct sl_bytes word, const char *text)
{
    const char *const words[] = {text, NULL};

    return is_one_of(word, words);
}

static const char *const reading[] = {
    "SELECT",  "TABLE",    "VALUES", "WITH", "SHOW",
    "EXPLAIN", "DESCRIBE", "DESC",   NULL,
};

static const char *const writing[] = {
    "INSERT", "REPLACE", "UPDATE", "DELETE", "CALL", "DO", NULL,
};

/* What stays with the session, or acts on others'. */
static const char *const denied[] = {
    "USE",    "SET",     "PREPARE", "EXECUTE", "DEALLOCATE", "LOCK",
    "UNLOCK", "HANDLER", "FLUSH",   "BACKUP",  NULL,
};

/* Functions that lock for the session. */
static const char *const locking[] = {
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    NULL,
};

/*
 * What may stand in front of a parenthesis in a statement that reads and is no
 * stored function.  What is not here only costs two more trips to the server.
 */
static const char *const harmless[] = {
    "ABS",          "ALL",         "AND",          "ANY",          "AS",
    "AVG",          "BETWEEN",     "BY",           "CASE",         "CAST",
    "CEIL",         "CHAR",        "COALESCE",     "CONCAT",       "CONVERT",
    "COUNT",        "DATE",        "DATE_ADD",     "DATE_FORMAT",  "DATE_SUB",
    "DECIMAL",      "DISTINCT",    "ELSE",         "EXISTS",       "EXTRACT",
    "FLOOR",        "FROM",        "GREATEST",     "GROUP_CONCAT", "HAVING",
    "HEX",          "IF",          "IFNULL",       "IN",           "JOIN",
    "JSON_EXTRACT", "JSON_OBJECT", "JSON_UNQUOTE", "JSON_VALUE",   "LEAST",
    "LEFT",         "LENGTH",      "LIKE",         "LOWER",        "MATCH",
    "MAX",          "MD5",         "MIN",          "MOD",          "MONTH",
    "NOT",          "NOW",         "NULLIF",       "ON",           "OR",
    "OVER",         "POWER",       "REPLACE",      "RIGHT",        "ROUND",
    "ROW_NUMBER",   "SELECT",      "SHA2",         "SUBSTR",       "SUBSTRING",
    "SUM",          "THEN",        "TRIM",         "TRUNCATE",     "UNION",
    "UNHEX",        "UPPER",       "USING",        "VALUES",       "VARCHAR",
    "WHEN",         "WHERE",       "YEAR",         NULL,
};

/* What was seen of a statement so far. */
struct look {
    struct sl_sql_mysql_kind kind;
    struct sl_sql_token before; /* the last that is more than space */
    size_t words;
    bool first;   /* nothing was seen yet */
    bool defines; /* CREATE, ALTER, DROP … */
    bool at;      /* before is an @ that stands alone so far */
    bool system;  /* before is @@ */
};

static void see_first(struct look *look, const struct sl_sql_token *token)
{
    struct sl_sql_mysql_kind *kind = &look->kind;
    bool parenthesis = token->text.ptr[0] == '(';

    look->first = false;
    kind->reads = parenthesis || is_one_of(token->text, reading);
    kind->in_transaction = kind->reads || is_one_of(token->text, writing);
    kind->inserts = is(token->text, "INSERT") || is(token->text, "REPLACE");
    kind->calls = is(token->text, "CALL");
    look->defines = !kind->in_transaction;
    if (is_one_of(token->text, denied))
        kind->denied = "what changes the session (SET, USE, LOCK, PREPARE …)";
}

/* A user's variable is the session's; @@ is only read; 'user'@'host' is in what
 * defines things. */
static void see_at(struct look *look, const struct sl_sql_token *token)
{
    bool is_at = token->type == SL_SQL_OTHER && token->text.ptr[0] == '@';

    if (look->at && !is_at && !look->system && !look->defines)
        look->kind.denied = "variables of the session (@name)";
    look->system = look->at && is_at;
    look->at = is_at;
}

/* A function's name may be quoted, also that of a built-in one. */
static void see_parenthesis(struct look *look)
{
    struct sl_bytes word = look->before.text;
    bool quoted = look->before.type == SL_SQL_QUOTED && word.ptr[0] == '`';

    if (quoted)
        word = SL_BYTES(word.ptr + 1, word.len - 2);
    else if (look->before.type != SL_SQL_WORD)
        return;
    if (is_one_of(word, locking))
        look->kind.denied = "locks of the session; use slight:lockd";
    if (quoted || !is_one_of(word, harmless))
        look->kind.may_write = true;
}

/* CREATE [OR REPLACE] TEMPORARY … */
static void see_word(struct look *look, const struct sl_sql_token *token)
{
    enum { IN_FRONT = 4 };

    if (look->defines && ++look->words <= IN_FRONT &&
        is(token->text, "TEMPORARY"))
        look->kind.denied = "temporary tables";
}

struct sl_sql_mysql_kind sl_sql_mysql_kind_of(struct sl_bytes text)
{
    struct sl_sql_lexer lexer = {text, SL_SQL_MYSQL};
    struct look look = {.first = true};

    for (;;) {
        struct sl_sql_token token = sl_sql_next(&lexer);
        if (token.type == SL_SQL_END || token.type == SL_SQL_BAD)
            return look.kind;
        if (token.type == SL_SQL_SPACE)
            continue;
        if (look.first)
            see_first(&look, &token);
        see_at(&look, &token);
        if (token.type == SL_SQL_WORD)
            see_word(&look, &token);
        if (token.type == SL_SQL_OTHER && token.text.ptr[0] == '(')
            see_parenthesis(&look);
        look.before = token;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What statements of guests may do: anything that the database allows its user,
 * but nothing to the session, which is shared, nothing with the statements of
 * others who have the same user, and in a transaction nothing that commits it.
 * All show in the words of a statement.  What a stored routine or a trigger
 * does to the session is told by the server (mysql_wait.c), and undone by
 * resetting it.
 */
#include <string.h>
#include <strings.h>

#include "sql/mysql/state.h"

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
    "SELECT",  "TABLE",    "VALUES", "WITH",     "SHOW",
    "EXPLAIN", "DESCRIBE", "DESC",   "CHECKSUM", NULL,
};

static const char *const writing[] = {
    "INSERT", "REPLACE", "UPDATE", "DELETE", "CALL", "DO", "BEGIN", NULL,
};

/* What stays with the session, or acts on others'. */
static const char *const denied[] = {
    "USE",    "SET",     "PREPARE", "EXECUTE", "DEALLOCATE", "LOCK",
    "UNLOCK", "HANDLER", "FLUSH",   "BACKUP",  NULL,
};

static const char *const defining[] = {
    "CREATE", "ALTER", "DROP", "RENAME", NULL,
};

static const char *const granting[] = {"GRANT", "REVOKE", NULL};

/* Where the server shows the statements of its other connections. */
static const char *const revealing[] = {
    "PROCESSLIST", "PERFORMANCE_SCHEMA", "INNODB_TRX",
    "GENERAL_LOG", "SLOW_LOG",           NULL,
};

/* SHOW … of them. */
static const char *const shown[] = {"EXPLAIN", "ANALYZE", "ENGINE", NULL};

/* Functions that lock for the session. */
static const char *const locking[] = {
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    NULL,
};

/* What may stand in front of a parenthesis, and is no function: reserved words.
 */
static const char *const keywords[] = {
    "ALL",      "AND",   "ANY",    "AS",   "BETWEEN", "BY",     "CASE",
    "DISTINCT", "ELSE",  "EXISTS", "FROM", "HAVING",  "IN",     "JOIN",
    "LIKE",     "NOT",   "ON",     "OR",   "OVER",    "SELECT", "THEN",
    "UNION",    "USING", "VALUES", "WHEN", "WHERE",   NULL};

/* What was seen of a statement so far. */
struct look {
    struct sl_sql_mysql_kind kind;
    struct sl_sql_token before; /* the last that is more than space */
    size_t words;
    bool first;    /* nothing was seen yet */
    bool accounts; /* what has an @ in it may be user@host */
    bool grants;   /* GRANT, REVOKE */
    /* Only SHOW, or SHOW CREATE, was seen. */
    enum { NO_SHOW, SHOW, SHOW_CREATE } show;
    bool at;        /* before is an @ that stands alone so far */
    bool system;    /* before is @@ */
    bool space;     /* some was between before and what comes */
    bool dot;       /* before is one */
    bool qualified; /* before has one in front of it */
    enum { NO_TARGET, INTO, TARGET } target; /* before is in INTO name */
};

static void see_first(struct look *look, const struct sl_sql_token *token)
{
    struct sl_sql_mysql_kind *kind = &look->kind;
    bool parenthesis = token->text.ptr[0] == '(';

    look->first = false;
    kind->reads = parenthesis || is_one_of(token->text, reading);
    kind->in_transaction = kind->reads || is_one_of(token->text, writing);
    kind->inserts = is(token->text, "INSERT") || is(token->text, "REPLACE");
    /* BEGIN NOT ATOMIC is a procedure without a name. */
    kind->calls = is(token->text, "CALL") || is(token->text, "BEGIN");
    look->show = is(token->text, "SHOW") ? SHOW : NO_SHOW;
    look->grants = is_one_of(token->text, granting);
    look->accounts = look->grants || is_one_of(token->text, defining);
    if (is_one_of(token->text, denied))
        kind->denied = "what changes the session (SET, USE, LOCK, PREPARE …)";
}

/* The name without its quotes, or what is no name: empty. */
static struct sl_bytes name_of(const struct sl_sql_token *token)
{
    if (token->type == SL_SQL_QUOTED && token->text.ptr[0] == '`')
        return SL_BYTES(token->text.ptr + 1, token->text.len - 2);
    return token->type == SL_SQL_WORD ? token->text : SL_BYTES("", 0);
}

/*
 * What shows the statements of the user's other connections, and ends them: the
 * server lets a user do both.  KILL is reserved: it is no name but in quotes.
 */
static void see_others(struct look *look, const struct sl_sql_token *token)
{
    struct sl_bytes name = name_of(token), before = name_of(&look->before);
    bool word = token->type == SL_SQL_WORD;
    bool dot = token->type == SL_SQL_OTHER && token->text.ptr[0] == '.';

    if ((word && !look->dot && is(name, "KILL")) ||
        is_one_of(name, revealing) || (dot && is(before, "SYS")) ||
        (word && is(before, "SHOW") && is_one_of(name, shown)) ||
        (word && is(before, "FOR") && is(name, "CONNECTION")))
        look->kind.denied = "others' statements (KILL, SHOW PROCESSLIST, "
                            "performance_schema, sys …)";
}

/* A user's variable is the session's; @@ is only read; 'user'@'host' is in what
 * defines things, and so are bodies of routines, which do not run by that. */
static void see_at(struct look *look, const struct sl_sql_token *token)
{
    bool is_at = token->type == SL_SQL_OTHER && token->text.ptr[0] == '@';

    if (look->at && !is_at && !look->system && !look->accounts)
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
    if (!quoted && !look->qualified && is_one_of(word, keywords))
        return;
    if (look->target == TARGET)
        return; /* INSERT INTO name (… */
    if (quoted || look->qualified || look->space ||
        !sl_sql_mysql_is_built_in(word))
        look->kind.may_write = true;
}

/* INTO name, INTO database.name */
static void see_target(struct look *look, const struct sl_sql_token *token)
{
    bool dot = token->type == SL_SQL_OTHER && token->text.ptr[0] == '.';
    bool name = token->type == SL_SQL_WORD || token->type == SL_SQL_QUOTED;

    if (token->type == SL_SQL_WORD && is(token->text, "INTO"))
        look->target = INTO;
    else if (look->target == INTO && name)
        look->target = TARGET;
    else if (look->target == TARGET && dot)
        look->target = INTO;
    else
        look->target = NO_TARGET;
}

/* CREATE [OR REPLACE] TEMPORARY …, CREATE [OR REPLACE] TABLE … SELECT */
static void see_word(struct look *look, const struct sl_sql_token *token)
{
    enum { IN_FRONT = 4 };

    if (look->kind.in_transaction || look->grants || ++look->words > IN_FRONT)
        return;
    if (is(token->text, "TEMPORARY"))
        look->kind.denied = "temporary tables";
    if (is(token->text, "TABLE"))
        look->accounts = false;
}

/*
 * SHOW GRANTS FOR user@host, SHOW CREATE USER user@host: neither can have a
 * variable.  SHOW WARNINGS, SHOW ERRORS, and SHOW COUNT(*) of them ask of the
 * statement before.  A SHOW CREATE USER that was prepared is run once: MySQL
 * (9.7) never comes back from the second time, not even by KILL.
 */
static void see_show(struct look *look, const struct sl_sql_token *token)
{
    static const char *const of_before[] = {"WARNINGS", "ERRORS", "COUNT",
                                            NULL};
    bool first = look->show == SHOW, second = look->show == SHOW_CREATE;

    if (look->show == NO_SHOW || is(token->text, "SHOW"))
        return;
    look->show = NO_SHOW;
    if (token->type != SL_SQL_WORD)
        return;
    bool user = second && is(token->text, "USER");
    look->kind.as_text = user || (first && is_one_of(token->text, of_before));
    look->accounts |= user || (first && is(token->text, "GRANTS"));
    if (first && is(token->text, "CREATE"))
        look->show = SHOW_CREATE;
}

static void see(struct look *look, const struct sl_sql_token *token)
{
    bool other = token->type == SL_SQL_OTHER;

    if (look->first)
        see_first(look, token);
    see_show(look, token);
    see_at(look, token);
    see_others(look, token);
    if (token->type == SL_SQL_WORD)
        see_word(look, token);
    if (other && token->text.ptr[0] == '(')
        see_parenthesis(look);
    see_target(look, token);
    look->qualified = look->dot;
    look->dot = other && token->text.ptr[0] == '.';
    look->before = *token;
}

struct sl_sql_mysql_kind sl_sql_mysql_kind_of(struct sl_bytes text)
{
    struct sl_sql_lexer lexer = {text, SL_SQL_MYSQL};
    struct look look = {.first = true};

    for (;;) {
        struct sl_sql_token token = sl_sql_next(&lexer);
        if (token.type == SL_SQL_END || token.type == SL_SQL_BAD)
            return look.kind;
        if (token.type != SL_SQL_SPACE)
            see(&look, &token);
        look.space = token.type == SL_SQL_SPACE;
    }
}

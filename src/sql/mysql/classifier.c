/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statement classifier.  A guest's statement may do anything that the
 * database allows its user, with three exceptions: it must not change the
 * session, which is shared; it must not reach the statements of others who have
 * the same user; and in a transaction it must not commit.  The words of the
 * statement show all of these.  The server reports what a stored routine or a
 * trigger does to the session (wait.c), which is then reset (session.c).
 */
#include <string.h>
#include <strings.h>

#include "sql/mysql/connection.h"

static const char *const reading_words[] = {
    "SELECT",  "TABLE",    "VALUES", "WITH",     "SHOW",
    "EXPLAIN", "DESCRIBE", "DESC",   "CHECKSUM", NULL,
};

static const char *const writing_words[] = {
    "INSERT", "REPLACE", "UPDATE", "DELETE", "CALL", "DO", "BEGIN", NULL,
};

/* Statements that change the session, or other sessions. */
static const char *const denied_words[] = {
    "USE",    "SET",     "PREPARE", "EXECUTE", "DEALLOCATE", "LOCK",
    "UNLOCK", "HANDLER", "FLUSH",   "BACKUP",  NULL,
};

static const char *const defining_words[] = {
    "CREATE", "ALTER", "DROP", "RENAME", NULL,
};

static const char *const granting_words[] = {"GRANT", "REVOKE", NULL};

/* Names that show the statements of other connections. */
static const char *const revealing_names[] = {
    "PROCESSLIST", "PERFORMANCE_SCHEMA", "INNODB_TRX",
    "GENERAL_LOG", "SLOW_LOG",           NULL,
};

/* SHOW … that shows them. */
static const char *const revealing_shows[] = {"EXPLAIN", "ANALYZE", "ENGINE",
                                              NULL};

/* Functions with locks of the session. */
static const char *const lock_functions[] = {
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    NULL,
};

/* Reserved words that may come before a parenthesis. */
static const char *const reserved_words[] = {
    "ALL",      "AND",   "ANY",    "AS",   "BETWEEN", "BY",     "CASE",
    "DISTINCT", "ELSE",  "EXISTS", "FROM", "HAVING",  "IN",     "JOIN",
    "LIKE",     "NOT",   "ON",     "OR",   "OVER",    "SELECT", "THEN",
    "UNION",    "USING", "VALUES", "WHEN", "WHERE",   NULL};

/* The state of the classifier. */
struct classifier {
    struct sl_sql_mysql_class class;
    struct sl_sql_token before; /* the last token that is not space */
    size_t words;
    bool first;    /* before the first token */
    bool accounts; /* an @ may be in user@host */
    bool grants;   /* GRANT, REVOKE */
    /* After SHOW, or SHOW CREATE. */
    enum { NO_SHOW, SHOW, SHOW_CREATE } show;
    bool at;        /* `before` is a single @ so far */
    bool system;    /* `before` is @@ */
    bool space;     /* between `before` and the next token */
    bool dot;       /* `before` is one */
    bool qualified; /* `before` follows a dot */
    enum { NO_TARGET, INTO, TARGET } target; /* `before` is in INTO name */
};

static void classify_first_word(struct classifier *state,
                                const struct sl_sql_token *token)
{
    struct sl_sql_mysql_class *class = &state->class;
    bool parenthesis = token->text.ptr[0] == '(';

    state->first = false;
    class->reads = parenthesis || sl_sql_is_one_of(token->text, reading_words);
    class->in_transaction =
        class->reads || sl_sql_is_one_of(token->text, writing_words);
    class->inserts = sl_sql_is_word(token->text, "INSERT") ||
                     sl_sql_is_word(token->text, "REPLACE");
    /* BEGIN NOT ATOMIC is an anonymous procedure. */
    class->calls = sl_sql_is_word(token->text, "CALL") ||
                   sl_sql_is_word(token->text, "BEGIN");
    state->show = sl_sql_is_word(token->text, "SHOW") ? SHOW : NO_SHOW;
    state->grants = sl_sql_is_one_of(token->text, granting_words);
    state->accounts =
        state->grants || sl_sql_is_one_of(token->text, defining_words);
    if (sl_sql_is_one_of(token->text, denied_words))
        class->denied =
            "statements that change the session (SET, USE, LOCK, PREPARE …)";
}

/* The name without its quotes; empty: it is not a name. */
static struct sl_bytes unquoted_name(const struct sl_sql_token *token)
{
    if (token->type == SL_SQL_QUOTED && token->text.ptr[0] == '`')
        return SL_BYTES(token->text.ptr + 1, token->text.len - 2);
    return token->type == SL_SQL_WORD ? token->text : SL_BYTES("", 0);
}

/*
 * Statements that show or kill what other connections of the user do, which the
 * server allows.  KILL is a reserved word, so it is only a name in quotes.
 */
static void classify_others(struct classifier *state,
                            const struct sl_sql_token *token)
{
    struct sl_bytes name = unquoted_name(token),
                    before = unquoted_name(&state->before);
    bool word = token->type == SL_SQL_WORD;
    bool dot = token->type == SL_SQL_OTHER && token->text.ptr[0] == '.';

    if ((word && !state->dot && sl_sql_is_word(name, "KILL")) ||
        sl_sql_is_one_of(name, revealing_names) ||
        (dot && sl_sql_is_word(before, "SYS")) ||
        (word && sl_sql_is_word(before, "SHOW") &&
         sl_sql_is_one_of(name, revealing_shows)) ||
        (word && sl_sql_is_word(before, "FOR") &&
         sl_sql_is_word(name, "CONNECTION")))
        state->class.denied =
            "what reaches other connections (KILL, SHOW PROCESSLIST, "
            "performance_schema, sys …)";
}

/* User variables belong to the session.  @@name is only read here.  Definitions
 * may have 'user'@'host', and bodies of routines, which do not run yet. */
static void classify_at(struct classifier *state,
                        const struct sl_sql_token *token)
{
    bool is_at = token->type == SL_SQL_OTHER && token->text.ptr[0] == '@';

    if (state->at && !is_at && !state->system && !state->accounts)
        state->class.denied = "session variables (@name)";
    state->system = state->at && is_at;
    state->at = is_at;
}

/* The name of a function may be quoted, even that of a built-in one. */
static void classify_call(struct classifier *state)
{
    struct sl_bytes word = state->before.text;
    bool quoted = state->before.type == SL_SQL_QUOTED && word.ptr[0] == '`';

    if (quoted)
        word = SL_BYTES(word.ptr + 1, word.len - 2);
    else if (state->before.type != SL_SQL_WORD)
        return;
    if (sl_sql_is_one_of(word, lock_functions))
        state->class.denied = "session locks; use slight:lockd";
    if (!quoted && !state->qualified && sl_sql_is_one_of(word, reserved_words))
        return;
    if (state->target == TARGET)
        return; /* INSERT INTO name (… */
    if (quoted || state->qualified || state->space ||
        !sl_sql_mysql_is_built_in(word))
        state->class.may_write = true;
}

/* INTO name, INTO database.name */
static void track_into_target(struct classifier *state,
                              const struct sl_sql_token *token)
{
    bool dot = token->type == SL_SQL_OTHER && token->text.ptr[0] == '.';
    bool name = token->type == SL_SQL_WORD || token->type == SL_SQL_QUOTED;

    if (token->type == SL_SQL_WORD && sl_sql_is_word(token->text, "INTO"))
        state->target = INTO;
    else if (state->target == INTO && name)
        state->target = TARGET;
    else if (state->target == TARGET && dot)
        state->target = INTO;
    else
        state->target = NO_TARGET;
}

/* CREATE [OR REPLACE] TEMPORARY …, CREATE [OR REPLACE] TABLE … SELECT */
static void classify_word(struct classifier *state,
                          const struct sl_sql_token *token)
{
    enum { IN_FRONT = 4 };

    if (state->class.in_transaction || state->grants ||
        ++state->words > IN_FRONT)
        return;
    if (sl_sql_is_word(token->text, "TEMPORARY"))
        state->class.denied = "temporary tables";
    if (sl_sql_is_word(token->text, "TABLE"))
        state->accounts = false;
}

/*
 * SHOW GRANTS FOR user@host and SHOW CREATE USER user@host cannot have a
 * variable.  SHOW WARNINGS, SHOW ERRORS and their SHOW COUNT(*) ask about the
 * statement before.  SHOW CREATE USER runs as text: a prepared one hangs MySQL
 * (9.7) when it runs for the second time, even after a KILL.
 */
static void classify_show(struct classifier *state,
                          const struct sl_sql_token *token)
{
    static const char *const of_before[] = {"WARNINGS", "ERRORS", "COUNT",
                                            NULL};
    bool first = state->show == SHOW, second = state->show == SHOW_CREATE;

    if (state->show == NO_SHOW || sl_sql_is_word(token->text, "SHOW"))
        return;
    state->show = NO_SHOW;
    if (token->type != SL_SQL_WORD)
        return;
    bool user = second && sl_sql_is_word(token->text, "USER");
    state->class.as_text =
        user || (first && sl_sql_is_one_of(token->text, of_before));
    state->accounts |= user || (first && sl_sql_is_word(token->text, "GRANTS"));
    if (first && sl_sql_is_word(token->text, "CREATE"))
        state->show = SHOW_CREATE;
}

static void classify_token(struct classifier *state,
                           const struct sl_sql_token *token)
{
    bool other = token->type == SL_SQL_OTHER;

    if (state->first)
        classify_first_word(state, token);
    classify_show(state, token);
    classify_at(state, token);
    classify_others(state, token);
    if (token->type == SL_SQL_WORD)
        classify_word(state, token);
    if (other && token->text.ptr[0] == '(')
        classify_call(state);
    track_into_target(state, token);
    state->qualified = state->dot;
    state->dot = other && token->text.ptr[0] == '.';
    state->before = *token;
}

struct sl_sql_mysql_class sl_sql_mysql_classify(struct sl_bytes text)
{
    struct sl_sql_lexer lexer = {text, SL_SQL_MYSQL};
    struct classifier state = {.first = true};

    for (;;) {
        struct sl_sql_token token = sl_sql_next(&lexer);
        if (token.type == SL_SQL_END || token.type == SL_SQL_BAD)
            return state.class;
        if (token.type != SL_SQL_SPACE)
            classify_token(&state, &token);
        state.space = token.type == SL_SQL_SPACE;
    }
}

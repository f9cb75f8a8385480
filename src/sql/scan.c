/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a statement ends.  Only these have semicolons inside:
 *
 *   SQLite      CREATE TRIGGER … BEGIN …; …; END
 *   PostgreSQL  CREATE FUNCTION, PROCEDURE … BEGIN ATOMIC …; …; END
 *               CREATE RULE … DO (…; …)
 *   MySQL       CREATE PROCEDURE, FUNCTION, TRIGGER, EVENT, and ALTER EVENT,
 *               whose body is a compound statement: BEGIN …; END,
 *               IF … THEN …; END IF, CASE, LOOP, REPEAT, WHILE
 *   MariaDB     these, PACKAGE, and BEGIN NOT ATOMIC …; END by itself
 */
#include <string.h>
#include <strings.h>

#include "sql/lexer.h"

/* What the semicolons of a statement may be. */
enum body {
    NO_BODY,
    SQLITE_TRIGGER,
    ATOMIC,   /* what may have BEGIN ATOMIC */
    RULE,     /* what may have parentheses with semicolons */
    COMPOUND, /* what may have a compound statement */
};

/* What was seen of a text so far. */
struct scan {
    struct sl_sql_lexer lexer;
    size_t placeholders;
    size_t words;         /* but for EXPLAIN and its kin in front */
    bool begun;           /* something of a statement */
    bool over;            /* its semicolon */
    bool create;          /* CREATE, and no word yet of what */
    bool alter;           /* ALTER, likewise */
    enum body body;       /* of what is made */
    size_t parentheses;   /* that are open */
    size_t blocks;        /* BEGIN and CASE that are open */
    bool opened;          /* a compound statement was begun */
    bool in_begin;        /* which is BEGIN */
    bool semicolon;       /* in a body, there was one */
    bool body_over;       /* the END of the body's first BEGIN was seen */
    bool ending;          /* the last word is an END that may be a block's */
    size_t since_end;     /* words since the last END; or many */
    struct sl_bytes last; /* token, more than space; empty: none */
};

enum { MANY = 100 };

static bool is_word(struct sl_bytes text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

static bool is_one_of(struct sl_bytes text, const char *const words[])
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (is_word(text, words[i]))
            return true;
    return false;
}

/* The next token that is more than space. */
static struct sl_sql_token peek(const struct scan *scan)
{
    struct sl_sql_lexer lexer = scan->lexer;
    struct sl_sql_token token;

    do
        token = sl_sql_next(&lexer);
    while (token.type == SL_SQL_SPACE);
    return token;
}

static bool next_is(const struct scan *scan, const char *word)
{
    struct sl_sql_token token = peek(scan);

    return token.type == SL_SQL_WORD && is_word(token.text, word);
}

/* --- Bodies ------------------------------------------------------------- */

/* What is made, by the word behind CREATE [OR REPLACE] [DEFINER = …]. */
static void see_made(struct scan *scan, struct sl_bytes word)
{
    static const char *const routines[] = {"PROCEDURE", "FUNCTION", "TRIGGER",
                                           "EVENT",     "PACKAGE",  NULL};
    static const char *const atomic[] = {"PROCEDURE", "FUNCTION", NULL};
    static const char *const others[] = {"TABLE", "VIEW",   "INDEX", "USER",
                                         "ROLE",  "SCHEMA", NULL};
    unsigned dialect = scan->lexer.dialect;

    if ((dialect & SL_SQL_TRIGGER_BODIES) != 0 && is_word(word, "TRIGGER"))
        scan->body = SQLITE_TRIGGER;
    if ((dialect & SL_SQL_ATOMIC_BODIES) != 0 && is_one_of(word, atomic))
        scan->body = ATOMIC;
    if ((dialect & SL_SQL_RULE_BODIES) != 0 && is_word(word, "RULE"))
        scan->body = RULE;
    if ((dialect & SL_SQL_COMPOUND_BODIES) != 0 && is_one_of(word, routines))
        scan->body = COMPOUND;
    scan->opened = is_word(word, "PACKAGE");
    if (scan->body != NO_BODY || is_one_of(word, others))
        scan->create = false;
}

/* The words in front of what is made. */
static void see_head(struct scan *scan, struct sl_bytes word)
{
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL};
    static const char *const replaced[] = {"OR", "REPLACE", NULL};
    bool compound = (scan->lexer.dialect & SL_SQL_COMPOUND_BODIES) != 0;

    if (scan->words == 0) {
        scan->create = is_word(word, "CREATE");
        scan->alter = compound && is_word(word, "ALTER");
        return;
    }
    if (scan->alter && is_word(word, "EVENT"))
        scan->body = COMPOUND;
    /* A definer's name may stand in between, too. */
    scan->alter = scan->alter && scan->body == NO_BODY;
    if (!scan->create)
        return;
    see_made(scan, word);
    if (!compound && !is_one_of(word, temporary) && !is_one_of(word, replaced))
        scan->create = false;
}

/* A label, as in "SELECT 1 AS end", or a name behind a dot. */
static bool is_name(const struct scan *scan)
{
    return is_word(scan->last, ".") || is_word(scan->last, "AS");
}

/* PostgreSQL: END and CASE are reserved, and so is BEGIN behind nothing. */
static void see_atomic(struct scan *scan, struct sl_bytes word)
{
    if (is_name(scan) || scan->body_over)
        return;
    if (scan->blocks == 0 && is_word(word, "BEGIN"))
        scan->blocks = next_is(scan, "ATOMIC");
    else if (scan->blocks > 0 && is_word(word, "CASE"))
        scan->blocks++;
    else if (scan->blocks > 0 && is_word(word, "END"))
        scan->body_over = --scan->blocks == 0;
}

/* Where a statement of a compound one may begin; anywhere, the first one. */
static bool begins_inside(const struct scan *scan)
{
    static const char *const before[] = {
        "BEGIN", "THEN", "ELSE", "DO", "LOOP", ";", "REPEAT", ":", NULL};

    return is_one_of(scan->last, before) || (!scan->opened && !scan->semicolon);
}

/*
 * MySQL: BEGIN and END are no reserved words, and so may be names.  END closes
 * a block behind a semicolon only, or where that is empty, and none with the
 * name of what it does close behind it.
 */
static void see_compound(struct scan *scan, struct sl_bytes word)
{
    static const char *const openers[] = {"THEN", "LOOP", "REPEAT", "WHILE",
                                          NULL};
    bool end = is_word(word, "END");

    scan->since_end = end ? 0 : scan->since_end + 1;
    if (scan->parentheses > 0)
        return;
    if (is_word(word, "BEGIN") && begins_inside(scan)) {
        scan->in_begin |= !scan->opened;
        scan->blocks++;
        scan->opened = true;
    } else if (is_one_of(word, openers) ||
               (is_word(word, "FOR") && !next_is(scan, "EACH"))) {
        scan->opened = true;
    }
    scan->ending = end && scan->blocks > 0 &&
                   (is_word(scan->last, ";") || is_word(scan->last, "BEGIN"));
}

/* What comes behind END: whether it has closed the first block. */
static void close_block(struct scan *scan, const struct sl_sql_token *seen)
{
    static const char *const others[] = {"IF",    "CASE", "LOOP", "REPEAT",
                                         "WHILE", "FOR",  NULL};

    bool closes = scan->ending &&
                  !(seen->type == SL_SQL_WORD && is_one_of(seen->text, others));

    scan->ending = false;
    if (!closes)
        return;
    scan->body_over = --scan->blocks == 0 && scan->in_begin;
}

/* Whether what follows the semicolon is part of the statement. */
static bool goes_on(struct scan *scan)
{
    scan->semicolon = true;
    switch (scan->body) {
    case SQLITE_TRIGGER:
        return !scan->body_over;
    case ATOMIC:
        return scan->blocks > 0;
    case RULE:
        return scan->parentheses > 0;
    case COMPOUND:
        return scan->opened && !scan->body_over;
    case NO_BODY:
        break;
    }
    return false;
}

/* --- Statements --------------------------------------------------------- */

/* Notes a word; says what is wrong with it, or NULL. */
static const char *see_word(struct scan *scan, struct sl_bytes word)
{
    static const char *const transactions[] = {
        "BEGIN", "START", "COMMIT",    "ROLLBACK", "END",
        "ABORT", "XA",    "SAVEPOINT", "RELEASE",  NULL,
    };
    static const char *const explain[] = {"EXPLAIN", "QUERY", "PLAN", NULL};

    if (!scan->begun && is_word(word, "BEGIN") && next_is(scan, "NOT") &&
        (scan->lexer.dialect & SL_SQL_COMPOUND_BODIES) != 0)
        scan->body = COMPOUND;
    else if (!scan->begun && is_one_of(word, transactions))
        return "a statement for transactions; use begin, commit and rollback";
    if (scan->words == 0 && is_one_of(word, explain))
        return NULL;
    if (scan->body == NO_BODY)
        see_head(scan, word);
    else if (scan->body == SQLITE_TRIGGER)
        scan->body_over |= is_word(scan->last, ";") && is_word(word, "END");
    else if (scan->body == ATOMIC)
        see_atomic(scan, word);
    if (scan->body == COMPOUND)
        see_compound(scan, word);
    scan->words++;
    return NULL;
}

static void see_mark(struct scan *scan, const struct sl_sql_token *seen)
{
    if (is_word(seen->text, "("))
        scan->parentheses++;
    else if (is_word(seen->text, ")") && scan->parentheses > 0)
        scan->parentheses--;
    scan->since_end = MANY;
}

/* Notes a token that is more than space; says what is wrong, or NULL. */
static const char *see(struct scan *scan, const struct sl_sql_token *seen)
{
    const char *problem = NULL;

    close_block(scan, seen);
    if (seen->type == SL_SQL_BAD)
        return seen->problem;
    if (seen->type == SL_SQL_ARGUMENT &&
        (scan->body != ATOMIC || scan->blocks == 0))
        return "a numbered placeholder; write ? for each parameter";
    if (seen->type == SL_SQL_SEMICOLON) {
        if (!scan->begun)
            return "no statement in front of the ;";
        scan->over |= !goes_on(scan);
        return NULL;
    }
    if (scan->over)
        return "a second statement; make two calls";
    if (is_word(scan->last, ";"))
        scan->since_end = MANY;
    if (seen->type == SL_SQL_WORD)
        problem = see_word(scan, seen->text);
    else if (seen->type == SL_SQL_QUOTED)
        scan->since_end++;
    else
        see_mark(scan, seen);
    if (seen->type == SL_SQL_PLACEHOLDER)
        scan->placeholders++;
    scan->begun = true;
    return problem;
}

/* Behind the last token; says what is wrong, or NULL. */
static const char *see_end(const struct scan *scan)
{
    enum { NAMES = 2 }; /* END LOOP label */

    if (!scan->begun)
        return "nothing";
    if (scan->body == ATOMIC && scan->blocks > 0)
        return "BEGIN ATOMIC without its END";
    /* The words of the last statement are none that end a body. */
    if (scan->body == COMPOUND && scan->semicolon && !scan->over &&
        scan->since_end > NAMES)
        return "a second statement, or a body without its END";
    return NULL;
}

static size_t line_of(struct sl_bytes text, const uint8_t *where)
{
    size_t line = 1;

    for (const uint8_t *c = text.ptr; c < where; c++)
        line += *c == '\n';
    return line;
}

static enum sl_status fail_on(struct sl_bytes text, const uint8_t *where,
                              const char *problem, struct sl_error *err)
{
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "the statement has, on line %zu, %s", line_of(text, where),
                   problem);
}

enum sl_status sl_sql_scan(struct sl_bytes text, unsigned dialect,
                           size_t *placeholders, struct sl_error *err)
{
    struct scan scan = {.lexer = {text, dialect}, .since_end = MANY};
    const char *problem;

    for (;;) {
        struct sl_sql_token seen = sl_sql_next(&scan.lexer);
        if (seen.type == SL_SQL_END)
            break;
        if (seen.type == SL_SQL_SPACE)
            continue;
        problem = see(&scan, &seen);
        if (problem != NULL)
            return fail_on(text, seen.text.ptr, problem, err);
        scan.last = seen.text;
    }
    if (!scan.begun)
        return sl_fail(err, SL_INVALID_ARGUMENT, "there is no statement");
    problem = see_end(&scan);
    if (problem != NULL)
        return fail_on(text, text.ptr + text.len, problem, err);
    *placeholders = scan.placeholders;
    return SL_OK;
}

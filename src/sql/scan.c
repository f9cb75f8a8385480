/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a statement ends.  Only these statements contain semicolons:
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

/* Which body of a statement may contain semicolons. */
enum body {
    NO_BODY,
    SQLITE_TRIGGER,
    ATOMIC,   /* it may have BEGIN ATOMIC */
    RULE,     /* it may have semicolons in parentheses */
    COMPOUND, /* it may be a compound statement */
};

/* The state of the scan. */
struct scan {
    struct sl_sql_lexer lexer;
    size_t placeholders;
    size_t words;         /* not counting EXPLAIN, QUERY and PLAN */
    bool begun;           /* after the first token of the statement */
    bool over;            /* after its semicolon */
    bool create;          /* after CREATE, before what it creates */
    bool alter;           /* after ALTER, likewise */
    enum body body;       /* of what is created */
    size_t parentheses;   /* open ones */
    size_t blocks;        /* open BEGIN and CASE */
    bool opened;          /* a compound statement has begun */
    bool in_begin;        /* with BEGIN */
    bool semicolon;       /* there was one in a body */
    bool body_over;       /* after the END of the body's first BEGIN */
    bool ending;          /* the last word is an END that may close a block */
    size_t since_end;     /* words since the last END, or MANY */
    struct sl_bytes last; /* the last token that is not space, or empty */
};

enum { MANY = 100 };

/* The next token that is not space. */
static struct sl_sql_token peek_token(const struct scan *scan)
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
    struct sl_sql_token token = peek_token(scan);

    return token.type == SL_SQL_WORD && sl_sql_is_word(token.text, word);
}

/* --- Bodies ------------------------------------------------------------- */

/* A word after CREATE [OR REPLACE] [DEFINER = …] may say what is created. */
static void scan_created(struct scan *scan, struct sl_bytes word)
{
    static const char *const routines[] = {"PROCEDURE", "FUNCTION", "TRIGGER",
                                           "EVENT",     "PACKAGE",  NULL};
    static const char *const atomic[] = {"PROCEDURE", "FUNCTION", NULL};
    static const char *const others[] = {"TABLE", "VIEW",   "INDEX", "USER",
                                         "ROLE",  "SCHEMA", NULL};
    unsigned dialect = scan->lexer.dialect;

    if ((dialect & SL_SQL_TRIGGER_BODIES) != 0 &&
        sl_sql_is_word(word, "TRIGGER"))
        scan->body = SQLITE_TRIGGER;
    if ((dialect & SL_SQL_ATOMIC_BODIES) != 0 && sl_sql_is_one_of(word, atomic))
        scan->body = ATOMIC;
    if ((dialect & SL_SQL_RULE_BODIES) != 0 && sl_sql_is_word(word, "RULE"))
        scan->body = RULE;
    if ((dialect & SL_SQL_COMPOUND_BODIES) != 0 &&
        sl_sql_is_one_of(word, routines))
        scan->body = COMPOUND;
    scan->opened = sl_sql_is_word(word, "PACKAGE");
    if (scan->body != NO_BODY || sl_sql_is_one_of(word, others))
        scan->create = false;
}

/* A word before what is created. */
static void scan_head(struct scan *scan, struct sl_bytes word)
{
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL};
    static const char *const replaced[] = {"OR", "REPLACE", NULL};
    bool compound = (scan->lexer.dialect & SL_SQL_COMPOUND_BODIES) != 0;

    if (scan->words == 0) {
        scan->create = sl_sql_is_word(word, "CREATE");
        scan->alter = compound && sl_sql_is_word(word, "ALTER");
        return;
    }
    if (scan->alter && sl_sql_is_word(word, "EVENT"))
        scan->body = COMPOUND;
    /* The name of a definer may come in between, too. */
    scan->alter = scan->alter && scan->body == NO_BODY;
    if (!scan->create)
        return;
    scan_created(scan, word);
    if (!compound && !sl_sql_is_one_of(word, temporary) &&
        !sl_sql_is_one_of(word, replaced))
        scan->create = false;
}

/* Whether a word is a label, as in "SELECT 1 AS end", or a name after a dot. */
static bool follows_name_mark(const struct scan *scan)
{
    return sl_sql_is_word(scan->last, ".") || sl_sql_is_word(scan->last, "AS");
}

/* PostgreSQL: END and CASE are reserved words, and so is the first BEGIN. */
static void scan_atomic_word(struct scan *scan, struct sl_bytes word)
{
    if (follows_name_mark(scan) || scan->body_over)
        return;
    if (scan->blocks == 0 && sl_sql_is_word(word, "BEGIN"))
        scan->blocks = next_is(scan, "ATOMIC");
    else if (scan->blocks > 0 && sl_sql_is_word(word, "CASE"))
        scan->blocks++;
    else if (scan->blocks > 0 && sl_sql_is_word(word, "END"))
        scan->body_over = --scan->blocks == 0;
}

/*
 * Whether a statement may begin here: inside of a compound one, or the first.
 */
static bool begins_inside(const struct scan *scan)
{
    static const char *const before[] = {
        "BEGIN", "THEN", "ELSE", "DO", "LOOP", ";", "REPEAT", ":", NULL};

    return sl_sql_is_one_of(scan->last, before) ||
           (!scan->opened && !scan->semicolon);
}

/*
 * MySQL: BEGIN and END are not reserved words, so they may be names.  END
 * closes a block only after a semicolon, or where the block is empty, and not
 * where the name of another construct follows (END IF).
 */
static void scan_compound_word(struct scan *scan, struct sl_bytes word)
{
    static const char *const openers[] = {"THEN", "LOOP", "REPEAT", "WHILE",
                                          NULL};
    bool end = sl_sql_is_word(word, "END");

    scan->since_end = end ? 0 : scan->since_end + 1;
    if (scan->parentheses > 0)
        return;
    if (sl_sql_is_word(word, "BEGIN") && begins_inside(scan)) {
        scan->in_begin |= !scan->opened;
        scan->blocks++;
        scan->opened = true;
    } else if (sl_sql_is_one_of(word, openers) ||
               (sl_sql_is_word(word, "FOR") && !next_is(scan, "EACH"))) {
        scan->opened = true;
    }
    scan->ending = end && scan->blocks > 0 &&
                   (sl_sql_is_word(scan->last, ";") ||
                    sl_sql_is_word(scan->last, "BEGIN"));
}

/* The token after END shows whether it has closed a block. */
static void close_block(struct scan *scan, const struct sl_sql_token *seen)
{
    static const char *const others[] = {"IF",    "CASE", "LOOP", "REPEAT",
                                         "WHILE", "FOR",  NULL};

    bool closes = scan->ending && !(seen->type == SL_SQL_WORD &&
                                    sl_sql_is_one_of(seen->text, others));

    scan->ending = false;
    if (!closes)
        return;
    scan->body_over = --scan->blocks == 0 && scan->in_begin;
}

/* Whether the statement continues after the semicolon. */
static bool continues_body(struct scan *scan)
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

/* Take a word.  Returns what is wrong with it, or NULL. */
static const char *scan_word(struct scan *scan, struct sl_bytes word)
{
    static const char *const transactions[] = {
        "BEGIN", "START", "COMMIT",    "ROLLBACK", "END",
        "ABORT", "XA",    "SAVEPOINT", "RELEASE",  NULL,
    };
    static const char *const explain[] = {"EXPLAIN", "QUERY", "PLAN", NULL};

    if (!scan->begun && sl_sql_is_word(word, "BEGIN") && next_is(scan, "NOT") &&
        (scan->lexer.dialect & SL_SQL_COMPOUND_BODIES) != 0)
        scan->body = COMPOUND;
    else if (!scan->begun && sl_sql_is_one_of(word, transactions))
        return "a transaction statement; use begin, commit and rollback";
    if (scan->words == 0 && sl_sql_is_one_of(word, explain))
        return NULL;
    if (scan->body == NO_BODY)
        scan_head(scan, word);
    else if (scan->body == SQLITE_TRIGGER)
        scan->body_over |=
            sl_sql_is_word(scan->last, ";") && sl_sql_is_word(word, "END");
    else if (scan->body == ATOMIC)
        scan_atomic_word(scan, word);
    if (scan->body == COMPOUND)
        scan_compound_word(scan, word);
    scan->words++;
    return NULL;
}

static void scan_mark(struct scan *scan, const struct sl_sql_token *seen)
{
    if (sl_sql_is_word(seen->text, "("))
        scan->parentheses++;
    else if (sl_sql_is_word(seen->text, ")") && scan->parentheses > 0)
        scan->parentheses--;
    scan->since_end = MANY;
}

/* Take a token that is not space.  Returns what is wrong, or NULL. */
static const char *scan_token(struct scan *scan,
                              const struct sl_sql_token *seen)
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
            return "a ; without a statement";
        scan->over |= !continues_body(scan);
        return NULL;
    }
    if (scan->over)
        return "a second statement; make two calls";
    if (sl_sql_is_word(scan->last, ";"))
        scan->since_end = MANY;
    if (seen->type == SL_SQL_WORD)
        problem = scan_word(scan, seen->text);
    else if (seen->type == SL_SQL_QUOTED)
        scan->since_end++;
    else
        scan_mark(scan, seen);
    if (seen->type == SL_SQL_PLACEHOLDER)
        scan->placeholders++;
    scan->begun = true;
    return problem;
}

/* After the last token.  Returns what is wrong, or NULL. */
static const char *scan_end(const struct scan *scan)
{
    enum { NAMES = 2 }; /* END LOOP label */

    if (!scan->begun)
        return "nothing";
    if (scan->body == ATOMIC && scan->blocks > 0)
        return "a BEGIN ATOMIC without an END";
    /* The last words do not end a body. */
    if (scan->body == COMPOUND && scan->semicolon && !scan->over &&
        scan->since_end > NAMES)
        return "a second statement, or a body without an END";
    return NULL;
}

static size_t line_number(struct sl_bytes text, const uint8_t *where)
{
    size_t line = 1;

    for (const uint8_t *c = text.ptr; c < where; c++)
        line += *c == '\n';
    return line;
}

static enum sl_status fail_on(struct sl_bytes text, const uint8_t *where,
                              const char *problem, struct sl_error *err)
{
    return sl_fail(err, SL_INVALID_ARGUMENT, "line %zu of the statement: %s",
                   line_number(text, where), problem);
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
        problem = scan_token(&scan, &seen);
        if (problem != NULL)
            return fail_on(text, seen.text.ptr, problem, err);
        scan.last = seen.text;
    }
    if (!scan.begun)
        return sl_fail(err, SL_INVALID_ARGUMENT, "the statement is empty");
    problem = scan_end(&scan);
    if (problem != NULL)
        return fail_on(text, text.ptr + text.len, problem, err);
    *placeholders = scan.placeholders;
    return SL_OK;
}

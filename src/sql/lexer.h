/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL, as far as needed to find the end of a statement and its placeholders
 * (`?`): strings, quoted names, comments, dollar quotes and words, in each
 * dialect.
 *
 * The safety of a database does not depend on this file: parameters travel
 * apart from the statement, and drivers have the database accept one statement
 * only.
 */
#ifndef SL_SQL_LEXER_H
#define SL_SQL_LEXER_H

#include "base/bytes.h"

/* What a dialect has besides words, comments (two dashes to the end of the
 * line, and slash-star), and '…' and "…", in which a doubled quote is one. */
enum sl_sql_dialect {
    SL_SQL_DOLLAR_QUOTES = 1 << 0,   /* $tag$…$tag$ */
    SL_SQL_ESCAPE_STRINGS = 1 << 1,  /* E'…\'…' */
    SL_SQL_BACKSLASHES = 1 << 2,     /* '…\'…' and "…\"…" */
    SL_SQL_BACKTICKS = 1 << 3,       /* `name` */
    SL_SQL_BRACKETS = 1 << 4,        /* [name] */
    SL_SQL_NESTED_COMMENTS = 1 << 5, /* comments within slash-star comments */
    SL_SQL_HASH_COMMENTS = 1 << 6,   /* # to the end of the line */
    SL_SQL_DASH_SPACE = 1 << 7,      /* two dashes and a space or a control */
    SL_SQL_QUESTION_OPERATORS = 1 << 8,   /* operators with ?, written as ?? */
    SL_SQL_TRIGGER_BODIES = 1 << 9,       /* CREATE TRIGGER … BEGIN …; …; END */
    SL_SQL_NAMED_PLACEHOLDERS = 1 << 10,  /* :name, @name, $name: refused */
    SL_SQL_EXECUTABLE_COMMENTS = 1 << 11, /* slash-star-! is code: refused */
    SL_SQL_RETURN_ENDS_COMMENT = 1 << 12, /* as well as a line feed */
    SL_SQL_NUMBERED = 1 << 13,            /* placeholders become $1, $2, … */
    SL_SQL_ATOMIC_BODIES = 1 << 14,       /* BEGIN ATOMIC …; END of a routine */
    SL_SQL_RULE_BODIES = 1 << 15,         /* CREATE RULE … DO (…; …) */
    SL_SQL_COMPOUND_BODIES = 1 << 16,     /* of routines: BEGIN, IF, LOOP … */
};

enum {
    SL_SQL_SQLITE = SL_SQL_BACKTICKS | SL_SQL_BRACKETS | SL_SQL_TRIGGER_BODIES |
                    SL_SQL_NAMED_PLACEHOLDERS,
    SL_SQL_POSTGRES = SL_SQL_DOLLAR_QUOTES | SL_SQL_ESCAPE_STRINGS |
                      SL_SQL_NESTED_COMMENTS | SL_SQL_QUESTION_OPERATORS |
                      SL_SQL_RETURN_ENDS_COMMENT | SL_SQL_NUMBERED |
                      SL_SQL_ATOMIC_BODIES | SL_SQL_RULE_BODIES,
    SL_SQL_MYSQL = SL_SQL_BACKSLASHES | SL_SQL_BACKTICKS |
                   SL_SQL_HASH_COMMENTS | SL_SQL_DASH_SPACE |
                   SL_SQL_EXECUTABLE_COMMENTS | SL_SQL_COMPOUND_BODIES,
};

enum sl_sql_token_type {
    SL_SQL_END,         /* the end of the text; empty */
    SL_SQL_SPACE,       /* white space, or a comment */
    SL_SQL_WORD,        /* a keyword, a name, a number */
    SL_SQL_QUOTED,      /* a string, or a quoted name */
    SL_SQL_PLACEHOLDER, /* ? */
    SL_SQL_OPERATOR,    /* ??, which stands for ? */
    SL_SQL_ARGUMENT,    /* the $ of $1; only in the body of a routine */
    SL_SQL_SEMICOLON,
    SL_SQL_OTHER, /* one other character */
    SL_SQL_BAD,   /* `problem` says what is wrong */
};

struct sl_sql_token {
    enum sl_sql_token_type type;
    struct sl_bytes text;
    const char *problem;
};

/* The rest of the text, and the dialect. */
struct sl_sql_lexer {
    struct sl_bytes rest;
    unsigned dialect;
};

/*
 * Read the next token.  The tokens together are the whole text; each has at
 * least one byte, except SL_SQL_END.  SL_SQL_BAD takes the rest of the text.
 */
struct sl_sql_token sl_sql_next(struct sl_sql_lexer *lexer);

/* Compare without regard to case.  words ends with NULL. */
bool sl_sql_is_word(struct sl_bytes text, const char *word);
bool sl_sql_is_one_of(struct sl_bytes text, const char *const words[]);

/*
 * Check that text is one statement, and not one that begins or ends a
 * transaction, and count its placeholders.  SL_INVALID_ARGUMENT says what is
 * wrong, and on which line.  scan.c says which statements may contain
 * semicolons; where it cannot tell, the database accepts one statement only.
 */
SL_MUST_CHECK enum sl_status sl_sql_scan(struct sl_bytes text, unsigned dialect,
                                         size_t *placeholders,
                                         struct sl_error *err);

/*
 * Append a statement that sl_sql_scan accepts to out, as the database takes it:
 * with $1, $2, … for placeholders where the dialect numbers them, and with ?
 * for each ??.
 */
SL_MUST_CHECK enum sl_status sl_sql_rewrite(struct sl_bytes text,
                                            unsigned dialect,
                                            struct sl_buf *out,
                                            struct sl_error *err);

#endif

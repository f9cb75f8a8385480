/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL, as far as it takes to know where a statement ends and which `?` in it is
 * a placeholder: strings, quoted names, comments, dollar quotes and words, as
 * each database has them.
 *
 * What this file decides is not what keeps a database safe: parameters travel
 * beside the statement, and drivers ask the database for one statement only.
 */
#ifndef SL_SQL_LEXER_H
#define SL_SQL_LEXER_H

#include "base/bytes.h"

/* What a database's SQL has beside '…' and "…" (a quote doubled inside stands
 * for itself), comments (two dashes to the end of the line, and slash-star),
 * and words. */
enum sl_sql_dialect {
    SL_SQL_DOLLAR_QUOTES = 1 << 0,   /* $tag$…$tag$ */
    SL_SQL_ESCAPE_STRINGS = 1 << 1,  /* E'…\'…' */
    SL_SQL_BACKSLASHES = 1 << 2,     /* '…\'…' and "…\"…" */
    SL_SQL_BACKTICKS = 1 << 3,       /* `name` */
    SL_SQL_BRACKETS = 1 << 4,        /* [name] */
    SL_SQL_NESTED_COMMENTS = 1 << 5, /* comments within slash-star comments */
    SL_SQL_HASH_COMMENTS = 1 << 6,   /* # to the end of the line */
    SL_SQL_DASH_SPACE = 1 << 7,      /* two dashes and a space or a control */
    SL_SQL_QUESTION_OPERATORS = 1 << 8,   /* operators with ?, written ?? */
    SL_SQL_TRIGGER_BODIES = 1 << 9,       /* CREATE TRIGGER … BEGIN …; …; END */
    SL_SQL_NAMED_PLACEHOLDERS = 1 << 10,  /* :name, @name, $name: refused */
    SL_SQL_EXECUTABLE_COMMENTS = 1 << 11, /* slash-star-! holds code: refused */
    SL_SQL_RETURN_ENDS_COMMENT = 1 << 12, /* as a line feed does */
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
    SL_SQL_END,         /* of the text; the token is empty */
    SL_SQL_SPACE,       /* white space, or a comment */
    SL_SQL_WORD,        /* a keyword, a name, a number */
    SL_SQL_QUOTED,      /* a string, or a quoted name */
    SL_SQL_PLACEHOLDER, /* ? */
    SL_SQL_OPERATOR,    /* ??, which stands for ? */
    SL_SQL_ARGUMENT,    /* the $ of $1, which only a routine's body may have */
    SL_SQL_SEMICOLON,
    SL_SQL_OTHER, /* one character of anything else */
    SL_SQL_BAD,   /* what is wrong stands in `problem` */
};

struct sl_sql_token {
    enum sl_sql_token_type type;
    struct sl_bytes text;
    const char *problem;
};

/* The text that is left, and the dialect. */
struct sl_sql_lexer {
    struct sl_bytes rest;
    unsigned dialect;
};

/*
 * The next token, and behind it.  The tokens one after the other are the text,
 * each of at least one byte until SL_SQL_END; after SL_SQL_BAD comes nothing.
 */
struct sl_sql_token sl_sql_next(struct sl_sql_lexer *lexer);

/*
 * Check that text holds one statement, which is none of those that begin and
 * end transactions, and count its placeholders.  SL_INVALID_ARGUMENT says what
 * is wrong, and on which line.  What a body may be with semicolons in it,
 * scan.c says; of what it cannot tell apart the database takes one statement
 * only.
 */
SL_MUST_CHECK enum sl_status sl_sql_scan(struct sl_bytes text, unsigned dialect,
                                         size_t *placeholders,
                                         struct sl_error *err);

/*
 * Append to out a statement that sl_sql_scan accepts, as the database wants it:
 * with $1, $2, … for placeholders where the dialect is numbered, and with ? for
 * each ??.
 */
SL_MUST_CHECK enum sl_status sl_sql_rewrite(struct sl_bytes text,
                                            unsigned dialect,
                                            struct sl_buf *out,
                                            struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of SQL.  Each measure_… function gets a text that begins with the
 * token and returns the length of the token, or 0 where it is not terminated.
 */
#include "sql/lexer.h"

#include <string.h>
#include <strings.h>

static uint8_t byte_at(struct sl_bytes text, size_t i)
{
    return i < text.len ? text.ptr[i] : 0;
}

static struct sl_bytes text_from(struct sl_bytes text, size_t i)
{
    return SL_BYTES(text.ptr + i, text.len - i);
}

static bool is_space_byte(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit_byte(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The first characters of names: letters, _, and all that is not ASCII. */
static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 0x80;
}

bool sl_sql_is_word(struct sl_bytes text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

bool sl_sql_is_one_of(struct sl_bytes text, const char *const words[])
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (sl_sql_is_word(text, words[i]))
            return true;
    return false;
}

/* --- Delimited tokens ----------------------------------------- */

/* text begins with the quote.  A doubled quote is a quote inside. */
static size_t measure_quoted(struct sl_bytes text, bool backslashes)
{
    for (size_t i = 1; i < text.len; i++) {
        if (backslashes && text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == text.ptr[0] &&
                 byte_at(text, i + 1) == text.ptr[0])
            i++;
        else if (text.ptr[i] == text.ptr[0])
            return i + 1;
    }
    return 0;
}

static size_t measure_brackets(struct sl_bytes text)
{
    const uint8_t *end = memchr(text.ptr, ']', text.len);

    return end == NULL ? 0 : (size_t)(end - text.ptr) + 1;
}

/* To the end of the line, or of the text. */
static size_t measure_line(struct sl_bytes text, unsigned dialect)
{
    size_t i = 0;

    while (i < text.len && text.ptr[i] != '\n' &&
           ((dialect & SL_SQL_RETURN_ENDS_COMMENT) == 0 || text.ptr[i] != '\r'))
        i++;
    return i;
}

static size_t measure_comment(struct sl_bytes text, bool nested)
{
    size_t depth = 1;

    for (size_t i = 2; i + 1 < text.len; i++) {
        if (text.ptr[i] == '*' && text.ptr[i + 1] == '/') {
            i++;
            if (--depth == 0)
                return i + 1;
        } else if (nested && text.ptr[i] == '/' && text.ptr[i + 1] == '*') {
            i++;
            depth++;
        }
    }
    return 0;
}

/* The length of $tag$, or 0 where there is none. */
static size_t measure_tag(struct sl_bytes text)
{
    size_t i = 1;

    if (is_letter(byte_at(text, i)))
        while (is_letter(byte_at(text, i)) || is_digit_byte(byte_at(text, i)))
            i++;
    return byte_at(text, i) == '$' ? i + 1 : 0;
}

static size_t measure_dollars(struct sl_bytes text, size_t tag)
{
    const uint8_t *end = memmem(text.ptr + tag, text.len - tag, text.ptr, tag);

    return end == NULL ? 0 : (size_t)(end - text.ptr) + tag;
}

/*
 * Find a string that continues one with escapes, after comments and white space
 * with a line feed.  Returns the offset of its quote, or 0.
 */
static size_t find_continuation(struct sl_bytes text, unsigned dialect)
{
    bool line = false;
    size_t i = 0;

    for (;;) {
        if (is_space_byte(byte_at(text, i))) {
            line |= text.ptr[i] == '\n' || text.ptr[i] == '\r';
            i++;
        } else if (byte_at(text, i) == '-' && byte_at(text, i + 1) == '-') {
            i += measure_line(text_from(text, i), dialect);
        } else {
            return line && byte_at(text, i) == '\'' ? i : 0;
        }
    }
}

/* E'…', and the strings that continue it. */
static size_t measure_escape_string(struct sl_bytes text, unsigned dialect)
{
    size_t len = 1, gap = 0;

    do {
        size_t part = measure_quoted(text_from(text, len + gap), true);
        if (part == 0)
            return 0;
        len += gap + part;
        gap = find_continuation(text_from(text, len), dialect);
    } while (gap > 0);
    return len;
}

/* --- Tokens ------------------------------------------------------------- */

static struct sl_sql_token make_token(struct sl_bytes text,
                                      enum sl_sql_token_type type, size_t len)
{
    return (struct sl_sql_token){.type = type, .text = SL_BYTES(text.ptr, len)};
}

static struct sl_sql_token bad_token(struct sl_bytes text, const char *problem)
{
    return (struct sl_sql_token){
        .type = SL_SQL_BAD, .text = text, .problem = problem};
}

static struct sl_sql_token closed_token(struct sl_bytes text,
                                        enum sl_sql_token_type type, size_t len,
                                        const char *problem)
{
    return len > 0 ? make_token(text, type, len) : bad_token(text, problem);
}

static struct sl_sql_token next_word(struct sl_bytes text, unsigned dialect)
{
    size_t len = 1;

    while (is_letter(byte_at(text, len)) || is_digit_byte(byte_at(text, len)) ||
           byte_at(text, len) == '$')
        len++;
    if ((dialect & SL_SQL_ESCAPE_STRINGS) != 0 && byte_at(text, len) == '\'' &&
        sl_sql_is_word(SL_BYTES(text.ptr, len), "E"))
        return closed_token(text, SL_SQL_QUOTED,
                            measure_escape_string(text, dialect),
                            "an unterminated string");
    return make_token(text, SL_SQL_WORD, len);
}

static struct sl_sql_token next_question(struct sl_bytes text, unsigned dialect)
{
    if (byte_at(text, 1) == '?' && (dialect & SL_SQL_QUESTION_OPERATORS) != 0)
        return make_token(text, SL_SQL_OPERATOR, 2);
    if (byte_at(text, 1) == '?')
        return bad_token(text, "two adjacent placeholders");
    if (is_digit_byte(byte_at(text, 1)))
        return bad_token(text,
                         "a numbered placeholder; write ? for each parameter");
    return make_token(text, SL_SQL_PLACEHOLDER, 1);
}

static struct sl_sql_token next_comment(struct sl_bytes text, unsigned dialect)
{
    bool holds_code = byte_at(text, 2) == '!' ||
                      (byte_at(text, 2) == 'M' && byte_at(text, 3) == '!');

    if ((dialect & SL_SQL_EXECUTABLE_COMMENTS) != 0 && holds_code)
        return bad_token(text, "an executable comment");
    return closed_token(
        text, SL_SQL_SPACE,
        measure_comment(text, (dialect & SL_SQL_NESTED_COMMENTS) != 0),
        "an unterminated comment");
}

static bool begins_line_comment(struct sl_bytes text, unsigned dialect)
{
    if (byte_at(text, 0) == '#')
        return (dialect & SL_SQL_HASH_COMMENTS) != 0;
    return byte_at(text, 0) == '-' && byte_at(text, 1) == '-' &&
           ((dialect & SL_SQL_DASH_SPACE) == 0 || text.len == 2 ||
            byte_at(text, 2) <= ' ');
}

static struct sl_sql_token next_dollar(struct sl_bytes text, unsigned dialect)
{
    size_t tag = measure_tag(text);

    if ((dialect & SL_SQL_DOLLAR_QUOTES) != 0 && tag > 0)
        return closed_token(text, SL_SQL_QUOTED, measure_dollars(text, tag),
                            "an unterminated dollar quote");
    if ((dialect & SL_SQL_NUMBERED) != 0 && is_digit_byte(byte_at(text, 1)))
        return make_token(text, SL_SQL_ARGUMENT, 1);
    return make_token(text, SL_SQL_OTHER, 1);
}

/* :name, @name, $name, and :1. */
static bool names_placeholder(struct sl_bytes text, unsigned dialect)
{
    uint8_t c = byte_at(text, 0), next = byte_at(text, 1);

    return (dialect & SL_SQL_NAMED_PLACEHOLDERS) != 0 &&
           (c == ':' || c == '@' || c == '$') &&
           (is_letter(next) || is_digit_byte(next) || next == '$');
}

static struct sl_sql_token next_mark(struct sl_bytes text, unsigned dialect)
{
    bool backslashes = (dialect & SL_SQL_BACKSLASHES) != 0;

    switch (text.ptr[0]) {
    case '\'':
        return closed_token(text, SL_SQL_QUOTED,
                            measure_quoted(text, backslashes),
                            "an unterminated string");
    case '"':
        return closed_token(text, SL_SQL_QUOTED,
                            measure_quoted(text, backslashes),
                            "an unterminated quoted name");
    case '`':
        if ((dialect & SL_SQL_BACKTICKS) != 0)
            return closed_token(text, SL_SQL_QUOTED,
                                measure_quoted(text, false),
                                "an unterminated quoted name");
        break;
    case '[':
        if ((dialect & SL_SQL_BRACKETS) != 0)
            return closed_token(text, SL_SQL_QUOTED, measure_brackets(text),
                                "an unterminated quoted name");
        break;
    case '/':
        if (byte_at(text, 1) == '*')
            return next_comment(text, dialect);
        break;
    case '?':
        return next_question(text, dialect);
    case ';':
        return make_token(text, SL_SQL_SEMICOLON, 1);
    case '$':
        return next_dollar(text, dialect);
    default:
        break;
    }
    return make_token(text, SL_SQL_OTHER, 1);
}

static struct sl_sql_token next_token(struct sl_bytes text, unsigned dialect)
{
    size_t len = 0;

    if (text.len == 0)
        return make_token(text, SL_SQL_END, 0);
    while (is_space_byte(byte_at(text, len)))
        len++;
    if (len > 0)
        return make_token(text, SL_SQL_SPACE, len);
    if (begins_line_comment(text, dialect))
        return make_token(text, SL_SQL_SPACE, measure_line(text, dialect));
    if (names_placeholder(text, dialect))
        return bad_token(text,
                         "a named placeholder; write ? for each parameter");
    if (is_letter(text.ptr[0]) || is_digit_byte(text.ptr[0]))
        return next_word(text, dialect);
    return next_mark(text, dialect);
}

struct sl_sql_token sl_sql_next(struct sl_sql_lexer *lexer)
{
    struct sl_sql_token result = next_token(lexer->rest, lexer->dialect);

    lexer->rest = text_from(lexer->rest, result.text.len);
    return result;
}

/* --- Rewriting ---------------------------------------------------------- */

static bool continues_word(uint8_t c)
{
    return is_letter(c) || is_digit_byte(c) || c == '$';
}

/* $number, separated from adjacent words. */
static enum sl_status write_number(struct sl_buf *out, size_t number,
                                   struct sl_bytes rest, struct sl_error *err)
{
    bool before = out->len > 0 && continues_word(out->ptr[out->len - 1]);

    return sl_buf_printf(out, err, "%s$%zu%s", before ? " " : "", number,
                         continues_word(byte_at(rest, 0)) ? " " : "");
}

enum sl_status sl_sql_rewrite(struct sl_bytes text, unsigned dialect,
                              struct sl_buf *out, struct sl_error *err)
{
    struct sl_sql_lexer lexer = {text, dialect};
    struct sl_sql_token seen;
    enum sl_status status = SL_OK;
    size_t number = 0;

    do {
        seen = sl_sql_next(&lexer);
        if (seen.type == SL_SQL_PLACEHOLDER && (dialect & SL_SQL_NUMBERED) != 0)
            status = write_number(out, ++number, lexer.rest, err);
        else if (seen.type == SL_SQL_OPERATOR)
            status = sl_buf_append(out, SL_LITERAL("?"), err);
        else
            status = sl_buf_append(out, seen.text, err);
    } while (status == SL_OK && seen.type != SL_SQL_END &&
             seen.type != SL_SQL_BAD);
    return status;
}

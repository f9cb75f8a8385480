/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIKE and GLOB.  Each part of a pattern matches exactly one character, except
 * the wildcard for any text.  So it is enough to backtrack to the last such
 * wildcard: time grows with the product of both lengths, and memory is
 * constant.
 */
#include <string.h>

#include "sql/sqlite/function.h"

/* The special characters of a pattern; 0: it has none for this. */
struct language {
    uint32_t any;    /* text of any length */
    uint32_t one;    /* any character */
    uint32_t set;    /* begins a set of characters */
    uint32_t escape; /* the next character stands for itself */
    bool folds;      /* upper and lower case of ASCII are the same */
};

struct match {
    const struct language *language;
    const unsigned char *pattern, *text; /* the rest of both; NUL-terminated */
    /* After the last `any`, and where its rest is tried next; or NULL. */
    const unsigned char *any_pattern, *any_text;
};

/* Reads as SQLite does: a first byte and all continuation bytes, valid or not.
 * 0 at the end. */
static uint32_t read_character(const unsigned char **at)
{
    static const unsigned char bits[] = {0x1f, 0x0f, 0x07, 0x03, 0x01, 0x00};
    uint32_t c = *(*at)++;

    if (c < 0xc0)
        return c;
    c &= bits[c < 0xe0   ? 0
              : c < 0xf0 ? 1
              : c < 0xf8 ? 2
              : c < 0xfc ? 3
              : c < 0xfe ? 4
                         : 5];
    while ((**at & 0xc0) == 0x80)
        c = (c << 6) + (*(*at)++ & 0x3f);
    return c < 0x80 || (c & 0xfffff800) == 0xd800 || (c & 0xfffffffe) == 0xfffe
               ? 0xfffd
               : c;
}

/* The next character; 0 at the end, which is not passed. */
static uint32_t next_character(const unsigned char **at)
{
    return **at == '\0' ? 0 : read_character(at);
}

static uint32_t fold_case(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* The pattern is after its "[". */
static bool match_set(const unsigned char **pattern, uint32_t c)
{
    uint32_t before = 0, in = next_character(pattern);
    bool seen = false, inverted = in == '^';

    if (inverted)
        in = next_character(pattern);
    if (in == ']') {
        seen = c == ']';
        in = next_character(pattern);
    }
    while (in != 0 && in != ']') {
        if (in == '-' && **pattern != ']' && **pattern != '\0' && before > 0) {
            in = next_character(pattern);
            seen = seen || (c >= before && c <= in);
            before = 0;
        } else {
            seen = seen || c == in;
            before = in;
        }
        in = next_character(pattern);
    }
    return in != 0 && seen != inverted;
}

/* Match one character with the part of the pattern that begins with p. */
static bool match_one(struct match *match, uint32_t p)
{
    const struct language *language = match->language;
    bool escaped = p == language->escape;

    if (p == language->set && p != 0) {
        uint32_t in_text = next_character(&match->text);
        return in_text != 0 && match_set(&match->pattern, in_text);
    }
    if (escaped)
        p = next_character(&match->pattern);
    uint32_t c = next_character(&match->text);
    if (p == 0 || c == 0)
        return false;
    return p == c || (!escaped && p == language->one) ||
           (language->folds && p < 0x80 && c < 0x80 &&
            fold_case(p) == fold_case(c));
}

/* Move to where the part after `any` may begin. */
static void skip_to_candidate(struct match *match)
{
    const struct language *language = match->language;
    unsigned char p = *match->any_pattern;
    bool is_letter = (p >= 'a' && p <= 'z') || (p >= 'A' && p <= 'Z');
    const char stops[] = {
        (char)p, (char)(language->folds && is_letter ? p ^ 0x20 : p), '\0'};

    if (p == 0 || p >= 0x80 || p == language->any || p == language->one ||
        p == language->set || p == language->escape)
        return;
    match->any_text += strcspn((const char *)match->any_text, stops);
}

/* Let the last `any` match one more character. */
static bool backtrack_wildcard(struct match *match)
{
    if (match->any_pattern == NULL || *match->any_text == '\0')
        return false;
    (void)read_character(&match->any_text);
    skip_to_candidate(match);
    match->pattern = match->any_pattern;
    match->text = match->any_text;
    return true;
}

static bool match_pattern(struct match *match,
                          struct sl_sql_sqlite_steps *steps)
{
    while (sl_sql_sqlite_count_step(steps)) {
        uint32_t p = next_character(&match->pattern);
        if (p != 0 && p == match->language->any) {
            if (*match->pattern == '\0')
                return true;
            match->any_pattern = match->pattern;
            match->any_text = match->text;
            skip_to_candidate(match);
            match->text = match->any_text;
            continue;
        }
        if (p == 0 && *match->text == '\0')
            return true;
        if ((p == 0 || !match_one(match, p)) && !backtrack_wildcard(match))
            return false;
    }
    return false;
}

static void answer_match(sqlite3_context *context,
                         const struct language *language,
                         sqlite3_value **values)
{
    struct sl_sql_sqlite_steps steps = sl_sql_sqlite_steps(context);
    struct match match = {.language = language};

    if (sqlite3_compileoption_used("LIKE_DOESNT_MATCH_BLOBS") &&
        (sqlite3_value_type(values[0]) == SQLITE_BLOB ||
         sqlite3_value_type(values[1]) == SQLITE_BLOB)) {
        sqlite3_result_int(context, 0);
        return;
    }
    match.pattern = sqlite3_value_text(values[0]);
    match.text = sqlite3_value_text(values[1]);
    if (match.pattern == NULL || match.text == NULL)
        return;
    bool does = match_pattern(&match, &steps);
    if (!sl_sql_sqlite_fail_if_late(context, &steps))
        sqlite3_result_int(context, does);
}

/* With the message of SQLite. */
static bool is_too_long(sqlite3_context *context, sqlite3_value *pattern)
{
    int most = sqlite3_limit(sqlite3_context_db_handle(context),
                             SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1);
    bool is = sqlite3_value_bytes(pattern) > most;

    if (is)
        sqlite3_result_error(context, "LIKE or GLOB pattern too complex", -1);
    return is;
}

void sl_sql_sqlite_run_like(sqlite3_context *context, int count,
                            sqlite3_value **values)
{
    struct language language = {.any = '%', .one = '_', .folds = true};

    if (is_too_long(context, values[0]))
        return;
    if (count == 3) {
        const unsigned char *escape = sqlite3_value_text(values[2]);
        if (escape == NULL)
            return;
        language.escape = next_character(&escape);
        if (language.escape == 0 || *escape != '\0') {
            sqlite3_result_error(
                context, "ESCAPE expression must be a single character", -1);
            return;
        }
        if (language.escape == language.any)
            language.any = 0;
        if (language.escape == language.one)
            language.one = 0;
    }
    answer_match(context, &language, values);
}

void sl_sql_sqlite_run_glob(sqlite3_context *context, int count,
                            sqlite3_value **values)
{
    static const struct language language = {
        .any = '*', .one = '?', .set = '['};

    (void)count;
    if (!is_too_long(context, values[0]))
        answer_match(context, &language, values);
}

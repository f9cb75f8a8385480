/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the words of a statement tell: whether it only reads, and whether
 * something of it may stay on its connection (a setting, a lock of the session,
 * a temporary table), so that the connection is put in order behind it.
 *
 * Whatever is not known is taken to leave something, which costs a moment and
 * does no harm.  What the words do not tell (a view may call anything) its own
 * component may meet again, and no other one: postgres_session.c sees to that.
 */
#include <string.h>
#include <strings.h>

#include "sql/postgres/state.h"

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

/* What may stand in front of a parenthesis and leaves nothing behind. */
static const char *const harmless[] = {
    /* words that are no functions */
    "in",
    "values",
    "and",
    "or",
    "not",
    "exists",
    "any",
    "all",
    "some",
    "as",
    "on",
    "using",
    "from",
    "where",
    "by",
    "select",
    "having",
    "when",
    "then",
    "else",
    "over",
    "filter",
    "row",
    "array",
    "group",
    "lateral",
    "union",
    "intersect",
    "except",
    "returning",
    "distinct",
    "conflict",
    "join",
    "like",
    "ilike",
    "between",
    "limit",
    "offset",
    "set",
    "with",
    "is",
    "case",
    "materialized",
    "within",
    "rollup",
    "cube",
    "sets",
    "only",
    "default",
    /* types */
    "varchar",
    "char",
    "character",
    "numeric",
    "decimal",
    "timestamp",
    "time",
    "timestamptz",
    "bit",
    "float",
    "interval",
    "varying",
    /* functions */
    "abs",
    "age",
    "array_agg",
    "array_append",
    "array_length",
    "array_position",
    "array_remove",
    "array_to_string",
    "ascii",
    "avg",
    "bool_and",
    "bool_or",
    "btrim",
    "cardinality",
    "cast",
    "ceil",
    "ceiling",
    "char_length",
    "chr",
    "clock_timestamp",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "date",
    "date_part",
    "date_trunc",
    "decode",
    "dense_rank",
    "encode",
    "every",
    "exp",
    "extract",
    "first_value",
    "floor",
    "gen_random_uuid",
    "generate_series",
    "greatest",
    "initcap",
    "json_agg",
    "json_array_length",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_object_agg",
    "jsonb_object_keys",
    "jsonb_set",
    "jsonb_typeof",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_timestamp",
    "max",
    "md5",
    "min",
    "mod",
    "now",
    "ntile",
    "nullif",
    "octet_length",
    "overlay",
    "pg_typeof",
    "position",
    "power",
    "random",
    "rank",
    "regexp_match",
    "regexp_matches",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "sha256",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "statement_timestamp",
    "stddev",
    "string_agg",
    "string_to_array",
    "strpos",
    "substr",
    "substring",
    "sum",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "translate",
    "trim",
    "trunc",
    "unnest",
    "upper",
    "variance",
    NULL,
};

/* What reaches the statements of all who share the user, as the server cannot
 * tell them apart; in whatever place. */
static const char *const reaching[] = {
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_stat_activity",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_prepared_statements",
    "pg_prepared_statement",
    NULL,
};

/* Whole statements that have no place beside what the driver does itself. */
static const char *const refused[] = {
    "COPY",  "PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "MOVE",
    "CLOSE", "DISCARD", "LISTEN",  "UNLISTEN",   "LOAD",    NULL,
};

static const char *const readers[] = {"SELECT", "VALUES", "TABLE", "WITH",
                                      NULL};
static const char *const writers[] = {"INSERT", "UPDATE", "DELETE", "MERGE",
                                      NULL};

/* What was seen so far. */
struct scan {
    struct sl_sql_pg_words words;
    struct sl_bytes last; /* the word or quoted name that is the last token */
    uint8_t mark;         /* or else what it begins with; 0: nothing yet */
    size_t depth;         /* of parentheses */
    bool begun;
    bool main;    /* behind WITH …, the statement itself has begun */
    bool dot;     /* the last token is one */
    bool dotted;  /* the last token is a name with a dot in front */
    bool into;    /* INSERT INTO, and no parenthesis yet */
    bool insert;  /* the word before, which begins a statement */
    bool names;   /* the last token is WITH, RECURSIVE or AS */
    bool named;   /* and the last but one, before a name */
    bool escapes; /* U&, in front of "…" */
};

static void see_first(struct scan *scan, struct sl_bytes word)
{
    scan->begun = true;
    for (size_t i = 0; refused[i] != NULL; i++)
        if (is_word(word, refused[i]))
            scan->words.refused = refused[i];
    scan->words.reads = is_one_of(word, readers);
    scan->words.leaves = !scan->words.reads && !is_one_of(word, writers);
    scan->main = !is_word(word, "WITH");
}

/* It may name anything else: a column may be called insert. */
static bool begins_statement(struct scan *scan, struct sl_bytes word)
{
    bool outside = scan->begun && scan->depth == 0;
    bool behind_mark = scan->begun && scan->last.len == 0;
    bool begins = !scan->begun || (behind_mark && scan->mark == '(') ||
                  (behind_mark && outside && !scan->main && scan->mark == ')');

    if (outside && (is_one_of(word, readers) || is_one_of(word, writers)))
        scan->main = true;
    return begins;
}

/* The name without its quotes.  A quote in it is doubled, and then it is none
 * of those that are looked for. */
static struct sl_bytes plain(struct sl_bytes name)
{
    return name.ptr[0] == '"' ? SL_BYTES(name.ptr + 1, name.len - 2) : name;
}

static void see_name(struct scan *scan, struct sl_bytes name)
{
    static const char temporary[] = "pg_temp"; /* pg_temp_3 */
    struct sl_bytes text = plain(name);

    for (size_t i = 0; reaching[i] != NULL; i++)
        if (is_word(text, reaching[i]))
            scan->words.reaching = reaching[i];
    if (text.len >= strlen(temporary) &&
        strncasecmp((const char *)text.ptr, temporary, strlen(temporary)) == 0)
        scan->words.leaves = true;
    if (name.ptr[0] == '"' && scan->escapes)
        scan->words.reaching = "a name in U&\"…\"";
    scan->named = scan->names;
    scan->names = false;
}

static void see_word(struct scan *scan, struct sl_bytes word)
{
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL};
    static const char *const naming[] = {"WITH", "RECURSIVE", "AS", NULL};
    static const char *const behind_into[] = {
        "SELECT", "VALUES", "TABLE", "WITH", "DEFAULT", "USING", NULL};
    bool begins = begins_statement(scan, word);

    if (!scan->begun)
        see_first(scan, word);
    if (is_one_of(word, writers))
        scan->words.reads = false;
    if (is_one_of(word, behind_into))
        scan->into = false;
    if (is_word(word, "INTO")) {
        /* SELECT … INTO makes a table, perhaps a temporary one. */
        scan->words.leaves = scan->words.leaves || !scan->insert;
        scan->into = scan->insert;
    }
    if (is_one_of(word, temporary))
        scan->words.leaves = true;
    scan->insert =
        begins && (is_word(word, "INSERT") || is_word(word, "MERGE"));
    see_name(scan, word);
    scan->names = is_one_of(word, naming);
}

/* A parenthesis behind a word or a name. */
static void see_call(struct scan *scan)
{
    bool unknown = scan->last.ptr[0] == '"' || scan->dotted ||
                   !is_one_of(scan->last, harmless);

    if (unknown && !scan->into && !scan->named)
        scan->words.leaves = true;
    scan->into = false;
}

/* Anything but a word or a name. */
static void see_mark(struct scan *scan, uint8_t mark)
{
    if (mark == '(' && scan->last.len > 0)
        see_call(scan);
    scan->escapes = mark == '&' && is_word(scan->last, "U");
    if (mark == '(')
        scan->depth++;
    else if (mark == ')' && scan->depth > 0)
        scan->depth--;
    scan->insert = scan->names = scan->named = false;
}

static void see(struct scan *scan, const struct sl_sql_token *token)
{
    uint8_t mark = token->text.ptr[0];
    bool name = token->type == SL_SQL_WORD ||
                (token->type == SL_SQL_QUOTED && mark == '"');

    if (token->type == SL_SQL_WORD)
        see_word(scan, token->text);
    else if (name)
        see_name(scan, token->text);
    else
        see_mark(scan, token->type == SL_SQL_QUOTED ? '\'' : mark);
    if (name && token->type != SL_SQL_WORD)
        scan->insert = false;
    scan->dotted = name && scan->dot;
    scan->dot = token->type == SL_SQL_OTHER && mark == '.';
    scan->escapes = scan->escapes && !name;
    scan->last = name ? token->text : (struct sl_bytes){0};
    scan->mark = mark;
}

struct sl_sql_pg_words sl_sql_pg_words(struct sl_bytes text)
{
    struct sl_sql_lexer lexer = {text, SL_SQL_POSTGRES};
    struct scan scan = {.begun = false};

    for (;;) {
        struct sl_sql_token token = sl_sql_next(&lexer);
        if (token.type == SL_SQL_END || token.type == SL_SQL_BAD)
            break;
        if (token.type != SL_SQL_SPACE)
            see(&scan, &token);
    }
    scan.words.reads = scan.words.reads && !scan.words.leaves;
    return scan.words;
}

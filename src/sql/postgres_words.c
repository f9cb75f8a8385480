/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the words of a statement tell: whether it only reads, and whether
 * something of it may stay on its connection (a setting, a lock of the session,
 * a temporary table), so that the connection is put in order behind it.
 *
 * Whatever is not known is taken to leave something, which costs a moment and
 * does no harm.
 */
#include <string.h>
#include <strings.h>

#include "sql/postgres_state.h"

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
    bool begun;
    bool dot;    /* the last token is one */
    bool dotted; /* the last token is a name with a dot in front */
    bool into;   /* INSERT INTO, and no parenthesis yet */
    bool insert; /* the word before */
    bool names;  /* WITH name (…), AS name (…) */
    bool named;
};

static void see_first(struct scan *scan, struct sl_bytes word)
{
    scan->begun = true;
    for (size_t i = 0; refused[i] != NULL; i++)
        if (is_word(word, refused[i]))
            scan->words.refused = refused[i];
    scan->words.reads = is_one_of(word, readers);
    scan->words.leaves = !scan->words.reads && !is_one_of(word, writers);
}

static void see_word(struct scan *scan, struct sl_bytes word)
{
    static const char *const temporary[] = {"TEMP", "TEMPORARY", "pg_temp",
                                            NULL};
    static const char *const naming[] = {"WITH", "RECURSIVE", "AS", NULL};
    static const char *const behind_into[] = {
        "SELECT", "VALUES", "TABLE", "WITH", "DEFAULT", "USING", NULL};

    if (!scan->begun)
        see_first(scan, word);
    if (is_one_of(word, writers))
        scan->words.reads = false;
    if (is_one_of(word, behind_into))
        scan->into = false;
    if (is_word(word, "INTO")) {
        /* SELECT … INTO makes a table, perhaps a temporary one. */
        scan->words.leaves = scan->words.leaves || !scan->insert;
        scan->into = true;
    }
    if (is_one_of(word, temporary))
        scan->words.leaves = true;
    scan->insert = is_word(word, "INSERT") || is_word(word, "MERGE");
    scan->named = scan->names;
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

static void see(struct scan *scan, const struct sl_sql_token *token)
{
    bool name = token->type == SL_SQL_WORD ||
                (token->type == SL_SQL_QUOTED && token->text.ptr[0] == '"');
    bool dot = token->type == SL_SQL_OTHER && token->text.ptr[0] == '.';

    if (token->type == SL_SQL_WORD)
        see_word(scan, token->text);
    if (token->type == SL_SQL_OTHER && token->text.ptr[0] == '(' &&
        scan->last.len > 0)
        see_call(scan);
    scan->dotted = name && scan->dot;
    scan->dot = dot;
    scan->last = name ? token->text : (struct sl_bytes){0};
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statement classifier: from its words, whether a statement only reads, and
 * whether it may leave something in the session (a setting, a session lock, a
 * temporary table), so that the session is reset after it.
 *
 * Every unknown function is assumed to leave something, which costs a round
 * trip and does no harm.  What the words do not show (a view may call anything)
 * stays visible to its own component, but to no other one (session.c).
 */
#include <string.h>
#include <strings.h>

#include "sql/postgres/connection.h"

/* Words that may precede a parenthesis and leave nothing behind. */
static const char *const harmless[] = {
    /* keywords */
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

/* Names that reach the statements of everybody who shares the user, whom the
 * server cannot tell apart.  They are refused in every place. */
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

/* Statements that interfere with what the driver does itself. */
static const char *const refused[] = {
    "COPY",  "PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "MOVE",
    "CLOSE", "DISCARD", "LISTEN",  "UNLISTEN",   "LOAD",    NULL,
};

static const char *const readers[] = {"SELECT", "VALUES", "TABLE", "WITH",
                                      NULL};
static const char *const writers[] = {"INSERT", "UPDATE", "DELETE", "MERGE",
                                      NULL};

static const char *const definers[] = {"CREATE", "ALTER", "DROP", "TRUNCATE",
                                       NULL};

/* The state of the classifier. */
struct classifier {
    struct sl_sql_postgres_class class;
    struct sl_bytes last; /* the last token, if it is a word or a quoted name */
    uint8_t mark;         /* else its first character; 0: no token yet */
    size_t depth;         /* of parentheses */
    bool begun;
    bool main;    /* after WITH …, the main statement has begun */
    bool dot;     /* the last token is a dot */
    bool dotted;  /* the last token is a name after a dot */
    bool into;    /* after INSERT INTO, before a parenthesis */
    bool insert;  /* the last word is INSERT or MERGE, and begins a statement */
    bool names;   /* the last token is WITH, RECURSIVE or AS */
    bool named;   /* so was the one before the last, which is a name */
    bool escapes; /* the last tokens are U&, which escapes in "…" */
};

static void track_first_word(struct classifier *state, struct sl_bytes word)
{
    state->begun = true;
    for (size_t i = 0; refused[i] != NULL; i++)
        if (sl_sql_is_word(word, refused[i]))
            state->class.refused = refused[i];
    state->class.reads = sl_sql_is_one_of(word, readers);
    bool writes = sl_sql_is_one_of(word, writers);
    state->class.writes = writes || sl_sql_is_one_of(word, definers);
    state->class.dirties = !state->class.reads && !writes;
    state->main = !sl_sql_is_word(word, "WITH");
}

/* Elsewhere the word may be a name: a column may be called insert. */
static bool begins_statement(struct classifier *state, struct sl_bytes word)
{
    bool outside = state->begun && state->depth == 0;
    bool behind_mark = state->begun && state->last.len == 0;
    bool begins =
        !state->begun || (behind_mark && state->mark == '(') ||
        (behind_mark && outside && !state->main && state->mark == ')');

    if (outside &&
        (sl_sql_is_one_of(word, readers) || sl_sql_is_one_of(word, writers)))
        state->main = true;
    return begins;
}

/* The name without its quotes.  No name of the lists has a quote inside. */
static struct sl_bytes unquote_name(struct sl_bytes name)
{
    return name.ptr[0] == '"' ? SL_BYTES(name.ptr + 1, name.len - 2) : name;
}

static void track_name(struct classifier *state, struct sl_bytes name)
{
    static const char temporary[] = "pg_temp"; /* pg_temp_3 */
    struct sl_bytes text = unquote_name(name);

    for (size_t i = 0; reaching[i] != NULL; i++)
        if (sl_sql_is_word(text, reaching[i]))
            state->class.reaching = reaching[i];
    if (text.len >= strlen(temporary) &&
        strncasecmp((const char *)text.ptr, temporary, strlen(temporary)) == 0)
        state->class.dirties = true;
    if (name.ptr[0] == '"' && state->escapes)
        state->class.reaching = "a name in U&\"…\"";
    state->named = state->names;
    state->names = false;
}

static void track_word(struct classifier *state, struct sl_bytes word)
{
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL};
    static const char *const naming[] = {"WITH", "RECURSIVE", "AS", NULL};
    static const char *const behind_into[] = {
        "SELECT", "VALUES", "TABLE", "WITH", "DEFAULT", "USING", NULL};
    bool begins = begins_statement(state, word);

    if (!state->begun)
        track_first_word(state, word);
    if (sl_sql_is_one_of(word, writers))
        state->class.reads = false;
    if (sl_sql_is_one_of(word, behind_into))
        state->into = false;
    if (sl_sql_is_word(word, "INTO")) {
        /* SELECT … INTO creates a table, perhaps a temporary one. */
        state->class.dirties = state->class.dirties || !state->insert;
        state->into = state->insert;
    }
    if (sl_sql_is_one_of(word, temporary))
        state->class.dirties = true;
    state->insert = begins && (sl_sql_is_word(word, "INSERT") ||
                               sl_sql_is_word(word, "MERGE"));
    track_name(state, word);
    state->names = sl_sql_is_one_of(word, naming);
}

/* A parenthesis after a word or a name. */
static void track_call(struct classifier *state)
{
    bool unknown = state->last.ptr[0] == '"' || state->dotted ||
                   !sl_sql_is_one_of(state->last, harmless);

    if (unknown && !state->into && !state->named)
        state->class.dirties = true;
    state->into = false;
}

/* Any token but a word or a name. */
static void track_mark(struct classifier *state, uint8_t mark)
{
    if (mark == '(' && state->last.len > 0)
        track_call(state);
    state->escapes = mark == '&' && sl_sql_is_word(state->last, "U");
    if (mark == '(')
        state->depth++;
    else if (mark == ')' && state->depth > 0)
        state->depth--;
    state->insert = state->names = state->named = false;
}

static void track_token(struct classifier *state,
                        const struct sl_sql_token *token)
{
    uint8_t mark = token->text.ptr[0];
    bool name = token->type == SL_SQL_WORD ||
                (token->type == SL_SQL_QUOTED && mark == '"');

    if (token->type == SL_SQL_WORD)
        track_word(state, token->text);
    else if (name)
        track_name(state, token->text);
    else
        track_mark(state, token->type == SL_SQL_QUOTED ? '\'' : mark);
    if (name && token->type != SL_SQL_WORD)
        state->insert = false;
    state->dotted = name && state->dot;
    state->dot = token->type == SL_SQL_OTHER && mark == '.';
    state->escapes = state->escapes && !name;
    state->last = name ? token->text : (struct sl_bytes){0};
    state->mark = mark;
}

struct sl_sql_postgres_class sl_sql_postgres_classify(struct sl_bytes text)
{
    struct sl_sql_lexer lexer = {text, SL_SQL_POSTGRES};
    struct classifier state = {.begun = false};

    for (;;) {
        struct sl_sql_token token = sl_sql_next(&lexer);
        if (token.type == SL_SQL_END || token.type == SL_SQL_BAD)
            break;
        if (token.type != SL_SQL_SPACE)
            track_token(&state, &token);
    }
    state.class.reads = state.class.reads && !state.class.dirties;
    return state.class;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.postgres: one row of a table per key, which other programs can read and
 * write as well.
 *
 * Each request is one statement, and so one transaction.  A version is a number
 * of a sequence, which never gives one twice.  What has expired is as if it
 * were not there, by the server's clock, until it is swept.
 */
#include "kv/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/postgres/tables.h"
#include "kv/postgres/prefix.h"

enum { BATCH_MAX = 256 };

static const struct sl_option option_table[] = {
    SL_PG_OPTIONS,
    {.name = "table",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_pg_tables_options, table),
     .fallback = "slight_kv",
     .check = sl_pg_check_table,
     .help = "the name of the table, which is made where it is missing"},
    {0},
};

/* --- Statements --------------------------------------------------------- */

#define ALIVE "(expires IS NULL OR expires > clock_timestamp())"
#define NEXT "nextval('\"{t}_version\"')"
/* $2: milliseconds to live, or NULL */
#define EXPIRES "clock_timestamp() + $2::bigint * interval '1 millisecond'"
#define INSERT                                                                 \
    "INSERT INTO \"{t}\" AS e (key, version, expires, value) "                 \
    "VALUES ($1::text, " NEXT ", " EXPIRES ", $3::bytea) "                     \
    "ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version, "             \
    "expires = EXCLUDED.expires, value = EXCLUDED.value"
#define TEXT(value) "convert_from(" value ", 'UTF8')"

enum statement {
    GET,
    EXISTS,
    SET,
    SET_ABSENT,
    SET_VERSION,
    DELETE,
    DELETE_VERSION,
    INCREMENT,
    KEYS,
    SWEEP,
};

static const char *const statements[] = {
    [GET] =
        "SELECT version, value FROM \"{t}\" WHERE key = $1::text AND " ALIVE,
    [EXISTS] = "SELECT 1 FROM \"{t}\" WHERE key = $1::text AND " ALIVE,
    [SET] = INSERT " RETURNING version",
    [SET_ABSENT] =
        INSERT " WHERE e.expires <= clock_timestamp() RETURNING version",
    [SET_VERSION] =
        "UPDATE \"{t}\" SET version = " NEXT ", expires = " EXPIRES ", "
        "value = $3::bytea WHERE key = $1::text AND version = $4::bigint "
        "AND " ALIVE " RETURNING version",
    [DELETE] =
        "DELETE FROM \"{t}\" WHERE key = $1::text AND " ALIVE " RETURNING 1",
    [DELETE_VERSION] = "DELETE FROM \"{t}\" WHERE key = $1::text AND version = "
                       "$2::bigint AND " ALIVE " RETURNING 1",
    /*
     * The clock is read once.  What is no number, or not written as one, fails
     * to be cast to one.
     */
    [INCREMENT] =
        "INSERT INTO \"{t}\" AS e (key, version, expires, value) "
        "VALUES ($1::text, " NEXT ", NULL, "
        "convert_to($2::bigint::text, 'UTF8')) "
        "ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version, "
        "(expires, value) = (SELECT CASE WHEN over THEN NULL ELSE e.expires "
        "END, CASE WHEN over THEN EXCLUDED.value "
        "WHEN " TEXT(
            "e.value") " ~ '^(0|-?[1-9][0-9]*)$' THEN "
                       "convert_to((" TEXT(
                           "e.value") "::bigint + $2::bigint)::text, 'UTF8') "
                                      "ELSE convert_to(('no number: ' || " TEXT(
                                          "e.value") ")::bigint::text, "
                                                     "'UTF8') END FROM (SELECT "
                                                     "coalesce(e.expires <= "
                                                     "clock_timestamp(), "
                                                     "false) AS over OFFSET 0) "
                                                     "AS clock) "
                                                     "RETURNING " TEXT(
                                                         "value") "::bigint",
    [KEYS] = "SELECT key FROM \"{t}\" WHERE key >= $1::text AND key > $2::text "
             "AND ($3::text IS NULL OR key < $3::text) AND " ALIVE
             " ORDER BY key LIMIT $4::bigint",
    [SWEEP] = "DELETE FROM \"{t}\" WHERE key IN (SELECT key FROM \"{t}\" WHERE "
              "expires <= clock_timestamp() " SL_PG_SWEEP_LIMIT
              " FOR UPDATE SKIP LOCKED)",
    NULL,
};

/* --- Asking ------------------------------------------------------------- */

static void refuse_op(struct sl_op *op, enum sl_status status, const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

static int ask_set(struct sl_op *op, struct sl_pg_arguments *arguments)
{
    static const int sets[] = {
        [SL_KV_ALWAYS] = SET,
        [SL_KV_ABSENT] = SET_ABSENT,
        [SL_KV_VERSION] = SET_VERSION,
    };
    const struct sl_kv_request *request = op->request;
    int64_t expected;

    if (request->has_ttl)
        sl_pg_add_number(arguments, (int64_t)request->ttl_ms);
    else
        sl_pg_add_null(arguments);
    sl_pg_add_bytes(arguments, request->value);
    if (request->condition != SL_KV_VERSION)
        return sets[request->condition];
    if (!sl_bytes_to_integer(request->version, &expected)) {
        refuse_op(op, SL_CONFLICT, "the key does not exist in this version");
        return -1;
    }
    sl_pg_add_number(arguments, expected);
    return SET_VERSION;
}

static int ask_delete(struct sl_op *op, struct sl_pg_arguments *arguments)
{
    const struct sl_kv_request *request = op->request;
    int64_t expected;

    if (request->condition != SL_KV_VERSION)
        return DELETE;
    if (!sl_bytes_to_integer(request->version, &expected)) {
        refuse_op(op, SL_CONFLICT, "the key does not exist in this version");
        return -1;
    }
    sl_pg_add_number(arguments, expected);
    return DELETE_VERSION;
}

/* A cursor is this and the last key that was listed. */
enum { CURSOR_MARK = '>' };

static int ask_keys(struct sl_op *op, struct sl_pg_arguments *arguments,
                    char end[SL_KV_KEY_MAX + 1])
{
    const struct sl_kv_request *request = op->request;
    struct sl_bytes last = SL_LITERAL("");
    size_t len;

    if (request->cursor.len > 0) {
        last = SL_BYTES(request->cursor.ptr + 1, request->cursor.len - 1);
        if (request->cursor.ptr[0] != CURSOR_MARK || last.len == 0 ||
            last.len > SL_KV_KEY_MAX || !sl_bytes_are_text(last) ||
            !sl_bytes_start_with(last, request->key)) {
            refuse_op(op, SL_INVALID_ARGUMENT, "invalid cursor");
            return -1;
        }
    }
    sl_pg_add_bytes(arguments, last);
    if (sl_kv_postgres_prefix_end(request->key, end, &len))
        sl_pg_add_bytes(arguments, SL_BYTES(end, len));
    else
        sl_pg_add_null(arguments);
    sl_pg_add_number(arguments, (int64_t)request->limit + 1);
    return KEYS;
}

static int bind_arguments(struct sl_op *op, struct sl_pg_arguments *arguments)
{
    /* One at a time: it is sent before the next is asked for. */
    static _Thread_local char end[SL_KV_KEY_MAX + 1];
    const struct sl_kv_request *request = op->request;

    sl_pg_add_bytes(arguments, request->key);
    switch ((enum sl_kv_verb)request->verb) {
    case SL_KV_GET:
        return GET;
    case SL_KV_EXISTS:
        return EXISTS;
    case SL_KV_SET:
        return ask_set(op, arguments);
    case SL_KV_DELETE:
        return ask_delete(op, arguments);
    case SL_KV_INCREMENT:
        sl_pg_add_number(arguments, request->delta);
        return INCREMENT;
    case SL_KV_KEYS:
        return ask_keys(op, arguments, end);
    }
    return -1;
}

/* --- Answers ------------------------------------------------------------ */

static void put_version(struct sl_op *op, const PGresult *result)
{
    snprintf(sl_kv_answer_of(op)->version, sizeof(sl_kv_answer_of(op)->version),
             "%" PRId64, sl_pg_number_at(result, 0, 0));
}

static void answer_get(struct sl_op *op, const PGresult *result)
{
    struct sl_kv_answer *answer = op->answer;
    struct sl_bytes value = sl_pg_bytes_at(result, 0, 1);

    if (PQntuples(result) == 0 || !sl_kv_op_take_budget(op, value.len) ||
        sl_held_copy(&answer->value, value, &answer->err) != SL_OK)
        return;
    answer->found = true;
    if (sl_kv_request_of(op)->want_version)
        put_version(op, result);
}

static void answer_set(struct sl_op *op, const PGresult *result)
{
    if (PQntuples(result) > 0)
        put_version(op, result);
    else if (sl_kv_request_of(op)->condition == SL_KV_ABSENT)
        refuse_op(op, SL_ALREADY_EXISTS, "the key exists");
    else
        refuse_op(op, SL_CONFLICT, "the key does not exist in this version");
}

static void answer_delete(struct sl_op *op, const PGresult *result)
{
    sl_kv_answer_of(op)->found = PQntuples(result) > 0;
    if (sl_kv_request_of(op)->condition == SL_KV_VERSION &&
        PQntuples(result) == 0)
        refuse_op(op, SL_CONFLICT, "the key does not exist in this version");
}

static void answer_keys(struct sl_op *op, const PGresult *result)
{
    struct sl_kv_answer *answer = op->answer;
    uint32_t limit = sl_kv_request_of(op)->limit;
    const char mark = CURSOR_MARK;
    enum sl_status status = SL_OK;

    for (int i = 0; status == SL_OK && i < PQntuples(result); i++) {
        struct sl_bytes key = sl_pg_bytes_at(result, i, 0);
        if (answer->key_count == limit) {
            struct sl_bytes last = sl_pg_bytes_at(result, i - 1, 0);
            status =
                sl_buf_append(&answer->next, SL_BYTES(&mark, 1), &answer->err);
            if (status == SL_OK)
                status = sl_buf_append(&answer->next, last, &answer->err);
            return;
        }
        status = sl_buf_append(&answer->keys, key, &answer->err);
        if (status == SL_OK)
            status =
                sl_buf_append(&answer->keys, SL_LITERAL("\0"), &answer->err);
        answer->key_count++;
    }
}

static void read_result(struct sl_op *op, const PGresult *result)
{
    struct sl_kv_answer *out = op->answer;

    switch ((enum sl_kv_verb)sl_kv_request_of(op)->verb) {
    case SL_KV_GET:
        answer_get(op, result);
        return;
    case SL_KV_EXISTS:
        out->found = PQntuples(result) > 0;
        return;
    case SL_KV_SET:
        answer_set(op, result);
        return;
    case SL_KV_DELETE:
        answer_delete(op, result);
        return;
    case SL_KV_INCREMENT:
        out->number = sl_pg_number_at(result, 0, 0);
        return;
    case SL_KV_KEYS:
        answer_keys(op, result);
        return;
    }
}

static bool is_refused(struct sl_op *op, const char *sqlstate)
{
    if (sl_kv_request_of(op)->verb != SL_KV_INCREMENT ||
        strncmp(sqlstate, "22", 2) != 0)
        return false;
    refuse_op(op, SL_INVALID_ARGUMENT,
              strcmp(sqlstate, "22003") == 0
                  ? "the sum does not fit into 64 bits"
                  : "the value is not a whole number of 64 bits");
    return true;
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_pg_tables_kind kind = {
    .probe = "SELECT to_regclass('\"{t}\"') IS NOT NULL AND "
             "to_regclass('\"{t}_version\"') IS NOT NULL",
    .create = "CREATE SEQUENCE IF NOT EXISTS \"{t}_version\"; "
              "CREATE TABLE IF NOT EXISTS \"{t}\" (key text COLLATE \"C\" "
              "PRIMARY KEY, version bigint NOT NULL, expires timestamptz, "
              "value bytea NOT NULL); "
              "CREATE INDEX IF NOT EXISTS \"{t}_expires\" ON \"{t}\" (expires) "
              "WHERE expires IS NOT NULL",
    .statements = statements,
    .make_arguments = bind_arguments,
    .answer = read_result,
    .refuse = is_refused,
};

static enum sl_status postgres_store_new(const void *options, void **store,
                                         struct sl_error *err)
{
    return sl_pg_tables_store_new(&kind, options, store, err);
}

static bool postgres_idle(void *connection)
{
    return sl_pg_tables_sweep(connection, SWEEP);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_kv_postgres = {
    .name = "kv.postgres",
    .service = "PostgreSQL 12 or newer",
    .summary = "a table of a PostgreSQL database, which other programs can use "
               "as well",
    .options = option_table,
    .options_size = sizeof(struct sl_pg_tables_options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_DURABLE |
                SL_KV_FEATURE_SHARED | SL_KV_FEATURE_LINEARIZABLE,
    .blocking_safe = true,
    .max_batch = BATCH_MAX,
    .risks = sl_pg_risks,
    .store_new = postgres_store_new,
    .store_free = sl_pg_tables_store_free,
    .open = sl_pg_tables_open,
    .close = sl_pg_tables_close,
    .run = sl_pg_tables_run,
    .idle = postgres_idle,
};

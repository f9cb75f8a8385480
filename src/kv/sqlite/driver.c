/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.sqlite: the embedded default.  One database file, one row a key
 * (driverkit/embedded.h).
 *
 * The table has row ids: without them SQLite keeps values in the inner pages of
 * the tree as well (https://www.sqlite.org/withoutrowid.html), which halves the
 * rate of writes at 1 KiB and is five times slower to read at 16 KiB.  `value`
 * is the last column, so that a look at the others does not read it.
 *
 * A version is a number that is never given twice in the life of the file.
 * Numbers are taken from `counter` in blocks: to write it with each write costs
 * a batch two thirds of its rate.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driverkit/embedded.h"
#include "kv/driver.h"

enum {
    VERSION_BLOCK = 10000,
    BATCH_MAX = 256,
    EXPIRED_MAX = 2000,        /* that one page passes over: about 5 ms */
    IN_PLACE_MAX = 512 * 1024, /* bytes of a value: less than a millisecond */
};

/* A connection with its statements. */
struct kv_sqlite_conn {
    struct sl_embedded embedded;
    int64_t version;     /* the last one that was given */
    int64_t version_end; /* the last one that may be */
};

/* What the parameters of all statements mean. */
enum { KEY = 1, NOW, VERSION, EXPIRES, VALUE, EXPECTED, FROM = 1, TO = 3 };
/* Of GET: the largest value that is read. */
enum { LARGEST = 3 };

#define ALIVE "(expires IS NULL OR expires > ?2)"
#define UPSERT                                                                 \
    "INSERT INTO entries (key, version, expires, value) "                      \
    "VALUES (?1, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE "                     \
    "SET version = ?3, expires = ?4, value = ?5"

enum statement {
    GET,
    EXISTS,
    SET,
    SET_ABSENT,
    SET_VERSION,
    CHANGE,
    DELETE,
    DELETE_VERSION,
    KEYS,
    RESERVE,
    EXPIRED,
    SWEEP,
};

static const char *const statements[] = {
    /* The length stands in the row itself; to learn it reads nothing else. */
    [GET] = "SELECT version, CASE WHEN length(value) <= ?3 THEN value END, "
            "length(value) <= ?3 FROM entries WHERE key = ?1 AND " ALIVE,
    [EXISTS] = "SELECT 1 FROM entries WHERE key = ?1 AND " ALIVE,
    [SET] = UPSERT,
    [SET_ABSENT] = UPSERT " WHERE expires <= ?2",
    [SET_VERSION] = "UPDATE entries SET version = ?3, expires = ?4, value = ?5 "
                    "WHERE key = ?1 AND version = ?6 AND " ALIVE,
    [CHANGE] = "UPDATE entries SET version = ?3, value = ?5 WHERE key = ?1",
    [DELETE] = "DELETE FROM entries WHERE key = ?1 AND " ALIVE,
    [DELETE_VERSION] =
        "DELETE FROM entries WHERE key = ?1 AND version = ?6 AND " ALIVE,
    /* Those that have expired as well, so that they can be counted. */
    [KEYS] = "SELECT key, " ALIVE " FROM entries WHERE key >= ?1 AND key < ?3 "
             "ORDER BY key",
    [RESERVE] = "UPDATE counter SET last = last + ?1 RETURNING last",
    [EXPIRED] = "SELECT 1 FROM entries WHERE expires <= ?1 LIMIT 1",
    [SWEEP] = "DELETE FROM entries WHERE rowid IN "
              "(SELECT rowid FROM entries WHERE expires <= ?1 LIMIT ?2)",
    NULL,
};

/* A statement with its key, and the time by which a row may have expired. */
static sqlite3_stmt *with_key(struct kv_sqlite_conn *conn, enum statement which,
                              struct sl_bytes key)
{
    sqlite3_stmt *statement = conn->embedded.statements[which];

    sl_embedded_bind_text(statement, KEY, key);
    if (sqlite3_bind_parameter_count(statement) >= NOW)
        sqlite3_bind_int64(statement, NOW, sl_wall_ms());
    return statement;
}

/* Inside a transaction, which must succeed for the version to be used. */
static int next_version(struct kv_sqlite_conn *conn, int64_t *version)
{
    if (conn->version == conn->version_end) {
        sqlite3_stmt *reserve = conn->embedded.statements[RESERVE];
        sqlite3_bind_int64(reserve, 1, VERSION_BLOCK);
        bool reserved = sqlite3_step(reserve) == SQLITE_ROW;
        int64_t last = sqlite3_column_int64(reserve, 0);
        int code = sl_embedded_finish(reserve);
        if (code != SQLITE_OK || !reserved)
            return code != SQLITE_OK ? code : SQLITE_CORRUPT;
        conn->version = last - VERSION_BLOCK;
        conn->version_end = last;
    }
    *version = ++conn->version;
    return SQLITE_OK;
}

/* --- One op: each returns SQLite's code, SQLITE_OK where op is answered. - */

static void put_version(struct sl_op *op, int64_t version)
{
    snprintf(sl_kv_answer_of(op)->version, sizeof(sl_kv_answer_of(op)->version),
             "%" PRId64, version);
}

static int run_get(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    sqlite3_stmt *get = with_key(conn, GET, sl_kv_request_of(op)->key);

    sqlite3_bind_int64(get, LARGEST, op->in_place ? IN_PLACE_MAX : INT64_MAX);
    bool found = sqlite3_step(get) == SQLITE_ROW;
    op->too_long = found && sqlite3_column_int(get, 2) == 0;
    if (found && !op->too_long) {
        struct sl_bytes value = sl_embedded_blob(get, 1);
        if (sl_kv_op_take_budget(op, value.len) &&
            sl_held_copy(&sl_kv_answer_of(op)->value, value,
                         &sl_kv_answer_of(op)->err) == SL_OK) {
            sl_kv_answer_of(op)->found = true;
            if (sl_kv_request_of(op)->want_version)
                put_version(op, sqlite3_column_int64(get, 0));
        }
    }
    return sl_embedded_finish(get);
}

static int run_exists(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    sqlite3_stmt *exists = with_key(conn, EXISTS, sl_kv_request_of(op)->key);

    sl_kv_answer_of(op)->found = sqlite3_step(exists) == SQLITE_ROW;
    return sl_embedded_finish(exists);
}

/* The version of the request; one that we cannot have given is a conflict. */
static bool take_expected(struct sl_op *op, int64_t *expected)
{
    if (sl_kv_request_of(op)->condition != SL_KV_VERSION ||
        sl_bytes_to_integer(sl_kv_request_of(op)->version, expected))
        return true;
    sl_embedded_refuse(op, SL_CONFLICT,
                       "the key does not exist in this version");
    return false;
}

static int run_set(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    static const enum statement sets[] = {
        [SL_KV_ALWAYS] = SET,
        [SL_KV_ABSENT] = SET_ABSENT,
        [SL_KV_VERSION] = SET_VERSION,
    };
    const struct sl_kv_request *request = op->request;
    int64_t expected = 0, version;

    if (!take_expected(op, &expected))
        return SQLITE_OK;
    int code = next_version(conn, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *set = with_key(conn, sets[request->condition], request->key);
    sqlite3_bind_int64(set, VERSION, version);
    if (request->has_ttl)
        sqlite3_bind_int64(set, EXPIRES,
                           sl_wall_ms() + (int64_t)request->ttl_ms);
    if (request->condition == SL_KV_VERSION)
        sqlite3_bind_int64(set, EXPECTED, expected);
    code = sl_embedded_bind_blob(set, VALUE, request->value);
    if (code != SQLITE_OK) {
        (void)sl_embedded_finish(set);
        return code;
    }
    code = sl_embedded_perform(set);
    if (code != SQLITE_OK)
        return code;

    if (sqlite3_changes(conn->embedded.file.handle) > 0)
        put_version(op, version);
    else if (request->condition == SL_KV_ABSENT)
        sl_embedded_refuse(op, SL_ALREADY_EXISTS, "the key exists");
    else
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the key does not exist in this version");
    return SQLITE_OK;
}

static int run_delete(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    bool versioned = sl_kv_request_of(op)->condition == SL_KV_VERSION;
    int64_t expected = 0;

    if (!take_expected(op, &expected))
        return SQLITE_OK;
    sqlite3_stmt *delete = with_key(conn, versioned ? DELETE_VERSION : DELETE,
                                    sl_kv_request_of(op)->key);
    if (versioned)
        sqlite3_bind_int64(delete, EXPECTED, expected);
    int code = sl_embedded_perform(delete);
    if (code != SQLITE_OK)
        return code;

    sl_kv_answer_of(op)->found =
        sqlite3_changes(conn->embedded.file.handle) > 0;
    if (versioned && !sl_kv_answer_of(op)->found)
        sl_embedded_refuse(op, SL_CONFLICT,
                           "the key does not exist in this version");
    return SQLITE_OK;
}

/* What key holds as a number, and whether there is one; absent counts as 0. */
static int read_number(struct kv_sqlite_conn *conn, struct sl_bytes key,
                       int64_t *number, bool *found, bool *valid)
{
    sqlite3_stmt *get = with_key(conn, GET, key);

    sqlite3_bind_int64(get, LARGEST, INT64_MAX);
    *number = 0;
    *valid = true;
    *found = sqlite3_step(get) == SQLITE_ROW;
    if (*found)
        *valid = sl_bytes_to_integer(sl_embedded_blob(get, 1), number);
    return sl_embedded_finish(get);
}

static int run_increment(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    bool found, valid;
    int64_t number, sum, version;
    char text[24];

    int code =
        read_number(conn, sl_kv_request_of(op)->key, &number, &found, &valid);
    if (code != SQLITE_OK)
        return code;
    if (!valid ||
        __builtin_add_overflow(number, sl_kv_request_of(op)->delta, &sum)) {
        sl_embedded_refuse(op, SL_INVALID_ARGUMENT,
                           valid
                               ? "the sum does not fit into 64 bits"
                               : "the value is not a whole number of 64 bits");
        return SQLITE_OK;
    }
    code = next_version(conn, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *write =
        with_key(conn, found ? CHANGE : SET, sl_kv_request_of(op)->key);
    sqlite3_bind_int64(write, VERSION, version);
    int len = snprintf(text, sizeof(text), "%" PRId64, sum);
    (void)sl_embedded_bind_blob(write, VALUE, SL_BYTES(text, (size_t)len));
    code = sl_embedded_perform(write);
    if (code == SQLITE_OK)
        sl_kv_answer_of(op)->number = sum;
    return code;
}

/* A cursor is this and the last key that was listed. */
enum { CURSOR_MARK = '>' };

/*
 * The keys asked for are those from `from` on and before `to`.  Keys hold no
 * NUL, so that the first one behind a key ends in 1; as UTF-8 they hold no byte
 * 0xff, so that all that start with a prefix come before prefix 0xff.
 */
static bool key_range(const struct sl_kv_request *request,
                      char from[SL_KV_KEY_MAX + 1], size_t *from_len,
                      char to[SL_KV_KEY_MAX + 1])
{
    struct sl_bytes prefix = request->key, cursor = request->cursor;
    struct sl_bytes start = prefix;

    if (cursor.len > 0) {
        start = SL_BYTES(cursor.ptr + 1, cursor.len - 1);
        if (cursor.ptr[0] != CURSOR_MARK || start.len == 0 ||
            start.len > SL_KV_KEY_MAX || !sl_bytes_start_with(start, prefix))
            return false;
    }
    if (start.len > 0)
        memcpy(from, start.ptr, start.len);
    *from_len = start.len;
    if (cursor.len > 0)
        from[(*from_len)++] = 1;
    if (prefix.len > 0)
        memcpy(to, prefix.ptr, prefix.len);
    to[prefix.len] = (char)0xff;
    return true;
}

static enum sl_status append_key(struct sl_kv_answer *answer,
                                 struct sl_bytes key, struct sl_error *err)
{
    enum sl_status status = sl_buf_append(&answer->keys, key, err);

    if (status == SL_OK)
        status = sl_buf_append(&answer->keys, SL_LITERAL("\0"), err);
    if (status == SL_OK)
        answer->key_count++;
    return status;
}

static enum sl_status put_cursor(struct sl_kv_answer *answer,
                                 struct sl_bytes last, struct sl_error *err)
{
    const char mark = CURSOR_MARK;
    enum sl_status status =
        sl_buf_append(&answer->next, SL_BYTES(&mark, 1), err);

    return status == SL_OK ? sl_buf_append(&answer->next, last, err) : status;
}

/*
 * Put a page into answer; one row more than its limit says that there is one.
 * Where many have expired it ends sooner, so that nobody waits for it long.
 */
static enum sl_status read_page(sqlite3_stmt *keys, uint32_t limit,
                                struct sl_kv_answer *answer,
                                struct sl_error *err)
{
    size_t last = 0; /* where the last key starts */
    int expired = 0;
    enum sl_status status = SL_OK;

    while (status == SL_OK && sqlite3_step(keys) == SQLITE_ROW) {
        struct sl_bytes key = sl_embedded_text(keys, 0);
        if (sqlite3_column_int(keys, 1) == 0) {
            if (++expired == EXPIRED_MAX)
                return put_cursor(answer, key, err);
            continue;
        }
        if (answer->key_count == limit)
            return put_cursor(
                answer, sl_bytes_of((const char *)answer->keys.ptr + last),
                err);
        last = answer->keys.len;
        status = append_key(answer, key, err);
    }
    return status;
}

static int run_keys(struct kv_sqlite_conn *conn, struct sl_op *op)
{
    char from[SL_KV_KEY_MAX + 1], to[SL_KV_KEY_MAX + 1];
    size_t from_len;
    struct sl_error err;

    if (!key_range(op->request, from, &from_len, to)) {
        sl_embedded_refuse(op, SL_INVALID_ARGUMENT, "invalid cursor");
        return SQLITE_OK;
    }
    sqlite3_stmt *keys = with_key(conn, KEYS, SL_BYTES(from, from_len));
    sl_embedded_bind_text(keys, TO,
                          SL_BYTES(to, sl_kv_request_of(op)->key.len + 1));
    if (read_page(keys, sl_kv_request_of(op)->limit, op->answer, &err) != SL_OK)
        sl_op_fail(op, &err);
    return sl_embedded_finish(keys);
}

static int run_statement(struct sl_embedded *embedded, struct sl_op *op)
{
    static int (*const runs[])(struct kv_sqlite_conn *, struct sl_op *) = {
        [SL_KV_GET] = run_get,   [SL_KV_EXISTS] = run_exists,
        [SL_KV_SET] = run_set,   [SL_KV_DELETE] = run_delete,
        [SL_KV_KEYS] = run_keys, [SL_KV_INCREMENT] = run_increment,
    };

    return runs[sl_op_verb(op)]((struct kv_sqlite_conn *)embedded, op);
}

static bool is_write(const struct sl_op *op)
{
    enum sl_kv_verb verb = sl_kv_request_of(op)->verb;

    return verb == SL_KV_SET || verb == SL_KV_DELETE || verb == SL_KV_INCREMENT;
}

static bool frees_space(const struct sl_op *op)
{
    return sl_op_verb(op) == SL_KV_DELETE;
}

static bool sweep_expired(struct sl_embedded *embedded)
{
    return sl_embedded_sweep(embedded, embedded->statements[EXPIRED],
                             embedded->statements[SWEEP], sl_wall_ms());
}

/* What was reserved for versions is gone with it. */
static void rolled_back(struct sl_embedded *embedded)
{
    struct kv_sqlite_conn *conn = (struct kv_sqlite_conn *)embedded;

    conn->version = conn->version_end = 0;
}

/* --- The driver --------------------------------------------------------- */

static const struct sl_embedded_kind kind = {
    .capability = &sl_kv,
    .format =
        {
            .application_id = 0x534c6b76, /* "SLkv" */
            .version = 1,
            .create = "CREATE TABLE entries (key TEXT NOT NULL UNIQUE, version "
                      "INTEGER NOT "
                      "NULL, expires INTEGER, value BLOB NOT NULL);"
                      "CREATE INDEX expiring ON entries (expires) WHERE "
                      "expires IS NOT NULL;"
                      "CREATE TABLE counter (last INTEGER NOT NULL);"
                      "INSERT INTO counter VALUES (0);"
                      "PRAGMA application_id = 0x534c6b76;"
                      "PRAGMA user_version = 1;",
        },
    .statements = statements,
    .connection_size = sizeof(struct kv_sqlite_conn),
    .writes = is_write,
    .run = run_statement,
    .frees = frees_space,
    .sweep = sweep_expired,
    .rolled_back = rolled_back,
};

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **connection, struct sl_error *err)
{
    return sl_embedded_open(&kind, store, deadline, connection, err);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_kv_sqlite = {
    .name = "kv.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; several processes may "
               "share it",
    .options = sl_embedded_options,
    .options_size = sizeof(struct sl_embedded_options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_DURABLE |
                SL_KV_FEATURE_SHARED | SL_KV_FEATURE_LINEARIZABLE,
    .inline_verbs = 1 << SL_KV_GET | 1 << SL_KV_EXISTS,
    .max_connections = 1,
    .max_batch = BATCH_MAX,
    .store_new = sl_embedded_store_new,
    .store_free = sl_embedded_store_free,
    .usage = sl_embedded_usage,
    .open = sqlite_open,
    .close = sl_embedded_close,
    .run = sl_embedded_run,
    .idle = sl_embedded_idle,
};

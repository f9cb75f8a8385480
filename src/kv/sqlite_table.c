/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys and values.
 *
 * It has row ids: without them SQLite keeps values in the inner pages of the
 * tree as well (https://www.sqlite.org/withoutrowid.html), which halves the
 * rate of writes at 1 KiB and is five times slower to read at 16 KiB.  `value`
 * is the last column, so that a look at the others does not read it.
 *
 * A version is a number that is never given twice in the life of the file.
 * Numbers are taken from `counter` in blocks: to write it with each write costs
 * a batch two thirds of its rate.
 */
#include "kv/sqlite_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION_BLOCK = 10000,
    SWEEP_ROWS = 100, /* in one transaction: others want to write too */
};

static const struct sl_sqlite_format format = {
    .application_id = 0x534c6b76, /* "SLkv" */
    .version = 1,
    .create =
        "CREATE TABLE entries (key TEXT NOT NULL UNIQUE, version INTEGER NOT "
        "NULL, expires INTEGER, value BLOB NOT NULL);"
        "CREATE INDEX expiring ON entries (expires) WHERE expires IS NOT NULL;"
        "CREATE TABLE counter (last INTEGER NOT NULL);"
        "INSERT INTO counter VALUES (0);"
        "PRAGMA application_id = 0x534c6b76;"
        "PRAGMA user_version = 1;",
};

/* What the parameters of all statements mean. */
enum { KEY = 1, NOW, VERSION, EXPIRES, VALUE, EXPECTED, FROM = 1, TO = 3 };

#define ALIVE "(expires IS NULL OR expires > ?2)"
#define UPSERT                                                                 \
    "INSERT INTO entries (key, version, expires, value) "                      \
    "VALUES (?1, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE "                     \
    "SET version = ?3, expires = ?4, value = ?5"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
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

static const char *const statement_texts[SL_SQLITE_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT version, value FROM entries WHERE key = ?1 AND " ALIVE,
    [EXISTS] = "SELECT 1 FROM entries WHERE key = ?1 AND " ALIVE,
    [SET] = UPSERT,
    [SET_ABSENT] = UPSERT " WHERE expires <= ?2",
    [SET_VERSION] = "UPDATE entries SET version = ?3, expires = ?4, value = ?5 "
                    "WHERE key = ?1 AND version = ?6 AND " ALIVE,
    [CHANGE] = "UPDATE entries SET version = ?3, value = ?5 WHERE key = ?1",
    [DELETE] = "DELETE FROM entries WHERE key = ?1 AND " ALIVE,
    [DELETE_VERSION] =
        "DELETE FROM entries WHERE key = ?1 AND version = ?6 AND " ALIVE,
    [KEYS] = "SELECT key FROM entries WHERE key >= ?1 AND key < ?3 AND " ALIVE
             " ORDER BY key",
    [RESERVE] = "UPDATE counter SET last = last + ?1 RETURNING last",
    [EXPIRED] = "SELECT 1 FROM entries WHERE expires <= ?2 LIMIT 1",
    [SWEEP] = "DELETE FROM entries WHERE rowid IN "
              "(SELECT rowid FROM entries WHERE expires <= ?2 LIMIT ?1)",
};

static void refuse(struct sl_op *op, enum sl_status status, const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_op_fail(op, &err);
}

/* --- Statements ------------------------------------------------------- */

static int finish(sqlite3_stmt *statement)
{
    int code = sqlite3_reset(statement); /* that of the last step */

    sqlite3_clear_bindings(statement);
    return code;
}

/* Run to the end a statement that answers with no rows. */
static int perform(sqlite3_stmt *statement)
{
    errno = 0;                     /* for sl_sqlite_explain */
    (void)sqlite3_step(statement); /* finish has its code */
    return finish(statement);
}

static void bind_text(sqlite3_stmt *statement, int at, struct sl_bytes text)
{
    sqlite3_bind_text(statement, at, (const char *)text.ptr, (int)text.len,
                      SQLITE_STATIC);
}

/* A statement with its key, and the time by which a row may have expired. */
static sqlite3_stmt *with_key(struct sl_sqlite_table *table,
                              enum statement which, struct sl_bytes key)
{
    sqlite3_stmt *statement = table->statements[which];

    bind_text(statement, KEY, key);
    if (sqlite3_bind_parameter_count(statement) >= NOW)
        sqlite3_bind_int64(statement, NOW, sl_wall_ms());
    return statement;
}

/* An empty value is a blob as well, where a NULL pointer would be a NULL. */
static int bind_value(sqlite3_stmt *statement, struct sl_bytes value)
{
    return sqlite3_bind_blob64(statement, VALUE,
                               value.len > 0 ? (const void *)value.ptr : "",
                               value.len, SQLITE_STATIC);
}

/* Inside a transaction, which must succeed for the version to be used. */
static int next_version(struct sl_sqlite_table *table, int64_t *version)
{
    if (table->version == table->version_end) {
        sqlite3_stmt *reserve = table->statements[RESERVE];
        sqlite3_bind_int64(reserve, 1, VERSION_BLOCK);
        bool reserved = sqlite3_step(reserve) == SQLITE_ROW;
        int64_t last = sqlite3_column_int64(reserve, 0);
        int code = finish(reserve);
        if (code != SQLITE_OK || !reserved)
            return code != SQLITE_OK ? code : SQLITE_CORRUPT;
        table->version = last - VERSION_BLOCK;
        table->version_end = last;
    }
    *version = ++table->version;
    return SQLITE_OK;
}

/* --- One op: each returns SQLite's code, SQLITE_OK where op is answered. - */

static void put_version(struct sl_op *op, int64_t version)
{
    snprintf(sl_kv_answer_of(op)->version, sizeof(sl_kv_answer_of(op)->version),
             "%" PRId64, version);
}

static int run_get(struct sl_sqlite_table *table, struct sl_op *op)
{
    sqlite3_stmt *get = with_key(table, GET, sl_kv_request_of(op)->key);

    if (sqlite3_step(get) == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(get, 1);
        size_t len = (size_t)sqlite3_column_bytes(get, 1);
        if (sl_kv_op_make_room(op, len) &&
            sl_held_copy(&sl_kv_answer_of(op)->value, SL_BYTES(blob, len),
                         &sl_kv_answer_of(op)->err) == SL_OK) {
            sl_kv_answer_of(op)->found = true;
            if (sl_kv_request_of(op)->want_version)
                put_version(op, sqlite3_column_int64(get, 0));
        }
    }
    return finish(get);
}

static int run_exists(struct sl_sqlite_table *table, struct sl_op *op)
{
    sqlite3_stmt *exists = with_key(table, EXISTS, sl_kv_request_of(op)->key);

    sl_kv_answer_of(op)->found = sqlite3_step(exists) == SQLITE_ROW;
    return finish(exists);
}

/* The version of the request; one that we cannot have given is a conflict. */
static bool take_expected(struct sl_op *op, int64_t *expected)
{
    if (sl_kv_request_of(op)->condition != SL_KV_VERSION ||
        sl_bytes_to_integer(sl_kv_request_of(op)->version, expected))
        return true;
    refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return false;
}

static int run_set(struct sl_sqlite_table *table, struct sl_op *op)
{
    static const enum statement statements[] = {
        [SL_KV_ALWAYS] = SET,
        [SL_KV_ABSENT] = SET_ABSENT,
        [SL_KV_VERSION] = SET_VERSION,
    };
    const struct sl_kv_request *request = op->request;
    int64_t expected = 0, version;

    if (!take_expected(op, &expected))
        return SQLITE_OK;
    int code = next_version(table, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *set =
        with_key(table, statements[request->condition], request->key);
    sqlite3_bind_int64(set, VERSION, version);
    if (request->has_ttl)
        sqlite3_bind_int64(set, EXPIRES,
                           sl_wall_ms() + (int64_t)request->ttl_ms);
    if (request->condition == SL_KV_VERSION)
        sqlite3_bind_int64(set, EXPECTED, expected);
    code = bind_value(set, request->value);
    if (code != SQLITE_OK) {
        (void)finish(set);
        return code;
    }
    code = perform(set);
    if (code != SQLITE_OK)
        return code;

    if (sqlite3_changes(table->file.handle) > 0)
        put_version(op, version);
    else if (request->condition == SL_KV_ABSENT)
        refuse(op, SL_ALREADY_EXISTS, "the key exists");
    else
        refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return SQLITE_OK;
}

static int run_delete(struct sl_sqlite_table *table, struct sl_op *op)
{
    bool versioned = sl_kv_request_of(op)->condition == SL_KV_VERSION;
    int64_t expected = 0;

    if (!take_expected(op, &expected))
        return SQLITE_OK;
    sqlite3_stmt *delete = with_key(table, versioned ? DELETE_VERSION : DELETE,
                                    sl_kv_request_of(op)->key);
    if (versioned)
        sqlite3_bind_int64(delete, EXPECTED, expected);
    int code = perform(delete);
    if (code != SQLITE_OK)
        return code;

    sl_kv_answer_of(op)->found = sqlite3_changes(table->file.handle) > 0;
    if (versioned && !sl_kv_answer_of(op)->found)
        refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return SQLITE_OK;
}

/* What key holds as a number, and whether there is one; absent counts as 0. */
static int read_number(struct sl_sqlite_table *table, struct sl_bytes key,
                       int64_t *number, bool *found, bool *valid)
{
    sqlite3_stmt *get = with_key(table, GET, key);

    *number = 0;
    *valid = true;
    *found = sqlite3_step(get) == SQLITE_ROW;
    if (*found) {
        const void *blob = sqlite3_column_blob(get, 1);
        size_t len = (size_t)sqlite3_column_bytes(get, 1);
        *valid = sl_bytes_to_integer(SL_BYTES(blob, len), number);
    }
    return finish(get);
}

static int run_increment(struct sl_sqlite_table *table, struct sl_op *op)
{
    bool found, valid;
    int64_t number, sum, version;
    char text[24];

    int code =
        read_number(table, sl_kv_request_of(op)->key, &number, &found, &valid);
    if (code != SQLITE_OK)
        return code;
    if (!valid ||
        __builtin_add_overflow(number, sl_kv_request_of(op)->delta, &sum)) {
        refuse(op, SL_INVALID_ARGUMENT,
               valid ? "the sum does not fit into 64 bits"
                     : "the value is not a whole number of 64 bits");
        return SQLITE_OK;
    }
    code = next_version(table, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *write =
        with_key(table, found ? CHANGE : SET, sl_kv_request_of(op)->key);
    sqlite3_bind_int64(write, VERSION, version);
    int len = snprintf(text, sizeof(text), "%" PRId64, sum);
    (void)bind_value(write, SL_BYTES(text, (size_t)len));
    code = perform(write);
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

/* Put a page into answer; one row more than its limit says that there is one.*/
static enum sl_status read_page(sqlite3_stmt *keys, uint32_t limit,
                                struct sl_kv_answer *answer,
                                struct sl_error *err)
{
    size_t last = 0; /* where the last key starts */
    enum sl_status status = SL_OK;

    while (status == SL_OK && sqlite3_step(keys) == SQLITE_ROW) {
        if (answer->key_count == limit) {
            const char mark = CURSOR_MARK;
            status = sl_buf_append(&answer->next, SL_BYTES(&mark, 1), err);
            if (status == SL_OK)
                status = sl_buf_append(
                    &answer->next,
                    sl_bytes_of((const char *)answer->keys.ptr + last), err);
            break;
        }
        last = answer->keys.len;
        const unsigned char *key = sqlite3_column_text(keys, 0);
        size_t len = (size_t)sqlite3_column_bytes(keys, 0);
        status = append_key(answer, SL_BYTES(key, len), err);
    }
    return status;
}

static int run_keys(struct sl_sqlite_table *table, struct sl_op *op)
{
    char from[SL_KV_KEY_MAX + 1], to[SL_KV_KEY_MAX + 1];
    size_t from_len;
    struct sl_error err;

    if (!key_range(op->request, from, &from_len, to)) {
        refuse(op, SL_INVALID_ARGUMENT,
               "the cursor is none that this listing gave");
        return SQLITE_OK;
    }
    sqlite3_stmt *keys = with_key(table, KEYS, SL_BYTES(from, from_len));
    bind_text(keys, TO, SL_BYTES(to, sl_kv_request_of(op)->key.len + 1));
    if (read_page(keys, sl_kv_request_of(op)->limit, op->answer, &err) != SL_OK)
        sl_op_fail(op, &err);
    return finish(keys);
}

int sl_sqlite_do(struct sl_sqlite_table *table, struct sl_op *op)
{
    static int (*const runs[])(struct sl_sqlite_table *, struct sl_op *) = {
        [SL_KV_GET] = run_get,   [SL_KV_EXISTS] = run_exists,
        [SL_KV_SET] = run_set,   [SL_KV_DELETE] = run_delete,
        [SL_KV_KEYS] = run_keys, [SL_KV_INCREMENT] = run_increment,
    };

    return runs[sl_kv_request_of(op)->verb](table, op);
}

/* --- Transactions --------------------------------------------------------- */

int sl_sqlite_begin(struct sl_sqlite_table *table)
{
    return perform(table->statements[BEGIN]);
}

int sl_sqlite_commit(struct sl_sqlite_table *table)
{
    return perform(table->statements[COMMIT]);
}

/* What was reserved for versions is gone with it. */
void sl_sqlite_roll_back(struct sl_sqlite_table *table)
{
    if (sqlite3_get_autocommit(table->file.handle) == 0)
        (void)perform(table->statements[ROLLBACK]);
    table->version = table->version_end = 0;
}

bool sl_sqlite_sweep(struct sl_sqlite_table *table)
{
    sqlite3_stmt *expired = table->statements[EXPIRED];
    sqlite3_stmt *sweep = table->statements[SWEEP];
    int64_t now = sl_wall_ms();

    /* Look first: to delete nothing would wait for other writers too. */
    sqlite3_bind_int64(expired, NOW, now);
    bool found = sqlite3_step(expired) == SQLITE_ROW;
    if (finish(expired) != SQLITE_OK || !found)
        return false;
    sqlite3_bind_int64(sweep, 1, SWEEP_ROWS);
    sqlite3_bind_int64(sweep, NOW, now);
    return perform(sweep) == SQLITE_OK;
}

/* --- Opening -------------------------------------------------------------- */

static enum sl_status prepare(struct sl_sqlite_table *table,
                              struct sl_error *err)
{
    for (int i = 0; i < SL_SQLITE_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(table->file.handle, statement_texts[i],
                                      -1, SQLITE_PREPARE_PERSISTENT,
                                      &table->statements[i], NULL);
        if (code != SQLITE_OK)
            return sl_sqlite_explain(&table->file, code, err);
    }
    return SL_OK;
}

enum sl_status sl_sqlite_table_open(struct sl_sqlite_table *table,
                                    const char *path, bool flush,
                                    sl_deadline deadline, struct sl_error *err)
{
    *table = (struct sl_sqlite_table){0};
    enum sl_status status =
        sl_sqlite_open(&table->file, path, flush, &format, deadline, err);
    return status == SL_OK ? prepare(table, err) : status;
}

void sl_sqlite_table_close(struct sl_sqlite_table *table)
{
    for (int i = 0; i < SL_SQLITE_STATEMENTS; i++)
        sqlite3_finalize(table->statements[i]);
    sl_sqlite_close(&table->file);
}

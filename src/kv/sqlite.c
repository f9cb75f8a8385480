/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.sqlite: the embedded default.  One database file, one row a key.
 *
 * WAL mode, so that readers and the one writer never wait for each other and a
 * commit is one flush; a batch of writes is one transaction, so that many
 * guests share that flush.  Processes that share the file wait for each other
 * in SQLite's busy handler, until the deadline.
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
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/driver.h"
#include "kv/sqlite_file.h"

enum {
    BATCH_MAX = 256,
    VERSION_BLOCK = 10000,
    SWEEP_ROWS = 100, /* in one transaction: others want to write too */
    SWEEP_MS = 50,    /* in one go: calls may be coming in */
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
    STATEMENTS
};

static const char *const statement_texts[STATEMENTS] = {
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

struct options {
    const char *path;
    const char *sync;
};

/* A state: one connection. */
struct db {
    struct sl_sqlite_file file;
    sqlite3_stmt *statements[STATEMENTS];
    int64_t version;     /* the last one that was given */
    int64_t version_end; /* the last one that may be */
};

static enum sl_status check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] == '\0')
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected a file");
    if (strcmp(path, ":memory:") == 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected a file; for a store in memory use the type "
                       "\"kv.memory\"");
    return SL_OK;
}

static enum sl_status check_sync(const void *field, struct sl_error *err)
{
    const char *sync = *(const char *const *)field;

    if (strcmp(sync, "full") != 0 && strcmp(sync, "normal") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected \"full\" or \"normal\"");
    return SL_OK;
}

static const struct sl_option option_table[] = {
    {.name = "path",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, path),
     .required = true,
     .help = "the database file; it and its folder are made where they are "
             "missing",
     .check = check_path},
    {.name = "sync",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, sync),
     .fallback = "full",
     .help = "\"full\": an answered write survives a power failure; "
             "\"normal\": it survives the end of the process, and the last "
             "ones may be lost with the power",
     .check = check_sync},
    {0},
};

static void refuse(struct sl_kv_op *op, enum sl_status status, const char *why)
{
    struct sl_error err;

    sl_fail(&err, status, "%s", why);
    sl_kv_op_fail(op, &err);
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
static sqlite3_stmt *with_key(struct db *db, enum statement which,
                              struct sl_bytes key)
{
    sqlite3_stmt *statement = db->statements[which];

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
static int next_version(struct db *db, int64_t *version)
{
    if (db->version == db->version_end) {
        sqlite3_stmt *reserve = db->statements[RESERVE];
        sqlite3_bind_int64(reserve, 1, VERSION_BLOCK);
        bool reserved = sqlite3_step(reserve) == SQLITE_ROW;
        int64_t last = sqlite3_column_int64(reserve, 0);
        int code = finish(reserve);
        if (code != SQLITE_OK || !reserved)
            return code != SQLITE_OK ? code : SQLITE_CORRUPT;
        db->version = last - VERSION_BLOCK;
        db->version_end = last;
    }
    *version = ++db->version;
    return SQLITE_OK;
}

/*
 * The decimal text of a signed 64-bit integer as we write it, and no other: the
 * same that Redis takes.
 */
static bool parse_number(struct sl_bytes text, int64_t *number)
{
    char copy[24], written[24];

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    int64_t parsed = strtoll(copy, NULL, 10);
    snprintf(written, sizeof(written), "%" PRId64, parsed);
    if (!sl_bytes_equal(text, sl_bytes_of(written)))
        return false;
    *number = parsed;
    return true;
}

/* --- One op: each returns SQLite's code, SQLITE_OK where op is answered. - */

static void put_version(struct sl_kv_op *op, int64_t version)
{
    snprintf(op->answer->version, sizeof(op->answer->version), "%" PRId64,
             version);
}

static int run_get(struct db *db, struct sl_kv_op *op)
{
    sqlite3_stmt *get = with_key(db, GET, op->request->key);

    if (sqlite3_step(get) == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(get, 1);
        size_t len = (size_t)sqlite3_column_bytes(get, 1);
        if (sl_kv_op_make_room(op, len) &&
            sl_held_copy(&op->answer->value, SL_BYTES(blob, len),
                         &op->answer->err) == SL_OK) {
            op->answer->found = true;
            if (op->request->want_version)
                put_version(op, sqlite3_column_int64(get, 0));
        }
    }
    return finish(get);
}

static int run_exists(struct db *db, struct sl_kv_op *op)
{
    sqlite3_stmt *exists = with_key(db, EXISTS, op->request->key);

    op->answer->found = sqlite3_step(exists) == SQLITE_ROW;
    return finish(exists);
}

/* The version of the request; one that we cannot have given is a conflict. */
static bool take_expected(struct sl_kv_op *op, int64_t *expected)
{
    if (op->request->condition != SL_KV_VERSION ||
        parse_number(op->request->version, expected))
        return true;
    refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return false;
}

static int run_set(struct db *db, struct sl_kv_op *op)
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
    int code = next_version(db, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *set =
        with_key(db, statements[request->condition], request->key);
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

    if (sqlite3_changes(db->file.handle) > 0)
        put_version(op, version);
    else if (request->condition == SL_KV_ABSENT)
        refuse(op, SL_ALREADY_EXISTS, "the key exists");
    else
        refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return SQLITE_OK;
}

static int run_delete(struct db *db, struct sl_kv_op *op)
{
    bool versioned = op->request->condition == SL_KV_VERSION;
    int64_t expected = 0;

    if (!take_expected(op, &expected))
        return SQLITE_OK;
    sqlite3_stmt *delete =
        with_key(db, versioned ? DELETE_VERSION : DELETE, op->request->key);
    if (versioned)
        sqlite3_bind_int64(delete, EXPECTED, expected);
    int code = perform(delete);
    if (code != SQLITE_OK)
        return code;

    op->answer->found = sqlite3_changes(db->file.handle) > 0;
    if (versioned && !op->answer->found)
        refuse(op, SL_CONFLICT, "the key does not exist in this version");
    return SQLITE_OK;
}

/* What key holds as a number, and whether there is one; absent counts as 0. */
static int read_number(struct db *db, struct sl_bytes key, int64_t *number,
                       bool *found, bool *valid)
{
    sqlite3_stmt *get = with_key(db, GET, key);

    *number = 0;
    *valid = true;
    *found = sqlite3_step(get) == SQLITE_ROW;
    if (*found) {
        const void *blob = sqlite3_column_blob(get, 1);
        size_t len = (size_t)sqlite3_column_bytes(get, 1);
        *valid = parse_number(SL_BYTES(blob, len), number);
    }
    return finish(get);
}

static int run_increment(struct db *db, struct sl_kv_op *op)
{
    bool found, valid;
    int64_t number, sum, version;
    char text[24];

    int code = read_number(db, op->request->key, &number, &found, &valid);
    if (code != SQLITE_OK)
        return code;
    if (!valid || __builtin_add_overflow(number, op->request->delta, &sum)) {
        refuse(op, SL_INVALID_ARGUMENT,
               valid ? "the sum does not fit into 64 bits"
                     : "the value is not a whole number of 64 bits");
        return SQLITE_OK;
    }
    code = next_version(db, &version);
    if (code != SQLITE_OK)
        return code;

    sqlite3_stmt *write = with_key(db, found ? CHANGE : SET, op->request->key);
    sqlite3_bind_int64(write, VERSION, version);
    int len = snprintf(text, sizeof(text), "%" PRId64, sum);
    (void)bind_value(write, SL_BYTES(text, (size_t)len));
    code = perform(write);
    if (code == SQLITE_OK)
        op->answer->number = sum;
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

static int run_keys(struct db *db, struct sl_kv_op *op)
{
    char from[SL_KV_KEY_MAX + 1], to[SL_KV_KEY_MAX + 1];
    size_t from_len;
    struct sl_error err;

    if (!key_range(op->request, from, &from_len, to)) {
        refuse(op, SL_INVALID_ARGUMENT,
               "the cursor is none that this listing gave");
        return SQLITE_OK;
    }
    sqlite3_stmt *keys = with_key(db, KEYS, SL_BYTES(from, from_len));
    bind_text(keys, TO, SL_BYTES(to, op->request->key.len + 1));
    if (read_page(keys, op->request->limit, op->answer, &err) != SL_OK)
        sl_kv_op_fail(op, &err);
    return finish(keys);
}

static int run_op(struct db *db, struct sl_kv_op *op)
{
    static int (*const runs[])(struct db *, struct sl_kv_op *) = {
        [SL_KV_GET] = run_get,   [SL_KV_EXISTS] = run_exists,
        [SL_KV_SET] = run_set,   [SL_KV_DELETE] = run_delete,
        [SL_KV_KEYS] = run_keys, [SL_KV_INCREMENT] = run_increment,
    };

    return runs[op->request->verb](db, op);
}

/* --- A batch ---------------------------------------------------------- */

static void fail_all(struct sl_kv_op *const ops[], size_t count, bool not_sent,
                     const struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        *ops[i]->room += ops[i]->answer->value.bytes.len;
        sl_kv_answer_done(ops[i]->answer);
        sl_kv_answer_init(ops[i]->answer);
        ops[i]->not_sent = not_sent;
        sl_kv_op_fail(ops[i], err);
    }
}

/* Whatever state the transaction is in, end it; what it reserved is gone. */
static void roll_back(struct db *db)
{
    if (sqlite3_get_autocommit(db->file.handle) == 0)
        (void)perform(db->statements[ROLLBACK]);
    db->version = db->version_end = 0;
}

/*
 * Answer ops in one transaction.  Where SQLite fails, nothing was written, each
 * op has that failure, and this returns false.
 */
static bool run_together(struct db *db, struct sl_kv_op *const ops[],
                         size_t count)
{
    struct sl_error err;
    bool committing = false;

    int code = perform(db->statements[BEGIN]);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        if (!sl_deadline_passed(ops[i]->deadline)) {
            code = run_op(db, ops[i]);
        } else {
            refuse(ops[i], SL_TIMEOUT, "the store was busy until the deadline");
            ops[i]->not_sent = true;
        }
    }
    if (code == SQLITE_OK) {
        committing = true;
        code = perform(db->statements[COMMIT]);
    }
    if (code == SQLITE_OK)
        return true;

    sl_sqlite_explain(&db->file, code, &err);
    roll_back(db);
    /* A commit that failed may still be found in the file after a crash. */
    fail_all(ops, count, !committing, &err);
    return false;
}

static void run_alone(struct db *db, struct sl_kv_op *op)
{
    struct sl_error err;
    int code = run_op(db, op);

    if (code == SQLITE_OK)
        return;
    sl_sqlite_explain(&db->file, code, &err);
    fail_all(&op, 1, true, &err);
}

static bool writes(const struct sl_kv_op *op)
{
    enum sl_kv_verb verb = op->request->verb;

    return verb == SL_KV_SET || verb == SL_KV_DELETE || verb == SL_KV_INCREMENT;
}

static bool any_writes(struct sl_kv_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (writes(ops[i]))
            return true;
    return false;
}

static sl_deadline last_deadline(struct sl_kv_op *const ops[], size_t count)
{
    sl_deadline last = ops[0]->deadline;

    for (size_t i = 1; i < count; i++)
        if (ops[i]->deadline > last)
            last = ops[i]->deadline;
    return last;
}

static void sqlite_run(void *state, struct sl_kv_op *const ops[], size_t count)
{
    struct db *db = state;

    db->file.deadline = last_deadline(ops, count);
    if (!any_writes(ops, count)) {
        for (size_t i = 0; i < count; i++)
            run_alone(db, ops[i]);
        return;
    }
    if (run_together(db, ops, count) || count == 1 ||
        sl_deadline_passed(db->file.deadline))
        return;

    /* One that the disk has no room for must not fail the others. */
    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(ops[i]->answer);
        ops[i]->not_sent = false;
        (void)run_together(db, &ops[i], 1);
    }
}

/* --- A state ---------------------------------------------------------- */

static void sqlite_close(void *state)
{
    struct db *db = state;

    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sl_sqlite_close(&db->file);
    free(db);
}

static enum sl_status prepare(struct db *db, struct sl_error *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(db->file.handle, statement_texts[i], -1,
                                      SQLITE_PREPARE_PERSISTENT,
                                      &db->statements[i], NULL);
        if (code != SQLITE_OK)
            return sl_sqlite_explain(&db->file, code, err);
    }
    return SL_OK;
}

static enum sl_status sqlite_open(void *store, sl_deadline deadline,
                                  void **state, struct sl_error *err)
{
    const struct options *options = store;
    struct db *db = sl_alloc(sizeof(*db));

    enum sl_status status = sl_sqlite_open(&db->file, options->path,
                                           strcmp(options->sync, "full") == 0,
                                           &format, deadline, err);
    if (status == SL_OK)
        status = prepare(db, err);
    if (status == SL_OK)
        *state = db;
    else
        sqlite_close(db);
    return status;
}

static enum sl_status sqlite_store_new(const void *options, void **store,
                                       struct sl_error *err)
{
    (void)err;
    /* The file is what states share; the options say where it is. */
    *store = (void *)(uintptr_t)options;
    return SL_OK;
}

static void sqlite_store_free(void *store)
{
    (void)store;
}

static void sqlite_idle(void *state)
{
    struct db *db = state;

    db->file.deadline = sl_deadline_in_ms(SWEEP_MS);
    while (!sl_deadline_passed(db->file.deadline)) {
        /* Look first: to delete nothing would wait for other writers too. */
        sqlite3_stmt *expired = db->statements[EXPIRED];
        sqlite3_bind_int64(expired, NOW, sl_wall_ms());
        bool found = sqlite3_step(expired) == SQLITE_ROW;
        if (finish(expired) != SQLITE_OK || !found)
            return;
        sqlite3_stmt *sweep = db->statements[SWEEP];
        sqlite3_bind_int64(sweep, 1, SWEEP_ROWS);
        sqlite3_bind_int64(sweep, NOW, sl_wall_ms());
        if (perform(sweep) != SQLITE_OK)
            return;
    }
}

/* The only symbol this file exports. */
const struct sl_kv_driver sl_kv_sqlite = {
    .name = "kv.sqlite",
    .service = "SQLite",
    .summary = "one database file, in this process; several processes may "
               "share it",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_DURABLE |
                SL_KV_FEATURE_SHARED | SL_KV_FEATURE_LINEARIZABLE,
    .inline_verbs = 1 << SL_KV_GET | 1 << SL_KV_EXISTS,
    .max_states = 1,
    .max_batch = BATCH_MAX,
    .store_new = sqlite_store_new,
    .store_free = sqlite_store_free,
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_run,
    .idle = sqlite_idle,
};

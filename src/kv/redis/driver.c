/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.redis: one Redis string per key, so that a component can share data with
 * programs that are not components.
 *
 * A batch goes out as one pipeline.  A version is a hash of a secret and the
 * value, since Redis has none of its own: a value that comes back has its
 * version again.
 */
#include "kv/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/redis/protocol.h"

enum {
    MAX_BATCH = 256,
    SCAN_ROUNDS = 16, /* of a page that finds few keys */
};

struct options {
    struct sl_redis_options server; /* first: SL_REDIS_OPTIONS */
    const char *prefix;
};

static enum sl_status check_prefix(const void *field, struct sl_error *err)
{
    const char *prefix = *(const char *const *)field;

    if (strlen(prefix) > SL_KV_KEY_MAX ||
        !sl_bytes_are_text(sl_bytes_of(prefix)))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected at most %d bytes of UTF-8", SL_KV_KEY_MAX);
    return SL_OK;
}

static const struct sl_option option_table[] = {
    SL_REDIS_OPTIONS,
    {.name = "prefix",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, prefix),
     .fallback = "",
     .check = check_prefix,
     .help = "put in front of every key on the server; guests do not see it"},
    {0},
};

/* What all connections share. */
struct store {
    struct sl_redis_server server;
    struct sl_bytes prefix;
    struct sl_buf salt_key;
    char new_salt[SL_KV_REDIS_SALT_LEN + 1];
    uint64_t place; /* a hash of server, database and prefix */
};

/* One connection. */
struct kv_redis_conn {
    const struct store *store;
    struct sl_redis redis;
    struct sl_buf key; /* prefix and key */
};

static void redis_close(void *data)
{
    struct kv_redis_conn *conn = data;

    sl_redis_done(&conn->redis);
    sl_buf_done(&conn->key);
    free(conn);
}

static enum sl_status redis_open(void *data, sl_deadline deadline, void **out,
                                 struct sl_error *err)
{
    const struct store *store = data;
    struct kv_redis_conn *conn = sl_alloc(sizeof(*conn));

    conn->store = store;
    conn->key = (struct sl_buf)SL_BUF(2 * SL_KV_KEY_MAX);
    enum sl_status status =
        sl_redis_open(&conn->redis, &store->server, deadline, err);
    if (status != SL_OK) {
        redis_close(conn);
        return status;
    }
    *out = conn;
    return SL_OK;
}

/* --- Batches ------------------------------------------------------------ */

/* The key on the server; borrowed until the next one. */
static struct sl_bytes server_key(struct kv_redis_conn *conn,
                                  struct sl_bytes key)
{
    struct sl_bytes prefix = conn->store->prefix;

    if (prefix.len == 0)
        return key;
    sl_buf_clear(&conn->key); /* both fit: driver.h, check_prefix */
    if (sl_buf_append(&conn->key, prefix, NULL) != SL_OK ||
        sl_buf_append(&conn->key, key, NULL) != SL_OK)
        return key;
    return sl_buf_bytes(&conn->key);
}

static enum sl_status append_command(void *context, const struct sl_op *op,
                                     struct sl_buf *out, struct sl_error *err)
{
    const struct sl_kv_request *request = op->request;
    struct kv_redis_conn *conn = context;
    const struct sl_kv_redis_keys keys = {
        .key = server_key(conn, request->key),
        .salt_key = sl_buf_bytes(&conn->store->salt_key),
        .salt = conn->store->new_salt,
    };

    return sl_kv_redis_append_op(out, request, &keys, err);
}

static bool read_reply(void *context, struct sl_op *op, redisReply *reply)
{
    (void)context;
    return sl_kv_redis_answer(op, reply);
}

static const struct sl_redis_pipeline_calls calls = {append_command,
                                                     read_reply};

/* --- Listing ------------------------------------------------------------ */

static enum sl_status scan_page(struct kv_redis_conn *conn, const char *cursor,
                                struct sl_bytes prefix, const struct sl_op *op,
                                redisReply **reply, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf pattern = SL_BUF(4 * SL_KV_KEY_MAX + 1);
    enum sl_status status = sl_kv_redis_append_pattern(&pattern, prefix, err);
    const struct sl_bytes words[] = {
        SL_LITERAL("SCAN"),     sl_bytes_of(cursor), SL_LITERAL("MATCH"),
        sl_buf_bytes(&pattern), SL_LITERAL("COUNT"), SL_LITERAL("1000"),
        SL_LITERAL("TYPE"),     SL_LITERAL("string")};

    if (status == SL_OK)
        status = sl_redis_append(&conn->redis.out, words, 8, err);
    if (status == SL_OK)
        status = sl_redis_send(&conn->redis, op->deadline, err);
    if (status == SL_OK)
        status = sl_redis_read(&conn->redis, op->deadline, reply, err);
    return status;
}

/* One SCAN into the page. */
static void scan_once(struct kv_redis_conn *conn, struct sl_op *op,
                      struct sl_buf *rest, char cursor[24])
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    struct sl_bytes prefix = server_key(conn, sl_kv_request_of(op)->key);

    if (scan_page(conn, cursor, prefix, op, &reply, err) != SL_OK ||
        reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        sl_redis_fail(reply, "redis: ", &op->unsent, err);
    } else if (!sl_kv_redis_answer_scan(reply, conn->store->prefix.len,
                                        sl_kv_request_of(op)->limit, op->answer,
                                        rest, cursor)) {
        conn->redis.broken = true;
        sl_fail(err, SL_UNAVAILABLE,
                "redis: the server does not answer the question");
    }
}

/* FNV-1a, after the bytes that hash comes from. */
static uint64_t add_hash(uint64_t hash, struct sl_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.ptr[i]) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3); /* no byte of UTF-8 */
}

static uint64_t hash_place(const struct store *store)
{
    char number[48];
    uint64_t hash = add_hash(UINT64_C(0xcbf29ce484222325),
                             sl_bytes_of(store->server.url.host));

    snprintf(number, sizeof(number), "%d/%" PRId64, (int)store->server.url.port,
             store->server.db);
    return add_hash(add_hash(hash, sl_bytes_of(number)), store->prefix);
}

/* A cursor begins with this, so that no other listing takes it. */
enum { MARK_LEN = 17 };

static void write_mark(const struct kv_redis_conn *conn, struct sl_bytes prefix,
                       char mark[MARK_LEN + 1])
{
    snprintf(mark, MARK_LEN + 1, "%016" PRIx64 " ",
             add_hash(conn->store->place, prefix));
}

static bool read_cursor(const struct kv_redis_conn *conn,
                        const struct sl_kv_request *request,
                        struct sl_kv_redis_cursor *cursor)
{
    struct sl_bytes text = request->cursor;
    char mark[MARK_LEN + 1];

    write_mark(conn, request->key, mark);
    return sl_bytes_start_with(text, sl_bytes_of(mark)) &&
           sl_kv_redis_read_cursor(
               SL_BYTES(text.ptr + MARK_LEN, text.len - MARK_LEN), cursor);
}

static void write_cursor(const struct kv_redis_conn *conn, struct sl_op *op,
                         const char *scan_cursor, const struct sl_buf *rest)
{
    struct sl_buf *next = &sl_kv_answer_of(op)->next;
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    char mark[MARK_LEN + 1];

    if (rest->len == 0 && strcmp(scan_cursor, "0") == 0)
        return;
    write_mark(conn, sl_kv_request_of(op)->key, mark);
    if (sl_buf_printf(next, err, "%s%s", mark, scan_cursor) == SL_OK &&
        rest->len > 0 && sl_buf_printf(next, err, " ") == SL_OK)
        (void)!sl_buf_append(next, sl_buf_bytes(rest), err);
}

/*
 * A page: first what the page before had no room for, then SCANs until there
 * are enough keys.
 */
static void run_keys(struct kv_redis_conn *conn, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    SL_CLEANUP(sl_buf_done) struct sl_buf rest = SL_BUF(SL_KV_CURSOR_MAX - 64);
    struct sl_kv_redis_cursor cursor = {.scan = "0"};
    struct sl_bytes key;
    bool first = request->cursor.len == 0;

    if (!first && !read_cursor(conn, request, &cursor)) {
        sl_fail(&answer->err, SL_INVALID_ARGUMENT, "invalid cursor");
        return;
    }
    while (answer->err.status == SL_OK && sl_kv_redis_next_rest(&cursor, &key))
        (void)!sl_kv_redis_add_key(answer, &rest, key, request->limit);
    for (int i = 0; i < SCAN_ROUNDS && answer->err.status == SL_OK &&
                    answer->key_count < request->limit &&
                    (first || strcmp(cursor.scan, "0") != 0);
         i++) {
        scan_once(conn, op, &rest, cursor.scan);
        first = false;
    }
    if (answer->err.status == SL_OK)
        write_cursor(conn, op, cursor.scan, &rest);
}

static void redis_run(void *data, struct sl_op *const ops[], size_t count)
{
    struct kv_redis_conn *conn = data;
    size_t begin = 0;

    if (sl_redis_refuse_stale(&conn->redis, ops, count))
        return;
    for (size_t i = 0; i <= count && !conn->redis.broken; i++) {
        if (i < count && sl_kv_request_of(ops[i])->verb != SL_KV_KEYS)
            continue;
        sl_redis_pipeline(&conn->redis, &calls, conn, ops + begin, i - begin);
        if (i < count && !conn->redis.broken)
            run_keys(conn, ops[i]);
        begin = i + 1;
    }
    if (conn->redis.broken)
        sl_redis_refuse_broken(ops + begin - 1, count - (begin - 1));
}

/* --- The driver --------------------------------------------------------- */

static void redis_store_free(void *data)
{
    struct store *store = data;

    sl_redis_server_done(&store->server);
    sl_buf_done(&store->salt_key);
    free(store);
}

static enum sl_status redis_store_new(const void *data, void **out,
                                      struct sl_error *err)
{
    const struct options *options = data;
    struct store *store = sl_alloc(sizeof(*store));
    enum sl_status status =
        sl_redis_server_init(&store->server, &options->server, err);

    store->prefix = sl_bytes_of(options->prefix);
    store->salt_key = (struct sl_buf)SL_BUF(2 * SL_KV_KEY_MAX);
    sl_kv_redis_new_salt(store->new_salt);
    if (status == SL_OK)
        status = sl_buf_append(&store->salt_key, store->prefix, err);
    if (status == SL_OK)
        status = sl_buf_append(&store->salt_key, SL_KV_REDIS_SALT_KEY, err);
    if (status != SL_OK) {
        redis_store_free(store);
        return status;
    }
    store->place = hash_place(store);
    *out = store;
    return SL_OK;
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_kv_redis = {
    .name = "kv.redis",
    .service = "Redis 6.0 or newer, Valkey",
    .summary = "Redis strings, shared with every other client of the server",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_SHARED |
                SL_KV_FEATURE_LINEARIZABLE,
    .blocking_safe = true,
    .max_batch = MAX_BATCH,
    .risks = sl_redis_risks,
    .store_new = redis_store_new,
    .store_free = redis_store_free,
    .open = redis_open,
    .close = redis_close,
    .run = redis_run,
};

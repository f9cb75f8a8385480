/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.redis: one Redis string per key, so that a component can share data with
 * programs that are not components.
 *
 * A batch goes out as one pipeline.  A version is the SHA-1 of the value, since
 * Redis has none of its own: a value that comes back has its version again.
 */
#include "kv/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/conn.h"
#include "client/url.h"
#include "kv/redis_protocol.h"

enum {
    MAX_BATCH = 256,
    WRITE_AT = 1 << 20,    /* bytes of commands that are sent at once */
    READ_SIZE = 64 * 1024, /* bytes read at once */
    SCAN_ROUNDS = 16,      /* of a page that finds few keys */
    REPLY_MAX = 288 << 20, /* bytes of one reply: the largest value, and more */
    COMMAND_MAX = 320 << 20,
};

struct options {
    const char *url;
    const char *user;
    const char *password;
    int64_t db;
    const char *prefix;
    const char *ca;
};

static enum sl_status check_url(const void *field, struct sl_error *err)
{
    struct sl_url url;
    enum sl_status status =
        sl_url_parse(*(const char *const *)field, &url, err);

    if (status != SL_OK)
        return status;
    if (strcmp(url.scheme, "redis") != 0 && strcmp(url.scheme, "rediss") != 0)
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected redis:// or, for TLS, rediss://");
    else if (url.path != NULL &&
             strspn(url.path, "0123456789") != strlen(url.path))
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected the number of a database behind the slash");
    sl_url_done(&url);
    return status;
}

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
    {.name = "url",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, url),
     .required = true,
     .secret = true,
     .check = check_url,
     .help = "redis://[user:password@]host[:6379][/db], or rediss:// for TLS"},
    {.name = "user",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, user),
     .help = "the user (Redis ACL), instead of the one in the URL"},
    {.name = "password",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, password),
     .secret = true,
     .help = "the password, instead of the one in the URL"},
    {.name = "db",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct options, db),
     .min = -1,
     .max = 1000000,
     .fallback = "-1",
     .help = "the number of the database, instead of the one in the URL; -1: "
             "that one, or 0"},
    {.name = "prefix",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct options, prefix),
     .fallback = "",
     .check = check_prefix,
     .help = "put in front of every key on the server; guests do not see it"},
    {.name = "ca",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct options, ca),
     .help = "a file of authorities in PEM to trust instead of the system's, "
             "for rediss://"},
    {0},
};

/* What all connections share. */
struct store {
    struct sl_url url;
    const char *user;
    const char *password;
    int64_t db;
    struct sl_bytes prefix;
    struct sl_tls *tls;
};

/* One connection. */
struct state {
    const struct store *store;
    struct sl_conn *conn;
    redisReader *reader;
    struct sl_buf out; /* commands to be sent */
    struct sl_buf key; /* prefix and key */
    bool broken;       /* a later command would get an earlier reply */
};

static void free_reply(redisReply **reply)
{
    if (*reply != NULL)
        freeReplyObject(*reply);
}

/* --- One connection ----------------------------------------------------- */

/* Feed the reader with what the server sends next. */
static enum sl_status read_more(struct state *state, sl_deadline deadline,
                                struct sl_error *err)
{
    char buffer[READ_SIZE];
    size_t got = 0;
    enum sl_status status =
        sl_conn_read(state->conn, buffer, sizeof(buffer), deadline, &got, err);

    if (status != SL_OK)
        return status;
    if (state->reader->len - state->reader->pos > REPLY_MAX)
        return sl_fail(err, SL_UNAVAILABLE,
                       "redis: a reply of more than %d bytes", REPLY_MAX);
    if (redisReaderFeed(state->reader, buffer, got) != REDIS_OK)
        return sl_fail(err, SL_UNAVAILABLE, "redis: no memory for a reply");
    return SL_OK;
}

/* The next reply; after a failure the connection is of no use. */
static enum sl_status read_reply(struct state *state, sl_deadline deadline,
                                 redisReply **out, struct sl_error *err)
{
    enum sl_status status = SL_OK;
    void *reply = NULL;

    while (status == SL_OK) {
        if (redisReaderGetReply(state->reader, &reply) != REDIS_OK) {
            status = sl_fail(err, SL_UNAVAILABLE,
                             "redis: the server does not speak its protocol "
                             "(%s)",
                             state->reader->errstr);
            break;
        }
        if (reply != NULL) {
            *out = reply;
            return SL_OK;
        }
        status = read_more(state, deadline, err);
    }
    state->broken = true;
    return status;
}

/* Send what has gathered. */
static enum sl_status send_out(struct state *state, sl_deadline deadline,
                               struct sl_error *err)
{
    enum sl_status status =
        sl_conn_write(state->conn, sl_buf_bytes(&state->out), deadline, err);

    sl_buf_clear(&state->out);
    if (status != SL_OK)
        state->broken = true;
    return status;
}

/* A command that only sets the connection up; optional: an error is fine. */
static enum sl_status set_up(struct state *state, const struct sl_bytes words[],
                             size_t count, bool optional, sl_deadline deadline,
                             struct sl_error *err)
{
    SL_CLEANUP(free_reply) redisReply *reply = NULL;
    bool unchanged;
    enum sl_status status = sl_redis_append(&state->out, words, count, err);

    if (status == SL_OK)
        status = send_out(state, deadline, err);
    if (status == SL_OK)
        status = read_reply(state, deadline, &reply, err);
    if (status == SL_OK && reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        !optional)
        status = sl_redis_fail(reply, "redis: ", &unchanged, err);
    return status;
}

static enum sl_status log_in(struct state *state, sl_deadline deadline,
                             struct sl_error *err)
{
    const struct store *store = state->store;

    if (store->password == NULL)
        return SL_OK;
    const struct sl_bytes with_user[] = {
        SL_LITERAL("AUTH"), sl_bytes_of(store->user == NULL ? "" : store->user),
        sl_bytes_of(store->password)};
    const struct sl_bytes without[] = {SL_LITERAL("AUTH"),
                                       sl_bytes_of(store->password)};
    return store->user != NULL
               ? set_up(state, with_user, 3, false, deadline, err)
               : set_up(state, without, 2, false, deadline, err);
}

static enum sl_status choose_db(struct state *state, sl_deadline deadline,
                                struct sl_error *err)
{
    char number[24];

    if (state->store->db == 0)
        return SL_OK;
    snprintf(number, sizeof(number), "%" PRId64, state->store->db);
    const struct sl_bytes words[] = {SL_LITERAL("SELECT"), sl_bytes_of(number)};
    return set_up(state, words, 2, false, deadline, err);
}

/* So that CLIENT LIST tells an operator whose connection it is. */
static enum sl_status tell_name(struct state *state, sl_deadline deadline,
                                struct sl_error *err)
{
    static const struct sl_bytes words[] = {{(const uint8_t *)"CLIENT", 6},
                                            {(const uint8_t *)"SETNAME", 7},
                                            {(const uint8_t *)"slight", 6}};

    return set_up(state, words, 3, true, deadline, err);
}

static void redis_close(void *data)
{
    struct state *state = data;

    sl_conn_free(state->conn);
    if (state->reader != NULL)
        redisReaderFree(state->reader);
    sl_buf_done(&state->out);
    sl_buf_done(&state->key);
    free(state);
}

static enum sl_status redis_open(void *data, sl_deadline deadline, void **out,
                                 struct sl_error *err)
{
    const struct store *store = data;
    struct state *state = sl_alloc(sizeof(*state));

    state->store = store;
    state->out = (struct sl_buf)SL_BUF(COMMAND_MAX);
    state->key = (struct sl_buf)SL_BUF(2 * SL_KV_KEY_MAX);
    enum sl_status status =
        sl_conn_open(store->url.host, store->url.port, store->tls, deadline,
                     &state->conn, err);
    if (status != SL_OK) {
        redis_close(state);
        return sl_fail_in(err, "redis");
    }
    state->reader = sl_redis_reader_new();
    if (state->reader == NULL)
        status = sl_fail(err, SL_UNAVAILABLE, "redis: no memory for a reader");
    if (status == SL_OK)
        status = log_in(state, deadline, err);
    if (status == SL_OK)
        status = choose_db(state, deadline, err);
    if (status == SL_OK)
        status = tell_name(state, deadline, err);
    if (status != SL_OK) {
        redis_close(state);
        return status;
    }
    *out = state;
    return SL_OK;
}

/* --- Batches ------------------------------------------------------------ */

/* The key on the server; borrowed until the next one. */
static struct sl_bytes server_key(struct state *state, struct sl_bytes key)
{
    struct sl_bytes prefix = state->store->prefix;

    if (prefix.len == 0)
        return key;
    sl_buf_clear(&state->key); /* both fit: driver.h, check_prefix */
    if (sl_buf_append(&state->key, prefix, NULL) != SL_OK ||
        sl_buf_append(&state->key, key, NULL) != SL_OK)
        return key;
    return sl_buf_bytes(&state->key);
}

static void fail_from(struct sl_op *const ops[], size_t first, size_t count,
                      const struct sl_error *err, bool not_sent)
{
    for (size_t i = first; i < count; i++) {
        if (sl_kv_answer_of(ops[i])->err.status != SL_OK)
            continue;
        ops[i]->not_sent = not_sent;
        sl_op_fail(ops[i], err);
    }
}

/* Send the commands of ops; how many may have reached the server, in *sent. */
static enum sl_status send_ops(struct state *state, struct sl_op *const ops[],
                               size_t count, size_t *sent, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    *sent = 0;
    for (size_t i = 0; i < count && status == SL_OK; i++) {
        const struct sl_kv_request *request = ops[i]->request;
        status = sl_redis_append_op(&state->out, request,
                                    server_key(state, request->key), err);
        if (status != SL_OK) {
            state->broken = true;
            break;
        }
        if (state->out.len >= WRITE_AT || i + 1 == count) {
            *sent = i + 1;
            status = send_out(state, ops[i]->deadline, err);
        }
    }
    return status;
}

/* A pipeline: all commands, then all replies. */
static void run_pipeline(struct state *state, struct sl_op *const ops[],
                         size_t count)
{
    struct sl_error err;
    size_t sent;

    if (count == 0)
        return;
    if (send_ops(state, ops, count, &sent, &err) != SL_OK) {
        fail_from(ops, 0, sent, &err, false);
        fail_from(ops, sent, count, &err, true);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        SL_CLEANUP(free_reply) redisReply *reply = NULL;
        if (read_reply(state, ops[i]->deadline, &reply, &err) != SL_OK) {
            fail_from(ops, i, count, &err, false);
            return;
        }
        if (sl_redis_answer(ops[i], reply))
            continue;
        state->broken = true;
        sl_fail(&err, SL_UNAVAILABLE,
                "redis: the server does not answer the question");
        fail_from(ops, i, count, &err, false);
        return;
    }
}

/* --- Listing ------------------------------------------------------------ */

static enum sl_status scan(struct state *state, const char *cursor,
                           struct sl_bytes prefix, const struct sl_op *op,
                           redisReply **reply, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done)
    struct sl_buf pattern = SL_BUF(4 * SL_KV_KEY_MAX + 1);
    enum sl_status status = sl_redis_append_pattern(&pattern, prefix, err);
    const struct sl_bytes words[] = {
        SL_LITERAL("SCAN"),     sl_bytes_of(cursor), SL_LITERAL("MATCH"),
        sl_buf_bytes(&pattern), SL_LITERAL("COUNT"), SL_LITERAL("1000"),
        SL_LITERAL("TYPE"),     SL_LITERAL("string")};

    if (status == SL_OK)
        status = sl_redis_append(&state->out, words, 8, err);
    if (status == SL_OK)
        status = send_out(state, op->deadline, err);
    if (status == SL_OK)
        status = read_reply(state, op->deadline, reply, err);
    return status;
}

/* One SCAN into the page. */
static void scan_once(struct state *state, struct sl_op *op,
                      struct sl_buf *rest, char cursor[24])
{
    SL_CLEANUP(free_reply) redisReply *reply = NULL;
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    struct sl_bytes prefix = server_key(state, sl_kv_request_of(op)->key);

    if (scan(state, cursor, prefix, op, &reply, err) != SL_OK || reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        sl_redis_fail(reply, "redis: ", &op->not_sent, err);
    } else if (!sl_redis_answer_scan(reply, state->store->prefix.len,
                                     sl_kv_request_of(op)->limit, op->answer,
                                     rest, cursor)) {
        state->broken = true;
        sl_fail(err, SL_UNAVAILABLE,
                "redis: the server does not answer the question");
    }
}

static void write_cursor(struct sl_kv_answer *answer, const char *scan_cursor,
                         const struct sl_buf *rest)
{
    struct sl_error *err = &answer->err;

    if (rest->len == 0 && strcmp(scan_cursor, "0") == 0)
        return;
    if (sl_buf_printf(&answer->next, err, "%s", scan_cursor) == SL_OK &&
        rest->len > 0 && sl_buf_printf(&answer->next, err, " ") == SL_OK)
        (void)!sl_buf_append(&answer->next, sl_buf_bytes(rest), err);
}

/*
 * A page: first what the page before had no room for, then SCANs until there
 * are enough keys.
 */
static void run_keys(struct state *state, struct sl_op *op)
{
    const struct sl_kv_request *request = op->request;
    struct sl_kv_answer *answer = op->answer;
    SL_CLEANUP(sl_buf_done) struct sl_buf rest = SL_BUF(SL_KV_CURSOR_MAX - 32);
    struct sl_redis_cursor cursor = {.scan = "0"};
    struct sl_bytes key;
    bool first = request->cursor.len == 0;

    if (!first && !sl_redis_read_cursor(request->cursor, &cursor)) {
        sl_fail(&answer->err, SL_INVALID_ARGUMENT,
                "this cursor is none that a page gave");
        return;
    }
    while (answer->err.status == SL_OK && sl_redis_next_rest(&cursor, &key))
        (void)!sl_redis_add_key(answer, &rest, key, request->limit);
    for (int i = 0; i < SCAN_ROUNDS && answer->err.status == SL_OK &&
                    answer->key_count < request->limit &&
                    (first || strcmp(cursor.scan, "0") != 0);
         i++) {
        scan_once(state, op, &rest, cursor.scan);
        first = false;
    }
    if (answer->err.status == SL_OK)
        write_cursor(answer, cursor.scan, &rest);
}

static void redis_run(void *data, struct sl_op *const ops[], size_t count)
{
    struct state *state = data;
    size_t begin = 0;

    if (sl_conn_is_stale(state->conn)) {
        struct sl_error err;
        sl_fail(&err, SL_UNAVAILABLE,
                "redis: the server closed the connection");
        fail_from(ops, 0, count, &err, true);
        return;
    }
    for (size_t i = 0; i <= count && !state->broken; i++) {
        if (i < count && sl_kv_request_of(ops[i])->verb != SL_KV_KEYS)
            continue;
        run_pipeline(state, ops + begin, i - begin);
        if (i < count && !state->broken)
            run_keys(state, ops[i]);
        begin = i + 1;
    }
    if (state->broken) {
        struct sl_error err;
        sl_fail(&err, SL_UNAVAILABLE, "redis: the connection was lost before");
        fail_from(ops, begin - 1, count, &err, true);
    }
}

/* --- The driver --------------------------------------------------------- */

static void redis_store_free(void *data)
{
    struct store *store = data;

    sl_tls_free(store->tls);
    sl_url_done(&store->url);
    free(store);
}

static enum sl_status redis_store_new(const void *data, void **out,
                                      struct sl_error *err)
{
    const struct options *options = data;
    struct store *store = sl_alloc(sizeof(*store));
    enum sl_status status = sl_url_parse(options->url, &store->url, err);

    if (status == SL_OK && strcmp(store->url.scheme, "rediss") == 0)
        status = sl_tls_new(options->ca, &store->tls, err);
    if (status != SL_OK) {
        redis_store_free(store);
        return status;
    }
    if (store->url.port == 0)
        store->url.port = 6379;
    store->user = options->user != NULL ? options->user : store->url.user;
    store->password =
        options->password != NULL ? options->password : store->url.password;
    store->db = options->db;
    if (store->db < 0)
        store->db =
            store->url.path == NULL ? 0 : strtoll(store->url.path, NULL, 10);
    store->prefix = sl_bytes_of(options->prefix);
    *out = store;
    return SL_OK;
}

/* The only symbol this file exports. */
const struct sl_driver sl_kv_redis = {
    .name = "kv.redis",
    .service = "Redis 6.0 or newer, Valkey",
    .summary = "Redis strings, shared with every other client of the server",
    .options = option_table,
    .options_size = sizeof(struct options),
    .features = SL_KV_FEATURE_TTL | SL_KV_FEATURE_VERSION |
                SL_KV_FEATURE_ABSENT | SL_KV_FEATURE_INCREMENT |
                SL_KV_FEATURE_KEYS | SL_KV_FEATURE_SHARED |
                SL_KV_FEATURE_LINEARIZABLE,
    .max_batch = MAX_BATCH,
    .store_new = redis_store_new,
    .store_free = redis_store_free,
    .open = redis_open,
    .close = redis_close,
    .run = redis_run,
};

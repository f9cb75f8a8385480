/* SPDX-License-Identifier: Apache-2.0 */
/* A kit for Redis drivers whose requests are runs of a Lua script. */
#include "client/redis/script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    NAMES_MAX = 32 * 1024, /* bytes of the keys of one command */
    ASK_MS = 1000,         /* the timeout of a call without an op */
    FIRST_KEY = 3,         /* among the words of an EVALSHA */
};

enum sl_status sl_redis_check_name(const void *field, struct sl_error *err)
{
    const char *name = *(const char *const *)field;
    size_t len = strlen(name);

    if (len == 0 || len > SL_REDIS_NAME_MAX || strpbrk(name, "{}") != NULL ||
        !sl_bytes_are_text(sl_bytes_of(name)))
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected 1 to %d bytes of UTF-8 without braces",
                       SL_REDIS_NAME_MAX);
    return SL_OK;
}

enum sl_status sl_redis_check_durable(const void *field, struct sl_error *err)
{
    const char *durable = *(const char *const *)field;

    if (strcmp(durable, "true") != 0 && strcmp(durable, "false") != 0 &&
        strcmp(durable, "fsync") != 0)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "expected true, false or \"fsync\"");
    return SL_OK;
}

static bool wants_durable(const struct sl_redis_script_options *options,
                          const char *how)
{
    return options->durable != NULL && strcmp(options->durable, how) == 0;
}

/* --- What all connections share ----------------------------------------- */

void sl_redis_script_store_free(void *data)
{
    struct sl_redis_script_store *store = data;

    sl_redis_server_done(&store->server);
    sl_buf_done(&store->name);
    free(store);
}

enum sl_status
sl_redis_script_store_new(const struct sl_redis_script_options *options,
                          const char *script, void **out, struct sl_error *err)
{
    struct sl_redis_script_store *store = sl_alloc(sizeof(*store));

    store->script = script;
    store->options = options;
    store->name = (struct sl_buf)SL_BUF(SL_REDIS_NAME_MAX + 2);
    atomic_init(&store->seen, -1);
    enum sl_status status =
        sl_redis_server_init(&store->server, &options->server, err);
    if (status == SL_OK)
        status = sl_buf_printf(&store->name, err, "{%s}", options->name);
    if (status != SL_OK) {
        sl_redis_script_store_free(store);
        return status;
    }
    *out = store;
    return SL_OK;
}

/* --- One connection ----------------------------------------------------- */

/* Check that acknowledged writes survive a crash of the server. */
static enum sl_status check_durable(struct sl_redis *redis,
                                    sl_deadline deadline, struct sl_error *err)
{
    static const struct sl_bytes words[] = {
        {(const uint8_t *)"INFO", 4}, {(const uint8_t *)"persistence", 11}};
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    enum sl_status status = sl_redis_do(redis, words, 2, deadline, &reply, err);

    if (status != SL_OK)
        return status;
    if (reply->type != REDIS_REPLY_STRING)
        return sl_fail(err, SL_UNAVAILABLE, "redis: unexpected reply type");
    /* While it loads its append-only file, a server reports that it has
     * none. */
    if (strstr(reply->str, "\nloading:1") != NULL)
        return sl_fail(err, SL_UNAVAILABLE, "redis: the server is starting");
    if (strstr(reply->str, "aof_enabled:1") == NULL)
        return sl_fail(err, SL_UNSUPPORTED,
                       "redis: the server has no append-only file and loses "
                       "everything when it stops: set its appendonly, or "
                       "durable = false in the manifest");
    return SL_OK;
}

/* *number: 1 if all writes of this connection are on the server's disk. */
static enum sl_status wait_for_disk(struct sl_redis *redis, int disks,
                                    sl_deadline deadline, int64_t *number,
                                    struct sl_error *err)
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    int left = sl_deadline_left_ms(deadline);
    char timeout[16];

    /* 0 would mean no timeout. */
    snprintf(timeout, sizeof(timeout), "%d", left > 1 ? left : 1);
    const struct sl_bytes words[] = {
        SL_LITERAL("WAITAOF"), disks > 0 ? SL_LITERAL("1") : SL_LITERAL("0"),
        SL_LITERAL("0"), sl_bytes_of(timeout)};
    enum sl_status status = sl_redis_do(redis, words, 4, deadline, &reply, err);
    if (status == SL_OK && !sl_redis_number_at(reply, 0, number))
        status = sl_fail(err, SL_UNAVAILABLE, "redis: unexpected reply type");
    return status;
}

static enum sl_status check_waitaof(struct sl_redis *redis,
                                    sl_deadline deadline, struct sl_error *err)
{
    int64_t number;
    enum sl_status status = wait_for_disk(redis, 0, deadline, &number, err);

    if (status == SL_UNSUPPORTED)
        return sl_fail(
            err, SL_UNSUPPORTED,
            "redis: durable = \"fsync\" needs WAITAOF: use Redis 7.2 "
            "or newer, or Valkey");
    return status;
}

static enum sl_status load_script(struct sl_redis_script_connection *connection,
                                  sl_deadline deadline, struct sl_error *err)
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    const struct sl_bytes words[] = {SL_LITERAL("SCRIPT"), SL_LITERAL("LOAD"),
                                     sl_bytes_of(connection->store->script)};
    enum sl_status status =
        sl_redis_do(&connection->redis, words, 3, deadline, &reply, err);

    if (status != SL_OK)
        return status;
    if (reply->type != REDIS_REPLY_STRING ||
        reply->len != sizeof(connection->sha) - 1)
        return sl_fail(err, SL_UNAVAILABLE, "redis: unexpected reply type");
    memcpy(connection->sha, reply->str, sizeof(connection->sha));
    return SL_OK;
}

void sl_redis_script_close(void *data)
{
    struct sl_redis_script_connection *connection = data;

    sl_redis_done(&connection->redis);
    sl_buf_done(&connection->names);
    free(connection);
}

enum sl_status sl_redis_script_open(void *store, sl_deadline deadline,
                                    void **out, struct sl_error *err)
{
    struct sl_redis_script_connection *connection =
        sl_alloc(sizeof(*connection));

    connection->store = store;
    connection->names = (struct sl_buf)SL_BUF(NAMES_MAX);
    enum sl_status status = sl_redis_open(
        &connection->redis, &connection->store->server, deadline, err);
    if (status == SL_OK && !wants_durable(connection->store->options, "false"))
        status = check_durable(&connection->redis, deadline, err);
    if (status == SL_OK && wants_durable(connection->store->options, "fsync"))
        status = check_waitaof(&connection->redis, deadline, err);
    if (status == SL_OK)
        status = load_script(connection, deadline, err);
    if (status != SL_OK) {
        sl_redis_script_close(connection);
        return status;
    }
    *out = connection;
    return SL_OK;
}

/* Wait until all writes are on the disk; fail the ops whose writes are not,
 * since the machine may still lose them. */
static void wait_until_durable(struct sl_redis_script_connection *connection,
                               struct sl_op *const ops[], size_t count)
{
    sl_deadline deadline = 0;
    struct sl_error err;
    int64_t disks = 0;

    for (size_t i = 0; i < count; i++)
        if (ops[i]->deadline > deadline)
            deadline = ops[i]->deadline;
    enum sl_status status =
        wait_for_disk(&connection->redis, 1, deadline, &disks, &err);
    if (status == SL_OK && disks >= 1)
        return;
    if (status == SL_OK)
        sl_fail(&err, SL_TIMEOUT,
                "redis: the write is not on the server's disk yet (WAITAOF)");
    for (size_t i = 0; i < count; i++)
        if (sl_op_answer(ops[i])->err.status == SL_OK && ops[i]->retry_at == 0)
            sl_op_fail(ops[i], &err);
}

void sl_redis_script_run(struct sl_redis_script_connection *connection,
                         const struct sl_redis_pipeline_calls *calls,
                         struct sl_op *const ops[], size_t count)
{
    if (connection->redis.broken)
        sl_redis_refuse_broken(ops, count);
    else if (!sl_redis_refuse_stale(&connection->redis, ops, count)) {
        sl_redis_pipeline(&connection->redis, calls, connection, ops, count);
        if (!connection->redis.broken &&
            wants_durable(connection->store->options, "fsync"))
            wait_until_durable(connection, ops, count);
    }
}

/* --- One command -------------------------------------------------------- */

void sl_redis_script_begin(struct sl_redis_script_call *call,
                           struct sl_redis_script_connection *connection)
{
    sl_buf_clear(&connection->names);
    call->number_count = 0;
    call->count = 0;
    sl_redis_script_add(call, SL_LITERAL("EVALSHA"));
    sl_redis_script_add(call, sl_bytes_of(connection->sha));
    snprintf(call->keys, sizeof(call->keys), "0");
    sl_redis_script_add(call, sl_bytes_of(call->keys));
}

enum sl_status
sl_redis_script_keys(struct sl_redis_script_call *call,
                     struct sl_redis_script_connection *connection,
                     const char *const keys[], struct sl_bytes more,
                     struct sl_error *err)
{
    struct sl_buf *names = &connection->names;
    /* Reserve everything now, so that the keys do not move. */
    enum sl_status status = sl_buf_reserve(names, NAMES_MAX - names->len, err);

    for (; status == SL_OK && *keys != NULL; keys++) {
        size_t begin = names->len, len = strlen(*keys);
        status =
            sl_buf_append(names, sl_buf_bytes(&connection->store->name), err);
        if (status == SL_OK)
            status = sl_buf_printf(names, err, ":%s", *keys);
        if (status == SL_OK && (*keys)[len - 1] == ':')
            status = sl_buf_append(names, more, err);
        if (status == SL_OK)
            sl_redis_script_add(
                call, SL_BYTES(names->ptr + begin, names->len - begin));
    }
    snprintf(call->keys, sizeof(call->keys), "%zu", call->count - FIRST_KEY);
    call->words[FIRST_KEY - 1] = sl_bytes_of(call->keys);
    return status;
}

void sl_redis_script_add(struct sl_redis_script_call *call,
                         struct sl_bytes word)
{
    if (call->count < SL_REDIS_WORDS_MAX)
        call->words[call->count++] = word;
}

void sl_redis_script_add_number(struct sl_redis_script_call *call,
                                int64_t number)
{
    char *text = call->numbers[call->number_count];

    if (call->number_count == SL_REDIS_NUMBERS_MAX)
        return;
    snprintf(text, sizeof(call->numbers[0]), "%" PRId64, number);
    call->number_count++;
    sl_redis_script_add(call, sl_bytes_of(text));
}

enum sl_status sl_redis_script_append(const struct sl_redis_script_call *call,
                                      struct sl_buf *out, struct sl_error *err)
{
    return sl_redis_append(out, call->words, call->count, err);
}

/* --- Replies ------------------------------------------------------------ */

void sl_redis_script_fail(struct sl_op *op, const redisReply *reply)
{
    struct sl_error err;
    enum sl_status status = sl_redis_fail(reply, "redis: ", &op->unsent, &err);

    /* Not the guest's fault: another program wrote to the keys. */
    if (status == SL_CONFLICT || status == SL_INVALID_ARGUMENT)
        err.status = SL_INTERNAL;
    op->full = status == SL_RESOURCE_EXHAUSTED;
    sl_op_fail(op, &err);
}

bool sl_redis_text_at(const redisReply *reply, size_t index,
                      struct sl_bytes *text)
{
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements ||
        reply->element[index]->type != REDIS_REPLY_STRING)
        return false;
    *text = SL_BYTES(reply->element[index]->str, reply->element[index]->len);
    return true;
}

bool sl_redis_number_at(const redisReply *reply, size_t index, int64_t *number)
{
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements ||
        reply->element[index]->type != REDIS_REPLY_INTEGER)
        return false;
    *number = reply->element[index]->integer;
    return true;
}

/* --- Changes ------------------------------------------------------------ */

/* Send redis->out and read a number. */
static bool read_number_reply(struct sl_redis *redis, int64_t *number)
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    sl_deadline deadline = sl_deadline_in_ms(ASK_MS);
    struct sl_error err;

    if (sl_redis_send(redis, deadline, &err) != SL_OK ||
        sl_redis_read(redis, deadline, &reply, &err) != SL_OK)
        return false;
    if (reply->type == REDIS_REPLY_INTEGER) {
        *number = reply->integer;
        return true;
    }
    *number = 0; /* no such key */
    if (reply->type == REDIS_REPLY_NIL)
        return true;
    return reply->type == REDIS_REPLY_STRING &&
           sl_bytes_to_integer(SL_BYTES(reply->str, reply->len), number);
}

bool sl_redis_script_ask(struct sl_redis_script_connection *connection,
                         const struct sl_redis_script_call *call,
                         int64_t *number)
{
    struct sl_error err;

    return !connection->redis.broken &&
           sl_redis_script_append(call, &connection->redis.out, &err) ==
               SL_OK &&
           read_number_reply(&connection->redis, number);
}

bool sl_redis_script_changed(void *data)
{
    struct sl_redis_script_connection *connection = data;
    struct sl_buf *key = &connection->names;
    struct sl_error err;
    int64_t value;

    sl_buf_clear(key);
    if (connection->redis.broken ||
        sl_buf_append(key, sl_buf_bytes(&connection->store->name), &err) !=
            SL_OK ||
        sl_buf_printf(key, &err, ":" SL_REDIS_CHANGES) != SL_OK)
        return true;
    const struct sl_bytes words[] = {SL_LITERAL("GET"), sl_buf_bytes(key)};
    if (sl_redis_append(&connection->redis.out, words, 2, &err) != SL_OK ||
        !read_number_reply(&connection->redis, &value))
        return true;
    return atomic_exchange(&connection->store->seen, value) != value;
}

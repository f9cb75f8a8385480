/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and replies of Redis.
 *
 * What a client cannot do in one command is a script, which Redis runs as one
 * atomic step (https://redis.io/docs/latest/develop/interact/programmability/
 * eval-intro/).
 */
#include "kv/redis/protocol.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Versions ----------------------------------------------------------- */

static void write_sha1(const char *salt, struct sl_bytes bytes,
                       char out[SL_KV_REDIS_VERSION_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    EVP_DigestInit_ex(context, EVP_sha1(), NULL);
    EVP_DigestUpdate(context, salt, SL_KV_REDIS_SALT_LEN);
    EVP_DigestUpdate(context, bytes.len == 0 ? (const void *)"" : bytes.ptr,
                     bytes.len);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (size_t i = 0; i < 20; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void sl_kv_redis_version(const char *salt, struct sl_bytes value,
                         char out[SL_KV_REDIS_VERSION_SIZE])
{
    char inner[SL_KV_REDIS_VERSION_SIZE];

    write_sha1(salt, value, inner);
    write_sha1(salt, sl_bytes_of(inner), out);
}

void sl_kv_redis_new_salt(char salt[SL_KV_REDIS_SALT_LEN + 1])
{
    unsigned char bytes[SL_KV_REDIS_SALT_LEN / 2];

    arc4random_buf(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(salt + 2 * i, 3, "%02x", bytes[i]);
}

/* --- Commands ----------------------------------------------------------- */

/* Parts of the scripts.  KEYS: the key, that of the salt. */
#define READ_VALUE                                                             \
    "local v = redis.pcall('GET', KEYS[1]) "                                   \
    "if type(v) == 'table' then return v end " /* an error */
#define READ_SALT "local s = redis.call('GET', KEYS[2]) "
#define IS_VERSION(version)                                                    \
    "v and s and redis.sha1hex(s .. redis.sha1hex(s .. v)) == " version " "
/* ARGV[1]: the salt where there is none yet. */
#define MAKE_SALT                                                              \
    READ_SALT "if not s then s = ARGV[1] redis.call('SET', KEYS[2], s) end "

/* The value and the salt; nil: there is no value. */
static const char get_entry[] =
    READ_VALUE "if not v then return false end " MAKE_SALT "return {v, s}";

/* ARGV: salt, value, milliseconds to live or "", condition, version.  The salt;
 * 0: the condition does not hold. */
static const char set_with[] =
    "local set = {'SET', KEYS[1], ARGV[2]} "
    "if ARGV[3] ~= '' then set[4], set[5] = 'PX', ARGV[3] end "
    "if ARGV[4] == 'absent' then set[#set + 1] = 'NX' end "
    "if ARGV[4] == 'version' then " READ_VALUE READ_SALT "if not (" IS_VERSION(
        "ARGV[5]") ") then return 0 end end " MAKE_SALT
                   "if not redis.call(unpack(set)) then return 0 end return s";

/* ARGV: version.  1: deleted. */
static const char delete_if_version[] = READ_VALUE READ_SALT "if " IS_VERSION(
    "ARGV[1]") "then return redis.call('DEL', KEYS[1]) end return 0";

static enum sl_status append_get(struct sl_buf *out,
                                 const struct sl_kv_request *request,
                                 const struct sl_kv_redis_keys *keys,
                                 struct sl_error *err)
{
    const struct sl_bytes plain[] = {SL_LITERAL("GET"), keys->key};
    const struct sl_bytes script[] = {
        SL_LITERAL("EVAL"), sl_bytes_of(get_entry), SL_LITERAL("2"),
        keys->key,          keys->salt_key,         sl_bytes_of(keys->salt)};

    return request->want_version ? sl_redis_append(out, script, 6, err)
                                 : sl_redis_append(out, plain, 2, err);
}

static enum sl_status append_set(struct sl_buf *out,
                                 const struct sl_kv_request *request,
                                 const struct sl_kv_redis_keys *keys,
                                 struct sl_error *err)
{
    static const char *const conditions[] = {[SL_KV_ALWAYS] = "always",
                                             [SL_KV_ABSENT] = "absent",
                                             [SL_KV_VERSION] = "version"};
    char ttl[24] = "";

    if (request->has_ttl)
        snprintf(ttl, sizeof(ttl), "%" PRIu64, request->ttl_ms);
    const struct sl_bytes plain[] = {SL_LITERAL("SET"), keys->key,
                                     request->value, SL_LITERAL("PX"),
                                     sl_bytes_of(ttl)};
    const struct sl_bytes script[] = {
        SL_LITERAL("EVAL"),
        sl_bytes_of(set_with),
        SL_LITERAL("2"),
        keys->key,
        keys->salt_key,
        sl_bytes_of(keys->salt),
        request->value,
        sl_bytes_of(ttl),
        sl_bytes_of(conditions[request->condition]),
        request->version,
    };

    return sl_kv_redis_set_is_plain(request)
               ? sl_redis_append(out, plain, request->has_ttl ? 5 : 3, err)
               : sl_redis_append(out, script, 10, err);
}

static enum sl_status append_delete(struct sl_buf *out,
                                    const struct sl_kv_request *request,
                                    const struct sl_kv_redis_keys *keys,
                                    struct sl_error *err)
{
    const struct sl_bytes plain[] = {SL_LITERAL("DEL"), keys->key};
    const struct sl_bytes script[] = {
        SL_LITERAL("EVAL"), sl_bytes_of(delete_if_version),
        SL_LITERAL("2"),    keys->key,
        keys->salt_key,     request->version};

    return request->condition == SL_KV_VERSION
               ? sl_redis_append(out, script, 6, err)
               : sl_redis_append(out, plain, 2, err);
}

static enum sl_status append_increment(struct sl_buf *out,
                                       const struct sl_kv_request *request,
                                       struct sl_bytes key,
                                       struct sl_error *err)
{
    char delta[24];

    snprintf(delta, sizeof(delta), "%" PRId64, request->delta);
    const struct sl_bytes words[] = {SL_LITERAL("INCRBY"), key,
                                     sl_bytes_of(delta)};
    return sl_redis_append(out, words, 3, err);
}

enum sl_status sl_kv_redis_append_op(struct sl_buf *out,
                                     const struct sl_kv_request *request,
                                     const struct sl_kv_redis_keys *keys,
                                     struct sl_error *err)
{
    const struct sl_bytes exists[] = {SL_LITERAL("EXISTS"), keys->key};

    switch (request->verb) {
    case SL_KV_GET:
        return append_get(out, request, keys, err);
    case SL_KV_EXISTS:
        return sl_redis_append(out, exists, 2, err);
    case SL_KV_SET:
        return append_set(out, request, keys, err);
    case SL_KV_DELETE:
        return append_delete(out, request, keys, err);
    case SL_KV_INCREMENT:
        return append_increment(out, request, keys->key, err);
    case SL_KV_KEYS:
        break;
    }
    return sl_fail(err, SL_INTERNAL, "redis: no command for this");
}

/* --- Replies ------------------------------------------------------------ */

static bool take_value(struct sl_op *op, redisReply *reply)
{
    struct sl_kv_answer *answer = op->answer;

    if (reply->type != REDIS_REPLY_STRING)
        return false;
    if (!sl_kv_op_take_budget(op, reply->len))
        return true;
    answer->found = true;
    answer->value = (struct sl_held){
        .bytes = SL_BYTES(reply->str, reply->len),
        .owner = reply->str,
        .release = free,
    };
    reply->str = NULL; /* handed over */
    return true;
}

/* The version of value, by the salt that the server sent. */
static bool take_version(struct sl_op *op, const redisReply *salt,
                         struct sl_bytes value)
{
    if (salt->type != REDIS_REPLY_STRING || salt->len != SL_KV_REDIS_SALT_LEN)
        return false;
    sl_kv_redis_version(salt->str, value, sl_kv_answer_of(op)->version);
    return true;
}

static bool answer_get(struct sl_op *op, redisReply *reply)
{
    struct sl_kv_answer *answer = op->answer;

    if (reply->type == REDIS_REPLY_NIL)
        return true;
    if (!sl_kv_request_of(op)->want_version)
        return take_value(op, reply);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !take_value(op, reply->element[0]))
        return false;
    return !answer->found ||
           take_version(op, reply->element[1], answer->value.bytes);
}

bool sl_kv_redis_set_is_plain(const struct sl_kv_request *request)
{
    return request->condition == SL_KV_ALWAYS && !request->want_version;
}

static bool answer_set(struct sl_op *op, const redisReply *reply)
{
    struct sl_error *err = &sl_kv_answer_of(op)->err;
    const struct sl_kv_request *request = op->request;

    if (sl_kv_redis_set_is_plain(request))
        return reply->type == REDIS_REPLY_STATUS;
    if (reply->type != REDIS_REPLY_INTEGER)
        return take_version(op, reply, request->value);
    if (request->condition == SL_KV_ABSENT)
        sl_fail(err, SL_ALREADY_EXISTS, "the key exists");
    else
        sl_fail(err, SL_CONFLICT, "the key is not in this version");
    return request->condition != SL_KV_ALWAYS;
}

static bool answer_number(struct sl_op *op, const redisReply *reply)
{
    struct sl_kv_answer *answer = op->answer;

    if (reply->type != REDIS_REPLY_INTEGER)
        return false;
    answer->number = reply->integer;
    answer->found = reply->integer > 0;
    if (sl_kv_request_of(op)->condition == SL_KV_VERSION && !answer->found)
        sl_fail(&answer->err, SL_CONFLICT, "the key is not in this version");
    return true;
}

bool sl_kv_redis_answer(struct sl_op *op, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        enum sl_status status = sl_redis_fail(reply, "redis: ", &op->unsent,
                                              &sl_kv_answer_of(op)->err);
        op->full = status == SL_RESOURCE_EXHAUSTED;
        return true;
    }
    switch (sl_kv_request_of(op)->verb) {
    case SL_KV_GET:
        return answer_get(op, reply);
    case SL_KV_SET:
        return answer_set(op, reply);
    case SL_KV_EXISTS:
    case SL_KV_DELETE:
    case SL_KV_INCREMENT:
        return answer_number(op, reply);
    case SL_KV_KEYS:
        break;
    }
    return false;
}

/* --- Listing ------------------------------------------------------------ */

static size_t count_digits(struct sl_bytes text, size_t most)
{
    size_t count = 0;

    while (count < text.len && count < most && text.ptr[count] >= '0' &&
           text.ptr[count] <= '9')
        count++;
    return count;
}

/* "len:key" at the front of *rest. */
static bool take_key(struct sl_bytes *rest, struct sl_bytes *key)
{
    size_t count = count_digits(*rest, 4), len = 0;

    if (count == 0 || count == rest->len || rest->ptr[count] != ':')
        return false;
    for (size_t i = 0; i < count; i++)
        len = len * 10 + (size_t)(rest->ptr[i] - '0');
    struct sl_bytes behind =
        SL_BYTES(rest->ptr + count + 1, rest->len - count - 1);
    if (len == 0 || len > SL_KV_KEY_MAX || len > behind.len)
        return false;
    *key = SL_BYTES(behind.ptr, len);
    *rest = SL_BYTES(behind.ptr + len, behind.len - len);
    return true;
}

bool sl_kv_redis_read_cursor(struct sl_bytes text,
                             struct sl_kv_redis_cursor *out)
{
    size_t count = count_digits(text, sizeof(out->scan) - 1);
    struct sl_bytes rest, key;

    if (count == 0)
        return false;
    memcpy(out->scan, text.ptr, count);
    out->scan[count] = '\0';
    out->rest = rest = SL_BYTES(text.ptr + count, text.len - count);
    if (rest.len == 0)
        return strcmp(out->scan, "0") != 0;
    if (rest.ptr[0] != ' ')
        return false;
    out->rest = rest = SL_BYTES(rest.ptr + 1, rest.len - 1);
    while (rest.len > 0)
        if (!take_key(&rest, &key))
            return false;
    return out->rest.len > 0;
}

bool sl_kv_redis_next_rest(struct sl_kv_redis_cursor *cursor,
                           struct sl_bytes *key)
{
    return cursor->rest.len > 0 && take_key(&cursor->rest, key);
}

enum sl_status sl_kv_redis_append_pattern(struct sl_buf *out,
                                          struct sl_bytes prefix,
                                          struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; i < prefix.len && status == SL_OK; i++) {
        if (memchr("*?[]\\", prefix.ptr[i], 5) != NULL)
            status = sl_buf_append(out, SL_LITERAL("\\"), err);
        if (status == SL_OK)
            status = sl_buf_append(out, SL_BYTES(prefix.ptr + i, 1), err);
    }
    if (status == SL_OK)
        status = sl_buf_append(out, SL_LITERAL("*"), err);
    return status;
}

enum sl_status sl_kv_redis_add_key(struct sl_kv_answer *answer,
                                   struct sl_buf *rest, struct sl_bytes key,
                                   uint32_t limit)
{
    /* Others may have written keys that no guest can name. */
    if (key.len == 0 || key.len > SL_KV_KEY_MAX || !sl_bytes_are_text(key))
        return SL_OK;

    struct sl_error *err = &answer->err;
    enum sl_status status;
    if (answer->key_count == limit) {
        status = sl_buf_printf(rest, err, "%zu:", key.len);
        return status == SL_OK ? sl_buf_append(rest, key, err) : status;
    }
    status = sl_buf_append(&answer->keys, key, err);
    if (status == SL_OK)
        status = sl_buf_append(&answer->keys, SL_BYTES("", 1), err);
    if (status == SL_OK)
        answer->key_count++;
    return status;
}

static bool is_scan_reply(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

bool sl_kv_redis_answer_scan(const redisReply *reply, size_t skip,
                             uint32_t limit, struct sl_kv_answer *answer,
                             struct sl_buf *rest, char scan[24])
{
    if (!is_scan_reply(reply))
        return false;

    const redisReply *cursor = reply->element[0], *keys = reply->element[1];
    if (cursor->len == 0 || cursor->len >= 24 ||
        count_digits(SL_BYTES(cursor->str, cursor->len), 24) != cursor->len)
        return false;
    memcpy(scan, cursor->str, cursor->len);
    scan[cursor->len] = '\0';
    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        if (key->type != REDIS_REPLY_STRING || key->len < skip)
            return false;
        if (sl_kv_redis_add_key(answer, rest,
                                SL_BYTES(key->str + skip, key->len - skip),
                                limit) != SL_OK)
            break; /* told by the answer */
    }
    return true;
}

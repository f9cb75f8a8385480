/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of kv.redis and their replies, without a connection: for
 * redis.c, its fuzzer and its tests.
 */
#ifndef SL_KV_REDIS_PROTOCOL_H
#define SL_KV_REDIS_PROTOCOL_H

#include "client/redis/redis.h"
#include "kv/driver.h"

enum {
    SL_KV_REDIS_VERSION_SIZE = 41, /* SHA-1's hexadecimal digits, and a NUL */
    SL_KV_REDIS_SALT_LEN = 64,     /* a block of SHA-1 */
};

/*
 * A version is SHA-1(salt, SHA-1(salt, value)), in the hexadecimal digits of
 * Redis' own `redis.sha1hex`.  The salt is random, and stands in the store
 * under a key that no guest can name.  SHA-1 collisions can be computed, but
 * only from a state of SHA-1 that is known: the salt hides that of the inner
 * one, and the outer one hides its result.
 */
void sl_kv_redis_version(const char *salt, struct sl_bytes value,
                         char out[SL_KV_REDIS_VERSION_SIZE]);

/* A salt for a store that has none yet. */
void sl_kv_redis_new_salt(char salt[SL_KV_REDIS_SALT_LEN + 1]);

/* No key of a guest has a NUL.  The prefix comes before it. */
#define SL_KV_REDIS_SALT_KEY SL_LITERAL("\0salt")

/* Where a command finds what it needs, each key with the prefix. */
struct sl_kv_redis_keys {
    struct sl_bytes key;
    struct sl_bytes salt_key;
    const char *salt; /* for a store that has none yet */
};

/* Append the command for op, which is not KEYS. */
SL_MUST_CHECK enum sl_status
sl_kv_redis_append_op(struct sl_buf *out, const struct sl_kv_request *request,
                      const struct sl_kv_redis_keys *keys,
                      struct sl_error *err);

/* Whether a SET is the command SET, and no script. */
bool sl_kv_redis_set_is_plain(const struct sl_kv_request *request);

/*
 * Fill op's answer from the reply to its command.  A value is taken out of the
 * reply.  False where it is no reply that this command has: the connection is
 * of no use any more.
 */
SL_MUST_CHECK bool sl_kv_redis_answer(struct sl_op *op, redisReply *reply);

/* A SCAN's place: the server's cursor, and keys that a page had no room for. */
struct sl_kv_redis_cursor {
    char scan[24];        /* digits; "0" behind the last */
    struct sl_bytes rest; /* "len:key" of each; borrowed from the text */
};

/* False: the text is not a cursor that write_cursor (driver.c) wrote. */
SL_MUST_CHECK bool sl_kv_redis_read_cursor(struct sl_bytes text,
                                           struct sl_kv_redis_cursor *out);

/* The next key of cursor->rest, which it is taken from. False: no more. */
SL_MUST_CHECK bool sl_kv_redis_next_rest(struct sl_kv_redis_cursor *cursor,
                                         struct sl_bytes *key);

/* The pattern that SCAN matches keys with that begin with prefix. */
SL_MUST_CHECK enum sl_status sl_kv_redis_append_pattern(struct sl_buf *out,
                                                        struct sl_bytes prefix,
                                                        struct sl_error *err);

/*
 * A SCAN's reply into a page: its keys, without skip bytes in front, as far as
 * limit has room; the others into rest.  *scan gets the server's cursor.  False
 * where it is no reply of SCAN.
 */
SL_MUST_CHECK bool sl_kv_redis_answer_scan(const redisReply *reply, size_t skip,
                                           uint32_t limit,
                                           struct sl_kv_answer *answer,
                                           struct sl_buf *rest, char scan[24]);

/* Put one key into a page, or into rest where the page is full. */
SL_MUST_CHECK enum sl_status sl_kv_redis_add_key(struct sl_kv_answer *answer,
                                                 struct sl_buf *rest,
                                                 struct sl_bytes key,
                                                 uint32_t limit);

#endif

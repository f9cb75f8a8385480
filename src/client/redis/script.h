/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kit for Redis drivers whose requests are runs of a Lua script, which Redis
 * runs atomically
 * (https://redis.io/docs/latest/develop/interact/programmability/eval-intro/).
 *
 * A driver has one script, whose first argument is the verb.  Each connection
 * loads it when it is opened; a server that has lost it (NOSCRIPT) has done
 * nothing, so the request is retried with a new connection.
 *
 * All keys of a resource begin with its name in braces, so that a cluster keeps
 * them in one slot.
 */
#ifndef SL_CLIENT_REDIS_SCRIPT_H
#define SL_CLIENT_REDIS_SCRIPT_H

#include <stdatomic.h>

#include "client/redis/redis.h"

/* --- Settings ----------------------------------------------------------- */

enum { SL_REDIS_NAME_MAX = 128 };

struct sl_redis_script_options {
    struct sl_redis_options server; /* first: SL_REDIS_OPTIONS */
    const char *name;
    const char *durable; /* "true", "false", "fsync" */
};

enum sl_status sl_redis_check_durable(const void *field, struct sl_error *err);

enum sl_status sl_redis_check_name(const void *field, struct sl_error *err);

/* The entries beside the one for `name`. */
#define SL_REDIS_SCRIPT_OPTIONS                                                \
    SL_REDIS_OPTIONS,                                                          \
        {.name = "durable",                                                    \
         .type = SL_OPTION_STRING,                                             \
         .or_boolean = true,                                                   \
         .offset = offsetof(struct sl_redis_script_options, durable),          \
         .fallback = "true",                                                   \
         .check = sl_redis_check_durable,                                      \
         .help =                                                               \
             "true: refuse a server without an append-only file, which "       \
             "loses everything when it stops; \"fsync\": also answer only "    \
             "once the write is on the server's disk (WAITAOF, Redis 7.2 "     \
             "or newer)"}

/* --- What all connections share ----------------------------------------- */

struct sl_redis_script_store {
    struct sl_redis_server server;
    const struct sl_redis_script_options *options;
    const char *script;
    struct sl_buf name; /* "{name}" */
    atomic_llong seen;  /* the last seen value of the counter of changes */
};

/* For a driver's store_new and store_free. script: the Lua source. */
enum sl_status
sl_redis_script_store_new(const struct sl_redis_script_options *options,
                          const char *script, void **store,
                          struct sl_error *err);
void sl_redis_script_store_free(void *store);

/* --- One connection ----------------------------------------------------- */

struct sl_redis_script_connection {
    struct sl_redis_script_store *store;
    struct sl_redis redis;
    char sha[41];        /* of the script, as returned by SCRIPT LOAD */
    struct sl_buf names; /* the keys of the current command */
};

/* For a driver's open and close. */
enum sl_status sl_redis_script_open(void *store, sl_deadline deadline,
                                    void **connection, struct sl_error *err);
void sl_redis_script_close(void *connection);

/* For a driver's run; the context of calls is the connection. */
void sl_redis_script_run(struct sl_redis_script_connection *connection,
                         const struct sl_redis_pipeline_calls *calls,
                         struct sl_op *const ops[], size_t count);

/* --- One command -------------------------------------------------------- */

enum {
    SL_REDIS_WORDS_MAX = 32,
    SL_REDIS_NUMBERS_MAX = 8,
};

/* An EVALSHA that is being built: keys first, then arguments. */
struct sl_redis_script_call {
    struct sl_bytes words[SL_REDIS_WORDS_MAX];
    size_t count;
    char numbers[SL_REDIS_NUMBERS_MAX][24];
    size_t number_count;
    char keys[8]; /* the number of keys, as text */
};

/* Start a call.  Keys are borrowed from the connection until the next call. */
void sl_redis_script_begin(struct sl_redis_script_call *call,
                           struct sl_redis_script_connection *connection);
/* Add keys of the resource as "{name}:key"; keys end with NULL. more is
 * appended to each key that ends in a colon. */
SL_MUST_CHECK enum sl_status
sl_redis_script_keys(struct sl_redis_script_call *call,
                     struct sl_redis_script_connection *connection,
                     const char *const keys[], struct sl_bytes more,
                     struct sl_error *err);
void sl_redis_script_add(struct sl_redis_script_call *call,
                         struct sl_bytes word);
void sl_redis_script_add_number(struct sl_redis_script_call *call,
                                int64_t number);
SL_MUST_CHECK enum sl_status
sl_redis_script_append(const struct sl_redis_script_call *call,
                       struct sl_buf *out, struct sl_error *err);

/* --- Replies ------------------------------------------------------------ */

/* Answer op with the meaning of an error reply. */
void sl_redis_script_fail(struct sl_op *op, const redisReply *reply);

/* A text and a number of an array reply; false: there is none. */
SL_MUST_CHECK bool sl_redis_text_at(const redisReply *reply, size_t index,
                                    struct sl_bytes *text);
SL_MUST_CHECK bool sl_redis_number_at(const redisReply *reply, size_t index,
                                      int64_t *number);

/* --- Changes ------------------------------------------------------------ */

/* The counter that a script increments when waiting ops may proceed. */
#define SL_REDIS_CHANGES "changes"

/* For a driver's `changed`: whether that counter has changed. */
bool sl_redis_script_changed(void *connection);

/* Run a call without an op; false: there is no reply, or it is not a number. */
SL_MUST_CHECK bool
sl_redis_script_ask(struct sl_redis_script_connection *connection,
                    const struct sl_redis_script_call *call, int64_t *number);

#endif

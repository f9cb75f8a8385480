/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Redis drivers have in common that keep more than single values: each
 * of their requests is one run of a script, which Redis runs as one atomic step
 * (https://redis.io/docs/latest/develop/interact/programmability/eval-intro/).
 *
 * A driver has one script, whose first argument says what to do.  Each
 * connection loads it when it is opened; a server that has forgotten it
 * (NOSCRIPT) has done nothing, so that the request is repeated with a new
 * connection.
 *
 * All keys of a resource begin with its name in braces, so that in a cluster
 * they are in one place.
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
             "forgets everything when it ends; \"fsync\": and answer once "    \
             "it is on the server's disk (WAITAOF, Redis 7.2 or newer)"}

/* --- What all connections share ----------------------------------------- */

struct sl_redis_script_store {
    struct sl_redis_server server;
    const struct sl_redis_script_options *options;
    const char *script;
    struct sl_buf name; /* "{name}" */
    atomic_llong seen;  /* the last value of the counter of changes */
};

/* For a driver's store_new and store_free. script: its text. */
enum sl_status
sl_redis_script_store_new(const struct sl_redis_script_options *options,
                          const char *script, void **store,
                          struct sl_error *err);
void sl_redis_script_store_free(void *store);

/* --- One connection ----------------------------------------------------- */

struct sl_redis_script_state {
    struct sl_redis_script_store *store;
    struct sl_redis redis;
    char sha[41];        /* what the server calls the script */
    struct sl_buf names; /* of the keys of the command at hand */
};

/* For a driver's open and close. */
enum sl_status sl_redis_script_open(void *store, sl_deadline deadline,
                                    void **state, struct sl_error *err);
void sl_redis_script_close(void *state);

/* For a driver's run; the context of calls is the state. */
void sl_redis_script_run(struct sl_redis_script_state *state,
                         const struct sl_redis_calls *calls,
                         struct sl_op *const ops[], size_t count);

/* --- One command -------------------------------------------------------- */

enum {
    SL_REDIS_WORDS_MAX = 32,
    SL_REDIS_NUMBERS_MAX = 8,
};

/* An EVALSHA that is being put together: keys first, then arguments. */
struct sl_redis_script_call {
    struct sl_bytes words[SL_REDIS_WORDS_MAX];
    size_t count;
    char numbers[SL_REDIS_NUMBERS_MAX][24];
    size_t number_count;
    char keys[8]; /* how many, as text */
};

/* Keys are borrowed from the state until the next call begins. */
void sl_redis_script_begin(struct sl_redis_script_call *call,
                           struct sl_redis_script_state *state);
/* Keys of the resource, ended by NULL: "{name}:key"; what is in more comes
 * behind each that ends in a colon. */
SL_MUST_CHECK enum sl_status sl_redis_script_keys(
    struct sl_redis_script_call *call, struct sl_redis_script_state *state,
    const char *const keys[], struct sl_bytes more, struct sl_error *err);
void sl_redis_script_add(struct sl_redis_script_call *call,
                         struct sl_bytes word);
void sl_redis_script_add_number(struct sl_redis_script_call *call,
                                int64_t number);
SL_MUST_CHECK enum sl_status
sl_redis_script_append(const struct sl_redis_script_call *call,
                       struct sl_buf *out, struct sl_error *err);

/* --- Replies ------------------------------------------------------------ */

/* Answer op with what an error reply means. */
void sl_redis_script_fail(struct sl_op *op, const redisReply *reply);

/* A text, and a number, of an array; false where there is none. */
SL_MUST_CHECK bool sl_redis_text_at(const redisReply *reply, size_t index,
                                    struct sl_bytes *text);
SL_MUST_CHECK bool sl_redis_number_at(const redisReply *reply, size_t index,
                                      int64_t *number);

/* --- Changes ------------------------------------------------------------ */

/* The counter that a script increments when others may be able to go on. */
#define SL_REDIS_CHANGES "changes"

/* For a driver's `changed`: whether that counter has another value. */
bool sl_redis_script_changed(void *state);

/* Run a call that has no op; false where there is no answer, or none that is a
 * number. */
SL_MUST_CHECK bool sl_redis_script_ask(struct sl_redis_script_state *state,
                                       const struct sl_redis_script_call *call,
                                       int64_t *number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of Redis for drivers: settings, connections, commands, replies
 * (RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/),
 * errors, and batches as pipelines.
 *
 * A connection is used by one thread at a time.
 */
#ifndef SL_CLIENT_REDIS_REDIS_H
#define SL_CLIENT_REDIS_REDIS_H

#include <hiredis/hiredis.h>

#include "net/conn.h"
#include "net/url.h"
#include "service/driver.h"

/* --- Settings ----------------------------------------------------------- */

struct sl_redis_options {
    const char *url;
    const char *user;
    const char *password;
    int64_t db;
    const char *ca;
};

enum sl_status sl_redis_check_url(const void *field, struct sl_error *err);

/* The entries of an option table whose struct begins with the above. */
#define SL_REDIS_OPTIONS                                                       \
    {.name = "url",                                                            \
     .type = SL_OPTION_STRING,                                                 \
     .offset = offsetof(struct sl_redis_options, url),                         \
     .required = true,                                                         \
     .secret = true,                                                           \
     .port = 6379,                                                             \
     .check = sl_redis_check_url,                                              \
     .help =                                                                   \
         "redis://[user:password@]host[:6379][/db], or rediss:// for TLS"},    \
        {.name = "user",                                                       \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_redis_options, user),                    \
         .help = "the user (Redis ACL), instead of the one in the URL"},       \
        {.name = "password",                                                   \
         .type = SL_OPTION_STRING,                                             \
         .offset = offsetof(struct sl_redis_options, password),                \
         .secret = true,                                                       \
         .help = "the password, instead of the one in the URL"},               \
        {.name = "db",                                                         \
         .type = SL_OPTION_INTEGER,                                            \
         .offset = offsetof(struct sl_redis_options, db),                      \
         .min = -1,                                                            \
         .max = 1000000,                                                       \
         .fallback = "-1",                                                     \
         .help =                                                               \
             "the number of the database, instead of the one in the URL; -1: " \
             "that one, or 0"},                                                \
        {.name = "ca",                                                         \
         .type = SL_OPTION_PATH,                                               \
         .offset = offsetof(struct sl_redis_options, ca),                      \
         .help = "a file of authorities in PEM to trust instead of the "       \
                 "system's, for rediss://"}

/* For a driver's `risks`, whose options begin with these. */
void sl_redis_risks(const void *options, sl_risk_fn *tell, void *context);

/* The parsed options, which all connections share. */
struct sl_redis_server {
    struct sl_url url;
    const char *user;
    const char *password;
    int64_t db;
    struct sl_tls *tls;
};

/* Borrows from options.  The caller zeroes server, and calls
 * sl_redis_server_done also after a failure. */
SL_MUST_CHECK enum sl_status
sl_redis_server_init(struct sl_redis_server *server,
                     const struct sl_redis_options *options,
                     struct sl_error *err);
void sl_redis_server_done(struct sl_redis_server *server);

/* --- One connection ----------------------------------------------------- */

struct sl_redis {
    struct sl_conn *conn;
    redisReader *reader;
    struct sl_buf out; /* commands to send */
    bool broken;       /* replies would not match commands any more */
};

/* Connect and log in.  The caller zeroes redis, and calls sl_redis_done also
 * after a failure. */
SL_MUST_CHECK enum sl_status sl_redis_open(struct sl_redis *redis,
                                           const struct sl_redis_server *server,
                                           sl_deadline deadline,
                                           struct sl_error *err);
void sl_redis_done(struct sl_redis *redis);

/* Send the commands in redis->out. */
SL_MUST_CHECK enum sl_status sl_redis_send(struct sl_redis *redis,
                                           sl_deadline deadline,
                                           struct sl_error *err);
/* The next reply; after a failure the connection is broken. */
SL_MUST_CHECK enum sl_status sl_redis_read(struct sl_redis *redis,
                                           sl_deadline deadline,
                                           redisReply **out,
                                           struct sl_error *err);
/* Send one command and read its reply.  An error reply is a failure. */
SL_MUST_CHECK enum sl_status
sl_redis_do(struct sl_redis *redis, const struct sl_bytes words[], size_t count,
            sl_deadline deadline, redisReply **out, struct sl_error *err);

/* For SL_CLEANUP. */
void sl_redis_reply_free(redisReply **reply);

/* --- Batches ------------------------------------------------------------ */

/* What a driver does for each op; context is that of sl_redis_pipeline. */
struct sl_redis_pipeline_calls {
    /* Append the op's command to redis->out. */
    enum sl_status (*append)(void *context, const struct sl_op *op,
                             struct sl_buf *out, struct sl_error *err);
    /* Fill the op's answer from the reply, which may be an error.  False:
     * unexpected reply; the connection cannot be used any more. */
    bool (*answer)(void *context, struct sl_op *op, redisReply *reply);
};

/* Send the commands of all ops, then read all replies. */
void sl_redis_pipeline(struct sl_redis *redis,
                       const struct sl_redis_pipeline_calls *calls,
                       void *context, struct sl_op *const ops[], size_t count);

/* Whether the server has closed the connection or sent unexpected data; then
 * all ops are answered. */
SL_MUST_CHECK bool sl_redis_refuse_stale(struct sl_redis *redis,
                                         struct sl_op *const ops[],
                                         size_t count);
/* Fail the ops that are not answered yet: the connection is broken. */
void sl_redis_refuse_broken(struct sl_op *const ops[], size_t count);

/* --- Commands and replies, without a connection ------------------------- */

/* A reader with limits for our commands.  NULL: out of memory. */
redisReader *sl_redis_reader_new(void);

/* Append a command. */
SL_MUST_CHECK enum sl_status sl_redis_append(struct sl_buf *out,
                                             const struct sl_bytes words[],
                                             size_t count,
                                             struct sl_error *err);

/*
 * Fill err with the meaning of an error reply, prefixed by where.  *unchanged:
 * the server has certainly not acted.
 */
enum sl_status sl_redis_fail(const redisReply *reply, const char *where,
                             bool *unchanged, struct sl_error *err);

#endif

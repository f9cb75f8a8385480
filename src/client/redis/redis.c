/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to Redis, and pipelines. */
#include "client/redis/redis.h"
#include "net/peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WRITE_AT = 1 << 20,    /* send commands when so many bytes are buffered */
    READ_SIZE = 64 * 1024, /* bytes of one read */
    REPLY_MAX = 288 << 20, /* bytes of one reply: more than the largest value */
    COMMAND_MAX = 320 << 20,
};

/* --- Settings ----------------------------------------------------------- */

#define VERIFIED                                                               \
    "rediss:// always verifies the certificate and the name, by the system's " \
    "authorities or those in ca = \"...\" beside the url"

/* The parameters that other clients have in their URLs. */
static const struct sl_url_known known_parameters[] = {
    {"db", NULL, NULL},
    {"protocol", "2 3", NULL},
    {"decode_responses", "false 0", "values are bytes, always"},
    {"ssl_cert_reqs", "required CERT_REQUIRED", VERIFIED},
    {"ssl_check_hostname", "true", VERIFIED},
    {"ssl", NULL, "write rediss:// instead of redis:// for TLS"},
    {"tls", NULL, "write rediss:// instead of redis:// for TLS"},
    {"sslmode", NULL, "write rediss:// instead of redis:// for TLS"},
    {"skip_verify", NULL, VERIFIED},
    {"ssl_ca_certs", NULL, SL_URL_SETTING("ca")},
    {"sslrootcert", NULL, SL_URL_SETTING("ca")},
    {"cacert", NULL, SL_URL_SETTING("ca")},
    {"user", NULL, SL_URL_SETTING("user")},
    {"username", NULL, SL_URL_SETTING("user")},
    {"password", NULL, SL_URL_SETTING("password")},
    {"client_name", NULL, "the server knows these connections as slight"},
    {"application_name", NULL, "the server knows these connections as slight"},
    {"retry_on_timeout", NULL, "write retry.attempts = 3 beside the url"},
    {"max_retries", NULL, "write retry.attempts = 3 beside the url"},
    {"socket_connect_timeout", NULL, SL_URL_TIMEOUT},
    {"dial_timeout", NULL, SL_URL_TIMEOUT},
    SL_URL_KNOWN_TIMEOUTS,
    {NULL, NULL, NULL},
};

static bool is_number(const char *text)
{
    return strspn(text, "0123456789") == strlen(text);
}

/* The number of the database: the path, or a parameter. */
static const char *db_of(const struct sl_url *url)
{
    return url->path != NULL ? url->path : sl_url_parameter(url, "db");
}

enum sl_status sl_redis_check_url(const void *field, struct sl_error *err)
{
    struct sl_url url;
    enum sl_status status =
        sl_url_parse(*(const char *const *)field, &url, err);

    if (status != SL_OK)
        return status;
    if (strcmp(url.scheme, "redis") != 0 && strcmp(url.scheme, "rediss") != 0)
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected redis:// or, for TLS, rediss://");
    else if (url.path != NULL && sl_url_parameter(&url, "db") != NULL)
        status =
            sl_fail(err, SL_INVALID_ARGUMENT,
                    "the database is in the path and in the parameter \"db\"; "
                    "write one of them");
    else if (db_of(&url) != NULL && !is_number(db_of(&url)))
        status = sl_fail(err, SL_INVALID_ARGUMENT,
                         "expected the number of a database after the slash");
    else
        status = sl_url_check_parameters(&url, known_parameters, err);
    sl_url_done(&url);
    return status;
}

void sl_redis_server_done(struct sl_redis_server *server)
{
    sl_tls_free(server->tls);
    sl_url_done(&server->url);
}

enum sl_status sl_redis_server_init(struct sl_redis_server *server,
                                    const struct sl_redis_options *options,
                                    struct sl_error *err)
{
    enum sl_status status = sl_url_parse(options->url, &server->url, err);

    if (status == SL_OK && strcmp(server->url.scheme, "rediss") == 0)
        status = sl_tls_new(options->ca, &server->tls, err);
    if (status != SL_OK)
        return status;
    if (server->url.port == 0)
        server->url.port = 6379;
    server->user = options->user != NULL ? options->user : server->url.user;
    server->password =
        options->password != NULL ? options->password : server->url.password;
    server->db = options->db;
    if (server->db < 0 && db_of(&server->url) != NULL)
        server->db = strtoll(db_of(&server->url), NULL, 10);
    else if (server->db < 0)
        server->db = 0;
    return SL_OK;
}

/* --- One connection ----------------------------------------------------- */

void sl_redis_reply_free(redisReply **reply)
{
    if (*reply != NULL)
        freeReplyObject(*reply);
}

/* Read from the server and feed the reader. */
static enum sl_status read_reply_bytes(struct sl_redis *redis,
                                       sl_deadline deadline,
                                       struct sl_error *err)
{
    char buffer[READ_SIZE];
    size_t got = 0;
    enum sl_status status =
        sl_conn_read(redis->conn, buffer, sizeof(buffer), deadline, &got, err);

    if (status != SL_OK)
        return status;
    if (redis->reader->len - redis->reader->pos > REPLY_MAX)
        return sl_fail(err, SL_UNAVAILABLE,
                       "redis: a reply of more than %d bytes", REPLY_MAX);
    if (redisReaderFeed(redis->reader, buffer, got) != REDIS_OK)
        return sl_fail(err, SL_UNAVAILABLE, "redis: out of memory for a reply");
    return SL_OK;
}

enum sl_status sl_redis_read(struct sl_redis *redis, sl_deadline deadline,
                             redisReply **out, struct sl_error *err)
{
    enum sl_status status = SL_OK;
    void *reply = NULL;

    while (status == SL_OK) {
        if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
            status = sl_fail(err, SL_UNAVAILABLE, "redis: protocol error (%s)",
                             redis->reader->errstr);
            break;
        }
        if (reply != NULL) {
            *out = reply;
            return SL_OK;
        }
        status = read_reply_bytes(redis, deadline, err);
    }
    redis->broken = true;
    return status;
}

enum sl_status sl_redis_send(struct sl_redis *redis, sl_deadline deadline,
                             struct sl_error *err)
{
    enum sl_status status =
        sl_conn_write(redis->conn, sl_buf_bytes(&redis->out), deadline, err);

    sl_buf_clear(&redis->out);
    if (status != SL_OK)
        redis->broken = true;
    return status;
}

/* Send one command; the reply may be an error. */
static enum sl_status exchange_command(struct sl_redis *redis,
                                       const struct sl_bytes args[],
                                       size_t count, sl_deadline deadline,
                                       redisReply **out, struct sl_error *err)
{
    enum sl_status status = sl_redis_append(&redis->out, args, count, err);

    if (status == SL_OK)
        status = sl_redis_send(redis, deadline, err);
    return status == SL_OK ? sl_redis_read(redis, deadline, out, err) : status;
}

enum sl_status sl_redis_do(struct sl_redis *redis, const struct sl_bytes args[],
                           size_t count, sl_deadline deadline, redisReply **out,
                           struct sl_error *err)
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
    bool unchanged;
    enum sl_status status =
        exchange_command(redis, args, count, deadline, &reply, err);

    if (status != SL_OK || reply == NULL)
        return status;
    if (reply->type == REDIS_REPLY_ERROR)
        return sl_redis_fail(reply, "redis: ", &unchanged, err);
    *out = reply;
    reply = NULL; /* ownership moves to *out */
    return SL_OK;
}

/* A command whose reply only has to be no error. */
static enum sl_status run_setup_command(struct sl_redis *redis,
                                        const struct sl_bytes args[],
                                        size_t count, sl_deadline deadline,
                                        struct sl_error *err)
{
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;

    return sl_redis_do(redis, args, count, deadline, &reply, err);
}

static enum sl_status redis_log_in(struct sl_redis *redis,
                                   const struct sl_redis_server *server,
                                   sl_deadline deadline, struct sl_error *err)
{
    if (server->password == NULL)
        return SL_OK;
    const struct sl_bytes with_user[] = {
        SL_LITERAL("AUTH"),
        sl_bytes_of(server->user == NULL ? "" : server->user),
        sl_bytes_of(server->password)};
    const struct sl_bytes without[] = {SL_LITERAL("AUTH"),
                                       sl_bytes_of(server->password)};
    return server->user != NULL
               ? run_setup_command(redis, with_user, 3, deadline, err)
               : run_setup_command(redis, without, 2, deadline, err);
}

static enum sl_status choose_db(struct sl_redis *redis,
                                const struct sl_redis_server *server,
                                sl_deadline deadline, struct sl_error *err)
{
    char number[24];

    if (server->db == 0)
        return SL_OK;
    snprintf(number, sizeof(number), "%" PRId64, server->db);
    const struct sl_bytes args[] = {SL_LITERAL("SELECT"), sl_bytes_of(number)};
    return run_setup_command(redis, args, 2, deadline, err);
}

/* Name the connection for CLIENT LIST; an error reply is fine. */
static enum sl_status set_client_name(struct sl_redis *redis,
                                      sl_deadline deadline,
                                      struct sl_error *err)
{
    static const struct sl_bytes args[] = {{(const uint8_t *)"CLIENT", 6},
                                           {(const uint8_t *)"SETNAME", 7},
                                           {(const uint8_t *)"slight", 6}};
    SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;

    return exchange_command(redis, args, 3, deadline, &reply, err);
}

void sl_redis_done(struct sl_redis *redis)
{
    sl_conn_free(redis->conn);
    if (redis->reader != NULL)
        redisReaderFree(redis->reader);
    sl_buf_done(&redis->out);
}

enum sl_status sl_redis_open(struct sl_redis *redis,
                             const struct sl_redis_server *server,
                             sl_deadline deadline, struct sl_error *err)
{
    redis->out = (struct sl_buf)SL_BUF(COMMAND_MAX);
    enum sl_status status =
        sl_conn_open(server->url.host, server->url.port, server->tls, deadline,
                     &redis->conn, err);
    if (status != SL_OK)
        return sl_fail_in(err, "redis");
    redis->reader = sl_redis_reader_new();
    if (redis->reader == NULL)
        status =
            sl_fail(err, SL_UNAVAILABLE, "redis: out of memory for a reader");
    if (status == SL_OK)
        status = redis_log_in(redis, server, deadline, err);
    if (status == SL_OK)
        status = choose_db(redis, server, deadline, err);
    if (status == SL_OK)
        status = set_client_name(redis, deadline, err);
    return status;
}

/* --- Batches ------------------------------------------------------------ */

static void fail_unanswered(struct sl_op *const ops[], size_t first,
                            size_t count, const struct sl_error *err,
                            bool unsent)
{
    for (size_t i = first; i < count; i++) {
        if (sl_op_answer(ops[i])->err.status != SL_OK)
            continue;
        ops[i]->unsent = unsent;
        sl_op_fail(ops[i], err);
    }
}

bool sl_redis_refuse_stale(struct sl_redis *redis, struct sl_op *const ops[],
                           size_t count)
{
    struct sl_error err;

    if (!sl_conn_is_stale(redis->conn))
        return false;
    sl_fail(&err, SL_UNAVAILABLE, "redis: the server closed the connection");
    fail_unanswered(ops, 0, count, &err, true);
    return true;
}

void sl_redis_refuse_broken(struct sl_op *const ops[], size_t count)
{
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE, "redis: the connection was lost");
    fail_unanswered(ops, 0, count, &err, true);
}

/* Send the commands of ops; *sent: how many may have reached the server. */
static enum sl_status send_ops(struct sl_redis *redis,
                               const struct sl_redis_pipeline_calls *calls,
                               void *context, struct sl_op *const ops[],
                               size_t count, size_t *sent, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    *sent = 0;
    for (size_t i = 0; i < count && status == SL_OK; i++) {
        status = calls->append(context, ops[i], &redis->out, err);
        if (status != SL_OK) {
            redis->broken = true;
            break;
        }
        if (redis->out.len >= WRITE_AT || i + 1 == count) {
            *sent = i + 1;
            status = sl_redis_send(redis, ops[i]->deadline, err);
        }
    }
    return status;
}

void sl_redis_pipeline(struct sl_redis *redis,
                       const struct sl_redis_pipeline_calls *calls,
                       void *context, struct sl_op *const ops[], size_t count)
{
    struct sl_error err;
    size_t sent;

    if (count == 0)
        return;
    if (send_ops(redis, calls, context, ops, count, &sent, &err) != SL_OK) {
        fail_unanswered(ops, 0, sent, &err, false);
        fail_unanswered(ops, sent, count, &err, true);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        SL_CLEANUP(sl_redis_reply_free) redisReply *reply = NULL;
        if (sl_redis_read(redis, ops[i]->deadline, &reply, &err) != SL_OK) {
            fail_unanswered(ops, i, count, &err, false);
            return;
        }
        if (calls->answer(context, ops[i], reply))
            continue;
        redis->broken = true;
        sl_fail(&err, SL_UNAVAILABLE, "redis: unexpected reply type");
        fail_unanswered(ops, i, count, &err, false);
        return;
    }
}

void sl_redis_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_redis_options *options = data;

    sl_peer_tell_of_url(options->url, "redis", options->password,
                        "use rediss://", tell, context);
}

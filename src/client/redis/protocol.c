/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes commands of Redis; the reader's limits; the meaning of errors. */
#include <string.h>

#include "client/redis/redis.h"

enum { MAX_ELEMENTS = 1 << 20 };

#define UNCHANGED true

/*
 * Error replies by their prefix; the first match counts.  From Redis' sources
 * (7.0) and
 * https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors.
 */
static const struct {
    const char *begins;
    enum sl_status status;
    bool unchanged; /* the server has certainly not acted */
    const char *remedy;
} errors[] = {
    {"WRONGTYPE", SL_CONFLICT, UNCHANGED,
     "the key holds something of another type"},
    {"NOAUTH", SL_UNAUTHENTICATED, UNCHANGED, "set a password for it"},
    {"WRONGPASS", SL_UNAUTHENTICATED, UNCHANGED,
     "the user or the password is wrong"},
    {"ERR AUTH", SL_UNAUTHENTICATED, UNCHANGED,
     "the server has no password set; set none"},
    {"ERR invalid password", SL_UNAUTHENTICATED, UNCHANGED,
     "the password is wrong"},
    {"NOPERM", SL_PERMISSION_DENIED, UNCHANGED,
     "the server's access rules (ACL) do not allow this user to do that"},
    {"ERR The user executing the script can't", SL_PERMISSION_DENIED, false,
     "the server's access rules (ACL) do not allow this user to do that"},
    {"DENIED", SL_PERMISSION_DENIED, UNCHANGED,
     "the server is in protected mode"},
    {"OOM", SL_RESOURCE_EXHAUSTED, UNCHANGED, "the server is out of memory"},
    {"LOADING", SL_UNAVAILABLE, UNCHANGED, "the server is starting"},
    {"BUSY", SL_UNAVAILABLE, UNCHANGED, "the server is busy with a script"},
    {"MASTERDOWN", SL_UNAVAILABLE, UNCHANGED, "the primary is down"},
    {"READONLY", SL_UNAVAILABLE, UNCHANGED, "the server is a replica"},
    {"MISCONF", SL_UNAVAILABLE, UNCHANGED,
     "the server cannot save to its disk"},
    {"NOREPLICAS", SL_UNAVAILABLE, UNCHANGED, "too few replicas"},
    {"CLUSTERDOWN", SL_UNAVAILABLE, UNCHANGED, "the cluster is down"},
    {"TRYAGAIN", SL_UNAVAILABLE, UNCHANGED, "the cluster is moving keys"},
    {"NOSCRIPT", SL_UNAVAILABLE, UNCHANGED, "the server has lost the script"},
    {"UNKILLABLE", SL_UNAVAILABLE, UNCHANGED,
     "the server is busy with a script"},
    {"MOVED", SL_UNSUPPORTED, UNCHANGED,
     "the server is part of a cluster, which slight does not support"},
    {"ASK", SL_UNSUPPORTED, UNCHANGED,
     "the server is part of a cluster, which slight does not support"},
    {"ERR max number of clients", SL_UNAVAILABLE, UNCHANGED,
     "the server has too many clients"},
    {"ERR value is not an integer", SL_INVALID_ARGUMENT, UNCHANGED,
     "the value is not an integer"},
    {"ERR increment or decrement would overflow", SL_INVALID_ARGUMENT,
     UNCHANGED, "the sum is out of range"},
    {"ERR invalid cursor", SL_INVALID_ARGUMENT, UNCHANGED, "invalid cursor"},
    {"ERR invalid expire", SL_INVALID_ARGUMENT, UNCHANGED,
     "the server does not take this time to live"},
    {"ERR string exceeds", SL_TOO_LARGE, UNCHANGED,
     "the value is larger than the server allows"},
    {"ERR Protocol error: invalid bulk length", SL_TOO_LARGE, UNCHANGED,
     "the value is larger than the server allows"},
    {"ERR DB index is out of range", SL_INVALID_ARGUMENT, UNCHANGED,
     "the server has no such database"},
    {"ERR unknown command", SL_UNSUPPORTED, UNCHANGED,
     "the server is older than slight needs (6.0)"},
};

/*
 * Redis 6 wraps an error in a script: "ERR Error running script (call to
 * f_SHA): @user_script:1: @user_script: 1: -OOM ...".  The last part counts.
 */
static const char *innermost_error(const char *text)
{
    static const char mark[] = "user_script:";
    const char *found = text;

    if (strncmp(text, "ERR Error running script", 24) != 0)
        return text;
    for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
        at += strlen(mark);
        at += strspn(at, " 0123456789");
        found = at + strspn(at, ": -");
    }
    return found;
}

enum sl_status sl_redis_fail(const redisReply *reply, const char *where,
                             bool *unchanged, struct sl_error *err)
{
    /* The server's text may name keys and users, but never a password. */
    const char *text = innermost_error(reply->str);

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strncmp(text, errors[i].begins, strlen(errors[i].begins)) != 0)
            continue;
        *unchanged = errors[i].unchanged;
        return sl_fail(err, errors[i].status, "%s%s: %.200s", where,
                       errors[i].remedy, text);
    }
    *unchanged = false;
    return sl_fail(err, SL_INTERNAL, "%sthe server answered: %.200s", where,
                   text);
}

/* --- The reader --------------------------------------------------------- */

static redisReplyObjectFunctions limited;
static void *(*create_array)(const redisReadTask *task, int elements);

/* The server's count sizes an allocation, so it is limited. */
static void *create_limited_array(const redisReadTask *task, int elements)
{
    return elements > MAX_ELEMENTS ? NULL : create_array(task, elements);
}

__attribute__((constructor)) static void limit_arrays(void)
{
    redisReader *reader = redisReaderCreate();

    if (reader == NULL)
        return;
    limited = *reader->fn;
    create_array = limited.createArray;
    limited.createArray = create_limited_array;
    redisReaderFree(reader);
}

redisReader *sl_redis_reader_new(void)
{
    redisReader *reader = redisReaderCreate();

    if (reader != NULL && create_array != NULL)
        reader->fn = &limited;
    return reader;
}

/* --- Commands ----------------------------------------------------------- */

enum sl_status sl_redis_append(struct sl_buf *out, const struct sl_bytes args[],
                               size_t count, struct sl_error *err)
{
    enum sl_status status = sl_buf_printf(out, err, "*%zu\r\n", count);

    for (size_t i = 0; i < count && status == SL_OK; i++) {
        status = sl_buf_printf(out, err, "$%zu\r\n", args[i].len);
        if (status == SL_OK)
            status = sl_buf_append(out, args[i], err);
        if (status == SL_OK)
            status = sl_buf_append(out, SL_LITERAL("\r\n"), err);
    }
    return status;
}

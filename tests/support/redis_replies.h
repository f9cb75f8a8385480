/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests of drivers on client/redis/script.h: without a server. */
#ifndef TEST_SUPPORT_REDIS_REPLIES_H
#define TEST_SUPPORT_REDIS_REPLIES_H

#include <string.h>

#include "client/redis/script.h"

/* The reply that this text is, which is one; the caller's to free. */
static inline redisReply *redis_reply_of(const char *text, size_t len)
{
    redisReader *reader = sl_redis_reader_new();
    void *reply = NULL;

    redisReaderFeed(reader, text, len);
    if (redisReaderGetReply(reader, &reply) != REDIS_OK)
        reply = NULL;
    redisReaderFree(reader);
    return reply;
}

/* A state that is not connected, of the resource "{r}"; done by
 * sl_buf_done(&state.names), sl_redis_script_store_free(state.store). */
static inline struct sl_redis_script_connection
redis_state_of(const struct sl_redis_script_options *options)
{
    struct sl_redis_script_connection state = {.names = SL_BUF(1 << 16),
                                               .sha = "sha"};
    struct sl_error err;
    void *store = NULL;

    if (sl_redis_script_store_new(options, "", &store, &err) == SL_OK)
        state.store = store;
    return state;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of pubsub.redis and their replies, without a connection: for
 * redis.c, its fuzzer and its tests.
 */
#ifndef SL_PUBSUB_REDIS_PROTOCOL_H
#define SL_PUBSUB_REDIS_PROTOCOL_H

#include "client/redis/script.h"
#include "pubsub/driver.h"

struct sl_pubsub_redis_options {
    struct sl_redis_script_options script; /* first: SL_REDIS_SCRIPT_OPTIONS */
    int64_t max_length;                    /* of a topic; 0: no limit */
    int64_t max_topics;
    int64_t max_groups; /* of a topic */
};

/* redis.lua */
extern const char sl_pubsub_redis_lua[];

/* For struct sl_redis_pipeline_calls; context: struct
 * sl_redis_script_connection with the options above. */
SL_MUST_CHECK enum sl_status sl_pubsub_redis_append(void *context,
                                                    const struct sl_op *op,
                                                    struct sl_buf *out,
                                                    struct sl_error *err);
SL_MUST_CHECK bool sl_pubsub_redis_answer(void *context, struct sl_op *op,
                                          redisReply *reply);

#endif

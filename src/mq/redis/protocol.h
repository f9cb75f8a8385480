/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of mq.redis and their replies, without a connection: for
 * redis.c, its fuzzer and its tests.
 */
#ifndef SL_MQ_REDIS_PROTOCOL_H
#define SL_MQ_REDIS_PROTOCOL_H

#include "client/redis/script.h"
#include "mq/driver.h"

/* redis.lua */
extern const char sl_mq_redis_lua[];

/* For struct sl_redis_pipeline_calls; context: struct
 * sl_redis_script_connection. */
SL_MUST_CHECK enum sl_status sl_mq_redis_append(void *context,
                                                const struct sl_op *op,
                                                struct sl_buf *out,
                                                struct sl_error *err);
SL_MUST_CHECK bool sl_mq_redis_answer(void *context, struct sl_op *op,
                                      redisReply *reply);

/* dead.c: handle the reply to a DEAD_LIST; false: unexpected reply. */
SL_MUST_CHECK bool sl_mq_redis_answer_dead_list(struct sl_op *op,
                                                const redisReply *reply);

/* Whether a RECEIVE may find a message now. */
bool sl_mq_redis_peek(struct sl_redis_script_connection *connection);

#endif

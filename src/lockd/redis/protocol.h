/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of lockd.redis and their replies, without a connection: for
 * redis.c, its fuzzer and its tests.
 */
#ifndef SL_LOCKD_REDIS_PROTOCOL_H
#define SL_LOCKD_REDIS_PROTOCOL_H

#include "client/redis/script.h"
#include "lockd/driver.h"

/* redis.lua */
extern const char sl_lockd_redis_lua[];

/* For struct sl_redis_pipeline_calls; context: struct
 * sl_redis_script_connection. */
SL_MUST_CHECK enum sl_status sl_lockd_redis_append(void *context,
                                                   const struct sl_op *op,
                                                   struct sl_buf *out,
                                                   struct sl_error *err);
SL_MUST_CHECK bool sl_lockd_redis_answer(void *context, struct sl_op *op,
                                         redisReply *reply);

/* Remove op from its wait queue. */
void sl_lockd_redis_leave(struct sl_redis_script_connection *connection,
                          const struct sl_op *op);

#endif

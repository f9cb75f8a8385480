/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.redis: a stream of messages, and sorted sets of those that are ready,
 * delayed or in flight (redis.lua).  Consumer groups of Redis have no delays,
 * no groups and no order of returned messages.
 */
#include "mq/redis/protocol.h"

enum { MAX_BATCH = 256 };

static const struct sl_option option_table[] = {
    SL_REDIS_SCRIPT_OPTIONS,
    {.name = "queue",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_redis_script_options, name),
     .required = true,
     .check = sl_redis_check_name,
     .help = "the queue's name on the server, in braces in front of its keys"},
    {0},
};

static enum sl_status mq_redis_store_new(const void *options, void **store,
                                         struct sl_error *err)
{
    return sl_redis_script_store_new(options, sl_mq_redis_lua, store, err);
}

static void mq_redis_run(void *connection, struct sl_op *const ops[],
                         size_t count)
{
    static const struct sl_redis_pipeline_calls calls = {sl_mq_redis_append,
                                                         sl_mq_redis_answer};

    sl_redis_script_run(connection, &calls, ops, count);
}

static bool mq_redis_changed(void *connection)
{
    return sl_mq_redis_peek(connection);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_mq_redis = {
    .name = "mq.redis",
    .service = "Redis 6.2 or newer, Valkey",
    .summary = "a stream and sorted sets of Redis, shared by all processes "
               "that name the queue",
    .options = option_table,
    .options_size = sizeof(struct sl_redis_script_options),
    .features = SL_MQ_FEATURE_DELAY | SL_MQ_FEATURE_GROUPS |
                SL_MQ_FEATURE_DEDUPLICATION | SL_MQ_FEATURE_DEAD_LETTER |
                SL_MQ_FEATURE_COUNT | SL_MQ_FEATURE_DURABLE |
                SL_MQ_FEATURE_SHARED,
    .blocking_safe = true,
    .max_batch = MAX_BATCH,
    .risks = sl_redis_risks,
    .store_new = mq_redis_store_new,
    .store_free = sl_redis_script_store_free,
    .open = sl_redis_script_open,
    .close = sl_redis_script_close,
    .run = mq_redis_run,
    .changed = mq_redis_changed,
};

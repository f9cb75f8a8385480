/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.redis: a stream for each topic, and of each group where it is and what
 * it has not acknowledged (redis.lua).  A consumer group of Redis knows neither
 * keys nor delays, nor members that are said to live.
 */
#include "pubsub/redis/protocol.h"

enum { MAX_BATCH = 256 };

static const struct sl_option option_table[] = {
    SL_REDIS_SCRIPT_OPTIONS,
    {.name = "prefix",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_redis_script_options, name),
     .fallback = "pubsub",
     .check = sl_redis_check_name,
     .help = "in braces in front of every key on the server; who has the same "
             "shares the topics"},
    {.name = "max-length",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_redis_options, max_length),
     .min = 0,
     .max = INT64_C(1000000000),
     .fallback = "0",
     .help = "about how many events of a topic are kept at most, acknowledged "
             "or not; 0: as many as the retention allows"},
    {.name = "max-topics",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_redis_options, max_topics),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "no topic is made where so many of this prefix are kept already; "
             "a topic is kept until its last event would be over"},
    {0},
};

static enum sl_status redis_store_new(const void *options, void **store,
                                      struct sl_error *err)
{
    return sl_redis_script_store_new(options, sl_pubsub_redis_lua, store, err);
}

static void redis_run(void *state, struct sl_op *const ops[], size_t count)
{
    static const struct sl_redis_pipeline_calls calls = {
        sl_pubsub_redis_append, sl_pubsub_redis_answer};

    sl_redis_script_run(state, &calls, ops, count);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_pubsub_redis = {
    .name = "pubsub.redis",
    .service = "Redis 6.2 or newer, Valkey",
    .summary = "a stream of Redis for each topic, shared by all processes that "
               "use the prefix",
    .options = option_table,
    .options_size = sizeof(struct sl_pubsub_redis_options),
    .features = SL_PUBSUB_FEATURE_SUBSCRIBE | SL_PUBSUB_FEATURE_KEYS |
                SL_PUBSUB_FEATURE_EARLIEST | SL_PUBSUB_FEATURE_DURABLE |
                SL_PUBSUB_FEATURE_SHARED | SL_PUBSUB_FEATURE_UNDIVIDED,
    .waits_aside = true,
    .max_batch = MAX_BATCH,
    .risks = sl_redis_risks,
    .store_new = redis_store_new,
    .store_free = sl_redis_script_store_free,
    .open = sl_redis_script_open,
    .close = sl_redis_script_close,
    .run = redis_run,
    .changed = sl_redis_script_changed,
};

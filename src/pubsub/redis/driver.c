/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.redis: a stream for each topic; for each group its position and its
 * unacknowledged events (redis.lua).  Consumer groups of Redis have no keys, no
 * delays and no leases of members.
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
     .help =
         "in braces in front of every key on the server; resources with the "
         "same prefix share their topics"},
    {.name = "max-length",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_redis_options, max_length),
     .min = 0,
     .max = INT64_C(1000000000),
     .fallback = "0",
     .help =
         "about the most events that a topic keeps, acknowledged or not; 0: "
         "as many as the retention allows"},
    {.name = "max-topics",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_redis_options, max_topics),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "the most topics of this prefix; a topic counts until the "
             "retention of its last event ends"},
    {.name = "max-groups",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_pubsub_redis_options, max_groups),
     .min = 1,
     .max = 1000000,
     .fallback = "1000",
     .help = "the most groups of a topic"},
    {0},
};

static enum sl_status pubsub_redis_store_new(const void *options, void **store,
                                             struct sl_error *err)
{
    return sl_redis_script_store_new(options, sl_pubsub_redis_lua, store, err);
}

static void pubsub_redis_run(void *connection, struct sl_op *const ops[],
                             size_t count)
{
    static const struct sl_redis_pipeline_calls calls = {
        sl_pubsub_redis_append, sl_pubsub_redis_answer};

    sl_redis_script_run(connection, &calls, ops, count);
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
    .blocking_safe = true,
    .max_batch = MAX_BATCH,
    .risks = sl_redis_risks,
    .store_new = pubsub_redis_store_new,
    .store_free = sl_redis_script_store_free,
    .open = sl_redis_script_open,
    .close = sl_redis_script_close,
    .run = pubsub_redis_run,
    .changed = sl_redis_script_changed,
};

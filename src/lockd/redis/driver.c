/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockd.redis: a key with an expiry for each lock that is held, and a wait
 * queue (redis.lua).
 *
 * Waiters of all processes are served in the order of their tickets.  A waiter
 * whose process was killed expires when it has not been seen for a while.  A
 * token is the server's time, or one more than the last token: it grows even if
 * a crash, or a replica that took over, lost the last one.
 */
#include "lockd/redis/protocol.h"

enum { MAX_BATCH = 256 };

static const struct sl_option option_table[] = {
    SL_REDIS_SCRIPT_OPTIONS,
    {.name = "prefix",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_redis_script_options, name),
     .fallback = "lockd",
     .check = sl_redis_check_name,
     .help = "in braces in front of every key on the server; resources with "
             "the same "
             "prefix share their locks"},
    {0},
};

static enum sl_status lockd_redis_store_new(const void *options, void **store,
                                            struct sl_error *err)
{
    return sl_redis_script_store_new(options, sl_lockd_redis_lua, store, err);
}

static void lockd_redis_run(void *connection, struct sl_op *const ops[],
                            size_t count)
{
    static const struct sl_redis_pipeline_calls calls = {sl_lockd_redis_append,
                                                         sl_lockd_redis_answer};

    sl_redis_script_run(connection, &calls, ops, count);
}

static void lockd_redis_forget(void *connection, struct sl_op *op)
{
    sl_lockd_redis_leave(connection, op);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_lockd_redis = {
    .name = "lockd.redis",
    .service = "Redis 6.2 or newer, Valkey",
    .summary =
        "a key of Redis for each lock; a fail-over that loses writes can "
        "break exclusion, the token protects",
    .options = option_table,
    .options_size = sizeof(struct sl_redis_script_options),
    .features = SL_LOCKD_FEATURE_FAIR | SL_LOCKD_FEATURE_DURABLE |
                SL_LOCKD_FEATURE_SHARED,
    .blocking_safe = true,
    .max_batch = MAX_BATCH,
    .risks = sl_redis_risks,
    .store_new = lockd_redis_store_new,
    .store_free = sl_redis_script_store_free,
    .open = sl_redis_script_open,
    .close = sl_redis_script_close,
    .run = lockd_redis_run,
    .changed = sl_redis_script_changed,
    .forget = lockd_redis_forget,
};

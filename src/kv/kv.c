/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key-value stores: what is the same for every driver.
 */
#include "kv/kv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kv/check.h"
#include "kv/driver.h"

static const struct sl_option options[] = {
    {.name = "max-value",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_kv_config, max_value),
     .min = 1,
     .max = 256 * 1024 * 1024,
     .fallback = "16MiB",
     .help = "the largest value that may be written or read"},
    {0},
};

static const struct sl_feature features[] = {
    {SL_KV_FEATURE_TTL, "ttl", "values with a time to live"},
    {SL_KV_FEATURE_VERSION, "versions",
     "versioned reads, and writes on the condition of a version"},
    {SL_KV_FEATURE_ABSENT, "if-absent", "writes only where there is no value"},
    {SL_KV_FEATURE_INCREMENT, "increment", "atomic counters"},
    {SL_KV_FEATURE_KEYS, "keys", "listing of keys by prefix"},
    {SL_KV_FEATURE_DURABLE, "durable", "an answered write survives a crash"},
    {SL_KV_FEATURE_SHARED, "shared", "other processes see the same data"},
    {SL_KV_FEATURE_LINEARIZABLE, "linearizable",
     "what others wrote is read at once"},
    {0},
};

static const char *const verbs[SL_KV_VERB_COUNT] = {
    [SL_KV_GET] = "get",
    [SL_KV_EXISTS] = "exists",
    [SL_KV_SET] = "set",
    [SL_KV_DELETE] = "delete",
    [SL_KV_INCREMENT] = "increment",
    [SL_KV_KEYS] = "keys",
};

/* Field by field: most of an answer is room for a message. */
void sl_kv_answer_init(void *pointer)
{
    struct sl_kv_answer *answer = pointer;

    answer->err.status = SL_OK;
    answer->err.message[0] = '\0';
    answer->retryable = false;
    answer->found = false;
    answer->refused = false;
    answer->number = 0;
    answer->value = (struct sl_held){0};
    answer->version[0] = '\0';
    answer->key_count = 0;
    answer->keys =
        (struct sl_buf)SL_BUF((size_t)SL_KV_PAGE_MAX * (SL_KV_KEY_MAX + 1));
    answer->next = (struct sl_buf)SL_BUF(SL_KV_CURSOR_MAX);
}

void sl_kv_answer_done(void *pointer)
{
    struct sl_kv_answer *answer = pointer;

    sl_held_done(&answer->value);
    sl_buf_done(&answer->keys);
    sl_buf_done(&answer->next);
}

bool sl_kv_op_take_budget(struct sl_op *op, size_t len)
{
    if (op->answer_budget == NULL)
        return true;
    if (len <= *op->answer_budget) {
        *op->answer_budget -= len;
        op->used_budget += len;
        return true;
    }
    sl_fail(&sl_op_answer(op)->err, SL_TOO_LARGE,
            "the values of one call together are more than %zu bytes; ask for "
            "fewer keys",
            SL_KV_CALL_BYTES_MAX);
    return false;
}

/* Others may have written it. */
static void limit_value(const void *config, void *pointer)
{
    const struct sl_kv_config *limits = config;
    struct sl_kv_answer *answer = pointer;

    if (answer->value.bytes.len <= (size_t)limits->max_value)
        return;
    sl_fail(&answer->err, SL_TOO_LARGE,
            "a value of %zu bytes: at most %" PRId64
            " are allowed; the manifest's max-value sets this",
            answer->value.bytes.len, limits->max_value);
    answer->found = false;
    sl_held_done(&answer->value);
}

static const struct sl_request_field request_fields[] = {
    SL_REQUEST_BYTES(struct sl_kv_request, key),
    SL_REQUEST_BYTES(struct sl_kv_request, value),
    SL_REQUEST_BYTES(struct sl_kv_request, version),
    SL_REQUEST_BYTES(struct sl_kv_request, cursor),
    {0},
};

/*
 * Reads.  A second SET would undo what another client has written, and was told
 * is written, since the first.
 */
static bool is_repeatable(const void *config, const void *pointer)
{
    const struct sl_kv_request *request = pointer;

    (void)config;
    return request->verb == SL_KV_GET || request->verb == SL_KV_EXISTS ||
           request->verb == SL_KV_KEYS;
}

static size_t answer_budget(const void *config, size_t count)
{
    (void)config;
    return count > 1 ? SL_KV_CALL_BYTES_MAX : SIZE_MAX;
}

static struct sl_held *answer_memory(void *pointer, size_t *bytes)
{
    struct sl_kv_answer *answer = pointer;

    *bytes = answer->value.bytes.len;
    return &answer->value;
}

const struct sl_capability sl_kv = {
    .name = "kv",
    .drivers = sl_kv_drivers,
    .left_out = sl_kv_drivers_left_out,
    .features = features,
    .options = options,
    .config_size = sizeof(struct sl_kv_config),
    .verbs = verbs,
    .verb_count = SL_KV_VERB_COUNT,
    .request_size = sizeof(struct sl_kv_request),
    .answer_size = sizeof(struct sl_kv_answer),
    .answer_init = sl_kv_answer_init,
    .answer_done = sl_kv_answer_done,
    .request_fields = request_fields,
    .check_call = sl_kv_check_call,
    .check = sl_kv_check_request,
    .is_repeatable = is_repeatable,
    .finish = limit_value,
    .answer_budget = answer_budget,
    .answer_memory = answer_memory,
};

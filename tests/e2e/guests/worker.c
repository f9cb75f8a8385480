/* SPDX-License-Identifier: Apache-2.0 */
/* Counts each message in a store; and fails as its payload says. */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static bool is(const worker_list_u8_t *payload, const char *text)
{
    return payload->len >= strlen(text) &&
           memcmp(payload->ptr, text, strlen(text)) == 0;
}

/* How often this message was seen by now. */
static int64_t note(const worker_list_u8_t *payload)
{
    worker_string_t name, key = {payload->ptr, payload->len};
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    int64_t number;

    worker_string_set(&name, "seen");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error) ||
        !slight_kv_store_method_bucket_increment(
            slight_kv_store_borrow_bucket(bucket), &key, 1, &number, &error))
        abort();
    slight_kv_store_bucket_drop_own(bucket);
    return number;
}

bool exports_slight_mq_handler_handle(
    worker_string_t *resource_name,
    exports_slight_mq_handler_delivery_t *message,
    exports_slight_mq_handler_failure_t *err)
{
    int64_t seen = note(&message->payload);

    if (resource_name->len != 4 || memcmp(resource_name->ptr, "jobs", 4) != 0)
        abort();
    if (is(&message->payload, "trap") && seen == 1)
        abort();
    if (is(&message->payload, "broken"))
        abort();
    if (is(&message->payload, "spin") && seen == 1)
        for (volatile int i = 0;; i++)
            ;
    if (is(&message->payload, "retry") && seen < 3) {
        err->tag = EXPORTS_SLIGHT_MQ_HANDLER_FAILURE_RETRY;
        worker_string_dup(&err->val.retry, "not yet");
        return false;
    }
    if (is(&message->payload, "reject")) {
        err->tag = EXPORTS_SLIGHT_MQ_HANDLER_FAILURE_REJECT;
        worker_string_dup(&err->val.reject, "never");
        return false;
    }
    return true;
}

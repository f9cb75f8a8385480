/* SPDX-License-Identifier: Apache-2.0 */
/* The subject that slight:mq/handler's host calls. */
#include "worker.h"

#define SUBJECT_STRING worker_string_t
#define SUBJECT_LIST worker_list_u8_t
#include "subject.h"

bool exports_slight_mq_handler_handle(
    worker_string_t *resource_name,
    exports_slight_mq_handler_delivery_t *message,
    exports_slight_mq_handler_failure_t *err)
{
    const uint8_t *text = message->payload.ptr;
    size_t len = message->payload.len;

    switch (answer_to(text, len, note(*resource_name, text, len))) {
    case SUBJECT_RETRY:
        err->tag = EXPORTS_SLIGHT_MQ_HANDLER_FAILURE_RETRY;
        worker_string_dup(&err->val.retry, "not yet");
        return false;
    case SUBJECT_REJECT:
        err->tag = EXPORTS_SLIGHT_MQ_HANDLER_FAILURE_REJECT;
        worker_string_dup(&err->val.reject, "never");
        return false;
    default:
        return true;
    }
}

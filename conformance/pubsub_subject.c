/* SPDX-License-Identifier: Apache-2.0 */
/* The subject that slight:pubsub/handler's host calls. */
#include "subscriber.h"

#define SUBJECT_STRING subscriber_string_t
#define SUBJECT_LIST subscriber_list_u8_t
#include "subject.h"

bool exports_slight_pubsub_handler_handle(
    subscriber_string_t *resource_name,
    exports_slight_pubsub_handler_event_t *event,
    exports_slight_pubsub_handler_failure_t *err)
{
    const uint8_t *text = event->payload.ptr;
    size_t len = event->payload.len;

    switch (answer_to(text, len, note(*resource_name, text, len))) {
    case SUBJECT_RETRY:
        err->tag = EXPORTS_SLIGHT_PUBSUB_HANDLER_FAILURE_RETRY;
        subscriber_string_dup(&err->val.retry, "not yet");
        return false;
    case SUBJECT_REJECT:
        err->tag = EXPORTS_SLIGHT_PUBSUB_HANDLER_FAILURE_REJECT;
        subscriber_string_dup(&err->val.reject, "never");
        return false;
    default:
        return true;
    }
}

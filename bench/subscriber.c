/* SPDX-License-Identifier: Apache-2.0 */
/* A handler that has nothing to do. */
#include "subscriber.h"

bool exports_slight_pubsub_handler_handle(
    subscriber_string_t *resource_name,
    exports_slight_pubsub_handler_event_t *event,
    exports_slight_pubsub_handler_failure_t *err)
{
    (void)resource_name;
    (void)event;
    (void)err;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A handler that has nothing to do. */
#include "worker.h"

bool exports_slight_mq_handler_handle(
    worker_string_t *resource_name,
    exports_slight_mq_handler_delivery_t *message,
    exports_slight_mq_handler_failure_t *err)
{
    (void)resource_name;
    (void)message;
    (void)err;
    return true;
}

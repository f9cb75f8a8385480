/* SPDX-License-Identifier: Apache-2.0 */
/* Never answers, and never waits. */
#include "http_reply.h"

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    (void)request;
    (void)out;
    for (volatile int i = 0;; i++)
        ;
}

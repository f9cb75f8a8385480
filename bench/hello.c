/* SPDX-License-Identifier: Apache-2.0 */
/* Answers every request with the same. */
#include "http_reply.h"

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    (void)request;
    http_reply_text(out, 200, "hello\n");
}

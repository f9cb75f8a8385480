/* SPDX-License-Identifier: Apache-2.0 */
/* Answers every request with what a store has. */
#include "http_reply.h"

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    http_option_list_u8_t value;
    http_string_t name, key;

    (void)request;
    http_string_set(&name, "store");
    http_string_set(&key, "key");
    if (slight_kv_store_static_bucket_open(&name, &bucket, &error) &&
        slight_kv_store_method_bucket_get(slight_kv_store_borrow_bucket(bucket),
                                          &key, &value, &error))
        http_reply_text(out, 200, "hello\n");
    else
        http_reply_text(out, 500, "no store\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A component that answers, in every way that one can. */
#include <stdio.h>
#include <unistd.h>

#include "http_reply.h"

/* Back what comes, as it comes. */
static void echo(wasi_http_types_borrow_incoming_request_t request,
                 wasi_http_types_own_response_outparam_t out)
{
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(
            wasi_http_types_constructor_fields());
    wasi_http_types_own_incoming_body_t incoming;
    wasi_http_types_own_input_stream_t input;
    wasi_http_types_own_outgoing_body_t body;
    wasi_http_types_own_output_stream_t output;
    wasi_http_types_result_own_outgoing_response_error_code_t result = {
        .val.ok = response};
    http_list_u8_t piece;
    wasi_io_streams_stream_error_t error;

    if (!wasi_http_types_method_incoming_request_consume(request, &incoming) ||
        !wasi_http_types_method_incoming_body_stream(
            wasi_http_types_borrow_incoming_body(incoming), &input) ||
        !wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &body) ||
        !wasi_http_types_method_outgoing_body_write(
            wasi_http_types_borrow_outgoing_body(body), &output))
        abort();
    wasi_http_types_static_response_outparam_set(out, &result);
    while (wasi_io_streams_method_input_stream_blocking_read(
        wasi_io_streams_borrow_input_stream(input), 4096, &piece, &error)) {
        if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(
                wasi_io_streams_borrow_output_stream(output), &piece, &error))
            abort();
        http_list_u8_free(&piece);
    }
    wasi_io_streams_output_stream_drop_own(output);
    /* What did not come whole is not answered as if it had. */
    if (error.tag != WASI_IO_STREAMS_STREAM_ERROR_CLOSED)
        abort();
    wasi_http_types_error_code_t finish_error;
    (void)wasi_http_types_static_outgoing_body_finish(body, NULL,
                                                      &finish_error);
}

/* How many requests this store has seen. */
static void count(wasi_http_types_own_response_outparam_t out)
{
    http_string_t name, key;
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    int64_t number;
    char text[64];

    http_string_set(&name, "default");
    http_string_set(&key, "count");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error) ||
        !slight_kv_store_method_bucket_increment(
            slight_kv_store_borrow_bucket(bucket), &key, 1, &number, &error)) {
        http_reply(out, 503, "text/plain", error.message.ptr,
                   error.message.len);
        return;
    }
    snprintf(text, sizeof(text), "%lld\n", (long long)number);
    http_reply_text(out, 200, text);
}

static void spin(void)
{
    for (volatile int i = 0;; i++)
        ;
}

static void try_outside(wasi_http_types_own_response_outparam_t out)
{
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(
            wasi_http_types_constructor_fields());
    wasi_http_types_own_future_incoming_response_t response;
    wasi_http_types_error_code_t error;
    http_string_t authority;

    http_string_set(&authority, "127.0.0.1:1");
    (void)wasi_http_types_method_outgoing_request_set_authority(
        wasi_http_types_borrow_outgoing_request(request), &authority);
    bool sent =
        wasi_http_outgoing_handler_handle(request, NULL, &response, &error);
    if (!sent) {
        http_reply_text(out, 200, "refused\n");
        return;
    }
    wasi_io_poll_own_pollable_t ready =
        wasi_http_types_method_future_incoming_response_subscribe(
            wasi_http_types_borrow_future_incoming_response(response));
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_http_types_result_result_own_incoming_response_error_code_void_t got;
    bool has = wasi_http_types_method_future_incoming_response_get(
        wasi_http_types_borrow_future_incoming_response(response), &got);
    bool denied = has && !got.is_err && got.val.ok.is_err &&
                  got.val.ok.val.err.tag ==
                      WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED;
    http_reply_text(out, 200, denied ? "denied\n" : "answered\n");
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    wasi_http_types_borrow_incoming_request_t request =
        wasi_http_types_borrow_incoming_request(owned);
    char *path = http_path(request);
    http_list_u8_t body;

    if (path == NULL || strcmp(path, "/trap") == 0)
        abort();
    if (strcmp(path, "/spin") == 0)
        spin();
    if (strcmp(path, "/nothing") == 0)
        return;
    if (strcmp(path, "/sleep") == 0)
        sleep(1);
    if (strcmp(path, "/echo") == 0) {
        echo(request, out);
    } else if (strcmp(path, "/count") == 0) {
        count(out);
    } else if (strcmp(path, "/outside") == 0) {
        try_outside(out);
    } else if (strcmp(path, "/half") == 0) {
        http_reply_text(out, 200, "half");
        spin();
    } else if (strcmp(path, "/print") == 0) {
        printf("to stdout\nand more");
        fflush(stdout);
        fprintf(stderr, "to stderr\n");
        http_reply_text(out, 200, "printed\n");
    } else if (strcmp(path, "/length") == 0) {
        char text[64];
        bool whole = http_body(request, 1 << 20, &body);
        snprintf(text, sizeof(text), "%s %zu\n", whole ? "whole" : "cut",
                 body.len);
        http_reply_text(out, 200, text);
    } else {
        http_reply_text(out, 200, path);
    }
    free(path);
}

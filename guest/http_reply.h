/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers for guests in C and C++ that answer HTTP requests: read the path and
 * the body of a request, and send a whole response.  They use the bindings of
 * the world slight:slight/http ("http.h"), or of another world with wasi:http:
 * `slight bindgen c` writes this file with the two definitions that name the
 * world.  For bodies that are streamed, use the bindings directly.
 */
#ifndef SL_GUEST_HTTP_REPLY_H
#define SL_GUEST_HTTP_REPLY_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef SLIGHT_WORLD
#define SLIGHT_WORLD(name) http_##name
#define SLIGHT_WORLD_HEADER "http.h"
#endif
#include SLIGHT_WORLD_HEADER

/* The types that the bindings name after the world. */
typedef SLIGHT_WORLD(string_t) http_reply_string_t;
typedef SLIGHT_WORLD(list_u8_t) http_reply_bytes_t;

/*
 * The path with its query, or "/" if there is none.  The caller frees it.  NULL
 * without memory.
 */
static inline char *http_path(wasi_http_types_borrow_incoming_request_t request)
{
    http_reply_string_t path = {NULL, 0};
    bool has =
        wasi_http_types_method_incoming_request_path_with_query(request, &path);
    char *text = (char *)calloc(1, has ? path.len + 1 : 2);

    if (text != NULL && has)
        memcpy(text, path.ptr, path.len);
    else if (text != NULL)
        text[0] = '/';
    if (has)
        SLIGHT_WORLD(string_free)(&path);
    return text;
}

/*
 * Read the whole body; the caller frees it with http_list_u8_free.  False if
 * the body is incomplete or larger than max.
 */
static inline bool http_body(wasi_http_types_borrow_incoming_request_t request,
                             size_t max, http_reply_bytes_t *body)
{
    wasi_http_types_own_incoming_body_t incoming;
    wasi_http_types_own_input_stream_t stream;
    bool whole = true;

    body->ptr = NULL;
    body->len = 0;
    if (!wasi_http_types_method_incoming_request_consume(request, &incoming))
        return false;
    if (!wasi_http_types_method_incoming_body_stream(
            wasi_http_types_borrow_incoming_body(incoming), &stream)) {
        wasi_http_types_incoming_body_drop_own(incoming);
        return false;
    }
    for (;;) {
        http_reply_bytes_t piece;
        wasi_io_streams_stream_error_t error;
        if (!wasi_io_streams_method_input_stream_blocking_read(
                wasi_io_streams_borrow_input_stream(stream), 65536, &piece,
                &error)) {
            whole = error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
            wasi_io_streams_stream_error_free(&error);
            break;
        }
        uint8_t *grown =
            body->len + piece.len <= max
                ? (uint8_t *)realloc(body->ptr, body->len + piece.len + 1)
                : NULL;
        if (grown == NULL) {
            SLIGHT_WORLD(list_u8_free)(&piece);
            whole = false;
            break;
        }
        body->ptr = grown;
        memcpy(body->ptr + body->len, piece.ptr, piece.len);
        body->len += piece.len;
        SLIGHT_WORLD(list_u8_free)(&piece);
    }
    wasi_io_streams_input_stream_drop_own(stream);
    wasi_http_types_incoming_body_drop_own(incoming);
    if (!whole) {
        free(body->ptr);
        body->ptr = NULL;
        body->len = 0;
    }
    return whole;
}

/* Answer with a status, one header and a body.  Call this once per request. */
static inline void http_reply_with(wasi_http_types_own_response_outparam_t out,
                                   uint16_t status, const char *header,
                                   const char *text, const void *bytes,
                                   size_t len)
{
    wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
    http_reply_string_t name = {(uint8_t *)(uintptr_t)header, strlen(header)};
    wasi_http_types_field_value_t value = {(uint8_t *)(uintptr_t)text,
                                           strlen(text)};
    wasi_http_types_list_field_value_t values = {&value, 1};
    wasi_http_types_header_error_t header_error;
    (void)wasi_http_types_method_fields_set(
        wasi_http_types_borrow_fields(headers), &name, &values, &header_error);

    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(headers);
    (void)wasi_http_types_method_outgoing_response_set_status_code(
        wasi_http_types_borrow_outgoing_response(response), status);
    wasi_http_types_own_outgoing_body_t body;
    bool has_body = wasi_http_types_method_outgoing_response_body(
        wasi_http_types_borrow_outgoing_response(response), &body);
    wasi_http_types_result_own_outgoing_response_error_code_t result;
    memset(&result, 0, sizeof(result));
    result.val.ok = response;
    wasi_http_types_static_response_outparam_set(out, &result);
    if (!has_body)
        return;

    wasi_http_types_own_output_stream_t stream;
    if (wasi_http_types_method_outgoing_body_write(
            wasi_http_types_borrow_outgoing_body(body), &stream)) {
        const uint8_t *at = (const uint8_t *)bytes;
        bool writable = true;
        while (len > 0 && writable) {
            size_t piece =
                len < 4096 ? len : 4096; /* the maximum of one write */
            http_reply_bytes_t list = {(uint8_t *)(uintptr_t)at, piece};
            wasi_io_streams_stream_error_t error;
            writable =
                wasi_io_streams_method_output_stream_blocking_write_and_flush(
                    wasi_io_streams_borrow_output_stream(stream), &list,
                    &error);
            if (!writable)
                wasi_io_streams_stream_error_free(&error);
            at += piece;
            len -= piece;
        }
        wasi_io_streams_output_stream_drop_own(stream);
    }
    wasi_http_types_error_code_t error;
    (void)wasi_http_types_static_outgoing_body_finish(body, NULL, &error);
}

/* Answer with a body of this content type. */
static inline void http_reply(wasi_http_types_own_response_outparam_t out,
                              uint16_t status, const char *type,
                              const void *bytes, size_t len)
{
    http_reply_with(out, status, "content-type", type, bytes, len);
}

static inline void http_reply_text(wasi_http_types_own_response_outparam_t out,
                                   uint16_t status, const char *text)
{
    http_reply(out, status, "text/plain; charset=utf-8", text, strlen(text));
}

#endif

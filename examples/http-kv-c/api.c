/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-value API over HTTP: GET, PUT and DELETE of /KEY.  It does not know
 * which store backs it.
 *
 * A PUT with `if-none-match: *` only writes a key that does not exist yet;
 * otherwise the answer is 412.
 */
#include "http_reply.h"

enum { VALUE_MAX = 1 << 20 };

typedef wasi_http_types_own_response_outparam_t response_t;

static slight_kv_store_borrow_bucket_t bucket;

/* Map an error of the store to an HTTP status. */
static void reply_error(response_t out, slight_types_errors_error_t *error)
{
    uint16_t status = 500;

    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_INVALID_ARGUMENT)
        status = 400;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_CONFLICT ||
        error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_ALREADY_EXISTS)
        status = 412;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_TOO_LARGE)
        status = 413;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_RESOURCE_EXHAUSTED)
        status = 429;
    if (error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_UNAVAILABLE ||
        error->code == SLIGHT_TYPES_ERRORS_ERROR_CODE_TIMEOUT)
        status = 503;
    http_reply(out, status, "text/plain; charset=utf-8", error->message.ptr,
               error->message.len);
    slight_types_errors_error_free(error);
}

static void handle_get(response_t out, http_string_t *key)
{
    slight_types_errors_error_t error;
    http_option_list_u8_t value;

    if (!slight_kv_store_method_bucket_get(bucket, key, &value, &error))
        reply_error(out, &error);
    else if (!value.is_some)
        http_reply_text(out, 404, "no such key\n");
    else
        http_reply(out, 200, "application/octet-stream", value.val.ptr,
                   value.val.len);
}

/* Whether the request has `if-none-match: *`. */
static bool is_conditional(wasi_http_types_borrow_incoming_request_t request)
{
    wasi_http_types_own_headers_t headers =
        wasi_http_types_method_incoming_request_headers(request);
    wasi_http_types_list_field_value_t values;
    http_string_t name;

    http_string_set(&name, "if-none-match");
    wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers),
                                      &name, &values);
    bool only = values.len == 1 && values.ptr[0].len == 1 &&
                values.ptr[0].ptr[0] == '*';
    wasi_http_types_list_field_value_free(&values);
    wasi_http_types_fields_drop_own(headers);
    return only;
}

static void handle_put(response_t out, http_string_t *key,
                       wasi_http_types_borrow_incoming_request_t request)
{
    slight_kv_store_set_options_t options = {0};
    slight_kv_store_option_version_t version;
    slight_types_errors_error_t error;
    http_list_u8_t value;
    bool unique = is_conditional(request);

    if (!http_body(request, VALUE_MAX, &value)) {
        http_reply_text(out, 413, "the value is too large, or was cut off\n");
        return;
    }
    options.condition.tag = SLIGHT_KV_STORE_CONDITION_ABSENT;
    bool stored =
        unique ? slight_kv_store_method_bucket_set_with(
                     bucket, key, &value, &options, &version, &error)
               : slight_kv_store_method_bucket_set(bucket, key, &value, &error);
    if (!stored)
        reply_error(out, &error);
    else
        http_reply_text(out, 200, "stored\n");
}

static void handle_delete(response_t out, http_string_t *key)
{
    slight_types_errors_error_t error;
    bool was_there;

    if (!slight_kv_store_method_bucket_delete(bucket, key, &was_there, &error))
        reply_error(out, &error);
    else if (!was_there)
        http_reply_text(out, 404, "no such key\n");
    else
        http_reply_text(out, 200, "deleted\n");
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    wasi_http_types_borrow_incoming_request_t request =
        wasi_http_types_borrow_incoming_request(owned);
    slight_kv_store_own_bucket_t opened;
    slight_types_errors_error_t error;
    wasi_http_types_method_t method;
    http_string_t name, key;
    char *path = http_path(request);

    http_string_set(&name, "values");
    if (path == NULL ||
        !slight_kv_store_static_bucket_open(&name, &opened, &error)) {
        http_reply_text(out, 500, "no store\n");
        return;
    }
    bucket = slight_kv_store_borrow_bucket(opened);
    path[strcspn(path, "?")] = '\0';
    http_string_set(&key, path + 1);
    wasi_http_types_method_incoming_request_method(request, &method);
    if (method.tag == WASI_HTTP_TYPES_METHOD_GET)
        handle_get(out, &key);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_PUT)
        handle_put(out, &key, request);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_DELETE)
        handle_delete(out, &key);
    else
        http_reply_text(out, 405, "GET, PUT or DELETE\n");
}

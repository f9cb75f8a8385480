/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A URL shortener: POST / with a URL returns a short path, and GET of that path
 * redirects to the URL.  A code is a number from a counter in the store, in
 * base 36: two requests never get the same code, even from different processes.
 */
#include "http_reply.h"

enum { URL_MAX = 2048, CODE_MAX = 16 };

typedef wasi_http_types_own_response_outparam_t response_t;

static slight_kv_store_borrow_bucket_t bucket;

static void reply_error(response_t out, slight_types_errors_error_t *error)
{
    http_reply(out, 503, "text/plain; charset=utf-8", error->message.ptr,
               error->message.len);
    slight_types_errors_error_free(error);
}

static bool is_url(const http_list_u8_t *text)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < text->len; i++)
        if (text->ptr[i] <= ' ' || text->ptr[i] >= 0x7f)
            return false;
    for (size_t i = 0; i < 2; i++)
        if (text->len > strlen(schemes[i]) &&
            memcmp(text->ptr, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* Write number in base 36 at the end of text; return its start. */
static char *write_code(int64_t number, char text[CODE_MAX])
{
    char *at = text + CODE_MAX - 1;

    *at = '\0';
    do
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
    while ((number /= 36) > 0);
    return at;
}

static void shorten_url(response_t out,
                        wasi_http_types_borrow_incoming_request_t request)
{
    slight_types_errors_error_t error;
    char text[CODE_MAX], answer[CODE_MAX + 2];
    http_list_u8_t url;
    http_string_t key;
    int64_t number;

    if (!http_body(request, URL_MAX, &url) || !is_url(&url)) {
        http_reply_text(out, 400, "the body is to be an http or https URL\n");
        return;
    }
    http_string_set(&key, "next");
    if (!slight_kv_store_method_bucket_increment(bucket, &key, 1, &number,
                                                 &error)) {
        reply_error(out, &error);
        return;
    }
    char *code = write_code(number, text);
    answer[0] = '/';
    strcpy(answer + 1, code);
    http_string_set(&key, answer); /* "/" and the code */
    if (!slight_kv_store_method_bucket_set(bucket, &key, &url, &error)) {
        reply_error(out, &error);
        return;
    }
    strcat(answer, "\n");
    http_reply_text(out, 201, answer);
}

static void redirect_code(response_t out, const char *path)
{
    slight_types_errors_error_t error;
    http_option_list_u8_t url;
    char location[URL_MAX + 1];
    http_string_t key;

    http_string_set(&key, path);
    if (!slight_kv_store_method_bucket_get(bucket, &key, &url, &error)) {
        reply_error(out, &error);
    } else if (!url.is_some || url.val.len > URL_MAX) {
        http_reply_text(out, 404, "no such code\n");
    } else {
        memcpy(location, url.val.ptr, url.val.len);
        location[url.val.len] = '\0';
        http_reply_with(out, 302, "location", location, "", 0);
    }
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
    char *path = http_path(request);
    http_string_t name;

    http_string_set(&name, "links");
    if (path == NULL ||
        !slight_kv_store_static_bucket_open(&name, &opened, &error)) {
        http_reply_text(out, 500, "no store\n");
        return;
    }
    bucket = slight_kv_store_borrow_bucket(opened);
    wasi_http_types_method_incoming_request_method(request, &method);
    if (method.tag == WASI_HTTP_TYPES_METHOD_POST && strcmp(path, "/") == 0)
        shorten_url(out, request);
    else if (method.tag == WASI_HTTP_TYPES_METHOD_GET)
        redirect_code(out, path);
    else
        http_reply_text(out, 405, "POST / or GET /CODE\n");
}

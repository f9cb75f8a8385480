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

/* What became of a request of its own, in a word, and what was answered. */
static void
tell_fetched(wasi_http_types_own_response_outparam_t out,
             wasi_http_types_result_own_incoming_response_error_code_t *got)
{
    static const char *const words[] = {
        [WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR] = "unknown",
        [WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED] = "prohibited",
        [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED] = "refused",
        [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED] = "terminated",
        [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT] = "late",
        [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT] = "silent",
        [WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR] = "certificate",
        [WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR] = "tls",
        [WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED] = "denied",
        [WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_METHOD_INVALID] = "no method",
        [WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SECTION_SIZE] =
            "long head",
        [WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR] = "configuration",
    };
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    wasi_http_types_own_incoming_body_t body;
    wasi_io_streams_own_input_stream_t stream;
    wasi_io_streams_stream_error_t error;
    http_list_u8_t piece;
    char text[4096];

    if (got->is_err) {
        uint8_t tag = got->val.err.tag;
        snprintf(text, sizeof(text), "%s %d\n",
                 tag < WORDS && words[tag] != NULL ? words[tag] : "error", tag);
        http_reply_text(out, 200, text);
        return;
    }
    wasi_http_types_borrow_incoming_response_t response =
        wasi_http_types_borrow_incoming_response(got->val.ok);
    int len =
        snprintf(text, sizeof(text), "answered %d ",
                 wasi_http_types_method_incoming_response_status(response));
    if (wasi_http_types_method_incoming_response_consume(response, &body) &&
        wasi_http_types_method_incoming_body_stream(
            wasi_http_types_borrow_incoming_body(body), &stream) &&
        wasi_io_streams_method_input_stream_blocking_read(
            wasi_io_streams_borrow_input_stream(stream), 1000, &piece, &error))
        snprintf(text + len, sizeof(text) - (size_t)len, "%.*s", (int)piece.len,
                 (const char *)piece.ptr);
    http_reply_text(out, 200, text);
}

/* The method and the body of a request of its own, by what stands before its
 * scheme; the body has no length. */
static const struct style {
    const char *name;
    wasi_http_types_method_t method;
    bool has_body;    /* opens one */
    const char *body; /* NULL: and writes nothing */
    bool has_path;
} styles[] = {
    {"", {.tag = WASI_HTTP_TYPES_METHOD_GET}, false, NULL, true},
    {"none+", {.tag = WASI_HTTP_TYPES_METHOD_GET}, false, NULL, false},
    {"all+", {.tag = WASI_HTTP_TYPES_METHOD_OPTIONS}, false, NULL, false},
    {"body+", {.tag = WASI_HTTP_TYPES_METHOD_GET}, true, "a body", true},
    {"empty+", {.tag = WASI_HTTP_TYPES_METHOD_GET}, true, NULL, true},
    {"post+", {.tag = WASI_HTTP_TYPES_METHOD_POST}, true, "a body", true},
    {"delete+", {.tag = WASI_HTTP_TYPES_METHOD_DELETE}, true, "a body", true},
    {"connect+", {.tag = WASI_HTTP_TYPES_METHOD_CONNECT}, false, NULL, true},
};

static const struct style *take_style(char **what)
{
    size_t i = sizeof(styles) / sizeof(styles[0]);

    while (--i > 0 &&
           strncmp(*what, styles[i].name, strlen(styles[i].name)) != 0)
        ;
    *what += strlen(styles[i].name);
    return &styles[i];
}

static void send_body(wasi_http_types_own_outgoing_body_t body,
                      const char *text)
{
    wasi_io_streams_own_output_stream_t stream;
    wasi_io_streams_stream_error_t error;
    wasi_http_types_error_code_t finish_error;
    http_list_u8_t piece = {(uint8_t *)(uintptr_t)text,
                            text != NULL ? strlen(text) : 0};

    if (text != NULL) {
        if (!wasi_http_types_method_outgoing_body_write(
                wasi_http_types_borrow_outgoing_body(body), &stream) ||
            !wasi_io_streams_method_output_stream_blocking_write_and_flush(
                wasi_io_streams_borrow_output_stream(stream), &piece, &error))
            abort();
        wasi_io_streams_output_stream_drop_own(stream);
    }
    if (!wasi_http_types_static_outgoing_body_finish(body, NULL, &finish_error))
        abort();
}

/* "/fetch/[STYLE+]SCHEME/AUTHORITY/PATH": a request of its own, which waits for
 * a connection and for the first byte five seconds at most. */
static void fetch(char *what, wasi_http_types_own_response_outparam_t out)
{
    const struct style *style = take_style(&what);
    char *authority = strchr(what, '/');
    char *path = authority != NULL ? strchr(authority + 1, '/') : NULL;
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(
            wasi_http_types_constructor_fields());
    wasi_http_types_borrow_outgoing_request_t borrowed =
        wasi_http_types_borrow_outgoing_request(request);
    wasi_http_types_own_request_options_t options =
        wasi_http_types_constructor_request_options();
    wasi_http_types_own_future_incoming_response_t response;
    wasi_http_types_error_code_t error;
    http_string_t text;
    uint64_t longest_ns = 5000000000;

    if (path == NULL)
        abort();
    wasi_http_types_scheme_t scheme = {
        .tag = strncmp(what, "https/", 6) == 0 ? WASI_HTTP_TYPES_SCHEME_HTTPS
                                               : WASI_HTTP_TYPES_SCHEME_HTTP};
    text = (http_string_t){(uint8_t *)path, strlen(path)};
    if (style->has_path)
        (void)wasi_http_types_method_outgoing_request_set_path_with_query(
            borrowed, &text);
    wasi_http_types_method_t method = style->method;
    (void)wasi_http_types_method_outgoing_request_set_method(borrowed, &method);
    wasi_http_types_own_outgoing_body_t body;
    if (style->has_body &&
        !wasi_http_types_method_outgoing_request_body(borrowed, &body))
        abort();
    text = (http_string_t){(uint8_t *)authority + 1,
                           (size_t)(path - authority - 1)};
    if (!wasi_http_types_method_outgoing_request_set_scheme(borrowed,
                                                            &scheme) ||
        !wasi_http_types_method_outgoing_request_set_authority(borrowed,
                                                               &text)) {
        http_reply_text(out, 200, "invalid\n");
        return;
    }
    (void)wasi_http_types_method_request_options_set_connect_timeout(
        wasi_http_types_borrow_request_options(options), &longest_ns);
    (void)wasi_http_types_method_request_options_set_first_byte_timeout(
        wasi_http_types_borrow_request_options(options), &longest_ns);
    if (!wasi_http_outgoing_handler_handle(request, &options, &response,
                                           &error)) {
        http_reply_text(out, 200, "not sent\n");
        return;
    }
    if (style->has_body)
        send_body(body, style->body);
    wasi_io_poll_own_pollable_t ready =
        wasi_http_types_method_future_incoming_response_subscribe(
            wasi_http_types_borrow_future_incoming_response(response));
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_http_types_result_result_own_incoming_response_error_code_void_t got;
    if (!wasi_http_types_method_future_incoming_response_get(
            wasi_http_types_borrow_future_incoming_response(response), &got) ||
        got.is_err)
        abort();
    tell_fetched(out, &got.val.ok);
}

/* All the memory that there is, touched. */
static void eat(wasi_http_types_own_response_outparam_t out)
{
    enum { PIECE = 1 << 20 };
    size_t pieces = 0;
    char text[32];

    for (volatile char *piece; (piece = malloc(PIECE)) != NULL; pieces++)
        for (size_t i = 0; i < PIECE; i += 4096)
            piece[i] = 1;
    snprintf(text, sizeof(text), "%zu MiB\n", pieces);
    http_reply_text(out, 200, text);
}

/* As many buckets as may be open. */
static void hoard(wasi_http_types_own_response_outparam_t out)
{
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    http_string_t name;
    int open = 0;
    char text[32];

    http_string_set(&name, "default");
    while (slight_kv_store_static_bucket_open(&name, &bucket, &error))
        open++;
    snprintf(text, sizeof(text), "%d open\n", open);
    http_reply_text(out, 200, text);
}

/* Headers without end: of WASI's resources, not slight's. */
static void pile_up(void)
{
    for (;;)
        (void)wasi_http_types_constructor_fields();
}

/* How many requests this instance has seen. */
static void seen(wasi_http_types_own_response_outparam_t out)
{
    static int requests;
    char text[16];

    snprintf(text, sizeof(text), "%d\n", ++requests);
    http_reply_text(out, 200, text);
}

/* Of whom it was asked for what; and the component's own name, if it has one.
 */
static void tell_target(wasi_http_types_borrow_incoming_request_t request,
                        const char *path,
                        wasi_http_types_own_response_outparam_t out)
{
    http_string_t authority = {0};
    const char *name = getenv("NAME");
    char text[4096];

    (void)wasi_http_types_method_incoming_request_authority(request,
                                                            &authority);
    snprintf(text, sizeof(text), "%s %.*s %s\n", name != NULL ? name : "-",
             (int)authority.len, (const char *)authority.ptr, path);
    http_reply_text(out, 200, text);
}

/* An answer to a body that nobody has read, and then a while before the end. */
static void ignore(wasi_http_types_own_response_outparam_t out)
{
    http_reply_text(out, 413, "too large\n");
    sleep(1);
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
    if (strcmp(path, "/spin") == 0 || strcmp(path, "/sleep") == 0 ||
        strcmp(path, "/count") == 0)
        fprintf(stderr, "begun %s\n", path);
    if (strcmp(path, "/spin") == 0)
        spin();
    if (strcmp(path, "/pile") == 0)
        pile_up();
    if (strcmp(path, "/nothing") == 0)
        return;
    if (strcmp(path, "/doze") == 0)
        sleep(4);
    if (strcmp(path, "/sleep") == 0)
        sleep(1);
    if (getenv("NAME") != NULL || strncmp(path, "/who", 4) == 0) {
        tell_target(request, path, out);
    } else if (strcmp(path, "/ignore") == 0) {
        ignore(out);
    } else if (strcmp(path, "/echo") == 0) {
        echo(request, out);
    } else if (strcmp(path, "/count") == 0) {
        count(out);
    } else if (strcmp(path, "/eat") == 0) {
        eat(out);
    } else if (strcmp(path, "/hoard") == 0) {
        hoard(out);
    } else if (strcmp(path, "/seen") == 0) {
        seen(out);
    } else if (strncmp(path, "/fetch/", 7) == 0) {
        fetch(path + 7, out);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that answers in ways that end badly, or late: what it does is the
 * path, words between slashes that are done one after the other.
 *
 *     status-N            the response's status
 *     length-N            its content-length
 *     begin, bodiless     begin the response, with a body or without one
 *     write-N, drip-N     write N bytes, at once or one each tenth of a second
 *     read                the request's body to its end, or trap
 *     finish, trailers    finish the body, without and with trailers
 *     drop                drop the body
 *     fail                answer with an error code
 *     send-PORT           begin a request of its own, with five bytes of a body
 *     sent                finish that body
 *     pause, nap          wait a tenth of a second, three seconds
 *     count               add one to the store's "count"
 *     tell                answer with it
 *     trap, exit-N, spin, eat
 */
#include <stdio.h>
#include <unistd.h>

#include "http_reply.h"

static struct {
    wasi_http_types_own_response_outparam_t out;
    uint16_t status;
    char length[24];
    wasi_http_types_own_outgoing_body_t body;
    wasi_io_streams_own_output_stream_t stream;
    bool has_stream;
} answer;

static void begin(bool with_body)
{
    wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
    http_string_t name = {(uint8_t *)"content-length", 14};
    wasi_http_types_field_value_t value = {(uint8_t *)answer.length,
                                           strlen(answer.length)};
    wasi_http_types_list_field_value_t values = {&value, 1};
    wasi_http_types_header_error_t error;
    wasi_http_types_result_own_outgoing_response_error_code_t result = {0};

    if (answer.length[0] != '\0' &&
        !wasi_http_types_method_fields_set(
            wasi_http_types_borrow_fields(headers), &name, &values, &error))
        abort();
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(headers);
    if (!wasi_http_types_method_outgoing_response_set_status_code(
            wasi_http_types_borrow_outgoing_response(response), answer.status))
        abort();
    if (with_body &&
        !wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &answer.body))
        abort();
    result.val.ok = response;
    wasi_http_types_static_response_outparam_set(answer.out, &result);
    if (with_body)
        answer.has_stream = wasi_http_types_method_outgoing_body_write(
            wasi_http_types_borrow_outgoing_body(answer.body), &answer.stream);
}

/* False where the stream takes no more. */
static bool write_some(size_t len)
{
    static uint8_t piece[4096];
    wasi_io_streams_stream_error_t error;

    memset(piece, 'x', sizeof(piece));
    while (len > 0) {
        http_list_u8_t list = {piece,
                               len < sizeof(piece) ? len : sizeof(piece)};
        if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(
                wasi_io_streams_borrow_output_stream(answer.stream), &list,
                &error))
            return false;
        len -= list.len;
    }
    return true;
}

static void end_stream(void)
{
    if (answer.has_stream)
        wasi_io_streams_output_stream_drop_own(answer.stream);
    answer.has_stream = false;
}

static void finish(bool with_trailers)
{
    wasi_http_types_own_trailers_t trailers;
    http_string_t name = {(uint8_t *)"x-sum", 5};
    wasi_http_types_field_value_t value = {(uint8_t *)"7", 1};
    wasi_http_types_list_field_value_t values = {&value, 1};
    wasi_http_types_header_error_t header_error;
    wasi_http_types_error_code_t error;

    end_stream();
    if (with_trailers) {
        trailers = wasi_http_types_constructor_fields();
        (void)wasi_http_types_method_fields_set(
            wasi_http_types_borrow_fields(trailers), &name, &values,
            &header_error);
    }
    (void)wasi_http_types_static_outgoing_body_finish(
        answer.body, with_trailers ? &trailers : NULL, &error);
}

static int64_t count(int64_t by)
{
    http_string_t name, key;
    slight_kv_store_own_bucket_t bucket;
    slight_types_errors_error_t error;
    int64_t number;

    http_string_set(&name, "default");
    http_string_set(&key, "count");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error) ||
        !slight_kv_store_method_bucket_increment(
            slight_kv_store_borrow_bucket(bucket), &key, by, &number, &error))
        abort();
    return number;
}

static void tell(void)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld\n", (long long)count(0));
    http_reply_text(answer.out, 200, text);
}

static void read_whole(wasi_http_types_borrow_incoming_request_t request)
{
    http_list_u8_t body;

    if (!http_body(request, 1 << 30, &body))
        abort();
}

/* All the memory that there is. */
static void eat(void)
{
    for (volatile char *piece; (piece = malloc(1 << 20)) != NULL;)
        piece[0] = 1;
    abort();
}

/* To 127.0.0.1. */
static void send(size_t port)
{
    wasi_http_types_own_outgoing_request_t request =
        wasi_http_types_constructor_outgoing_request(
            wasi_http_types_constructor_fields());
    wasi_http_types_borrow_outgoing_request_t borrowed =
        wasi_http_types_borrow_outgoing_request(request);
    wasi_http_types_scheme_t scheme = {.tag = WASI_HTTP_TYPES_SCHEME_HTTP};
    wasi_http_types_method_t method = {.tag = WASI_HTTP_TYPES_METHOD_POST};
    wasi_http_types_own_future_incoming_response_t response;
    wasi_http_types_error_code_t error;
    http_string_t path = {(uint8_t *)"/", 1}, authority;
    char text[32];

    snprintf(text, sizeof(text), "127.0.0.1:%zu", port);
    http_string_set(&authority, text);
    if (!wasi_http_types_method_outgoing_request_set_method(borrowed,
                                                            &method) ||
        !wasi_http_types_method_outgoing_request_set_scheme(borrowed,
                                                            &scheme) ||
        !wasi_http_types_method_outgoing_request_set_authority(borrowed,
                                                               &authority) ||
        !wasi_http_types_method_outgoing_request_set_path_with_query(borrowed,
                                                                     &path) ||
        !wasi_http_types_method_outgoing_request_body(borrowed, &answer.body) ||
        !wasi_http_types_method_outgoing_body_write(
            wasi_http_types_borrow_outgoing_body(answer.body),
            &answer.stream) ||
        !wasi_http_outgoing_handler_handle(request, NULL, &response, &error))
        abort();
    answer.has_stream = true;
    if (!write_some(5))
        abort();
}

static void fail(void)
{
    wasi_http_types_result_own_outgoing_response_error_code_t result = {
        .is_err = true,
        .val.err = {.tag = WASI_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED}};

    wasi_http_types_static_response_outparam_set(answer.out, &result);
}

static bool starts(const char *word, const char *prefix, size_t *number)
{
    size_t len = strlen(prefix);

    if (strncmp(word, prefix, len) != 0)
        return false;
    *number = strtoul(word + len, NULL, 10);
    return true;
}

/* What has a number. */
static bool do_many(const char *word)
{
    size_t n;

    if (starts(word, "status-", &n))
        answer.status = (uint16_t)n;
    else if (starts(word, "length-", &n))
        snprintf(answer.length, sizeof(answer.length), "%zu", n);
    else if (starts(word, "write-", &n))
        (void)write_some(n);
    else if (starts(word, "drip-", &n))
        for (; n > 0 && write_some(1); n--)
            usleep(100000);
    else if (starts(word, "send-", &n))
        send(n);
    else if (starts(word, "exit-", &n))
        exit((int)n);
    else
        return false;
    return true;
}

static void do_one(const char *word,
                   wasi_http_types_borrow_incoming_request_t request)
{
    if (strcmp(word, "begin") == 0)
        begin(true);
    else if (strcmp(word, "bodiless") == 0)
        begin(false);
    else if (strcmp(word, "read") == 0)
        read_whole(request);
    else if (strcmp(word, "finish") == 0 || strcmp(word, "sent") == 0)
        finish(false);
    else if (strcmp(word, "trailers") == 0)
        finish(true);
    else if (strcmp(word, "drop") == 0) {
        end_stream();
        wasi_http_types_outgoing_body_drop_own(answer.body);
    } else if (strcmp(word, "fail") == 0)
        fail();
    else if (strcmp(word, "pause") == 0)
        usleep(100000);
    else if (strcmp(word, "nap") == 0)
        usleep(3000000);
    else if (strcmp(word, "count") == 0)
        (void)count(1);
    else if (strcmp(word, "tell") == 0)
        tell();
    else if (strcmp(word, "spin") == 0)
        for (volatile int i = 0;; i++)
            ;
    else if (strcmp(word, "eat") == 0)
        eat();
    else
        abort(); /* "trap" */
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t owned,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    wasi_http_types_borrow_incoming_request_t request =
        wasi_http_types_borrow_incoming_request(owned);
    char *path = http_path(request);

    memset(&answer, 0, sizeof(answer));
    answer.out = out;
    answer.status = 200;
    for (char *word = strtok(path, "/"); word != NULL; word = strtok(NULL, "/"))
        if (!do_many(word))
            do_one(word, request);
    free(path);
}

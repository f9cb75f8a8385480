/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP without TLS, against a listener of the test's own that says what it is
 * told to.  TLS is tested with a real server: tests/faults/etcd_faults.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/http/http.h"

enum { ANSWERS_MAX = 4 };

/* For each request that comes: an answer, NULL to hang up. */
struct server {
    int listener;
    int port;
    const char *answers[ANSWERS_MAX];
    size_t count;
    bool keeps;      /* the connection, from one request to the next */
    char seen[4096]; /* the last request */
    atomic_int requests;
    atomic_int connections;
    pthread_t thread;
};

/* A request's head, and a body of as many bytes as it says. */
static bool read_request(struct server *server, int fd)
{
    char text[sizeof(server->seen)] = {0};
    size_t len = 0, body = 0;
    char *end = NULL;

    while (end == NULL || len < (size_t)(end - text) + 4 + body) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        end = strstr(text, "\r\n\r\n");
        char *length = strstr(text, "Content-Length: ");
        body = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    }
    memcpy(server->seen, text, sizeof(text)); /* before it is answered */
    atomic_fetch_add(&server->requests, 1);
    return true;
}

static void *serve(void *context)
{
    struct server *server = context;
    size_t next = 0;

    while (next < server->count) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_fetch_add(&server->connections, 1);
        while (next < server->count && read_request(server, fd)) {
            const char *answer = server->answers[next++];
            if (answer == NULL)
                break;
            send(fd, answer, strlen(answer), MSG_NOSIGNAL);
            if (!server->keeps)
                break;
        }
        close(fd);
    }
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size),
                     0);
    assert_int_equal(listen(server->listener, 8), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static const struct sl_http_config no_files;

struct exchange {
    struct sl_http_answer answer;
    struct sl_error err;
    enum sl_status status;
};

static struct exchange ask(struct sl_http *http, int port, const char *method,
                           struct sl_bytes body, int64_t ms)
{
    static const char *const headers[] = {"X-Word: one", NULL};
    struct exchange exchange = {
        .answer = {.body = SL_BUF(100), .headers = SL_BUF(1000)}};
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/path?secret=word", port);
    const struct sl_http_request request = {.method = method,
                                            .url = url,
                                            .headers = headers,
                                            .body = body,
                                            .deadline = sl_deadline_in_ms(ms)};
    exchange.status =
        sl_http_do(http, &request, &exchange.answer, &exchange.err);
    if (exchange.status != SL_OK)
        assert_null(strstr(exchange.err.message, "word"));
    return exchange;
}

static void an_answer_and_its_headers(void **state)
{
    struct server server = {
        .answers = {"HTTP/1.1 404 No\r\nETag:  \"a b\" \r\nX-Empty:\r\n"
                    "Content-Length: 3\r\n\r\nabc",
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        .count = 2,
        .keeps = true};
    struct sl_http *http = sl_http_new(&no_files);
    struct sl_bytes value;

    (void)state;
    start(&server);
    struct exchange one =
        ask(http, server.port, "POST", SL_LITERAL("a\0b"), 20000);
    assert_int_equal(one.status, SL_OK);
    assert_int_equal(one.answer.code, 404);
    assert_int_equal(one.answer.body.len, 3);
    assert_true(sl_http_header(&one.answer, "etag", &value));
    assert_true(sl_bytes_equal(value, SL_LITERAL("\"a b\"")));
    assert_true(sl_http_header(&one.answer, "X-Empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(sl_http_header(&one.answer, "X-Other", &value));
    assert_non_null(strstr(server.seen, "POST /path?secret=word HTTP/1.1"));
    assert_non_null(strstr(server.seen, "X-Word: one\r\n"));
    assert_null(strstr(server.seen, "Expect"));

    struct exchange two = ask(http, server.port, "PUT", SL_LITERAL("x"), 20000);
    assert_int_equal(two.status, SL_OK);
    assert_non_null(strstr(server.seen, "PUT /path"));
    assert_int_equal(server.connections, 1); /* it is kept */
    sl_http_answer_done(&one.answer);
    sl_http_answer_done(&two.answer);
    sl_http_free(http);
    stop(&server);
}

static void methods_without_a_body(void **state)
{
    static const char *const methods[] = {"GET", "DELETE", "HEAD"};
    struct server server = {
        .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                    "HTTP/1.1 204 Gone\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"},
        .count = 3,
        .keeps = true};
    struct sl_http *http = sl_http_new(&no_files);
    char begin[32];

    (void)state;
    start(&server);
    for (size_t i = 0; i < 3; i++) {
        struct exchange exchange =
            ask(http, server.port, methods[i], SL_BYTES(NULL, 0), 20000);
        assert_int_equal(exchange.status, SL_OK);
        snprintf(begin, sizeof(begin), "%s /path", methods[i]);
        assert_int_equal(strncmp(server.seen, begin, strlen(begin)), 0);
        assert_int_equal(exchange.answer.body.len, i == 0 ? 3 : 0);
        sl_http_answer_done(&exchange.answer);
    }
    sl_http_free(http);
    stop(&server);
}

static void what_was_not_sent_is_known(void **state)
{
    struct server server = {.count = 0};
    struct sl_http *http = sl_http_new(&no_files);

    (void)state;
    start(&server);
    stop(&server); /* nobody listens there any more */
    struct exchange exchange =
        ask(http, server.port, "POST", SL_LITERAL("x"), 20000);
    assert_int_equal(exchange.status, SL_UNAVAILABLE);
    assert_true(exchange.answer.unsent);
    assert_non_null(strstr(exchange.err.message, "127.0.0.1:"));
    sl_http_answer_done(&exchange.answer);
    sl_http_free(http);
}

/* libcurl would, on a new connection. */
static void nothing_is_sent_twice(void **state)
{
    struct server server = {
        .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL,
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        .count = 3,
        .keeps = true};
    struct sl_http *http = sl_http_new(&no_files);

    (void)state;
    start(&server);
    struct exchange one =
        ask(http, server.port, "POST", SL_LITERAL("1"), 20000);
    assert_int_equal(one.status, SL_OK);
    struct exchange two =
        ask(http, server.port, "POST", SL_LITERAL("2"), 20000);
    assert_int_equal(two.status, SL_UNAVAILABLE);
    assert_false(two.answer.unsent);
    assert_int_equal(server.requests, 2);
    struct exchange three =
        ask(http, server.port, "POST", SL_LITERAL("3"), 20000);
    assert_int_equal(three.status, SL_OK);
    assert_int_equal(server.requests, 3);
    sl_http_answer_done(&one.answer);
    sl_http_answer_done(&two.answer);
    sl_http_answer_done(&three.answer);
    sl_http_free(http);
    stop(&server);
}

static void answers_that_are_none(void **state)
{
    static char long_header[80 * 1024];
    const struct {
        const char *answer;
        enum sl_status status;
    } cases[] = {
        {NULL, SL_UNAVAILABLE},
        {"no HTTP at all\r\n\r\n", SL_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", SL_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
         "0123456789012345678901234567890123456789012345678901234567890123456"
         "7890123456789012345678901234567890123456789",
         SL_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         SL_UNAVAILABLE},
        {long_header, SL_TOO_LARGE},
    };

    (void)state;
    int len = snprintf(long_header, sizeof(long_header),
                       "HTTP/1.1 200 OK\r\nX-Long: ");
    memset(long_header + len, 'a', sizeof(long_header) - 5 - (size_t)len);
    memcpy(long_header + sizeof(long_header) - 5, "\r\n\r\n", 5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server server = {.answers = {cases[i].answer}, .count = 1};
        struct sl_http *http = sl_http_new(&no_files);
        start(&server);
        struct exchange exchange =
            ask(http, server.port, "GET", SL_BYTES(NULL, 0), 20000);
        if (exchange.status != cases[i].status)
            fail_msg("%zu: %s", i, exchange.err.message);
        assert_false(exchange.answer.unsent);
        sl_http_answer_done(&exchange.answer);
        sl_http_free(http);
        stop(&server);
    }
}

static void silence_ends_at_the_deadline(void **state)
{
    struct server server = {.answers = {""}, .count = 2, .keeps = true};
    struct sl_http *http = sl_http_new(&no_files);

    (void)state;
    start(&server);
    struct exchange exchange =
        ask(http, server.port, "POST", SL_LITERAL("x"), 50);
    assert_int_equal(exchange.status, SL_TIMEOUT);
    sl_http_answer_done(&exchange.answer);
    sl_http_free(http);
    stop(&server);
}

static void redirects_are_answers(void **state)
{
    struct server server = {
        .answers = {"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\n"
                    "Content-Length: 0\r\n\r\n"},
        .count = 1};
    struct sl_http *http = sl_http_new(&no_files);

    (void)state;
    start(&server);
    struct exchange exchange =
        ask(http, server.port, "GET", SL_BYTES(NULL, 0), 20000);
    assert_int_equal(exchange.status, SL_OK);
    assert_int_equal(exchange.answer.code, 302);
    sl_http_answer_done(&exchange.answer);
    sl_http_free(http);
    stop(&server);
}

/* --- Answers that go on --------------------------------------------------- */

static enum sl_status count_bytes(void *context, struct sl_bytes part,
                                  struct sl_error *err)
{
    size_t *count = context;

    *count += part.len;
    return *count > 8 ? sl_fail(err, SL_TOO_LARGE, "too many") : SL_OK;
}

static enum sl_status poll_until_over(struct sl_http_stream *stream, int *code,
                                      struct sl_error *err)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    enum sl_status status;

    while ((status = sl_http_stream_poll(stream, code, err)) == SL_OK)
        nanosleep(&pause, NULL);
    return status;
}

static void a_stream_comes_in_parts(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n1234567890",
    };
    static const enum sl_status ends[] = {SL_UNAVAILABLE, SL_TOO_LARGE};
    struct sl_error err;
    char url[64];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct server server = {.answers = {answers[i]}, .count = 1};
        size_t count = 0;
        int code = 0;
        start(&server);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", server.port);
        const struct sl_http_request request = {.method = "POST",
                                                .url = url,
                                                .body = SL_LITERAL("{}"),
                                                .deadline = SL_NEVER};
        struct sl_http_stream *stream =
            sl_http_stream_new(&no_files, &request, count_bytes, &count);
        assert_int_equal(poll_until_over(stream, &code, &err), ends[i]);
        assert_int_equal(code, 200);
        assert_int_equal(count, i == 0 ? 5 : 10);
        sl_http_stream_free(stream);
        stop(&server);
    }
}

static void files_that_cannot_be_used(void **state)
{
    const struct sl_http_config cases[] = {
        {.ca = "/nonexistent.pem"},
        {.cert = "/nonexistent.pem", .key = "/nonexistent.key"},
        {.cert = "/nonexistent.pem"},
        {.key = "/nonexistent.key"},
    };
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(sl_http_check(&cases[i], &err), SL_INVALID_ARGUMENT);
    assert_int_equal(sl_http_check(&no_files, &err), SL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_and_its_headers),
        cmocka_unit_test(methods_without_a_body),
        cmocka_unit_test(what_was_not_sent_is_known),
        cmocka_unit_test(nothing_is_sent_twice),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(redirects_are_answers),
        cmocka_unit_test(a_stream_comes_in_parts),
        cmocka_unit_test(files_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections without TLS, against a listener of the test's own.  TLS is tested
 * with a real server: tests/faults/redis_faults.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/conn.h"

struct pair {
    int listener;
    int port;
    int server; /* our end of the other side */
    struct sl_conn *conn;
};

static int open_listener(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void pair_open(struct pair *pair)
{
    struct sl_error err;

    pair->listener = open_listener(&pair->port);
    if (sl_conn_open("127.0.0.1", pair->port, NULL, sl_deadline_in_ms(20000),
                     &pair->conn, &err) != SL_OK)
        fail_msg("%s", err.message);
    pair->server = accept(pair->listener, NULL, NULL);
    assert_true(pair->server >= 0);
}

static void pair_close(struct pair *pair)
{
    sl_conn_free(pair->conn);
    if (pair->server >= 0)
        close(pair->server);
    close(pair->listener);
}

static void bytes_go_both_ways(void **state)
{
    struct pair pair;
    struct sl_error err;
    char buffer[16];
    size_t got = 0;

    (void)state;
    pair_open(&pair);
    assert_int_equal(sl_conn_write(pair.conn, SL_LITERAL("ping"),
                                   sl_deadline_in_ms(20000), &err),
                     SL_OK);
    assert_int_equal(recv(pair.server, buffer, sizeof(buffer), 0), 4);
    assert_false(sl_conn_is_stale(pair.conn));
    assert_int_equal(send(pair.server, "pong!", 5, 0), 5);
    assert_int_equal(sl_conn_read(pair.conn, buffer, sizeof(buffer),
                                  sl_deadline_in_ms(20000), &got, &err),
                     SL_OK);
    assert_in_range(got, 1, 5);
    pair_close(&pair);
}

static void silence_ends_at_the_deadline(void **state)
{
    struct pair pair;
    struct sl_error err;
    char byte;
    size_t got;

    (void)state;
    pair_open(&pair);
    assert_int_equal(
        sl_conn_read(pair.conn, &byte, 1, sl_deadline_in_ms(30), &got, &err),
        SL_TIMEOUT);
    assert_non_null(strstr(err.message, "127.0.0.1:"));
    pair_close(&pair);
}

static void a_reader_that_does_not_read_is_a_timeout(void **state)
{
    enum { LARGE = 64 << 20 };
    struct pair pair;
    struct sl_error err;
    uint8_t *large = sl_alloc(LARGE);

    (void)state;
    pair_open(&pair);
    assert_int_equal(sl_conn_write(pair.conn, SL_BYTES(large, LARGE),
                                   sl_deadline_in_ms(50), &err),
                     SL_TIMEOUT);
    pair_close(&pair);
    sl_freep(&large);
}

static void a_closed_connection_is_noticed(void **state)
{
    struct pair pair;
    struct sl_error err;
    char byte;
    size_t got;

    (void)state;
    pair_open(&pair);
    close(pair.server);
    pair.server = -1;
    assert_int_equal(
        sl_conn_read(pair.conn, &byte, 1, sl_deadline_in_ms(20000), &got, &err),
        SL_UNAVAILABLE);
    assert_non_null(strstr(err.message, "closed"));
    assert_true(sl_conn_is_stale(pair.conn));
    /* No SIGPIPE, at the first write or a later one. */
    enum sl_status status = SL_OK;
    for (int i = 0; i < 100 && status == SL_OK; i++)
        status = sl_conn_write(pair.conn, SL_LITERAL("x"),
                               sl_deadline_in_ms(20000), &err);
    assert_int_equal(status, SL_UNAVAILABLE);
    pair_close(&pair);
}

static void unasked_bytes_make_it_stale(void **state)
{
    struct pair pair;
    struct pollfd poller;

    (void)state;
    pair_open(&pair);
    assert_int_equal(send(pair.server, "x", 1, 0), 1);
    poller = (struct pollfd){.fd = pair.server, .events = POLLOUT};
    poll(&poller, 1, 1000);
    for (int i = 0; i < 1000 && !sl_conn_is_stale(pair.conn); i++)
        usleep(1000);
    assert_true(sl_conn_is_stale(pair.conn));
    pair_close(&pair);
}

static void what_cannot_be_reached_says_where(void **state)
{
    struct sl_conn *conn = NULL;
    struct sl_error err;
    int port;

    (void)state;
    close(open_listener(&port));
    assert_int_equal(sl_conn_open("127.0.0.1", port, NULL,
                                  sl_deadline_in_ms(20000), &conn, &err),
                     SL_UNAVAILABLE);
    assert_non_null(strstr(err.message, "is the server running"));
    assert_int_equal(sl_conn_open("no-such-host.invalid", 1, NULL,
                                  sl_deadline_in_ms(20000), &conn, &err),
                     SL_UNAVAILABLE);
    assert_non_null(strstr(err.message, "no-such-host.invalid"));
    assert_int_equal(sl_conn_open("127.0.0.1", port, NULL, sl_now_ns(), &conn,
                                  NULL) == SL_OK,
                     false);
    assert_null(conn);
}

static void a_file_without_authorities_is_refused(void **state)
{
    struct sl_tls *tls = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_tls_new("/dev/null", &tls, &err), SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "/dev/null"));
    assert_int_equal(sl_tls_new("/nowhere.pem", &tls, &err),
                     SL_INVALID_ARGUMENT);
    assert_null(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(a_reader_that_does_not_read_is_a_timeout),
        cmocka_unit_test(a_closed_connection_is_noticed),
        cmocka_unit_test(unasked_bytes_make_it_stale),
        cmocka_unit_test(what_cannot_be_reached_says_where),
        cmocka_unit_test(a_file_without_authorities_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

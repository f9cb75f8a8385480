/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection with or without TLS: a non-blocking socket and deadlines.
 */
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/wait.h"
#include "net/resolve.h"
#include "net/tls.h"

struct sl_conn {
    int fd;
    SSL *ssl; /* NULL: plain */
    char *where;
};

/* Wait until the socket can be read or written. */
static enum sl_status wait_for_socket(const struct sl_conn *conn, short events,
                                      sl_deadline deadline,
                                      struct sl_error *err)
{
    int ready = sl_wait_fd(conn->fd, events, deadline);

    if (ready > 0)
        return SL_OK;
    if (ready < 0)
        return sl_fail(err, SL_UNAVAILABLE, "%s: %s", conn->where,
                       strerror(errno));
    return sl_fail(err, SL_TIMEOUT, "%s: no answer in time", conn->where);
}

static enum sl_status fail_connection(const struct sl_conn *conn, int error,
                                      struct sl_error *err)
{
    if (error == 0)
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: the server closed the connection", conn->where);
    return sl_fail(err, SL_UNAVAILABLE, "%s: %s", conn->where, strerror(error));
}

/* --- Opening ------------------------------------------------------------ */

/* Connect to one address.  Returns 0, an errno, or -1: the deadline has
 * passed. */
static int connect_one(struct sl_conn *conn, const struct addrinfo *address,
                       sl_deadline deadline)
{
    const int on = 1;
    int error = 0;
    socklen_t size = sizeof(error);

    conn->fd = socket(address->ai_family,
                      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (conn->fd < 0)
        return errno;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(conn->fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (wait_for_socket(conn, POLLOUT, deadline, NULL) != SL_OK)
        return -1;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

static enum sl_status fail_connect(const struct sl_conn *conn, int error,
                                   struct sl_error *err)
{
    if (error == -1)
        return sl_fail(err, SL_TIMEOUT, "%s: no connection in time",
                       conn->where);
    if (error == ECONNREFUSED)
        return sl_fail(err, SL_UNAVAILABLE,
                       "%s: connection refused; is the server running there?",
                       conn->where);
    return sl_fail(err, SL_UNAVAILABLE, "%s: %s", conn->where, strerror(error));
}

static enum sl_status connect_any(struct sl_conn *conn,
                                  const struct addrinfo *addresses,
                                  sl_deadline deadline, struct sl_error *err)
{
    int error = EADDRNOTAVAIL;

    for (; addresses != NULL; addresses = addresses->ai_next) {
        error = connect_one(conn, addresses, deadline);
        if (error == 0)
            return SL_OK;
        if (conn->fd >= 0)
            close(conn->fd);
        conn->fd = -1;
        if (error == -1)
            break;
    }
    return fail_connect(conn, error, err);
}

/* --- TLS ---------------------------------------------------------------- */

/*
 * Handle the result of an OpenSSL call that did not succeed: wait as it asks.
 * SL_OK: call it again.
 */
static enum sl_status wait_tls(struct sl_conn *conn, int result,
                               sl_deadline deadline, struct sl_error *err)
{
    int error = errno;

    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for_socket(conn, POLLIN, deadline, err);
    case SSL_ERROR_WANT_WRITE:
        return wait_for_socket(conn, POLLOUT, deadline, err);
    case SSL_ERROR_ZERO_RETURN:
        return fail_connection(conn, 0, err);
    case SSL_ERROR_SYSCALL:
        return fail_connection(conn, error, err);
    default:
        return sl_fail(err, SL_UNAVAILABLE, "%s: TLS: %s", conn->where,
                       sl_tls_reason());
    }
}

static enum sl_status tls_handshake(struct sl_conn *conn, struct sl_tls *tls,
                                    const char *host, sl_deadline deadline,
                                    struct sl_error *err)
{
    enum sl_status status = SL_OK;
    int result = 0;

    conn->ssl = sl_tls_session(tls, host, conn->fd);
    if (conn->ssl == NULL)
        return sl_fail(err, SL_INTERNAL, "%s: TLS: %s", conn->where,
                       sl_tls_reason());
    while (status == SL_OK && (result = SSL_connect(conn->ssl)) != 1)
        status = wait_tls(conn, result, deadline, err);
    if (result == 1)
        return SL_OK;
    if (sl_tls_explain(conn->ssl, host, conn->where, err))
        return SL_UNAUTHENTICATED;
    /* The server may speak another protocol. */
    return sl_fail_in(
        err,
        "TLS handshake failed; check that the server speaks TLS on this port");
}

enum sl_status sl_conn_open(const char *host, int port, struct sl_tls *tls,
                            sl_deadline deadline, struct sl_conn **out,
                            struct sl_error *err)
{
    struct sl_conn *conn = sl_alloc(sizeof(*conn));
    struct addrinfo *addresses = NULL;
    struct sl_error own;

    conn->fd = -1;
    conn->where = strchr(host, ':') == NULL
                      ? sl_asprintf("%s:%d", host, port)
                      : sl_asprintf("[%s]:%d", host, port);
    enum sl_status status = sl_resolve(host, port, deadline, &addresses, &own);
    if (status == SL_OK)
        status = connect_any(conn, addresses, deadline, &own);
    if (addresses != NULL)
        freeaddrinfo(addresses);
    if (status == SL_OK && tls != NULL)
        status = tls_handshake(conn, tls, host, deadline, &own);
    if (status != SL_OK) {
        sl_conn_free(conn);
        return sl_fail(err, status, "%s", own.message);
    }
    *out = conn;
    return SL_OK;
}

void sl_conn_free(struct sl_conn *conn)
{
    if (conn == NULL)
        return;
    SSL_free(conn->ssl);
    if (conn->fd >= 0)
        close(conn->fd);
    free(conn->where);
    free(conn);
}

/* --- Reading and writing ------------------------------------------------ */

bool sl_conn_is_stale(struct sl_conn *conn)
{
    struct pollfd poller = {.fd = conn->fd, .events = POLLIN};

    if (poll(&poller, 1, 0) <= 0)
        return false;
    if (conn->ssl == NULL)
        return true;
    /* TLS sends messages of its own (session tickets), which are not data. */
    char byte;
    int result = SSL_peek(conn->ssl, &byte, 1);
    return result > 0 ||
           SSL_get_error(conn->ssl, result) != SSL_ERROR_WANT_READ;
}

static enum sl_status write_tls(struct sl_conn *conn, struct sl_bytes *bytes,
                                sl_deadline deadline, struct sl_error *err)
{
    size_t written;
    int result = SSL_write_ex(conn->ssl, bytes->ptr, bytes->len, &written);

    if (result != 1)
        return wait_tls(conn, result, deadline, err);
    bytes->ptr += written;
    bytes->len -= written;
    return SL_OK;
}

static enum sl_status write_plain(struct sl_conn *conn, struct sl_bytes *bytes,
                                  sl_deadline deadline, struct sl_error *err)
{
    ssize_t written = send(conn->fd, bytes->ptr, bytes->len, MSG_NOSIGNAL);

    if (written >= 0) {
        bytes->ptr += written;
        bytes->len -= (size_t)written;
        return SL_OK;
    }
    if (errno == EINTR)
        return SL_OK;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return wait_for_socket(conn, POLLOUT, deadline, err);
    return fail_connection(conn, errno, err);
}

enum sl_status sl_conn_write(struct sl_conn *conn, struct sl_bytes bytes,
                             sl_deadline deadline, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    while (bytes.len > 0 && status == SL_OK)
        status = conn->ssl != NULL ? write_tls(conn, &bytes, deadline, err)
                                   : write_plain(conn, &bytes, deadline, err);
    return status;
}

static enum sl_status read_tls(struct sl_conn *conn, void *buffer, size_t size,
                               sl_deadline deadline, size_t *got,
                               struct sl_error *err)
{
    int result;

    while ((result = SSL_read_ex(conn->ssl, buffer, size, got)) != 1) {
        enum sl_status status = wait_tls(conn, result, deadline, err);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

enum sl_status sl_conn_read(struct sl_conn *conn, void *buffer, size_t size,
                            sl_deadline deadline, size_t *got,
                            struct sl_error *err)
{
    if (conn->ssl != NULL)
        return read_tls(conn, buffer, size, deadline, got, err);
    for (;;) {
        ssize_t result = recv(conn->fd, buffer, size, 0);
        if (result > 0) {
            *got = (size_t)result;
            return SL_OK;
        }
        if (result == 0)
            return fail_connection(conn, 0, err);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return fail_connection(conn, errno, err);
        enum sl_status status = wait_for_socket(conn, POLLIN, deadline, err);
        if (status != SL_OK)
            return status;
    }
}

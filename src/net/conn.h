/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection to a service, with or without TLS.  Every call that may wait
 * takes a deadline.  A connection is used by one thread at a time; a TLS
 * context by any number.
 *
 * Writing to a closed TLS connection raises SIGPIPE.  The threads of
 * base/queue.h block it and slight ignores it; other users must do the same.
 */
#ifndef SL_NET_CONN_H
#define SL_NET_CONN_H

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"

/* A TLS context of a client.  The server's certificate is always verified. */
struct sl_tls;

/*
 * ca_file: the authorities to trust, in PEM; NULL: the system's.  TLS 1.2 or
 * newer.  SL_INVALID_ARGUMENT where the file cannot be used.
 */
SL_MUST_CHECK enum sl_status
sl_tls_new(const char *ca_file, struct sl_tls **out, struct sl_error *err);
/*
 * Use a client certificate: PEM files of the certificate with its chain, and of
 * its key.  Before the first connection.  SL_INVALID_ARGUMENT if either is NULL
 * or cannot be used, or if the key does not match.
 */
SL_MUST_CHECK enum sl_status sl_tls_use_certificate(struct sl_tls *tls,
                                                    const char *cert_file,
                                                    const char *key_file,
                                                    struct sl_error *err);
void sl_tls_free(struct sl_tls *tls); /* NULL is fine */

struct sl_conn;

/*
 * Connect to the first address of host that answers. tls: NULL for none;
 * otherwise the certificate must be for `host`.
 *
 * SL_UNAVAILABLE (refused, unknown name, no route), SL_TIMEOUT, or
 * SL_UNAUTHENTICATED: the server's certificate was refused.  Messages start
 * with "host:port: ".
 */
SL_MUST_CHECK enum sl_status
sl_conn_open(const char *host, int port, struct sl_tls *tls,
             sl_deadline deadline, struct sl_conn **out, struct sl_error *err);
void sl_conn_free(struct sl_conn *conn); /* NULL is fine */

/*
 * Whether the peer has closed the connection or sent unexpected data, so that
 * it cannot be used any more.  Costs one system call.
 */
bool sl_conn_is_stale(struct sl_conn *conn);

/* Write all bytes.  SL_UNAVAILABLE or SL_TIMEOUT: a part may have been
 * written. */
SL_MUST_CHECK enum sl_status sl_conn_write(struct sl_conn *conn,
                                           struct sl_bytes bytes,
                                           sl_deadline deadline,
                                           struct sl_error *err);

/* At least one byte and at most size; SL_UNAVAILABLE at the end. */
SL_MUST_CHECK enum sl_status sl_conn_read(struct sl_conn *conn, void *buffer,
                                          size_t size, sl_deadline deadline,
                                          size_t *got, struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS by OpenSSL, for conn.c: contexts, sessions, errors.
 */
#ifndef SL_NET_TLS_H
#define SL_NET_TLS_H

#include <openssl/ssl.h>

#include "net/conn.h"

/* A client session over fd that accepts only a certificate for host; or
 * NULL. */
SSL *sl_tls_session(struct sl_tls *tls, const char *host, int fd);

/*
 * If the handshake failed because of the server's certificate, fill err with
 * the reason and return true.
 */
bool sl_tls_explain(SSL *ssl, const char *host, const char *where,
                    struct sl_error *err);

/* The thread's last OpenSSL error, and clear it; never NULL. */
const char *sl_tls_reason(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Resolves host names by a deadline. */
#ifndef SL_NET_RESOLVE_H
#define SL_NET_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

#include "base/deadline.h"
#include "base/error.h"

/*
 * The TCP addresses of a name or address.  The caller frees *out with
 * freeaddrinfo.  SL_UNAVAILABLE or SL_TIMEOUT.
 */
SL_MUST_CHECK enum sl_status sl_resolve(const char *host, int port,
                                        sl_deadline deadline,
                                        struct addrinfo **out,
                                        struct sl_error *err);

/* Whether the host of a URL is this machine: localhost, 127.0.0.0/8, ::1.
 * Resolves no names. */
bool sl_resolve_is_loopback(const char *host);

#endif

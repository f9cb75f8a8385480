/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, by a deadline; for conn.c. */
#ifndef SL_NET_RESOLVE_H
#define SL_NET_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

#include "base/deadline.h"
#include "base/error.h"

/*
 * The TCP addresses of a name or address: *out is the caller's, for
 * freeaddrinfo.  SL_UNAVAILABLE or SL_TIMEOUT.
 */
SL_MUST_CHECK enum sl_status sl_resolve(const char *host, int port,
                                        sl_deadline deadline,
                                        struct addrinfo **out,
                                        struct sl_error *err);

/* Whether host, as a URL has it, is this machine: localhost, 127.0.0.0/8, ::1.
 * No name is looked up. */
bool sl_is_loopback(const char *host);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is sent to a service leaves this machine, and what drivers say
 * of passwords that would do so without TLS (`risks` of service/driver.h).
 * The drivers decide neither by themselves.
 */
#ifndef SL_NET_PEER_H
#define SL_NET_PEER_H

#include <stdbool.h>

#include "service/service.h"

/* NULL, the path of a socket, or what sl_is_loopback (net/resolve.h) says.
 */
bool sl_peer_is_local(const char *host);

/* Tell of the first host that is not local, of a list as services write it:
 * "[scheme://]host[:port]" each, separated by commas, and then "/…".  With a
 * scheme: only of those that have it.  `remedy` says how to use TLS. */
void sl_peer_tell_of_list(const char *list, const char *scheme,
                          const char *remedy, sl_risk_fn *tell, void *context);

/* The same of one URL, whose password counts unless there is another: nothing
 * where there is none, or its scheme is another one. */
void sl_peer_tell_of_url(const char *text, const char *scheme,
                         const char *password, const char *remedy,
                         sl_risk_fn *tell, void *context);

#endif

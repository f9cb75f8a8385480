/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a peer is on this machine, and the warning about passwords that would
 * leave it without TLS (`risks` of service/driver.h).  Shared, so that all
 * drivers agree.
 */
#ifndef SL_NET_PEER_H
#define SL_NET_PEER_H

#include <stdbool.h>

#include "service/service.h"

/* NULL, the path of a socket, or a loopback address. */
bool sl_peer_is_local(const char *host);

/* Report the first host of a list that is not local: "[scheme://]host[:port]",
 * separated by commas, and then "/…". scheme: consider only hosts with this
 * scheme; NULL: all. remedy: how to use TLS. */
void sl_peer_tell_of_list(const char *list, const char *scheme,
                          const char *remedy, sl_risk_fn *tell, void *context);

/* The same for one URL.  Reports nothing if there is no password, neither in
 * the URL nor in `password`, or if the scheme differs. */
void sl_peer_tell_of_url(const char *text, const char *scheme,
                         const char *password, const char *remedy,
                         sl_risk_fn *tell, void *context);

#endif

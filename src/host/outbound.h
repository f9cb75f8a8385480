/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests that a guest sends: where they may go, and what is logged of
 * those that failed.  context is a struct sl_grants (instance.h); the contracts
 * are those of struct sl_bridge_host.
 */
#ifndef SL_HOST_OUTBOUND_H
#define SL_HOST_OUTBOUND_H

#include "slight_bridge.h"

bool sl_outbound_may_request(void *context,
                             const struct sl_bridge_http_server *server);
void sl_outbound_request_failed(void *context,
                                const struct sl_bridge_http_server *server,
                                enum sl_bridge_request_fault fault);

#endif

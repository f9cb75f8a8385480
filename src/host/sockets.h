/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of guests: what the bridge asks (slight_bridge.h), and what a
 * component is given at all.
 */
#ifndef SL_HOST_SOCKETS_H
#define SL_HOST_SOCKETS_H

#include "manifest/manifest.h"
#include "slight_bridge.h"

/* context: the component's struct sl_grants. */
bool sl_sockets_may_use(void *context, const struct sl_bridge_socket *socket);

bool sl_sockets_have_tcp(const struct sl_manifest_component *component);
bool sl_sockets_have_udp(const struct sl_manifest_component *component);

#endif

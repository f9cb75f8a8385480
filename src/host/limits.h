/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits that are not settings: docs/manifest.md and docs/triggers.md tell
 * users of them.
 */
#ifndef SL_HOST_LIMITS_H
#define SL_HOST_LIMITS_H

#include "slight_bridge.h"

struct sl_manifest_component;

/* Of the instances of a component. */
struct sl_bridge_limits
sl_host_limits(const struct sl_manifest_component *component);

/* Of every HTTP server. */
extern const struct sl_bridge_http_limits sl_http_limits;

#endif

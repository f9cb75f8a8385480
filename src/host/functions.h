/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that the bridge calls for a guest.
 */
#ifndef SL_HOST_FUNCTIONS_H
#define SL_HOST_FUNCTIONS_H

#include "slight_bridge.h"

/* The context of its instance_new is a sl_grants (instance.h). */
extern const struct sl_bridge_host sl_host_functions;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities, and their drivers in this build: the types of a
 * [[resource]]. */
#ifndef SL_MANIFEST_CAPABILITIES_H
#define SL_MANIFEST_CAPABILITIES_H

#include "service/service.h"

/* Ended by NULL. */
extern const struct sl_capability *const sl_capabilities[];

/* All drivers, counted from 0; NULL behind the last. */
const struct sl_driver *sl_driver_at(size_t index,
                                     const struct sl_capability **capability);

/*
 * The driver of this name ("kv.redis"), or NULL.  Sets its capability, unless
 * that is NULL.
 */
const struct sl_driver *sl_driver_find(const char *name,
                                       const struct sl_capability **capability);

/* Whether it is the name of a driver that this build left out. */
bool sl_driver_is_left_out(const char *name);

/* The name of the driver that is nearest to word, or NULL when none is near. */
const char *sl_driver_nearest(const char *word);

#endif

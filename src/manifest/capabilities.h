/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every capability of this build: what the type of a [[resource]] may begin
 * with.
 */
#ifndef SL_MANIFEST_CAPABILITIES_H
#define SL_MANIFEST_CAPABILITIES_H

#include "service/service.h"

/* Ended by NULL. */
extern const struct sl_capability *const sl_capabilities[];

/* All drivers, counted from 0; NULL behind the last. */
const struct sl_driver *sl_driver_at(size_t index,
                                     const struct sl_capability **capability);

/*
 * The driver that the manifest calls by this name ("kv.redis") and its
 * capability, which is not asked for where capability is NULL; or NULL.
 */
const struct sl_driver *sl_driver_find(const char *name,
                                       const struct sl_capability **capability);

/* The name of a driver that is nearest to word, or NULL when none is near. */
const char *sl_driver_nearest(const char *word);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one instance of a component has open.
 *
 * A handle is a number: its low bits say where in the instance's table, the
 * rest how often that place was used before, so that a handle that was dropped
 * is never mistaken for the one that came after it.
 */
#ifndef SL_HOST_INSTANCE_H
#define SL_HOST_INSTANCE_H

#include "base/bytes.h"
#include "base/error.h"
#include "kv/kv.h"
#include "manifest/manifest.h"
#include "slight_bridge.h"

enum { SL_INSTANCE_HANDLES_MAX = 1024 };

/*
 * What the instances of a component share; borrowed by them.  stores[i] is the
 * store of manifest->resources[i].
 */
struct sl_grants {
    const struct sl_manifest *manifest;
    struct sl_service *const *stores;
};

/* The functions that the bridge calls; the context of new is a sl_grants. */
extern const struct sl_bridge_host sl_instance_functions;

/*
 * One thread at a time uses an instance.
 *
 * open: SL_PERMISSION_DENIED for what the manifest does not grant, SL_TOO_LARGE
 * with SL_INSTANCE_HANDLES_MAX handles open.
 */
void *sl_instance_new(void *grants);
void sl_instance_free(void *instance);
SL_MUST_CHECK enum sl_status sl_instance_open(void *instance,
                                              struct sl_bytes name,
                                              uint32_t *bucket,
                                              struct sl_error *err);
void sl_instance_drop(void *instance, uint32_t bucket);
/* The store behind a handle; NULL where it is not open. */
struct sl_service *sl_instance_store(void *instance, uint32_t bucket);

#endif

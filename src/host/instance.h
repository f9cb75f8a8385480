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
#include "host/object.h"
#include "manifest/manifest.h"
#include "service/service.h"

enum { SL_INSTANCE_HANDLES_MAX = 1024 };

/*
 * What the instances of a component share; borrowed by them.  services[i] is
 * what stands behind manifest->resources[i].
 */
struct sl_grants {
    const struct sl_manifest *manifest;
    const struct sl_manifest_component *component;
    struct sl_service *const *services;
    const struct sl_object_ops *const *ops; /* of each service */
    struct sl_host_instances *instances;    /* host.h; counted here */
    /* By the index of a resource, one per verb: its calls. */
    struct sl_metric *const *metrics;
};

/* One thread at a time uses an instance. */
void *sl_instance_new(void *grants);
/* Drops what is open. */
void sl_instance_free(void *instance);

/*
 * Open a resource of a capability ("kv").  SL_PERMISSION_DENIED for what the
 * manifest does not grant, SL_RESOURCE_EXHAUSTED with SL_INSTANCE_HANDLES_MAX
 * handles open.
 */
SL_MUST_CHECK enum sl_status
sl_instance_open(void *instance, const char *capability, struct sl_bytes name,
                 uint32_t *handle, struct sl_error *err);

/*
 * A handle for an object, which is the instance's from now on: after a failure
 * it was freed.  SL_RESOURCE_EXHAUSTED with SL_INSTANCE_HANDLES_MAX handles
 * open, or where the instance would hold more of the host's memory than the
 * manifest's host-memory.
 */
SL_MUST_CHECK enum sl_status sl_instance_add(void *instance,
                                             const struct sl_object *object,
                                             uint32_t *handle,
                                             struct sl_error *err);

/* What a handle stands for, until it is dropped or another one is added; NULL
 * where it is not open. */
struct sl_object *sl_instance_find(void *instance, uint32_t handle);

/* Where calls of a service that it has open are counted. */
struct sl_metric *sl_instance_metrics(void *instance,
                                      const struct sl_service *service);

/* Of which component it is; the same for all instances of one. */
const struct sl_manifest_component *sl_instance_component(void *instance);

/*
 * WASI holds so many bytes for the instance, and may come to hold `more` before
 * this is called again.  False where that is more than host-memory.
 */
SL_MUST_CHECK bool sl_instance_hold(void *instance, size_t bytes, size_t more);

/*
 * Whether a call may wait whose arguments, of so many bytes, are copied: they
 * count against host-memory beside what the instance holds; a call alone is not
 * refused where that is at most the half.
 */
SL_MUST_CHECK enum sl_status sl_instance_may_call(void *instance, size_t bytes,
                                                  struct sl_error *err);

/*
 * What the answers of a call may hold, which counts until the guest has taken
 * them.  As above, 0 (no limit) while the instance holds at most the half.
 */
size_t sl_instance_answers_max(void *instance);

/* Where bytes are counted that the component's calls and their answers hold. */
_Atomic uint64_t *sl_instance_held(void *instance);

void sl_instance_drop(void *instance, uint32_t handle);

#endif

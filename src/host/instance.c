/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles and grants: what a call of the guest goes to.
 *
 * An instance may live for one request only, so a new one allocates nothing but
 * itself; its table grows with what it opens.
 */
#include "host/instance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "host/instances.h"

enum {
    INDEX_BITS = 10,
    INDEX_MASK = (1 << INDEX_BITS) - 1,
    FIRST_CAPACITY = 4,
    NO_SLOT = UINT16_MAX
};

_Static_assert(SL_INSTANCE_HANDLES_MAX == 1 << INDEX_BITS,
               "a handle's index has room for every slot and no more");

struct slot {
    struct sl_object object;
    uint32_t uses; /* before this one */
    uint16_t next_free;
};

struct instance {
    const struct sl_grants *grants;
    struct slot *slots;
    uint32_t count; /* of slots that were ever used */
    uint32_t capacity;
    uint16_t first_free;
    size_t own;     /* bytes that its handles hold */
    size_t of_wasi; /* bytes, when WASI was last asked */
    size_t coming;  /* that it may hold since then */
};

/* What a handle of slight costs, beside what is received with it: an object of
 * its kind, its place in the table. */
enum { HANDLE_BYTES = 512 };

static void free_object(struct sl_object *object)
{
    if (object->ops != NULL && object->ops->free != NULL)
        object->ops->free(object);
    object->ops = NULL;
}

static void set_held(struct instance *instance, size_t own, size_t of_wasi)
{
    _Atomic uint64_t *held = &instance->grants->instances->held;

    atomic_fetch_add_explicit(held,
                              own + of_wasi - instance->own - instance->of_wasi,
                              memory_order_relaxed);
    instance->own = own;
    instance->of_wasi = of_wasi;
}

/* Whether it may hold as much, by handles and WASI together. */
static bool may_hold(struct instance *instance, size_t own, size_t of_wasi)
{
    size_t most = (size_t)instance->grants->component->host_memory;

    if (own <= most && of_wasi <= most - own)
        return true;
    sl_count(&instance->grants->instances->refused);
    return false;
}

bool sl_instance_hold(void *pointer, size_t bytes, size_t more)
{
    struct instance *instance = pointer;

    set_held(instance, instance->own, bytes);
    instance->coming = more;
    return may_hold(instance, instance->own, bytes + more);
}

void *sl_instance_new(void *grants)
{
    struct instance *instance = sl_alloc(sizeof(*instance));

    instance->grants = grants;
    sl_count(&instance->grants->instances->begun);
    instance->first_free = NO_SLOT;
    return instance;
}

void sl_instance_free(void *pointer)
{
    struct instance *instance = pointer;

    sl_count(&instance->grants->instances->ended);
    for (uint32_t i = 0; i < instance->count; i++)
        free_object(&instance->slots[i].object);
    set_held(instance, 0, 0);
    free(instance->slots);
    free(instance);
}

/* A guest's name is anything; only what could be a name is repeated. */
static enum sl_status not_granted(const struct sl_grants *grants,
                                  struct sl_bytes name, struct sl_error *err)
{
    const struct sl_manifest *manifest = grants->manifest;
    const char *component = grants->component->name;
    int len = (int)name.len;
    const char *text = (const char *)name.ptr;

    if (!sl_manifest_is_name(name))
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "component \"%s\" is not granted the resource that it "
                       "opens, whose name no manifest could have: a name is 1 "
                       "to %d letters, digits, \".\", \"_\" and \"-\"",
                       component, SL_MANIFEST_NAME_MAX);
    if (manifest->path == NULL)
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "component \"%s\" is not granted \"%.*s\": without a "
                       "slightfile.toml there is only \"default\"; write one "
                       "with [[resource]] name = \"%.*s\"",
                       component, len, text, len, text);
    if (sl_manifest_resource(manifest, name) != NULL)
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "component \"%s\" is not granted \"%.*s\"; add it to "
                       "the component's resources in %s",
                       component, len, text, manifest->path);
    return sl_fail(err, SL_PERMISSION_DENIED,
                   "component \"%s\" is not granted \"%.*s\"; add "
                   "[[resource]] name = \"%.*s\" to %s",
                   component, len, text, len, text, manifest->path);
}

/* The index of a free slot, or NO_SLOT where all are taken. */
static uint16_t take_slot(struct instance *instance)
{
    uint16_t index = instance->first_free;

    if (index != NO_SLOT) {
        instance->first_free = instance->slots[index].next_free;
        return index;
    }
    if (instance->count == SL_INSTANCE_HANDLES_MAX)
        return NO_SLOT;
    if (instance->count == instance->capacity) {
        instance->capacity =
            instance->capacity > 0 ? 2 * instance->capacity : FIRST_CAPACITY;
        instance->slots = sl_realloc(
            instance->slots, instance->capacity * sizeof(*instance->slots));
    }
    instance->slots[instance->count] = (struct slot){0};
    return (uint16_t)instance->count++;
}

static enum sl_status no_memory(const struct instance *instance, size_t bytes,
                                struct sl_error *err)
{
    const struct sl_manifest_component *component = instance->grants->component;

    return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                   "component \"%s\" holds %zu bytes of the host's memory, and "
                   "with %zu more has passed its %" PRId64
                   "; drop what it has received, receive less at a time, or "
                   "raise host-memory in the manifest",
                   component->name, instance->own + instance->of_wasi, bytes,
                   component->host_memory);
}

enum sl_status sl_instance_may_call(void *pointer, size_t bytes,
                                    struct sl_error *err)
{
    struct instance *instance = pointer;
    size_t most = (size_t)instance->grants->component->host_memory;
    size_t holds = instance->own + instance->of_wasi + instance->coming;

    if (holds <= most / 2 || bytes <= most - (holds < most ? holds : most))
        return SL_OK;
    sl_count(&instance->grants->instances->refused);
    return no_memory(instance, bytes, err);
}

size_t sl_instance_answers_max(void *pointer)
{
    struct instance *instance = pointer;
    size_t most = (size_t)instance->grants->component->host_memory;
    size_t holds = instance->own + instance->of_wasi + instance->coming;

    if (holds <= most / 2)
        return 0;
    return holds < most ? most - holds : 1;
}

_Atomic uint64_t *sl_instance_held(void *pointer)
{
    struct instance *instance = pointer;

    return &instance->grants->instances->held;
}

static enum sl_status too_many_handles(const struct instance *instance,
                                       struct sl_error *err)
{
    return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                   "component \"%s\" has %d resources open, the most "
                   "that may be; drop some, or open one once and keep it",
                   instance->grants->component->name, SL_INSTANCE_HANDLES_MAX);
}

static enum sl_status add_object(struct instance *instance,
                                 const struct sl_object *object,
                                 uint32_t *handle, struct sl_error *err)
{
    size_t own = instance->own + HANDLE_BYTES + object->bytes;

    if (!may_hold(instance, own, instance->of_wasi + instance->coming))
        return no_memory(instance, object->bytes, err);
    uint16_t index = take_slot(instance);
    if (index == NO_SLOT)
        return too_many_handles(instance, err);
    struct slot *slot = &instance->slots[index];
    slot->object = *object;
    set_held(instance, own, instance->of_wasi);
    *handle = slot->uses << INDEX_BITS | index;
    return SL_OK;
}

enum sl_status sl_instance_add(void *instance, const struct sl_object *object,
                               uint32_t *handle, struct sl_error *err)
{
    enum sl_status status = add_object(instance, object, handle, err);

    if (status != SL_OK && object->ops->free != NULL)
        object->ops->free(object);
    return status;
}

/* It is there, and something else. */
static enum sl_status not_of(const struct sl_grants *grants,
                             const struct sl_manifest_resource *resource,
                             const char *capability, struct sl_error *err)
{
    return sl_fail(err, SL_PERMISSION_DENIED,
                   "component \"%s\" opens \"%s\" as a resource of %s, "
                   "and %s:%u says that it is of type \"%s\"",
                   grants->component->name, resource->name, capability,
                   grants->manifest->path != NULL ? grants->manifest->path
                                                  : "the default",
                   resource->place.line, sl_driver_info(resource->driver).name);
}

enum sl_status sl_instance_open(void *pointer, const char *capability,
                                struct sl_bytes name, uint32_t *handle,
                                struct sl_error *err)
{
    struct instance *instance = pointer;
    const struct sl_manifest *manifest = instance->grants->manifest;
    const struct sl_manifest_resource *resource =
        sl_manifest_resource(manifest, name);

    if (resource == NULL ||
        !sl_manifest_grants(manifest, instance->grants->component, resource))
        return not_granted(instance->grants, name, err);
    if (strcmp(sl_capability_info(resource->capability).name, capability) != 0)
        return not_of(instance->grants, resource, capability, err);
    size_t index = (size_t)(resource - manifest->resources);
    const struct sl_object object = {
        .ops = instance->grants->ops[index],
        .service = instance->grants->services[index],
    };
    return sl_instance_add(instance, &object, handle, err);
}

static struct slot *find_slot(struct instance *instance, uint32_t handle)
{
    uint32_t index = handle & INDEX_MASK;

    if (index >= instance->count)
        return NULL;
    struct slot *slot = &instance->slots[index];
    if (slot->object.ops == NULL ||
        slot->uses << INDEX_BITS != (handle & ~(uint32_t)INDEX_MASK))
        return NULL;
    return slot;
}

struct sl_object *sl_instance_find(void *pointer, uint32_t handle)
{
    struct slot *slot = find_slot(pointer, handle);

    return slot != NULL ? &slot->object : NULL;
}

struct sl_metric *sl_instance_metrics(void *pointer,
                                      const struct sl_service *service)
{
    const struct sl_grants *grants = ((struct instance *)pointer)->grants;
    size_t i = 0;

    while (grants->services[i] != service)
        i++;
    return grants->metrics[i];
}

const struct sl_manifest_component *sl_instance_component(void *pointer)
{
    const struct sl_grants *grants = ((struct instance *)pointer)->grants;

    return grants->component;
}

void sl_instance_drop(void *pointer, uint32_t handle)
{
    struct instance *instance = pointer;
    struct slot *slot = find_slot(instance, handle);

    if (slot != NULL) {
        set_held(instance, instance->own - HANDLE_BYTES - slot->object.bytes,
                 instance->of_wasi);
        free_object(&slot->object);
        slot->uses++;
        slot->next_free = instance->first_free;
        instance->first_free = (uint16_t)(handle & INDEX_MASK);
    }
}

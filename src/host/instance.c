/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles and grants: which store a call of the guest goes to.
 *
 * An instance may live for one request only, so a new one allocates nothing but
 * itself; its table grows with what it opens.
 */
#include "host/instance.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/border.h"

enum {
    INDEX_BITS = 10,
    INDEX_MASK = (1 << INDEX_BITS) - 1,
    FIRST_CAPACITY = 4,
    NO_SLOT = UINT16_MAX
};

_Static_assert(SL_INSTANCE_HANDLES_MAX == 1 << INDEX_BITS,
               "a handle's index has room for every slot and no more");

struct slot {
    struct sl_service *store; /* NULL: free */
    uint32_t uses;            /* before this one */
    uint16_t next_free;
};

struct instance {
    const struct sl_grants *grants;
    struct slot *slots;
    uint32_t count; /* of slots that were ever used */
    uint32_t capacity;
    uint16_t first_free;
};

void *sl_instance_new(void *grants)
{
    struct instance *instance = sl_alloc(sizeof(*instance));

    instance->grants = grants;
    instance->first_free = NO_SLOT;
    return instance;
}

void sl_instance_free(void *pointer)
{
    struct instance *instance = pointer;

    free(instance->slots);
    free(instance);
}

/* A guest's name is anything; only what could be a name is repeated. */
static enum sl_status not_granted(const struct sl_manifest *manifest,
                                  struct sl_bytes name, struct sl_error *err)
{
    if (!sl_manifest_is_name(name))
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "component \"%s\" is not granted the resource that it "
                       "opens, whose name no manifest could have: a name is 1 "
                       "to %d letters, digits, \".\", \"_\" and \"-\"",
                       manifest->name, SL_MANIFEST_NAME_MAX);
    if (manifest->path == NULL)
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "component \"%s\" is not granted \"%.*s\": without a "
                       "slightfile.toml there is only \"default\"; write one "
                       "with [[resource]] name = \"%.*s\"",
                       manifest->name, (int)name.len, (const char *)name.ptr,
                       (int)name.len, (const char *)name.ptr);
    return sl_fail(err, SL_PERMISSION_DENIED,
                   "component \"%s\" is not granted \"%.*s\"; add "
                   "[[resource]] name = \"%.*s\" to %s",
                   manifest->name, (int)name.len, (const char *)name.ptr,
                   (int)name.len, (const char *)name.ptr, manifest->path);
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

enum sl_status sl_instance_open(void *pointer, struct sl_bytes name,
                                uint32_t *bucket, struct sl_error *err)
{
    struct instance *instance = pointer;
    const struct sl_manifest *manifest = instance->grants->manifest;
    const struct sl_manifest_resource *resource =
        sl_manifest_resource(manifest, name);

    if (resource == NULL)
        return not_granted(manifest, name, err);

    uint16_t index = take_slot(instance);
    if (index == NO_SLOT)
        return sl_fail(err, SL_TOO_LARGE,
                       "component \"%s\" has %d buckets open, the most that "
                       "may be; drop some, or open one once and keep it",
                       manifest->name, SL_INSTANCE_HANDLES_MAX);

    struct slot *slot = &instance->slots[index];
    slot->store = instance->grants->stores[resource - manifest->resources];
    *bucket = slot->uses << INDEX_BITS | index;
    return SL_OK;
}

static struct slot *find_slot(struct instance *instance, uint32_t bucket)
{
    uint32_t index = bucket & INDEX_MASK;

    if (index >= instance->count)
        return NULL;
    struct slot *slot = &instance->slots[index];
    if (slot->store == NULL ||
        slot->uses << INDEX_BITS != (bucket & ~(uint32_t)INDEX_MASK))
        return NULL;
    return slot;
}

struct sl_service *sl_instance_store(void *pointer, uint32_t bucket)
{
    struct instance *instance = pointer;

    struct slot *slot = find_slot(instance, bucket);
    return slot != NULL ? slot->store : NULL;
}

void sl_instance_drop(void *pointer, uint32_t bucket)
{
    struct instance *instance = pointer;

    struct slot *slot = find_slot(instance, bucket);
    if (slot != NULL) {
        slot->store = NULL;
        slot->uses++;
        slot->next_free = instance->first_free;
        instance->first_free = (uint16_t)(bucket & INDEX_MASK);
    }
}

/* --- What the bridge calls --- */

static void *border_new(void *context)
{
    sl_border_enter();
    void *instance = sl_instance_new(context);
    sl_border_leave();
    return instance;
}

static void border_free(void *instance)
{
    sl_border_enter();
    sl_instance_free(instance);
    sl_border_leave();
}

static enum sl_status border_open(void *instance, struct sl_bytes name,
                                  uint32_t *bucket, struct sl_error *err)
{
    sl_border_enter();
    enum sl_status status = sl_instance_open(instance, name, bucket, err);
    sl_border_leave();
    return status;
}

static void border_drop(void *instance, uint32_t bucket)
{
    sl_border_enter();
    sl_instance_drop(instance, bucket);
    sl_border_leave();
}

static void wake(void *waker)
{
    sl_border_leave();
    sl_bridge_waker_wake(waker);
}

static bool not_open(size_t count, struct sl_kv_answer *answers)
{
    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(&answers[i]);
        sl_fail(&answers[i].err, SL_INVALID_ARGUMENT,
                "the bucket is not open any more");
    }
    return true;
}

static bool border_call(void *instance, uint32_t bucket,
                        const struct sl_kv_request *requests, size_t count,
                        struct sl_kv_answer *answers,
                        struct sl_bridge_wait *wait, struct sl_call **call)
{
    sl_border_enter();
    struct sl_service *store = sl_instance_store(instance, bucket);
    bool answered = store == NULL
                        ? not_open(count, answers)
                        : sl_service_try(store, requests, count, answers);
    if (!answered)
        sl_service_submit(store, NULL, requests, count, wake,
                          sl_bridge_waker_take(wait), call);
    sl_border_leave();
    return answered;
}

static void border_collect(struct sl_call *call, struct sl_kv_answer *answers)
{
    sl_border_enter();
    sl_call_collect(call, answers);
    sl_border_leave();
}

static void border_release(struct sl_call *call)
{
    sl_border_enter();
    sl_call_release(call);
    sl_border_leave();
}

const struct sl_bridge_host sl_instance_functions = {
    .instance_new = border_new,
    .instance_free = border_free,
    .kv =
        {
            .open = border_open,
            .drop = border_drop,
            .call = border_call,
            .collect = border_collect,
            .release = border_release,
        },
};

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
#include "host/tsan.h"

enum {
    INDEX_BITS = 10,
    INDEX_MASK = (1 << INDEX_BITS) - 1,
    FIRST_CAPACITY = 4,
    NO_SLOT = UINT16_MAX
};

_Static_assert(SL_INSTANCE_HANDLES_MAX == 1 << INDEX_BITS,
               "a handle's index has room for every slot and no more");

struct slot {
    struct sl_kv *store; /* NULL: free */
    uint32_t uses;       /* before this one */
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
    sl_tsan_release(instance);
    return instance;
}

void sl_instance_free(void *pointer)
{
    struct instance *instance = pointer;

    sl_tsan_acquire(instance);
    free(instance->slots);
    free(instance);
}

/* A guest's name is anything; only what could be a name is repeated. */
static enum sl_status not_granted(const struct sl_manifest *manifest,
                                  struct sl_bytes name, struct sl_error *err)
{
    bool printable = name.len > 0 && name.len <= SL_MANIFEST_NAME_MAX;

    for (size_t i = 0; printable && i < name.len; i++)
        printable = name.ptr[i] > ' ' && name.ptr[i] < 0x7f;
    if (!printable)
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

    sl_tsan_acquire(instance);
    uint16_t index = take_slot(instance);
    if (index == NO_SLOT)
        return sl_fail(err, SL_TOO_LARGE,
                       "component \"%s\" has %d buckets open, the most that "
                       "may be; drop some, or open one once and keep it",
                       manifest->name, SL_INSTANCE_HANDLES_MAX);

    struct slot *slot = &instance->slots[index];
    slot->store = instance->grants->stores[resource - manifest->resources];
    *bucket = slot->uses << INDEX_BITS | index;
    sl_tsan_release(instance);
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

struct sl_kv *sl_instance_store(void *pointer, uint32_t bucket)
{
    struct instance *instance = pointer;

    sl_tsan_acquire(instance);
    struct slot *slot = find_slot(instance, bucket);
    struct sl_kv *store = slot != NULL ? slot->store : NULL;
    sl_tsan_release(instance);
    return store;
}

void sl_instance_drop(void *pointer, uint32_t bucket)
{
    struct instance *instance = pointer;

    sl_tsan_acquire(instance);
    struct slot *slot = find_slot(instance, bucket);
    if (slot != NULL) {
        slot->store = NULL;
        slot->uses++;
        slot->next_free = instance->first_free;
        instance->first_free = (uint16_t)(bucket & INDEX_MASK);
    }
    sl_tsan_release(instance);
}

static void wake(void *waker)
{
    sl_bridge_waker_wake(waker);
}

static bool kv_call(void *instance, uint32_t bucket,
                    const struct sl_kv_request *requests, size_t count,
                    struct sl_kv_answer *answers, struct sl_bridge_wait *wait,
                    struct sl_kv_call **call)
{
    struct sl_kv *store = sl_instance_store(instance, bucket);

    if (store == NULL) {
        for (size_t i = 0; i < count; i++) {
            sl_kv_answer_init(&answers[i]);
            sl_fail(&answers[i].err, SL_INVALID_ARGUMENT,
                    "the bucket is not open any more");
        }
        return true;
    }
    if (sl_kv_try(store, requests, count, answers))
        return true;
    sl_kv_submit(store, requests, count, wake, sl_bridge_waker_take(wait),
                 call);
    return false;
}

const struct sl_bridge_host sl_instance_functions = {
    .instance_new = sl_instance_new,
    .instance_free = sl_instance_free,
    .kv =
        {
            .open = sl_instance_open,
            .drop = sl_instance_drop,
            .call = kv_call,
            .collect = sl_kv_call_collect,
            .release = sl_kv_call_release,
        },
};

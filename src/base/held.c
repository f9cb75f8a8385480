/* SPDX-License-Identifier: Apache-2.0 */
#include "base/held.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

/*
 * Between a sl_held and what it holds.  The bridge may release it on another
 * thread, and no sanitizer sees how Rust hands it over: owner, which is stored
 * last and loaded first, tells of the others.
 */
struct counted {
    void (*release)(void *owner);
    size_t bytes;
    _Atomic uint64_t *counter;
    void *_Atomic owner;
};

static void release_counted(void *pointer)
{
    struct counted *counted = pointer;
    void *owner = atomic_load_explicit(&counted->owner, memory_order_acquire);

    counted->release(owner);
    atomic_fetch_sub_explicit(counted->counter, counted->bytes,
                              memory_order_relaxed);
    free(counted);
}

void sl_held_count(struct sl_held *held, size_t bytes,
                   _Atomic uint64_t *counter)
{
    if (held->release == NULL)
        return;
    struct counted *counted = sl_alloc(sizeof(*counted));
    counted->release = held->release;
    counted->bytes = bytes;
    counted->counter = counter;
    atomic_store_explicit(&counted->owner, held->owner, memory_order_release);
    atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed);
    held->owner = counted;
    held->release = release_counted;
}

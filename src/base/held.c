/* SPDX-License-Identifier: Apache-2.0 */
#include "base/held.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Between a sl_held and what it holds. */
struct counted {
    void *owner;
    void (*release)(void *owner);
    size_t bytes;
    _Atomic uint64_t *counter;
};

static void release_counted(void *pointer)
{
    struct counted *counted = pointer;

    counted->release(counted->owner);
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
    *counted = (struct counted){held->owner, held->release, bytes, counter};
    atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed);
    held->owner = counted;
    held->release = release_counted;
}

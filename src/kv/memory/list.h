/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kv.memory keeps: a skip list in the order of the keys (Pugh, 1990), so
 * that pages of keys are a walk from the last one.  Values are counted by
 * reference.  Whoever calls has the lock.
 */
#ifndef SL_KV_MEMORY_LIST_H
#define SL_KV_MEMORY_LIST_H

#include <pthread.h>
#include <stdatomic.h>

#include "kv/driver.h"

enum { SL_KV_MEMORY_LEVELS = 20 };

struct sl_kv_memory_blob {
    _Atomic unsigned owners;
    size_t len;
    uint8_t bytes[];
};

struct sl_kv_memory_node {
    struct sl_kv_memory_blob *value;
    uint64_t version;
    sl_deadline expires;
    size_t key_len;
    uint8_t *key; /* behind next */
    unsigned height;
    struct sl_kv_memory_node *next[];
};

struct sl_kv_memory_store {
    size_t max_bytes; /* of keys and values together */
    pthread_rwlock_t lock;
    struct sl_kv_memory_node *first[SL_KV_MEMORY_LEVELS];
    size_t bytes;
    uint64_t last_version;
    sl_deadline next_sweep;
    /* Where the sweep goes on: a key that may be gone by then. */
    uint8_t swept[SL_KV_KEY_MAX];
    size_t swept_len;
};

/* NULL: no memory. */
struct sl_kv_memory_blob *sl_kv_memory_blob_new(struct sl_bytes bytes);
void sl_kv_memory_blob_unref(void *blob);

/*
 * The first node whose key is not less than key.  If before is not NULL, it
 * gets the place that points to that node, or would, on every level.
 */
struct sl_kv_memory_node *
sl_kv_memory_seek(struct sl_kv_memory_store *store, struct sl_bytes key,
                  struct sl_kv_memory_node **before[SL_KV_MEMORY_LEVELS]);
/* The node of key, if it has not expired. */
struct sl_kv_memory_node *sl_kv_memory_find(struct sl_kv_memory_store *store,
                                            struct sl_bytes key);
bool sl_kv_memory_is_alive(const struct sl_kv_memory_node *node);

/* The blob is the list's from then on. */
void sl_kv_memory_put(struct sl_kv_memory_store *store, struct sl_bytes key,
                      struct sl_kv_memory_blob *value, sl_deadline expires);
void sl_kv_memory_remove(struct sl_kv_memory_store *store,
                         struct sl_kv_memory_node *node);
void sl_kv_memory_free_all(struct sl_kv_memory_store *store);

/* What an entry counts in store->bytes. */
size_t sl_kv_memory_cost(size_t key_len, size_t value_len);
/* Whether more bytes fit, if need be without what has expired. */
SL_MUST_CHECK enum sl_status
sl_kv_memory_make_room(struct sl_kv_memory_store *store, size_t more,
                       struct sl_error *err);
/* Nothing waits in this driver, so what writes sweeps: a little, now and then.
 */
void sl_kv_memory_sweep(struct sl_kv_memory_store *store);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/memory/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SWEEP_NODES = 1000, SWEEP_EVERY_MS = 1000 };

/* --- Blobs -------------------------------------------------------------- */

struct sl_kv_memory_blob *sl_kv_memory_blob_new(struct sl_bytes bytes)
{
    struct sl_kv_memory_blob *blob = malloc(sizeof(*blob) + bytes.len);

    if (blob == NULL)
        return NULL;
    atomic_init(&blob->owners, 1);
    blob->len = bytes.len;
    if (bytes.len > 0)
        memcpy(blob->bytes, bytes.ptr, bytes.len);
    return blob;
}

void sl_kv_memory_blob_unref(void *owner)
{
    struct sl_kv_memory_blob *blob = owner;

    if (atomic_fetch_sub(&blob->owners, 1) == 1)
        free(blob);
}

/* --- The list ----------------------------------------------------------- */

static int compare_key(const struct sl_kv_memory_node *node,
                       struct sl_bytes key)
{
    size_t common = node->key_len < key.len ? node->key_len : key.len;
    int order = common == 0 ? 0 : memcmp(node->key, key.ptr, common);

    if (order != 0)
        return order;
    return (node->key_len > key.len) - (node->key_len < key.len);
}

struct sl_kv_memory_node *
sl_kv_memory_seek(struct sl_kv_memory_store *store, struct sl_bytes key,
                  struct sl_kv_memory_node **before[SL_KV_MEMORY_LEVELS])
{
    struct sl_kv_memory_node **row = store->first;

    for (unsigned level = SL_KV_MEMORY_LEVELS; level-- > 0;) {
        while (row[level] != NULL && compare_key(row[level], key) < 0)
            row = row[level]->next;
        if (before != NULL)
            before[level] = &row[level];
    }
    return row[0];
}

bool sl_kv_memory_is_alive(const struct sl_kv_memory_node *node)
{
    return !sl_deadline_passed(node->expires);
}

struct sl_kv_memory_node *sl_kv_memory_find(struct sl_kv_memory_store *store,
                                            struct sl_bytes key)
{
    struct sl_kv_memory_node *node = sl_kv_memory_seek(store, key, NULL);

    if (node == NULL || compare_key(node, key) != 0 ||
        !sl_kv_memory_is_alive(node))
        return NULL;
    return node;
}

size_t sl_kv_memory_cost(size_t key_len, size_t value_len)
{
    return sizeof(struct sl_kv_memory_node) + sizeof(struct sl_kv_memory_blob) +
           key_len + value_len;
}

/* Half of the nodes are one level high, a quarter two, and so on. */
static unsigned random_height(void)
{
    unsigned height = 1 + (unsigned)__builtin_ctz(arc4random() | 1U << 31);

    return height < SL_KV_MEMORY_LEVELS ? height : SL_KV_MEMORY_LEVELS;
}

static struct sl_kv_memory_node *node_new(struct sl_bytes key)
{
    unsigned height = random_height();
    size_t links = height * sizeof(struct sl_kv_memory_node *);
    struct sl_kv_memory_node *node = sl_alloc(sizeof(*node) + links + key.len);

    node->height = height;
    node->key_len = key.len;
    node->key = (uint8_t *)node->next + links;
    memcpy(node->key, key.ptr, key.len);
    return node;
}

static void node_free(struct sl_kv_memory_store *store,
                      struct sl_kv_memory_node *node)
{
    store->bytes -= sl_kv_memory_cost(node->key_len, node->value->len);
    sl_kv_memory_blob_unref(node->value);
    free(node);
}

void sl_kv_memory_remove(struct sl_kv_memory_store *store,
                         struct sl_kv_memory_node *node)
{
    struct sl_kv_memory_node **before[SL_KV_MEMORY_LEVELS];

    sl_kv_memory_seek(store, SL_BYTES(node->key, node->key_len), before);
    for (unsigned level = 0; level < node->height; level++)
        *before[level] = node->next[level];
    node_free(store, node);
}

void sl_kv_memory_put(struct sl_kv_memory_store *store, struct sl_bytes key,
                      struct sl_kv_memory_blob *value, sl_deadline expires)
{
    struct sl_kv_memory_node **before[SL_KV_MEMORY_LEVELS];
    struct sl_kv_memory_node *node = sl_kv_memory_seek(store, key, before);

    if (node != NULL && compare_key(node, key) == 0) {
        store->bytes -= node->value->len;
        store->bytes += value->len;
        sl_kv_memory_blob_unref(node->value);
    } else {
        node = node_new(key);
        store->bytes += sl_kv_memory_cost(key.len, value->len);
        for (unsigned level = 0; level < node->height; level++) {
            node->next[level] = *before[level];
            *before[level] = node;
        }
    }
    node->value = value;
    node->expires = expires;
    node->version = ++store->last_version;
}

void sl_kv_memory_free_all(struct sl_kv_memory_store *store)
{
    struct sl_kv_memory_node *node = store->first[0];

    while (node != NULL) {
        struct sl_kv_memory_node *next = node->next[0];
        node_free(store, node);
        node = next;
    }
}

/* --- Expiry ------------------------------------------------------------- */

/* Remove what has expired among the next nodes; true at the end of the list. */
static bool sweep_some(struct sl_kv_memory_store *store)
{
    struct sl_kv_memory_node *node = sl_kv_memory_seek(
        store, SL_BYTES(store->swept, store->swept_len), NULL);

    for (int i = 0; node != NULL && i < SWEEP_NODES; i++) {
        struct sl_kv_memory_node *next = node->next[0];
        memcpy(store->swept, node->key, node->key_len);
        store->swept_len = node->key_len;
        if (!sl_kv_memory_is_alive(node))
            sl_kv_memory_remove(store, node);
        node = next;
    }
    if (node == NULL)
        store->swept_len = 0;
    return node == NULL;
}

void sl_kv_memory_sweep(struct sl_kv_memory_store *store)
{
    if (!sl_deadline_passed(store->next_sweep))
        return;
    store->next_sweep = sl_deadline_in_ms(SWEEP_EVERY_MS);
    sweep_some(store);
}

enum sl_status sl_kv_memory_make_room(struct sl_kv_memory_store *store,
                                      size_t more, struct sl_error *err)
{
    size_t max = store->max_bytes;

    if (more <= max && store->bytes <= max - more)
        return SL_OK;
    store->swept_len = 0;
    while (!sweep_some(store))
        continue;
    if (more <= max && store->bytes <= max - more)
        return SL_OK;
    return sl_fail(
        err, SL_RESOURCE_EXHAUSTED,
        "kv.memory is full: it holds %zu bytes, and max-bytes allows "
        "%zu; delete keys, or raise it",
        store->bytes, max);
}

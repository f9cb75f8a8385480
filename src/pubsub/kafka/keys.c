/* SPDX-License-Identifier: Apache-2.0 */
#include "pubsub/kafka/keys.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { BUCKETS_FIRST = 64 };

static size_t hash_key(struct sl_bytes key)
{
    uint64_t value = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < key.len; i++)
        value = (value ^ key.ptr[i]) * UINT64_C(1099511628211);
    return (size_t)(value ^ value >> 32);
}

static struct sl_pubsub_kafka_keyed **
key_bucket_of(const struct sl_pubsub_kafka_keys *keys, struct sl_bytes key)
{
    return &keys->buckets[hash_key(key) & (keys->bucket_count - 1)];
}

static void put_first(const struct sl_pubsub_kafka_keys *keys,
                      struct sl_pubsub_kafka_keyed *first)
{
    struct sl_pubsub_kafka_keyed **bucket = key_bucket_of(keys, first->key);

    first->next_in_bucket = *bucket;
    *bucket = first;
}

static void grow_buckets(struct sl_pubsub_kafka_keys *keys)
{
    struct sl_pubsub_kafka_keyed **old = keys->buckets;
    size_t count = keys->bucket_count;

    keys->bucket_count *= 2;
    keys->buckets = sl_alloc_array(keys->bucket_count, sizeof(*old));
    for (size_t i = 0; i < count; i++)
        for (struct sl_pubsub_kafka_keyed *first = old[i], *next; first != NULL;
             first = next) {
            next = first->next_in_bucket;
            put_first(keys, first);
        }
    free(old);
}

/* The link to the first of this key's queue; *link is NULL if it is empty. */
static struct sl_pubsub_kafka_keyed **
find_queue(const struct sl_pubsub_kafka_keys *keys, struct sl_bytes key)
{
    struct sl_pubsub_kafka_keyed **link = key_bucket_of(keys, key);

    while (*link != NULL && !sl_bytes_equal((*link)->key, key))
        link = &(*link)->next_in_bucket;
    return link;
}

void sl_pubsub_kafka_keys_init(struct sl_pubsub_kafka_keys *keys)
{
    *keys = (struct sl_pubsub_kafka_keys){.bucket_count = BUCKETS_FIRST};
    keys->buckets = sl_alloc_array(BUCKETS_FIRST, sizeof(*keys->buckets));
}

void sl_pubsub_kafka_keys_done(struct sl_pubsub_kafka_keys *keys)
{
    free(keys->buckets);
}

bool sl_pubsub_kafka_keys_add(struct sl_pubsub_kafka_keys *keys,
                              struct sl_pubsub_kafka_keyed *keyed)
{
    if (keyed->key.ptr == NULL)
        return false;
    if (keys->count > keys->bucket_count)
        grow_buckets(keys);
    struct sl_pubsub_kafka_keyed *first = *find_queue(keys, keyed->key);
    keyed->next = NULL;
    if (first == NULL) {
        keyed->last = keyed;
        put_first(keys, keyed);
        keys->count++;
        return false;
    }
    first->last->next = keyed;
    first->last = keyed;
    return true;
}

/* Remove one that is not the first. */
static void unlink_later(struct sl_pubsub_kafka_keyed *first,
                         const struct sl_pubsub_kafka_keyed *keyed)
{
    struct sl_pubsub_kafka_keyed *before = first;

    while (before->next != NULL && before->next != keyed)
        before = before->next;
    before->next = keyed->next;
    if (first->last == keyed)
        first->last = before;
}

struct sl_pubsub_kafka_keyed *
sl_pubsub_kafka_keys_remove(struct sl_pubsub_kafka_keys *keys,
                            struct sl_pubsub_kafka_keyed *keyed)
{
    if (keyed->key.ptr == NULL)
        return NULL;
    struct sl_pubsub_kafka_keyed **link = find_queue(keys, keyed->key);
    struct sl_pubsub_kafka_keyed *first = *link;
    if (first == NULL)
        return NULL;
    if (first != keyed) {
        unlink_later(first, keyed);
        return NULL;
    }
    struct sl_pubsub_kafka_keyed *next = keyed->next;
    if (next != NULL) {
        next->next_in_bucket = keyed->next_in_bucket;
        next->last = keyed->last;
        *link = next;
    } else {
        *link = keyed->next_in_bucket;
        keys->count--;
    }
    keyed->next = NULL;
    return next;
}

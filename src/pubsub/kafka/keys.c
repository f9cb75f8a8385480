/* SPDX-License-Identifier: Apache-2.0 */
#include "pubsub/kafka/keys.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { BUCKETS_FIRST = 64 };

static size_t hash(struct sl_bytes key)
{
    uint64_t value = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < key.len; i++)
        value = (value ^ key.ptr[i]) * UINT64_C(1099511628211);
    return (size_t)(value ^ value >> 32);
}

static struct sl_kafka_keyed **bucket_of(const struct sl_kafka_keys *keys,
                                         struct sl_bytes key)
{
    return &keys->buckets[hash(key) & (keys->bucket_count - 1)];
}

static void put(const struct sl_kafka_keys *keys, struct sl_kafka_keyed *first)
{
    struct sl_kafka_keyed **bucket = bucket_of(keys, first->key);

    first->next_in_bucket = *bucket;
    *bucket = first;
}

static void grow(struct sl_kafka_keys *keys)
{
    struct sl_kafka_keyed **old = keys->buckets;
    size_t count = keys->bucket_count;

    keys->bucket_count *= 2;
    keys->buckets = sl_alloc_array(keys->bucket_count, sizeof(*old));
    for (size_t i = 0; i < count; i++)
        for (struct sl_kafka_keyed *first = old[i], *next; first != NULL;
             first = next) {
            next = first->next_in_bucket;
            put(keys, first);
        }
    free(old);
}

/* Where the first one of this key stands; *it is NULL where there is none. */
static struct sl_kafka_keyed **find(const struct sl_kafka_keys *keys,
                                    struct sl_bytes key)
{
    struct sl_kafka_keyed **place = bucket_of(keys, key);

    while (*place != NULL && !sl_bytes_equal((*place)->key, key))
        place = &(*place)->next_in_bucket;
    return place;
}

void sl_kafka_keys_init(struct sl_kafka_keys *keys)
{
    *keys = (struct sl_kafka_keys){.bucket_count = BUCKETS_FIRST};
    keys->buckets = sl_alloc_array(BUCKETS_FIRST, sizeof(*keys->buckets));
}

void sl_kafka_keys_done(struct sl_kafka_keys *keys)
{
    free(keys->buckets);
}

bool sl_kafka_keys_add(struct sl_kafka_keys *keys, struct sl_kafka_keyed *keyed)
{
    if (keyed->key.ptr == NULL)
        return false;
    if (keys->count > keys->bucket_count)
        grow(keys);
    struct sl_kafka_keyed *first = *find(keys, keyed->key);
    keyed->next = NULL;
    if (first == NULL) {
        keyed->last = keyed;
        put(keys, keyed);
        keys->count++;
        return false;
    }
    first->last->next = keyed;
    first->last = keyed;
    return true;
}

/* From behind `first`, which is another. */
static void unlink_later(struct sl_kafka_keyed *first,
                         const struct sl_kafka_keyed *keyed)
{
    struct sl_kafka_keyed *before = first;

    while (before->next != NULL && before->next != keyed)
        before = before->next;
    before->next = keyed->next;
    if (first->last == keyed)
        first->last = before;
}

struct sl_kafka_keyed *sl_kafka_keys_remove(struct sl_kafka_keys *keys,
                                            struct sl_kafka_keyed *keyed)
{
    if (keyed->key.ptr == NULL)
        return NULL;
    struct sl_kafka_keyed **place = find(keys, keyed->key);
    struct sl_kafka_keyed *first = *place;
    if (first == NULL)
        return NULL;
    if (first != keyed) {
        unlink_later(first, keyed);
        return NULL;
    }
    struct sl_kafka_keyed *next = keyed->next;
    if (next != NULL) {
        next->next_in_bucket = keyed->next_in_bucket;
        next->last = keyed->last;
        *place = next;
    } else {
        *place = keyed->next_in_bucket;
        keys->count--;
    }
    keyed->next = NULL;
    return next;
}

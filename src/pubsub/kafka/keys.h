/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of each key, in a queue: those of a ledger (kafka_ledger.h) that
 * are not acknowledged.  Only the first of a queue may be handed out.
 */
#ifndef SL_PUBSUB_KAFKA_KEYS_H
#define SL_PUBSUB_KAFKA_KEYS_H

#include "base/bytes.h"

/* A part of what is queued, which is the caller's while it is. */
struct sl_kafka_keyed {
    struct sl_bytes key; /* ptr NULL: it has none, and is in no queue */
    struct sl_kafka_keyed *next;
    struct sl_kafka_keyed *last;           /* of the first one */
    struct sl_kafka_keyed *next_in_bucket; /* ... */
};

struct sl_kafka_keys {
    struct sl_kafka_keyed **buckets; /* of the first one of each key */
    size_t bucket_count, count;
};

void sl_kafka_keys_init(struct sl_kafka_keys *keys);
void sl_kafka_keys_done(struct sl_kafka_keys *keys);

/* Behind the others of its key; whether there are some. */
bool sl_kafka_keys_add(struct sl_kafka_keys *keys,
                       struct sl_kafka_keyed *keyed);
/* Out of its queue; the one that is now the first, where it was, or NULL. */
struct sl_kafka_keyed *sl_kafka_keys_remove(struct sl_kafka_keys *keys,
                                            struct sl_kafka_keyed *keyed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue for each key: the unacknowledged events of an in-flight table
 * (in_flight.h).  Only the first event of a queue may be delivered.
 */
#ifndef SL_PUBSUB_KAFKA_KEYS_H
#define SL_PUBSUB_KAFKA_KEYS_H

#include "base/bytes.h"

/* Embedded in what is queued; the caller keeps it alive while it is queued. */
struct sl_pubsub_kafka_keyed {
    struct sl_bytes key; /* ptr NULL: no key, in no queue */
    struct sl_pubsub_kafka_keyed *next;
    struct sl_pubsub_kafka_keyed *last; /* in the first of a queue only */
    struct sl_pubsub_kafka_keyed *next_in_bucket; /* the same */
};

struct sl_pubsub_kafka_keys {
    struct sl_pubsub_kafka_keyed **buckets; /* of the first of each queue */
    size_t bucket_count, count;
};

void sl_pubsub_kafka_keys_init(struct sl_pubsub_kafka_keys *keys);
void sl_pubsub_kafka_keys_done(struct sl_pubsub_kafka_keys *keys);

/* Append to the queue of its key; whether there are others before it. */
bool sl_pubsub_kafka_keys_add(struct sl_pubsub_kafka_keys *keys,
                              struct sl_pubsub_kafka_keyed *keyed);
/* Remove from its queue.  If it was the first: the new first, or NULL. */
struct sl_pubsub_kafka_keyed *
sl_pubsub_kafka_keys_remove(struct sl_pubsub_kafka_keys *keys,
                            struct sl_pubsub_kafka_keyed *keyed);

#endif

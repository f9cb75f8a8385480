/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kafka_producer.c, kafka_topic.c and kafka_publish.c share: the producer
 * of a store, and the topics that it knows.
 */
#ifndef SL_PUBSUB_KAFKA_PRODUCER_H
#define SL_PUBSUB_KAFKA_PRODUCER_H

#include "pubsub/kafka/internal.h"

enum { SL_KAFKA_SLICE_MS = 100 }; /* of a wait that may be of no use */

/* A guest chooses names, and each that it asks for is kept: behind so many the
 * producer is replaced by a new one, which knows none. */
enum { SL_KAFKA_NAMES_MAX = 4096 };

/* Never removed: valid as long as its producer. */
struct sl_kafka_topic {
    char *name;
    char *kafka_name;         /* behind the prefix */
    rd_kafka_topic_t *handle; /* NULL: no name for Kafka */
    int partitions;           /* 0: not known to be there */
    struct sl_kafka_topic *next;
};

struct sl_kafka_producer {
    const struct sl_kafka_store *store;
    rd_kafka_t *client;
    struct sl_kafka_trouble trouble;
    _Atomic bool dead; /* librdkafka will have no more of it */
    size_t users;      /* under the store's lock: the store's, and batches */
    struct sl_kafka_topic *topics; /* ... */
    size_t topic_count;            /* ... */
};

static inline int sl_kafka_slice(sl_deadline deadline, int most)
{
    int left = sl_deadline_left_ms(deadline);

    return left < most ? left : most;
}

/* --- kafka_producer.c --- */

/* One that works; the caller's to unref. */
SL_MUST_CHECK enum sl_status
sl_kafka_producer_get(struct sl_kafka_store *store,
                      const struct sl_pubsub_config *config,
                      struct sl_kafka_producer **out, struct sl_error *err);
void sl_kafka_producer_unref(struct sl_kafka_store *store,
                             struct sl_kafka_producer *producer);

/* --- kafka_topic.c --- */

struct sl_kafka_topic *sl_kafka_topic_get(struct sl_kafka_store *store,
                                          struct sl_kafka_producer *producer,
                                          struct sl_bytes name);
void sl_kafka_topics_free(struct sl_kafka_topic *topics);
int sl_kafka_topic_partitions(struct sl_kafka_store *store,
                              const struct sl_kafka_topic *topic);
void sl_kafka_topic_set_partitions(struct sl_kafka_store *store,
                                   struct sl_kafka_topic *topic,
                                   int partitions);
/* Wait for the topic, making it where there is none. */
SL_MUST_CHECK enum sl_status
sl_kafka_topic_find(struct sl_kafka_store *store,
                    struct sl_kafka_producer *producer,
                    struct sl_kafka_topic *topic, sl_deadline deadline,
                    int *partitions, struct sl_error *err);

/* --- kafka_publish.c --- */

/* On librdkafka's background thread: what became of one event. */
void sl_kafka_report(struct sl_kafka_producer *producer,
                     const rd_kafka_message_t *message);

#endif

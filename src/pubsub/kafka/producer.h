/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What producer.c, topic.c and publish.c share: the producer of a store and its
 * topics.
 */
#ifndef SL_PUBSUB_KAFKA_PRODUCER_H
#define SL_PUBSUB_KAFKA_PRODUCER_H

#include "pubsub/kafka/internal.h"

enum {
    SL_PUBSUB_KAFKA_POLL_MS = 100
}; /* between two checks for a final failure */

/* Guests choose the names of topics, and a producer keeps every name: after so
 * many it is replaced by a new producer. */
enum { SL_PUBSUB_KAFKA_NAMES_MAX = 4096 };

/* Never removed: valid as long as its producer. */
struct sl_pubsub_kafka_topic {
    char *name;
    char *kafka_name;         /* with the prefix */
    rd_kafka_topic_t *handle; /* NULL: the name is not valid */
    int partitions;           /* 0: not known to exist */
    struct sl_pubsub_kafka_topic *next;
};

struct sl_pubsub_kafka_producer {
    const struct sl_pubsub_kafka_store *store;
    rd_kafka_t *client;
    struct sl_pubsub_kafka_failure failure;
    _Atomic bool dead; /* librdkafka reported a fatal error */
    size_t users;      /* guarded by the store's lock: the store and batches */
    struct sl_pubsub_kafka_topic *topics; /* the same */
    size_t topic_count;                   /* the same */
};

static inline int sl_pubsub_kafka_wait_ms(sl_deadline deadline, int most)
{
    int left = sl_deadline_left_ms(deadline);

    return left < most ? left : most;
}

/* --- producer.c --- */

/* The producer, for the caller to unref. */
SL_MUST_CHECK enum sl_status sl_pubsub_kafka_producer_get(
    struct sl_pubsub_kafka_store *store, const struct sl_pubsub_config *config,
    struct sl_pubsub_kafka_producer **out, struct sl_error *err);
void sl_pubsub_kafka_producer_unref(struct sl_pubsub_kafka_store *store,
                                    struct sl_pubsub_kafka_producer *producer);

/* --- topic.c --- */

struct sl_pubsub_kafka_topic *
sl_pubsub_kafka_topic_get(struct sl_pubsub_kafka_store *store,
                          struct sl_pubsub_kafka_producer *producer,
                          struct sl_bytes name);
void sl_pubsub_kafka_topics_free(struct sl_pubsub_kafka_topic *topics);
int sl_pubsub_kafka_topic_partitions(struct sl_pubsub_kafka_store *store,
                                     const struct sl_pubsub_kafka_topic *topic);
void sl_pubsub_kafka_topic_set_partitions(struct sl_pubsub_kafka_store *store,
                                          struct sl_pubsub_kafka_topic *topic,
                                          int partitions);
/* Wait for the topic; creates it if it does not exist. */
SL_MUST_CHECK enum sl_status
sl_pubsub_kafka_topic_find(struct sl_pubsub_kafka_store *store,
                           struct sl_pubsub_kafka_producer *producer,
                           struct sl_pubsub_kafka_topic *topic,
                           sl_deadline deadline, int *partitions,
                           struct sl_error *err);

/* --- publish.c --- */

/* Handle a delivery report, on librdkafka's background thread. */
void sl_pubsub_kafka_on_delivery_report(
    struct sl_pubsub_kafka_producer *producer,
    const rd_kafka_message_t *message);

#endif

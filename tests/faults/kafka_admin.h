/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administrator of kafka_server, by librdkafka: each of Kafka's own tools
 * is a JVM that takes longer to start than all the rest of a test.  What the
 * broker refuses fails the test.
 */
#ifndef TEST_FAULTS_KAFKA_ADMIN_H
#define TEST_FAULTS_KAFKA_ADMIN_H

#include <stdint.h>

/* Make kafka_topic.  partitions: -1, as many as the broker has by default;
 * max_bytes: max.message.bytes, or NULL. */
void kafka_make_topic(int partitions, const char *max_bytes);

void kafka_delete_topic(void);
/* It has so many from now on. */
void kafka_add_partitions(int partitions);
/* As its retention does: of this partition, what is before this offset. */
void kafka_delete_events(int partition, int64_t before);

/* How many events kafka_topic has. */
int64_t kafka_count_events(int partitions);

/* What `limited` may do to the "topic", or the "group", of this name. */
void kafka_give(const char *what);
void kafka_take(const char *what);

/* A user of SCRAM-SHA-512; password NULL: it is one no more. */
void kafka_set_password(const char *user, const char *password);

#endif

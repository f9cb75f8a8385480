/* SPDX-License-Identifier: Apache-2.0 */
/* A broker of the test's own, behind a proxy. */
#ifndef TEST_FAULTS_KAFKA_SHARED_H
#define TEST_FAULTS_KAFKA_SHARED_H

#include "faults/members.h"

/* Of the program, from kafka_start to kafka_stop, which are cmocka's. */
extern struct test_server kafka_server;
/* In front of the port without TLS; the broker says that it has that port. */
extern struct proxy *kafka_proxy;
/* Of the test, and the name of its group. */
extern char kafka_topic[32];

int kafka_start(void **state);
int kafka_stop(void **state);

/* Settings where a broker may be away. */
#define KAFKA_PATIENT                                                          \
    "timeout = \"5s\"\nretry.backoff = \"5ms\"\nlease = \"3s\"\n"

/* Of a resource behind the proxy; to be freed. */
char *kafka_settings(const char *user, const char *password, const char *more);
/* With the password of all tests. */
void kafka_open_as(struct test_store *store, const char *user,
                   const char *more);
void kafka_open(struct test_store *store, const char *more);

/* kafka_topic is one that was not there. */
void kafka_new_topic(void);
struct sl_pubsub_request kafka_publish_of(const char *payload);

#endif

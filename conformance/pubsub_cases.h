/* SPDX-License-Identifier: Apache-2.0 */
/* slight:pubsub for the cases: wit/pubsub/pubsub.wit, implemented twice. */
#ifndef CONFORMANCE_PUBSUB_CASES_H
#define CONFORMANCE_PUBSUB_CASES_H

#include "cases.h"

enum {
    PUBSUB_NAME_MAX = 249,
    PUBSUB_KEY_MAX = 1024,
    PUBSUB_ATTRIBUTES_MAX = 64,
    PUBSUB_RECEIVE_MAX = 1000,
    PUBSUB_MANY_MAX = 1000,
    PUBSUB_WAIT_MAX_MS = 3600000,
};

#define PUBSUB_PAYLOAD_MAX ((size_t)suite_limit("max-payload"))
#define PUBSUB_LEASE_MS ((uint64_t)suite_limit("lease"))

/* What a provider may lack. */
enum {
    PUBSUB_NEEDS_SUBSCRIBE = 1 << 0,
    PUBSUB_NEEDS_KEYS = 1 << 1,
    PUBSUB_NEEDS_EARLIEST = 1 << 2,
    PUBSUB_NEEDS_DURABLE = 1 << 3,
    PUBSUB_NEEDS_SHARED = 1 << 4,
    PUBSUB_NEEDS_UNDIVIDED = 1 << 5,
};

struct pair {
    struct bytes name, value;
};

struct outgoing {
    struct bytes payload;
    const struct bytes *key; /* NULL: none */
    const struct pair *attributes;
    size_t attribute_count;
};

struct subscription;
struct delivery; /* received */

/* What an event is; freed with its delivery. */
struct event {
    struct bytes topic, id, payload;
    const struct bytes *key;
    const struct pair *attributes;
    size_t attribute_count;
    uint64_t published_at_ms;
};

enum status pubsub_publish(struct resource *resource, struct bytes topic,
                           struct outgoing event);
/* One status an event, where the call as a whole worked. */
enum status pubsub_publish_many(struct resource *resource, struct bytes topic,
                                const struct outgoing events[], size_t count,
                                enum status each[]);
enum status pubsub_subscribe(struct resource *resource, struct bytes topic,
                             struct bytes group, bool earliest,
                             struct subscription **subscription);
void pubsub_leave(struct subscription *subscription);
/* Room for 1000. */
enum status pubsub_receive(struct subscription *subscription, uint32_t limit,
                           uint64_t wait_ms, struct delivery *deliveries[],
                           size_t *count);
const struct event *pubsub_get(struct delivery *delivery);
enum status delivery_acknowledge(struct delivery *delivery);
void pubsub_drop(struct delivery *delivery);

/* Acknowledge the delivery, and drop it. */
enum status pubsub_acknowledge(struct delivery *delivery);

/* A topic, and groups, that no other case has. */
struct bytes pubsub_topic(void);
struct bytes pubsub_group(const char *name);

/* Publish this text to the topic, with this key; fail the case where that
 * fails.
 */
void pubsub_put(struct resource *resource, const char *key, const char *text);
/* Join a group of the topic. */
struct subscription *pubsub_join(struct resource *resource, const char *group,
                                 bool earliest);
/* Receive one event within half a minute, or fail. */
struct delivery *pubsub_take(struct subscription *subscription);
/* ... that has this text. */
struct delivery *pubsub_expect(struct subscription *subscription,
                               const char *text);
/* There is none now. */
void pubsub_expect_none(struct subscription *subscription);

extern const struct suite_case pubsub_cases[];
extern const struct suite_case pubsub_limit_cases[];
extern const struct suite_case pubsub_event_cases[];
/* What only this side of the bridge can do: pubsub_native.c, pubsub_guest.c. */
extern const struct suite_case pubsub_side_cases[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* slight:mq for the cases: wit/mq/mq.wit, implemented twice. */
#ifndef CONFORMANCE_MQ_CASES_H
#define CONFORMANCE_MQ_CASES_H

#include "cases.h"

enum {
    MQ_ATTRIBUTES_MAX = 64,
    MQ_NAME_MAX = 128, /* of attributes, groups, deduplication ids */
    MQ_RECEIVE_MAX = 100,
    MQ_MANY_MAX = 1000,
    MQ_DELAY_MAX_MS = 900000,
    MQ_VISIBILITY_MIN_MS = 1000,
    MQ_VISIBILITY_MAX_MS = 43200000,
};

#define MQ_PAYLOAD_MAX ((size_t)suite_limit("max-payload"))
#define MQ_DELIVERIES_MAX ((uint32_t)suite_limit("max-deliveries"))

/* What a provider may lack. */
enum {
    MQ_NEEDS_DELAY = 1 << 0,
    MQ_NEEDS_GROUPS = 1 << 1,
    MQ_NEEDS_DEDUPLICATION = 1 << 2,
    MQ_NEEDS_DEAD_LETTER = 1 << 3,
    MQ_NEEDS_COUNT = 1 << 4,
    MQ_NEEDS_DURABLE = 1 << 5,
    MQ_NEEDS_SHARED = 1 << 6,
};

struct pair {
    struct bytes name, value;
};

struct outgoing {
    struct bytes payload;
    const struct pair *attributes;
    size_t attribute_count;
    uint64_t delay_ms;
    const char *group; /* NULL: none */
    const char *deduplication_id;
};

struct receive {
    uint32_t limit;
    uint64_t wait_ms;
    uint64_t visibility_ms; /* 0: the manifest's */
};

struct message; /* received */

/* What a message is; freed with it. */
struct delivery {
    const char *id;
    struct bytes payload;
    const struct pair *attributes;
    size_t attribute_count;
    const char *group;
    uint32_t delivery_count;
    uint64_t enqueued_at_ms;
};

enum status mq_send(struct resource *resource, struct outgoing message,
                    char id[MQ_NAME_MAX + 1]);
/* One status a message, where the call as a whole worked. */
enum status mq_send_many(struct resource *resource,
                         const struct outgoing messages[], size_t count,
                         enum status each[]);
/* Room for 100. */
enum status mq_receive(struct resource *resource, struct receive options,
                       struct message *messages[], size_t *count);
enum status mq_depth(struct resource *resource, uint64_t *depth);

const struct delivery *mq_get(struct message *message);
enum status message_complete(struct message *message);
enum status message_abandon(struct message *message, uint64_t delay_ms);
enum status message_dead_letter(struct message *message, struct bytes reason);
enum status mq_extend(struct message *message, uint64_t visibility_ms);
void mq_drop(struct message *message);

/* Settle the message, and drop it. */
enum status mq_complete(struct message *message);
enum status mq_abandon(struct message *message, uint64_t delay_ms);
enum status mq_dead_letter(struct message *message, struct bytes reason);

/* Send this text; fail the case where that fails. */
void mq_put(struct resource *resource, const char *text);
/* Receive one message within half a minute, or fail. */
struct message *mq_take(struct resource *resource, uint64_t visibility_ms);
/* Receive one message that has this text, and this delivery count. */
struct message *mq_expect(struct resource *resource, const char *text,
                          uint32_t delivery_count);
/* There is none now. */
void mq_expect_none(struct resource *resource);

extern const struct suite_case mq_cases[];
extern const struct suite_case mq_limit_cases[];
extern const struct suite_case mq_queue_cases[];
/* What only this side of the bridge can do: mq_native.c, mq_guest.c. */
extern const struct suite_case mq_side_cases[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer must know of a queue, or of a topic: consumer.c does the same
 * with both.
 */
#ifndef SL_TRIGGER_CONSUMER_H
#define SL_TRIGGER_CONSUMER_H

#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "trigger/internal.h"

enum {
    SL_CONSUMER_WAIT_MS = 20000,  /* of one receive */
    SL_CONSUMER_SPARE_MS = 10000, /* a handler's time, and this, is how long a
                                     message is hidden */
    SL_CONSUMER_AGAIN_MS = 1000,  /* after a failed receive */
};

/* The request and answer of either capability. */
union sl_consumer_request {
    struct sl_mq_request mq;
    struct sl_pubsub_request pubsub;
};

union sl_consumer_answer {
    struct sl_answer head;
    struct sl_mq_answer mq;
    struct sl_pubsub_answer pubsub;
};

/* A message or an event. */
union sl_consumer_item {
    struct sl_mq_message *message;
    struct sl_pubsub_event *event;
};

/* What is to become of an item. */
enum sl_verdict {
    SL_VERDICT_DONE,
    SL_VERDICT_RETRY,  /* after a delay */
    SL_VERDICT_REJECT, /* to the dead letters */
};

struct sl_consumer_kind {
    union sl_consumer_request (*receive)(
        const struct sl_manifest_trigger *trigger,
        struct sl_subscription *member, uint32_t limit);
    /* Take the item at this index of an answer; false where there is none. */
    bool (*take)(union sl_consumer_answer *answer, size_t index,
                 union sl_consumer_item *item);
    void (*handle)(struct sl_bridge_program *program, struct sl_bytes resource,
                   union sl_consumer_item item, sl_bridge_done_fn *done,
                   void *context);
    /*
     * The request for a verdict.  *then_done: once that has succeeded, settle
     * it as done (a dead letter was written).
     */
    union sl_consumer_request (*settle)(
        const struct sl_manifest_trigger *trigger,
        struct sl_subscription *member, union sl_consumer_item item,
        enum sl_verdict verdict, struct sl_bytes reason, uint64_t delay_ms,
        bool *then_done);
    uint32_t (*deliveries)(union sl_consumer_item item);
    struct sl_bytes (*id)(union sl_consumer_item item);
    void (*free)(union sl_consumer_item item);
    uint32_t limit_max;
};

extern const struct sl_consumer_kind sl_consumer_mq;
extern const struct sl_consumer_kind sl_consumer_pubsub;

#endif

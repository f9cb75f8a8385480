/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer must know of a queue (consumer_mq.c), or of a topic
 * (consumer_pubsub.c); consumer.c does the same with both.
 */
#ifndef SL_TRIGGER_CONSUMER_KIND_H
#define SL_TRIGGER_CONSUMER_KIND_H

#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "slight_bridge.h"
#include "trigger/verdict.h"

enum {
    SL_CONSUMER_WAIT_MS = 20000, /* of one receive */
    /* A message is hidden for the time of a handler, and this. */
    SL_CONSUMER_SPARE_MS = 10000,
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

/* How a delivery is to be settled. */
struct sl_settlement {
    enum sl_verdict verdict;
    struct sl_bytes reason; /* DEAD_LETTER */
    uint64_t delay_ms;      /* RETRY */
};

struct sl_consumer_kind {
    enum sl_bridge_handler handler;
    uint32_t limit_max; /* deliveries of one receive */
    /* The request for DEAD_LETTER only publishes a copy, so DONE follows.
     * Otherwise the service makes dead letters, and counts and logs them. */
    bool publishes_dead_letters;

    union sl_consumer_request (*receive)(
        const struct sl_manifest_trigger *trigger,
        struct sl_subscription *subscription, uint32_t limit);
    struct sl_deliveries *(*received)(union sl_consumer_answer *answer);
    /* Borrows from all of its arguments. */
    union sl_consumer_request (*settle)(
        const struct sl_manifest_trigger *trigger,
        struct sl_subscription *subscription,
        const struct sl_delivery *delivery,
        const struct sl_settlement *settlement);
};

extern const struct sl_consumer_kind sl_consumer_mq;
extern const struct sl_consumer_kind sl_consumer_pubsub;

#endif

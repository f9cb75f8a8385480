/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message queues, as the rest of slight uses them: wit/mq/mq.wit in C.
 *
 * A queue is a service (service/service.h) of the capability sl_mq.  SENDs may
 * come many in one call; everything else is one request a call, or many
 * COMPLETEs.
 */
#ifndef SL_MQ_MQ_H
#define SL_MQ_MQ_H

#include "base/bytes.h"
#include "service/delivery.h"
#include "service/service.h"

enum {
    SL_MQ_ID_MAX = 128,
    SL_MQ_GROUP_MAX = 128, /* bytes; of a deduplication id too; at least 1 */
    SL_MQ_REASON_MAX = 1024,
    SL_MQ_RECEIVE_MAX = 100,
    SL_MQ_MANY_MAX = 1000, /* requests in a call */
    SL_MQ_DELAY_MAX_MS = 900000,
    SL_MQ_WAIT_MAX_MS = 3600000,
    SL_MQ_VISIBILITY_MIN_MS = 1000,
    SL_MQ_VISIBILITY_MAX_MS = 43200000,
    SL_MQ_DEDUPLICATION_MS = 300000,
};

enum sl_mq_verb {
    SL_MQ_SEND,
    SL_MQ_RECEIVE,
    SL_MQ_COMPLETE,
    SL_MQ_ABANDON,
    SL_MQ_EXTEND,
    SL_MQ_DEAD_LETTER,
    SL_MQ_DEPTH,
    SL_MQ_DEAD_LIST,   /* for operators only: no component can ask these */
    SL_MQ_DEAD_REPLAY, /* into the queue again, as if it was sent now */
    SL_MQ_DEAD_DROP,
};

enum { SL_MQ_VERB_COUNT = SL_MQ_DEAD_DROP + 1 };

/* What is asked for; the bytes are borrowed until the function that gets them
 * returns.  The bridge mirrors this struct: bridge/slight_bridge.h. */
struct sl_mq_request {
    uint32_t verb;                    /* enum sl_mq_verb; the first member */
    uint32_t limit;                   /* RECEIVE, DEAD_LIST */
    struct sl_bytes payload;          /* SEND */
    const struct sl_pair *attributes; /* SEND */
    size_t attribute_count;
    struct sl_bytes group;            /* SEND; ptr NULL: none */
    struct sl_bytes deduplication_id; /* SEND; ptr NULL: none */
    /* Of a message, to settle or EXTEND it; DEAD_REPLAY, DEAD_DROP: of a dead
     * letter; DEAD_LIST: of the one behind which it begins, empty: the oldest
     */
    struct sl_bytes receipt;
    struct sl_bytes reason; /* DEAD_LETTER */
    uint64_t delay_ms;      /* SEND, ABANDON */
    uint64_t wait_ms;       /* RECEIVE */
    uint64_t visibility_ms; /* EXTEND; RECEIVE if has_visibility */
    bool has_visibility;    /* otherwise as the manifest's `visibility` says */
};

/* The bridge mirrors this struct: bridge/slight_bridge.h. */
struct sl_mq_answer {
    struct sl_error err;
    bool retryable;
    bool refused;
    char id[SL_MQ_ID_MAX + 1];       /* SEND, DEAD_REPLAY: the new one */
    uint64_t depth;                  /* DEPTH */
    struct sl_deliveries deliveries; /* RECEIVE, DEAD_LIST: perhaps none */
};
SL_ASSERT_IS_ANSWER(struct sl_mq_answer);

/* The settings of every mq resource, beside its driver's own. */
struct sl_mq_config {
    struct sl_service_config service;
    int64_t max_payload;
    int64_t visibility_ms;
    int64_t max_deliveries; /* 0: no end */
};

extern const struct sl_capability sl_mq;

/* What the receipt of a dead letter tells, borrowed from it. */
struct sl_mq_burial {
    struct sl_bytes place; /* the driver's name of it */
    uint64_t died_at_ms;   /* since 1970, by the service's clock */
    struct sl_bytes reason;
};

enum { SL_MQ_PLACE_MAX = 64 };

/* False where it is no such receipt. */
SL_MUST_CHECK bool sl_mq_read_burial(struct sl_bytes receipt,
                                     struct sl_mq_burial *out);

/* Abandon the messages that nobody took of an answer.  Does not wait. */
void sl_mq_give_back(struct sl_service *service,
                     const struct sl_mq_answer *answer);

/* The request to settle or extend a message; borrows from it. */
struct sl_mq_request sl_mq_request_for(const struct sl_delivery *message,
                                       enum sl_mq_verb verb);

#endif

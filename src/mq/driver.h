/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message queue driver implements: service/driver.h, for the requests of
 * mq/mq.h.
 *
 * RECEIVE answers at most `limit` messages, and stops at SL_DELIVERIES_BYTES_MAX
 * (sl_mq_answer_add says so).  Where there is none it answers none, and sets
 * op->retry_at where it may wait.  What may let a waiting RECEIVE go on sets
 * op->changed.  A receipt names one delivery: settling a message that has come
 * back since, or whose visibility has ended, is SL_CONFLICT.
 *
 * Each dead letter that is made is told (service/notice.h), by whichever
 * request.  DEAD_LIST answers the oldest first.  DEAD_REPLAY and DEAD_DROP of
 * one that is not there are SL_NOT_FOUND; both work where the service has no
 * room for what is new.
 */
#ifndef SL_MQ_DRIVER_H
#define SL_MQ_DRIVER_H

#include "mq/mq.h"
#include "service/driver.h"

/* What not every service can do; what is missing is SL_UNSUPPORTED. */
enum sl_mq_feature {
    SL_MQ_FEATURE_DELAY = 1 << 0,         /* SEND with a delay */
    SL_MQ_FEATURE_GROUPS = 1 << 1,        /* SEND with a group */
    SL_MQ_FEATURE_DEDUPLICATION = 1 << 2, /* SEND with a deduplication id */
    SL_MQ_FEATURE_DEAD_LETTER = 1 << 3,   /* DEAD_LETTER, max-deliveries */
    SL_MQ_FEATURE_COUNT = 1 << 4,         /* delivery counts are exact */
    SL_MQ_FEATURE_DURABLE = 1 << 5,       /* what was sent survives a crash */
    SL_MQ_FEATURE_SHARED = 1 << 6,        /* other processes see the queue */
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes drivers.c). */
extern const struct sl_driver *const sl_mq_drivers[];
extern const char *const sl_mq_drivers_left_out[];

static inline const struct sl_mq_request *
sl_mq_request_of(const struct sl_op *op)
{
    return op->request;
}

static inline struct sl_mq_answer *sl_mq_answer_of(const struct sl_op *op)
{
    return op->answer;
}

static inline const struct sl_mq_config *sl_mq_config_of(const struct sl_op *op)
{
    return op->config;
}

/*
 * Add a dead letter to a DEAD_LIST's answer, as sl_mq_answer_add does; its
 * receipt is made here.  place: at most SL_MQ_PLACE_MAX bytes, no space.
 */
SL_MUST_CHECK bool sl_mq_answer_add_dead(struct sl_op *op,
                                         struct sl_delivery *message,
                                         const struct sl_mq_burial *burial);

void sl_mq_answer_init(void *answer);
void sl_mq_answer_done(void *answer);

/* sl_deliveries_add for a RECEIVE or a DEAD_LIST. */
SL_MUST_CHECK static inline bool
sl_mq_answer_add(struct sl_op *op, const struct sl_delivery *message)
{
    return sl_deliveries_add(op, &sl_mq_answer_of(op)->deliveries, message,
                             SL_MQ_RECEIVE_MAX);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of topics implements: service/driver.h, for the requests of
 * pubsub/pubsub.h.
 *
 * RECEIVE answers at most `limit` events, and stops at SL_DELIVERIES_BYTES_MAX
 * (sl_pubsub_answer_add says so).  Where there is none it answers none, and
 * sets op->retry_at where it may wait.  What may let a waiting RECEIVE go on
 * sets op->changed.  A member lives for the config's lease_ms from its
 * SUBSCRIBE and its last RENEW; RECEIVE, ACKNOWLEDGE, RETURN and RENEW of one
 * that does not are SL_CONFLICT.  A receipt names one delivery to one member.
 */
#ifndef SL_PUBSUB_DRIVER_H
#define SL_PUBSUB_DRIVER_H

#include "pubsub/pubsub.h"
#include "service/driver.h"

/* What not every service can do; what is missing is SL_UNSUPPORTED. */
enum sl_pubsub_feature {
    SL_PUBSUB_FEATURE_SUBSCRIBE = 1 << 0, /* all but PUBLISH */
    SL_PUBSUB_FEATURE_KEYS = 1 << 1,      /* order per key */
    SL_PUBSUB_FEATURE_EARLIEST = 1 << 2, /* groups that begin with the oldest */
    SL_PUBSUB_FEATURE_DURABLE = 1 << 3,  /* what was published survives */
    SL_PUBSUB_FEATURE_SHARED = 1 << 4,   /* other processes see the topics */
    /* A topic is not divided between the processes of a group: whichever member
     * asks gets what is next, of all that was published, in that order. */
    SL_PUBSUB_FEATURE_UNDIVIDED = 1 << 5,
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes drivers.c). */
extern const struct sl_driver *const sl_pubsub_drivers[];
extern const char *const sl_pubsub_drivers_left_out[];

static inline const struct sl_pubsub_request *
sl_pubsub_request_of(const struct sl_op *op)
{
    return op->request;
}

static inline const struct sl_pubsub_config *
sl_pubsub_config_of(const struct sl_op *op)
{
    return op->config;
}

void sl_pubsub_answer_init(void *answer);
void sl_pubsub_answer_done(void *answer);

/* sl_deliveries_add for a RECEIVE. */
SL_MUST_CHECK static inline bool
sl_pubsub_answer_add(struct sl_op *op, const struct sl_delivery *event)
{
    struct sl_pubsub_answer *answer = op->answer;

    return sl_deliveries_add(op, &answer->deliveries, event,
                             SL_PUBSUB_RECEIVE_MAX);
}

#endif

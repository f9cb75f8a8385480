/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries that an instance received: what the handles of messages and of
 * events have in common.
 */
#ifndef SL_HOST_DELIVERY_HANDLES_H
#define SL_HOST_DELIVERY_HANDLES_H

#include "host/instance.h"
#include "service/delivery.h"

struct sl_subscription; /* pubsub/pubsub.h */

/* The data of the object.  It is the ops' to return what is not settled. */
struct sl_received {
    struct sl_delivery *delivery;         /* owned */
    struct sl_subscription *subscription; /* a reference; a message has none */
    bool is_settled; /* or lost: no call of it can do anything any more */
};

/*
 * Make an object with these ops for each delivery, and a handle for each.
 * After a failure there is no handle, and the deliveries that were not taken
 * are still there.
 */
SL_MUST_CHECK enum sl_status
sl_received_attach(void *instance, const struct sl_object *from,
                   const struct sl_object_ops *ops,
                   struct sl_subscription *subscription,
                   struct sl_deliveries *deliveries, uint32_t *handles,
                   size_t *count, struct sl_error *err);

/* A request that settles it was answered. */
void sl_received_on_settled(struct sl_received *received,
                            enum sl_status status);

/* Answer a call of one that is settled: SL_CONFLICT.  Returns true, as the call
 * is answered then. */
bool sl_received_refuse(const struct sl_object *object, void *answer,
                        const char *why);

/* The view of both. */
void sl_received_view(const struct sl_object *object, void *out);

/* Free it; the ops have returned what is not settled. */
void sl_received_free(struct sl_received *received);

#endif

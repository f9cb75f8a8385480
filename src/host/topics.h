/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance has of topics: the events that it received. */
#ifndef SL_HOST_TOPICS_H
#define SL_HOST_TOPICS_H

#include "host/instance.h"
#include "pubsub/pubsub.h"

/* A received event, until it is acknowledged. */
struct sl_delivery;

/*
 * A handle for each event of an answer to a subscription, which are the
 * instance's then; there is room for SL_PUBSUB_RECEIVE_MAX.  After a failure no
 * handle is made, and the events go back to the group.
 */
SL_MUST_CHECK enum sl_status
sl_deliveries_adopt(void *instance, const struct sl_object *subscription,
                    struct sl_pubsub_answer *answer, uint32_t *handles,
                    size_t *count, struct sl_error *err);

const struct sl_pubsub_event *
sl_delivery_get(const struct sl_delivery *delivery);

/* The request to acknowledge it; borrows from it. */
struct sl_pubsub_request
sl_delivery_request(const struct sl_delivery *delivery);

/* What came of that. */
void sl_delivery_note(struct sl_delivery *delivery,
                      const struct sl_pubsub_answer *answer);

/* Where it was not acknowledged it goes back to the group; does not wait. */
void sl_delivery_free(struct sl_delivery *delivery);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/topics.h"

#include <stdlib.h>

#include "base/alloc.h"

struct sl_delivery {
    struct sl_service *service;
    struct sl_subscription *member; /* a reference */
    struct sl_pubsub_event *event;
    bool settled;
};

static enum sl_status adopt(void *instance, const struct sl_object *from,
                            struct sl_pubsub_event **taken, uint32_t *handle,
                            struct sl_error *err)
{
    const struct sl_object object = {
        .kind = SL_OBJECT_DELIVERY,
        .service = from->service,
        .bytes = sl_pubsub_event_bytes(*taken),
        .delivery = sl_alloc(sizeof(*object.delivery)),
    };

    *object.delivery = (struct sl_delivery){
        .service = from->service,
        .member = sl_subscription_ref(from->subscription),
        .event = *taken,
    };
    *taken = NULL;
    enum sl_status status = sl_instance_add(instance, &object, handle, err);
    if (status != SL_OK)
        sl_delivery_free(object.delivery);
    return status;
}

enum sl_status sl_deliveries_adopt(void *instance,
                                   const struct sl_object *subscription,
                                   struct sl_pubsub_answer *answer,
                                   uint32_t *handles, size_t *count,
                                   struct sl_error *err)
{
    const struct sl_object from = *subscription; /* it may move */
    const struct sl_pubsub_request request =
        sl_subscription_request(from.subscription, SL_PUBSUB_RECEIVE);
    enum sl_status status = SL_OK;

    *count = 0;
    for (size_t i = 0; status == SL_OK && i < answer->event_count; i++) {
        status = adopt(instance, &from, &answer->events[i], &handles[i], err);
        *count += status == SL_OK;
    }
    if (status == SL_OK)
        return SL_OK;
    for (size_t i = 0; i < *count; i++)
        sl_instance_drop(instance, handles[i]);
    sl_pubsub_give_back(from.service, &request, answer);
    return status;
}

const struct sl_pubsub_event *
sl_delivery_get(const struct sl_delivery *delivery)
{
    return delivery->event;
}

static struct sl_pubsub_request request_for(const struct sl_delivery *delivery,
                                            enum sl_pubsub_verb verb)
{
    struct sl_pubsub_request request =
        sl_subscription_request(delivery->member, verb);

    request.receipt = delivery->event->receipt;
    return request;
}

struct sl_pubsub_request sl_delivery_request(const struct sl_delivery *delivery)
{
    return request_for(delivery, SL_PUBSUB_ACKNOWLEDGE);
}

void sl_delivery_note(struct sl_delivery *delivery,
                      const struct sl_pubsub_answer *answer)
{
    enum sl_status status = answer->err.status;

    if (status == SL_OK || status == SL_CONFLICT)
        delivery->settled = true;
}

void sl_delivery_free(struct sl_delivery *delivery)
{
    const struct sl_pubsub_request back =
        request_for(delivery, SL_PUBSUB_RETURN);

    if (!delivery->settled)
        sl_service_post(delivery->service, NULL, &back, 1);
    sl_subscription_unref(delivery->member);
    sl_pubsub_event_free(delivery->event);
    free(delivery);
}

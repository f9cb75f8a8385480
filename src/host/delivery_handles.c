/* SPDX-License-Identifier: Apache-2.0 */
#include "host/delivery_handles.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "host/guest_call.h"
#include "pubsub/pubsub.h"

static enum sl_status attach_one(void *instance, const struct sl_object *from,
                                 const struct sl_object_ops *ops,
                                 struct sl_subscription *subscription,
                                 struct sl_delivery *delivery, uint32_t *handle,
                                 struct sl_error *err)
{
    struct sl_received *received = sl_alloc(sizeof(*received));
    const struct sl_object object = {
        .ops = ops,
        .service = from->service,
        .data = received,
        .bytes = sl_delivery_bytes(delivery),
    };

    received->delivery = delivery;
    if (subscription != NULL)
        received->subscription = sl_subscription_ref(subscription);
    return sl_instance_add(instance, &object, handle, err);
}

enum sl_status sl_received_attach(void *instance, const struct sl_object *from,
                                  const struct sl_object_ops *ops,
                                  struct sl_subscription *subscription,
                                  struct sl_deliveries *deliveries,
                                  uint32_t *handles, size_t *count,
                                  struct sl_error *err)
{
    enum sl_status status = SL_OK;

    *count = 0;
    for (size_t i = 0; status == SL_OK && i < deliveries->count; i++) {
        status =
            attach_one(instance, from, ops, subscription,
                       sl_deliveries_take(deliveries, i), &handles[i], err);
        *count += status == SL_OK;
    }
    if (status != SL_OK)
        for (size_t i = 0; i < *count; i++)
            sl_instance_drop(instance, handles[i]);
    return status;
}

void sl_received_on_settled(struct sl_received *received, enum sl_status status)
{
    if (status == SL_OK || status == SL_CONFLICT)
        received->is_settled = true;
}

bool sl_received_refuse(const struct sl_object *object, void *answer,
                        const char *why)
{
    struct sl_error err;

    sl_fail(&err, SL_CONFLICT, "%s", why);
    return sl_guest_call_fail(object->service, answer, &err);
}

void sl_received_view(const struct sl_object *object, void *out)
{
    const struct sl_received *received = object->data;

    *(const struct sl_delivery **)out = received->delivery;
}

void sl_received_free(struct sl_received *received)
{
    if (received->subscription != NULL)
        sl_subscription_unref(received->subscription);
    sl_delivery_free(received->delivery);
    free(received);
}

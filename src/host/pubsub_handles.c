/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance has of a service of topics: its subscriptions, and the
 * events that they received.
 */
#include "host/delivery_handles.h"
#include "host/guest_call.h"
#include "host/handles.h"
#include "pubsub/pubsub.h"

/* --- Events ----------------------------------------------------------- */

static struct sl_pubsub_request event_request(const struct sl_object *object,
                                              enum sl_pubsub_verb verb)
{
    const struct sl_received *received = object->data;
    struct sl_pubsub_request request =
        sl_subscription_request(received->subscription, verb);

    request.receipt = received->delivery->receipt;
    return request;
}

/* All that a guest can do with an event is to acknowledge it. */
static bool call_event(const struct sl_guest_call *guest,
                       const struct sl_object *object, const void *requests,
                       size_t count, void *answers, uint32_t *made)
{
    const struct sl_received *received = object->data;
    const struct sl_pubsub_request request =
        event_request(object, SL_PUBSUB_ACKNOWLEDGE);

    (void)requests;
    (void)count;
    (void)made;
    if (received->is_settled)
        return sl_received_refuse(
            object, answers,
            "the event is acknowledged, or no longer this member's: drop it");
    return sl_guest_call(guest, object->service, &request, 1, answers);
}

static void attach_event(const struct sl_object *object, uint32_t verb,
                         void *answer)
{
    const struct sl_pubsub_answer *settled = answer;

    (void)verb;
    sl_received_on_settled(object->data, settled->err.status);
}

/* What was not acknowledged goes back to the group. */
static void free_event(const struct sl_object *object)
{
    struct sl_received *received = object->data;
    const struct sl_pubsub_request back =
        event_request(object, SL_PUBSUB_RETURN);

    if (!received->is_settled)
        sl_service_post(object->service, NULL, &back, 1);
    sl_received_free(received);
}

static const struct sl_object_ops event_ops = {
    .call = call_event,
    .attach = attach_event,
    .view = sl_received_view,
    .viewed = SL_BRIDGE_VIEW_DELIVERY,
    .free = free_event,
};

/* --- Subscriptions ---------------------------------------------------- */

static bool call_subscription(const struct sl_guest_call *guest,
                              const struct sl_object *object,
                              const void *requests, size_t count, void *answers,
                              uint32_t *made)
{
    const struct sl_pubsub_request *asked = requests;
    struct sl_pubsub_request request =
        sl_subscription_request(object->data, (enum sl_pubsub_verb)asked->verb);

    (void)count;
    (void)made;
    request.limit = asked->limit;
    request.wait_ms = asked->wait_ms;
    return sl_guest_call(guest, object->service, &request, 1, answers);
}

static void attach_subscription(const struct sl_object *object, uint32_t verb,
                                void *answer)
{
    (void)answer;
    if (verb == SL_PUBSUB_SUBSCRIBE)
        sl_subscription_begun(object->data);
}

static enum sl_status attach_events(void *instance,
                                    const struct sl_object *object,
                                    void *answer, uint32_t *handles,
                                    size_t *count, struct sl_error *err)
{
    struct sl_pubsub_answer *received = answer;
    const struct sl_pubsub_request request =
        sl_subscription_request(object->data, SL_PUBSUB_RECEIVE);
    enum sl_status status =
        sl_received_attach(instance, object, &event_ops, object->data,
                           &received->deliveries, handles, count, err);

    if (status != SL_OK)
        sl_pubsub_give_back(object->service, &request, received);
    return status;
}

static void free_subscription(const struct sl_object *object)
{
    sl_subscription_free(object->data);
}

static const struct sl_object_ops subscription_ops = {
    .call = call_subscription,
    .attach = attach_subscription,
    .attach_many = attach_events,
    .free = free_subscription,
};

/* --- The service ------------------------------------------------------ */

/* made is set where a subscription is asked for. */
static bool call_broker(const struct sl_guest_call *guest,
                        const struct sl_object *object, const void *requests,
                        size_t count, void *answers, uint32_t *made)
{
    const struct sl_pubsub_request *asked = requests;
    struct sl_service *service = object->service;
    struct sl_error err;

    if (made == NULL)
        return sl_guest_call(guest, service, requests, count, answers);
    const struct sl_object subscription = {
        .ops = &subscription_ops,
        .service = service,
        .data = sl_subscription_new(service, asked->topic, asked->group,
                                    asked->from_earliest),
    };
    if (sl_instance_add(guest->instance, &subscription, made, &err) != SL_OK)
        return sl_guest_call_fail(service, answers, &err);
    const struct sl_pubsub_request subscribe =
        sl_subscription_request(subscription.data, SL_PUBSUB_SUBSCRIBE);
    return sl_guest_call(guest, service, &subscribe, 1, answers);
}

const struct sl_object_ops sl_pubsub_object_ops = {.call = call_broker};

/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance has of a message queue: the messages that it received. */
#include "host/delivery_handles.h"
#include "host/guest_call.h"
#include "host/handles.h"
#include "mq/mq.h"

static bool call_message(const struct sl_guest_call *guest,
                         const struct sl_object *object, const void *requests,
                         size_t count, void *answers, uint32_t *made)
{
    const struct sl_received *received = object->data;
    struct sl_mq_request request = *(const struct sl_mq_request *)requests;

    (void)count;
    (void)made;
    if (received->is_settled)
        return sl_received_refuse(
            object, answers,
            "the message is settled, or its visibility has ended: drop it");
    request.receipt = received->delivery->receipt;
    return sl_guest_call(guest, object->service, &request, 1, answers);
}

static void attach_message(const struct sl_object *object, uint32_t verb,
                           void *answer)
{
    const struct sl_mq_answer *settled = answer;

    if (verb != SL_MQ_EXTEND)
        sl_received_on_settled(object->data, settled->err.status);
}

/* What was not settled goes back to the queue. */
static void free_message(const struct sl_object *object)
{
    struct sl_received *received = object->data;
    const struct sl_mq_request abandon =
        sl_mq_request_for(received->delivery, SL_MQ_ABANDON);

    if (!received->is_settled)
        sl_service_post(object->service, NULL, &abandon, 1);
    sl_received_free(received);
}

static const struct sl_object_ops message_ops = {
    .call = call_message,
    .attach = attach_message,
    .view = sl_received_view,
    .viewed = SL_BRIDGE_VIEW_DELIVERY,
    .free = free_message,
};

static bool call_queue(const struct sl_guest_call *guest,
                       const struct sl_object *object, const void *requests,
                       size_t count, void *answers, uint32_t *made)
{
    (void)made;
    return sl_guest_call(guest, object->service, requests, count, answers);
}

static enum sl_status attach_messages(void *instance,
                                      const struct sl_object *object,
                                      void *answer, uint32_t *handles,
                                      size_t *count, struct sl_error *err)
{
    struct sl_mq_answer *received = answer;
    enum sl_status status =
        sl_received_attach(instance, object, &message_ops, NULL,
                           &received->deliveries, handles, count, err);

    if (status != SL_OK)
        sl_mq_give_back(object->service, received);
    return status;
}

const struct sl_object_ops sl_mq_object_ops = {
    .call = call_queue,
    .attach_many = attach_messages,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/queue.h"

#include <stdlib.h>

#include "base/alloc.h"

struct sl_message {
    struct sl_service *service;
    struct sl_mq_message *message;
    bool settled;
};

static enum sl_status adopt(void *instance, struct sl_service *service,
                            struct sl_mq_message **taken, uint32_t *handle,
                            struct sl_error *err)
{
    const struct sl_object object = {
        .kind = SL_OBJECT_MESSAGE,
        .service = service,
        .bytes = sl_mq_message_bytes(*taken),
        .message = sl_alloc(sizeof(*object.message)),
    };

    object.message->service = service;
    object.message->message = *taken;
    *taken = NULL;
    enum sl_status status = sl_instance_add(instance, &object, handle, err);
    if (status != SL_OK)
        sl_message_free(object.message);
    return status;
}

enum sl_status sl_messages_adopt(void *instance, struct sl_service *service,
                                 struct sl_mq_answer *answer, uint32_t *handles,
                                 size_t *count, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    *count = 0;
    for (size_t i = 0; status == SL_OK && i < answer->message_count; i++) {
        status =
            adopt(instance, service, &answer->messages[i], &handles[i], err);
        *count += status == SL_OK;
    }
    if (status == SL_OK)
        return SL_OK;
    for (size_t i = 0; i < *count; i++)
        sl_instance_drop(instance, handles[i]);
    sl_mq_give_back(service, answer);
    return status;
}

const struct sl_mq_message *sl_message_get(const struct sl_message *message)
{
    return message->message;
}

void sl_message_note(struct sl_message *message, enum sl_mq_verb verb,
                     const struct sl_mq_answer *answer)
{
    enum sl_status status = answer->err.status;

    if (verb != SL_MQ_EXTEND && (status == SL_OK || status == SL_CONFLICT))
        message->settled = true;
}

void sl_message_free(struct sl_message *message)
{
    const struct sl_mq_request abandon =
        sl_mq_request_for(message->message, SL_MQ_ABANDON);

    if (!message->settled)
        sl_service_post(message->service, NULL, &abandon, 1);
    sl_mq_message_free(message->message);
    free(message);
}

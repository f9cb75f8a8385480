/* SPDX-License-Identifier: Apache-2.0 */
/* Plain services, and which capability has which objects. */
#include "host/handles.h"

#include "host/guest_call.h"

static bool call_service(const struct sl_guest_call *guest,
                         const struct sl_object *object, const void *requests,
                         size_t count, void *answers, uint32_t *made)
{
    (void)made;
    return sl_guest_call(guest, object->service, requests, count, answers);
}

const struct sl_object_ops sl_service_object_ops = {.call = call_service};

/* A capability whose services make objects has a line here. */
static const struct {
    const struct sl_capability *capability;
    const struct sl_object_ops *ops;
} table[] = {
    {&sl_sql, &sl_sql_object_ops},
    {&sl_lockd, &sl_lockd_object_ops},
    {&sl_mq, &sl_mq_object_ops},
    {&sl_pubsub, &sl_pubsub_object_ops},
};

const struct sl_object_ops *
sl_object_ops_of(const struct sl_capability *capability)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].capability == capability)
            return table[i].ops;
    return &sl_service_object_ops;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance has of a lock service: the locks that it acquired. */
#include "host/guest_call.h"
#include "host/handles.h"
#include "host/instance.h"
#include "lockd/lockd.h"

static bool call_lock(const struct sl_guest_call *guest,
                      const struct sl_object *object, const void *requests,
                      size_t count, void *answers, uint32_t *made)
{
    const struct sl_lockd_request *asked = requests;
    const struct sl_lockd_request request =
        sl_lock_request(object->data, (enum sl_lockd_verb)asked->verb);

    (void)count;
    (void)made;
    return sl_guest_call(guest, object->service, &request, 1, answers);
}

static void attach_lock(const struct sl_object *object, uint32_t verb,
                        void *answer)
{
    if (verb == SL_LOCKD_ACQUIRE)
        sl_lock_grant(object->data, answer);
    else
        sl_lock_note(object->data, (enum sl_lockd_verb)verb, answer);
}

static void view_lock(const struct sl_object *object, void *out)
{
    struct sl_lock *lock = object->data;

    *(struct sl_bridge_lock_state *)out = (struct sl_bridge_lock_state){
        .key = sl_lock_key(lock),
        .fencing_token = sl_lock_fencing_token(lock),
        .ttl_ms = sl_lock_ttl_ms(lock),
        .held = sl_lock_is_held(lock),
    };
}

static void free_lock(const struct sl_object *object)
{
    sl_lock_free(object->data);
}

static const struct sl_object_ops lock_ops = {
    .call = call_lock,
    .attach = attach_lock,
    .view = view_lock,
    .viewed = SL_BRIDGE_VIEW_LOCK,
    .free = free_lock,
};

/* made is set where a lock is asked for. */
static bool call_lock_service(const struct sl_guest_call *guest,
                              const struct sl_object *object,
                              const void *requests, size_t count, void *answers,
                              uint32_t *made)
{
    struct sl_service *service = object->service;
    struct sl_error err;

    if (made != NULL) {
        const struct sl_object lock = {
            .ops = &lock_ops,
            .service = service,
            .data = sl_lock_new(service, requests),
        };
        if (sl_instance_add(guest->instance, &lock, made, &err) != SL_OK)
            return sl_guest_call_fail(service, answers, &err);
    }
    return sl_guest_call(guest, service, requests, count, answers);
}

const struct sl_object_ops sl_lockd_object_ops = {.call = call_lock_service};

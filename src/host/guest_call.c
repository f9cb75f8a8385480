/* SPDX-License-Identifier: Apache-2.0 */
#include "host/guest_call.h"

#include "base/border.h"
#include "host/instance.h"
#include "slight_bridge.h"

static void wake_guest(void *waker)
{
    sl_border_leave();
    sl_bridge_waker_wake(waker);
}

/* A guest that runs alone waits on its own thread. */
static bool submit_call(const struct sl_guest_call *guest,
                        struct sl_service *service, struct sl_session *session,
                        struct sl_metric *metrics, const void *requests,
                        size_t count, void *answers)
{
    struct sl_error err;
    const struct sl_caller caller = {
        .metrics = metrics,
        .owner = sl_instance_component(guest->instance),
        .free_until = sl_deadline_in_ms(sl_bridge_wait_free_ms(guest->wait)),
        .block = sl_bridge_block,
        .held = sl_instance_held(guest->instance),
    };

    if (sl_instance_may_call(guest->instance,
                             sl_service_call_bytes(service, requests, count),
                             &err) != SL_OK) {
        sl_answers_refuse(service, answers, count, &err);
        return true;
    }
    sl_service_submit_for(service, session, &caller, requests, count,
                          wake_guest, sl_bridge_waker_take(guest->wait),
                          guest->call);
    return false;
}

bool sl_guest_call(const struct sl_guest_call *guest,
                   struct sl_service *service, const void *requests,
                   size_t count, void *answers)
{
    struct sl_metric *metrics = sl_instance_metrics(guest->instance, service);

    return sl_service_try_for(service, metrics, requests, count, answers) ||
           submit_call(guest, service, NULL, metrics, requests, count, answers);
}

bool sl_guest_call_session(const struct sl_guest_call *guest,
                           struct sl_service *service,
                           struct sl_session *session, const void *request,
                           void *answer)
{
    struct sl_metric *metrics = sl_instance_metrics(guest->instance, service);

    return submit_call(guest, service, session, metrics, request, 1, answer);
}

bool sl_guest_call_fail(struct sl_service *service, void *answer,
                        const struct sl_error *err)
{
    sl_answer_fail(service, answer, err);
    return true;
}

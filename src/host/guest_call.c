/* SPDX-License-Identifier: Apache-2.0 */
#include "host/guest_call.h"

#include "base/tsan_boundary.h"
#include "host/instance.h"
#include "service/limited.h"
#include "slight_bridge.h"

static void wake_guest(void *waker)
{
    sl_tsan_boundary_leave();
    sl_bridge_waker_wake(waker);
}

struct guest_caller {
    struct sl_caller caller; /* first: admit_guest gets it */
    const struct sl_guest_call *guest;
};

/* The guest is suspended now; one that runs alone waits on its own thread. */
static enum sl_status admit_guest(struct sl_caller *caller, size_t bytes,
                                  struct sl_error *err)
{
    const struct sl_guest_call *guest = ((struct guest_caller *)caller)->guest;
    enum sl_status status = sl_instance_may_call(guest->instance, bytes, err);

    if (status != SL_OK)
        return status;
    caller->free_until = sl_deadline_in_ms(sl_bridge_wait_free_ms(guest->wait));
    caller->context = sl_bridge_waker_take(guest->wait);
    return SL_OK;
}

static bool call_service(const struct sl_guest_call *guest,
                         struct sl_service *service, struct sl_session *session,
                         const void *requests, size_t count, void *answers)
{
    struct guest_caller caller = {
        .caller = {.session = session,
                   .done = wake_guest,
                   .admit = admit_guest,
                   .metrics = sl_instance_metrics(guest->instance, service),
                   .owner = sl_instance_component(guest->instance),
                   .held = sl_instance_held(guest->instance),
                   .block = sl_bridge_block},
        .guest = guest,
    };

    return sl_service_call_limited(service, &caller.caller,
                                   sl_instance_answers_max(guest->instance),
                                   requests, count, answers,
                                   guest->call) == SL_CALL_ANSWERED;
}

bool sl_guest_call(const struct sl_guest_call *guest,
                   struct sl_service *service, const void *requests,
                   size_t count, void *answers)
{
    return call_service(guest, service, NULL, requests, count, answers);
}

bool sl_guest_call_session(const struct sl_guest_call *guest,
                           struct sl_service *service,
                           struct sl_session *session, const void *request,
                           void *answer)
{
    return call_service(guest, service, session, request, 1, answer);
}

bool sl_guest_call_fail(struct sl_service *service, void *answer,
                        const struct sl_error *err)
{
    sl_answer_fail(service, answer, err);
    return true;
}

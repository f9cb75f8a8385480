/* SPDX-License-Identifier: Apache-2.0 */
/* A call of a guest, on its way to a service. */
#ifndef SL_HOST_GUEST_CALL_H
#define SL_HOST_GUEST_CALL_H

#include "service/service.h"

struct sl_bridge_wait;

struct sl_guest_call {
    void *instance;              /* that calls */
    struct sl_bridge_wait *wait; /* how it waits */
    struct sl_call **call;       /* set where the call is pending */
};

/*
 * Send requests to a service that the instance has open.  True: answers are
 * filled; also where the instance's memory is not enough for the call.  False:
 * the call is pending.
 */
SL_MUST_CHECK bool sl_guest_call(const struct sl_guest_call *guest,
                                 struct sl_service *service,
                                 const void *requests, size_t count,
                                 void *answers);

/* The same for one request in a session. */
SL_MUST_CHECK bool sl_guest_call_session(const struct sl_guest_call *guest,
                                         struct sl_service *service,
                                         struct sl_session *session,
                                         const void *request, void *answer);

/* Answer the only request of a call with a failure; returns true, as the call
 * is answered then. */
bool sl_guest_call_fail(struct sl_service *service, void *answer,
                        const struct sl_error *err);

#endif

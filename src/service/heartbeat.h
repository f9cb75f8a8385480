/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heartbeat: a request that is repeated in the background, by the service's
 * own threads, to keep a lock or the member of a group alive.  One request is
 * on its way at a time.
 */
#ifndef SL_SERVICE_KEEPER_H
#define SL_SERVICE_KEEPER_H

#include "service/service.h"

struct sl_heartbeat;

/* Gets each answer.  Returns in how many ms to repeat; negative: never. */
typedef int64_t sl_heartbeat_answered_fn(void *owner, const void *answer);

/* Called once, when neither function will be called any more, perhaps while
 * sl_heartbeat_stop runs. */
typedef void sl_heartbeat_done_fn(void *owner);

/* Send the request for the first time after delay_ms.  What it borrows must
 * stay until done is called. */
struct sl_heartbeat *sl_heartbeat_start(struct sl_service *service,
                                        const void *request, int64_t delay_ms,
                                        sl_heartbeat_answered_fn *answered,
                                        sl_heartbeat_done_fn *done,
                                        void *owner);

/* Stop and free it, without waiting for a request on its way.  `answered` may
 * be running, but will not start again.  NULL is fine. */
void sl_heartbeat_stop(struct sl_heartbeat *heartbeat);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that is made again and again, in the background, by the service's
 * own threads: what keeps a lock, or a member of a group, alive.
 *
 * One is on its way at a time.
 */
#ifndef SL_SERVICE_KEEPER_H
#define SL_SERVICE_KEEPER_H

#include "service/service.h"

struct sl_keeper;

/* Told each answer.  In how many ms to ask again; negative: never. */
typedef int64_t sl_keeper_answered_fn(void *owner, const void *answer);

/* Neither function will be called any more; perhaps while
 * sl_keeper_stop runs. */
typedef void sl_keeper_done_fn(void *owner);

/*
 * Make the request after delay_ms for the first time.  What it borrows must
 * stay until done is called, which it is once.
 */
struct sl_keeper *sl_keeper_start(struct sl_service *service,
                                  const void *request, int64_t delay_ms,
                                  sl_keeper_answered_fn *answered,
                                  sl_keeper_done_fn *done, void *owner);

/* No more, and free it; does not wait for an answer that is on its way, which
 * is told no more or just being told.  NULL is fine. */
void sl_keeper_stop(struct sl_keeper *keeper);

#endif

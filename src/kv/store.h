/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a store, shared by kv.c (what is done at once) and call.c (what
 * is queued).
 */
#ifndef SL_KV_STORE_H
#define SL_KV_STORE_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "base/queue.h"
#include "kv/driver.h"

/* States kept for inline calls: about as many as threads that run guests. */
enum { SL_KV_INLINE_SLOTS = 16 };

struct sl_kv {
    char *name;
    const struct sl_kv_driver *driver;
    const struct sl_kv_config *config;
    void *store; /* the driver's */
    struct sl_queue *queue;
    _Atomic(void *) slots[SL_KV_INLINE_SLOTS];
    struct sl_metric metrics[SL_KV_VERB_COUNT];
};

/* Make the queue (call.c). */
void sl_kv_start(struct sl_kv *kv);

/*
 * Initialise the answers and check the requests into them.  True: there is
 * nothing left to do, as all failed, or there are none.
 */
SL_MUST_CHECK bool sl_kv_precheck(const struct sl_kv *kv,
                                  const struct sl_kv_request *requests,
                                  size_t count, struct sl_kv_answer *answers);

/* Bytes of values that a call of count requests may get. */
static inline size_t sl_kv_room(size_t count)
{
    return count > 1 ? SL_KV_CALL_BYTES_MAX : SIZE_MAX;
}

/*
 * After the last run of an op: refuse a value that others wrote and that is
 * larger than is allowed; say whether a repeat may help, and of which resource
 * a failure of the service is.
 */
void sl_kv_finish_op(const struct sl_kv *kv, struct sl_kv_op *op);

/* Whether a failed op may be repeated: it may help, and can do no harm. */
bool sl_kv_may_repeat(const struct sl_kv_op *op);

/* Whether one of the ops says that the state must be closed. */
bool sl_kv_state_is_over(struct sl_kv_op *const ops[], size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lock driver implements: service/driver.h, for the requests of
 * lockd/lockd.h.
 *
 * An ACQUIRE that finds the key held answers SL_CONFLICT, and sets op->retry_at
 * if it may wait.  A RELEASE, and every other op that may free a key, sets
 * op->changed.  ACQUIRE and RENEW set asked_at to a time no later than when the
 * service starts the time to live.  A RENEW never shortens the time to live:
 * one of SL_LOCKD_TTL_MIN_MS is a heartbeat.  The driver chooses the holder,
 * which must not be guessable.
 */
#ifndef SL_LOCKD_DRIVER_H
#define SL_LOCKD_DRIVER_H

#include "lockd/lockd.h"
#include "service/driver.h"

/* Features that not every service has. */
enum sl_lockd_feature {
    SL_LOCKD_FEATURE_FAIR = 1 << 0, /* waiters are served in order of arrival */
    SL_LOCKD_FEATURE_DURABLE = 1 << 1, /* grants survive the service's crash */
    SL_LOCKD_FEATURE_SHARED = 1 << 2,  /* other processes see the same locks */
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes drivers.c). */
extern const struct sl_driver *const sl_lockd_drivers[];
extern const char *const sl_lockd_drivers_left_out[];

static inline const struct sl_lockd_request *
sl_lockd_request_of(const struct sl_op *op)
{
    return op->request;
}

static inline struct sl_lockd_answer *sl_lockd_answer_of(const struct sl_op *op)
{
    return op->answer;
}

void sl_lockd_answer_init(void *answer);

#endif

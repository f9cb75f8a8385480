/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key-value driver implements: service/driver.h, for the requests of
 * kv/kv.h.
 *
 * Keys are 1 to SL_KV_KEY_MAX bytes of UTF-8 without NUL, values are within the
 * manifest's limit, page limits are 1 to SL_KV_PAGE_MAX.
 */
#ifndef SL_KV_DRIVER_H
#define SL_KV_DRIVER_H

#include "kv/kv.h"
#include "service/driver.h"

/* What not every service can do; what is missing is SL_UNSUPPORTED. */
enum sl_kv_feature {
    SL_KV_FEATURE_TTL = 1 << 0,       /* SET with a time to live */
    SL_KV_FEATURE_VERSION = 1 << 1,   /* versions, and conditions on them */
    SL_KV_FEATURE_ABSENT = 1 << 2,    /* SET if absent */
    SL_KV_FEATURE_INCREMENT = 1 << 3, /* INCREMENT */
    SL_KV_FEATURE_KEYS = 1 << 4,      /* KEYS */
    SL_KV_FEATURE_DURABLE = 1 << 5,   /* an answered write survives a crash */
    SL_KV_FEATURE_SHARED = 1 << 6,    /* other processes see the same data */
    SL_KV_FEATURE_LINEARIZABLE = 1 << 7, /* others' writes are read at once */
};

/* Every driver in this build, ended by NULL (cmake/SlightDrivers.cmake writes drivers.c). */
extern const struct sl_driver *const sl_kv_drivers[];
extern const char *const sl_kv_drivers_left_out[];

static inline const struct sl_kv_request *
sl_kv_request_of(const struct sl_op *op)
{
    return op->request;
}

static inline struct sl_kv_answer *sl_kv_answer_of(const struct sl_op *op)
{
    return op->answer;
}

/*
 * For drivers: before a GET holds a value of len bytes.  False, and op is
 * answered with SL_TOO_LARGE, where its call holds too much already.
 */
SL_MUST_CHECK bool sl_kv_op_take_budget(struct sl_op *op, size_t len);

#endif

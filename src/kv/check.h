/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wit/kv/kv.wit says about arguments, and what a driver can do at all:
 * known before anything is asked of a service.  For kv.c.
 */
#ifndef SL_KV_CHECK_H
#define SL_KV_CHECK_H

#include "kv/driver.h"

/* SL_TOO_LARGE where the call as a whole has too many requests or bytes. */
SL_MUST_CHECK enum sl_status
sl_kv_check_call(const void *requests, size_t count, struct sl_error *err);

/* One request: its limits, then the driver's features. */
SL_MUST_CHECK enum sl_status sl_kv_check_request(const struct sl_driver *driver,
                                                 const void *config,
                                                 const void *request,
                                                 struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose caller has little room for answers. */
#ifndef SL_SERVICE_LIMITED_H
#define SL_SERVICE_LIMITED_H

#include "service/service.h"

/*
 * As sl_service_call.  The answers hold at most answers_max bytes together,
 * beside the limits of the capability; SL_TOO_LARGE beyond.  0: no limit.
 */
SL_MUST_CHECK enum sl_call_result
sl_service_call_limited(struct sl_service *service, struct sl_caller *caller,
                        size_t answers_max, const void *requests, size_t count,
                        void *answers, struct sl_call **call);

#endif

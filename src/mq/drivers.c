/* SPDX-License-Identifier: Apache-2.0 */
/* The message queue drivers in this build.  A new one is two lines here. */
#include "mq/driver.h"

extern const struct sl_driver sl_mq_redis;
extern const struct sl_driver sl_mq_sqlite;

/* The embedded default comes first. */
const struct sl_driver *const sl_mq_drivers[] = {
#ifdef SL_WITH_SQLITE
    &sl_mq_sqlite,
#endif
#ifdef SL_WITH_REDIS
    &sl_mq_redis,
#endif
    NULL,
};

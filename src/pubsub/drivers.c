/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of topics in this build.  A new one is two lines here. */
#include "pubsub/driver.h"

extern const struct sl_driver sl_pubsub_redis;
extern const struct sl_driver sl_pubsub_kafka;
extern const struct sl_driver sl_pubsub_sqlite;

/* The embedded default comes first. */
const struct sl_driver *const sl_pubsub_drivers[] = {
#ifdef SL_WITH_SQLITE
    &sl_pubsub_sqlite,
#endif
#ifdef SL_WITH_REDIS
    &sl_pubsub_redis,
#endif
#ifdef SL_WITH_KAFKA
    &sl_pubsub_kafka,
#endif
    NULL,
};

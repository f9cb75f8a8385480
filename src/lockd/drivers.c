/* SPDX-License-Identifier: Apache-2.0 */
/* The lock drivers in this build.  A new one is two lines here. */
#include "lockd/driver.h"

extern const struct sl_driver sl_lockd_etcd;
extern const struct sl_driver sl_lockd_postgres;
extern const struct sl_driver sl_lockd_redis;
extern const struct sl_driver sl_lockd_sqlite;
extern const struct sl_driver sl_lockd_zookeeper;

/* The embedded default comes first. */
const struct sl_driver *const sl_lockd_drivers[] = {
#ifdef SL_WITH_SQLITE
    &sl_lockd_sqlite,
#endif
#ifdef SL_WITH_REDIS
    &sl_lockd_redis,
#endif
#ifdef SL_WITH_ETCD
    &sl_lockd_etcd,
#endif
#ifdef SL_WITH_POSTGRES
    &sl_lockd_postgres,
#endif
#ifdef SL_WITH_ZOOKEEPER
    &sl_lockd_zookeeper,
#endif
    NULL,
};

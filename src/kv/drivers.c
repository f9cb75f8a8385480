/* SPDX-License-Identifier: Apache-2.0 */
/* The key-value drivers in this build.  A new one is two lines here. */
#include "kv/driver.h"

extern const struct sl_driver sl_kv_etcd;
extern const struct sl_driver sl_kv_memory;
extern const struct sl_driver sl_kv_postgres;
extern const struct sl_driver sl_kv_redis;
extern const struct sl_driver sl_kv_sqlite;

/* The embedded default comes first. */
const struct sl_driver *const sl_kv_drivers[] = {
#ifdef SL_WITH_SQLITE
    &sl_kv_sqlite,
#endif
#ifdef SL_WITH_MEMORY
    &sl_kv_memory,
#endif
#ifdef SL_WITH_REDIS
    &sl_kv_redis,
#endif
#ifdef SL_WITH_ETCD
    &sl_kv_etcd,
#endif
#ifdef SL_WITH_POSTGRES
    &sl_kv_postgres,
#endif
    NULL,
};

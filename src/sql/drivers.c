/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of databases in this build.  A new one is two lines here. */
#include "sql/driver.h"

extern const struct sl_sql_driver sl_sql_mysql;
extern const struct sl_sql_driver sl_sql_postgres;
extern const struct sl_sql_driver sl_sql_sqlite;

/* The embedded default comes first. */
const struct sl_driver *const sl_sql_drivers[] = {
#ifdef SL_WITH_SQLITE
    &sl_sql_sqlite.driver,
#endif
#ifdef SL_WITH_POSTGRES
    &sl_sql_postgres.driver,
#endif
#ifdef SL_WITH_MYSQL
    &sl_sql_mysql.driver,
#endif
    NULL,
};

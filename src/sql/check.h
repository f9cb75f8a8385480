/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wit/sql/sql.wit says about arguments, and what a driver can do at all:
 * known before anything is asked of a database.  For sql.c.
 */
#ifndef SL_SQL_CHECK_H
#define SL_SQL_CHECK_H

#include "sql/driver.h"

SL_MUST_CHECK enum sl_status sl_sql_check(const struct sl_sql_driver *driver,
                                          const struct sl_sql_config *config,
                                          const struct sl_sql_request *request,
                                          struct sl_error *err);

#endif

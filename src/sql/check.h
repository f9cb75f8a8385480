/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a request before a driver gets it: the limits of wit/sql/sql.wit,
 * and the features of the driver.  For sql.c.
 */
#ifndef SL_SQL_CHECK_H
#define SL_SQL_CHECK_H

#include "sql/driver.h"

SL_MUST_CHECK enum sl_status sl_sql_check(const struct sl_sql_driver *driver,
                                          const struct sl_sql_config *config,
                                          const struct sl_sql_request *request,
                                          struct sl_error *err);

#endif

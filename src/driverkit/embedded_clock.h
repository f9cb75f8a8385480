/* SPDX-License-Identifier: Apache-2.0 */
/* What embedded_clock.c does for embedded.c. */
#ifndef SL_DRIVERKIT_EMBEDDED_CLOCK_H
#define SL_DRIVERKIT_EMBEDDED_CLOCK_H

#include "driverkit/embedded.h"

/* Read the clock of the store; the first connection since boot sets it. */
SL_MUST_CHECK enum sl_status
sl_embedded_open_clock(struct sl_embedded *connection, struct sl_error *err);

#endif

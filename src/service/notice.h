/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices of a driver to operators.  A driver does not log (service/driver.h):
 * a notice belongs to an op, and is logged and counted once the op has run,
 * whatever its answer.  A driver that undoes an op retracts its notices.
 */
#ifndef SL_SERVICE_NOTICE_H
#define SL_SERVICE_NOTICE_H

#include "service/driver.h"

/*
 * The op made a dead letter of `id`, as its receivers know it, after so many
 * deliveries.  Logged as dead-letter, and counted for the resource and for the
 * caller.  Bytes are copied.
 */
void sl_op_report_dead_letter(struct sl_op *op, struct sl_bytes id,
                              int64_t deliveries, struct sl_bytes reason);

/* Anything else to be logged.  event is a constant; subject is what it happened
 * to.  Must not hold a secret.  All but event is copied. */
void sl_op_report(struct sl_op *op, const char *event, struct sl_bytes subject,
                  const char *reason);

/* Drop all notices of an op that was undone. */
void sl_op_retract_reports(struct sl_op *op);

#endif

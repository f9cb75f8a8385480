/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver has to tell operators beside its answers: it logs nothing
 * itself (service/driver.h).  What it tells belongs to an op, and is logged and
 * counted once that has run, whatever becomes of its answer; what a driver
 * undoes, it takes back.
 */
#ifndef SL_SERVICE_NOTICE_H
#define SL_SERVICE_NOTICE_H

#include "service/driver.h"

/*
 * op made a dead letter: `id`, as its receivers know it, after so many
 * deliveries.  Logged (`dead-letter`), and counted of the resource and of the
 * caller that has a counter.  Bytes are copied.
 */
void sl_op_tell_dead_letter(struct sl_op *op, struct sl_bytes id,
                            int64_t deliveries, struct sl_bytes reason);

/* Something else, of which the log is to have an entry: event is a constant,
 * subject what it happened to.  Nothing secret.  All but event is copied. */
void sl_op_tell(struct sl_op *op, const char *event, struct sl_bytes subject,
                const char *reason);

/* Take back all that op has told: nothing of it happened. */
void sl_op_untell(struct sl_op *op);

#endif

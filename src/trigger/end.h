/* SPDX-License-Identifier: Apache-2.0 */
/* How calls of components end, for the log. */
#ifndef SL_TRIGGER_END_H
#define SL_TRIGGER_END_H

#include "base/log.h"
#include "host/host.h"
#include "slight_bridge.h"

enum { SL_TRIGGER_FIELDS = 5 };

/* Log an instance that did not return.  where: the fields that name what it was
 * called for. */
void sl_trigger_log_end(const struct sl_manifest_component *component,
                        const struct sl_log_field where[SL_TRIGGER_FIELDS],
                        enum sl_bridge_end end, struct sl_bytes message,
                        struct sl_bytes backtrace);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "trigger/end.h"

#include "trigger/metrics.h"

const char *const sl_trigger_end_names[SL_TRIGGER_ENDS] = {
    [SL_BRIDGE_RETURNED] = "returned", [SL_BRIDGE_EXITED] = "exited",
    [SL_BRIDGE_TRAPPED] = "trapped",   [SL_BRIDGE_TIMED_OUT] = "timed-out",
    [SL_BRIDGE_FAILED] = "failed",     [SL_BRIDGE_RETRY] = "retry",
    [SL_BRIDGE_REJECTED] = "rejected",
};

void sl_trigger_log_end(const struct sl_manifest_component *component,
                        const struct sl_log_field where[SL_TRIGGER_FIELDS],
                        enum sl_bridge_end end, struct sl_bytes message,
                        struct sl_bytes backtrace)
{
    sl_log(SL_LOG_WARN, sl_trigger_end_names[end],
           SL_FIELD_STRING("component", component->name), where[0], where[1],
           where[2], where[3], where[4], SL_FIELD("reason", message),
           SL_FIELD(backtrace.len > 0 ? "backtrace" : NULL, backtrace));
}

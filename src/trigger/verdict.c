/* SPDX-License-Identifier: Apache-2.0 */
#include "trigger/verdict.h"

enum sl_verdict sl_verdict_of(const struct sl_manifest_trigger *trigger,
                              enum sl_bridge_end end, uint32_t deliveries)
{
    bool was_last =
        trigger->max_deliveries > 0 && deliveries >= trigger->max_deliveries;

    if (end == SL_BRIDGE_RETURNED)
        return SL_VERDICT_DONE;
    if (end != SL_BRIDGE_REJECTED && !was_last)
        return SL_VERDICT_RETRY;
    if (trigger->type == SL_TRIGGER_PUBSUB && trigger->dead_letter == NULL)
        return SL_VERDICT_DISCARD;
    return SL_VERDICT_DEAD_LETTER;
}

uint64_t sl_verdict_delay_ms(const struct sl_manifest_trigger *trigger,
                             uint32_t deliveries)
{
    uint64_t delay = (uint64_t)trigger->backoff_ms;
    uint64_t most = (uint64_t)trigger->max_backoff_ms;

    for (uint32_t i = 1; i < deliveries && delay < most; i++)
        delay *= 2;
    return delay < most ? delay : most;
}

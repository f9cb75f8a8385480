/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a delivery, by how its handler ended. */
#ifndef SL_TRIGGER_VERDICT_H
#define SL_TRIGGER_VERDICT_H

#include "manifest/manifest.h"
#include "slight_bridge.h"

enum sl_verdict {
    SL_VERDICT_DONE,
    SL_VERDICT_RETRY, /* delivered again, after a delay */
    SL_VERDICT_DEAD_LETTER,
    SL_VERDICT_DISCARD, /* an event for which there is no topic of dead
                         * letters: it is settled as done, and counted */
};

/*
 * A handler that returned has done it.  One that rejected it is not called with
 * it again.  Any other end (retry, a trap, a time-out, an instance that could
 * not be started) is tried again, up to max-deliveries of the trigger.
 * deliveries: this one included.
 */
enum sl_verdict sl_verdict_of(const struct sl_manifest_trigger *trigger,
                              enum sl_bridge_end end, uint32_t deliveries);

/* The delay before the next delivery: the trigger's backoff, doubled with each
 * delivery, at most max-backoff. */
uint64_t sl_verdict_delay_ms(const struct sl_manifest_trigger *trigger,
                             uint32_t deliveries);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask a slight that runs: [management] of the manifest.
 *
 *     /metrics   everything that is counted, as Prometheus reads it
 *     /healthz   200: the process answers
 *     /readyz    200 where every required resource answers; 503 with the reason
 *                of each that does not, and while slight is ending
 *
 * docs/management.md lists the metrics.
 */
#ifndef SL_MANAGEMENT_MANAGEMENT_H
#define SL_MANAGEMENT_MANAGEMENT_H

#include "host/host.h"
#include "trigger/trigger.h"

struct sl_management;

/*
 * Listen at manifest->management.listen.  host and triggers (NULL: there are
 * none) live until sl_management_stop.  SL_UNAVAILABLE where the address is
 * taken.
 */
SL_MUST_CHECK enum sl_status
sl_management_start(struct sl_host *host, const struct sl_manifest *manifest,
                    const struct sl_triggers *triggers,
                    struct sl_management **out, struct sl_error *err);

/* "http://127.0.0.1:9090"; owned by management. */
const char *sl_management_text(const struct sl_management *management);

/* From now on it is not ready.  NULL is fine. */
void sl_management_drain(struct sl_management *management);

/* Listen no more; nothing of the host or the triggers is looked at any more.
 * Takes a second at the longest.  NULL is fine. */
void sl_management_stop(struct sl_management *management);

/* After the host was freed.  NULL is fine. */
void sl_management_free(struct sl_management *management);

#endif

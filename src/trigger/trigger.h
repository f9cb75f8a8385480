/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls components: the [[trigger]]s of a manifest.
 */
#ifndef SL_TRIGGER_TRIGGER_H
#define SL_TRIGGER_TRIGGER_H

#include "host/host.h"

struct sl_triggers;

/*
 * Start all triggers of the manifest: from now on the component is called.  The
 * host is prepared (sl_host_prepare) and outlives them.  SL_UNAVAILABLE where
 * an address is taken; what was started then must be stopped and freed.
 */
SL_MUST_CHECK enum sl_status
sl_triggers_start(struct sl_host *host, const struct sl_manifest *manifest,
                  struct sl_triggers **out, struct sl_error *err);

/* Told of each trigger: "http://127.0.0.1:8080/", "queue jobs", ... */
typedef void sl_triggers_visit_fn(void *context, const char *text);
void sl_triggers_visit(const struct sl_triggers *triggers,
                       sl_triggers_visit_fn *visit, void *context);

/*
 * Take nothing new, and let what runs finish.  The descriptor becomes readable
 * when it has; it belongs to triggers.  Once.
 */
int sl_triggers_drain(struct sl_triggers *triggers);

/*
 * Cut what still runs, and give back to its services what is not handled yet.
 * NULL is fine.
 */
void sl_triggers_stop(struct sl_triggers *triggers);

/* After the host was freed, which still told of what runs.  NULL is fine. */
void sl_triggers_free(struct sl_triggers *triggers);

#endif

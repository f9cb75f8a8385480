/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls components: the [[trigger]]s of a manifest.
 */
#ifndef SL_TRIGGER_TRIGGER_H
#define SL_TRIGGER_TRIGGER_H

#include "host/host.h"
#include "trigger/listener.h"
#include "trigger/metrics.h"

struct sl_triggers;

/*
 * Start all triggers of the manifest: from now on the component is called.  The
 * host is prepared (sl_host_prepare) and outlives them.  SL_UNAVAILABLE where
 * an address is taken, and *where is its place in the manifest; what was
 * started then must be stopped and freed.
 */
SL_MUST_CHECK enum sl_status
sl_triggers_start(struct sl_host *host, const struct sl_manifest *manifest,
                  struct sl_triggers **out, struct sl_toml_place *where,
                  struct sl_error *err);

/* Told of each trigger: "http://127.0.0.1:8080/", "queue jobs", ... */
typedef void sl_triggers_visit_fn(void *context, const char *text);
void sl_triggers_visit(const struct sl_triggers *triggers,
                       sl_triggers_visit_fn *visit, void *context);

/* Of the trigger with this index in the manifest. */
const struct sl_trigger_metrics *
sl_trigger_metrics(const struct sl_triggers *triggers, size_t index);

/* False where there are not so many; counted from 0. */
SL_MUST_CHECK bool sl_trigger_listener(const struct sl_triggers *triggers,
                                       size_t index,
                                       struct sl_trigger_listener *out);

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

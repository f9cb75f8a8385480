/* SPDX-License-Identifier: Apache-2.0 */
/* One address, with the routes of all triggers that name it. */
#ifndef SL_TRIGGER_HTTP_H
#define SL_TRIGGER_HTTP_H

#include "host/host.h"
#include "trigger/listener.h"
#include "trigger/metrics.h"

struct sl_http_trigger;

/* first: the first trigger of the manifest with this address.  metrics: by the
 * index in the manifest. */
SL_MUST_CHECK enum sl_status
sl_http_trigger_start(struct sl_host *host, const struct sl_manifest *manifest,
                      size_t first, struct sl_trigger_metrics *metrics,
                      struct sl_http_trigger **out, struct sl_error *err);
/* Owned by the trigger. */
const char *sl_http_trigger_text(const struct sl_http_trigger *trigger);
struct sl_trigger_listener
sl_http_trigger_listener(const struct sl_http_trigger *trigger);
/* Accept no more.  drained is called once, on any thread, when no request runs
 * any more. */
void sl_http_trigger_drain(struct sl_http_trigger *trigger,
                           sl_trigger_drained_fn *drained, void *context);
void sl_http_trigger_stop(struct sl_http_trigger *trigger);
void sl_http_trigger_free(struct sl_http_trigger *trigger);

#endif

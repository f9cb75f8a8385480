/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of triggers share. */
#ifndef SL_TRIGGER_INTERNAL_H
#define SL_TRIGGER_INTERNAL_H

#include "base/log.h"
#include "host/host.h"
#include "slight_bridge.h"
#include "trigger/trigger.h"

/* Told once, on any thread, when nothing runs any more. */
typedef void sl_trigger_drained_fn(void *context);

/* --- http.c: one address, with the routes of all triggers that name it -- */

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
void sl_http_trigger_drain(struct sl_http_trigger *trigger,
                           sl_trigger_drained_fn *drained, void *context);
void sl_http_trigger_stop(struct sl_http_trigger *trigger);
void sl_http_trigger_free(struct sl_http_trigger *trigger);

/* --- consumer.c: what is received is handled, and then acknowledged ----- */

struct sl_consumer;

struct sl_consumer *sl_consumer_start(struct sl_host *host,
                                      const struct sl_manifest_trigger *trigger,
                                      struct sl_trigger_metrics *metrics);
const char *sl_consumer_text(const struct sl_consumer *consumer);
void sl_consumer_drain(struct sl_consumer *consumer,
                       sl_trigger_drained_fn *drained, void *context);
/* What is still handled goes back; take nothing more. */
void sl_consumer_stop(struct sl_consumer *consumer);
/* Its services and the engine are gone. */
void sl_consumer_free(struct sl_consumer *consumer);

/* Log how an instance ended that did not return, once for all triggers.  where:
 * SL_TRIGGER_FIELDS that say at what. */
enum { SL_TRIGGER_FIELDS = 5 };
void sl_trigger_log_end(const struct sl_manifest_component *component,
                        const struct sl_log_field where[SL_TRIGGER_FIELDS],
                        enum sl_bridge_end end, struct sl_bytes message,
                        struct sl_bytes backtrace);

#endif

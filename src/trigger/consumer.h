/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer: what it receives is handled by a component, and then settled. */
#ifndef SL_TRIGGER_CONSUMER_H
#define SL_TRIGGER_CONSUMER_H

#include "host/host.h"
#include "trigger/metrics.h"

struct sl_consumer;

struct sl_consumer *sl_consumer_start(struct sl_host *host,
                                      const struct sl_manifest_trigger *trigger,
                                      struct sl_trigger_metrics *metrics);
/* Owned by the consumer. */
const char *sl_consumer_text(const struct sl_consumer *consumer);
/* Receive no more.  drained is called once, on any thread, when nothing is
 * handled any more. */
void sl_consumer_drain(struct sl_consumer *consumer,
                       sl_trigger_drained_fn *drained, void *context);
/* Receive no more, and return what is still handled. */
void sl_consumer_stop(struct sl_consumer *consumer);
/* After the services and the engine were freed. */
void sl_consumer_free(struct sl_consumer *consumer);

#endif

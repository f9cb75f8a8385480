/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of a trigger, and how it says that it is drained. */
#ifndef SL_TRIGGER_METRICS_H
#define SL_TRIGGER_METRICS_H

#include "base/metrics.h"

/* Called once, on any thread, when nothing runs any more. */
typedef void sl_trigger_drained_fn(void *context);

enum {
    SL_TRIGGER_ENDS = 7,    /* enum sl_bridge_end has so many */
    SL_TRIGGER_CODES = 600, /* of HTTP, 0: there was none */
};

/* What a trigger has done since it was started. */
struct sl_trigger_metrics {
    _Atomic uint64_t by_end[SL_TRIGGER_ENDS];   /* calls, as they ended */
    struct sl_histogram duration;               /* of calls */
    _Atomic uint64_t by_code[SL_TRIGGER_CODES]; /* http: responses */
    _Atomic uint64_t bytes_in;                  /* http: of bodies */
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t dead_letters; /* mq, pubsub */
    _Atomic uint64_t discarded;    /* pubsub: rejected, with no dead-letter */
    _Atomic uint64_t running;      /* mq, pubsub: being handled now */
};

/* "returned", "trapped", ...: how calls end, by the index in by_end. */
extern const char *const sl_trigger_end_names[SL_TRIGGER_ENDS];

#endif

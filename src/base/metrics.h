/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and latencies of one kind of call, from any number of threads.
 */
#ifndef SL_BASE_METRICS_H
#define SL_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Bucket i counts what took less than 2^i microseconds, and not less than half
 * of that; the last one, all that took longer (about 67 seconds).
 */
enum { SL_METRIC_BUCKETS = 28 };

struct sl_metric {
    _Atomic uint64_t by_status[SL_STATUS_COUNT];
    _Atomic uint64_t buckets[SL_METRIC_BUCKETS];
    _Atomic uint64_t total_ns;
};

void sl_metric_record(struct sl_metric *metric, enum sl_status status,
                      int64_t ns);

/* All calls, whatever came of them. */
uint64_t sl_metric_count(const struct sl_metric *metric);

/*
 * The latency in nanoseconds that `share` (0 to 1) of the calls did not pass:
 * the upper edge of its bucket, so up to twice too much. 0 without calls.
 */
uint64_t sl_metric_quantile_ns(const struct sl_metric *metric, double share);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and latencies: relaxed atomics, a few nanoseconds a call. */
#include "base/metrics.h"

static unsigned bucket_of(int64_t ns)
{
    uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    unsigned bits = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

    return bits < SL_HISTOGRAM_BUCKETS ? bits : SL_HISTOGRAM_BUCKETS - 1;
}

void sl_histogram_record(struct sl_histogram *histogram, int64_t ns)
{
    sl_count(&histogram->buckets[bucket_of(ns)]);
    atomic_fetch_add_explicit(&histogram->total_ns, ns < 0 ? 0 : (uint64_t)ns,
                              memory_order_relaxed);
}

void sl_metric_record(struct sl_metric *metric, enum sl_status status,
                      int64_t ns)
{
    sl_count(&metric->by_status[status]);
    sl_histogram_record(&metric->duration, ns);
}

uint64_t sl_metric_count(const struct sl_metric *metric)
{
    uint64_t count = 0;

    for (int i = 0; i < SL_STATUS_COUNT; i++)
        count += sl_counted(&metric->by_status[i]);
    return count;
}

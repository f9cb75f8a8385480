/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and latencies: relaxed atomics, a few nanoseconds a call. */
#include "base/metrics.h"

static unsigned bucket_of(int64_t ns)
{
    uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    unsigned bits = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

    return bits < SL_METRIC_BUCKETS ? bits : SL_METRIC_BUCKETS - 1;
}

void sl_metric_record(struct sl_metric *metric, enum sl_status status,
                      int64_t ns)
{
    atomic_fetch_add_explicit(&metric->by_status[status], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->buckets[bucket_of(ns)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->total_ns, ns < 0 ? 0 : (uint64_t)ns,
                              memory_order_relaxed);
}

uint64_t sl_metric_count(const struct sl_metric *metric)
{
    uint64_t count = 0;

    for (int i = 0; i < SL_STATUS_COUNT; i++)
        count +=
            atomic_load_explicit(&metric->by_status[i], memory_order_relaxed);
    return count;
}

uint64_t sl_metric_quantile_ns(const struct sl_metric *metric, double share)
{
    uint64_t counts[SL_METRIC_BUCKETS], all = 0, seen = 0;

    for (int i = 0; i < SL_METRIC_BUCKETS; i++) {
        counts[i] =
            atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        all += counts[i];
    }
    for (int i = 0; i < SL_METRIC_BUCKETS && all > 0; i++) {
        seen += counts[i];
        if ((double)seen >= share * (double)all && seen > 0)
            return ((uint64_t)1 << i) * 1000;
    }
    return 0;
}

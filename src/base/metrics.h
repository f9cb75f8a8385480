/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and latencies, from any number of threads.
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
enum { SL_HISTOGRAM_BUCKETS = 28 };

struct sl_histogram {
    _Atomic uint64_t buckets[SL_HISTOGRAM_BUCKETS];
    _Atomic uint64_t total_ns;
};

void sl_histogram_record(struct sl_histogram *histogram, int64_t ns);

/* One kind of call, by what came of it. */
struct sl_metric {
    _Atomic uint64_t by_status[SL_STATUS_COUNT];
    struct sl_histogram duration;
};

void sl_metric_record(struct sl_metric *metric, enum sl_status status,
                      int64_t ns);

/* All calls, whatever came of them. */
uint64_t sl_metric_count(const struct sl_metric *metric);

/* A counter that many threads add to. */
static inline void sl_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline uint64_t sl_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif

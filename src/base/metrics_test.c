/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metrics.h"

static void counts_are_by_status(void **state)
{
    static struct sl_metric metric;

    (void)state;
    for (int i = 0; i < 3; i++)
        sl_metric_record(&metric, SL_OK, 1000);
    sl_metric_record(&metric, SL_TIMEOUT, -5);
    assert_int_equal(sl_metric_count(&metric), 4);
    assert_int_equal(metric.by_status[SL_OK], 3);
    assert_int_equal(metric.by_status[SL_TIMEOUT], 1);
    assert_int_equal(metric.duration.total_ns, 3000);
}

static void a_bucket_ends_at_a_power_of_two(void **state)
{
    static struct sl_histogram histogram;

    (void)state;
    sl_histogram_record(&histogram, 999);
    sl_histogram_record(&histogram, 2000);
    sl_histogram_record(&histogram, 3999);
    sl_histogram_record(&histogram, INT64_C(3600) * 1000000000);
    assert_int_equal(histogram.buckets[0], 1);
    assert_int_equal(histogram.buckets[1], 0);
    assert_int_equal(histogram.buckets[2], 2);
    assert_int_equal(histogram.buckets[SL_HISTOGRAM_BUCKETS - 1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_by_status),
        cmocka_unit_test(a_bucket_ends_at_a_power_of_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    assert_int_equal(metric.total_ns, 3000);
}

static void quantiles_are_upper_edges(void **state)
{
    static struct sl_metric metric;

    (void)state;
    assert_int_equal(sl_metric_quantile_ns(&metric, 0.5), 0);
    for (int i = 0; i < 90; i++)
        sl_metric_record(&metric, SL_OK, 3000); /* 2 to 4 microseconds */
    for (int i = 0; i < 10; i++)
        sl_metric_record(&metric, SL_OK, INT64_C(3600) * 1000000000);
    assert_int_equal(sl_metric_quantile_ns(&metric, 0.5), 4000);
    assert_int_equal(sl_metric_quantile_ns(&metric, 0.9), 4000);
    assert_int_equal(sl_metric_quantile_ns(&metric, 0.99),
                     (UINT64_C(1) << (SL_METRIC_BUCKETS - 1)) * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_by_status),
        cmocka_unit_test(quantiles_are_upper_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A rate, at times that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rate.h"

#define SECOND INT64_C(1000000000)

static void test_no_limit(void **state)
{
    struct sl_rate rate;

    (void)state;
    sl_rate_init(&rate, 0, 5);
    for (int i = 0; i < 3; i++) {
        assert_true(sl_rate_allows(&rate, 5));
        sl_rate_take(&rate, INT64_C(1) << 40);
    }
    sl_rate_done(&rate);
}

/* What a second brings may be used at once; then it comes with time. */
static void test_burst(void **state)
{
    struct sl_rate rate;

    (void)state;
    sl_rate_init(&rate, 1000, 0);
    for (int i = 0; i < 10; i++) {
        assert_true(sl_rate_allows(&rate, 0));
        sl_rate_take(&rate, 100);
    }
    assert_false(sl_rate_allows(&rate, 0));
    assert_false(sl_rate_allows(&rate, 900000));
    assert_true(sl_rate_allows(&rate, 1000000));
    sl_rate_take(&rate, 1);
    assert_false(sl_rate_allows(&rate, 1000000));
    sl_rate_done(&rate);
}

/* One that takes more than there is makes later ones wait. */
static void test_owed(void **state)
{
    struct sl_rate rate;

    (void)state;
    sl_rate_init(&rate, 1000, 0);
    assert_true(sl_rate_allows(&rate, 0));
    sl_rate_take(&rate, 3000);
    assert_false(sl_rate_allows(&rate, SECOND));
    assert_false(sl_rate_allows(&rate, 2 * SECOND));
    assert_true(sl_rate_allows(&rate, 2 * SECOND + SECOND / 100));
    sl_rate_done(&rate);
}

/* Who asks often loses nothing, and a long pause is worth no more than a
 * second.
 */
static void test_refill(void **state)
{
    struct sl_rate rate;
    int64_t taken = 0;

    (void)state;
    sl_rate_init(&rate, 1000, 0);
    sl_rate_take(&rate, 1000);
    for (int64_t now = 0; now <= SECOND; now += SECOND / 3700)
        if (sl_rate_allows(&rate, now)) {
            sl_rate_take(&rate, 1);
            taken++;
        }
    assert_in_range(taken, 998, 1000);
    for (taken = 0; sl_rate_allows(&rate, 3600 * SECOND); taken++)
        sl_rate_take(&rate, 1);
    assert_int_equal(taken, 1000);
    sl_rate_done(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_owed),
        cmocka_unit_test(test_refill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "base/deadline.h"

static void never_does_not_pass(void **state)
{
    (void)state;
    assert_false(sl_deadline_passed(SL_NEVER));
    assert_int_equal(sl_deadline_left_ms(SL_NEVER), INT_MAX);
    assert_true(sl_deadline_in_ms(INT64_MAX) == SL_NEVER);
}

static void what_is_left_is_rounded_up(void **state)
{
    (void)state;
    assert_true(sl_deadline_passed(sl_now_ns()));
    assert_int_equal(sl_deadline_left_ms(sl_now_ns()), 0);
    assert_true(sl_deadline_passed(sl_deadline_in_ms(-1)));

    /* An hour is enough for any machine to get from one line to the next. */
    sl_deadline later = sl_deadline_in_ms(3600000);
    assert_false(sl_deadline_passed(later));
    assert_in_range(sl_deadline_left_ms(later), 1, 3600000);
}

static void time_goes_on(void **state)
{
    int64_t before = sl_now_ns();

    (void)state;
    assert_true(sl_now_ns() >= before);
    assert_true(sl_wall_ms() > INT64_C(1700000000000)); /* 2023 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_does_not_pass),
        cmocka_unit_test(what_is_left_is_rounded_up),
        cmocka_unit_test(time_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

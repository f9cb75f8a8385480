/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/held.h"

static void counted_until_it_is_released(void **state)
{
    _Atomic uint64_t counter = 5;
    struct sl_held held = {0};
    struct sl_error err;

    (void)state;
    sl_held_count(&held, 10, &counter); /* it holds nothing */
    assert_int_equal(counter, 5);
    assert_int_equal(sl_held_copy(&held, SL_LITERAL("text"), &err), SL_OK);
    sl_held_count(&held, 100, &counter);
    assert_int_equal(counter, 105);
    assert_true(sl_bytes_equal(held.bytes, SL_LITERAL("text")));
    sl_held_done(&held);
    assert_int_equal(counter, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_until_it_is_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

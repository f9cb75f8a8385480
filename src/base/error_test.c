/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: filling, cutting, wrapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

static void fail_fills_and_returns(void **state)
{
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_fail(&err, SL_CONFLICT, "key %d", 7), SL_CONFLICT);
    assert_int_equal(err.status, SL_CONFLICT);
    assert_string_equal(err.message, "key 7");
    assert_int_equal(sl_fail(NULL, SL_TIMEOUT, "nobody reads this"),
                     SL_TIMEOUT);
}

static void a_context_stands_in_front(void **state)
{
    struct sl_error err;

    (void)state;
    sl_fail(&err, SL_NOT_FOUND, "no such key");
    assert_int_equal(sl_fail_in(&err, "store %s", "a"), SL_NOT_FOUND);
    assert_string_equal(err.message, "store a: no such key");
}

static void what_would_break_a_line_does_not(void **state)
{
    struct sl_error err;

    (void)state;
    sl_fail(&err, SL_INTERNAL, "%s", "a\nb\x1b[31mc\x7f");
    assert_string_equal(err.message, "a?b?[31mc?");
    sl_fail(&err, SL_INTERNAL, "%s",
            "a\xc2\x85"
            "b\xe2\x80\xa8"
            "c\xe2\x80\xa9"
            "d\xe2\x80\xa7\xc2\x84");
    assert_string_equal(err.message, "a??b???c???d\xe2\x80\xa7\xc2\x84");
}

/* For every place of the border, what is left is whole characters. */
static void a_long_message_is_cut_between_characters(void **state)
{
    char text[SL_ERROR_MESSAGE_MAX * 2];
    struct sl_error err;

    (void)state;
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'x', lead);
        size_t at = lead;
        while (at + 4 < sizeof(text)) {
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
            at += 4;
        }
        text[at] = '\0';
        sl_fail(&err, SL_INTERNAL, "%s", text);
        size_t len = strlen(err.message);
        assert_in_range(len, SL_ERROR_MESSAGE_MAX - 5,
                        SL_ERROR_MESSAGE_MAX - 1);
        assert_true(sl_bytes_are_text(SL_BYTES(err.message, len)));
        sl_fail_in(&err, "context %zu", lead);
        assert_true(sl_bytes_are_text(sl_bytes_of(err.message)));
    }
}

static void every_status_has_words(void **state)
{
    (void)state;
    for (int status = 0; status < SL_STATUS_COUNT; status++)
        assert_string_not_equal(sl_status_text((enum sl_status)status),
                                "unknown status");
    assert_string_equal(sl_status_text((enum sl_status)99), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_and_returns),
        cmocka_unit_test(a_context_stands_in_front),
        cmocka_unit_test(what_would_break_a_line_does_not),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(every_status_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

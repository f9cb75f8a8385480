/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes: limits, text, who frees what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"

static void text_is_utf8_without_nul(void **state)
{
    const struct {
        struct sl_bytes bytes;
        bool text;
    } cases[] = {
        {SL_LITERAL(""), true},
        {SL_LITERAL("plain"), true},
        {SL_LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {SL_LITERAL("\xf4\x8f\xbf\xbf"), true},  /* U+10FFFF */
        {SL_LITERAL("\xf4\x90\x80\x80"), false}, /* past it */
        {SL_LITERAL("\xed\x9f\xbf"), true},
        {SL_LITERAL("\xed\xa0\x80"), false}, /* a surrogate */
        {SL_LITERAL("\xc0\x80"), false},     /* overlong */
        {SL_LITERAL("\xe0\x80\x80"), false},
        {SL_LITERAL("\xf0\x80\x80\x80"), false},
        {SL_LITERAL("\xc3"), false}, /* cut */
        {SL_LITERAL("\xe2\x82"), false},
        {SL_LITERAL("\x80"), false},
        {SL_LITERAL("\xff"), false},
        {SL_LITERAL("a\0b"), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (sl_bytes_are_text(cases[i].bytes) != cases[i].text)
            fail_msg("case %zu", i);
}

static void integers_are_as_printf_writes_them(void **state)
{
    static const char *const wrong[] = {"",
                                        "+7",
                                        "07",
                                        " 7",
                                        "7 ",
                                        "-0",
                                        "--1",
                                        "1e3",
                                        "0x7",
                                        "-",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999999"};
    int64_t number = 5;

    (void)state;
    assert_true(
        sl_bytes_to_integer(SL_LITERAL("-9223372036854775808"), &number));
    assert_true(number == INT64_MIN);
    assert_true(
        sl_bytes_to_integer(SL_LITERAL("9223372036854775807"), &number));
    assert_true(sl_bytes_to_integer(SL_LITERAL("0"), &number));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (sl_bytes_to_integer(sl_bytes_of(wrong[i]), &number))
            fail_msg("%s", wrong[i]);
    assert_false(sl_bytes_to_integer(SL_LITERAL("1\0"), &number));
    assert_int_equal(number, 0);
}

static void comparisons(void **state)
{
    (void)state;
    assert_true(sl_bytes_equal(SL_LITERAL("a\0b"), SL_LITERAL("a\0b")));
    assert_false(sl_bytes_equal(SL_LITERAL("a\0b"), SL_LITERAL("a\0c")));
    assert_false(sl_bytes_equal(SL_LITERAL("a"), SL_LITERAL("ab")));
    assert_true(sl_bytes_equal((struct sl_bytes){0}, SL_LITERAL("")));
    assert_true(sl_bytes_start_with(SL_LITERAL("ab"), SL_LITERAL("")));
    assert_true(sl_bytes_start_with(SL_LITERAL("ab"), SL_LITERAL("ab")));
    assert_false(sl_bytes_start_with(SL_LITERAL("a"), SL_LITERAL("ab")));
}

static void a_buffer_grows_to_its_limit(void **state)
{
    struct sl_buf buf = SL_BUF(100);
    struct sl_error err;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(sl_buf_append(&buf, SL_LITERAL("0123456789"), &err),
                         SL_OK);
    assert_int_equal(sl_buf_append(&buf, SL_LITERAL("x"), &err), SL_TOO_LARGE);
    assert_int_equal(buf.len, 100);
    assert_int_equal(sl_buf_append(&buf, SL_LITERAL(""), &err), SL_OK);
    sl_buf_clear(&buf);
    assert_int_equal(sl_buf_reserve(&buf, SIZE_MAX, &err), SL_TOO_LARGE);
    assert_int_equal(sl_buf_printf(&buf, &err, "%s-%d", "n", 7), SL_OK);
    assert_true(sl_bytes_equal(sl_buf_bytes(&buf), SL_LITERAL("n-7")));
    sl_buf_done(&buf);
    assert_null(buf.ptr);
    assert_int_equal(buf.limit, 100);
}

static int released;

static void count_release(void *owner)
{
    assert_ptr_equal(owner, &released);
    released++;
}

static void what_is_held_is_released_once(void **state)
{
    struct sl_held held = {.owner = &released, .release = count_release};
    struct sl_error err;

    (void)state;
    sl_held_done(&held);
    sl_held_done(&held);
    assert_int_equal(released, 1);

    assert_int_equal(sl_held_copy(&held, SL_LITERAL("copy"), &err), SL_OK);
    assert_true(sl_bytes_equal(held.bytes, SL_LITERAL("copy")));
    sl_held_done(&held);

    struct sl_buf buf = SL_BUF(10);
    assert_int_equal(sl_buf_append(&buf, SL_LITERAL("taken"), &err), SL_OK);
    sl_held_take_buf(&held, &buf);
    assert_int_equal(buf.len, 0);
    assert_true(sl_bytes_equal(held.bytes, SL_LITERAL("taken")));
    sl_held_done(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(integers_are_as_printf_writes_them),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(a_buffer_grows_to_its_limit),
        cmocka_unit_test(what_is_held_is_released_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

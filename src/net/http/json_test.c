/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and base64, as services write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/base64.h"
#include "net/http/json.h"

static void base64_goes_both_ways(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
        {"\xfb\xef", "++8="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf out = SL_BUF(100);
        assert_int_equal(
            sl_base64_append(&out, sl_bytes_of(cases[i].bytes), NULL), SL_OK);
        assert_true(
            sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(cases[i].text)));
        sl_buf_clear(&out);
        assert_int_equal(
            sl_base64_decode(sl_bytes_of(cases[i].text), &out, NULL), SL_OK);
        assert_true(
            sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(cases[i].bytes)));
        sl_buf_done(&out);
    }
}

static void base64_has_one_form(void **state)
{
    static const char *const wrong[] = {
        "Z",    "Zg",     "Zg=",   "=",        "====", "Z===", "Zh==",
        "Zm9=", "Zm9v\n", "Zm 9v", "Zg==Zg==", "Zm9-", "Zm9_", "Z=g=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sl_buf out = SL_BUF(100);
        assert_int_equal(sl_buf_append(&out, SL_LITERAL("x"), NULL), SL_OK);
        if (sl_base64_decode(sl_bytes_of(wrong[i]), &out, NULL) !=
            SL_INVALID_ARGUMENT)
            fail_msg("%s", wrong[i]);
        assert_int_equal(out.len, 1); /* as it was */
        sl_buf_done(&out);
    }
}

static void what_is_there_is_read(void **state)
{
    static const char text[] =
        "{\"a\":{\"n\":\"-7\",\"m\":7,\"t\":\"x\",\"yes\":true,"
        "\"b\":\"Zm9v\",\"l\":[1,{\"n\":5}]},\"big\":\"9223372036854775808\"}";
    struct sl_json *json = NULL;
    struct sl_error err;
    struct sl_buf out = SL_BUF(100);

    (void)state;
    assert_int_equal(sl_json_parse(sl_bytes_of(text), &json, &err), SL_OK);
    const struct sl_json *a = sl_json_get(json, "a");
    assert_int_equal(sl_json_integer(a, "n"), -7);
    assert_int_equal(sl_json_integer(a, "m"), 7);
    assert_int_equal(sl_json_integer(a, "t"), 0);
    assert_int_equal(sl_json_integer(json, "big"), 0);
    assert_true(sl_json_true(a, "yes"));
    assert_false(sl_json_true(a, "t"));
    assert_true(sl_bytes_equal(sl_json_text(a, "t"), SL_LITERAL("x")));
    assert_int_equal(sl_json_text(a, "m").len, 0);
    assert_int_equal(sl_json_base64(a, "b", &out, &err), SL_OK);
    assert_true(sl_bytes_equal(sl_buf_bytes(&out), SL_LITERAL("foo")));
    assert_int_equal(sl_json_base64(a, "none", &out, &err), SL_OK);
    assert_int_equal(out.len, 3);
    const struct sl_json *list = sl_json_get(a, "l");
    assert_int_equal(sl_json_count(list), 2);
    assert_int_equal(sl_json_integer(sl_json_at(list, 1), "n"), 5);
    assert_null(sl_json_at(list, 2));
    assert_null(sl_json_get(list, "n"));
    assert_int_equal(sl_json_count(a), 0);
    assert_null(sl_json_get(NULL, "a"));
    assert_int_equal(sl_json_integer(NULL, "a"), 0);
    sl_buf_done(&out);
    sl_json_free(json);
}

static void what_is_no_json(void **state)
{
    static char deep[200];
    const char *const wrong[] = {
        "",     "{",           "{\"a\":1,\"a\":2}", "[1,]", "{'a':1}", "nul",
        "[1]x", "\"\\ud800\"", "{\"a\":\"\xff\"}",  deep,
    };
    struct sl_json *json = NULL;
    struct sl_error err;

    (void)state;
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (sl_json_parse(sl_bytes_of(wrong[i]), &json, &err) !=
            SL_INVALID_ARGUMENT)
            fail_msg("%s", wrong[i]);
    assert_null(json);
    /* Brackets in a string are no levels. */
    assert_int_equal(
        sl_json_parse(SL_LITERAL("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                                 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"),
                      &json, &err),
        SL_OK);
    sl_json_free(json);
}

static void strings_are_escaped(void **state)
{
    struct sl_buf out = SL_BUF(100);
    struct sl_error err;

    (void)state;
    assert_int_equal(
        sl_json_append(&out, SL_LITERAL("a\"\\\n\x01\xc3\xa9"), &err), SL_OK);
    assert_true(sl_bytes_equal(
        sl_buf_bytes(&out),
        SL_LITERAL("\"a\\u0022\\u005c\\u000a\\u0001\xc3\xa9\"")));
    sl_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_has_one_form),
        cmocka_unit_test(what_is_there_is_read),
        cmocka_unit_test(what_is_no_json),
        cmocka_unit_test(strings_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

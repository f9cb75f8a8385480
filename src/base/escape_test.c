/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of text from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

/* Text as bytes, since it may hold any. */
#define TEXT(s) SL_BYTES("" s, sizeof(s) - 1)

#define ROW(s) "" s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t len;
    const char *line;
    const char *quoted;
} cases[] = {
    {ROW(""), "", ""},
    {ROW("plain text, 100% ~"), "plain text, 100% ~", "plain text, 100% ~"},
    /* Letters of any script, symbols, marks. */
    {ROW("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {ROW("\xe2\x9d\xa4\xef\xb8\x8f"), "\xe2\x9d\xa4\xef\xb8\x8f",
     "\xe2\x9d\xa4\xef\xb8\x8f"},
    /* A quote and a backslash mean something between quotes only. */
    {ROW("\"C:\\\""), "\"C:\\\"", "\\\"C:\\\\\\\""},
    /* Control characters. */
    {ROW("a\nb\tc\rd"), "a\\nb\\tc\\rd", "a\\nb\\tc\\rd"},
    {ROW("\rFORGED"), "\\rFORGED", "\\rFORGED"},
    {ROW("\0"), "\\u0000", "\\u0000"},
    {ROW("\x07\x08\x0b\x0c"), "\\u0007\\u0008\\u000b\\u000c",
     "\\u0007\\u0008\\u000b\\u000c"},
    {ROW("\x1b[2J"), "\\u001b[2J", "\\u001b[2J"},
    {ROW("\x1f\x7f"), "\\u001f\\u007f", "\\u001f\\u007f"},
    {ROW("\xc2\x80\xc2\x85\xc2\x9b"
         "2J\xc2\x9f"),
     "\\u0080\\u0085\\u009b2J\\u009f", "\\u0080\\u0085\\u009b2J\\u009f"},
    /* The first character behind the C1 controls. */
    {ROW("\xc2\xa0"), "\xc2\xa0", "\xc2\xa0"},
    /* Format characters. */
    {ROW("\xc2\xad"), "\\u00ad", "\\u00ad"},
    {ROW("\xd8\x9c"), "\\u061c", "\\u061c"},
    {ROW("\xe2\x80\x8b\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f"),
     "\\u200b\\u200d\\u200e\\u200f", "\\u200b\\u200d\\u200e\\u200f"},
    {ROW("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029", "\\u2028\\u2029"},
    {ROW("\xe2\x80\xaa\xe2\x80\xae"), "\\u202a\\u202e", "\\u202a\\u202e"},
    {ROW("\xe2\x81\xa0\xe2\x81\xa6\xe2\x81\xa9"), "\\u2060\\u2066\\u2069",
     "\\u2060\\u2066\\u2069"},
    {ROW("\xe2\x80\xa7\xe2\x80\xaf"), "\xe2\x80\xa7\xe2\x80\xaf",
     "\xe2\x80\xa7\xe2\x80\xaf"},
    {ROW("\xe3\x85\xa4"), "\\u3164", "\\u3164"},
    {ROW("\xef\xbb\xbf"), "\\ufeff", "\\ufeff"},
    {ROW("\xef\xbf\xbe\xef\xbf\xbf"), "\\ufffe\\uffff", "\\ufffe\\uffff"},
    {ROW("\xf3\xa0\x80\x81"), "\\U000e0001", "\\udb40\\udc01"},
    {ROW("\xf0\x9f\xbf\xbe"), "\\U0001fffe", "\\ud83f\\udffe"},
    {ROW("\xf4\x8f\xbf\xbf"), "\\U0010ffff", "\\udbff\\udfff"},
    /* No UTF-8: alone, cut, too long, a surrogate, too large. */
    {ROW("a\xff"
         "b\xc3"),
     "a\\xffb\\xc3",
     "a\xef\xbf\xbd"
     "b\xef\xbf\xbd"},
    {ROW("\x9b"
         "2J"),
     "\\x9b2J",
     "\xef\xbf\xbd"
     "2J"},
    {ROW("\xe2\x80"), "\\xe2\\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xc0\xaf"), "\\xc0\\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xc1\x9b"), "\\xc1\\x9b", "\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xe0\x82\x9b"), "\\xe0\\x82\\x9b",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xf0\x80\x82\x9b"), "\\xf0\\x80\\x82\\x9b",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xed\xa0\x80"), "\\xed\\xa0\\x80",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {ROW("\xf5\x80"), "\\xf5\\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
};

static void shows(struct sl_bytes text, enum sl_escape how, const char *wanted)
{
    char *shown = sl_escaped(text, how);

    assert_string_equal(shown, wanted);
    free(shown);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_bytes text = SL_BYTES(cases[i].text, cases[i].len);
        shows(text, SL_ESCAPE_LINE, cases[i].line);
        shows(text, SL_ESCAPE_QUOTED, cases[i].quoted);
    }
    shows(TEXT("a\n\tb\r\x1b"), SL_ESCAPE_LINES, "a\n\tb\\r\\u001b");
}

/* Whatever bytes there are, nothing but what is printable comes out. */
static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const uint8_t bytes[] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        char *shown = sl_escaped(SL_BYTES(bytes, 2), SL_ESCAPE_LINE);
        char *again = sl_escaped(sl_bytes_of(shown), SL_ESCAPE_LINE);
        assert_string_equal(shown, again);
        for (const char *at = shown; *at != '\0'; at++)
            assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
        free(shown);
        free(again);
    }
}

static void test_printable(void **state)
{
    static const uint32_t hidden[] = {0,      0x1f,    0x7f,     0x9f,
                                      0x200e, 0x2066,  0xd800,   0xfeff,
                                      0xffff, 0xe0fff, 0x10fffe, 0x110000};
    static const uint32_t shown[] = {' ',    '~',    0xa0,    0xac,
                                     0x2010, 0x202f, 0x2070,  0xe000,
                                     0xfe0f, 0xfffd, 0x1f600, 0x10fffd};

    (void)state;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        assert_false(sl_is_printable(hidden[i]));
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        assert_true(sl_is_printable(shown[i]));
}

static void test_incomplete(void **state)
{
    (void)state;
    assert_int_equal(sl_escape_incomplete(TEXT("")), 0);
    assert_int_equal(sl_escape_incomplete(TEXT("abc")), 0);
    assert_int_equal(sl_escape_incomplete(TEXT("a\xc3\xa9")), 0);
    assert_int_equal(sl_escape_incomplete(TEXT("a\xc3")), 1);
    assert_int_equal(sl_escape_incomplete(TEXT("a\xe2\x80")), 2);
    assert_int_equal(sl_escape_incomplete(TEXT("\xf0\x9f\x98")), 3);
    assert_int_equal(sl_escape_incomplete(TEXT("\xf0\x9f\x98\x80")), 0);
    /* These begin nothing. */
    assert_int_equal(sl_escape_incomplete(TEXT("\x80\x80")), 0);
    assert_int_equal(sl_escape_incomplete(TEXT("a\xff")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_incomplete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

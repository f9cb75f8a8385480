/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, read back from where they are written: standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int saved = -1;
static int pipes[2];

/* Standard error goes to a pipe until captured(). */
static void capture(void)
{
    assert_int_equal(pipe(pipes), 0);
    saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
    close(pipes[1]);
}

static void captured(char *out, size_t size)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t len = read(pipes[0], out, size - 1);
    assert_true(len >= 0);
    out[len] = '\0';
    close(pipes[0]);
}

static void test_a_line(void **state)
{
    char line[2048];
    regex_t shape;

    (void)state;
    sl_log_set_level(SL_LOG_INFO);
    capture();
    sl_log(SL_LOG_INFO, "start", SL_FIELD_STRING("name", "orders"),
           SL_FIELD_NUMBER("count", 3), SL_FIELD(NULL, SL_LITERAL("none")),
           SL_FIELD_TIME("ms", 1234567));
    captured(line, sizeof(line));
    assert_int_equal(
        regcomp(&shape,
                "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                "\\.[0-9]{3}Z level=info event=start name=orders count=3 "
                "ms=1\\.235\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    if (regexec(&shape, line, 0, NULL, 0) != 0)
        fail_msg("not a log line: %s", line);
    regfree(&shape);
}

static void test_levels(void **state)
{
    char lines[2048];

    (void)state;
    sl_log_set_level(SL_LOG_WARN);
    capture();
    sl_log(SL_LOG_ERROR, "first", SL_FIELD_NUMBER("a", 1));
    sl_log(SL_LOG_WARN, "second", SL_FIELD_NUMBER("a", 1));
    sl_log(SL_LOG_INFO, "third", SL_FIELD_NUMBER("a", 1));
    sl_log(SL_LOG_DEBUG, "fourth", SL_FIELD_NUMBER("a", 1));
    captured(lines, sizeof(lines));
    assert_non_null(strstr(lines, "event=first"));
    assert_non_null(strstr(lines, "event=second"));
    assert_null(strstr(lines, "event=third"));
    assert_null(strstr(lines, "event=fourth"));
}

static void test_level_names(void **state)
{
    enum sl_log_level level = SL_LOG_ERROR;

    (void)state;
    assert_true(sl_log_level_parse("debug", &level));
    assert_int_equal(level, SL_LOG_DEBUG);
    assert_true(sl_log_level_parse("error", &level));
    assert_int_equal(level, SL_LOG_ERROR);
    assert_false(sl_log_level_parse("Debug", &level));
    assert_false(sl_log_level_parse("", &level));
}

static void test_format_names(void **state)
{
    enum sl_log_format format = SL_LOG_TEXT;

    (void)state;
    assert_true(sl_log_format_parse("json", &format));
    assert_int_equal(format, SL_LOG_JSON);
    assert_false(sl_log_format_parse("jso", &format));
    assert_int_equal(format, SL_LOG_JSON);
}

/* One entry is one line, whatever is in the values, and however long. */
static void test_one_line(void **state)
{
    char lines[8192];
    char long_value[3000];

    (void)state;
    memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    capture();
    sl_log(SL_LOG_ERROR, "odd",
           SL_FIELD_STRING("reason", "a\nlevel=error\033[2J \"\\"));
    sl_log(SL_LOG_ERROR, "long", SL_FIELD_STRING("reason", long_value));
    captured(lines, sizeof(lines));
    assert_non_null(
        strstr(lines, "reason=\"a\\nlevel=error\\u001b[2J \\\"\\\\\"\n"));
    char *first = strchr(lines, '\n');
    char *second = strchr(first + 1, '\n');
    assert_non_null(second);
    assert_string_equal(second, "\n");
    assert_true(second - first <= 2200);
}

/* Whatever bytes there are, JSON is UTF-8. */
static void test_json(void **state)
{
    static const struct {
        const char *bytes;
        const char *written;
    } cases[] = {
        {"word", "\"word\""},
        {"", "\"\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b\xc3",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf5\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\t\x7f\"\\", "\"\\t\\u007f\\\"\\\\\""},
    };
    char line[1024], expected[256];

    (void)state;
    sl_log_set_format(SL_LOG_JSON);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        capture();
        sl_log(SL_LOG_ERROR, "e", SL_FIELD_STRING("v", cases[i].bytes),
               SL_FIELD_NUMBER("n", -1));
        captured(line, sizeof(line));
        snprintf(expected, sizeof(expected),
                 "Z\",\"level\":\"error\",\"event\":\"e\",\"v\":%s,\"n\":-1}\n",
                 cases[i].written);
        if (strstr(line, expected) == NULL)
            fail_msg("%s instead of %s", line, expected);
        assert_memory_equal(line, "{\"time\":\"", 9);
    }
    sl_log_set_format(SL_LOG_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),      cmocka_unit_test(test_levels),
        cmocka_unit_test(test_level_names), cmocka_unit_test(test_format_names),
        cmocka_unit_test(test_one_line),    cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

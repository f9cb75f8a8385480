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
    sl_log(SL_LOG_INFO, "start", "name=%s count=%d", "orders", 3);
    captured(line, sizeof(line));
    assert_int_equal(
        regcomp(&shape,
                "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                "\\.[0-9]{3}Z level=info event=start name=orders count=3\n$",
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
    sl_log(SL_LOG_ERROR, "first", "a=%d", 1);
    sl_log(SL_LOG_WARN, "second", "a=%d", 1);
    sl_log(SL_LOG_INFO, "third", "a=%d", 1);
    sl_log(SL_LOG_DEBUG, "fourth", "a=%d", 1);
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

/* One call is one line, whatever is in the values, and however long. */
static void test_one_line(void **state)
{
    char lines[4096];
    char long_value[3000];

    (void)state;
    memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    capture();
    sl_log(SL_LOG_ERROR, "odd", "reason=\"a\nlevel=error\033[2J\"");
    sl_log(SL_LOG_ERROR, "long", "reason=%s", long_value);
    captured(lines, sizeof(lines));
    assert_non_null(strstr(lines, "reason=\"a?level=error?[2J\"\n"));
    char *first = strchr(lines, '\n');
    char *second = strchr(first + 1, '\n');
    assert_non_null(second);
    assert_string_equal(second, "\n");
    assert_true(second - first <= 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

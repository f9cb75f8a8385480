/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: parse, bounds, defaults; the nearest word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/option.h"

struct target {
    const char *text;
    int64_t number;
    bool flag;
    int64_t time_ms;
    int64_t size;
};

static enum sl_status no_x(const void *field, struct sl_error *err)
{
    if (strchr(*(const char *const *)field, 'x') != NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "expected no x");
    return SL_OK;
}

static const struct sl_option table[] = {
    {.name = "text",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct target, text),
     .check = no_x},
    {.name = "number",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct target, number),
     .min = -1,
     .max = 10,
     .fallback = "-1"},
    {.name = "flag",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct target, flag),
     .fallback = "true"},
    {.name = "time",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct target, time_ms),
     .min = 1,
     .max = 60000,
     .fallback = "5s"},
    {.name = "size",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct target, size),
     .min = 1024,
     .max = 1 << 20},
    {0},
};

static enum sl_status set(const char *name, struct sl_setting_value value,
                          struct target *target, struct sl_error *err)
{
    const struct sl_option *option = sl_option_find(table, name);

    assert_non_null(option);
    return sl_option_set(option, &value, target, err);
}

static struct sl_setting_value text(const char *text)
{
    return (struct sl_setting_value){.type = SL_SETTING_TEXT, .text = text};
}

static struct sl_setting_value integer(int64_t number)
{
    return (struct sl_setting_value){.type = SL_SETTING_INTEGER,
                                     .integer = number};
}

static void defaults_are_as_written(void **state)
{
    struct target target = {0};

    (void)state;
    sl_options_default(table, &target);
    assert_null(target.text);
    assert_int_equal(target.number, -1);
    assert_true(target.flag);
    assert_int_equal(target.time_ms, 5000);
    assert_int_equal(target.size, 0);
}

static void values_of_the_right_type_are_taken(void **state)
{
    struct target target = {0};
    struct sl_error err;

    (void)state;
    assert_int_equal(set("text", text("abc"), &target, &err), SL_OK);
    assert_string_equal(target.text, "abc");
    assert_int_equal(set("number", integer(10), &target, &err), SL_OK);
    assert_int_equal(target.number, 10);
    assert_int_equal(set("size", text("1MiB"), &target, &err), SL_OK);
    assert_int_equal(target.size, 1 << 20);
}

static void others_are_refused_and_change_nothing(void **state)
{
    struct target target = {0};
    struct sl_error err;
    const struct {
        const char *name;
        struct sl_setting_value value;
        const char *message;
    } cases[] = {
        {"text", integer(1), "expected a string"},
        {"text", text("x"), "expected no x"},
        {"number", text("1"), "expected an integer"},
        {"number", integer(11), "expected -1 to 10"},
        {"flag", text("true"), "expected true or false"},
        {"time", text("2m"), "expected 1ms to 1m"},
        {"time", integer(5), "expected a duration"},
        {"size", text("1B"), "expected 1KiB to 1MiB"},
        {"size", text("1 MiB"), "expected a size"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(set(cases[i].name, cases[i].value, &target, &err),
                         SL_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].message, err.message);
    }
    assert_null(target.text);
    assert_int_equal(target.number, 0);
    assert_int_equal(target.time_ms, 0);
    assert_null(sl_option_find(table, "other"));
}

static void durations_and_sizes(void **state)
{
    static const char *const wrong[] = {"",
                                        "5",
                                        "s",
                                        "-5s",
                                        " 5s",
                                        "5 s",
                                        "5S",
                                        "5.5s",
                                        "5ss",
                                        "0x5s",
                                        "9223372036854775807h",
                                        "99999999999999999999ms"};
    struct sl_error err;
    int64_t out = 0;

    (void)state;
    assert_int_equal(sl_parse_duration("0s", &out, &err), SL_OK);
    assert_int_equal(sl_parse_duration("2h", &out, &err), SL_OK);
    assert_int_equal(out, 7200000);
    assert_int_equal(sl_parse_size("3TiB", &out, &err), SL_OK);
    assert_true(out == INT64_C(3) << 40);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sl_parse_duration(wrong[i], &out, &err),
                         SL_INVALID_ARGUMENT);
        assert_int_equal(sl_parse_size(wrong[i], &out, &err),
                         SL_INVALID_ARGUMENT);
    }
    assert_true(out == INT64_C(3) << 40);
}

static void the_nearest_word(void **state)
{
    static const char *const words[] = {"resource", "component", "name", NULL};

    (void)state;
    assert_string_equal(sl_nearest("resuorce", words), "resource");
    assert_string_equal(sl_nearest("nmae", words), "name");
    assert_string_equal(sl_nearest("componet", words), "component");
    assert_null(sl_nearest("trigger", words));
    assert_null(sl_nearest("", words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_written),
        cmocka_unit_test(values_of_the_right_type_are_taken),
        cmocka_unit_test(others_are_refused_and_change_nothing),
        cmocka_unit_test(durations_and_sizes),
        cmocka_unit_test(the_nearest_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

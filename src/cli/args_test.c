/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "cli/command.h"

static const struct sl_command_option options[] = {
    {.name = "env", .letter = 'e', .argument = "K=V", .repeats = true},
    {.name = "timeout", .letter = 't', .argument = "DURATION"},
    {.name = "quiet", .letter = 'q'},
    {.name = "verbose", .letter = 'v'},
    {0},
};

static const struct sl_command command = {
    .name = "run",
    .operands = "[FILE] [-- ARGS...]",
    .options = options,
    .operands_max = 1,
    .takes_rest = true,
};

static const struct sl_command strict = {
    .name = "only",
    .operands = "FILE",
    .options = options + 4,
    .operands_min = 1,
    .operands_max = 1,
};

/* argv ends with NULL. */
static enum sl_status parse_line(const struct sl_command *of,
                                 const char *const argv[], struct sl_args *args,
                                 struct sl_error *err)
{
    size_t argc = 0;

    while (argv[argc] != NULL)
        argc++;
    return sl_args_parse(of, argc, argv, args, err);
}

#define PARSE(of, ...)                                                         \
    parse_line(of, (const char *const[]){__VA_ARGS__, NULL}, &args, &err)

#define FAILS(of, expected, ...)                                               \
    do {                                                                       \
        SL_CLEANUP(sl_args_done) struct sl_args args;                          \
        struct sl_error err;                                                   \
        assert_int_equal(PARSE(of, __VA_ARGS__), SL_INVALID_ARGUMENT);         \
        assert_string_equal(err.message, expected);                            \
    } while (0)

static void test_nothing(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    const char *const none[] = {NULL};
    struct sl_error err;

    (void)state;
    assert_int_equal(parse_line(&command, none, &args, &err), SL_OK);
    assert_int_equal(args.option_count, 0);
    assert_null(sl_args_operand(&args, 0));
    assert_null(sl_args_value(&args, "env"));
    assert_null(args.rest);
}

static void test_long_options(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    (void)state;
    assert_int_equal(PARSE(&command, "--env", "A=1", "app.wasm", "--env=B=2",
                           "--timeout", "5s", "--quiet"),
                     SL_OK);
    assert_string_equal(sl_args_operand(&args, 0), "app.wasm");
    assert_int_equal(args.option_count, 4);
    assert_string_equal(args.options[0].value, "A=1");
    assert_string_equal(args.options[1].value, "B=2");
    assert_string_equal(sl_args_value(&args, "timeout"), "5s");
    assert_true(sl_args_has(&args, "quiet"));
    assert_false(sl_args_has(&args, "verbose"));
}

static void test_short_options(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    (void)state;
    assert_int_equal(PARSE(&command, "-qve", "A=1", "-t5s", "-"), SL_OK);
    assert_true(sl_args_has(&args, "quiet"));
    assert_true(sl_args_has(&args, "verbose"));
    assert_string_equal(sl_args_value(&args, "env"), "A=1");
    assert_string_equal(sl_args_value(&args, "timeout"), "5s");
    assert_string_equal(sl_args_operand(&args, 0), "-");
}

static void test_the_rest_is_left_alone(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    (void)state;
    assert_int_equal(PARSE(&command, "a", "--", "--env", "--", "b"), SL_OK);
    assert_int_equal(args.rest_count, 3);
    assert_string_equal(args.rest[0], "--env");
    assert_string_equal(args.rest[1], "--");
    assert_string_equal(args.rest[2], "b");
    assert_int_equal(args.option_count, 0);
}

static void test_nothing_behind_the_dashes(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    (void)state;
    assert_int_equal(PARSE(&command, "--"), SL_OK);
    assert_non_null(args.rest); /* given, but empty */
    assert_int_equal(args.rest_count, 0);
}

static void test_help_needs_nothing_else(void **state)
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    SL_CLEANUP(sl_args_done) struct sl_args with_letter;
    struct sl_error err;
    const char *const letter[] = {"-h", NULL};

    (void)state;
    assert_int_equal(PARSE(&strict, "--help"), SL_OK);
    assert_true(args.help);
    assert_int_equal(parse_line(&strict, letter, &with_letter, &err), SL_OK);
    assert_true(with_letter.help);
}

static void test_errors(void **state)
{
    (void)state;
    FAILS(&command, "unknown option --evn; did you mean --env?", "--evn", "A");
    FAILS(&command, "unknown option --timout; did you mean --timeout?",
          "--timout=5s");
    FAILS(&command,
          "unknown option --frobnicate; \"slight help run\" lists the options",
          "--frobnicate");
    FAILS(&command, "unknown option -x; \"slight help run\" lists the options",
          "-qx");
    FAILS(&command, "--timeout needs a value: DURATION", "--timeout");
    FAILS(&command, "--timeout needs a value: DURATION", "-t", "--", "5s");
    FAILS(&command, "--quiet takes no value", "--quiet=yes");
    FAILS(&command, "--timeout was given more than once", "--timeout=1s", "-t",
          "2s");
    FAILS(&command,
          "unexpected \"b\"; arguments of the component go after \"--\"; "
          "usage: slight run [FILE] [-- ARGS...]",
          "a", "b");
    FAILS(&strict, "unexpected \"b\"; usage: slight only FILE", "a", "b");
    FAILS(&strict, "unexpected \"b\"", "a", "--", "b");
    FAILS(&strict, "missing argument; usage: slight only FILE", "--");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_long_options),
        cmocka_unit_test(test_short_options),
        cmocka_unit_test(test_the_rest_is_left_alone),
        cmocka_unit_test(test_nothing_behind_the_dashes),
        cmocka_unit_test(test_help_needs_nothing_else),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

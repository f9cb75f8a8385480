/* SPDX-License-Identifier: Apache-2.0 */
/* The specification is valid: every package resolves, every world exists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/embedded_files.h"
#include "slight_bridge.h"

enum { FILES_MAX = 32 };

static size_t list_files(struct sl_bridge_wit_file out[FILES_MAX])
{
    assert_in_range(sl_wit_file_count, 1, FILES_MAX);
    for (size_t i = 0; i < sl_wit_file_count; i++) {
        assert_int_equal(strlen(sl_wit_files[i].text), sl_wit_files[i].len);
        out[i].path = sl_bytes_of(sl_wit_files[i].path);
        out[i].text = sl_bytes_of(sl_wit_files[i].text);
    }
    return sl_wit_file_count;
}

static void worlds_resolve(void **state)
{
    static const char *const worlds[] = {
        "slight:slight/command", "slight:slight/http", "slight:slight/worker",
        "slight:slight/subscriber", "slight:kv/imports"};
    struct sl_bridge_wit_file all[FILES_MAX];
    size_t count = list_files(all);

    (void)state;
    for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
        struct sl_error err = {0};
        enum sl_status status =
            sl_bridge_wit_check(all, count, sl_bytes_of(worlds[i]), &err);
        assert_string_equal(err.message, "");
        assert_int_equal(status, SL_OK);
    }
}

static void an_unknown_world_is_an_error(void **state)
{
    struct sl_bridge_wit_file all[FILES_MAX];
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_bridge_wit_check(all, list_files(all),
                                         SL_LITERAL("slight:slight/comand"),
                                         &err),
                     SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "slight:slight/command"));
}

static void an_error_has_its_place(void **state)
{
    const struct sl_bridge_wit_file wrong[] = {
        {.path = SL_LITERAL("a/a.wit"),
         .text = SL_LITERAL("package a:a;\ninterface i {\n  f: fun();\n}\n")}};
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_bridge_wit_check(wrong, 1, SL_LITERAL(""), &err),
                     SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "a/a.wit:3:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worlds_resolve),
        cmocka_unit_test(an_unknown_world_is_an_error),
        cmocka_unit_test(an_error_has_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

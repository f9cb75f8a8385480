/* SPDX-License-Identifier: Apache-2.0 */
/* Which imports are provided, and what is said about the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/imports.h"

/* NULL for hint: it is provided. */
static void check(const char *package, const char *interface,
                  const char *version, const char *expected)
{
    const struct sl_import_name name = {
        sl_bytes_of(package), sl_bytes_of(interface), sl_bytes_of(version)};
    char hint[160] = "";

    bool provided = sl_import_provided(&name, hint, sizeof(hint));
    assert_string_equal(hint, expected != NULL ? expected : "");
    assert_int_equal(provided, expected == NULL);
}

static void test_provided(void **state)
{
    (void)state;
    check("slight:kv", "store", "0.2.0", NULL);
    check("slight:types", "errors", "0.2.0", NULL);
    check("wasi:cli", "environment", "0.2.12", NULL);
    check("wasi:io", "streams", "0.2.0", NULL);
    check("wasi:cli", "stdout", "0.3.0", NULL);
}

/* As Wasmtime's linker has it: within 0.x, and within x. */
static void test_compatible_versions(void **state)
{
    (void)state;
    check("slight:kv", "store", "0.2.7", NULL);
    check("wasi:io", "streams", "0.2.99", NULL);
    check("slight:kv", "store", "0.2.0-rc.1", "this slight provides 0.2.0");
    check("slight:kv", "store", "0.20.0", "this slight provides 0.2.0");
    check("slight:kv", "store", "0.1.9", "this slight provides 0.2.0");
    check("slight:kv", "store", "1.0.0", "this slight provides 0.2.0");
    check("slight:kv", "store", "", "this slight provides 0.2.0");
    check("slight:kv", "store", "0.", "this slight provides 0.2.0");
    check("slight:kv", "store", "nonsense", "this slight provides 0.2.0");
    check("wasi:cli", "environment", "0.4.0",
          "this slight provides 0.2.12 and 0.3.0");
    check("wasi:io", "poll", "0.3.0", "this slight provides 0.2.12");
}

/* The last candidate has the types of 0.3.0; no other one has them. */
static void test_candidate(void **state)
{
    (void)state;
    check("wasi:http", "types", "0.3.0-rc-2026-03-15", NULL);
    check("wasi:http", "types", "0.3.0-rc-2026-03-16",
          "this slight provides 0.2.12 and 0.3.0");
    check("wasi:io", "poll", "0.3.0-rc-2026-03-15",
          "this slight provides 0.2.12");
    check("slight:kv", "store", "0.3.0-rc-2026-03-15",
          "this slight provides 0.2.0");
}

/* Tools write the names of WASI, so that another name is another package. */
static void test_wasi_is_not_guessed(void **state)
{
    (void)state;
    check("wasi:config", "store", "0.2.0-draft",
          "this slight does not provide the package");
    check("wasi:cly", "stdout", "0.2.0",
          "this slight does not provide the package");
    check("wasix:cli", "stdout", "0.2.0",
          "this slight does not provide the package");
    check("wasi:http", "incoming-handler", "0.2.0",
          "the package has no such interface here");
}

static void test_hints(void **state)
{
    (void)state;
    check("slight:vk", "store", "0.2.0",
          "unknown package; did you mean slight:kv?");
    check("acme:warehouse", "orders", "1.0.0",
          "this slight does not provide the package");
    check("slight:kv", "stores", "0.2.0",
          "no such interface; did you mean store?");
    check("slight:kv", "administration", "0.2.0",
          "the package has no such interface here");
    check("", "", "", "a plain import, which belongs to no interface");
}

/* A guest of a later patch: what it calls may be missing. */
static void test_newer(void **state)
{
    const struct {
        const char *package;
        const char *interface;
        const char *version;
        const char *newer; /* "" where it is not */
    } cases[] = {
        {"slight:kv", "store", "0.2.1",
         "slight:kv 0.2.1, and this slight provides 0.2.0"},
        {"slight:kv", "store", "0.2.10",
         "slight:kv 0.2.10, and this slight provides 0.2.0"},
        {"wasi:cli", "exit", "0.2.13",
         "wasi:cli 0.2.13, and this slight provides 0.2.12"},
        {"wasi:cli", "exit", "0.2.9", ""},
        {"slight:kv", "store", "0.2.0", ""},
        {"slight:kv", "store", "0.3.0", ""},
        {"slight:kv", "store", "0.2.0-rc.1", ""},
        {"slight:kv", "stor", "0.2.1", ""},
        {"slight:kv", "store", "0.2.", ""},
        {"slight:kv", "store", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_import_name name = {sl_bytes_of(cases[i].package),
                                            sl_bytes_of(cases[i].interface),
                                            sl_bytes_of(cases[i].version)};
        char text[160] = "";
        bool newer = sl_import_newer(&name, text, sizeof(text));
        assert_string_equal(text, cases[i].newer);
        assert_int_equal(newer, cases[i].newer[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provided),
        cmocka_unit_test(test_compatible_versions),
        cmocka_unit_test(test_candidate),
        cmocka_unit_test(test_wasi_is_not_guessed),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_newer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that a build left out, by capabilities of which one lacks some. */
#include "manifest/shared_test.h"

#include "kv/kv.h"
#include "manifest/capabilities.h"
#include "service/driver.h"

static struct sl_capability kv;

/* In place of capability_list.c. */
const struct sl_capability *const sl_capabilities[] = {&kv, NULL};

static int set_up(void **state)
{
    static const struct sl_driver *const none[] = {NULL};
    static const char *const left_out[] = {"kv.sqlite", "kv.redis", NULL};

    (void)state;
    kv = sl_kv;
    kv.drivers = none;
    kv.left_out = left_out;
    return 0;
}

static void test_left_out_drivers_are_known(void **state)
{
    (void)state;
    assert_true(sl_driver_is_left_out("kv.sqlite"));
    assert_true(sl_driver_is_left_out("kv.redis"));
    assert_false(sl_driver_is_left_out("kv.memory"));
    assert_false(sl_driver_is_left_out("kv"));
    assert_false(sl_driver_is_left_out(""));
    assert_null(sl_driver_find("kv.redis", NULL));
}

static void test_a_manifest_that_names_one(void **state)
{
    (void)state;
    manifest_bad(HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.redis\"\n"
                      "[[resource]]\nname = \"b\"\ntype = \"kv.rdis\"\n",
                 "7:8: this slight was built without kv.redis; \"slight "
                 "providers\" lists the types\n"
                 "10:8: unknown type \"kv.rdis\"; \"slight providers\" lists "
                 "the types\n");
}

static void test_the_built_in_manifest(void **state)
{
    struct sl_manifest *manifest = NULL;
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_manifest_default("a.wasm", NULL, &manifest, &err),
                     SL_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "the built-in manifest: this slight was built without "
                        "kv.sqlite; \"slight providers\" lists the types");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_out_drivers_are_known),
        cmocka_unit_test(test_a_manifest_that_names_one),
        cmocka_unit_test(test_the_built_in_manifest),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}

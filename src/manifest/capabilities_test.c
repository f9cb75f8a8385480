/* SPDX-License-Identifier: Apache-2.0 */
/* Every capability and driver of this build is complete and has its page. */
#include "manifest/capabilities.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "manifest/manifest.h"
#include "service/driver.h"

enum { TARGET_SIZE = 4096 };

/* A setting has a help and a valid default. */
static void check_option(const char *owner, const struct sl_option *option)
{
    uint8_t target[TARGET_SIZE] = {0};
    struct sl_error err;

    if (option->help == NULL)
        fail_msg("%s: %s has no help", owner, option->name);
    if (option->fallback == NULL)
        return;
    const struct sl_setting_value value = sl_option_fallback(option);
    if (sl_option_set(option, &value, target, &err) != SL_OK)
        fail_msg("%s: default of %s: %s", owner, option->name, err.message);
}

static void check_options(const char *owner, const struct sl_option *options)
{
    assert_non_null(options);
    for (const struct sl_option *o = options; o->name != NULL; o++)
        check_option(owner, o);
}

static void check_driver(const struct sl_capability *capability,
                         const struct sl_driver *driver)
{
    const struct sl_capability *found = NULL;
    char page[256];
    size_t len = strlen(capability->name);

    assert_true(strncmp(driver->name, capability->name, len) == 0);
    assert_int_equal(driver->name[len], '.');
    assert_ptr_equal(sl_driver_find(driver->name, &found), driver);
    assert_ptr_equal(found, capability);
    assert_non_null(driver->service);
    assert_non_null(driver->summary);
    assert_non_null(driver->store_new);
    assert_non_null(driver->store_free);
    assert_non_null(driver->open);
    assert_non_null(driver->close);
    assert_non_null(driver->run);
    assert_in_range(driver->max_batch, 1, 1024);
    check_options(driver->name, driver->options);
    snprintf(page, sizeof(page), SL_TEST_DOCS "/providers/%s.md", driver->name);
    if (access(page, R_OK) != 0)
        fail_msg("no %s", page);
}

static void check_capability(const struct sl_capability *capability)
{
    assert_true(capability->request_size >= sizeof(uint32_t));
    assert_true(capability->answer_size >= sizeof(struct sl_answer));
    assert_true(capability->config_size >= sizeof(struct sl_service_config));
    assert_non_null(capability->answer_init);
    assert_non_null(capability->answer_done);
    assert_non_null(capability->request_fields);
    assert_non_null(capability->check);
    assert_non_null(capability->is_repeatable);
    for (unsigned i = 0; i < capability->verb_count; i++)
        assert_non_null(capability->verbs[i]);
    for (const struct sl_feature *f = capability->features; f->name; f++)
        assert_non_null(f->help);
    check_options(capability->name, capability->options);
    assert_non_null(capability->drivers[0]);
    for (size_t i = 0; capability->drivers[i] != NULL; i++)
        check_driver(capability, capability->drivers[i]);
}

static void test_every_capability_is_complete(void **state)
{
    (void)state;
    assert_non_null(sl_capabilities[0]);
    for (size_t i = 0; sl_capabilities[i] != NULL; i++)
        check_capability(sl_capabilities[i]);
    check_options("every resource", sl_service_options);
}

static void test_unknown_names(void **state)
{
    const struct sl_capability *none = NULL;

    (void)state;
    assert_null(sl_driver_find("kv.none", &none));
    assert_null(none);
    assert_null(sl_driver_find("kv", NULL));
    assert_string_equal(sl_driver_nearest("kv.sqlit"), "kv.sqlite");
    assert_null(sl_driver_nearest("something else"));
}

/* Every table of the manifest can be documented. */
static void test_the_reference_is_complete(void **state)
{
    struct sl_manifest_table table;
    size_t count = 0;

    (void)state;
    for (; (table = sl_manifest_table(count)).title != NULL; count++) {
        for (size_t i = 0; i < 2; i++)
            if (table.options[i] != NULL)
                check_options(table.title, table.options[i]);
        for (const struct sl_manifest_key *k = table.keys;
             k != NULL && k->name != NULL; k++) {
            assert_non_null(k->type);
            assert_non_null(k->help);
        }
    }
    assert_true(count >= 10);
}

/* docs/triggers.md has the default of every setting. */
static void test_triggers_have_their_page(void **state)
{
    static char page[65536];
    char row[256];

    (void)state;
    FILE *file = fopen(SL_TEST_DOCS "/triggers.md", "r");
    assert_non_null(file);
    page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
    fclose(file);
    for (int type = SL_TRIGGER_HTTP; type <= SL_TRIGGER_PUBSUB; type++) {
        const struct sl_option *options =
            sl_manifest_trigger_options((enum sl_manifest_trigger_type)type);
        check_options("[[trigger]]", options);
        for (const struct sl_option *o = options; o->name != NULL; o++) {
            bool set = o->fallback != NULL;
            snprintf(row, sizeof(row), "| `%s` | %s | %s%s%s |", o->name,
                     sl_option_type_text(o->type), set ? "`" : "",
                     set           ? o->fallback
                     : o->required ? "required"
                                   : "none",
                     set ? "`" : "");
            if (strstr(page, row) == NULL)
                fail_msg("docs/triggers.md has no row %s", row);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_capability_is_complete),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_the_reference_is_complete),
        cmocka_unit_test(test_triggers_have_their_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

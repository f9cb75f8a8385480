/* SPDX-License-Identifier: Apache-2.0 */
/* What is special about lockd.postgres; no server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/postgres_tables.h"
#include "lockd/driver.h"

extern const struct sl_driver sl_lockd_postgres;

static void names_of_tables(void **state)
{
    static const char *const good[] = {
        "slight", "A_b-9", "0123456789012345678901234567890123456789"};
    static const char *const bad[] = {
        "",    "a b",        "a\"b",
        "a'b", "a;b",        "a.b",
        "{t}", "gr\xc3\xbc", "01234567890123456789012345678901234567890"};
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(sl_pg_check_table(&good[i], &err), SL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sl_pg_check_table(&bad[i], &err), SL_INVALID_ARGUMENT);
}

static void settings(void **state)
{
    struct sl_pg_tables_options options = {0};

    (void)state;
    sl_options_default(sl_lockd_postgres.options, &options);
    assert_string_equal(options.table, "slight_lock");
    assert_string_equal(options.server.tls, "auto");
    assert_true(sl_option_find(sl_lockd_postgres.options, "url")->secret);
    assert_true(sl_option_find(sl_lockd_postgres.options, "password")->secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_tables),
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests_name("lockd.postgres", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is special about lockd.postgres; no server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/postgres/tables.h"
#include "lockd/driver.h"

extern const struct sl_driver sl_driver_lockd_postgres;

static void settings(void **state)
{
    struct sl_pg_tables_options options = {0};

    (void)state;
    sl_options_default(sl_driver_lockd_postgres.options, &options);
    assert_string_equal(options.table, "slight_lock");
    assert_string_equal(options.server.tls, "auto");
    assert_true(
        sl_option_find(sl_driver_lockd_postgres.options, "url")->secret);
    assert_true(
        sl_option_find(sl_driver_lockd_postgres.options, "password")->secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests_name("lockd.postgres", tests, NULL, NULL);
}

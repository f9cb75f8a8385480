/* SPDX-License-Identifier: Apache-2.0 */
/* What is special about kv.postgres; no server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/postgres/tables.h"
#include "kv/driver.h"
#include "kv/postgres/prefix.h"

extern const struct sl_driver sl_driver_kv_postgres;

static void settings(void **state)
{
    struct sl_pg_tables_options options = {0};

    (void)state;
    sl_options_default(sl_driver_kv_postgres.options, &options);
    assert_string_equal(options.table, "slight_kv");
    assert_string_equal(options.server.tls, "auto");
    assert_true(sl_option_find(sl_driver_kv_postgres.options, "url")->secret);
    assert_true(
        sl_option_find(sl_driver_kv_postgres.options, "password")->secret);
}

static void ends_of_prefixes(void **state)
{
    static const struct {
        const char *prefix, *end; /* NULL: none */
    } cases[] = {
        {"", NULL},
        {"a", "b"},
        {"users/", "users0"},
        {"\x7f", "\xc2\x80"},
        {"a\xc3\xbf", "a\xc4\x80"},           /* U+00FF */
        {"\xdf\xbf", "\xe0\xa0\x80"},         /* U+07FF */
        {"\xed\x9f\xbf", "\xee\x80\x80"},     /* before the surrogates */
        {"\xef\xbf\xbf", "\xf0\x90\x80\x80"}, /* U+FFFF */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81"},
        {"a\xf4\x8f\xbf\xbf", "b"}, /* the last character */
        {"\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char end[SL_KV_KEY_MAX + 1];
        size_t len = 0;
        bool is =
            sl_kv_postgres_prefix_end(sl_bytes_of(cases[i].prefix), end, &len);
        assert_int_equal(is, cases[i].end != NULL);
        if (is) {
            assert_int_equal(len, strlen(cases[i].end));
            assert_memory_equal(end, cases[i].end, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(ends_of_prefixes),
    };

    return cmocka_run_group_tests_name("kv.postgres", tests, NULL, NULL);
}

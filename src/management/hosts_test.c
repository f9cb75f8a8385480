/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "management/internal.h"

static void test_hosts(void **state)
{
    static const struct {
        const char *field;
        bool allowed;
    } cases[] = {
        {"localhost", true},
        {"LocalHost:9090", true},
        {"127.0.0.1:9090", true},
        {"10.1.2.3", true},
        {"[::1]:9090", true},
        {"[::1]", true},
        {"metrics.internal", true},
        {"slight.default.svc:9090", true},
        {"localhost.:9090", true},
        {"evil.example", false},
        {"localhost.evil.example", false},
        {"127.0.0.1.evil.example:9090", false},
        {"", false},
        {":9090", false},
        {"[", false},
        {"0x7f000001", false},
        {"127.1", false},
        {"user@localhost", false},
    };
    const char *names[] = {"slight.default.svc"};
    const struct sl_manifest_management settings = {
        .listen = "metrics.internal:9090",
        .allowed_hosts = names,
        .allowed_host_count = 1,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (sl_management_allows(&settings, sl_bytes_of(cases[i].field)) !=
            cases[i].allowed)
            fail_msg("\"%s\"", cases[i].field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hosts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

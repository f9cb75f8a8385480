/* SPDX-License-Identifier: Apache-2.0 */
#include "base/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_ports(void **state)
{
    static const struct {
        const char *text;
        int port; /* -1: it is refused */
    } cases[] = {
        {"0", 0},      {"1", 1},      {"80", 80},    {"65535", 65535},
        {"00080", 80}, {"65536", -1}, {"99999", -1}, {"000080", -1},
        {"", -1},      {"-1", -1},    {"+80", -1},   {" 80", -1},
        {"80 ", -1},   {"0x50", -1},  {"8o", -1},    {"http", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint16_t port = 7;
        bool is_port = sl_port_parse(sl_bytes_of(cases[i].text), &port);
        assert_int_equal(is_port, cases[i].port >= 0);
        assert_int_equal(port, is_port ? cases[i].port : 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

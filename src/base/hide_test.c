/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hide.h"

static void check(const char *value, bool is_address, const char *message,
                  const char *expected)
{
    struct sl_hidden *list = sl_hidden_add(NULL, value, is_address);
    struct sl_error err;

    sl_fail(&err, SL_UNAVAILABLE, "%s", message);
    sl_hide(list, &err);
    assert_string_equal(err.message, expected);
    while (list != NULL) {
        struct sl_hidden *next = list->next;
        free(list);
        list = next;
    }
}

static void test_values(void **state)
{
    (void)state;
    check("orders", false, "no database orders", "no database ${...}");
    check("orders", false, "reorders, orders2", "reorders, orders2");
    check("orders", false, "\"orders\": orders", "\"${...}\": ${...}");
    check("", false, "as it is", "as it is");
}

static void test_addresses(void **state)
{
    (void)state;
    check("redis://ann:pw@db.internal:6379/2", true,
          "db.internal:6379: user ann, pw", "${...}:6379: user ${...}, ${...}");
    check("http://a:1,http://b:2", true, "a:1 and b:2",
          "${...}:1 and ${...}:2");
    check("mysql://[fd00::1]:3306/shop", true, "[fd00::1]:3306: shop",
          "[${...}]:3306: ${...}");
    /* As it is written, and as it is meant. */
    check("mysql://a%40b:p%2Fw@h%2e/shop?tls=x", true,
          "user a@b, p/w, at h., shop", "user ${...}, ${...}, at h., ${...}");
    check("redis://h:7000?db=3", true, "h:7000", "${...}:7000");
    check("h1,h2:2181/root", true, "h1:2181, h2:2181",
          "${...}:2181, ${...}:2181");
}

/* What gets longer is cut. */
static void test_length(void **state)
{
    struct sl_hidden *list = sl_hidden_add(NULL, "a", false);
    struct sl_error err = {.status = SL_INTERNAL};

    (void)state;
    for (size_t i = 0; i < SL_ERROR_MESSAGE_MAX - 1; i++)
        err.message[i] = i % 2 == 0 ? 'a' : ' ';
    sl_hide(list, &err);
    assert_true(strlen(err.message) == SL_ERROR_MESSAGE_MAX - 1);
    assert_null(strchr(err.message, 'a'));
    sl_hide(NULL, &err);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

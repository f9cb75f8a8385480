/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/peer.h"

static void hosts(void **state)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "127.9.9.9",
                                        "::1", "/run/postgresql"};
    static const char *const other[] = {
        "db",  "10.0.0.1", "localhost.example", "127.0.0.1.example",
        "::2", "0.0.0.0"};

    (void)state;
    assert_true(sl_peer_is_local(NULL));
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        assert_true(sl_peer_is_local(local[i]));
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        assert_false(sl_peer_is_local(other[i]));
}

static void count(void *context, const char *text)
{
    assert_non_null(strstr(text, "other"));
    assert_null(strstr(text, "secret"));
    ++*(int *)context;
}

static int of_list(const char *list, const char *scheme)
{
    int told = 0;

    sl_peer_tell_of_list(list, scheme, "do so", count, &told);
    return told;
}

static void lists(void **state)
{
    (void)state;
    assert_int_equal(of_list("localhost:2181,[::1]:2181/chroot", NULL), 0);
    assert_int_equal(of_list("localhost:2181, other:2181,other2/x", NULL), 1);
    assert_int_equal(of_list("https://other:1,http://127.0.0.1:1", "http"), 0);
    assert_int_equal(of_list("https://a:1,http://other:1", "http"), 1);
}

static int of_url(const char *url, const char *password)
{
    int told = 0;

    sl_peer_tell_of_url(url, "redis", password, "do so", count, &told);
    return told;
}

static void urls(void **state)
{
    (void)state;
    assert_int_equal(of_url("redis://u:secret@other/0", NULL), 1);
    assert_int_equal(of_url("redis://other", "secret"), 1);
    assert_int_equal(of_url("redis://other", NULL), 0);
    assert_int_equal(of_url("rediss://u:secret@other", NULL), 0);
    assert_int_equal(of_url("redis://u:secret@127.0.0.1", NULL), 0);
    assert_int_equal(of_url("redis://u:secret@[::1]:6379", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(lists),
        cmocka_unit_test(urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

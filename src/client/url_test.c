/* SPDX-License-Identifier: Apache-2.0 */
/* Service URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/url.h"

/* As sl_url, of literals. */
struct parts {
    const char *scheme;
    const char *user;
    const char *password;
    const char *host;
    int port;
    const char *path;
};

static void same(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void the_parts_come_apart(void **state)
{
    const struct {
        const char *text;
        struct parts url;
    } cases[] = {
        {"redis://host", {.scheme = "redis", .host = "host"}},
        {"REDISS://a.b:6380/3",
         {.scheme = "rediss", .host = "a.b", .port = 6380, .path = "3"}},
        {"redis://user:p%40ss@[::1]:1/",
         {.scheme = "redis",
          .user = "user",
          .password = "p@ss",
          .host = "::1",
          .port = 1}},
        {"redis://:only@h",
         {.scheme = "redis", .password = "only", .host = "h"}},
        {"redis://a:b@c@h", /* the last @ ends the user's part */
         {.scheme = "redis", .user = "a", .password = "b@c", .host = "h"}},
        {"redis://u@h", {.scheme = "redis", .user = "u", .host = "h"}},
        {"redis://u:@h",
         {.scheme = "redis", .user = "u", .password = "", .host = "h"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_error err;
        struct sl_url url;
        if (sl_url_parse(cases[i].text, &url, &err) != SL_OK)
            fail_msg("%s: %s", cases[i].text, err.message);
        same(url.scheme, cases[i].url.scheme);
        same(url.user, cases[i].url.user);
        same(url.password, cases[i].url.password);
        same(url.host, cases[i].url.host);
        same(url.path, cases[i].url.path);
        assert_int_equal(url.port, cases[i].url.port);
        sl_url_done(&url);
    }
}

static void what_is_none_is_refused_without_its_secret(void **state)
{
    static const char *const wrong[] = {
        "",
        "host",
        "://secret",
        "redis://",
        "redis://:secret@",
        "redis://secret:x%zz@h",
        "redis://u:secret%0@h",
        "redis://u:secret%00@h",
        "redis://secret:0",
        "redis://secret:65536",
        "redis://secret:99999999999",
        "redis://secret:",
        "redis://secret:12x",
        "redis://[::1secret",
        "redis://[::1]secret",
        "redis://h/1?secret",
        "redis://h#secret",
        "redis://h?secret",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sl_error err;
        struct sl_url url = {.port = -1};
        if (sl_url_parse(wrong[i], &url, &err) != SL_INVALID_ARGUMENT)
            fail_msg("%s was taken", wrong[i]);
        assert_null(strstr(err.message, "secret"));
        assert_int_equal(url.port, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_come_apart),
        cmocka_unit_test(what_is_none_is_refused_without_its_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

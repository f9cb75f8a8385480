/* SPDX-License-Identifier: Apache-2.0 */
/* Service URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/url.h"

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
        "redis://h#secret",
        "redis://h?a=secret%",
        "redis://h?%00=secret",
        "redis://:12/secret@h",
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

static void parameters_come_apart(void **state)
{
    struct sl_error err;
    struct sl_url url;

    (void)state;
    assert_int_equal(
        sl_url_parse("mysql://h/d%3F?ssl-mode=a%26b+c&&tls&X_y=/?@:=", &url,
                     &err),
        SL_OK);
    assert_string_equal(url.path, "d?");
    assert_int_equal(url.parameter_count, 3);
    assert_string_equal(sl_url_parameter(&url, "sslMode"), "a&b+c");
    assert_string_equal(sl_url_parameter(&url, "ssl_mode"), "a&b+c");
    assert_string_equal(sl_url_parameter(&url, "tls"), "");
    assert_string_equal(sl_url_parameter(&url, "xy"), "/?@:=");
    assert_null(sl_url_parameter(&url, "ssl"));
    assert_null(sl_url_parameter(&url, "ssl-modes"));
    sl_url_done(&url);
    assert_int_equal(sl_url_parse("redis://h:1?", &url, &err), SL_OK);
    assert_int_equal(url.parameter_count, 0);
    assert_int_equal(url.port, 1);
    sl_url_done(&url);
}

static const struct sl_url_known known[] = {
    {"free", NULL, NULL},
    {"ssl-mode", "on off", "there is no other"},
    {"timeout", NULL, "write it elsewhere"},
    {NULL, NULL, NULL},
};

static void parameters_are_understood_or_explained(void **state)
{
    static const struct {
        const char *url, *message; /* NULL: it is taken */
    } cases[] = {
        {"redis://h?free=secret&SSLMode=ON", NULL},
        {"redis://h?timeout=secret", "\"timeout\" in the query of the URL: "
                                     "write it elsewhere"},
        {"redis://h?ssl_mode=secret", "\"ssl-mode\" in the query of the URL: "
                                      "expected one of on off; there is no "
                                      "other"},
        {"redis://h?free=secret&free=secret",
         "\"free\" is given more than once in the query of the URL"},
        {"redis://h?secret=1",
         "the query of the URL has an unknown parameter; known are: free, "
         "ssl-mode; in a password write ? as %3F"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_error err;
        struct sl_url url;
        assert_int_equal(sl_url_parse(cases[i].url, &url, &err), SL_OK);
        enum sl_status status = sl_url_check_parameters(&url, known, &err);
        sl_url_done(&url);
        if (cases[i].message == NULL)
            assert_int_equal(status, SL_OK);
        else
            assert_string_equal(err.message, cases[i].message);
    }
}

/* A password that was not encoded. */
static void a_hint_for_passwords(void **state)
{
    static const char *const wrong[] = {
        "redis://u:pa/secret@h/0", "redis://u:12/secret@h/0",
        "redis://u:pa#secret@h/0", "redis://u:pa?secret@h/0",
        "redis://:/secret@h",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sl_error err;
        struct sl_url url;
        assert_int_equal(sl_url_parse(wrong[i], &url, &err),
                         SL_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "/ is written %2F, ? %3F, # %23"));
        assert_null(strstr(err.message, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_come_apart),
        cmocka_unit_test(what_is_none_is_refused_without_its_secret),
        cmocka_unit_test(parameters_come_apart),
        cmocka_unit_test(parameters_are_understood_or_explained),
        cmocka_unit_test(a_hint_for_passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

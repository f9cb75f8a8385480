/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/route.h"

#define UNCLEAR "unclear"

static const char *const prefixes[] = {
    "/",       "/admin",       "/admin/open",    "/café",
    "/slash/", "/a%2fb",       "/at/@me",        "/~joe",
    "/x y",    "/.well-known", "/q/../deep//er",
};

enum { PREFIXES = sizeof(prefixes) / sizeof(prefixes[0]) };

static struct sl_routes *routes_of(const char *const *texts, size_t count)
{
    struct sl_bytes bytes[PREFIXES];

    for (size_t i = 0; i < count; i++)
        bytes[i] = sl_bytes_of(texts[i]);
    return sl_routes_new(bytes, count);
}

static const char *find(const struct sl_routes *routes,
                        const char *const *texts, struct sl_bytes path)
{
    size_t found = sl_routes_find(routes, path);

    if (found == SL_ROUTE_UNCLEAR)
        return UNCLEAR;
    return found == SL_ROUTE_NONE ? "none" : texts[found];
}

static void test_equivalent(void **state)
{
    static const struct {
        const char *path, *route;
    } cases[] = {
        {"/", "/"},
        {"", "/"},
        {"*", "/"},
        {"/admin", "/admin"},
        {"/admin/", "/admin"},
        {"/admin/x", "/admin"},
        {"/adminx", "/"},
        {"/Admin", "/"},
        {"/admin/open", "/admin/open"},
        {"/admin/open/x", "/admin/open"},
        {"/admin/opens", "/admin"},
        {"/slash", "/"},
        {"/slash/", "/slash/"},
        {"/slash/x", "/slash/"},
        /* Percent-encoding, and its letters. */
        {"/%61dmin", "/admin"},
        {"/%61%64%6D%69%6e/x", "/admin"},
        {"/caf%C3%A9", "/café"},
        {"/caf%c3%a9/x", "/café"},
        {"/café", "/café"},
        {"/caf%C3", "/"},
        {"/%7Ejoe", "/~joe"},
        {"/x%20y", "/x y"},
        {"/%2561dmin", "/"},
        {"/adm%", "/"},
        {"/adm%6", "/"},
        {"/adm%zz", "/"},
        /* Dot segments and doubled slashes. */
        {"/./admin", "/admin"},
        {"/x/../admin", "/admin"},
        {"/x/%2e%2E/admin/.", "/admin"},
        {"/../../admin", "/admin"},
        {"/x/y/../../admin", "/admin"},
        {"/admin/..", "/"},
        {"/admin/../x", "/"},
        {"/admin/open/..", "/admin"},
        {"/admin/...", "/admin"},
        {"/.admin", "/"},
        {"/..admin", "/"},
        {"/.well-known/x", "/.well-known"},
        {"//admin", "/admin"},
        {"///admin//open//x", "/admin/open"},
        {"/x//../admin", "/admin"},
        {"/deep/er", "/q/../deep//er"},
        /* What is no slash, where it makes no difference. */
        {"/a%2Fb", "/a%2fb"},
        {"/a%2Fb/x", "/a%2fb"},
        {"/admin/x%2Fy", "/admin"},
        {"/x%2Fy", "/"},
        {"/admin/x%00y", "/admin"},
        {"/at/@me", "/at/@me"},
        /* And where it does. */
        {"/admin%2Fx", UNCLEAR},
        {"/admin%2fopen", UNCLEAR},
        {"/admin\\x", UNCLEAR},
        {"/admin%5cx", UNCLEAR},
        {"/x%2F..%2Fadmin", UNCLEAR},
        {"/admin/..%2fx", UNCLEAR},
        {"/admin/open/..%2f..%2fx", UNCLEAR},
        {"/admin%00", UNCLEAR},
        {"/admin%00.html", UNCLEAR},
        {"/at/%40me", UNCLEAR},
    };
    struct sl_routes *routes = routes_of(prefixes, PREFIXES);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = find(routes, prefixes, sl_bytes_of(cases[i].path));
        if (strcmp(found, cases[i].route) != 0)
            fail_msg("\"%s\" is %s, not %s", cases[i].path, found,
                     cases[i].route);
    }
    sl_routes_free(routes);
}

static void test_none(void **state)
{
    const char *const texts[] = {"/api"};
    struct sl_routes *routes = routes_of(texts, 1);
    struct sl_routes *none = sl_routes_new(NULL, 0);

    (void)state;
    assert_string_equal(find(routes, texts, SL_LITERAL("/apix")), "none");
    assert_string_equal(find(routes, texts, SL_LITERAL("/")), "none");
    assert_string_equal(find(routes, texts, SL_LITERAL("/api%2Fx")), "none");
    assert_string_equal(find(routes, texts, SL_LITERAL("/api/..%2Fx")),
                        UNCLEAR);
    assert_string_equal(find(routes, texts, SL_BYTES("/\0api", 5)), "none");
    assert_int_equal(sl_routes_find(none, SL_LITERAL("/")), SL_ROUTE_NONE);
    sl_routes_free(none);
    sl_routes_free(routes);
    sl_routes_free(NULL);
}

static void test_long(void **state)
{
    enum { LEN = 65536 };
    char *path = malloc(LEN);
    struct sl_routes *routes = routes_of(prefixes, PREFIXES);

    (void)state;
    assert_non_null(path);
    for (size_t i = 0; i < LEN; i++)
        path[i] = "/../%2e%2f"[i % 10];
    assert_string_equal(find(routes, prefixes, SL_BYTES(path, LEN)), "/");
    memset(path, '/', LEN);
    assert_string_equal(find(routes, prefixes, SL_BYTES(path, LEN)), "/");
    memset(path, 0xff, LEN);
    assert_string_equal(find(routes, prefixes, SL_BYTES(path, LEN)), "/");
    sl_routes_free(routes);
    free(path);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(sl_route_equal(SL_LITERAL("/caf%c3%a9"), SL_LITERAL("/café")));
    assert_true(sl_route_equal(SL_LITERAL("/a//b"), SL_LITERAL("/a/b")));
    assert_true(sl_route_equal(SL_LITERAL("/a%2fb"), SL_LITERAL("/a/b")));
    assert_false(sl_route_equal(SL_LITERAL("/a/"), SL_LITERAL("/a")));
    assert_false(sl_route_equal(SL_LITERAL("/a"), SL_LITERAL("/A")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equivalent),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

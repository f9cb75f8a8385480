/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd's answers mean, what its settings are, and what its watches say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/etcd/internal.h"

/* api/v3rpc/rpctypes/error.go of etcd 3.7.3: code and text of each. */
static const struct {
    int code;
    const char *text;
    enum sl_status status;
    bool unchanged;
    bool stale;
} errors[] = {
    {3, "etcdserver: key is not provided", SL_INVALID_ARGUMENT, true, false},
    {3, "etcdserver: key not found", SL_INVALID_ARGUMENT, true, false},
    {3, "etcdserver: value is provided", SL_INVALID_ARGUMENT, true, false},
    {3, "etcdserver: lease is provided", SL_INVALID_ARGUMENT, true, false},
    {3, "etcdserver: too many operations in txn request", SL_TOO_LARGE, true,
     false},
    {3, "etcdserver: duplicate key given in txn request", SL_INVALID_ARGUMENT,
     true, false},
    {3, "etcdserver: invalid client api version", SL_INVALID_ARGUMENT, true,
     false},
    {3, "etcdserver: invalid sort option", SL_INVALID_ARGUMENT, true, false},
    {11, "etcdserver: mvcc: required revision has been compacted", SL_CONFLICT,
     true, false},
    {11, "etcdserver: mvcc: required revision is a future revision",
     SL_UNAVAILABLE, true, false},
    {8, "etcdserver: mvcc: database space exceeded", SL_RESOURCE_EXHAUSTED,
     true, false},
    {5, "etcdserver: requested lease not found", SL_NOT_FOUND, true, false},
    {9, "etcdserver: lease already exists", SL_ALREADY_EXISTS, true, false},
    {11, "etcdserver: too large lease TTL", SL_INVALID_ARGUMENT, true, false},
    {1, "etcdserver: watch canceled", SL_UNAVAILABLE, false, false},
    {9, "etcdserver: member ID already exist", SL_CONFLICT, true, false},
    {5, "etcdserver: member not found", SL_NOT_FOUND, true, false},
    {9, "etcdserver: cluster ID mismatch", SL_CONFLICT, true, false},
    {3, "etcdserver: request is too large", SL_TOO_LARGE, true, false},
    {8, "etcdserver: too many requests", SL_RESOURCE_EXHAUSTED, true, false},
    {8, "grpc: received message larger than max (2000000 vs. 1048576)",
     SL_TOO_LARGE, true, false},
    {9, "etcdserver: root user does not exist", SL_CONFLICT, true, false},
    {3, "etcdserver: user name is empty", SL_UNAUTHENTICATED, true, false},
    {9, "etcdserver: user name not found", SL_UNAUTHENTICATED, true, false},
    {9, "etcdserver: role name not found", SL_CONFLICT, true, false},
    {3, "etcdserver: authentication failed, invalid user ID or password",
     SL_UNAUTHENTICATED, true, false},
    {3, "etcdserver: permission not given", SL_INVALID_ARGUMENT, true, false},
    {7, "etcdserver: permission denied", SL_PERMISSION_DENIED, true, false},
    {9, "etcdserver: role is not granted to the user", SL_CONFLICT, true,
     false},
    {9, "etcdserver: authentication is not enabled", SL_UNAUTHENTICATED, true,
     false},
    {16, "etcdserver: invalid auth token", SL_UNAUTHENTICATED, true, true},
    {3, "etcdserver: invalid auth management", SL_INVALID_ARGUMENT, true,
     false},
    {3, "etcdserver: revision of auth store is old", SL_UNAVAILABLE, true,
     true},
    {14, "etcdserver: no leader", SL_UNAVAILABLE, false, false},
    {9, "etcdserver: not leader", SL_UNAVAILABLE, true, false},
    {14, "etcdserver: leader changed", SL_UNAVAILABLE, false, false},
    {9, "etcdserver: not capable", SL_UNSUPPORTED, true, false},
    {14, "etcdserver: server stopped", SL_UNAVAILABLE, false, false},
    {14, "etcdserver: request timed out", SL_UNAVAILABLE, false, false},
    {14,
     "etcdserver: request timed out, possibly due to previous leader failure",
     SL_UNAVAILABLE, false, false},
    {14, "etcdserver: request timed out, possibly due to connection lost",
     SL_UNAVAILABLE, false, false},
    {14,
     "etcdserver: request timed out, waiting for the applied index took too "
     "long",
     SL_UNAVAILABLE, false, false},
    {14, "etcdserver: unhealthy cluster", SL_UNAVAILABLE, false, false},
    {15, "etcdserver: corrupt cluster", SL_UNAVAILABLE, true, false},
    {9, "etcdserver: rpc not supported for learner", SL_UNAVAILABLE, true,
     false},
    {9, "etcdserver: bad leader transferee", SL_CONFLICT, true, false},
    {9, "etcdserver: cluster has a downgrade job in progress", SL_CONFLICT,
     true, false},
    {1, "etcdserver: request canceled", SL_UNAVAILABLE, false, false},
    {4, "etcdserver: context deadline exceeded", SL_TIMEOUT, false, false},
    /* The codes of gRPC, with texts that nobody knows. */
    {2, "etcdserver: new", SL_INTERNAL, false, false},
    {3, "etcdserver: new", SL_INVALID_ARGUMENT, true, false},
    {5, "etcdserver: new", SL_NOT_FOUND, true, false},
    {6, "etcdserver: new", SL_ALREADY_EXISTS, true, false},
    {7, "etcdserver: new", SL_PERMISSION_DENIED, true, false},
    {8, "etcdserver: new", SL_RESOURCE_EXHAUSTED, true, false},
    {10, "etcdserver: new", SL_CONFLICT, false, false},
    {11, "etcdserver: new", SL_INVALID_ARGUMENT, true, false},
    {12, "etcdserver: new", SL_UNSUPPORTED, true, false},
    {13, "etcdserver: new", SL_INTERNAL, false, false},
    {15, "etcdserver: new", SL_UNAVAILABLE, false, false},
    {16, "etcdserver: new", SL_UNAUTHENTICATED, true, false},
    {17, "etcdserver: new", SL_INTERNAL, false, false},
};

static enum sl_status explain(const char *body, int code, bool *unchanged,
                              bool *stale, struct sl_error *err)
{
    return sl_etcd_explain(code, sl_bytes_of(body), unchanged, stale, err);
}

/* As the gateways of 3.4 and of 3.7 write it, and as streams of both do. */
static void write_error(char body[512], int form, int code, const char *text)
{
    if (form == 0)
        snprintf(body, 512, "{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d}",
                 text, text, code);
    else if (form == 1)
        snprintf(body, 512, "{\"code\":%d, \"message\":\"%s\"}", code, text);
    else
        snprintf(body, 512, "{\"error\":{\"%s\":%d,\"message\":\"%s\"}}",
                 form == 2 ? "grpc_code" : "code", code, text);
}

static void every_error_has_its_meaning(void **state)
{
    char body[512];
    struct sl_error err;
    bool unchanged, stale;

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        for (int form = 0; form < 4; form++) {
            const char *text = errors[i].text;
            write_error(body, form, errors[i].code, text);
            enum sl_status status =
                explain(body, 500, &unchanged, &stale, &err);
            if (status != errors[i].status ||
                unchanged != errors[i].unchanged || stale != errors[i].stale)
                fail_msg("%s: %s", text, err.message);
            assert_non_null(strstr(err.message, text));
            assert_int_equal(sl_etcd_is_full(&err),
                             strstr(text, "database space") != NULL);
        }
}

static void answers_that_no_etcd_gave(void **state)
{
    static const struct {
        int code;
        const char *body;
        enum sl_status status;
    } cases[] = {
        {400,
         "CommonName of client sending a request against gateway will be "
         "ignored and not used as expected\n",
         SL_UNAUTHENTICATED},
        {401, "", SL_UNAUTHENTICATED},
        {403, "<html>", SL_PERMISSION_DENIED},
        {404, "Not Found\n", SL_UNSUPPORTED},
        {404, "{\"code\":5, \"message\":\"Not Found\"}", SL_UNSUPPORTED},
        {405, "", SL_UNSUPPORTED},
        {413, "", SL_TOO_LARGE},
        {429, "", SL_RESOURCE_EXHAUSTED},
        {500, "{\"code\":\"text\"}", SL_INTERNAL},
        {502, "", SL_UNAVAILABLE},
        {503, "{}", SL_UNAVAILABLE},
        {504, "", SL_UNAVAILABLE},
        {200, "[]", SL_INTERNAL},
        {302, "", SL_INTERNAL},
    };
    struct sl_error err;
    bool unchanged, stale;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (explain(cases[i].body, cases[i].code, &unchanged, &stale, &err) !=
            cases[i].status)
            fail_msg("%d %s: %s", cases[i].code, cases[i].body, err.message);
}

static void messages_are_one_line(void **state)
{
    struct sl_error err;
    bool unchanged, stale;

    (void)state;
    explain("{\"code\":2,\"message\":\"one\\ntwo\"}", 500, &unchanged, &stale,
            &err);
    assert_non_null(strstr(err.message, "one"));
    assert_null(strstr(err.message, "two"));
}

static void endpoints(void **state)
{
    static const char *const right[] = {
        "http://a", "https://a:1, https://b:2 ,https://[::1]:3",
        "HTTP://A:2379"};
    static const char *const wrong[] = {
        "",
        "a:2379",
        "ftp://a",
        "http://user:hunter2@a",
        "http://a/path",
        "http://a,",
        "http://a http://b",
        "http://a:0",
        "http://a?timeout=5s",
        "https://a?cacert=/hunter2",
        "https://a?hunter2=x",
        "http://a,http://a,http://a,http://a,http://a,http://a,http://a,"
        "http://a,http://a,http://a,http://a,http://a,http://a,http://a,"
        "http://a,http://a,http://a",
    };
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        if (sl_etcd_check_endpoints(&right[i], &err) != SL_OK)
            fail_msg("%s: %s", right[i], err.message);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sl_etcd_check_endpoints(&wrong[i], &err),
                         SL_INVALID_ARGUMENT);
        assert_null(strstr(err.message, "hunter2"));
    }
}

static void what_belongs_together(void **state)
{
    const struct sl_etcd_options cases[] = {
        {.endpoints = "http://a", .user = "u", .prefix = ""},
        {.endpoints = "http://a", .password = "p", .prefix = ""},
        {.endpoints = "https://a", .cert = "/nonexistent", .prefix = ""},
        {.endpoints = "https://a", .ca = "/nonexistent", .prefix = ""},
    };
    struct sl_etcd *etcd = NULL;
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(sl_etcd_new(&cases[i], &etcd, &err),
                         SL_INVALID_ARGUMENT);
    assert_null(etcd);
}

static void ranges(void **state)
{
    const struct {
        struct sl_bytes first, second, after;
        const char *json;
    } cases[] = {
        {SL_LITERAL("a"), SL_LITERAL("b"), SL_LITERAL(""),
         "\"key\":\"YWI=\",\"range_end\":\"YWM=\""},
        {SL_LITERAL("a"), SL_LITERAL(""), SL_LITERAL("ab"),
         "\"key\":\"YWIA\",\"range_end\":\"Yg==\""},
        {SL_LITERAL(""), SL_LITERAL(""), SL_LITERAL(""),
         "\"key\":\"AA==\",\"range_end\":\"AA==\""},
        {SL_LITERAL(""), SL_LITERAL(""), SL_LITERAL("z"),
         "\"key\":\"egA=\",\"range_end\":\"AA==\""},
        {SL_LITERAL("a\xff"), SL_LITERAL("\xff"), SL_LITERAL(""),
         "\"key\":\"Yf//\",\"range_end\":\"Yg==\""},
        {SL_LITERAL("\xff"), SL_LITERAL(""), SL_LITERAL(""),
         "\"key\":\"/w==\",\"range_end\":\"AA==\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf out = SL_BUF(1000);
        assert_int_equal(sl_etcd_range(&out, cases[i].first, cases[i].second,
                                       cases[i].after, NULL),
                         SL_OK);
        if (!sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(cases[i].json)))
            fail_msg("%.*s", (int)out.len, (const char *)out.ptr);
        sl_buf_done(&out);
    }
}

static void note(void *context, struct sl_bytes key, int64_t revision)
{
    int64_t *sum = context;

    *sum += revision + (int64_t)key.len * 1000;
}

static void lines_of_a_watch(void **state)
{
    static const struct {
        const char *line;
        bool goes_on;
        int64_t sum;
    } cases[] = {
        {"{\"result\":{\"created\":true}}\n", true, 0},
        {"{\"result\":{\"events\":[{\"type\":\"DELETE\",\"kv\":{\"key\":"
         "\"YWI=\",\"mod_revision\":\"7\"}},{\"kv\":{\"key\":\"YQ==\"}}]}}",
         true, 2007},
        {"{\"result\":{\"events\":[{\"type\":\"DELETE\",\"kv\":{\"key\":\"!\","
         "\"mod_revision\":\"7\"}}]}}",
         true, 0},
        {"{\"result\":{\"canceled\":true,\"compact_revision\":\"9\"}}", false,
         0},
        {"{\"error\":{\"code\":16,\"message\":\"etcdserver: invalid auth "
         "token\"}}",
         false, 0},
        {"no JSON", false, 0},
        {"[]", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t sum = 0;
        assert_int_equal(
            sl_etcd_watch_line(sl_bytes_of(cases[i].line), note, &sum),
            cases[i].goes_on);
        assert_int_equal(sum, cases[i].sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_meaning),
        cmocka_unit_test(answers_that_no_etcd_gave),
        cmocka_unit_test(messages_are_one_line),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(what_belongs_together),
        cmocka_unit_test(ranges),
        cmocka_unit_test(lines_of_a_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

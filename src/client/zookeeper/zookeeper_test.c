/* SPDX-License-Identifier: Apache-2.0 */
/* ZooKeeper's client without a server: settings, packets, errors, SASL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/zookeeper/zookeeper.h"

/* The codes of ZooKeeper 3.9 (KeeperException.Code) and of its C client. */
static void every_error_has_its_meaning(void **state)
{
    const struct {
        int32_t code;
        enum sl_status status;
        bool unchanged;
    } cases[] = {
        {-1, SL_INTERNAL, false},         {-2, SL_INTERNAL, false},
        {-3, SL_INTERNAL, false},         {-4, SL_UNAVAILABLE, false},
        {-5, SL_INTERNAL, true},          {-6, SL_UNSUPPORTED, true},
        {-7, SL_TIMEOUT, false},          {-8, SL_INVALID_ARGUMENT, true},
        {-9, SL_UNAVAILABLE, true},       {-12, SL_UNAVAILABLE, true},
        {-13, SL_UNAVAILABLE, true},      {-14, SL_UNAVAILABLE, true},
        {-15, SL_UNAVAILABLE, true},      {-100, SL_INTERNAL, false},
        {-101, SL_NOT_FOUND, true},       {-102, SL_PERMISSION_DENIED, true},
        {-103, SL_CONFLICT, true},        {-108, SL_INVALID_ARGUMENT, true},
        {-110, SL_ALREADY_EXISTS, true},  {-111, SL_CONFLICT, true},
        {-112, SL_UNAVAILABLE, true},     {-113, SL_INTERNAL, true},
        {-114, SL_UNAUTHENTICATED, true}, {-115, SL_UNAUTHENTICATED, true},
        {-116, SL_UNAVAILABLE, true},     {-117, SL_INTERNAL, true},
        {-118, SL_UNAVAILABLE, true},     {-119, SL_UNAVAILABLE, true},
        {-120, SL_UNSUPPORTED, true},     {-121, SL_INTERNAL, true},
        {-122, SL_TIMEOUT, false},        {-123, SL_UNSUPPORTED, true},
        {-124, SL_UNAUTHENTICATED, true}, {-125, SL_UNAVAILABLE, true},
        {-127, SL_UNAVAILABLE, true},     {-126, SL_INTERNAL, false},
        {-9999, SL_INTERNAL, false},      {1, SL_INTERNAL, false},
    };
    struct sl_error err;
    size_t known = 0;
    bool unchanged;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sl_zk_fail(cases[i].code, &unchanged, &err) != cases[i].status ||
            unchanged != cases[i].unchanged)
            fail_msg("%d: %s, %d", cases[i].code, err.message, unchanged);
    }
    while (sl_zk_errors[known].name != NULL)
        known++;
    assert_int_equal(known, sizeof(cases) / sizeof(cases[0]) - 3);
}

static bool servers_are(const char *text)
{
    struct sl_error err;

    return sl_zk_check_servers(&text, &err) == SL_OK;
}

static void ensembles(void **state)
{
    struct sl_zk_ensemble ensemble = {.count = 0};
    const struct sl_zk_options options = {
        .servers = "a,b:2182,[::1]:2183,[::2]/x/y", .auth = "digest"};
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_zk_ensemble_init(&ensemble, &options, &err), SL_OK);
    assert_int_equal(ensemble.count, 4);
    assert_string_equal(ensemble.servers[0].host, "a");
    assert_int_equal(ensemble.servers[0].port, 2181);
    assert_string_equal(ensemble.servers[1].host, "b");
    assert_int_equal(ensemble.servers[1].port, 2182);
    assert_string_equal(ensemble.servers[2].host, "::1");
    assert_int_equal(ensemble.servers[2].port, 2183);
    assert_string_equal(ensemble.servers[3].host, "::2");
    assert_string_equal(ensemble.chroot, "/x/y");
    sl_zk_ensemble_done(&ensemble);

    assert_true(servers_are("zk.example.net"));
    assert_true(servers_are("zk:1/"));
    const char *const wrong[] = {
        "",       ",",      "a,",    "a:",    "a:0",      "a:65536", "a:1x",
        "a:-1",   "a b",    ":2181", "[::1",  "[]:1",     "a//",     "a/x/",
        "a/x//y", "a/../x", "a/.",   "a/x\n", "a:2181:1", "[::1]x",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (servers_are(wrong[i]))
            fail_msg("\"%s\" is an ensemble", wrong[i]);
}

static void settings_refused(struct sl_zk_options options, const char *why)
{
    struct sl_zk_ensemble ensemble = {.count = 0};
    struct sl_error err;

    options.servers = "a";
    if (options.auth == NULL)
        options.auth = "digest";
    assert_int_equal(sl_zk_ensemble_init(&ensemble, &options, &err),
                     SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, why));
    sl_zk_ensemble_done(&ensemble);
}

static void settings_go_together(void **state)
{
    (void)state;
    settings_refused((struct sl_zk_options){.user = "u"}, "belong together");
    settings_refused((struct sl_zk_options){.password = "p"},
                     "belong together");
    settings_refused((struct sl_zk_options){.auth = "sasl"}, "needs");
    settings_refused((struct sl_zk_options){.user = "a:b", .password = "p"},
                     "colon");
    settings_refused((struct sl_zk_options){.tls = true, .cert = "c"},
                     "belong together");
    settings_refused((struct sl_zk_options){.ca = "c"}, "tls = true");
    settings_refused((struct sl_zk_options){.tls = true, .ca = "/nonexistent"},
                     "/nonexistent");
    settings_refused((struct sl_zk_options){.tls = true,
                                            .cert = "/nonexistent",
                                            .key = "/nonexistent"},
                     "/nonexistent");
}

/* --- Packets ------------------------------------------------------------ */

static void what_is_written_is_read(void **state)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf buf = SL_BUF(1000);
    struct sl_zk_writer writer = {.buf = &buf};
    size_t length;

    (void)state;
    size_t begin = sl_zk_begin_frame(&writer);
    sl_zk_put_int(&writer, -7);
    sl_zk_put_long(&writer, INT64_MIN + 1);
    sl_zk_put_bool(&writer, true);
    sl_zk_put_bytes(&writer, SL_LITERAL("a\0b"));
    sl_zk_end_frame(&writer, begin);
    assert_false(writer.full);
    assert_true(sl_zk_frame_length(sl_buf_bytes(&buf), &length));
    assert_int_equal(length, 4 + 8 + 1 + 4 + 3);
    struct sl_zk_reader reader = {SL_BYTES(buf.ptr + 4, length), false};
    assert_int_equal(sl_zk_get_int(&reader), -7);
    assert_true(sl_zk_get_long(&reader) == INT64_MIN + 1);
    reader.rest = SL_BYTES(reader.rest.ptr + 1, reader.rest.len - 1);
    assert_true(sl_bytes_equal(sl_zk_get_bytes(&reader), SL_LITERAL("a\0b")));
    assert_false(reader.bad);
    assert_int_equal(sl_zk_get_int(&reader), 0);
    assert_true(reader.bad);
}

static void lengths_have_limits(void **state)
{
    size_t length = 0;

    (void)state;
    assert_false(sl_zk_frame_length(SL_LITERAL("\0\0\0"), &length));
    assert_true(sl_zk_frame_length(SL_LITERAL("\xff\xff\xff\xff"), &length));
    assert_true(length == SIZE_MAX);
    assert_true(sl_zk_frame_length(SL_LITERAL("HTTP"), &length));
    assert_true(length == SIZE_MAX);
    struct sl_zk_reader reader = {SL_LITERAL("\x7f\xff\xff\xff"
                                             "abc"),
                                  false};
    assert_int_equal(sl_zk_get_bytes(&reader).len, 0);
    assert_true(reader.bad);
    reader = (struct sl_zk_reader){SL_LITERAL("\xff\xff\xff\xff"), false};
    assert_int_equal(sl_zk_get_bytes(&reader).len, 0); /* none */
    assert_false(reader.bad);
    reader = (struct sl_zk_reader){SL_LITERAL("\xff\xff\xff\xfe"), false};
    (void)sl_zk_get_bytes(&reader);
    assert_true(reader.bad);
}

static void count(void *context, struct sl_bytes name)
{
    (void)name;
    ++*(int *)context;
}

static void lists_have_what_they_say(void **state)
{
    struct sl_zk_reader two = {SL_LITERAL("\0\0\0\2"
                                          "\0\0\0\1a"
                                          "\0\0\0\0"),
                               false};
    struct sl_zk_reader many = {SL_LITERAL("\x7f\xff\xff\xff\0\0\0\1a"), false};
    int seen = 0;

    (void)state;
    assert_true(sl_zk_parse_children(two, count, &seen));
    assert_int_equal(seen, 2);
    assert_false(sl_zk_parse_children(many, count, &seen));
    assert_int_equal(seen, 3);
}

static void a_session_that_expired(void **state)
{
    struct sl_zk_welcome welcome;
    static const char none[16] = {0};
    SL_CLEANUP(sl_buf_done) struct sl_buf buf = SL_BUF(100);
    struct sl_zk_writer writer = {.buf = &buf};

    (void)state;
    sl_zk_put_int(&writer, 0);
    sl_zk_put_int(&writer, 0);
    sl_zk_put_long(&writer, 0);
    sl_zk_put_bytes(&writer, SL_BYTES(none, 16));
    assert_true(sl_zk_parse_welcome(sl_buf_bytes(&buf), &welcome));
    assert_int_equal(welcome.timeout_ms, 0);
    assert_false(sl_zk_parse_welcome(SL_BYTES(buf.ptr, buf.len - 1), &welcome));
}

/* --- SASL --------------------------------------------------------------- */

static enum sl_status challenge(const char *text, struct sl_buf *answer,
                                char proof[SL_ZK_PROOF_MAX])
{
    struct sl_error err;

    return sl_zk_digest_md5_respond(sl_bytes_of(text), "chris", "secret",
                                    "OA6MHXh6VqTrRk", answer, proof, &err);
}

static void challenges(void **state)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf answer = SL_BUF(4096);
    char proof[SL_ZK_PROOF_MAX];

    (void)state;
    assert_int_equal(challenge("realm=\"zk-sasl-md5\",nonce=\"OA6MG9tEQGm2hh\","
                               "charset=utf-8,algorithm=md5-sess",
                               &answer, proof),
                     SL_OK);
    assert_int_equal(sl_buf_printf(&answer, NULL, "%c", '\0'), SL_OK);
    assert_non_null(strstr((char *)answer.ptr, "username=\"chris\""));
    assert_non_null(strstr((char *)answer.ptr, "nonce=\"OA6MG9tEQGm2hh\""));
    assert_null(strstr((char *)answer.ptr, "secret"));
    assert_int_equal(strlen(proof), strlen("rspauth=") + 32);
    const char *const wrong[] = {
        "",           "nonce", "nonce=\"", "realm=\"x\"",
        "nonce=\"\\", "=,=,=", "nonce=,"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(challenge(wrong[i], &answer, proof),
                         SL_UNAUTHENTICATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_meaning),
        cmocka_unit_test(ensembles),
        cmocka_unit_test(settings_go_together),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(lengths_have_limits),
        cmocka_unit_test(lists_have_what_they_say),
        cmocka_unit_test(a_session_that_expired),
        cmocka_unit_test(challenges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

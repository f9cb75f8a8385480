/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of kv.redis without a server: commands, answers, cursors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kv/redis/protocol.h"

static redisReply *parse(const char *text)
{
    redisReader *reader = sl_redis_reader_new();
    void *reply = NULL;

    redisReaderFeed(reader, text, strlen(text));
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    return reply;
}

/* What a reply answers to a request; false: it is no answer to it. */
static bool answer_to(const struct sl_kv_request *request, const char *text,
                      struct sl_kv_answer *answer, bool *unsent)
{
    size_t budget = 1 << 20;
    struct sl_op op = {
        .request = request, .answer = answer, .answer_budget = &budget};
    redisReply *reply = parse(text);

    assert_non_null(reply);
    sl_kv_answer_init(answer);
    bool is_answer = sl_kv_redis_answer(&op, reply);
    freeReplyObject(reply);
    *unsent = op.unsent;
    return is_answer;
}

static void an_error_is_an_answer(void **state)
{
    const struct {
        const char *reply;
        enum sl_status status;
        bool unsent;
    } cases[] = {
        {"-WRONGTYPE Operation against a key\r\n", SL_CONFLICT, true},
        {"-OOM command not allowed\r\n", SL_RESOURCE_EXHAUSTED, true},
        {"-ERR something new\r\n", SL_INTERNAL, false},
    };
    const struct sl_kv_request request = {.verb = SL_KV_INCREMENT,
                                          .key = SL_LITERAL("k")};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_kv_answer answer;
        bool unsent;
        assert_true(answer_to(&request, cases[i].reply, &answer, &unsent));
        if (answer.err.status != cases[i].status)
            fail_msg("%s is %s", cases[i].reply,
                     sl_status_text(answer.err.status));
        assert_int_equal(unsent, cases[i].unsent);
    }
}

static void a_reply_of_another_kind_is_no_answer(void **state)
{
    const struct {
        struct sl_kv_request request;
        const char *reply;
    } cases[] = {
        {{.verb = SL_KV_GET}, ":1\r\n"},
        {{.verb = SL_KV_GET}, "+OK\r\n"},
        {{.verb = SL_KV_GET}, "*0\r\n"},
        {{.verb = SL_KV_GET, .want_version = true}, "$3\r\nabc\r\n"},
        {{.verb = SL_KV_GET, .want_version = true},
         "*2\r\n$3\r\nabc\r\n$4\r\nsalt\r\n"},
        {{.verb = SL_KV_SET, .want_version = true}, "+OK\r\n"},
        {{.verb = SL_KV_SET, .want_version = true}, ":0\r\n"},
        {{.verb = SL_KV_SET}, ":1\r\n"},
        {{.verb = SL_KV_SET}, "$-1\r\n"},
        {{.verb = SL_KV_SET, .condition = SL_KV_VERSION}, "+OK\r\n"},
        {{.verb = SL_KV_DELETE}, "+OK\r\n"},
        {{.verb = SL_KV_INCREMENT}, "$1\r\n5\r\n"},
        {{.verb = SL_KV_EXISTS}, "$-1\r\n"},
        {{.verb = SL_KV_KEYS}, "+OK\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_kv_answer answer;
        bool unsent;
        if (answer_to(&cases[i].request, cases[i].reply, &answer, &unsent))
            fail_msg("case %zu", i);
        sl_kv_answer_done(&answer);
    }
}

/* What Python's hashlib makes of them. */
#define SALT "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
#define VERSION_OF_ABC "a345a214aa0844c841acb6a8391b8fc9804924bb"

static void a_value_is_taken_with_its_version(void **state)
{
    const struct sl_kv_request get = {.verb = SL_KV_GET, .want_version = true};
    struct sl_kv_answer answer;
    bool unsent;

    (void)state;
    assert_true(answer_to(&get, "*2\r\n$3\r\nabc\r\n$64\r\n" SALT "\r\n",
                          &answer, &unsent));
    assert_true(answer.found);
    assert_true(sl_bytes_equal(answer.value.bytes, SL_LITERAL("abc")));
    assert_string_equal(answer.version, VERSION_OF_ABC);
    sl_kv_answer_done(&answer);
    const struct sl_kv_request set = {
        .verb = SL_KV_SET, .want_version = true, .value = SL_LITERAL("abc")};
    assert_true(answer_to(&set, "$64\r\n" SALT "\r\n", &answer, &unsent));
    assert_string_equal(answer.version, VERSION_OF_ABC);
    assert_true(answer_to(&get, "$-1\r\n", &answer, &unsent));
    assert_false(answer.found);
}

static void commands_are_as_the_protocol_has_them(void **state)
{
    struct sl_kv_request set = {.verb = SL_KV_SET,
                                .value = SL_LITERAL("a\r\nb"),
                                .has_ttl = true,
                                .ttl_ms = 1500};
    const struct sl_kv_redis_keys keys = {SL_LITERAL("k"), SL_KV_REDIS_SALT_KEY,
                                          SALT};
    struct sl_buf out = SL_BUF(4096);
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_kv_redis_append_op(&out, &set, &keys, &err), SL_OK);
    assert_true(sl_bytes_equal(
        sl_buf_bytes(&out),
        SL_LITERAL("*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"
                   "$2\r\nPX\r\n$4\r\n1500\r\n")));
    sl_buf_done(&out);
}

static void a_pattern_matches_a_prefix_only(void **state)
{
    struct sl_buf out = SL_BUF(64);
    struct sl_error err;

    (void)state;
    assert_int_equal(
        sl_kv_redis_append_pattern(&out, SL_LITERAL("a*b?[c]\\"), &err), SL_OK);
    assert_true(
        sl_bytes_equal(sl_buf_bytes(&out), SL_LITERAL("a\\*b\\?\\[c\\]\\\\*")));
    sl_buf_done(&out);
}

static void cursors(void **state)
{
    static const char *const wrong[] = {
        "",         "x",          "0",       "17 ",
        "17 2",     "17 2:",      "17 2:a",  "17 0:",
        "17 1025:", "17 2:ab3:x", "17 x:ab", "17,2:ab",
        "0x",       " 1:a",       "-1",      "123456789012345678901234567890"};
    struct sl_kv_redis_cursor cursor;
    struct sl_bytes key;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (sl_kv_redis_read_cursor(sl_bytes_of(wrong[i]), &cursor))
            fail_msg("%s was taken", wrong[i]);
    assert_true(sl_kv_redis_read_cursor(SL_LITERAL("17"), &cursor));
    assert_string_equal(cursor.scan, "17");
    assert_false(sl_kv_redis_next_rest(&cursor, &key));
    assert_true(sl_kv_redis_read_cursor(SL_LITERAL("0 2:ab3:1:c"), &cursor));
    assert_true(sl_kv_redis_next_rest(&cursor, &key));
    assert_true(sl_bytes_equal(key, SL_LITERAL("ab")));
    assert_true(sl_kv_redis_next_rest(&cursor, &key));
    assert_true(sl_bytes_equal(key, SL_LITERAL("1:c")));
    assert_false(sl_kv_redis_next_rest(&cursor, &key));
}

static void a_page_keeps_its_limit(void **state)
{
    struct sl_buf rest = SL_BUF(1024);
    struct sl_kv_answer answer;
    char scan[24];
    redisReply *reply = parse("*2\r\n$1\r\n7\r\n*5\r\n$2\r\npa\r\n$2\r\npb\r\n"
                              "$1\r\np\r\n$2\r\np\xff\r\n$2\r\npc\r\n");

    (void)state;
    sl_kv_answer_init(&answer);
    assert_true(sl_kv_redis_answer_scan(reply, 1, 2, &answer, &rest, scan));
    assert_int_equal(answer.key_count, 2);
    assert_true(
        sl_bytes_equal(sl_buf_bytes(&answer.keys), SL_LITERAL("a\0b\0")));
    assert_true(sl_bytes_equal(sl_buf_bytes(&rest), SL_LITERAL("1:c")));
    assert_string_equal(scan, "7");
    sl_kv_answer_done(&answer);
    sl_buf_done(&rest);
    freeReplyObject(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_an_answer),
        cmocka_unit_test(a_reply_of_another_kind_is_no_answer),
        cmocka_unit_test(a_value_is_taken_with_its_version),
        cmocka_unit_test(commands_are_as_the_protocol_has_them),
        cmocka_unit_test(a_pattern_matches_a_prefix_only),
        cmocka_unit_test(cursors),
        cmocka_unit_test(a_page_keeps_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

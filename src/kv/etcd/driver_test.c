/* SPDX-License-Identifier: Apache-2.0 */
/* The transactions of kv.etcd and their answers, without a server; settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/etcd/etcd.h"
#include "kv/etcd/message.h"

extern const struct sl_driver sl_driver_kv_etcd;

/* --- Requests ------------------------------------------------------------- */

#define KEY(word) .key = SL_LITERAL(word)

static void writes(const char *expected, enum sl_status status,
                   struct sl_buf *out)
{
    assert_int_equal(status, SL_OK);
    if (!sl_bytes_equal(sl_buf_bytes(out), sl_bytes_of(expected)))
        fail_msg("%.*s", (int)out->len, (const char *)out->ptr);
    sl_buf_done(out);
}

static void operations(void **state)
{
    const struct {
        struct sl_kv_request request;
        const char *json;
    } cases[] = {
        {{.verb = SL_KV_GET, KEY("k")},
         "{\"request_range\":{\"key\":\"cDpr\"}}"},
        {{.verb = SL_KV_EXISTS, KEY("k")},
         "{\"request_range\":{\"count_only\":true,\"key\":\"cDpr\"}}"},
        {{.verb = SL_KV_SET, KEY("k"), .value = SL_LITERAL("a\0")},
         "{\"request_put\":{\"key\":\"cDpr\",\"value\":\"YQA=\"}}"},
        {{.verb = SL_KV_SET, KEY("k")},
         "{\"request_put\":{\"key\":\"cDpr\",\"value\":\"\"}}"},
        {{.verb = SL_KV_DELETE, KEY("k")},
         "{\"request_delete_range\":{\"key\":\"cDpr\"}}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf out = SL_BUF(1000);
        writes(cases[i].json,
               sl_kv_etcd_append_op(&out, &cases[i].request, SL_LITERAL("p:"),
                                    NULL),
               &out);
    }
}

static void conditions(void **state)
{
    static const char *const no_versions[] = {
        "0", "-1", "+1", "01", "1 ", "abc", "9223372036854775808"};
    const struct sl_bytes prefix = {0};
    struct sl_kv_request request = {
        .verb = SL_KV_SET, KEY("k"), .condition = SL_KV_ABSENT};
    struct sl_buf out = SL_BUF(1000);
    struct sl_error err;

    (void)state;
    writes("{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":"
           "\"aw==\",\"mod_revision\":\"0\"}],\"success\":[{\"request_put\":{"
           "\"key\":\"aw==\",\"value\":\"\"}}]}",
           sl_kv_etcd_append_conditional(&out, &request, prefix, NULL), &out);
    request = (struct sl_kv_request){.verb = SL_KV_DELETE,
                                     KEY("k"),
                                     .condition = SL_KV_VERSION,
                                     .version = SL_LITERAL("12")};
    writes("{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":"
           "\"aw==\",\"mod_revision\":\"12\"}],\"success\":[{\"request_delete_"
           "range\":{\"key\":\"aw==\"}}]}",
           sl_kv_etcd_append_conditional(&out, &request, prefix, NULL), &out);
    for (size_t i = 0; i < sizeof(no_versions) / sizeof(no_versions[0]); i++) {
        request.version = sl_bytes_of(no_versions[i]);
        assert_int_equal(
            sl_kv_etcd_append_conditional(&out, &request, prefix, &err),
            SL_CONFLICT);
        sl_buf_done(&out);
    }
}

static void sums(void **state)
{
    const struct sl_kv_request request = {.verb = SL_KV_INCREMENT, KEY("k")};
    const struct sl_bytes prefix = {0};
    struct sl_buf out = SL_BUF(1000);

    (void)state;
    writes("{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":"
           "\"aw==\",\"mod_revision\":\"0\"}],\"success\":[{\"request_put\":{"
           "\"key\":\"aw==\",\"value\":\"LTc=\"}}],\"failure\":[{\"request_"
           "range\":{\"key\":\"aw==\"}}]}",
           sl_kv_etcd_append_replace(&out, &request, prefix, 0, -7, NULL),
           &out);
    /* What is there keeps its lease. */
    writes("{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":"
           "\"aw==\",\"mod_revision\":\"3\"}],\"success\":[{\"request_put\":{"
           "\"key\":\"aw==\",\"value\":\"LTc=\",\"ignore_lease\":true}}],"
           "\"failure\":[{\"request_range\":{\"key\":\"aw==\"}}]}",
           sl_kv_etcd_append_replace(&out, &request, prefix, 3, -7, NULL),
           &out);
}

/* --- Answers -------------------------------------------------------------- */

struct answered {
    struct sl_kv_answer answer;
    bool understood;
};

static struct answered answer_to(struct sl_kv_request request, const char *json)
{
    struct answered answered;
    struct sl_json *document = NULL;
    size_t budget = 16;
    struct sl_op op = {.request = &request,
                       .answer = &answered.answer,
                       .answer_budget = &budget};

    sl_kv_answer_init(&answered.answer);
    assert_int_equal(sl_json_parse(sl_bytes_of(json), &document, NULL), SL_OK);
    if (request.verb == SL_KV_KEYS)
        answered.understood =
            sl_kv_etcd_answer_page(&op, document, SL_LITERAL("p:"));
    else
        answered.understood = sl_kv_etcd_answer(&op, document, 0);
    sl_json_free(document);
    return answered;
}

static void answers(void **state)
{
    const struct {
        struct sl_kv_request request;
        const char *json;
        enum sl_status status;
        bool understood;
        bool found;
    } cases[] = {
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":\"YQ==\"}]}}"
         "]}",
         SL_OK,
         true,
         true},
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_range\":{\"kvs\":[{}]}}]}",
         SL_OK,
         true,
         true},
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_range\":{}}]}",
         SL_OK,
         true,
         false},
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":\"?\"}]}}]}",
         SL_OK,
         false,
         false},
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":"
         "\"QUFBQUFBQUFBQUFBQUFBQUFB\"}]}}]}",
         SL_TOO_LARGE,
         true,
         false}, /* more than room is left for */
        {{.verb = SL_KV_GET}, "{\"responses\":[]}", SL_OK, false, false},
        {{.verb = SL_KV_GET},
         "{\"responses\":[{\"response_put\":{}}]}",
         SL_OK,
         false,
         false},
        {{.verb = SL_KV_GET}, "[]", SL_OK, false, false},
        {{.verb = SL_KV_EXISTS},
         "{\"responses\":[{\"response_range\":{\"count\":\"1\"}}]}",
         SL_OK,
         true,
         true},
        {{.verb = SL_KV_EXISTS},
         "{\"responses\":[{\"response_range\":{}}]}",
         SL_OK,
         true,
         false},
        {{.verb = SL_KV_SET},
         "{\"responses\":[{\"response_put\":{}}]}",
         SL_OK,
         true,
         false},
        {{.verb = SL_KV_SET}, "{\"succeeded\":true}", SL_OK, false, false},
        {{.verb = SL_KV_SET, .condition = SL_KV_ABSENT},
         "{}",
         SL_ALREADY_EXISTS,
         true,
         false},
        {{.verb = SL_KV_SET, .condition = SL_KV_VERSION},
         "{}",
         SL_CONFLICT,
         true,
         false},
        {{.verb = SL_KV_SET, .condition = SL_KV_VERSION},
         "{\"succeeded\":true}",
         SL_OK,
         false,
         false},
        {{.verb = SL_KV_DELETE},
         "{\"responses\":[{\"response_delete_range\":{\"deleted\":\"1\"}}]}",
         SL_OK,
         true,
         true},
        {{.verb = SL_KV_DELETE},
         "{\"responses\":[{\"response_delete_range\":{}}]}",
         SL_OK,
         true,
         false},
        {{.verb = SL_KV_DELETE}, "{\"responses\":[{}]}", SL_OK, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answered answered = answer_to(cases[i].request, cases[i].json);
        if (answered.understood != cases[i].understood ||
            answered.answer.err.status != cases[i].status ||
            answered.answer.found != cases[i].found)
            fail_msg("%zu: %s", i, cases[i].json);
        sl_kv_answer_done(&answered.answer);
    }
}

static void versions(void **state)
{
    struct answered read = answer_to(
        (struct sl_kv_request){.verb = SL_KV_GET, .want_version = true},
        "{\"responses\":[{\"response_range\":{\"kvs\":[{\"mod_revision\":"
        "\"42\"}]}}]}");
    struct answered written =
        answer_to((struct sl_kv_request){.verb = SL_KV_SET},
                  "{\"header\":{\"revision\":\"43\"},\"responses\":[{"
                  "\"response_put\":{}}]}");

    (void)state;
    assert_string_equal(read.answer.version, "42");
    assert_string_equal(written.answer.version, "43");
    sl_kv_answer_done(&read.answer);
}

static void numbers(void **state)
{
    static const struct {
        const char *json;
        enum sl_status status;
        struct sl_kv_etcd_number number;
    } cases[] = {
        {"{}", SL_OK, {0, 0}},
        {"{\"kvs\":[{\"value\":\"LTc=\",\"mod_revision\":\"9\"}]}",
         SL_OK,
         {-7, 9}},
        {"{\"kvs\":[{\"value\":\"\",\"mod_revision\":\"9\"}]}",
         SL_INVALID_ARGUMENT,
         {0, 0}},
        {"{\"kvs\":[{\"value\":\"YWI=\",\"mod_revision\":\"9\"}]}",
         SL_INVALID_ARGUMENT,
         {0, 0}},
        {"{\"kvs\":[{\"value\":"
         "\"MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=\"}]}",
         SL_INVALID_ARGUMENT,
         {0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_kv_etcd_number number = {0, 0};
        struct sl_json *json = NULL;
        struct sl_error err;
        assert_int_equal(sl_json_parse(sl_bytes_of(cases[i].json), &json, NULL),
                         SL_OK);
        assert_int_equal(sl_kv_etcd_read_number(json, &number, &err),
                         cases[i].status);
        assert_int_equal(number.value, cases[i].number.value);
        assert_int_equal(number.revision, cases[i].number.revision);
        sl_json_free(json);
    }
}

static void pages(void **state)
{
    const struct sl_kv_request request = {.verb = SL_KV_KEYS, .limit = 3};
    /* "p:a"; one that no guest can name, "p:\xff"; and there are more. */
    struct answered page =
        answer_to(request, "{\"kvs\":[{\"key\":\"cDph\"},{\"key\":\"cDr/\"}],"
                           "\"more\":true}");

    (void)state;
    assert_true(page.understood);
    assert_int_equal(page.answer.key_count, 1);
    assert_string_equal((const char *)page.answer.keys.ptr, "a");
    /* The next one begins behind what cannot be named. */
    struct sl_kv_request next = request;
    struct sl_buf out = SL_BUF(1000);
    next.cursor = sl_buf_bytes(&page.answer.next);
    writes("{\"key\":\"cDr/AA==\",\"range_end\":\"cDs=\",\"keys_only\":true,"
           "\"limit\":\"3\"}",
           sl_kv_etcd_append_page(&out, &next, SL_LITERAL("p:"), NULL), &out);
    next.key = SL_LITERAL("b"); /* another prefix's */
    assert_int_equal(
        sl_kv_etcd_append_page(&out, &next, SL_LITERAL("p:"), NULL),
        SL_INVALID_ARGUMENT);
    sl_buf_done(&out);
    sl_kv_answer_done(&page.answer);
}

static void pages_that_are_none(void **state)
{
    static const char *const wrong[] = {
        "{\"kvs\":[{\"key\":\"YQ==\"}]}", /* without the prefix */
        "{\"kvs\":[{\"key\":\"?\"}]}",
        "{\"kvs\":[{\"key\":\"cDph\"},{\"key\":\"cDpi\"}]}", /* too many */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct answered page = answer_to(
            (struct sl_kv_request){.verb = SL_KV_KEYS, .limit = 1}, wrong[i]);
        assert_false(page.understood);
        sl_kv_answer_done(&page.answer);
    }
}

static void settings(void **state)
{
    struct sl_etcd_options options = {0};

    (void)state;
    sl_options_default(sl_driver_kv_etcd.options, &options);
    assert_string_equal(options.prefix, "");
    assert_true(sl_option_find(sl_driver_kv_etcd.options, "password")->secret);
    assert_true(
        sl_option_find(sl_driver_kv_etcd.options, "endpoints")->required);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations), cmocka_unit_test(conditions),
        cmocka_unit_test(sums),       cmocka_unit_test(answers),
        cmocka_unit_test(versions),   cmocka_unit_test(numbers),
        cmocka_unit_test(pages),      cmocka_unit_test(pages_that_are_none),
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

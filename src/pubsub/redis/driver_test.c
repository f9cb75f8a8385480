/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of pubsub.redis without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pubsub/redis/protocol.h"
#include "support/redis_replies.h"

static const struct sl_pubsub_redis_options options = {
    .script = {.server = {.url = "redis://localhost", .db = -1}, .name = "r"},
    .max_length = 100,
    .max_topics = 20,
    .max_groups = 30,
};

static struct sl_pubsub_request request;

#define ID "000001700000000-0000000007"

/* What a reply answers to the request; false: it is no answer to it. */
static bool answer_to(const char *text, size_t len, struct sl_op *op,
                      struct sl_pubsub_answer *answer)
{
    redisReply *reply = redis_reply_of(text, len);

    assert_non_null(reply);
    sl_pubsub_answer_init(answer);
    *op = (struct sl_op){
        .request = &request, .answer = answer, .wait_until = SL_NEVER};
    bool is_answer = sl_pubsub_redis_answer(NULL, op, reply);
    freeReplyObject(reply);
    return is_answer;
}

#define ANSWER(text) answer_to("" text, sizeof(text) - 1, &op, &answer)

static void an_event(void **state)
{
    struct sl_pubsub_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_pubsub_request){
        .verb = SL_PUBSUB_RECEIVE, .limit = 2, .topic = SL_LITERAL("t")};
    assert_true(ANSWER("*2\r\n:0\r\n*2\r\n*6\r\n$26\r\n" ID "\r\n:2\r\n:1\r\n"
                       "$0\r\n\r\n$0\r\n\r\n$1\r\nx\r\n*6\r\n$26\r\n" ID
                       "\r\n:1\r\n:0\r\n$0\r\n\r\n$0\r\n\r\n$1\r\ny\r\n"));
    assert_int_equal(answer.deliveries.count, 2);
    const struct sl_delivery *event = answer.deliveries.items[0];
    assert_true(sl_bytes_equal(event->topic, SL_LITERAL("t")));
    assert_true(sl_bytes_equal(event->id, SL_LITERAL(ID)));
    assert_true(sl_bytes_equal(event->receipt, SL_LITERAL(ID ":2")));
    assert_int_equal(event->sent_at_ms, 1700000000);
    assert_int_equal(event->delivery_count, 2);
    assert_non_null(event->key.ptr);
    assert_null(answer.deliveries.items[1]->key.ptr);
    sl_pubsub_answer_done(&answer);
    assert_true(ANSWER("*2\r\n:40\r\n*0\r\n"));
    assert_true(op.retry_at != 0);
}

static void a_reply_of_another_kind_is_no_answer(void **state)
{
    static const char *const wrong[] = {
        "+OK\r\n",
        "*0\r\n",
        "*1\r\n:0\r\n",
        "*2\r\n:-2\r\n*0\r\n",
        "*2\r\n:0\r\n*1\r\n:1\r\n",
        "*2\r\n:0\r\n*3\r\n:1\r\n:1\r\n:1\r\n", /* more than asked for */
        /* an id that is none */
        "*2\r\n:0\r\n*1\r\n*6\r\n$3\r\n1-1\r\n:1\r\n:0\r\n$0\r\n\r\n"
        "$0\r\n\r\n$1\r\nx\r\n",
        "*2\r\n:0\r\n*1\r\n*6\r\n$26\r\n00000170000000000000000007\r\n:1\r\n"
        ":0\r\n$0\r\n\r\n$0\r\n\r\n$1\r\nx\r\n",
        /* never delivered */
        "*2\r\n:0\r\n*1\r\n*6\r\n$26\r\n" ID "\r\n:0\r\n:0\r\n$0\r\n\r\n"
        "$0\r\n\r\n$1\r\nx\r\n",
        /* attributes that are none */
        "*2\r\n:0\r\n*1\r\n*6\r\n$26\r\n" ID "\r\n:1\r\n:0\r\n$0\r\n\r\n"
        "$1\r\nx\r\n$1\r\nx\r\n",
        /* no payload */
        "*2\r\n:0\r\n*1\r\n*5\r\n$26\r\n" ID "\r\n:1\r\n:0\r\n$0\r\n\r\n"
        "$0\r\n\r\n",
    };
    struct sl_pubsub_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_pubsub_request){
        .verb = SL_PUBSUB_RECEIVE, .limit = 2, .topic = SL_LITERAL("t")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (answer_to(wrong[i], strlen(wrong[i]), &op, &answer))
            fail_msg("case %zu", i);
        sl_pubsub_answer_done(&answer);
    }
}

/* holds: pubsub-39 pubsub-42 */
static void who_is_no_member_is_told(void **state)
{
    static const enum sl_pubsub_verb verbs[] = {
        SL_PUBSUB_RECEIVE, SL_PUBSUB_ACKNOWLEDGE, SL_PUBSUB_RETURN,
        SL_PUBSUB_RENEW};
    struct sl_pubsub_answer answer;
    struct sl_op op;

    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        request = (struct sl_pubsub_request){.verb = verbs[i], .limit = 1};
        assert_true(ANSWER("*1\r\n:-1\r\n"));
        assert_int_equal(answer.err.status, SL_CONFLICT);
        assert_true(ANSWER("-WRONGTYPE oh\r\n"));
        assert_int_equal(answer.err.status, SL_INTERNAL);
    }
}

static void who_may_go_on_is_told(void **state)
{
    struct sl_pubsub_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_pubsub_request){.verb = SL_PUBSUB_ACKNOWLEDGE};
    assert_true(ANSWER("*1\r\n:1\r\n"));
    assert_false(op.changed);
    assert_true(ANSWER("*1\r\n:2\r\n"));
    assert_true(op.changed);
    assert_true(ANSWER("*1\r\n:0\r\n"));
    assert_int_equal(answer.err.status, SL_CONFLICT);
    request.verb = SL_PUBSUB_PUBLISH;
    assert_true(ANSWER("*1\r\n:1\r\n"));
    assert_true(op.changed);
}

/* What the command for the request ends with. */
static void command_ends(struct sl_bytes end)
{
    const struct sl_pubsub_config config = {.lease_ms = 30000,
                                            .retention_ms = 60000};
    struct sl_redis_script_connection redis = redis_state_of(&options.script);
    struct sl_buf out = SL_BUF(8192);
    struct sl_pubsub_answer answer;
    struct sl_op op = {
        .config = &config, .request = &request, .answer = &answer};
    struct sl_error err;

    assert_non_null(redis.store);
    assert_int_equal(sl_pubsub_redis_append(&redis, &op, &out, &err), SL_OK);
    assert_true(out.len > end.len);
    if (memcmp(out.ptr + out.len - end.len, end.ptr, end.len) != 0)
        fail_msg("%.*s", (int)out.len, (const char *)out.ptr);
    sl_buf_done(&out);
    sl_buf_done(&redis.names);
    sl_redis_script_store_free(redis.store);
}

static void commands(void **state)
{
    (void)state;
    request = (struct sl_pubsub_request){.verb = SL_PUBSUB_PUBLISH,
                                         .topic = SL_LITERAL("t"),
                                         .payload = SL_LITERAL("x")};
    command_ends(SL_LITERAL("$11\r\n{r}:topic:t\r\n$11\r\n{r}:changes\r\n"
                            "$10\r\n{r}:topics\r\n"
                            "$7\r\npublish\r\n$1\r\nx\r\n$0\r\n\r\n"
                            "$5\r\n60000\r\n$3\r\n100\r\n$2\r\n20\r\n"));
    request.key = SL_LITERAL(""); /* is one */
    command_ends(SL_LITERAL("$3\r\n100\r\n$2\r\n20\r\n$0\r\n\r\n"));
    request = (struct sl_pubsub_request){.verb = SL_PUBSUB_SUBSCRIBE,
                                         .topic = SL_LITERAL("t"),
                                         .group = SL_LITERAL("g"),
                                         .member = SL_LITERAL("m")};
    command_ends(SL_LITERAL("$13\r\n{r}:owned:t:g\r\n$12\r\n{r}:groups:t\r\n"
                            "$9\r\nsubscribe\r\n$1\r\nm\r\n$5\r\n30000\r\n"
                            "$5\r\n60000\r\n$1\r\n0\r\n$2\r\n20\r\n"
                            "$2\r\n30\r\n"));
    request = (struct sl_pubsub_request){.verb = SL_PUBSUB_RETURN,
                                         .topic = SL_LITERAL("t"),
                                         .group = SL_LITERAL("g"),
                                         .member = SL_LITERAL("m"),
                                         .receipt = SL_LITERAL(ID ":2")};
    command_ends(SL_LITERAL("$13\r\n{r}:owned:t:g\r\n$6\r\nreturn\r\n"
                            "$1\r\nm\r\n$26\r\n" ID "\r\n$1\r\n2\r\n"
                            "$1\r\n0\r\n"));
    request.receipt = SL_LITERAL("none");
    command_ends(SL_LITERAL("$1\r\n0\r\n$1\r\n-\r\n$1\r\n0\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event),
        cmocka_unit_test(a_reply_of_another_kind_is_no_answer),
        cmocka_unit_test(who_is_no_member_is_told),
        cmocka_unit_test(who_may_go_on_is_told),
        cmocka_unit_test(commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

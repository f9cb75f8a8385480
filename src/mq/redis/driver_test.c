/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of mq.redis without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mq/redis/protocol.h"
#include "service/notice.h"
#include "support/redis_replies.h"

static const struct sl_redis_script_options options = {
    .server = {.url = "redis://localhost", .db = -1}, .name = "r"};

static struct sl_mq_request request;

/* What a reply answers to the request; false: it is no answer to it. */
static bool answer_to(const char *text, size_t len, struct sl_op *op,
                      struct sl_mq_answer *answer)
{
    redisReply *reply = redis_reply_of(text, len);

    assert_non_null(reply);
    sl_mq_answer_init(answer);
    *op = (struct sl_op){
        .request = &request, .answer = answer, .wait_until = SL_NEVER};
    bool is_answer = sl_mq_redis_answer(NULL, op, reply);
    freeReplyObject(reply);
    return is_answer;
}

#define ANSWER(text) answer_to("" text, sizeof(text) - 1, &op, &answer)

static void an_id(void **state)
{
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_SEND};
    assert_true(ANSWER("*1\r\n$2\r\n17\r\n"));
    assert_string_equal(answer.id, "17");
    assert_true(op.changed);
    assert_false(ANSWER("*1\r\n:17\r\n"));
    assert_false(ANSWER("*1\r\n$0\r\n\r\n"));
    assert_false(ANSWER("$2\r\n17\r\n"));
    assert_false(ANSWER("*1\r\n*0\r\n"));
}

static void a_delivery(void **state)
{
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1};
    assert_true(ANSWER("*3\r\n:0\r\n*1\r\n*6\r\n$1\r\n7\r\n:3\r\n$13\r\n"
                       "1700000000000\r\n$3\r\na:b\r\n$0\r\n\r\n"
                       "$3\r\nx\0y\r\n*0\r\n"));
    assert_int_equal(answer.deliveries.count, 1);
    const struct sl_delivery *message = answer.deliveries.items[0];
    assert_true(sl_bytes_equal(message->id, SL_LITERAL("7")));
    assert_true(sl_bytes_equal(message->key, SL_LITERAL("a:b")));
    assert_true(sl_bytes_equal(message->payload, SL_LITERAL("x\0y")));
    assert_true(sl_bytes_equal(message->receipt, SL_LITERAL("7:3:a:b")));
    assert_int_equal(message->delivery_count, 3);
    assert_int_equal(message->sent_at_ms, 1700000000000);
    assert_int_equal(op.retry_at, 0);
    sl_mq_answer_done(&answer);
}

static void a_dead_letter(void **state)
{
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1};
    assert_true(ANSWER("*3\r\n:-1\r\n*0\r\n*2\r\n*2\r\n$1\r\n7\r\n:3\r\n"
                       "*2\r\n$1\r\n9\r\n:3\r\n"));
    assert_non_null(op.notices.first);
    sl_op_retract_reports(&op);
    request = (struct sl_mq_request){.verb = SL_MQ_DEAD_LETTER,
                                     .receipt = SL_LITERAL("7:3:")};
    assert_true(ANSWER("*1\r\n:0\r\n"));
    assert_null(op.notices.first);
    assert_true(ANSWER("*1\r\n:1\r\n"));
    assert_non_null(op.notices.first);
    sl_op_retract_reports(&op);
    request = (struct sl_mq_request){.verb = SL_MQ_DEAD_LIST, .limit = 1};
    assert_true(ANSWER("*2\r\n:1\r\n*1\r\n*8\r\n$15\r\n1700000000001-0\r\n"
                       "$1\r\n7\r\n:3\r\n$13\r\n1700000000000\r\n$0\r\n\r\n"
                       "$0\r\n\r\n$1\r\nx\r\n$4\r\nno a\r\n"));
    assert_int_equal(answer.deliveries.count, 1);
    assert_true(sl_bytes_equal(answer.deliveries.items[0]->receipt,
                               SL_LITERAL("1700000000001-0 1700000000001 "
                                          "no a")));
    sl_mq_answer_done(&answer);
    assert_false(ANSWER("*2\r\n:1\r\n*1\r\n*8\r\n$1\r\n7\r\n"
                        "$1\r\n7\r\n:3\r\n$13\r\n1700000000000\r\n$0\r\n\r\n"
                        "$0\r\n\r\n$1\r\nx\r\n$4\r\nno a\r\n"));
    request.verb = SL_MQ_DEAD_REPLAY;
    assert_true(ANSWER("*1\r\n$2\r\n17\r\n"));
    assert_string_equal(answer.id, "17");
    assert_true(ANSWER("*1\r\n$0\r\n\r\n"));
    assert_int_equal(answer.err.status, SL_NOT_FOUND);
    request.verb = SL_MQ_DEAD_DROP;
    assert_true(ANSWER("*1\r\n:1\r\n"));
    assert_int_equal(answer.err.status, SL_OK);
    assert_true(ANSWER("*1\r\n:0\r\n"));
    assert_int_equal(answer.err.status, SL_NOT_FOUND);
}

static void nothing_yet(void **state)
{
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1};
    assert_true(ANSWER("*3\r\n:-1\r\n*0\r\n*0\r\n"));
    assert_int_equal(answer.deliveries.count, 0);
    assert_true(op.retry_at != 0);
}

static void a_reply_of_another_kind_is_no_answer(void **state)
{
    static const char *const wrong[] = {
        "+OK\r\n",
        "*1\r\n:0\r\n",
        "*2\r\n:0\r\n*0\r\n",
        "*3\r\n:0\r\n:0\r\n*0\r\n",
        "*3\r\n:0\r\n*1\r\n:1\r\n*0\r\n",
        "*3\r\n:0\r\n*0\r\n:1\r\n",
        "*3\r\n:0\r\n*0\r\n*1\r\n*1\r\n$1\r\n7\r\n",
        /* more than asked for */
        "*3\r\n:0\r\n*2\r\n:1\r\n:1\r\n*0\r\n",
        /* never delivered */
        "*3\r\n:0\r\n*1\r\n*6\r\n$1\r\n7\r\n:0\r\n$1\r\n1\r\n$0\r\n\r\n"
        "$0\r\n\r\n$1\r\nx\r\n*0\r\n",
        /* no time */
        "*3\r\n:0\r\n*1\r\n*6\r\n$1\r\n7\r\n:1\r\n$1\r\nx\r\n$0\r\n\r\n"
        "$0\r\n\r\n$1\r\nx\r\n*0\r\n",
        /* attributes that are none */
        "*3\r\n:0\r\n*1\r\n*6\r\n$1\r\n7\r\n:1\r\n$1\r\n1\r\n$0\r\n\r\n"
        "$1\r\nx\r\n$1\r\nx\r\n*0\r\n",
        /* no payload */
        "*3\r\n:0\r\n*1\r\n*5\r\n$1\r\n7\r\n:1\r\n$1\r\n1\r\n$0\r\n\r\n"
        "$0\r\n\r\n*0\r\n",
    };
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (answer_to(wrong[i], strlen(wrong[i]), &op, &answer))
            fail_msg("case %zu", i);
        sl_mq_answer_done(&answer);
    }
}

static void settling(void **state)
{
    struct sl_mq_answer answer;
    struct sl_op op;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_COMPLETE};
    assert_true(ANSWER("*1\r\n:0\r\n"));
    assert_int_equal(answer.err.status, SL_CONFLICT);
    assert_true(ANSWER("*1\r\n:1\r\n"));
    assert_int_equal(answer.err.status, SL_OK);
    assert_false(op.changed);
    assert_true(ANSWER("*1\r\n:2\r\n"));
    assert_true(op.changed);
    /* The server's trouble is no settled message. */
    assert_true(ANSWER("-WRONGTYPE oh\r\n"));
    assert_int_equal(answer.err.status, SL_INTERNAL);
    request.verb = SL_MQ_DEPTH;
    assert_true(ANSWER("*1\r\n:12\r\n"));
    assert_int_equal(answer.depth, 12);
    assert_false(ANSWER("*1\r\n:-12\r\n"));
}

/* What the command for a receipt ends with. */
static void command_ends(const char *receipt, struct sl_bytes end)
{
    struct sl_redis_script_connection redis = redis_state_of(&options);
    struct sl_buf out = SL_BUF(4096);
    struct sl_mq_answer answer;
    struct sl_op op = {.request = &request, .answer = &answer};
    struct sl_error err;

    request = (struct sl_mq_request){
        .verb = SL_MQ_ABANDON, .receipt = sl_bytes_of(receipt), .delay_ms = 5};
    assert_non_null(redis.store);
    assert_int_equal(sl_mq_redis_append(&redis, &op, &out, &err), SL_OK);
    assert_true(out.len > end.len);
    if (memcmp(out.ptr + out.len - end.len, end.ptr, end.len) != 0)
        fail_msg("%s: %.*s", receipt, (int)out.len, (const char *)out.ptr);
    sl_buf_done(&out);
    sl_buf_done(&redis.names);
    sl_redis_script_store_free(redis.store);
}

static void receipts(void **state)
{
    static const char *const wrong[] = {
        "", "7", "7:", "7:3", ":3:", "7::", "-7:3:", "x:3:", "7:0:"};

    (void)state;
    command_ends("7:3:", SL_LITERAL("$7\r\nabandon\r\n$1\r\n7\r\n$1\r\n3\r\n"
                                    "$0\r\n\r\n$1\r\n5\r\n"));
    command_ends("7:3:a:b", SL_LITERAL("$1\r\n7\r\n$1\r\n3\r\n$3\r\na:b\r\n"
                                       "$1\r\n5\r\n"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        command_ends(wrong[i], SL_LITERAL("$1\r\n0\r\n$1\r\n0\r\n$0\r\n\r\n"
                                          "$1\r\n5\r\n"));
}

/* The server forgets an id five minutes after the first.  holds: mq-9 mq-53 */
static void an_id_and_its_window(void **state)
{
    static const char window[] = "$1\r\n0\r\n$6\r\n300000\r\n";
    struct sl_redis_script_connection redis = redis_state_of(&options);
    struct sl_buf out = SL_BUF(4096);
    struct sl_mq_answer answer;
    struct sl_op op = {.request = &request, .answer = &answer};
    struct sl_error err;

    (void)state;
    request = (struct sl_mq_request){.verb = SL_MQ_SEND,
                                     .deduplication_id = SL_LITERAL("id")};
    assert_non_null(redis.store);
    assert_int_equal(sl_mq_redis_append(&redis, &op, &out, &err), SL_OK);
    assert_true(out.len > sizeof(window) - 1);
    assert_memory_equal(out.ptr + out.len - (sizeof(window) - 1), window,
                        sizeof(window) - 1);
    sl_buf_done(&out);
    sl_buf_done(&redis.names);
    sl_redis_script_store_free(redis.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id),
        cmocka_unit_test(a_delivery),
        cmocka_unit_test(a_dead_letter),
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(a_reply_of_another_kind_is_no_answer),
        cmocka_unit_test(settling),
        cmocka_unit_test(receipts),
        cmocka_unit_test(an_id_and_its_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

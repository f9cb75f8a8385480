/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of lockd.redis without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lockd/redis/protocol.h"
#include "support/redis_replies.h"

#define HOLDER "0123456789abcdef0123456789abcdef"

static const struct sl_redis_script_options options = {
    .server = {.url = "redis://localhost", .db = -1}, .name = "r"};

/* What a reply answers to a verb; false: it is no answer to it. */
static bool answer_to(enum sl_lockd_verb verb, const char *text,
                      struct sl_op *op, struct sl_lockd_answer *answer)
{
    static struct sl_lockd_request request;
    redisReply *reply = redis_reply_of(text, strlen(text));

    assert_non_null(reply);
    request = (struct sl_lockd_request){
        .verb = verb, .key = SL_LITERAL("k"), .ttl_ms = 5000};
    sl_lockd_answer_init(answer);
    *op = (struct sl_op){
        .request = &request, .answer = answer, .wait_until = SL_NEVER};
    bool is_answer = sl_lockd_redis_answer(NULL, op, reply);
    freeReplyObject(reply);
    return is_answer;
}

static void a_grant(void **state)
{
    struct sl_lockd_answer answer;
    struct sl_op op;

    (void)state;
    assert_true(answer_to(SL_LOCKD_ACQUIRE,
                          "*3\r\n:1\r\n$3\r\n170\r\n$32\r\n" HOLDER "\r\n", &op,
                          &answer));
    assert_int_equal(answer.err.status, SL_OK);
    assert_int_equal(answer.fencing_token, 170);
    assert_int_equal(answer.ttl_ms, 5000);
    assert_string_equal(answer.holder, HOLDER);
    assert_int_equal(op.retry_at, 0);
}

static void a_place_in_the_queue(void **state)
{
    struct sl_lockd_answer answer;
    struct sl_op op;

    (void)state;
    assert_true(answer_to(SL_LOCKD_ACQUIRE, "*3\r\n:0\r\n:40\r\n$2\r\n17\r\n",
                          &op, &answer));
    assert_int_equal(answer.err.status, SL_CONFLICT);
    assert_int_equal(op.waiter_id, 17);
    assert_true(op.retry_at != 0);
    assert_true(answer_to(SL_LOCKD_ACQUIRE, "*3\r\n:0\r\n:0\r\n$1\r\n0\r\n",
                          &op, &answer));
    assert_int_equal(answer.err.status, SL_CONFLICT);
    assert_int_equal(op.retry_at, 0);
}

static void what_is_lost_is_a_conflict(void **state)
{
    static const enum sl_lockd_verb verbs[] = {SL_LOCKD_RENEW,
                                               SL_LOCKD_RELEASE};
    struct sl_lockd_answer answer;
    struct sl_op op;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_true(answer_to(verbs[i], "*1\r\n:0\r\n", &op, &answer));
        assert_int_equal(answer.err.status, SL_CONFLICT);
        assert_true(answer_to(verbs[i], "*1\r\n:1\r\n", &op, &answer));
        assert_int_equal(answer.err.status, SL_OK);
        assert_false(op.changed);
    }
    assert_true(
        answer_to(SL_LOCKD_RELEASE, "*2\r\n:1\r\n:1\r\n", &op, &answer));
    assert_true(op.changed);
}

static void a_reply_of_another_kind_is_no_answer(void **state)
{
    static const char *const wrong[] = {
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*1\r\n:1\r\n",                            /* no token */
        "*3\r\n:1\r\n:7\r\n$32\r\n" HOLDER "\r\n", /* a token that is no text */
        "*3\r\n:1\r\n$2\r\n-7\r\n$32\r\n" HOLDER "\r\n", /* none that grows */
        "*3\r\n:1\r\n$1\r\n7\r\n$1\r\nh\r\n",
        "*3\r\n:1\r\n$1\r\n7\r\n$0\r\n\r\n", /* no holder */
        "*3\r\n:0\r\n:-1\r\n$1\r\n7\r\n",    /* a wait below zero */
        "*3\r\n:0\r\n:1\r\n$1\r\nx\r\n",     /* no ticket */
        "*3\r\n:1\r\n$20\r\n99999999999999999999\r\n$32\r\n" HOLDER "\r\n",
    };
    struct sl_lockd_answer answer;
    struct sl_op op;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (answer_to(SL_LOCKD_ACQUIRE, wrong[i], &op, &answer))
            fail_msg("case %zu", i);
}

/* A guest must not take the server's trouble for a lock that is held. */
static void an_error_is_no_conflict(void **state)
{
    const struct {
        const char *reply;
        enum sl_status status;
        bool unsent;
    } cases[] = {
        {"-WRONGTYPE Operation against a key\r\n", SL_INTERNAL, true},
        {"-ERR value is not an integer\r\n", SL_INTERNAL, true},
        {"-NOSCRIPT No matching script\r\n", SL_UNAVAILABLE, true},
        {"-OOM command not allowed\r\n", SL_RESOURCE_EXHAUSTED, true},
        {"-NOPERM no\r\n", SL_PERMISSION_DENIED, true},
        {"-MOVED 1 127.0.0.1:1\r\n", SL_UNSUPPORTED, true},
        {"-ERR user_script:1: oh\r\n", SL_INTERNAL, false},
    };
    struct sl_lockd_answer answer;
    struct sl_op op;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(answer_to(SL_LOCKD_ACQUIRE, cases[i].reply, &op, &answer));
        assert_int_equal(answer.err.status, cases[i].status);
        assert_int_equal(op.unsent, cases[i].unsent);
        assert_int_equal(op.retry_at, 0);
    }
}

static void keys_have_the_name_in_braces(void **state)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_IS_LOCKED,
                                             .key = SL_LITERAL("k:1")};
    struct sl_redis_script_connection redis = redis_state_of(&options);
    struct sl_buf out = SL_BUF(4096);
    struct sl_lockd_answer answer;
    struct sl_op op = {.request = &request, .answer = &answer};
    struct sl_error err;

    (void)state;
    assert_non_null(redis.store);
    assert_int_equal(sl_lockd_redis_append(&redis, &op, &out, &err), SL_OK);
    assert_true(sl_bytes_start_with(
        sl_buf_bytes(&out),
        SL_LITERAL("*14\r\n$7\r\nEVALSHA\r\n$3\r\nsha\r\n$1\r\n6\r\n"
                   "$12\r\n{r}:lock:k:1\r\n$12\r\n{r}:line:k:1\r\n"
                   "$12\r\n{r}:seen:k:1\r\n$9\r\n{r}:token\r\n"
                   "$10\r\n{r}:ticket\r\n$11\r\n{r}:changes\r\n"
                   "$9\r\nis-locked\r\n")));
    sl_buf_done(&out);
    sl_buf_done(&redis.names);
    sl_redis_script_store_free(redis.store);
}

static void names(void **state)
{
    static const char *const wrong[] = {"", "{", "a}b", "\xff"};
    const char *name = "locks of mine";
    struct sl_error err;

    (void)state;
    assert_int_equal(sl_redis_check_name(&name, &err), SL_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sl_redis_check_name(&wrong[i], &err),
                         SL_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant),
        cmocka_unit_test(a_place_in_the_queue),
        cmocka_unit_test(what_is_lost_is_a_conflict),
        cmocka_unit_test(a_reply_of_another_kind_is_no_answer),
        cmocka_unit_test(an_error_is_no_conflict),
        cmocka_unit_test(keys_have_the_name_in_braces),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

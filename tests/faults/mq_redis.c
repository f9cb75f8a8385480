/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.redis on bad days, with a real server that writes to its disk before it
 * acknowledges: what was sent is what is received, whatever happens between.
 */
#include "faults/message_faults.h"
#include "faults/redis_scripts.h"

#include "mq/driver.h"

static const struct sl_mq_request send_x = {
    .verb = SL_MQ_SEND, .payload = {(const uint8_t *)"x", 1}};

static const void *write_x(int number)
{
    (void)number;
    return &send_x;
}

static uint64_t depth_of(struct test_store *store)
{
    const struct sl_mq_request depth = {.verb = SL_MQ_DEPTH};
    struct sl_mq_answer answer;

    assert_status(sl_service_do(store->service, NULL, &depth, 1, &answer),
                  SL_OK);
    return answer.depth;
}

/* --- Full ----------------------------------------------------------------- */

static void before_full(struct test_store *store)
{
    fault_tell("flushall");
    fault_call_is(store, &send_x, SL_OK, "");
}

/* Who receives is not held up. */
static void while_full(struct test_store *store)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE, .limit = 10};
    struct sl_mq_answer answer;

    assert_status(sl_service_do(store->service, NULL, &receive, 1, &answer),
                  SL_OK);
    assert_int_equal(answer.message_count, 1);
    const struct sl_mq_request complete =
        sl_mq_request_for(answer.messages[0], SL_MQ_COMPLETE);
    fault_call_is(store, &complete, SL_OK, "");
    sl_mq_answer_done(&answer);
    assert_int_equal(depth_of(store), 0);
}

static const struct fault_right rights[] = {
    REDIS_RIGHTS("+incr +get +set +time +exists +xadd +xdel +xlen +xrange "
                 "+zadd +zrem +zrange +zrangebyscore +zrangebylex +zscore "
                 "+hget +hset +hdel"),
};

const struct fault_driver fault_driver = {
    .name = "mq.redis",
    .service = &fault_redis,
    .settings = "queue = \"own\"",
    .write = write_x,
    .rights = rights,
    .before_full = before_full,
    .while_full = while_full,
};

/* --- What is sent and received -------------------------------------------- */

static enum sl_status send_one(struct test_store *store, const char *key,
                               const char *payload)
{
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = sl_bytes_of(payload)};

    (void)key;
    return fault_call(store, &send).status;
}

static enum sl_status handle(struct test_store *store,
                             const struct sl_mq_message *message)
{
    const struct sl_mq_request complete =
        sl_mq_request_for(message, SL_MQ_COMPLETE);

    (void)message_received(message->payload);
    enum sl_status status = fault_call(store, &complete).status;
    message_settled(message->payload, status);
    return status == SL_CONFLICT ? SL_OK : status;
}

static enum sl_status consume(struct fault_traffic *traffic, int writer,
                              int number)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE,
                                          .limit = 3,
                                          .wait_ms = 100,
                                          .has_visibility = true,
                                          .visibility_ms = 1000};
    struct sl_mq_answer answer;

    (void)writer;
    (void)number;
    enum sl_status status =
        sl_service_do(traffic->store->service, NULL, &receive, 1, &answer);
    for (size_t i = 0; i < answer.message_count; i++) {
        enum sl_status settled = handle(traffic->store, answer.messages[i]);
        if (settled != SL_OK)
            status = settled;
    }
    sl_mq_answer_done(&answer);
    return status;
}

static void drain(struct test_store *store)
{
    struct fault_traffic rest = {.store = store};

    while (depth_of(store) > 0)
        assert_status(consume(&rest, 0, 0), SL_OK);
}

const struct message_kind message_kind = {
    .patient = "timeout = \"2s\"\nretry.backoff = \"5ms\"",
    .send = send_one,
    .consume = consume,
    .drain = drain,
};

/* It may have been sent: with its id it is safe to send it again. */
static void a_doubtful_send_is_sent_again(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("x"),
                                       .deduplication_id = SL_LITERAL("7")};
    struct test_store store;

    (void)state;
    fault_open_own(&store, proxy, "connections = 1\nretry.attempts = 1");
    message_new_ledger();
    fault_call_is(&store, &send_x, SL_OK, "");
    /* The reply is cut off. */
    proxy_cut_after(proxy, 0);
    fault_call_is(&store, &send, SL_UNAVAILABLE, "");
    proxy_cut_after(proxy, -1);
    proxy_cut_all(proxy);
    for (int i = 0; i < 3; i++)
        fault_call_is(&store, &send, SL_OK, "");
    assert_int_equal(depth_of(&store), 2);
    test_store_done(&store);
    proxy_free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESSAGE_FAULT_CASES,
        REDIS_SCRIPT_CASES,
        cmocka_unit_test(a_doubtful_send_is_sent_again),
    };

    return cmocka_run_group_tests_name("faults.mq.redis", tests, fault_start,
                                       fault_stop);
}

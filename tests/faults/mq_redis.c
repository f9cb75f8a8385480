/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.redis under faults, with a real server that writes to its disk before it
 * acknowledges: what was sent is what is received, whatever happens between.
 */
#include "faults/message_faults.h"
#include "faults/redis_cut.h"
#include "faults/redis_scripts.h"

#include <stdlib.h>

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
    assert_int_equal(answer.deliveries.count, 1);
    const struct sl_mq_request complete =
        sl_mq_request_for(answer.deliveries.items[0], SL_MQ_COMPLETE);
    fault_call_is(store, &complete, SL_OK, "");
    sl_mq_answer_done(&answer);
    assert_int_equal(depth_of(store), 0);
}

static const struct fault_right rights[] = {
    REDIS_RIGHTS("+get +set +time +exists +xadd +xdel +xlen +xrange "
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
                             const struct sl_delivery *message)
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
    for (size_t i = 0; i < answer.deliveries.count; i++) {
        enum sl_status settled =
            handle(traffic->store, answer.deliveries.items[i]);
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
/* holds: mq-24 */
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

/* --- Killed while it writes a step ----------------------------------------
 *
 * What of it is in the file when the server starts is no step.  But Redis
 * leaves it there, and the next time that it reads the file, it takes it for
 * the begin of the first step behind it.
 */

enum { LETTERS = 26 };

static void send_letter(struct test_store *store, char letter, bool in_group)
{
    const struct sl_mq_request send = {
        .verb = SL_MQ_SEND,
        .payload = SL_BYTES(&letter, 1),
        .group = in_group ? SL_LITERAL("g") : (struct sl_bytes){0}};

    fault_call_is(store, &send, SL_OK, "");
}

static struct sl_delivery *receive_one(struct test_store *store)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE,
                                          .limit = 1,
                                          .wait_ms = 200,
                                          .has_visibility = true,
                                          .visibility_ms = 2000};
    struct sl_mq_answer answer;

    assert_status(sl_service_do(store->service, NULL, &receive, 1, &answer),
                  SL_OK);
    struct sl_delivery *message =
        answer.deliveries.count > 0 ? answer.deliveries.items[0] : NULL;
    if (message != NULL)
        answer.deliveries.items[0] = NULL;
    sl_mq_answer_done(&answer);
    return message;
}

static void settle_one(struct test_store *store, enum sl_mq_verb verb)
{
    struct sl_delivery *message = receive_one(store);

    assert_non_null(message);
    const struct sl_mq_request request = sl_mq_request_for(message, verb);
    fault_call_is(store, &request, SL_OK, "");
    sl_delivery_free(message);
}

static void step_send(struct test_store *store)
{
    send_letter(store, 'x', true);
}

static void step_receive(struct test_store *store)
{
    sl_delivery_free(receive_one(store));
}

static void step_complete(struct test_store *store)
{
    settle_one(store, SL_MQ_COMPLETE);
}

static void step_abandon(struct test_store *store)
{
    settle_one(store, SL_MQ_ABANDON);
}

static void step_bury(struct test_store *store)
{
    settle_one(store, SL_MQ_DEAD_LETTER);
}

static void kill_and_restart(void)
{
    test_server_kill(&fault_server);
    test_server_restart(&fault_server);
}

/* What is there in the end, by its letter; and nothing else. */
static void drain_letters(struct test_store *store, bool seen[LETTERS])
{
    for (int i = 0; i < 1500 && depth_of(store) > 0; i++) {
        struct sl_delivery *message = receive_one(store);
        if (message == NULL)
            continue;
        const struct sl_mq_request complete =
            sl_mq_request_for(message, SL_MQ_COMPLETE);
        seen[message->payload.ptr[0] - 'a'] = true;
        (void)fault_call(store, &complete);
        sl_delivery_free(message);
    }
    assert_int_equal(depth_of(store), 0);
}

/* False: the step has no more commands than these. */
static bool cut_step(void (*step)(struct test_store *store), bool takes_first,
                     int commands)
{
    bool seen[LETTERS] = {false};
    struct test_store store;

    fault_tell("flushall");
    fault_open_own(&store, NULL, "");
    send_letter(&store, 'a', true);
    send_letter(&store, 'b', true);
    send_letter(&store, 'c', false);
    long before = redis_cut_size(&fault_server);
    step(&store);
    test_store_done(&store);
    test_server_kill(&fault_server);
    bool was_cut = redis_cut(&fault_server, before, commands);
    test_server_restart(&fault_server);
    if (!was_cut)
        return false;
    fault_open_own(&store, NULL, "");
    send_letter(&store, 'd', true);
    send_letter(&store, 'e', false);
    test_store_done(&store);
    kill_and_restart();
    fault_open_own(&store, NULL, "");
    drain_letters(&store, seen);
    test_store_done(&store);
    for (int i = takes_first; i < 5; i++)
        if (!seen[i])
            fail_msg("%c is lost, behind %d commands", 'a' + i, commands);
    return true;
}

static void a_step_cut_by_a_kill_loses_nothing(void **state)
{
    static const struct {
        void (*run)(struct test_store *store);
        bool takes_first; /* that may be gone */
    } steps[] = {
        {step_send, false},    {step_receive, false}, {step_complete, true},
        {step_abandon, false}, {step_bury, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int commands = 0;
        while (cut_step(steps[i].run, steps[i].takes_first, commands))
            commands++;
        if (commands < 2)
            fail_msg("step %zu has %d commands", i, commands);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESSAGE_FAULT_CASES,
        REDIS_SCRIPT_CASES,
        cmocka_unit_test(a_doubtful_send_is_sent_again),
        cmocka_unit_test(a_step_cut_by_a_kill_loses_nothing),
    };

    return cmocka_run_group_tests_name("faults.mq.redis", tests, fault_start,
                                       fault_stop);
}

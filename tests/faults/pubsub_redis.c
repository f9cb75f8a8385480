/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.redis under faults, with a real server that writes to its disk before
 * it acknowledges: what was published is what a group receives, and each key is
 * in order, whatever happens between.
 */
#include <poll.h>

#include "faults/members.h"
#include "faults/message_faults.h"
#include "faults/redis_cut.h"
#include "faults/redis_scripts.h"

static const struct sl_pubsub_request publish_x = {
    .verb = SL_PUBSUB_PUBLISH,
    .topic = {(const uint8_t *)"t", 1},
    .payload = {(const uint8_t *)"x", 1},
};

static const void *write_x(int number)
{
    (void)number;
    return &publish_x;
}

static const struct fault_right rights[] = {
    REDIS_RIGHTS("+incr +time +xadd +xtrim +xrange +xrevrange +zadd +zrem "
                 "+zrange +zrangebyscore +zrangebylex +zscore +hget +hset "
                 "+hdel +hexists +pexpire"),
};

const struct fault_driver fault_driver = {
    .name = "pubsub.redis",
    .service = &fault_redis,
    .settings = "prefix = \"own\"",
    .write = write_x,
    .rights = rights,
};

/* --- What is published and received --------------------------------------- */

static enum sl_status publish(struct test_store *store, const char *key,
                              const char *payload)
{
    struct sl_pubsub_request request = publish_x;

    request.payload = sl_bytes_of(payload);
    request.key = sl_bytes_of(key);
    return fault_call(store, &request).status;
}

static bool received(const struct sl_delivery *event)
{
    return message_received(event->payload);
}

static void settled(const struct sl_delivery *event, enum sl_status status)
{
    message_settled(event->payload, status);
}

static const struct member_way way = {
    .limit = 5,
    .received = received,
    .settled = settled,
};

/* Receive some, once; how many, in *count. */
static enum sl_status receive_some(struct test_store *store,
                                   const struct sl_subscription *member,
                                   uint64_t wait_ms, size_t *count)
{
    return member_receive(store, member, &way, wait_ms, count).status;
}

static enum sl_status consume(struct fault_traffic *traffic, int writer,
                              int number)
{
    (void)number;
    return member_consume(traffic, writer, "t", &way);
}

/* On a busy machine the member may lose its lease, and joins anew. */
static void drain(struct test_store *store)
{
    enum { EMPTY_MAX = 60 };
    struct sl_subscription *member = NULL;
    size_t count = 1;
    int empty = 0;

    members_leave();
    while (count > 0 || (message_missing() > 0 && empty < EMPTY_MAX)) {
        if (member == NULL)
            member = member_join(store, "t");
        enum sl_status status = receive_some(store, member, 3000, &count);
        if (status == SL_CONFLICT) {
            sl_subscription_free(member);
            member = NULL;
        } else {
            assert_status(status, SL_OK);
        }
        empty += count == 0;
    }
    sl_subscription_free(member);
}

const struct message_kind message_kind = {
    .patient = "timeout = \"2s\"\nretry.backoff = \"5ms\"\nlease = \"1s\"",
    .send = publish,
    .consume = consume,
    .drain = drain,
    .ordered = true,
};

/* --- Full, silent, and old ---------------------------------------------- */

static void who_receives_is_not_held_up_by_a_full_server(void **state)
{
    struct test_store store;
    size_t count;

    (void)state;
    fault_open_own(&store, NULL, "retry.attempts = 1\nlease = \"60s\"");
    message_new_ledger();
    struct fault_traffic publisher = {.store = &store};
    for (int i = 1; i <= 10; i++)
        assert_status(message_send(&publisher, 0, i), SL_OK);
    struct sl_subscription *member = member_join(&store, "t");
    fault_tell("config set maxmemory 1");
    fault_call_is(&store, &publish_x, SL_RESOURCE_EXHAUSTED, "out of memory");
    for (int i = 1; i <= 10; i++) {
        assert_status(receive_some(&store, member, 5000, &count), SL_OK);
        assert_int_equal(count, 1);
        const struct sl_pubsub_request renew =
            sl_subscription_request(member, SL_PUBSUB_RENEW);
        fault_call_is(&store, &renew, SL_OK, "");
    }
    fault_tell("config set maxmemory 0");
    for (int i = 1; i <= 10; i++)
        assert_int_equal(message_times(0, i), 1);
    fault_call_is(&store, &publish_x, SL_OK, "");
    sl_subscription_free(member);
    test_store_done(&store);
}

/* Cut off for longer than its lease: the group goes on without it. */
static void a_member_that_is_cut_off(void **state)
{
    struct proxy *proxy = proxy_new(0, fault_port);
    struct test_store far, near;
    struct sl_pubsub_answer answer;
    size_t count;

    (void)state;
    fault_open_own(&far, proxy, "timeout = \"2s\"\nlease = \"10s\"");
    fault_open_own(&near, NULL, "lease = \"10s\"");
    message_new_ledger();
    struct fault_traffic publisher = {.store = &near};
    assert_status(message_send(&publisher, 0, 1), SL_OK);
    struct sl_subscription *lost = member_join(&far, "t"),
                           *next = member_join(&near, "t");
    struct sl_pubsub_request receive =
        sl_subscription_request(lost, SL_PUBSUB_RECEIVE);
    receive.limit = 5;
    assert_status(sl_service_do(far.service, NULL, &receive, 1, &answer),
                  SL_OK);
    assert_int_equal(answer.deliveries.count, 1);
    sl_pubsub_answer_done(&answer);
    assert_status(receive_some(&near, next, 0, &count), SL_OK);
    assert_int_equal(count, 0);
    proxy_stall(proxy, true);
    assert_status(receive_some(&near, next, 60000, &count), SL_OK);
    assert_int_equal(count, 1);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    fault_call_soon_is(&far, &receive, SL_CONFLICT, "lease has expired");
    sl_subscription_free(lost);
    sl_subscription_free(next);
    test_store_done(&far);
    test_store_done(&near);
    proxy_free(proxy);
}

/* What is not kept any longer holds up nobody. */
static void what_is_too_old_is_passed_over(void **state)
{
    struct test_store store;
    size_t count;

    (void)state;
    fault_open_own(&store, NULL, "lease = \"30s\"");
    message_new_ledger();
    struct fault_traffic publisher = {.store = &store};
    for (int i = 1; i <= 3; i++)
        assert_status(message_send(&publisher, 0, i), SL_OK);
    /* Its key is held up by an event that nobody acknowledges. */
    struct sl_subscription *idle = member_join(&store, "t"),
                           *member = member_join(&store, "t");
    struct sl_pubsub_request receive =
        sl_subscription_request(idle, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;
    receive.limit = 1000;
    assert_status(sl_service_do(store.service, NULL, &receive, 1, &answer),
                  SL_OK);
    assert_int_equal(answer.deliveries.count, 1);
    sl_pubsub_answer_done(&answer);
    fault_tell("del '{own}:topic:t'");
    sl_subscription_free(idle);
    assert_status(message_send(&publisher, 0, 4), SL_OK);
    assert_status(receive_some(&store, member, 20000, &count), SL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(message_times(0, 4), 1);
    sl_subscription_free(member);
    test_store_done(&store);
}

/* --- Killed while it writes a step (mq_redis.c) ------------------------- */

enum { LETTERS = 26 };

static const char brief[] = "lease = \"2s\"";

static void publish_letter(struct test_store *store, char letter, bool has_key)
{
    struct sl_pubsub_request request = publish_x;

    request.payload = SL_BYTES(&letter, 1);
    if (has_key)
        request.key = SL_LITERAL("k");
    fault_call_is(store, &request, SL_OK, "");
}

/* Receive one, and do that with it. */
static void receive_and(struct test_store *store,
                        const struct sl_subscription *member, int then)
{
    struct sl_pubsub_request request =
        sl_subscription_request(member, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;

    request.limit = 1;
    request.wait_ms = 5000;
    assert_status(sl_service_do(store->service, NULL, &request, 1, &answer),
                  SL_OK);
    assert_int_equal(answer.deliveries.count, 1);
    if (then >= 0) {
        request = sl_subscription_request(member, (enum sl_pubsub_verb)then);
        request.receipt = answer.deliveries.items[0]->receipt;
        fault_call_is(store, &request, SL_OK, "");
    }
    sl_pubsub_answer_done(&answer);
}

/* All but the first, if that may be gone. */
static void receive_letters(struct test_store *store, bool takes_first,
                            int commands)
{
    bool seen[LETTERS] = {false};
    struct sl_subscription *member = member_join(store, "t");
    int missing = LETTERS;

    for (int i = 0; i < 3000 && missing > 0; i++) {
        struct sl_pubsub_request request =
            sl_subscription_request(member, SL_PUBSUB_RECEIVE);
        struct sl_pubsub_answer answer;
        request.limit = 1;
        request.wait_ms = 100;
        if (sl_service_do(store->service, NULL, &request, 1, &answer) ==
            SL_CONFLICT) { /* its lease has ended */
            sl_subscription_free(member);
            member = member_join(store, "t");
            continue;
        }
        assert_status(answer.err.status, SL_OK);
        if (answer.deliveries.count == 1) {
            seen[answer.deliveries.items[0]->payload.ptr[0] - 'a'] = true;
            request = sl_subscription_request(member, SL_PUBSUB_ACKNOWLEDGE);
            request.receipt = answer.deliveries.items[0]->receipt;
            fault_call_is(store, &request, SL_OK, "");
        }
        sl_pubsub_answer_done(&answer);
        missing = 0;
        for (int j = takes_first; j < 5; j++)
            missing += !seen[j];
    }
    sl_subscription_free(member);
    if (missing > 0)
        fail_msg("%d are lost, behind %d commands", missing, commands);
}

/* then: what the step does with an event; -1: it receives it, -2: it publishes
 * one.  False: the step has no more commands than these. */
static bool cut_step(int then, int commands)
{
    bool takes_first = then == SL_PUBSUB_ACKNOWLEDGE;
    struct test_store store;

    fault_tell("flushall");
    fault_open_own(&store, NULL, brief);
    publish_letter(&store, 'a', true);
    publish_letter(&store, 'b', true);
    publish_letter(&store, 'c', false);
    struct sl_subscription *member = member_join(&store, "t");
    long before = redis_cut_size(&fault_server);
    if (then == -2)
        publish_letter(&store, 'x', true);
    else
        receive_and(&store, member, then);
    test_server_kill(&fault_server);
    sl_subscription_free(member);
    test_store_done(&store);
    bool was_cut = redis_cut(&fault_server, before, commands);
    test_server_restart(&fault_server);
    if (!was_cut)
        return false;
    fault_open_own(&store, NULL, brief);
    publish_letter(&store, 'd', true);
    publish_letter(&store, 'e', false);
    test_store_done(&store);
    test_server_kill(&fault_server);
    test_server_restart(&fault_server);
    fault_open_own(&store, NULL, brief);
    receive_letters(&store, takes_first, commands);
    test_store_done(&store);
    return true;
}

static void a_step_cut_by_a_kill_loses_nothing(void **state)
{
    static const int steps[] = {-2, -1, SL_PUBSUB_ACKNOWLEDGE,
                                SL_PUBSUB_RETURN};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int commands = 0;
        while (cut_step(steps[i], commands))
            commands++;
        if (commands < 2)
            fail_msg("step %zu has %d commands", i, commands);
    }
}

static struct sl_pubsub_request to(const char *topic)
{
    struct sl_pubsub_request request = publish_x;

    request.topic = sl_bytes_of(topic);
    return request;
}

static void topics_without_end(void **state)
{
    struct test_store store;
    struct sl_error err = {.status = SL_RESOURCE_EXHAUSTED};

    (void)state;
    fault_open_own(&store, NULL, "max-topics = 2\nretention = \"10s\"");
    fault_tell("del '{own}:topics'"); /* other cases' */
    const struct sl_pubsub_request first = to("a"), second = to("b"),
                                   third = to("c");
    fault_call_is(&store, &first, SL_OK, "");
    fault_call_is(&store, &second, SL_OK, "");
    fault_call_is(&store, &third, SL_RESOURCE_EXHAUSTED, "raise max-topics");
    fault_call_is(&store, &first, SL_OK, "");
    struct sl_pubsub_request subscribe = third;
    subscribe.verb = SL_PUBSUB_SUBSCRIBE;
    subscribe.group = subscribe.member = SL_LITERAL("g");
    fault_call_is(&store, &subscribe, SL_RESOURCE_EXHAUSTED,
                  "raise max-topics");
    /* Once the others' events are over there is room. */
    for (int i = 0; i < 6000 && err.status == SL_RESOURCE_EXHAUSTED; i++) {
        poll(NULL, 0, 50);
        err = fault_call(&store, &third);
    }
    assert_status(err.status, SL_OK);
    test_store_done(&store);
}

static struct sl_pubsub_request in_group(const char *topic, const char *group)
{
    struct sl_pubsub_request request = to(topic);

    request.verb = SL_PUBSUB_SUBSCRIBE;
    request.group = sl_bytes_of(group);
    request.member = SL_LITERAL("m");
    return request;
}

static void groups_without_end(void **state)
{
    struct test_store store;

    (void)state;
    fault_open_own(&store, NULL, "max-groups = 2");
    const struct sl_pubsub_request first = in_group("grouped", "first"),
                                   second = in_group("grouped", "second"),
                                   third = in_group("grouped", "third"),
                                   other = in_group("other", "third");
    fault_call_is(&store, &first, SL_OK, "");
    fault_call_is(&store, &second, SL_OK, "");
    fault_call_is(&store, &third, SL_RESOURCE_EXHAUSTED, "raise max-groups");
    fault_call_is(&store, &first, SL_OK, "");
    fault_call_is(&store, &other, SL_OK, "");
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESSAGE_FAULT_CASES,
        REDIS_SCRIPT_CASES,
        cmocka_unit_test(who_receives_is_not_held_up_by_a_full_server),
        cmocka_unit_test(a_member_that_is_cut_off),
        cmocka_unit_test(what_is_too_old_is_passed_over),
        cmocka_unit_test(a_step_cut_by_a_kill_loses_nothing),
        cmocka_unit_test(topics_without_end),
        cmocka_unit_test(groups_without_end),
    };

    return cmocka_run_group_tests_name("faults.pubsub.redis", tests,
                                       fault_start, fault_stop);
}

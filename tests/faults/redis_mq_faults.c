/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.redis on bad days, with a real server that writes to its disk before it
 * acknowledges: what was sent is what is received, whatever happens between.
 */
#include "faults/redis_shared.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mq/driver.h"

static const struct sl_mq_request send_x = {
    .verb = SL_MQ_SEND, .payload = {(const uint8_t *)"x", 1}};

static const void *request(int number)
{
    (void)number;
    return &send_x;
}

const struct redis_kind redis_kind = {
    .driver = "mq.redis",
    .name = "queue",
    .request = request,
    .rights = "+incr +get +set +time +exists +xadd +xdel +xlen +xrange +zadd "
              "+zrem +zrange +zrangebyscore +zrangebylex +zscore +hget +hset "
              "+hdel",
};

static const char patient[] = "timeout = \"2s\"\nretry.backoff = \"5ms\"";

/* --- What was sent, and what was received ------------------------------- */

enum { NUMBERS_MAX = 100000 };

/* By writer and number. */
static struct ledger {
    pthread_mutex_t lock;
    bool sent[FAULT_WRITERS][NUMBERS_MAX];  /* it was acknowledged */
    bool tried[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps not */
    int completed[FAULT_WRITERS][NUMBERS_MAX];
    bool doubtful[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps completed */
    int strange;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void new_ledger(void)
{
    memset(ledger.sent, 0, sizeof(ledger.sent));
    memset(ledger.tried, 0, sizeof(ledger.tried));
    memset(ledger.completed, 0, sizeof(ledger.completed));
    memset(ledger.doubtful, 0, sizeof(ledger.doubtful));
    ledger.strange = 0;
    assert_true(test_server_tell(&redis_server, "flushall"));
}

static enum sl_status send_one(struct fault_traffic *traffic, int writer,
                               int number)
{
    char payload[32];
    struct sl_mq_answer answer;

    if (number >= NUMBERS_MAX)
        return SL_UNAVAILABLE;
    snprintf(payload, sizeof(payload), "%d %d", writer, number);
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = sl_bytes_of(payload)};
    ledger.tried[writer][number] = true;
    enum sl_status status =
        sl_service_do(traffic->store->service, NULL, &send, 1, &answer);
    sl_mq_answer_done(&answer);
    ledger.sent[writer][number] = status == SL_OK;
    return status;
}

/* Complete one message, and note it. */
static enum sl_status handle(struct sl_service *service,
                             const struct sl_mq_message *message)
{
    char text[32];
    char *rest;
    struct sl_mq_answer answer;
    const struct sl_mq_request complete =
        sl_mq_request_for(message, SL_MQ_COMPLETE);

    snprintf(text, sizeof(text), "%.*s", (int)message->payload.len,
             (const char *)message->payload.ptr);
    long writer = strtol(text, &rest, 10), number = strtol(rest, NULL, 10);
    enum sl_status status = sl_service_do(service, NULL, &complete, 1, &answer);
    pthread_mutex_lock(&ledger.lock);
    if (writer < 0 || writer >= FAULT_WRITERS || number < 1 ||
        number >= NUMBERS_MAX || !ledger.tried[writer][number])
        ledger.strange++;
    else if (status == SL_OK)
        ledger.completed[writer][number]++;
    else
        ledger.doubtful[writer][number] = true;
    pthread_mutex_unlock(&ledger.lock);
    return status == SL_CONFLICT ? SL_OK : status;
}

/* As a write of traffic: receive some and complete them. */
static enum sl_status consume_some(struct fault_traffic *traffic, int writer,
                                   int number)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE,
                                          .limit = 3,
                                          .wait_ms = 100,
                                          .has_visibility = true,
                                          .visibility_ms = 1000};
    struct sl_service *service = traffic->store->service;
    struct sl_mq_answer answer;

    (void)writer;
    (void)number;
    enum sl_status status = sl_service_do(service, NULL, &receive, 1, &answer);
    for (size_t i = 0; i < answer.message_count; i++) {
        enum sl_status settled = handle(service, answer.messages[i]);
        if (settled != SL_OK)
            status = settled;
    }
    sl_mq_answer_done(&answer);
    return status;
}

static uint64_t depth_of(struct test_store *store)
{
    const struct sl_mq_request depth = {.verb = SL_MQ_DEPTH};
    struct sl_mq_answer answer;

    assert_int_equal(sl_service_do(store->service, NULL, &depth, 1, &answer),
                     SL_OK);
    return answer.depth;
}

/* Receive the rest; then what was sent is what was completed, once. */
static void sent_is_completed(struct test_store *store)
{
    struct fault_traffic rest = {.store = store};

    while (depth_of(store) > 0)
        assert_int_equal(consume_some(&rest, 0, 0), SL_OK);
    assert_int_equal(ledger.strange, 0);
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++) {
            int completed = ledger.completed[i][j];
            if (completed > 1)
                fail_msg("%d %d was completed %d times", i, j, completed);
            if (ledger.sent[i][j] && completed == 0 && !ledger.doubtful[i][j])
                fail_msg("%d %d was sent and is lost", i, j);
        }
}

static void sending(void (*disturb)(void *), void *context,
                    const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = send_one};

    redis_open(&store, proxy, patient);
    new_ledger();
    fault_traffic_run(&traffic, disturb, context);
    assert_true(depth_of(&store) > 0);
    sent_is_completed(&store);
    test_store_done(&store);
}

static void receiving(void (*disturb)(void *), void *context,
                      const struct proxy *proxy)
{
    enum { EACH = 400 };
    struct test_store store, straight;
    struct fault_traffic traffic = {.store = &store, .write = consume_some};
    struct fault_traffic sender = {.store = &straight};

    redis_open(&store, proxy, patient);
    redis_open(&straight, NULL, patient);
    new_ledger();
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j <= EACH; j++)
            assert_int_equal(send_one(&sender, i, j), SL_OK);
    fault_traffic_run(&traffic, disturb, context);
    sent_is_completed(&straight);
    test_store_done(&store);
    test_store_done(&straight);
}

static void a_server_killed_while_sending(void **state)
{
    (void)state;
    sending(fault_kill_now_and_then, &redis_server, NULL);
}

static void a_server_killed_while_receiving(void **state)
{
    (void)state;
    receiving(fault_kill_now_and_then, &redis_server, NULL);
}

static void a_connection_cut_while_sending(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);

    (void)state;
    sending(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

static void a_connection_cut_while_receiving(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);

    (void)state;
    receiving(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

/* --- Full, and sent twice ----------------------------------------------- */

static void who_receives_is_not_held_up_by_a_full_server(void **state)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE, .limit = 10};
    struct test_store store;
    struct sl_mq_answer answer;

    (void)state;
    redis_open(&store, NULL, "retry.attempts = 1");
    new_ledger();
    fault_call_is(&store, &send_x, SL_OK, "");
    assert_true(test_server_tell(&redis_server, "config set maxmemory 1"));
    fault_call_is(&store, &send_x, SL_UNAVAILABLE, "out of memory");
    assert_int_equal(sl_service_do(store.service, NULL, &receive, 1, &answer),
                     SL_OK);
    assert_int_equal(answer.message_count, 1);
    const struct sl_mq_request complete =
        sl_mq_request_for(answer.messages[0], SL_MQ_COMPLETE);
    fault_call_is(&store, &complete, SL_OK, "");
    sl_mq_answer_done(&answer);
    assert_true(test_server_tell(&redis_server, "config set maxmemory 0"));
    assert_int_equal(depth_of(&store), 0);
    fault_call_is(&store, &send_x, SL_OK, "");
    test_store_done(&store);
}

/* It may have been sent: with its id it is safe to send it again. */
static void a_doubtful_send_is_sent_again(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("x"),
                                       .deduplication_id = SL_LITERAL("7")};
    struct test_store store;

    (void)state;
    redis_open(&store, proxy, "connections = 1\nretry.attempts = 1");
    new_ledger();
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
        REDIS_SHARED_CASES,
        cmocka_unit_test(a_server_killed_while_sending),
        cmocka_unit_test(a_server_killed_while_receiving),
        cmocka_unit_test(a_connection_cut_while_sending),
        cmocka_unit_test(a_connection_cut_while_receiving),
        cmocka_unit_test(who_receives_is_not_held_up_by_a_full_server),
        cmocka_unit_test(a_doubtful_send_is_sent_again),
    };

    return cmocka_run_group_tests(tests, redis_start, redis_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.redis on bad days, with a real server that writes to its disk before
 * it acknowledges: what was published is what a group receives, and each key is
 * in order, whatever happens between.
 */
#include "faults/redis_shared.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pubsub/driver.h"

static const struct sl_pubsub_request publish_x = {
    .verb = SL_PUBSUB_PUBLISH,
    .topic = {(const uint8_t *)"t", 1},
    .payload = {(const uint8_t *)"x", 1},
};

static const void *request(int number)
{
    (void)number;
    return &publish_x;
}

const struct redis_kind redis_kind = {
    .driver = "pubsub.redis",
    .name = "prefix",
    .request = request,
    .rights = "+incr +time +xadd +xtrim +xrange +xrevrange +zadd +zrem +zrange "
              "+zrangebyscore +zrangebylex +zscore +hget +hset +hdel +hexists "
              "+pexpire",
};

static const char patient[] =
    "timeout = \"2s\"\nretry.backoff = \"5ms\"\nlease = \"1s\"";

/* --- What was published, and what was received -------------------------- */

enum { NUMBERS_MAX = 100000 };

/* By writer, which is the key, and number. */
static struct ledger {
    pthread_mutex_t lock;
    bool sent[FAULT_WRITERS][NUMBERS_MAX];  /* it was acknowledged */
    bool tried[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps not */
    int done[FAULT_WRITERS][NUMBERS_MAX];
    bool doubtful[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps acknowledged */
    int last[FAULT_WRITERS];                   /* number that was received */
    int strange, backward;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void new_ledger(void)
{
    memset(ledger.sent, 0, sizeof(ledger.sent));
    memset(ledger.tried, 0, sizeof(ledger.tried));
    memset(ledger.done, 0, sizeof(ledger.done));
    memset(ledger.doubtful, 0, sizeof(ledger.doubtful));
    memset(ledger.last, 0, sizeof(ledger.last));
    ledger.strange = ledger.backward = 0;
    assert_true(test_server_tell(&redis_server, "flushall"));
}

static enum sl_status publish_one(struct fault_traffic *traffic, int writer,
                                  int number)
{
    char payload[32], key[16];
    struct sl_pubsub_answer answer;

    if (number >= NUMBERS_MAX)
        return SL_UNAVAILABLE;
    snprintf(payload, sizeof(payload), "%d %d", writer, number);
    snprintf(key, sizeof(key), "%d", writer);
    struct sl_pubsub_request publish = publish_x;
    publish.payload = sl_bytes_of(payload);
    publish.key = sl_bytes_of(key);
    ledger.tried[writer][number] = true;
    enum sl_status status =
        sl_service_do(traffic->store->service, NULL, &publish, 1, &answer);
    ledger.sent[writer][number] = status == SL_OK;
    return status;
}

/* Note that it was received; where it is no event of ours, that. */
static bool note(const struct sl_pubsub_event *event, long *writer,
                 long *number)
{
    char text[32];
    char *rest;

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    *writer = strtol(text, &rest, 10);
    *number = strtol(rest, NULL, 10);
    bool known = *writer >= 0 && *writer < FAULT_WRITERS && *number >= 1 &&
                 *number < NUMBERS_MAX && ledger.tried[*writer][*number];
    pthread_mutex_lock(&ledger.lock);
    if (!known)
        ledger.strange++;
    else if (*number < ledger.last[*writer])
        ledger.backward++;
    else
        ledger.last[*writer] = (int)*number;
    pthread_mutex_unlock(&ledger.lock);
    return known;
}

static enum sl_status handle(struct sl_service *service,
                             const struct sl_subscription *member,
                             const struct sl_pubsub_event *event)
{
    struct sl_pubsub_request acknowledge =
        sl_subscription_request(member, SL_PUBSUB_ACKNOWLEDGE);
    struct sl_pubsub_answer answer;
    long writer, number;

    if (!note(event, &writer, &number))
        return SL_OK;
    acknowledge.receipt = event->receipt;
    enum sl_status status =
        sl_service_do(service, NULL, &acknowledge, 1, &answer);
    pthread_mutex_lock(&ledger.lock);
    if (status == SL_OK)
        ledger.done[writer][number]++;
    else
        ledger.doubtful[writer][number] = true;
    pthread_mutex_unlock(&ledger.lock);
    return status == SL_CONFLICT ? SL_OK : status;
}

static struct sl_subscription *join(struct test_store *store)
{
    struct sl_subscription *member = sl_subscription_new(
        store->service, SL_LITERAL("t"), SL_LITERAL("g"), true);
    const struct sl_pubsub_request subscribe =
        sl_subscription_request(member, SL_PUBSUB_SUBSCRIBE);
    struct sl_pubsub_answer answer;

    if (sl_service_do(store->service, NULL, &subscribe, 1, &answer) != SL_OK) {
        sl_subscription_free(member);
        return NULL;
    }
    sl_subscription_begun(member);
    return member;
}

/* Receive some, once; how many, in *count. */
static enum sl_status consume(struct test_store *store,
                              const struct sl_subscription *member,
                              uint64_t wait_ms, size_t *count)
{
    struct sl_pubsub_request receive =
        sl_subscription_request(member, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;

    receive.limit = 5;
    receive.wait_ms = wait_ms;
    enum sl_status status =
        sl_service_do(store->service, NULL, &receive, 1, &answer);
    *count = answer.event_count;
    for (size_t i = 0; i < answer.event_count; i++) {
        enum sl_status settled =
            handle(store->service, member, answer.events[i]);
        if (settled != SL_OK)
            status = settled;
    }
    sl_pubsub_answer_done(&answer);
    return status;
}

/* As a write of traffic, by a member of its own: who was thought dead, joins
 * anew. */
static enum sl_status consume_some(struct fault_traffic *traffic, int writer,
                                   int number)
{
    static struct sl_subscription *members[FAULT_WRITERS];
    size_t count;

    if (number == 1)
        members[writer] = NULL;
    if (members[writer] == NULL)
        members[writer] = join(traffic->store);
    if (members[writer] == NULL)
        return SL_UNAVAILABLE;
    enum sl_status status =
        consume(traffic->store, members[writer], 50, &count);
    bool over = atomic_load(&traffic->stop) || status != SL_OK;
    if (over) {
        sl_subscription_free(members[writer]);
        members[writer] = NULL;
    }
    return status == SL_CONFLICT ? SL_UNAVAILABLE : status;
}

/* Receive the rest; then what was published is what was acknowledged, once. */
static void published_is_acknowledged(struct test_store *store)
{
    struct sl_subscription *member = join(store);
    size_t count = 1;

    assert_non_null(member);
    while (count > 0)
        assert_int_equal(consume(store, member, 3000, &count), SL_OK);
    sl_subscription_free(member);
    assert_int_equal(ledger.strange, 0);
    assert_int_equal(ledger.backward, 0);
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++) {
            int done = ledger.done[i][j];
            if (done > 1)
                fail_msg("%d %d was acknowledged %d times", i, j, done);
            if (ledger.sent[i][j] && done == 0 && !ledger.doubtful[i][j])
                fail_msg("%d %d was published and is lost", i, j);
        }
}

static void publishing(void (*disturb)(void *), void *context,
                       const struct proxy *proxy)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = publish_one};

    redis_open(&store, proxy, patient);
    new_ledger();
    fault_traffic_run(&traffic, disturb, context);
    published_is_acknowledged(&store);
    test_store_done(&store);
}

static void receiving(void (*disturb)(void *), void *context,
                      const struct proxy *proxy)
{
    enum { EACH = 300 };
    struct test_store store, straight;
    struct fault_traffic traffic = {.store = &store, .write = consume_some};
    struct fault_traffic publisher = {.store = &straight};

    redis_open(&store, proxy, patient);
    redis_open(&straight, NULL, patient);
    new_ledger();
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j <= EACH; j++)
            assert_int_equal(publish_one(&publisher, i, j), SL_OK);
    fault_traffic_run(&traffic, disturb, context);
    published_is_acknowledged(&straight);
    test_store_done(&store);
    test_store_done(&straight);
}

static void a_server_killed_while_publishing(void **state)
{
    (void)state;
    publishing(fault_kill_now_and_then, &redis_server, NULL);
}

static void a_server_killed_while_receiving(void **state)
{
    (void)state;
    receiving(fault_kill_now_and_then, &redis_server, NULL);
}

static void a_connection_cut_while_publishing(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);

    (void)state;
    publishing(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

static void a_connection_cut_while_receiving(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);

    (void)state;
    receiving(fault_cut_now_and_then, proxy, proxy);
    proxy_free(proxy);
}

/* --- Full, silent, and old ---------------------------------------------- */

static void who_receives_is_not_held_up_by_a_full_server(void **state)
{
    struct test_store store;
    size_t count;

    (void)state;
    redis_open(&store, NULL, "retry.attempts = 1\nlease = \"1s\"");
    new_ledger();
    struct fault_traffic publisher = {.store = &store};
    for (int i = 1; i <= 10; i++)
        assert_int_equal(publish_one(&publisher, 0, i), SL_OK);
    struct sl_subscription *member = join(&store);
    assert_non_null(member);
    assert_true(test_server_tell(&redis_server, "config set maxmemory 1"));
    fault_call_is(&store, &publish_x, SL_UNAVAILABLE, "out of memory");
    for (int i = 1; i <= 10; i++) { /* for longer than a lease */
        assert_int_equal(consume(&store, member, 5000, &count), SL_OK);
        assert_int_equal(count, 1);
        const struct sl_pubsub_request renew =
            sl_subscription_request(member, SL_PUBSUB_RENEW);
        fault_call_is(&store, &renew, SL_OK, "");
    }
    assert_true(test_server_tell(&redis_server, "config set maxmemory 0"));
    for (int i = 1; i <= 10; i++)
        assert_int_equal(ledger.done[0][i], 1);
    fault_call_is(&store, &publish_x, SL_OK, "");
    sl_subscription_free(member);
    test_store_done(&store);
}

/* Cut off for longer than its lease: the group goes on without it. */
static void a_member_that_is_cut_off(void **state)
{
    struct proxy *proxy = proxy_new(0, redis_port);
    struct test_store far, near;
    struct sl_pubsub_answer answer;
    size_t count;

    (void)state;
    redis_open(&far, proxy, "timeout = \"300ms\"\nlease = \"1s\"");
    redis_open(&near, NULL, "lease = \"1s\"");
    new_ledger();
    struct fault_traffic publisher = {.store = &near};
    assert_int_equal(publish_one(&publisher, 0, 1), SL_OK);
    struct sl_subscription *lost = join(&far), *next = join(&near);
    struct sl_pubsub_request receive =
        sl_subscription_request(lost, SL_PUBSUB_RECEIVE);
    receive.limit = 5;
    assert_int_equal(sl_service_do(far.service, NULL, &receive, 1, &answer),
                     SL_OK);
    assert_int_equal(answer.event_count, 1);
    sl_pubsub_answer_done(&answer);
    assert_int_equal(consume(&near, next, 0, &count), SL_OK);
    assert_int_equal(count, 0);
    proxy_stall(proxy, true);
    assert_int_equal(consume(&near, next, 20000, &count), SL_OK);
    assert_int_equal(count, 1);
    proxy_stall(proxy, false);
    proxy_cut_all(proxy);
    fault_call_soon_is(&far, &receive, SL_CONFLICT, "lease has ended");
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
    redis_open(&store, NULL, "lease = \"30s\"");
    new_ledger();
    struct fault_traffic publisher = {.store = &store};
    for (int i = 1; i <= 3; i++)
        assert_int_equal(publish_one(&publisher, 0, i), SL_OK);
    /* Its key is held up by an event that nobody acknowledges. */
    struct sl_subscription *idle = join(&store), *member = join(&store);
    struct sl_pubsub_request receive =
        sl_subscription_request(idle, SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer answer;
    receive.limit = 1000;
    assert_int_equal(sl_service_do(store.service, NULL, &receive, 1, &answer),
                     SL_OK);
    assert_int_equal(answer.event_count, 1);
    sl_pubsub_answer_done(&answer);
    assert_true(test_server_tell(&redis_server, "del '{own}:topic:t'"));
    sl_subscription_free(idle);
    assert_int_equal(publish_one(&publisher, 0, 4), SL_OK);
    assert_int_equal(consume(&store, member, 20000, &count), SL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(ledger.done[0][4], 1);
    sl_subscription_free(member);
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDIS_SHARED_CASES,
        cmocka_unit_test(a_server_killed_while_publishing),
        cmocka_unit_test(a_server_killed_while_receiving),
        cmocka_unit_test(a_connection_cut_while_publishing),
        cmocka_unit_test(a_connection_cut_while_receiving),
        cmocka_unit_test(who_receives_is_not_held_up_by_a_full_server),
        cmocka_unit_test(a_member_that_is_cut_off),
        cmocka_unit_test(what_is_too_old_is_passed_over),
    };

    return cmocka_run_group_tests(tests, redis_start, redis_stop);
}

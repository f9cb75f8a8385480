/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers on Redis: how often the server is asked for a grant, and for a
 * message, does not depend on how many wait; and what can be had is found
 * behind what cannot, whether the receiver waits or not.
 */
#include "faults/driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/queue.h"
#include "lockd/lockd.h"
#include "mq/mq.h"
#include "pubsub/driver.h"

enum {
    FEW = 2,
    MANY = 100,
    TURNS = 50,  /* grants, or messages, that are counted */
    SPARE = 12,  /* questions for each, at most: 3 are needed */
    BESIDE = 20, /* a second, of each that waits: it is to be seen */
};

const struct fault_driver fault_driver = {.name = "lockd.redis",
                                          .service = &fault_redis};

/* How many scripts the server has run. */
static long scripts_run(void)
{
    char command[512], line[256] = "";

    snprintf(command, sizeof(command),
             "REDISCLI_AUTH=%s redis-cli --no-auth-warning -h 127.0.0.1 -p %d "
             "info commandstats | grep '^cmdstat_evalsha:'",
             TEST_SERVER_PASSWORD, fault_port);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    char *text = fgets(line, sizeof(line), answer);
    pclose(answer);
    const char *calls = text != NULL ? strstr(text, "calls=") : NULL;
    return calls != NULL ? strtol(calls + 6, NULL, 10) : 0;
}

/* --- Those that wait ---------------------------------------------------- */

struct waiter {
    struct test_store *store;
    struct sl_call *call;
};

static _Atomic int answered;
static struct waiter *_Atomic last_answered;

static void note(void *context)
{
    atomic_store(&last_answered, context);
    atomic_fetch_add(&answered, 1);
}

static void submit(struct waiter *waiter, struct test_store *store,
                   const void *request)
{
    waiter->store = store;
    sl_service_submit(store->service, NULL, request, 1, note, waiter,
                      &waiter->call);
}

/* Not for ever, until so many wait. */
static void wait_until_delayed(struct test_store *store, size_t count)
{
    struct sl_queue_load load = {0};

    for (int i = 0; i < 20000 && load.delayed < count; i++) {
        usleep(1000);
        sl_service_load(store->service, &load);
    }
    assert_int_equal(load.delayed, count);
}

static void wait_until_answered(int count)
{
    for (int i = 0; i < 60000 && atomic_load(&answered) < count; i++)
        usleep(1000);
    assert_true(atomic_load(&answered) >= count);
}

static void open_redis(struct test_store *store, const char *driver,
                       int waiting)
{
    SL_CLEANUP(sl_freep)
    char *more = sl_asprintf(
        "timeout = \"30s\"\n%s = \"growth%d\"",
        strcmp(driver, "mq.redis") == 0 ? "queue" : "prefix", waiting);
    SL_CLEANUP(sl_freep) char *settings = fault_settings(NULL, more);

    fault_open(store, driver, settings);
    atomic_store(&answered, 0);
}

/* What was asked in this time beside: those that wait are to be seen. */
static void check_scripts(long before, int64_t start, int waiting)
{
    long run = scripts_run() - before;
    int64_t ms = (sl_now_ns() - start) / 1000000;
    long most = (long)TURNS * SPARE + BESIDE * (waiting + 2) * (ms / 1000 + 1);

    if (run > most)
        fail_msg("%ld scripts in %d ms for %d turns while %d wait, more than "
                 "%ld",
                 run, (int)ms, TURNS, waiting, most);
}

/* --- Grants ------------------------------------------------------------- */

static const struct sl_lockd_request acquire = {
    .verb = SL_LOCKD_ACQUIRE,
    .key = {(const uint8_t *)"key", 3},
    .has_wait = true,
    .wait_ms = 600000,
    .ttl_ms = 600000,
};

static void release(struct test_store *store,
                    const struct sl_lockd_answer *granted)
{
    const struct sl_lockd_request request = {.verb = SL_LOCKD_RELEASE,
                                             .key = acquire.key,
                                             .holder =
                                                 sl_bytes_of(granted->holder)};

    assert_int_equal(fault_call(store, &request).status, SL_OK);
}

/* They stand in a line, in the order in which their connections reached the
 * server, and are granted one after the other. */
static void grant_while(int waiting)
{
    struct waiter *waiters =
        sl_alloc_array((size_t)waiting + 1, sizeof(*waiters));
    struct sl_lockd_answer granted;
    struct test_store store;

    open_redis(&store, "lockd.redis", waiting);
    assert_int_equal(sl_service_do(store.service, NULL, &acquire, 1, &granted),
                     SL_OK);
    for (int i = 0; i < waiting; i++)
        submit(&waiters[i], &store, &acquire);
    wait_until_delayed(&store, (size_t)waiting);
    long before = scripts_run();
    int64_t start = sl_now_ns();
    int turns = waiting < TURNS ? waiting : TURNS;
    for (int i = 0; i < turns; i++) {
        release(&store, &granted);
        wait_until_answered(i + 1);
        sl_call_collect(atomic_load(&last_answered)->call, &granted);
        assert_int_equal(granted.err.status, SL_OK);
    }
    check_scripts(before, start, waiting);
    for (int i = 0; i < waiting; i++)
        sl_call_release(waiters[i].call);
    test_store_done(&store);
    free(waiters);
}

static void a_grant_costs_the_same_however_many_wait(void **state)
{
    (void)state;
    grant_while(FEW);
    grant_while(MANY);
}

/* --- Messages ----------------------------------------------------------- */

/* Each message wakes one receiver. */
static void send_while(int waiting)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE,
                                          .limit = 1,
                                          .wait_ms = 600000},
                               send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("text")};
    struct waiter *waiters = sl_alloc_array((size_t)waiting, sizeof(*waiters));
    struct test_store store;

    open_redis(&store, "mq.redis", waiting);
    for (int i = 0; i < waiting; i++)
        submit(&waiters[i], &store, &receive);
    wait_until_delayed(&store, (size_t)waiting);
    long before = scripts_run();
    int64_t start = sl_now_ns();
    int turns = waiting < TURNS ? waiting : TURNS;
    for (int i = 0; i < turns; i++) {
        assert_int_equal(fault_call(&store, &send).status, SL_OK);
        wait_until_answered(i + 1);
    }
    check_scripts(before, start, waiting);
    for (int i = 0; i < waiting; i++)
        sl_call_release(waiters[i].call);
    test_store_done(&store);
    free(waiters);
}

static void a_message_costs_the_same_however_many_wait(void **state)
{
    (void)state;
    send_while(FEW);
    send_while(MANY);
}

/* --- Behind what cannot be had ------------------------------------------ */

static struct sl_pubsub_request of_topic(enum sl_pubsub_verb verb)
{
    return (struct sl_pubsub_request){.verb = verb,
                                      .topic = SL_LITERAL("topic"),
                                      .group = SL_LITERAL("group"),
                                      .member = SL_LITERAL("member"),
                                      .from_earliest = true,
                                      .limit = 1};
}

static void publish_all(struct test_store *store, const char *key, size_t count)
{
    struct sl_pubsub_request *requests =
        sl_alloc_array(count, sizeof(*requests));
    struct sl_pubsub_answer *answers = sl_alloc_array(count, sizeof(*answers));

    for (size_t i = 0; i < count; i++) {
        requests[i] = of_topic(SL_PUBSUB_PUBLISH);
        requests[i].payload = SL_LITERAL("text");
        requests[i].key = sl_bytes_of(key);
    }
    assert_int_equal(
        sl_service_do(store->service, NULL, requests, count, answers), SL_OK);
    sl_answers_done(store->service, answers, count);
    free(requests);
    free(answers);
}

static void a_receive_that_does_not_wait_finds_what_is_free(void **state)
{
    const struct sl_pubsub_request subscribe = of_topic(SL_PUBSUB_SUBSCRIBE),
                                   receive = of_topic(SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer got;
    struct test_store store;

    (void)state;
    open_redis(&store, "pubsub.redis", 0);
    for (int i = 0; i < 5; i++)
        publish_all(&store, "busy", 1000);
    publish_all(&store, "free", 1);
    assert_int_equal(fault_call(&store, &subscribe).status, SL_OK);
    for (int i = 0; i < 3; i++) { /* the first busy one, the free one, none */
        assert_int_equal(sl_service_do(store.service, NULL, &receive, 1, &got),
                         SL_OK);
        assert_int_equal(got.deliveries.count, i < 2);
        if (i < 2)
            assert_memory_equal(got.deliveries.items[0]->key.ptr,
                                i == 0 ? "busy" : "free", 4);
        sl_pubsub_answer_done(&got);
    }
    test_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_costs_the_same_however_many_wait),
        cmocka_unit_test(a_message_costs_the_same_however_many_wait),
        cmocka_unit_test(a_receive_that_does_not_wait_finds_what_is_free),
    };

    return cmocka_run_group_tests_name("growth.redis", tests, fault_start,
                                       fault_stop);
}

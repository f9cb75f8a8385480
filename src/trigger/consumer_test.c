/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer between a service and a component that the test plays: what it
 * asks the service by how the handler ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mq/driver.h"
#include "pubsub/driver.h"
#include "slight_bridge.h"
#include "trigger/consumer.h"

enum { SEEN_MAX = 32 };

/* A request that settles a delivery. */
struct seen {
    uint32_t verb;
    char receipt[16];
    char text[2048]; /* the reason; the topic of a PUBLISH */
    uint64_t delay_ms;
};

/* The service and the component. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t waiting;        /* deliveries to receive */
    uint32_t delivery_count; /* of each */
    unsigned receive_fails;  /* so many receives fail first */
    uint32_t limit;          /* of the last receive */
    uint32_t failing_verb;   /* fails once; UINT32_MAX: none */
    enum sl_bridge_end end;  /* of the handler */
    const char *message;     /* of that */
    bool holds;              /* handlers do not end */
    sl_bridge_done_fn *done; /* of the one that is held */
    void *context;
    unsigned handling;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    bool drained;
} fake;

static struct sl_service *service;
static struct sl_trigger_metrics metrics;

/* --- The service ------------------------------------------------------ */

static const struct sl_option no_options[] = {{0}};

static enum sl_status new_store(const void *options, void **store,
                                struct sl_error *err)
{
    (void)options;
    (void)err;
    *store = &fake;
    return SL_OK;
}

static void free_store(void *store)
{
    (void)store;
}

static enum sl_status open_state(void *store, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

static void close_state(void *state)
{
    (void)state;
}

/* Whatever waits is looked at again. */
static bool has_changed(void *state)
{
    (void)state;
    return true;
}

static void fail_op(struct sl_op *op, enum sl_status status)
{
    struct sl_error err;

    sl_fail(&err, status, "as planned");
    sl_op_fail(op, &err);
}

static void receive(struct sl_op *op, struct sl_deliveries *deliveries,
                    uint32_t limit)
{
    if (fake.receive_fails > 0) {
        fake.receive_fails--;
        fail_op(op, SL_INTERNAL);
        return;
    }
    fake.limit = limit;
    for (uint32_t i = 0; i < limit && fake.waiting > 0; i++, fake.waiting--) {
        char receipt[16];
        int len =
            snprintf(receipt, sizeof(receipt), "%u", (unsigned)fake.waiting);
        const struct sl_delivery delivery = {
            .id = SL_LITERAL("id"),
            .payload = SL_LITERAL("payload"),
            .receipt = SL_BYTES(receipt, (size_t)len),
            .delivery_count = fake.delivery_count,
        };
        assert_true(sl_deliveries_add(op, deliveries, &delivery, limit));
    }
    if (deliveries->count == 0 && sl_op_may_wait(op))
        op->retry_at = SL_NEVER;
}

static void see(struct sl_op *op, struct sl_bytes receipt, struct sl_bytes text,
                uint64_t delay_ms)
{
    struct seen *seen = &fake.seen[fake.seen_count];
    uint32_t verb = sl_op_verb(op);

    if (fake.seen_count == SEEN_MAX)
        return;
    seen->verb = verb;
    snprintf(seen->receipt, sizeof(seen->receipt), "%.*s", (int)receipt.len,
             (const char *)receipt.ptr);
    snprintf(seen->text, sizeof(seen->text), "%.*s", (int)text.len,
             (const char *)text.ptr);
    seen->delay_ms = delay_ms;
    fake.seen_count++;
    if (verb == fake.failing_verb) {
        fake.failing_verb = UINT32_MAX;
        fail_op(op, SL_INTERNAL);
    }
}

static void run_mq(void *state, struct sl_op *const ops[], size_t count)
{
    (void)state;
    pthread_mutex_lock(&fake.mutex);
    for (size_t i = 0; i < count; i++) {
        const struct sl_mq_request *request = ops[i]->request;
        if (request->verb == SL_MQ_RECEIVE)
            receive(ops[i], &sl_mq_answer_of(ops[i])->deliveries,
                    request->limit);
        else
            see(ops[i], request->receipt, request->reason, request->delay_ms);
    }
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
}

static void run_pubsub(void *state, struct sl_op *const ops[], size_t count)
{
    (void)state;
    pthread_mutex_lock(&fake.mutex);
    for (size_t i = 0; i < count; i++) {
        const struct sl_pubsub_request *request = ops[i]->request;
        struct sl_pubsub_answer *answer = ops[i]->answer;
        if (request->verb == SL_PUBSUB_RECEIVE)
            receive(ops[i], &answer->deliveries, request->limit);
        else if (request->verb != SL_PUBSUB_SUBSCRIBE &&
                 request->verb != SL_PUBSUB_RENEW &&
                 request->verb != SL_PUBSUB_LEAVE)
            see(ops[i], request->receipt, request->topic, request->delay_ms);
    }
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
}

#define FAKE_MEMBERS                                                           \
    .options = no_options, .max_batch = 16, .store_new = new_store,            \
    .store_free = free_store, .open = open_state, .close = close_state,        \
    .changed = has_changed

static const struct sl_driver mq_driver = {
    .name = "mq.fake",
    FAKE_MEMBERS,
    .features = SL_MQ_FEATURE_DELAY | SL_MQ_FEATURE_DEAD_LETTER,
    .run = run_mq};

static const struct sl_driver pubsub_driver = {.name = "pubsub.fake",
                                               FAKE_MEMBERS,
                                               .features =
                                                   SL_PUBSUB_FEATURE_SUBSCRIBE,
                                               .run = run_pubsub};

/* --- The host and the bridge, in place of the real ones (--wrap) ------ */

struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource);
struct sl_service *
__wrap_sl_host_service(struct sl_host *host,
                       const struct sl_manifest_resource *resource)
{
    (void)host;
    (void)resource;
    return service;
}

struct sl_bridge_program *
__wrap_sl_host_program(struct sl_host *host,
                       const struct sl_manifest_component *component);
struct sl_bridge_program *
__wrap_sl_host_program(struct sl_host *host,
                       const struct sl_manifest_component *component)
{
    (void)host;
    (void)component;
    return NULL;
}

static void end_handler(sl_bridge_done_fn *done, void *context)
{
    const struct sl_bridge_outcome outcome = {
        .end = fake.end,
        .message = sl_bytes_of(fake.message),
    };

    done(context, &outcome);
}

void __wrap_sl_bridge_program_handle(struct sl_bridge_program *program,
                                     enum sl_bridge_handler handler,
                                     struct sl_bytes resource,
                                     const struct sl_delivery *delivery,
                                     sl_bridge_done_fn *done, void *context);
void __wrap_sl_bridge_program_handle(struct sl_bridge_program *program,
                                     enum sl_bridge_handler handler,
                                     struct sl_bytes resource,
                                     const struct sl_delivery *delivery,
                                     sl_bridge_done_fn *done, void *context)
{
    (void)program;
    (void)handler;
    (void)resource;
    assert_true(sl_bytes_equal(delivery->payload, SL_LITERAL("payload")));
    pthread_mutex_lock(&fake.mutex);
    bool holds = fake.holds;
    fake.handling++;
    if (holds) {
        fake.done = done;
        fake.context = context;
    }
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
    if (!holds)
        end_handler(done, context);
}

/* --- Cases ------------------------------------------------------------ */

static const struct sl_manifest_component component = {.name = "orders"};

static struct sl_manifest_trigger queue_trigger(void)
{
    return (struct sl_manifest_trigger){
        .type = SL_TRIGGER_MQ,
        .component = &component,
        .concurrency = 4,
        .timeout_ms = 1000,
        .resource_name = "jobs",
        .backoff_ms = 100,
        .max_backoff_ms = 1000,
    };
}

static struct sl_manifest_trigger topic_trigger(void)
{
    struct sl_manifest_trigger trigger = queue_trigger();

    trigger.type = SL_TRIGGER_PUBSUB;
    trigger.topic = "orders";
    trigger.group = "billing";
    trigger.start = "latest";
    return trigger;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&metrics, 0, sizeof(metrics));
    pthread_mutex_init(&fake.mutex, NULL);
    pthread_cond_init(&fake.changed, NULL);
    fake.delivery_count = 1;
    fake.failing_verb = UINT32_MAX;
    fake.message = "";
    return 0;
}

static struct sl_consumer *start(const struct sl_manifest_trigger *trigger)
{
    static const struct sl_service_config config = {
        .timeout_ms = 5000,
        .connections = 2,
        .max_queued = 1000,
        .retry_attempts = 1,
    };
    static const struct sl_mq_config mq = {.service = config,
                                           .max_payload = 1000};
    static const struct sl_pubsub_config pubsub = {
        .service = config, .max_payload = 1000, .lease_ms = 30000};
    bool is_queue = trigger->type == SL_TRIGGER_MQ;
    struct sl_error err;

    assert_int_equal(sl_service_open(is_queue ? &sl_mq : &sl_pubsub, "jobs",
                                     is_queue ? &mq_driver : &pubsub_driver,
                                     is_queue ? &mq.service : &pubsub.service,
                                     NULL, &service, &err),
                     SL_OK);
    return sl_consumer_start(NULL, trigger, &metrics);
}

static void end(struct sl_consumer *consumer)
{
    sl_consumer_stop(consumer);
    assert_true(sl_service_free(service));
    sl_consumer_free(consumer);
}

static void wait_seen(size_t count)
{
    pthread_mutex_lock(&fake.mutex);
    while (fake.seen_count < count)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    pthread_mutex_unlock(&fake.mutex);
}

static void wait_handling(unsigned count)
{
    pthread_mutex_lock(&fake.mutex);
    while (fake.handling < count)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    pthread_mutex_unlock(&fake.mutex);
}

/* One delivery that is handled so, and how it was settled first. */
static struct seen settle_one(const struct sl_manifest_trigger *trigger,
                              enum sl_bridge_end how, const char *message,
                              size_t requests)
{
    fake.end = how;
    fake.message = message;
    fake.waiting = 1;
    struct sl_consumer *consumer = start(trigger);
    wait_seen(requests);
    end(consumer);
    assert_int_equal(fake.seen_count, requests);
    assert_int_equal(sl_counted(&metrics.by_end[how]), 1);
    assert_int_equal(sl_counted(&metrics.running), 0);
    return fake.seen[0];
}

static void test_a_message_that_is_done_is_completed(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();

    (void)state;
    const struct seen seen = settle_one(&trigger, SL_BRIDGE_RETURNED, "", 1);
    assert_int_equal(seen.verb, SL_MQ_COMPLETE);
    assert_string_equal(seen.receipt, "1");
}

static void test_a_message_comes_back_after_a_delay(void **state)
{
    static const enum sl_bridge_end ends[] = {
        SL_BRIDGE_RETRY, SL_BRIDGE_TRAPPED, SL_BRIDGE_TIMED_OUT,
        SL_BRIDGE_FAILED};
    const struct sl_manifest_trigger trigger = queue_trigger();

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        set_up(state);
        fake.delivery_count = 3;
        const struct seen seen = settle_one(&trigger, ends[i], "why", 1);
        assert_int_equal(seen.verb, SL_MQ_ABANDON);
        assert_int_equal(seen.delay_ms, 400);
    }
}

static void test_a_rejected_message_is_a_dead_letter(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();
    char reason[SL_MQ_REASON_MAX + 10];

    (void)state;
    /* The last character that fits has two bytes, and does not fit. */
    memset(reason, 'a', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    memcpy(reason + SL_MQ_REASON_MAX - 1, "\xc3\xa9", 2);
    const struct seen seen =
        settle_one(&trigger, SL_BRIDGE_REJECTED, reason, 1);
    assert_int_equal(seen.verb, SL_MQ_DEAD_LETTER);
    assert_int_equal(strlen(seen.text), SL_MQ_REASON_MAX - 1);
}

static void test_an_event_is_returned_after_a_delay(void **state)
{
    struct sl_manifest_trigger trigger = topic_trigger();

    (void)state;
    trigger.max_deliveries = 3;
    fake.delivery_count = 2;
    const struct seen seen = settle_one(&trigger, SL_BRIDGE_TRAPPED, "", 1);
    assert_int_equal(seen.verb, SL_PUBSUB_RETURN);
    assert_int_equal(seen.delay_ms, 200);
    assert_int_equal(sl_counted(&metrics.discarded), 0);
}

static void test_an_event_without_dead_letters_is_discarded(void **state)
{
    const struct sl_manifest_trigger trigger = topic_trigger();

    (void)state;
    const struct seen seen = settle_one(&trigger, SL_BRIDGE_REJECTED, "", 1);
    assert_int_equal(seen.verb, SL_PUBSUB_ACKNOWLEDGE);
    assert_int_equal(sl_counted(&metrics.discarded), 1);
    assert_int_equal(sl_counted(&metrics.dead_letters), 0);
}

static void test_the_last_delivery_becomes_a_dead_letter(void **state)
{
    struct sl_manifest_trigger trigger = topic_trigger();

    (void)state;
    trigger.max_deliveries = 3;
    trigger.dead_letter = "dead";
    fake.delivery_count = 3;
    const struct seen seen = settle_one(&trigger, SL_BRIDGE_TIMED_OUT, "", 2);
    assert_int_equal(seen.verb, SL_PUBSUB_PUBLISH);
    assert_string_equal(seen.text, "dead");
    assert_int_equal(fake.seen[1].verb, SL_PUBSUB_ACKNOWLEDGE);
    assert_string_equal(fake.seen[1].receipt, "1");
    assert_int_equal(sl_counted(&metrics.dead_letters), 1);
}

/* It is neither lost nor acknowledged where the topic of dead letters fails. */
static void test_an_event_is_returned_where_settling_fails(void **state)
{
    struct sl_manifest_trigger trigger = topic_trigger();

    (void)state;
    trigger.dead_letter = "dead";
    fake.failing_verb = SL_PUBSUB_PUBLISH;
    settle_one(&trigger, SL_BRIDGE_REJECTED, "", 2);
    assert_int_equal(fake.seen[0].verb, SL_PUBSUB_PUBLISH);
    assert_int_equal(fake.seen[1].verb, SL_PUBSUB_RETURN);
    assert_int_equal(sl_counted(&metrics.dead_letters), 0);
}

static void test_a_failed_receive_is_tried_again(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();

    (void)state;
    fake.receive_fails = 1;
    const struct seen seen = settle_one(&trigger, SL_BRIDGE_RETURNED, "", 1);
    assert_int_equal(seen.verb, SL_MQ_COMPLETE);
    assert_int_equal(fake.receive_fails, 0);
}

/* No more are received than may be handled at once. */
static void test_no_more_than_its_concurrency(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();

    (void)state;
    fake.holds = true;
    fake.waiting = 10;
    struct sl_consumer *consumer = start(&trigger);
    wait_handling(4);
    pthread_mutex_lock(&fake.mutex);
    assert_int_equal(fake.waiting, 6);
    assert_int_equal(fake.limit, 4);
    pthread_mutex_unlock(&fake.mutex);
    end_handler(fake.done, fake.context);
    wait_handling(5);
    pthread_mutex_lock(&fake.mutex);
    assert_int_equal(fake.waiting, 5);
    assert_int_equal(fake.limit, 1);
    pthread_mutex_unlock(&fake.mutex);
    end(consumer);
}

/* What is still handled when it stops goes back at once. */
static void test_what_is_handled_goes_back_when_it_stops(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();

    (void)state;
    fake.holds = true;
    fake.waiting = 1;
    fake.delivery_count = 5;
    struct sl_consumer *consumer = start(&trigger);
    wait_handling(1);
    end(consumer);
    assert_int_equal(fake.seen_count, 1);
    assert_int_equal(fake.seen[0].verb, SL_MQ_ABANDON);
    assert_int_equal(fake.seen[0].delay_ms, 0);
}

static void on_drained(void *context)
{
    (void)context;
    pthread_mutex_lock(&fake.mutex);
    fake.drained = true;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
}

static void test_draining_waits_for_what_is_handled(void **state)
{
    const struct sl_manifest_trigger trigger = queue_trigger();

    (void)state;
    fake.holds = true;
    fake.waiting = 1;
    struct sl_consumer *consumer = start(&trigger);
    wait_handling(1);
    sl_consumer_drain(consumer, on_drained, NULL);
    pthread_mutex_lock(&fake.mutex);
    assert_false(fake.drained);
    fake.waiting = 1; /* is not received any more */
    pthread_mutex_unlock(&fake.mutex);
    end_handler(fake.done, fake.context);
    pthread_mutex_lock(&fake.mutex);
    while (!fake.drained)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    assert_int_equal(fake.seen_count, 1);
    assert_int_equal(fake.seen[0].verb, SL_MQ_COMPLETE);
    pthread_mutex_unlock(&fake.mutex);
    end(consumer);
    assert_int_equal(fake.handling, 1);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_message_that_is_done_is_completed),
        CASE(test_a_message_comes_back_after_a_delay),
        CASE(test_a_rejected_message_is_a_dead_letter),
        CASE(test_an_event_is_returned_after_a_delay),
        CASE(test_an_event_without_dead_letters_is_discarded),
        CASE(test_the_last_delivery_becomes_a_dead_letter),
        CASE(test_an_event_is_returned_where_settling_fails),
        CASE(test_a_failed_receive_is_tried_again),
        CASE(test_no_more_than_its_concurrency),
        CASE(test_what_is_handled_goes_back_when_it_stops),
        CASE(test_draining_waits_for_what_is_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

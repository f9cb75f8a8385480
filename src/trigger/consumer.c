/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries to a component: received as long as there are instances for them,
 * handled by one each, and then settled.  An item counts as handled until its
 * settling is answered, so that no more are received than can be settled.
 *
 * Its functions run on the threads of the service and of the engine; one
 * receive is on its way at a time.
 */
#include "trigger/consumer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/tsan_boundary.h"
#include "trigger/consumer_kind.h"
#include "trigger/end.h"

enum { RETRY_MS = 1000 }; /* after a failed receive, or a failed settling */

/* A delivery, until it is settled. */
struct task {
    struct sl_consumer *consumer;
    struct task *next, *before;           /* in the consumer's list */
    struct sl_delivery *delivery;         /* owned */
    struct sl_subscription *subscription; /* a reference; NULL of a queue */
    struct sl_call *call;                 /* that settles it */
    int64_t started_at;
    enum sl_verdict verdict; /* of the call */
    char *reason;            /* of a dead letter, or of what is discarded */
    bool is_handled;
};

struct sl_consumer {
    const struct sl_manifest_trigger *trigger;
    const struct sl_consumer_kind *kind;
    struct sl_service *service;
    struct sl_bridge_program *program;
    struct sl_trigger_metrics *metrics;
    struct sl_log_field fields[SL_TRIGGER_FIELDS]; /* that name it */
    char *text;

    pthread_mutex_t mutex; /* of what follows */
    struct sl_subscription *subscription;
    bool is_subscribed;
    struct task *tasks;
    uint32_t task_count;
    bool is_receiving;
    bool is_scheduling; /* receive is being set */
    bool again;         /* receive again once it is set, after again_ms */
    int64_t again_ms;
    struct sl_call *receive; /* is pending */
    enum sl_status reported; /* of the last receive, so as to log it once */
    bool is_draining;
    sl_trigger_drained_fn *drained; /* NULL once called */
    void *drained_context;
};

static void receive_more(struct sl_consumer *consumer, int64_t delay_ms);

/* Dead letters that its calls make count as the trigger's, too. */
static void call_service(struct sl_consumer *consumer, int64_t delay_ms,
                         const union sl_consumer_request *request,
                         sl_call_done_fn *done, void *context,
                         struct sl_call **call)
{
    const struct sl_caller caller = {
        .done = done,
        .context = context,
        .dead_letters = &consumer->metrics->dead_letters,
    };

    sl_service_call_later(consumer->service, &caller, delay_ms, request, 1,
                          call);
}

/* --- Draining --------------------------------------------------------- */

/* Report, once nothing runs.  With the mutex held, which it unlocks. */
static void unlock_and_report(struct sl_consumer *consumer)
{
    sl_trigger_drained_fn *drained = NULL;
    struct sl_subscription *subscription = NULL;

    if (consumer->is_draining && consumer->task_count == 0 &&
        !consumer->is_receiving && !consumer->is_scheduling) {
        drained = consumer->drained;
        consumer->drained = NULL;
        subscription = consumer->subscription;
        consumer->subscription = NULL;
    }
    void *context = consumer->drained_context;
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(subscription);
    if (drained != NULL)
        drained(context);
}

/* --- Settling --------------------------------------------------------- */

/* With the mutex held. */
static void link_task(struct task *task)
{
    struct sl_consumer *consumer = task->consumer;

    task->next = consumer->tasks;
    if (task->next != NULL)
        task->next->before = task;
    consumer->tasks = task;
    consumer->task_count++;
}

/* With the mutex held. */
static void unlink_task(struct task *task)
{
    struct sl_consumer *consumer = task->consumer;

    if (task->before != NULL)
        task->before->next = task->next;
    else
        consumer->tasks = task->next;
    if (task->next != NULL)
        task->next->before = task->before;
    consumer->task_count--;
}

static void free_task(struct task *task)
{
    if (task->subscription != NULL)
        sl_subscription_unref(task->subscription);
    sl_delivery_free(task->delivery);
    free(task->reason);
    free(task);
}

static void end_task(struct task *task)
{
    struct sl_consumer *consumer = task->consumer;

    pthread_mutex_lock(&consumer->mutex);
    unlink_task(task);
    pthread_mutex_unlock(&consumer->mutex);
    free_task(task);
    receive_more(consumer, 0);
}

static union sl_consumer_request
settle_request(const struct task *task, const struct sl_settlement *settlement)
{
    const struct sl_consumer *consumer = task->consumer;

    return consumer->kind->settle(consumer->trigger, task->subscription,
                                  task->delivery, settlement);
}

static void on_settled(void *context);

static void settle_task(struct task *task,
                        const struct sl_settlement *settlement)
{
    struct sl_consumer *consumer = task->consumer;
    const union sl_consumer_request request = settle_request(task, settlement);

    task->verdict = settlement->verdict;
    call_service(consumer, 0, &request, on_settled, task, &task->call);
}

/* An event became a dead letter, or was discarded. */
static void report_verdict(const struct task *task)
{
    const struct sl_consumer *consumer = task->consumer;
    bool is_discarded = task->verdict == SL_VERDICT_DISCARD;
    const struct sl_log_field to =
        is_discarded ? (struct sl_log_field){0}
                     : SL_FIELD_STRING("to", consumer->trigger->dead_letter);

    sl_count(is_discarded ? &consumer->metrics->discarded
                          : &consumer->metrics->dead_letters);
    sl_log(SL_LOG_WARN, is_discarded ? "discarded" : "dead-letter",
           consumer->fields[0], consumer->fields[1], consumer->fields[2],
           SL_FIELD("id", task->delivery->id),
           SL_FIELD_NUMBER("delivery", task->delivery->delivery_count), to,
           SL_FIELD_STRING("reason", task->reason));
}

/*
 * Settling an event has failed: it stays this member's for as long as that
 * lives, so return it, later.  A message comes back by itself when its
 * visibility ends.  False: there is nothing to return.
 */
static bool return_event(struct task *task, enum sl_status status)
{
    static const struct sl_settlement retry = {SL_VERDICT_RETRY, {0}, RETRY_MS};
    struct sl_consumer *consumer = task->consumer;

    pthread_mutex_lock(&consumer->mutex);
    bool is_draining = consumer->is_draining;
    pthread_mutex_unlock(&consumer->mutex);
    if (task->subscription == NULL || is_draining || status == SL_CONFLICT)
        return false;
    const union sl_consumer_request back = settle_request(task, &retry);
    task->verdict = SL_VERDICT_RETRY;
    call_service(consumer, RETRY_MS, &back, on_settled, task, &task->call);
    return true;
}

static void on_settled(void *context)
{
    static const struct sl_settlement done = {.verdict = SL_VERDICT_DONE};
    struct task *task = context;
    struct sl_consumer *consumer = task->consumer;
    union sl_consumer_answer answer;

    sl_call_collect(task->call, &answer);
    sl_call_release(task->call);
    enum sl_status status = answer.head.err.status;
    if (status != SL_OK)
        sl_log(SL_LOG_WARN, "not-settled", consumer->fields[0],
               consumer->fields[1], consumer->fields[2],
               SL_FIELD_STRING("reason", answer.head.err.message));
    sl_answers_done(consumer->service, &answer, 1);
    if (status != SL_OK) {
        if (!return_event(task, status))
            end_task(task);
        return;
    }
    bool is_published = task->verdict == SL_VERDICT_DEAD_LETTER &&
                        consumer->kind->publishes_dead_letters;
    if (is_published || task->verdict == SL_VERDICT_DISCARD)
        report_verdict(task);
    if (is_published)
        settle_task(task, &done);
    else
        end_task(task);
}

/* --- Handling --------------------------------------------------------- */

static void count_end(const struct sl_consumer *consumer,
                      enum sl_bridge_end end, int64_t ns)
{
    struct sl_trigger_metrics *metrics = consumer->metrics;

    sl_count(&metrics->by_end[end]);
    sl_histogram_record(&metrics->duration, ns);
    atomic_fetch_sub_explicit(&metrics->running, 1, memory_order_relaxed);
}

static void log_failure(const struct task *task,
                        const struct sl_bridge_outcome *outcome)
{
    const struct sl_consumer *consumer = task->consumer;
    struct sl_log_field where[SL_TRIGGER_FIELDS];

    memcpy(where, consumer->fields, sizeof(where));
    where[3] = SL_FIELD("id", task->delivery->id);
    where[4] = SL_FIELD_NUMBER("delivery", task->delivery->delivery_count);
    sl_trigger_log_end(consumer->trigger->component, where, outcome->end,
                       outcome->message, outcome->backtrace);
}

/* On a thread of the engine. */
static void on_handled(void *context, const struct sl_bridge_outcome *outcome)
{
    SL_CALLED_BY_BRIDGE;
    struct task *task = context;
    struct sl_consumer *consumer = task->consumer;
    const struct sl_manifest_trigger *trigger = consumer->trigger;
    uint32_t deliveries = task->delivery->delivery_count;
    const struct sl_settlement settlement = {
        .verdict = sl_verdict_of(trigger, outcome->end, deliveries),
        .reason = outcome->message,
        .delay_ms = sl_verdict_delay_ms(trigger, deliveries),
    };

    pthread_mutex_lock(&consumer->mutex);
    task->is_handled = true;
    pthread_mutex_unlock(&consumer->mutex);
    count_end(consumer, outcome->end, sl_now_ns() - task->started_at);
    if (settlement.verdict != SL_VERDICT_DONE)
        log_failure(task, outcome);
    if (settlement.verdict == SL_VERDICT_DEAD_LETTER ||
        settlement.verdict == SL_VERDICT_DISCARD)
        task->reason = sl_strndup((const char *)outcome->message.ptr,
                                  outcome->message.len);
    settle_task(task, &settlement);
}

static void handle_delivery(struct sl_consumer *consumer,
                            struct sl_delivery *delivery)
{
    struct task *task = sl_alloc(sizeof(*task));

    task->consumer = consumer;
    task->delivery = delivery;
    task->started_at = sl_now_ns();
    sl_count(&consumer->metrics->running);
    pthread_mutex_lock(&consumer->mutex);
    if (consumer->subscription != NULL)
        task->subscription = sl_subscription_ref(consumer->subscription);
    link_task(task);
    pthread_mutex_unlock(&consumer->mutex);
    sl_tsan_boundary_leave();
    sl_bridge_program_handle(consumer->program, consumer->kind->handler,
                             sl_bytes_of(consumer->trigger->resource_name),
                             delivery, on_handled, task);
}

/* --- Receiving -------------------------------------------------------- */

/* Log a failure once, and that it is over. */
static void report_receive(struct sl_consumer *consumer,
                           const struct sl_error *err)
{
    if (err->status != SL_OK && err->status != consumer->reported)
        sl_log(SL_LOG_WARN, "no-deliveries", consumer->fields[0],
               consumer->fields[1], consumer->fields[2],
               SL_FIELD_STRING("reason", err->message));
    if (err->status == SL_OK && consumer->reported != SL_OK)
        sl_log(SL_LOG_WARN, "deliveries-again", consumer->fields[0],
               consumer->fields[1], consumer->fields[2]);
    consumer->reported = err->status;
}

/* Have a new subscription, in place of one that the service does not know any
 * more. */
static void renew_subscription(struct sl_consumer *consumer)
{
    const struct sl_manifest_trigger *trigger = consumer->trigger;
    struct sl_subscription *subscription = sl_subscription_new(
        consumer->service, sl_bytes_of(trigger->topic),
        sl_bytes_of(trigger->group), strcmp(trigger->start, "earliest") == 0);

    pthread_mutex_lock(&consumer->mutex);
    struct sl_subscription *unwanted = subscription;
    if (!consumer->is_draining) {
        unwanted = consumer->subscription;
        consumer->subscription = subscription;
        consumer->is_subscribed = false;
    }
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(unwanted);
}

/* A request was answered: if that was the SUBSCRIBE, the consumer is a member
 * of the group now. */
static void note_subscribed(struct sl_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    if (consumer->subscription != NULL && !consumer->is_subscribed &&
        !consumer->is_draining) {
        consumer->is_subscribed = true;
        sl_subscription_begun(consumer->subscription);
    }
    pthread_mutex_unlock(&consumer->mutex);
}

/* The receive, or the subscribe, that has ended.  NULL: it was given up. */
static struct sl_call *take_receive(struct sl_consumer *consumer,
                                    bool *is_draining)
{
    pthread_mutex_lock(&consumer->mutex);
    struct sl_call *call = consumer->receive;
    consumer->receive = NULL;
    *is_draining = consumer->is_draining;
    pthread_mutex_unlock(&consumer->mutex);
    return call;
}

/* Handle what was received; returns after how many milliseconds to receive
 * again. */
static int64_t handle_answer(struct sl_consumer *consumer,
                             union sl_consumer_answer *answer)
{
    struct sl_deliveries *received = consumer->kind->received(answer);

    if (answer->head.err.status == SL_OK) {
        note_subscribed(consumer);
        for (size_t i = 0; i < received->count; i++)
            handle_delivery(consumer, sl_deliveries_take(received, i));
        return 0;
    }
    if (consumer->is_subscribed && answer->head.err.status == SL_CONFLICT)
        renew_subscription(consumer);
    return RETRY_MS;
}

static void on_received(void *context)
{
    struct sl_consumer *consumer = context;
    union sl_consumer_answer answer;
    bool is_draining;
    int64_t delay_ms = 0;

    struct sl_call *call = take_receive(consumer, &is_draining);
    if (call != NULL) {
        sl_call_collect(call, &answer);
        sl_call_release(call);
        if (!is_draining) /* the end of the service is not a failure */
            report_receive(consumer, &answer.head.err);
        delay_ms = handle_answer(consumer, &answer);
        sl_answers_done(consumer->service, &answer, 1);
    }
    pthread_mutex_lock(&consumer->mutex);
    consumer->is_receiving = false;
    bool by_scheduler = consumer->is_scheduling; /* it receives again */
    if (call != NULL) {
        consumer->again = by_scheduler;
        consumer->again_ms = delay_ms;
    }
    unlock_and_report(consumer);
    if (call != NULL && !by_scheduler)
        receive_more(consumer, delay_ms);
}

/* Receive as many as there are instances for.  False where there are none. With
 * the mutex held. */
static bool make_request(struct sl_consumer *consumer,
                         union sl_consumer_request *request)
{
    uint32_t most = (uint32_t)consumer->trigger->concurrency;

    if (consumer->is_draining || consumer->is_receiving ||
        consumer->task_count >= most)
        return false;
    uint32_t limit = most - consumer->task_count;
    if (limit > consumer->kind->limit_max)
        limit = consumer->kind->limit_max;
    if (consumer->subscription != NULL && !consumer->is_subscribed)
        request->pubsub = sl_subscription_request(consumer->subscription,
                                                  SL_PUBSUB_SUBSCRIBE);
    else
        *request = consumer->kind->receive(consumer->trigger,
                                           consumer->subscription, limit);
    return true;
}

static void receive_more(struct sl_consumer *consumer, int64_t delay_ms)
{
    union sl_consumer_request request;
    bool again = true;

    while (again) {
        struct sl_call *unwanted = NULL;
        pthread_mutex_lock(&consumer->mutex);
        if (consumer->is_scheduling || !make_request(consumer, &request)) {
            unlock_and_report(consumer);
            return;
        }
        consumer->is_receiving = consumer->is_scheduling = true;
        consumer->again = false;
        pthread_mutex_unlock(&consumer->mutex);

        call_service(consumer, delay_ms, &request, on_received, consumer,
                     &consumer->receive);

        pthread_mutex_lock(&consumer->mutex);
        consumer->is_scheduling = false;
        if (consumer->is_draining) {
            unwanted = consumer->receive;
            consumer->receive = NULL;
        }
        again = consumer->again;
        delay_ms = consumer->again_ms;
        unlock_and_report(consumer);
        if (unwanted != NULL)
            sl_call_release(unwanted);
    }
}

/* --- The life of a consumer ------------------------------------------- */

struct sl_consumer *sl_consumer_start(struct sl_host *host,
                                      const struct sl_manifest_trigger *trigger,
                                      struct sl_trigger_metrics *metrics)
{
    struct sl_consumer *consumer = sl_alloc(sizeof(*consumer));
    bool is_queue = trigger->type == SL_TRIGGER_MQ;

    consumer->trigger = trigger;
    consumer->kind = is_queue ? &sl_consumer_mq : &sl_consumer_pubsub;
    consumer->service = sl_host_service(host, trigger->resource);
    consumer->program = sl_host_program(host, trigger->component);
    consumer->metrics = metrics;
    consumer->fields[0] =
        SL_FIELD_STRING(is_queue ? "queue" : "topic",
                        is_queue ? trigger->resource_name : trigger->topic);
    if (!is_queue) {
        consumer->fields[1] =
            SL_FIELD_STRING("resource", trigger->resource_name);
        consumer->fields[2] = SL_FIELD_STRING("group", trigger->group);
    }
    consumer->text =
        is_queue ? sl_asprintf("queue=%s", trigger->resource_name)
                 : sl_asprintf("topic=%s resource=%s group=%s", trigger->topic,
                               trigger->resource_name, trigger->group);
    pthread_mutex_init(&consumer->mutex, NULL);
    if (!is_queue)
        renew_subscription(consumer);
    receive_more(consumer, 0);
    return consumer;
}

const char *sl_consumer_text(const struct sl_consumer *consumer)
{
    return consumer->text;
}

void sl_consumer_drain(struct sl_consumer *consumer,
                       sl_trigger_drained_fn *drained, void *context)
{
    struct sl_call *unwanted = NULL;

    pthread_mutex_lock(&consumer->mutex);
    consumer->is_draining = true;
    consumer->drained = drained;
    consumer->drained_context = context;
    if (!consumer->is_scheduling) {
        unwanted = consumer->receive;
        consumer->receive = NULL;
    }
    unlock_and_report(consumer);
    if (unwanted != NULL)
        sl_call_release(unwanted);
}

void sl_consumer_stop(struct sl_consumer *consumer)
{
    static const struct sl_settlement now = {.verdict = SL_VERDICT_RETRY};

    pthread_mutex_lock(&consumer->mutex);
    consumer->is_draining = true;
    for (struct task *task = consumer->tasks; task != NULL; task = task->next) {
        if (task->is_handled)
            continue;
        const union sl_consumer_request back = settle_request(task, &now);
        sl_service_post(consumer->service, NULL, &back, 1);
    }
    struct sl_subscription *subscription = consumer->subscription;
    consumer->subscription = NULL;
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(subscription);
}

void sl_consumer_free(struct sl_consumer *consumer)
{
    while (consumer->tasks != NULL) {
        struct task *task = consumer->tasks;
        unlink_task(task);
        free_task(task);
    }
    pthread_mutex_destroy(&consumer->mutex);
    free(consumer->text);
    free(consumer);
}

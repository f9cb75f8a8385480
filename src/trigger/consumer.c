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
#include "base/border.h"
#include "base/deadline.h"
#include "base/log.h"

struct task {
    struct sl_consumer *consumer;
    struct task *next, *before; /* in the consumer's list */
    union sl_consumer_item item;
    struct sl_subscription *member; /* a reference; NULL of a queue */
    struct sl_call *call;           /* that settles it */
    int64_t begun;
    char *reason; /* of what is rejected */
    bool then_done;
    bool discarded; /* rejected, and there is no topic of dead letters */
    bool handled;
};

struct sl_consumer {
    const struct sl_manifest_trigger *trigger;
    const struct sl_consumer_kind *kind;
    struct sl_service *service;
    struct sl_bridge_program *program;
    struct sl_trigger_metrics *metrics;
    struct sl_caller caller; /* that counts the service's dead letters */
    struct sl_log_field fields[SL_TRIGGER_FIELDS]; /* that name it */
    char *text;

    pthread_mutex_t mutex; /* of what follows */
    struct sl_subscription *member;
    bool is_member;
    struct task *tasks; /* that are not settled */
    uint32_t busy;      /* as many */
    bool receiving;
    bool scheduling; /* receive is being set */
    bool again;      /* once it is: after again_ms */
    int64_t again_ms;
    struct sl_call *receive;   /* on its way */
    enum sl_status complained; /* of the receive before, so as to log it once */
    bool draining;
    sl_trigger_drained_fn *drained; /* NULL once told */
    void *drained_context;
};

static void pump(struct sl_consumer *consumer, int64_t delay_ms);

/* --- Draining ----------------------------------------------------------- */

/* Tell, once nothing runs.  With the mutex held, which it lets go. */
static void unlock_and_tell(struct sl_consumer *consumer)
{
    sl_trigger_drained_fn *drained = NULL;
    struct sl_subscription *member = NULL;

    if (consumer->draining && consumer->busy == 0 && !consumer->receiving &&
        !consumer->scheduling) {
        drained = consumer->drained;
        consumer->drained = NULL;
        member = consumer->member;
        consumer->member = NULL;
    }
    void *context = consumer->drained_context;
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(member);
    if (drained != NULL)
        drained(context);
}

/* --- Settling ----------------------------------------------------------- */

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
    consumer->busy--;
}

static void task_free(struct task *task)
{
    if (task->member != NULL)
        sl_subscription_unref(task->member);
    task->consumer->kind->free(task->item);
    free(task->reason);
    free(task);
}

static void settled(void *context);

static void settle(struct task *task, enum sl_verdict verdict,
                   struct sl_bytes reason, uint64_t delay_ms)
{
    struct sl_consumer *consumer = task->consumer;
    const union sl_consumer_request request =
        consumer->kind->settle(consumer->trigger, task->member, task->item,
                               verdict, reason, delay_ms, &task->then_done);

    sl_service_submit_for(consumer->service, NULL, &consumer->caller, &request,
                          1, settled, task, &task->call);
}

/* An event is a dead letter, or thrown away.  Of messages their service tells:
 * it makes dead letters of its own accord as well. */
static void tell_of_end(const struct task *task)
{
    const struct sl_consumer *consumer = task->consumer;
    const struct sl_manifest_trigger *trigger = consumer->trigger;

    const struct sl_log_field to =
        task->discarded ? (struct sl_log_field){0}
                        : SL_FIELD_STRING("to", trigger->dead_letter);

    sl_count(task->discarded ? &consumer->metrics->discarded
                             : &consumer->metrics->dead_letters);
    sl_log(SL_LOG_WARN, task->discarded ? "discarded" : "dead-letter",
           consumer->fields[0], consumer->fields[1], consumer->fields[2],
           SL_FIELD("id", consumer->kind->id(task->item)),
           SL_FIELD_NUMBER("delivery", consumer->kind->deliveries(task->item)),
           to, SL_FIELD_STRING("reason", task->reason));
}

/* A message comes back by itself when its visibility ends; an event is this
 * member's for as long as that lives.  False: it need not be given back. */
static bool give_back(struct task *task, enum sl_status status)
{
    struct sl_consumer *consumer = task->consumer;
    bool then_done;

    pthread_mutex_lock(&consumer->mutex);
    bool draining = consumer->draining;
    pthread_mutex_unlock(&consumer->mutex);
    if (task->member == NULL || draining || status == SL_OK ||
        status == SL_CONFLICT)
        return false;
    task->then_done = task->discarded = false;
    const union sl_consumer_request back = consumer->kind->settle(
        consumer->trigger, task->member, task->item, SL_VERDICT_RETRY,
        SL_LITERAL(""), SL_CONSUMER_AGAIN_MS, &then_done);
    sl_service_submit_later(consumer->service, &consumer->caller,
                            SL_CONSUMER_AGAIN_MS, &back, 1, settled, task,
                            &task->call);
    return true;
}

static void settled(void *context)
{
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
    if (status == SL_OK && (task->then_done || task->discarded))
        tell_of_end(task);
    if (status == SL_OK && task->then_done) {
        settle(task, SL_VERDICT_DONE, SL_LITERAL(""), 0);
        return;
    }
    if (give_back(task, status))
        return;
    pthread_mutex_lock(&consumer->mutex);
    unlink_task(task);
    pthread_mutex_unlock(&consumer->mutex);
    task_free(task);
    pump(consumer, 0);
}

/* --- Handling ----------------------------------------------------------- */

static uint64_t backoff(const struct sl_manifest_trigger *trigger,
                        uint32_t deliveries)
{
    uint64_t delay = (uint64_t)trigger->backoff_ms;
    uint64_t most = (uint64_t)trigger->max_backoff_ms;

    for (uint32_t i = 1; i < deliveries && delay < most; i++)
        delay *= 2;
    return delay < most ? delay : most;
}

static void count(const struct sl_consumer *consumer, enum sl_bridge_end end,
                  int64_t ns)
{
    struct sl_trigger_metrics *metrics = consumer->metrics;

    sl_count(&metrics->by_end[end]);
    sl_histogram_record(&metrics->duration, ns);
    atomic_fetch_sub_explicit(&metrics->running, 1, memory_order_relaxed);
}

/* On a thread of the engine. */
static void handled(void *context, const struct sl_bridge_outcome *outcome)
{
    SL_CALLED_BY_BRIDGE;
    struct task *task = context;
    struct sl_consumer *consumer = task->consumer;
    const struct sl_manifest_trigger *trigger = consumer->trigger;
    uint32_t deliveries = consumer->kind->deliveries(task->item);
    enum sl_verdict verdict =
        outcome->end == SL_BRIDGE_RETURNED ? SL_VERDICT_DONE : SL_VERDICT_RETRY;

    pthread_mutex_lock(&consumer->mutex);
    task->handled = true;
    pthread_mutex_unlock(&consumer->mutex);
    count(consumer, outcome->end, sl_now_ns() - task->begun);
    if (verdict != SL_VERDICT_DONE) {
        struct sl_log_field where[SL_TRIGGER_FIELDS];
        memcpy(where, consumer->fields, sizeof(where));
        where[3] = SL_FIELD("id", consumer->kind->id(task->item));
        where[4] = SL_FIELD_NUMBER("delivery", deliveries);
        sl_trigger_log_end(trigger->component, where, outcome->end,
                           outcome->message, outcome->backtrace);
    }
    if (outcome->end == SL_BRIDGE_REJECTED ||
        (verdict != SL_VERDICT_DONE && trigger->max_deliveries > 0 &&
         deliveries >= trigger->max_deliveries))
        verdict = SL_VERDICT_REJECT;
    task->discarded = verdict == SL_VERDICT_REJECT &&
                      trigger->type == SL_TRIGGER_PUBSUB &&
                      trigger->dead_letter == NULL;
    if (verdict == SL_VERDICT_REJECT)
        task->reason = sl_strndup((const char *)outcome->message.ptr,
                                  outcome->message.len);
    settle(task, verdict, outcome->message, backoff(trigger, deliveries));
}

static void handle(struct sl_consumer *consumer, union sl_consumer_item item)
{
    struct task *task = sl_alloc(sizeof(*task));

    task->consumer = consumer;
    task->item = item;
    task->begun = sl_now_ns();
    sl_count(&consumer->metrics->running);
    pthread_mutex_lock(&consumer->mutex);
    if (consumer->member != NULL)
        task->member = sl_subscription_ref(consumer->member);
    task->next = consumer->tasks;
    if (task->next != NULL)
        task->next->before = task;
    consumer->tasks = task;
    consumer->busy++;
    pthread_mutex_unlock(&consumer->mutex);
    sl_border_leave();
    consumer->kind->handle(consumer->program,
                           sl_bytes_of(consumer->trigger->resource_name), item,
                           handled, task);
}

/* --- Receiving ---------------------------------------------------------- */

/* Log a failure once, and that it is over. */
static void complain(struct sl_consumer *consumer, const struct sl_error *err)
{
    if (err->status != SL_OK && err->status != consumer->complained)
        sl_log(SL_LOG_WARN, "no-deliveries", consumer->fields[0],
               consumer->fields[1], consumer->fields[2],
               SL_FIELD_STRING("reason", err->message));
    if (err->status == SL_OK && consumer->complained != SL_OK)
        sl_log(SL_LOG_WARN, "deliveries-again", consumer->fields[0],
               consumer->fields[1], consumer->fields[2]);
    consumer->complained = err->status;
}

/* A subscription that the service does not know any more: become another. */
static void join_anew(struct sl_consumer *consumer)
{
    const struct sl_manifest_trigger *trigger = consumer->trigger;
    struct sl_subscription *member = sl_subscription_new(
        consumer->service, sl_bytes_of(trigger->topic),
        sl_bytes_of(trigger->group), strcmp(trigger->start, "earliest") == 0);

    pthread_mutex_lock(&consumer->mutex);
    struct sl_subscription *unwanted = member;
    if (!consumer->draining) {
        unwanted = consumer->member;
        consumer->member = member;
        consumer->is_member = false;
    }
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(unwanted);
}

/* Its SUBSCRIBE was answered, where it was one. */
static void begin(struct sl_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    if (consumer->member != NULL && !consumer->is_member &&
        !consumer->draining) {
        consumer->is_member = true;
        sl_subscription_begun(consumer->member);
    }
    pthread_mutex_unlock(&consumer->mutex);
}

/* What a receive, or a subscribe, answered. */
static void received(void *context)
{
    struct sl_consumer *consumer = context;
    union sl_consumer_answer answer;
    union sl_consumer_item item;
    int64_t delay_ms = 0;

    pthread_mutex_lock(&consumer->mutex);
    struct sl_call *call = consumer->receive;
    bool draining = consumer->draining;
    consumer->receive = NULL;
    if (call == NULL) { /* given up */
        consumer->receiving = false;
        unlock_and_tell(consumer);
        return;
    }
    pthread_mutex_unlock(&consumer->mutex);

    sl_call_collect(call, &answer);
    sl_call_release(call);
    if (!draining) /* the end of the service is none of its failures */
        complain(consumer, &answer.head.err);
    if (answer.head.err.status == SL_OK) {
        begin(consumer);
        for (size_t i = 0; consumer->kind->take(&answer, i, &item); i++)
            handle(consumer, item);
    } else {
        delay_ms = SL_CONSUMER_AGAIN_MS;
        if (consumer->is_member && answer.head.err.status == SL_CONFLICT)
            join_anew(consumer);
    }
    sl_answers_done(consumer->service, &answer, 1);
    pthread_mutex_lock(&consumer->mutex);
    consumer->receiving = false;
    consumer->again = consumer->scheduling;
    consumer->again_ms = delay_ms;
    bool by_another = consumer->again; /* who is scheduling */
    unlock_and_tell(consumer);
    if (!by_another)
        pump(consumer, delay_ms);
}

/* Receive as many as there are instances for.  False where there are none. With
 * the mutex held. */
static bool make_request(struct sl_consumer *consumer,
                         union sl_consumer_request *request)
{
    uint32_t most = (uint32_t)consumer->trigger->concurrency;

    if (consumer->draining || consumer->receiving || consumer->busy >= most)
        return false;
    uint32_t limit = most - consumer->busy;
    if (limit > consumer->kind->limit_max)
        limit = consumer->kind->limit_max;
    if (consumer->member != NULL && !consumer->is_member)
        request->pubsub =
            sl_subscription_request(consumer->member, SL_PUBSUB_SUBSCRIBE);
    else
        *request =
            consumer->kind->receive(consumer->trigger, consumer->member, limit);
    return true;
}

static void pump(struct sl_consumer *consumer, int64_t delay_ms)
{
    union sl_consumer_request request;
    bool again = true;

    while (again) {
        struct sl_call *unwanted = NULL;
        pthread_mutex_lock(&consumer->mutex);
        if (consumer->scheduling || !make_request(consumer, &request)) {
            unlock_and_tell(consumer);
            return;
        }
        consumer->receiving = consumer->scheduling = true;
        consumer->again = false;
        pthread_mutex_unlock(&consumer->mutex);

        sl_service_submit_later(consumer->service, &consumer->caller, delay_ms,
                                &request, 1, received, consumer,
                                &consumer->receive);

        pthread_mutex_lock(&consumer->mutex);
        consumer->scheduling = false;
        if (consumer->draining) {
            unwanted = consumer->receive;
            consumer->receive = NULL;
        }
        again = consumer->again;
        delay_ms = consumer->again_ms;
        unlock_and_tell(consumer);
        if (unwanted != NULL)
            sl_call_release(unwanted);
    }
}

/* --- The life of a consumer --------------------------------------------- */

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
    consumer->caller.dead_letters = &metrics->dead_letters;
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
        join_anew(consumer);
    pump(consumer, 0);
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
    consumer->draining = true;
    consumer->drained = drained;
    consumer->drained_context = context;
    if (!consumer->scheduling) {
        unwanted = consumer->receive;
        consumer->receive = NULL;
    }
    unlock_and_tell(consumer);
    if (unwanted != NULL)
        sl_call_release(unwanted);
}

void sl_consumer_stop(struct sl_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    consumer->draining = true;
    for (struct task *task = consumer->tasks; task != NULL; task = task->next) {
        bool then_done;
        if (task->handled)
            continue;
        const union sl_consumer_request back = consumer->kind->settle(
            consumer->trigger, task->member, task->item, SL_VERDICT_RETRY,
            SL_LITERAL(""), 0, &then_done);
        sl_service_post(consumer->service, NULL, &back, 1);
    }
    struct sl_subscription *member = consumer->member;
    consumer->member = NULL;
    pthread_mutex_unlock(&consumer->mutex);
    sl_subscription_free(member);
}

void sl_consumer_free(struct sl_consumer *consumer)
{
    while (consumer->tasks != NULL) {
        struct task *task = consumer->tasks;
        unlink_task(task);
        task_free(task);
    }
    pthread_mutex_destroy(&consumer->mutex);
    free(consumer->text);
    free(consumer);
}

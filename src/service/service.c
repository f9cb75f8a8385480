/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: what is the same for every capability and driver.
 *
 * A call comes in by sl_service_try, which does what cannot wait on the
 * caller's thread, or by sl_service_submit, which copies and queues it.  What
 * happens to it then is in call.c, and how it is run in lane.c.
 */
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hide.h"
#include "service/internal.h"

const struct sl_option sl_service_options[] = {
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_service_config, timeout_ms),
     .min = 1,
     .max = 3600000,
     .fallback = "5s",
     .help = "how long one call may take, waiting and repeats included"},
    {.name = "connections",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_service_config, connections),
     .min = 1,
     .max = 64,
     .fallback = "2",
     .help = "the most connections, each with a thread; opened when needed"},
    {.name = "max-queued",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_service_config, max_queued),
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .help = "the most calls that wait for a connection; more are unavailable"},
    {.name = "max-queued-bytes",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_service_config, max_queued_bytes),
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .fallback = "256MiB",
     .help = "the most that the arguments of components' calls may hold which "
             "wait or run; more are unavailable, but a single one"},
    {.name = "max-stuck",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_service_config, max_stuck),
     .min = 0,
     .max = 64,
     .fallback = "4",
     .help = "connections given up, as their calls never come back, that are "
             "replaced by new ones"},
    {.name = "retry.attempts",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_service_config, retry_attempts),
     .min = 1,
     .max = 100,
     .fallback = "3",
     .help = "how often a call is tried in all, where a repeat is safe"},
    {.name = "retry.backoff",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_service_config, retry_backoff_ms),
     .min = 1,
     .max = 60000,
     .fallback = "50ms",
     .help = "the longest wait before the second try; doubles with each"},
    {.name = "required",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct sl_service_config, required),
     .fallback = "true",
     .help = "/readyz of [management] says no while it does not answer"},
    {0},
};

void sl_op_fail(struct sl_op *op, const struct sl_error *err)
{
    sl_op_answer(op)->err = *err;
}

/* Not the guest's doing: whoever reads it wants to know which resource. */
static bool is_of_service(enum sl_status status)
{
    return status == SL_UNAVAILABLE || status == SL_TIMEOUT ||
           status == SL_UNAUTHENTICATED || status == SL_PERMISSION_DENIED ||
           status == SL_INTERNAL;
}

bool sl_service_may_repeat(const struct sl_service *service,
                           const struct sl_op *op)
{
    enum sl_status status = sl_op_answer(op)->err.status;

    return (status == SL_UNAVAILABLE || status == SL_TIMEOUT) &&
           (op->not_sent ||
            service->capability->is_repeatable(service->config, op->request));
}

void sl_service_finish_op(struct sl_service *service, struct sl_op *op)
{
    struct sl_answer *answer = sl_op_answer(op);

    sl_health_see(service, op);
    if (service->capability->finish != NULL)
        service->capability->finish(service->config, answer);
    answer->retryable = answer->retryable || sl_service_may_repeat(service, op);
    if (is_of_service(answer->err.status) || op->full)
        sl_fail_in(&answer->err, "resource \"%s\"", service->name);
    if (answer->err.status != SL_OK)
        sl_hide(service->config->hidden, &answer->err);
}

bool sl_state_is_over(struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum sl_status status = sl_op_answer(ops[i])->err.status;
        if (status == SL_UNAVAILABLE || status == SL_TIMEOUT || ops[i]->lost)
            return true;
    }
    return false;
}

void sl_answer_fail(const struct sl_service *service, void *answer,
                    const struct sl_error *err)
{
    service->capability->answer_init(answer);
    ((struct sl_answer *)answer)->err = *err;
}

void sl_answers_refuse(const struct sl_service *service, void *answers,
                       size_t count, const struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct sl_answer *answer =
            sl_answer_at(service->capability, answers, i);
        sl_answer_fail(service, answer, err);
        answer->refused = true;
    }
}

void sl_answers_done(const struct sl_service *service, void *answers,
                     size_t count)
{
    const struct sl_capability *capability = service->capability;

    for (size_t i = 0; i < count; i++)
        capability->answer_done(sl_answer_at(capability, answers, i));
}

bool sl_service_precheck(const struct sl_service *service, const void *requests,
                         size_t count, void *answers)
{
    const struct sl_capability *capability = service->capability;
    struct sl_error err;
    size_t wrong = 0;
    bool refused = capability->check_call != NULL &&
                   capability->check_call(requests, count, &err) != SL_OK;

    for (size_t i = 0; i < count; i++) {
        struct sl_answer *answer = sl_answer_at(capability, answers, i);
        capability->answer_init(answer);
        answer->refused = refused;
        if (refused)
            answer->err = err;
        else if (capability->check(service->driver, service->config,
                                   sl_request_at(capability, requests, i),
                                   &answer->err) != SL_OK)
            wrong++;
    }
    return refused || wrong == count;
}

/* --- Inline: on the caller's thread ------------------------------------ */

/* Each thread has a slot where it looks first, so that they seldom meet. */
static unsigned first_slot(void)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1);
    return mine % SL_SERVICE_INLINE_SLOTS;
}

static enum sl_status take_state(struct sl_service *service,
                                 sl_deadline deadline, void **state,
                                 struct sl_error *err)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        *state = atomic_exchange_explicit(
            &service->slots[(first + i) % SL_SERVICE_INLINE_SLOTS], NULL,
            memory_order_acquire);
        if (*state != NULL)
            return SL_OK;
    }
    return sl_service_open_state(service, deadline, state, err);
}

static void give_state(struct sl_service *service, void *state)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(
                &service->slots[(first + i) % SL_SERVICE_INLINE_SLOTS], &none,
                state, memory_order_release, memory_order_relaxed))
            return;
    }
    service->driver->close(state);
}

static void run_inline(struct sl_service *service, struct sl_op *ops[],
                       size_t count)
{
    struct sl_error err;
    void *state = NULL;

    if (take_state(service, ops[0]->deadline, &state, &err) != SL_OK) {
        for (size_t i = 0; i < count; i++) {
            ops[i]->not_sent = true;
            sl_op_fail(ops[i], &err);
        }
        return;
    }
    service->driver->run(state, ops, count);
    for (size_t i = 0; i < count; i++)
        sl_service_tell(service, ops[i]);
    if (sl_state_is_over(ops, count))
        service->driver->close(state);
    else
        give_state(service, state);
}

/* False where one of them is to be submitted. */
static bool finish_inline(struct sl_service *service, struct sl_op ops[],
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].too_long)
            return false;
    for (size_t i = 0; i < count; i++)
        sl_service_finish_op(service, &ops[i]);
    return true;
}

/* Do those that passed the checks, a few at a time.  False: submit them, from
 * the first on; what was answered is to be thrown away. */
static bool do_inline(struct sl_service *service, const void *requests,
                      size_t count, void *answers, int64_t start)
{
    enum { AT_ONCE = 16 };
    const struct sl_capability *capability = service->capability;
    struct sl_op ops[AT_ONCE], *batch[AT_ONCE];
    size_t room = capability->room(service->config, count);
    size_t most = service->driver->max_batch < AT_ONCE
                      ? service->driver->max_batch
                      : AT_ONCE;

    for (size_t i = 0; i < count;) {
        size_t filled = 0;
        for (; i < count && filled < most; i++) {
            struct sl_answer *answer = sl_answer_at(capability, answers, i);
            if (answer->err.status != SL_OK)
                continue;
            ops[filled] = (struct sl_op){
                .config = service->config,
                .request = sl_request_at(capability, requests, i),
                .answer = answer,
                .deadline = start + service->config->timeout_ms * 1000000,
                .room = &room,
                .in_place = true,
            };
            batch[filled] = &ops[filled];
            filled++;
        }
        if (filled > 0)
            run_inline(service, batch, filled);
        if (!finish_inline(service, ops, filled))
            return false;
    }
    return true;
}

static bool all_inline(const struct sl_service *service, const void *requests,
                       size_t count, void *answers)
{
    const struct sl_capability *capability = service->capability;

    for (size_t i = 0; i < count; i++)
        if (sl_answer_at(capability, answers, i)->err.status == SL_OK &&
            (service->driver->inline_verbs &
             (1U << sl_verb_at(capability, requests, i))) == 0)
            return false;
    return true;
}

bool sl_service_try(struct sl_service *service, const void *requests,
                    size_t count, void *answers)
{
    return sl_service_try_for(service, NULL, requests, count, answers);
}

bool sl_service_try_for(struct sl_service *service, struct sl_metric *metrics,
                        const void *requests, size_t count, void *answers)
{
    const struct sl_capability *capability = service->capability;

    if (service->driver->inline_verbs == 0) /* submit checks them as well */
        return false;
    int64_t start = sl_now_ns();
    if (!sl_service_precheck(service, requests, count, answers) &&
        !all_inline(service, requests, count, answers))
        return false;
    if (count > 0 && !sl_answer_at(capability, answers, 0)->refused &&
        !do_inline(service, requests, count, answers, start)) {
        sl_answers_done(service, answers, count);
        return false;
    }

    int64_t took = sl_now_ns() - start;
    if (metrics == NULL)
        metrics = service->metrics;
    for (size_t i = 0; i < count; i++)
        sl_metric_record(&metrics[sl_verb_at(capability, requests, i)],
                         sl_answer_at(capability, answers, i)->err.status,
                         took);
    return true;
}

/* --- The service --------------------------------------------------------- */

static void start_queue(struct sl_service *service)
{
    unsigned workers = (unsigned)service->config->connections;

    if (service->driver->max_states != 0 &&
        workers > service->driver->max_states)
        workers = service->driver->max_states;
    service->lane.service = service;
    service->lane.queue = sl_lane_queue(&service->lane, workers,
                                        (unsigned)service->config->max_stuck);
}

/* On CLOCK_MONOTONIC. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* On a thread of the driver's library. */
static void something_changed(void *context)
{
    struct sl_service *service = context;

    sl_queue_all_changed(service->lane.queue);
}

enum sl_status sl_service_open(const struct sl_capability *capability,
                               const char *name, const struct sl_driver *driver,
                               const struct sl_service_config *config,
                               const void *driver_options,
                               struct sl_service **out, struct sl_error *err)
{
    void *store = NULL;
    enum sl_status status = driver->store_new(driver_options, &store, err);

    if (status != SL_OK)
        return status;
    struct sl_service *service = sl_alloc(sizeof(*service));
    service->name = sl_strdup(name);
    service->capability = capability;
    service->driver = driver;
    service->config = config;
    service->store = store;
    service->metrics =
        sl_alloc_array(capability->verb_count, sizeof(*service->metrics));
    service->owners = 1;
    pthread_mutex_init(&service->lock, NULL);
    init_condition(&service->unposted);
    init_condition(&service->health.wake);
    start_queue(service);
    if (driver->watch != NULL)
        driver->watch(store, something_changed, service);
    *out = service;
    return SL_OK;
}

void sl_service_unref(struct sl_service *service)
{
    if (atomic_fetch_sub(&service->owners, 1) > 1)
        return;
    sl_sessions_free(service);
    sl_queue_free(service->lane.queue);
    pthread_cond_destroy(&service->health.wake);
    pthread_cond_destroy(&service->unposted);
    pthread_mutex_destroy(&service->lock);
    free(service->metrics);
    free(service->name);
    free(service);
}

/* With the lock: when what still runs is given up. */
static struct timespec late_at(const struct sl_service *service)
{
    sl_deadline until = sl_deadline_in_ms(0);

    if (service->checking > 0 && service->check_until > until)
        until = service->check_until;
    until += (sl_deadline)SL_QUEUE_STUCK_MS * 1000000;
    return (struct timespec){.tv_sec = until / 1000000000,
                             .tv_nsec = until % 1000000000};
}

/* What nobody else waits for.  False: a check has not come back. */
static bool wait_for_rest(struct sl_service *service)
{
    bool late = false;

    pthread_mutex_lock(&service->lock);
    while (service->posted > 0)
        pthread_cond_wait(&service->unposted, &service->lock);
    while ((service->checking > 0 || service->health.watching) && !late) {
        const struct timespec at = late_at(service);
        late = pthread_cond_timedwait(&service->unposted, &service->lock,
                                      &at) != 0;
    }
    bool all_back = service->checking == 0 && !service->health.watching;
    pthread_mutex_unlock(&service->lock);
    return all_back;
}

bool sl_service_free(struct sl_service *service)
{
    if (service == NULL)
        return true;
    sl_health_end(service);
    bool all_back = wait_for_rest(service);
    all_back = sl_sessions_end(service) && all_back;
    all_back = sl_queue_end(service->lane.queue) && all_back;
    if (!all_back)
        return false;
    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        void *state = atomic_load(&service->slots[i]);
        if (state != NULL)
            service->driver->close(state);
    }
    service->driver->store_free(service->store);
    sl_service_unref(service);
    return true;
}

const char *sl_service_name(const struct sl_service *service)
{
    return service->name;
}

const struct sl_capability *
sl_service_capability(const struct sl_service *service)
{
    return service->capability;
}

const struct sl_driver *sl_service_driver(const struct sl_service *service)
{
    return service->driver;
}

const void *sl_service_config(const struct sl_service *service)
{
    return service->config;
}

const struct sl_metric *sl_service_metrics(const struct sl_service *service)
{
    return service->metrics;
}

bool sl_service_usage(const struct sl_service *service, struct sl_usage *out)
{
    return service->driver->usage != NULL &&
           service->driver->usage(service->store, out);
}

void sl_service_load(struct sl_service *service, struct sl_queue_load *out)
{
    *out = (struct sl_queue_load){0};
    sl_queue_add_load(service->lane.queue, out);
    bool dead = out->dead;
    pthread_mutex_lock(&service->lock);
    for (struct sl_session *s = service->sessions; s != NULL; s = s->all)
        sl_queue_add_load(s->lane.queue, out);
    pthread_mutex_unlock(&service->lock);
    out->dead = dead; /* a session that is, does not make the service so */
    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++)
        out->states += atomic_load(&service->slots[i]) != NULL;
}

static void begin_check(struct sl_service *service, sl_deadline deadline)
{
    pthread_mutex_lock(&service->lock);
    service->checking++;
    if (deadline > service->check_until)
        service->check_until = deadline;
    pthread_mutex_unlock(&service->lock);
}

static void end_check(struct sl_service *service)
{
    pthread_mutex_lock(&service->lock);
    if (--service->checking == 0)
        pthread_cond_broadcast(&service->unposted);
    pthread_mutex_unlock(&service->lock);
}

enum sl_status sl_service_check(struct sl_service *service,
                                sl_deadline deadline, struct sl_error *err)
{
    struct sl_queue_load load = {0};
    void *state = NULL;

    sl_queue_add_load(service->lane.queue, &load);
    if (load.dead)
        return sl_fail(err, SL_UNAVAILABLE,
                       "%zu of its calls never came back, and max-stuck "
                       "allows to replace no more of the connections that "
                       "they hold; raise max-stuck, or restart slight",
                       load.stuck);
    begin_check(service, deadline);
    enum sl_status status =
        service->driver->check != NULL
            ? service->driver->check(service->store, deadline, err)
            : service->driver->open(service->store, deadline, &state, err);
    if (state != NULL)
        service->driver->close(state);
    end_check(service);
    if (status != SL_OK)
        sl_hide(service->config->hidden, err);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: what is the same for every capability and driver.
 *
 * Calls come in by submit.c.
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
     .help = "the most calls that wait for a connection; more are refused"},
    {.name = "max-queued-bytes",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_service_config, max_queued_bytes),
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .fallback = "256MiB",
     .help = "the most that the arguments of components' calls may hold which "
             "wait or run; more are refused, but a single one"},
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

static void start_queue(struct sl_service *service)
{
    unsigned workers = (unsigned)service->config->connections;

    if (service->driver->max_connections != 0 &&
        workers > service->driver->max_connections)
        workers = service->driver->max_connections;
    service->work_queue.service = service;
    service->work_queue.queue = sl_work_queue_open(
        &service->work_queue, workers, (unsigned)service->config->max_stuck);
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

    sl_queue_all_changed(service->work_queue.queue);
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
    sl_queue_free(service->work_queue.queue);
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
    bool is_watching = service->health.watching;
    bool all_back = service->checking == 0 && !is_watching;
    pthread_mutex_unlock(&service->lock);
    sl_health_join(service, !is_watching);
    return all_back;
}

bool sl_service_free(struct sl_service *service)
{
    if (service == NULL)
        return true;
    sl_health_end(service);
    bool all_back = wait_for_rest(service);
    all_back = sl_sessions_end(service) && all_back;
    all_back = sl_queue_end(service->work_queue.queue) && all_back;
    if (!all_back)
        return false;
    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        void *connection = atomic_load(&service->slots[i]);
        if (connection != NULL)
            service->driver->close(connection);
    }
    service->driver->store_free(service->store);
    sl_service_unref(service);
    return true;
}

const struct sl_capability *
sl_service_capability(const struct sl_service *service)
{
    return service->capability;
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
    sl_queue_add_load(service->work_queue.queue, out);
    bool dead = out->dead;
    pthread_mutex_lock(&service->lock);
    for (struct sl_session *s = service->sessions; s != NULL; s = s->all)
        sl_queue_add_load(s->work_queue.queue, out);
    pthread_mutex_unlock(&service->lock);
    out->dead = dead; /* a session that is, does not make the service so */
    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++)
        out->connections += atomic_load(&service->slots[i]) != NULL;
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
    void *connection = NULL;

    sl_queue_add_load(service->work_queue.queue, &load);
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
            : service->driver->open(service->store, deadline, &connection, err);
    if (connection != NULL)
        service->driver->close(connection);
    end_check(service);
    if (status != SL_OK)
        sl_hide(service->config->hidden, err);
    return status;
}

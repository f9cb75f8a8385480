/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a service works, told in the log once when it fails and once when it
 * works again.
 *
 * Calls tell, and a thread that asks it once at the start, and then every other
 * second while it fails, so that neither its end nor its return has to wait for
 * a call.  That a call is late may be its own doing: then the thread asks.
 */
#include <string.h>

#include "base/hide.h"
#include "base/log.h"
#include "service/internal.h"

enum {
    CHECK_MS = 1000,
    AGAIN_MS = 2000, /* between two checks, and two reports of a failure */
};

static void log_change(const struct sl_service *service, const char *event,
                       const struct sl_error *err)
{
    struct sl_error shown = {0};

    if (err != NULL) {
        shown = *err;
        sl_hide(service->config->hidden, &shown);
    }
    sl_log(SL_LOG_WARN, event, SL_FIELD_STRING("resource", service->name),
           SL_FIELD_STRING("type", service->driver->name),
           err != NULL ? SL_FIELD_STRING("reason", shown.message)
                       : (struct sl_log_field){0});
}

/* With the lock: from now on it has failed; true: that is to be logged. */
static bool note_failure(struct sl_health *health, bool by_check)
{
    bool failed = atomic_load(&health->failed);

    if (failed) {
        health->by_check |= by_check;
        return false;
    }
    /* It may fail for some calls and work for others. */
    if (!sl_deadline_passed(health->quiet_until))
        return false;
    health->by_check = by_check;
    atomic_store(&health->failed, true);
    pthread_cond_signal(&health->wake);
    return true;
}

static void report_failure(struct sl_service *service, bool by_check,
                           const struct sl_error *err)
{
    struct sl_health *health = &service->health;

    pthread_mutex_lock(&service->lock);
    bool news = health->watched && note_failure(health, by_check);
    pthread_mutex_unlock(&service->lock);
    if (news)
        log_change(service, "resource-failed", err);
}

/* by_check: that it can be reached says nothing of what calls were told. */
static void report_success(struct sl_service *service, bool by_check)
{
    struct sl_health *health = &service->health;
    bool news = false;

    if (!atomic_load_explicit(&health->failed, memory_order_relaxed))
        return;
    pthread_mutex_lock(&service->lock);
    if (atomic_load(&health->failed) && (!by_check || health->by_check)) {
        atomic_store(&health->failed, false);
        health->quiet_until = sl_deadline_in_ms(AGAIN_MS);
        news = true;
    }
    pthread_mutex_unlock(&service->lock);
    if (news)
        log_change(service, "resource-again", NULL);
}

static void suspect_service(struct sl_service *service)
{
    pthread_mutex_lock(&service->lock);
    service->health.suspected = true;
    if (service->health.watched)
        pthread_cond_signal(&service->health.wake);
    pthread_mutex_unlock(&service->lock);
}

/* --- Calls -------------------------------------------------------------- */

enum sl_status sl_service_connect(struct sl_service *service,
                                  sl_deadline deadline, void **connection,
                                  struct sl_error *err)
{
    enum sl_status status =
        service->driver->open(service->store, deadline, connection, err);

    /* Where there is a check of its own, opening asks nobody. */
    if (status == SL_OK && service->driver->check == NULL)
        report_success(service, true);
    else if (status == SL_TIMEOUT)
        suspect_service(service);
    else if (status != SL_OK)
        report_failure(service, true, err);
    return status;
}

void sl_health_see(struct sl_service *service, const struct sl_op *op)
{
    const struct sl_error *err = &sl_op_answer(op)->err;

    switch (err->status) {
    case SL_OK:
    case SL_NOT_FOUND:
    case SL_ALREADY_EXISTS:
    case SL_CONFLICT:
    case SL_ABORTED:
    case SL_READ_ONLY:
        report_success(service, false);
        return;
    case SL_UNAVAILABLE:
    case SL_UNAUTHENTICATED:
        if (!op->unsent)
            report_failure(service, false, err);
        return;
    case SL_TIMEOUT:
        if (!op->unsent)
            suspect_service(service);
        return;
    default:
        return;
    }
}

/* --- The thread --------------------------------------------------------- */

static bool is_ending(struct sl_service *service)
{
    pthread_mutex_lock(&service->lock);
    bool ending = service->health.ending;
    pthread_mutex_unlock(&service->lock);
    return ending;
}

static void check_service(struct sl_service *service)
{
    struct sl_error err;
    enum sl_status status =
        sl_service_check(service, sl_deadline_in_ms(CHECK_MS), &err);

    /* A machine that has much to do is late, too. */
    if (status == SL_TIMEOUT && !is_ending(service))
        status = sl_service_check(service, sl_deadline_in_ms(CHECK_MS), &err);
    if (is_ending(service))
        return;
    if (status == SL_OK)
        report_success(service, true);
    else
        report_failure(service, true, &err);
}

/* Until it is to be asked.  False: never again. */
static bool wait_for_doubt(struct sl_service *service)
{
    struct sl_health *health = &service->health;
    sl_deadline until = sl_deadline_in_ms(AGAIN_MS);
    const struct timespec at = {.tv_sec = until / 1000000000,
                                .tv_nsec = until % 1000000000};
    bool over = false;

    pthread_mutex_lock(&service->lock);
    while (!health->ending && !over)
        if (atomic_load(&health->failed) || health->suspected)
            over =
                pthread_cond_timedwait(&health->wake, &service->lock, &at) != 0;
        else
            pthread_cond_wait(&health->wake, &service->lock);
    health->suspected = false;
    bool ending = health->ending;
    pthread_mutex_unlock(&service->lock);
    return !ending;
}

static void *watch_health(void *context)
{
    struct sl_service *service = context;

    do
        check_service(service);
    while (wait_for_doubt(service));
    pthread_mutex_lock(&service->lock);
    service->health.watching = false;
    pthread_cond_broadcast(&service->unposted);
    pthread_mutex_unlock(&service->lock);
    sl_service_unref(service);
    return NULL;
}

void sl_service_watch(struct sl_service *service)
{
    struct sl_health *health = &service->health;

    atomic_fetch_add(&service->owners, 1);
    health->watched = true;
    health->watching = true;
    health->has_thread =
        pthread_create(&health->thread, NULL, watch_health, service) == 0;
    if (!health->has_thread) {
        health->watching = false; /* then only calls tell */
        sl_service_unref(service);
    }
}

void sl_health_end(struct sl_service *service)
{
    pthread_mutex_lock(&service->lock);
    service->health.ending = true;
    pthread_cond_broadcast(&service->health.wake);
    pthread_mutex_unlock(&service->lock);
}

void sl_health_join(struct sl_service *service, bool is_back)
{
    struct sl_health *health = &service->health;

    if (!health->has_thread)
        return;
    if (is_back)
        pthread_join(health->thread, NULL);
    else
        pthread_detach(health->thread);
    health->has_thread = false;
}

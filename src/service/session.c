/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: each has a connection and a thread, which the next session uses
 * again.
 *
 * A session that is closed has an end task queued behind its calls, with which
 * the driver resets the connection for the session's next user.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "service/internal.h"

static struct sl_session *session_new(struct sl_service *service)
{
    struct sl_session *session = sl_alloc(sizeof(*session));

    session->work_queue.service = service;
    session->work_queue.queue = sl_work_queue_open(&session->work_queue, 1, 0);
    session->all = service->sessions;
    service->sessions = session;
    service->session_count++;
    return session;
}

/* One whose thread is there for it. */
static struct sl_session *take_idle(struct sl_service *service)
{
    struct sl_session **place = &service->idle;

    while (*place != NULL && (*place)->stuck)
        place = &(*place)->next;
    struct sl_session *session = *place;
    if (session != NULL)
        *place = session->next;
    return session;
}

/* Those whose threads were given up are replaced, within a bound. */
static bool may_add(const struct sl_service *service)
{
    const struct sl_service_config *config = service->config;
    int64_t replaced = service->stuck_sessions < config->max_stuck
                           ? service->stuck_sessions
                           : config->max_stuck;

    return service->session_count - replaced < config->max_sessions;
}

static enum sl_status fail_full(const struct sl_service *service,
                                struct sl_error *err)
{
    if (service->stuck_sessions > 0)
        return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                       "resource \"%s\": %lld are open already, and %lld of "
                       "them hold calls that never came back from it; end "
                       "one, raise max-stuck, or restart slight",
                       service->name, (long long)service->session_count,
                       (long long)service->stuck_sessions);
    return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                   "resource \"%s\": %lld are open already, as many as "
                   "the manifest allows; end one first",
                   service->name, (long long)service->config->max_sessions);
}

void sl_session_set_stuck(struct sl_work_queue *work_queue, bool is_stuck)
{
    struct sl_session *session = (struct sl_session *)work_queue;
    struct sl_service *service = work_queue->service;

    pthread_mutex_lock(&service->lock);
    session->stuck = is_stuck;
    service->stuck_sessions += is_stuck ? 1 : -1;
    pthread_mutex_unlock(&service->lock);
}

enum sl_status sl_session_open(struct sl_service *service,
                               struct sl_session **out, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    pthread_mutex_lock(&service->lock);
    struct sl_session *session = take_idle(service);
    if (session == NULL && may_add(service))
        session = session_new(service);
    else if (session == NULL)
        status = fail_full(service, err);
    pthread_mutex_unlock(&service->lock);
    if (status == SL_OK)
        *out = session;
    return status;
}

/* The next one may have it at once: its calls come behind the end task. */
void sl_session_close(struct sl_session *session)
{
    if (session == NULL)
        return;
    struct sl_service *service = session->work_queue.service;
    struct sl_task *end = sl_alloc(sizeof(*end));

    end->kind = SL_TASK_END;
    /* Never refused, as sl_queue_submit might. */
    sl_queue_submit_last(session->work_queue.queue, end);
    pthread_mutex_lock(&service->lock);
    session->next = service->idle;
    service->idle = session;
    pthread_mutex_unlock(&service->lock);
}

void sl_session_run_end(struct sl_work_queue *work_queue, void **connection)
{
    const struct sl_driver *driver = work_queue->service->driver;

    if (*connection != NULL && !driver->reset(*connection)) {
        driver->close(*connection);
        *connection = NULL;
    }
}

bool sl_sessions_end(struct sl_service *service)
{
    bool all_back = true;

    for (struct sl_session *s = service->sessions; s != NULL; s = s->all)
        all_back = sl_queue_end(s->work_queue.queue) && all_back;
    return all_back;
}

void sl_sessions_free(struct sl_service *service)
{
    while (service->sessions != NULL) {
        struct sl_session *session = service->sessions;
        service->sessions = session->all;
        sl_queue_free(session->work_queue.queue);
        free(session);
    }
}

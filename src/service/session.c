/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: a state and a thread of their own, used again by the next one.
 *
 * A session that is closed has an end task queued behind its calls, with which
 * the driver puts the state in order for the session's next user.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "service/internal.h"

static struct sl_session *session_new(struct sl_service *service)
{
    struct sl_session *session = sl_alloc(sizeof(*session));

    session->lane.service = service;
    session->lane.queue = sl_lane_queue(&session->lane, 1);
    session->all = service->sessions;
    service->sessions = session;
    service->session_count++;
    return session;
}

enum sl_status sl_session_open(struct sl_service *service,
                               struct sl_session **out, struct sl_error *err)
{
    enum sl_status status = SL_OK;

    pthread_mutex_lock(&service->lock);
    struct sl_session *session = service->idle;
    if (session != NULL)
        service->idle = session->next;
    else if (service->session_count < service->config->max_sessions)
        session = session_new(service);
    else
        status =
            sl_fail(err, SL_UNAVAILABLE,
                    "resource \"%s\": %lld are open already, as many as "
                    "the manifest allows; end one first",
                    service->name, (long long)service->config->max_sessions);
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
    struct sl_service *service = session->lane.service;
    struct sl_task *end = sl_alloc(sizeof(*end));

    end->kind = SL_TASK_END;
    /* Never refused, as sl_queue_submit might. */
    sl_queue_submit_last(session->lane.queue, end);
    pthread_mutex_lock(&service->lock);
    session->next = service->idle;
    service->idle = session;
    pthread_mutex_unlock(&service->lock);
}

void sl_session_run_end(struct sl_lane *lane, void **state)
{
    const struct sl_driver *driver = lane->service->driver;

    if (*state != NULL && !driver->reset(*state)) {
        driver->close(*state);
        *state = NULL;
    }
}

void sl_sessions_end(struct sl_service *service)
{
    for (struct sl_session *s = service->sessions; s != NULL; s = s->all)
        sl_queue_end(s->lane.queue);
}

void sl_sessions_free(struct sl_service *service)
{
    while (service->sessions != NULL) {
        struct sl_session *session = service->sessions;
        service->sessions = session->all;
        sl_queue_free(session->lane.queue);
        free(session);
    }
}

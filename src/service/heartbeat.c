/* SPDX-License-Identifier: Apache-2.0 */
#include "service/heartbeat.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/driver.h"

struct sl_heartbeat {
    struct sl_service *service;
    sl_heartbeat_answered_fn *answered;
    sl_heartbeat_done_fn *done;
    void *owner;
    void *request;
    void *answer;

    pthread_mutex_t mutex; /* of what follows */
    unsigned owners;       /* its starter, and the request on its way */
    bool stopped;
    bool scheduling;      /* call is being set */
    struct sl_call *call; /* on its way */
};

static void unref_heartbeat(struct sl_heartbeat *heartbeat)
{
    pthread_mutex_lock(&heartbeat->mutex);
    bool last = --heartbeat->owners == 0;
    pthread_mutex_unlock(&heartbeat->mutex);
    if (!last)
        return;
    heartbeat->done(heartbeat->owner);
    pthread_mutex_destroy(&heartbeat->mutex);
    free(heartbeat->request);
    free(heartbeat->answer);
    free(heartbeat);
}

static void on_answer(void *context);

/* Without the mutex. */
static void schedule_request(struct sl_heartbeat *heartbeat, int64_t delay_ms)
{
    struct sl_call *unwanted = NULL;

    pthread_mutex_lock(&heartbeat->mutex);
    bool wanted = !heartbeat->stopped;
    heartbeat->scheduling = wanted;
    heartbeat->owners += wanted;
    pthread_mutex_unlock(&heartbeat->mutex);
    if (!wanted)
        return;

    const struct sl_caller caller = {.done = on_answer, .context = heartbeat};
    sl_service_call_later(heartbeat->service, &caller, delay_ms,
                          heartbeat->request, 1, &heartbeat->call);

    pthread_mutex_lock(&heartbeat->mutex);
    heartbeat->scheduling = false;
    if (heartbeat->stopped) {
        unwanted = heartbeat->call;
        heartbeat->call = NULL;
    }
    pthread_mutex_unlock(&heartbeat->mutex);
    if (unwanted != NULL)
        sl_call_release(unwanted);
}

/* Also where it was cancelled, and the call was released. */
static void on_answer(void *context)
{
    struct sl_heartbeat *heartbeat = context;

    pthread_mutex_lock(&heartbeat->mutex);
    struct sl_call *call = heartbeat->call;
    bool at_once = heartbeat->scheduling; /* nothing was sent: it is closing */
    heartbeat->call = NULL;
    pthread_mutex_unlock(&heartbeat->mutex);
    if (call != NULL) {
        sl_call_collect(call, heartbeat->answer);
        int64_t delay_ms =
            heartbeat->answered(heartbeat->owner, heartbeat->answer);
        sl_answers_done(heartbeat->service, heartbeat->answer, 1);
        sl_call_release(call);
        if (delay_ms >= 0 && !at_once)
            schedule_request(heartbeat, delay_ms);
    }
    unref_heartbeat(heartbeat);
}

struct sl_heartbeat *sl_heartbeat_start(struct sl_service *service,
                                        const void *request, int64_t delay_ms,
                                        sl_heartbeat_answered_fn *next,
                                        sl_heartbeat_done_fn *done, void *owner)
{
    const struct sl_capability *capability = sl_service_capability(service);
    struct sl_heartbeat *heartbeat = sl_alloc(sizeof(*heartbeat));

    heartbeat->service = service;
    heartbeat->answered = next;
    heartbeat->done = done;
    heartbeat->owner = owner;
    heartbeat->request = sl_alloc(capability->request_size);
    memcpy(heartbeat->request, request, capability->request_size);
    heartbeat->answer = sl_alloc(capability->answer_size);
    heartbeat->owners = 1;
    pthread_mutex_init(&heartbeat->mutex, NULL);
    schedule_request(heartbeat, delay_ms);
    return heartbeat;
}

void sl_heartbeat_stop(struct sl_heartbeat *heartbeat)
{
    struct sl_call *unwanted = NULL;

    if (heartbeat == NULL)
        return;
    pthread_mutex_lock(&heartbeat->mutex);
    heartbeat->stopped = true;
    if (!heartbeat->scheduling) {
        unwanted = heartbeat->call;
        heartbeat->call = NULL;
    }
    pthread_mutex_unlock(&heartbeat->mutex);
    if (unwanted != NULL)
        sl_call_release(unwanted);
    unref_heartbeat(heartbeat);
}

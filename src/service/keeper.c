/* SPDX-License-Identifier: Apache-2.0 */
#include "service/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/driver.h"

struct sl_keeper {
    struct sl_service *service;
    sl_keeper_answered_fn *answered;
    sl_keeper_done_fn *done;
    void *owner;
    void *request;
    void *answer;

    pthread_mutex_t mutex; /* of what follows */
    unsigned holders;      /* who started it, and the request on its way */
    bool stopped;
    bool scheduling;      /* call is being set */
    struct sl_call *call; /* on its way */
};

static void unref(struct sl_keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    bool last = --keeper->holders == 0;
    pthread_mutex_unlock(&keeper->mutex);
    if (!last)
        return;
    keeper->done(keeper->owner);
    pthread_mutex_destroy(&keeper->mutex);
    free(keeper->request);
    free(keeper->answer);
    free(keeper);
}

static void answered(void *context);

/* Without the mutex. */
static void schedule(struct sl_keeper *keeper, int64_t delay_ms)
{
    struct sl_call *unwanted = NULL;

    pthread_mutex_lock(&keeper->mutex);
    bool wanted = !keeper->stopped;
    keeper->scheduling = wanted;
    keeper->holders += wanted;
    pthread_mutex_unlock(&keeper->mutex);
    if (!wanted)
        return;

    const struct sl_caller caller = {.done = answered, .context = keeper};
    sl_service_call_later(keeper->service, &caller, delay_ms, keeper->request,
                          1, &keeper->call);

    pthread_mutex_lock(&keeper->mutex);
    keeper->scheduling = false;
    if (keeper->stopped) {
        unwanted = keeper->call;
        keeper->call = NULL;
    }
    pthread_mutex_unlock(&keeper->mutex);
    if (unwanted != NULL)
        sl_call_release(unwanted);
}

/* Or cancelled, and somebody else has released the call. */
static void answered(void *context)
{
    struct sl_keeper *keeper = context;

    pthread_mutex_lock(&keeper->mutex);
    struct sl_call *call = keeper->call;
    bool at_once = keeper->scheduling; /* nothing was sent: it is closing */
    keeper->call = NULL;
    pthread_mutex_unlock(&keeper->mutex);
    if (call != NULL) {
        sl_call_collect(call, keeper->answer);
        int64_t delay_ms = keeper->answered(keeper->owner, keeper->answer);
        sl_answers_done(keeper->service, keeper->answer, 1);
        sl_call_release(call);
        if (delay_ms >= 0 && !at_once)
            schedule(keeper, delay_ms);
    }
    unref(keeper);
}

struct sl_keeper *sl_keeper_start(struct sl_service *service,
                                  const void *request, int64_t delay_ms,
                                  sl_keeper_answered_fn *next,
                                  sl_keeper_done_fn *done, void *owner)
{
    const struct sl_capability *capability = sl_service_capability(service);
    struct sl_keeper *keeper = sl_alloc(sizeof(*keeper));

    keeper->service = service;
    keeper->answered = next;
    keeper->done = done;
    keeper->owner = owner;
    keeper->request = sl_alloc(capability->request_size);
    memcpy(keeper->request, request, capability->request_size);
    keeper->answer = sl_alloc(capability->answer_size);
    keeper->holders = 1;
    pthread_mutex_init(&keeper->mutex, NULL);
    schedule(keeper, delay_ms);
    return keeper;
}

void sl_keeper_stop(struct sl_keeper *keeper)
{
    struct sl_call *unwanted = NULL;

    if (keeper == NULL)
        return;
    pthread_mutex_lock(&keeper->mutex);
    keeper->stopped = true;
    if (!keeper->scheduling) {
        unwanted = keeper->call;
        keeper->call = NULL;
    }
    pthread_mutex_unlock(&keeper->mutex);
    if (unwanted != NULL)
        sl_call_release(unwanted);
    unref(keeper);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways into a service.  A call is checked once; what cannot wait is
 * answered on the caller's thread (inline.c), the rest is copied and queued
 * (call.c).
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "service/internal.h"
#include "service/limited.h"

/* The bytes that the requests which passed their check have copied. */
static size_t bytes_to_copy(const struct sl_service *service,
                            const void *requests, size_t count, void *answers)
{
    const struct sl_capability *capability = service->capability;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        if (sl_answer_at(capability, answers, i)->err.status == SL_OK)
            bytes += sl_request_bytes(capability->request_fields,
                                      sl_request_at(capability, requests, i));
    return bytes;
}

static void count_answers(struct sl_service *service,
                          const struct sl_caller *caller, const void *requests,
                          size_t count, void *answers, int64_t start)
{
    const struct sl_capability *capability = service->capability;
    struct sl_metric *metrics =
        caller->metrics != NULL ? caller->metrics : service->metrics;
    int64_t took = sl_now_ns() - start;

    for (size_t i = 0; i < count; i++)
        sl_metric_record(&metrics[sl_verb_at(capability, requests, i)],
                         sl_answer_at(capability, answers, i)->err.status,
                         took);
}

static struct sl_work_queue *work_queue_of(struct sl_service *service,
                                           const struct sl_caller *caller)
{
    return caller->session != NULL ? &caller->session->work_queue
                                   : &service->work_queue;
}

/* The call is known to its caller before it can be done. */
static void start_call(const struct sl_submission *submission,
                       struct sl_call **call)
{
    *call = sl_call_new(submission);
    sl_call_start(*call, submission->caller);
}

enum sl_call_result
sl_service_call_limited(struct sl_service *service, struct sl_caller *caller,
                        size_t answers_max, const void *requests, size_t count,
                        void *answers, struct sl_call **call)
{
    int64_t start = sl_now_ns();
    struct sl_error err;

    if (sl_service_check_requests(service, requests, count, answers, start) ||
        (caller->session == NULL &&
         sl_service_run_inline(service, caller, answers_max, requests, count,
                               answers, start))) {
        count_answers(service, caller, requests, count, answers, start);
        return SL_CALL_ANSWERED;
    }
    const struct sl_submission submission = {
        .work_queue = work_queue_of(service, caller),
        .caller = caller,
        .answers_max = answers_max,
        .requests = requests,
        .answers = answers,
        .count = count,
        .bytes = bytes_to_copy(service, requests, count, answers),
    };
    if (caller->admit != NULL &&
        caller->admit(caller, submission.bytes, &err) != SL_OK) {
        sl_answers_refuse(service, answers, count, &err);
        return SL_CALL_ANSWERED;
    }
    start_call(&submission, call);
    return SL_CALL_PENDING;
}

enum sl_call_result sl_service_call(struct sl_service *service,
                                    struct sl_caller *caller,
                                    const void *requests, size_t count,
                                    void *answers, struct sl_call **call)
{
    return sl_service_call_limited(service, caller, 0, requests, count, answers,
                                   call);
}

void sl_service_call_later(struct sl_service *service,
                           const struct sl_caller *caller, int64_t delay_ms,
                           const void *requests, size_t count,
                           struct sl_call **call)
{
    SL_CLEANUP(sl_freep)
    void *answers = sl_alloc_array(count, service->capability->answer_size);

    (void)!sl_service_check_requests(service, requests, count, answers,
                                     sl_now_ns());
    const struct sl_submission submission = {
        .work_queue = work_queue_of(service, caller),
        .caller = caller,
        .delay_ms = delay_ms,
        .requests = requests,
        .answers = answers,
        .count = count,
        .bytes = bytes_to_copy(service, requests, count, answers),
    };
    start_call(&submission, call);
}

void sl_service_submit(struct sl_service *service, struct sl_session *session,
                       const void *requests, size_t count,
                       sl_call_done_fn *done, void *context,
                       struct sl_call **call)
{
    const struct sl_caller caller = {
        .session = session, .done = done, .context = context};

    sl_service_call_later(service, &caller, 0, requests, count, call);
}

static void count_posted(void *context)
{
    struct sl_service *service = context;

    pthread_mutex_lock(&service->lock);
    if (--service->posted == 0)
        pthread_cond_broadcast(&service->unposted);
    pthread_mutex_unlock(&service->lock);
}

void sl_service_post(struct sl_service *service, struct sl_session *session,
                     const void *requests, size_t count)
{
    struct sl_call *call;

    pthread_mutex_lock(&service->lock);
    service->posted++;
    pthread_mutex_unlock(&service->lock);
    sl_service_submit(service, session, requests, count, count_posted, service,
                      &call);
    sl_call_unref(call);
}

/* --- Blocking ------------------------------------------------------------ */

struct blocked_caller {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;
};

static void wake_caller(void *context)
{
    struct blocked_caller *caller = context;

    pthread_mutex_lock(&caller->lock);
    caller->over = true;
    pthread_cond_signal(&caller->ended);
    pthread_mutex_unlock(&caller->lock);
}

enum sl_status sl_service_do(struct sl_service *service,
                             struct sl_session *session, const void *requests,
                             size_t count, void *answers)
{
    struct blocked_caller blocked = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                     .ended = PTHREAD_COND_INITIALIZER};
    struct sl_caller caller = {
        .session = session, .done = wake_caller, .context = &blocked};
    struct sl_call *call;

    if (sl_service_call(service, &caller, requests, count, answers, &call) ==
        SL_CALL_PENDING) {
        pthread_mutex_lock(&blocked.lock);
        while (!blocked.over)
            pthread_cond_wait(&blocked.ended, &blocked.lock);
        pthread_mutex_unlock(&blocked.lock);
        sl_call_collect(call, answers);
        sl_call_release(call);
    }
    return count == 0 ? SL_OK : ((struct sl_answer *)answers)->err.status;
}

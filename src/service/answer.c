/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: how a request is checked into its answer, and what a service makes
 * of the answer of a driver. */
#include <string.h>

#include "base/held.h"
#include "base/hide.h"
#include "service/check.h"
#include "service/internal.h"

static enum sl_status fail_late_check(const struct sl_service *service,
                                      struct sl_answer *answer)
{
    answer->retryable = true;
    return sl_fail(&answer->err, SL_TIMEOUT,
                   "resource \"%s\": its arguments were not checked within "
                   "%lld ms, the manifest's timeout; nothing was sent",
                   service->name, (long long)service->config->timeout_ms);
}

static enum sl_status check_one(const struct sl_service *service,
                                const void *request, struct sl_answer *answer)
{
    enum sl_status status = service->capability->check(
        service->driver, service->config, request, &answer->err);

    return status != SL_OK && sl_check_was_late()
               ? fail_late_check(service, answer)
               : status;
}

bool sl_service_check_requests(const struct sl_service *service,
                               const void *requests, size_t count,
                               void *answers, int64_t start)
{
    const struct sl_capability *capability = service->capability;
    struct sl_error err;
    size_t wrong = 0;
    bool refused = capability->check_call != NULL &&
                   capability->check_call(requests, count, &err) != SL_OK;

    sl_check_until(start + service->config->timeout_ms * 1000000);
    for (size_t i = 0; i < count; i++) {
        struct sl_answer *answer = sl_answer_at(capability, answers, i);
        capability->answer_init(answer);
        answer->refused = refused;
        if (refused)
            answer->err = err;
        else if (check_one(service, sl_request_at(capability, requests, i),
                           answer) != SL_OK)
            wrong++;
    }
    sl_check_until(SL_NEVER);
    return refused || wrong == count;
}

void sl_op_fail(struct sl_op *op, const struct sl_error *err)
{
    sl_op_answer(op)->err = *err;
}

void sl_op_reset(const struct sl_capability *capability, struct sl_op *op)
{
    capability->answer_done(op->answer);
    capability->answer_init(op->answer);
    if (op->answer_budget != NULL)
        *op->answer_budget += op->used_budget;
    op->used_budget = 0;
    op->unsent = false;
    op->retry_at = 0;
    op->position = 0;
    op->retry_if_not_first_at = 0;
    op->unfinished = false;
    op->changed = false;
    op->full = false;
    op->broken = false;
}

/* Not the guest's doing: whoever reads it wants to know which resource. */
static bool is_of_service(enum sl_status status)
{
    return status == SL_UNAVAILABLE || status == SL_TIMEOUT ||
           status == SL_RESOURCE_EXHAUSTED || status == SL_CANCELLED ||
           status == SL_UNAUTHENTICATED || status == SL_PERMISSION_DENIED ||
           status == SL_INTERNAL;
}

bool sl_service_may_repeat(const struct sl_service *service,
                           const struct sl_op *op)
{
    enum sl_status status = sl_op_answer(op)->err.status;

    if (status == SL_RESOURCE_EXHAUSTED)
        return op->unsent && !op->full;
    return (status == SL_UNAVAILABLE || status == SL_TIMEOUT) &&
           (op->unsent ||
            service->capability->is_repeatable(service->config, op->request));
}

/* Nothing is known of what the service did. */
static bool is_open_end(enum sl_status status)
{
    return status == SL_UNAVAILABLE || status == SL_TIMEOUT;
}

bool sl_service_is_harmless(const struct sl_service *service,
                            const void *request)
{
    const struct sl_capability *capability = service->capability;

    return capability->is_repeatable(service->config, request) ||
           (capability->is_harmless != NULL &&
            capability->is_harmless(request));
}

size_t sl_service_answer_budget(const struct sl_service *service,
                                size_t answers_max, size_t count,
                                bool *of_caller)
{
    size_t budget = service->capability->answer_budget(service->config, count);

    *of_caller = answers_max > 0 && answers_max < budget;
    return *of_caller ? answers_max : budget;
}

/* A small one is not worth it: it is copied at once. */
enum { COUNTED_MIN = 1024 };

static void count_answer(const struct sl_capability *capability,
                         const struct sl_op *op)
{
    size_t bytes = 0;

    if (op->answers_held == NULL || capability->answer_memory == NULL)
        return;
    struct sl_held *memory = capability->answer_memory(op->answer, &bytes);
    if (bytes > COUNTED_MIN)
        sl_held_count(memory, bytes, op->answers_held);
}

/* Behind the limit that the capability names. */
static void explain_limit(struct sl_error *err)
{
    static const char why[] = "; or what the component holds leaves no room in "
                              "its host-memory";
    size_t len = strlen(err->message);

    if (len + sizeof(why) <= sizeof(err->message))
        memcpy(err->message + len, why, sizeof(why));
}

void sl_service_finish_op(struct sl_service *service, struct sl_op *op)
{
    struct sl_answer *answer = sl_op_answer(op);

    sl_health_see(service, op);
    if (service->capability->finish != NULL)
        service->capability->finish(service->config, answer);
    count_answer(service->capability, op);
    if (op->caller_limits_answer && answer->err.status == SL_TOO_LARGE)
        explain_limit(&answer->err);
    answer->retryable = answer->retryable ||
                        sl_service_may_repeat(service, op) ||
                        (is_open_end(answer->err.status) &&
                         sl_service_is_harmless(service, op->request));
    if (is_of_service(answer->err.status) || op->full)
        sl_fail_in(&answer->err, "resource \"%s\"", service->name);
    if (answer->err.status != SL_OK)
        sl_hide(service->config->hidden, &answer->err);
}

bool sl_connection_is_over(struct sl_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum sl_status status = sl_op_answer(ops[i])->err.status;
        if (status == SL_UNAVAILABLE || status == SL_TIMEOUT || ops[i]->broken)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: how a request is checked into its answer, and what a service makes
 * of the answer of a driver. */
#include "base/hide.h"
#include "service/internal.h"

bool sl_service_check_requests(const struct sl_service *service,
                               const void *requests, size_t count,
                               void *answers)
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

void sl_op_fail(struct sl_op *op, const struct sl_error *err)
{
    sl_op_answer(op)->err = *err;
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

void sl_service_finish_op(struct sl_service *service, struct sl_op *op)
{
    struct sl_answer *answer = sl_op_answer(op);

    sl_health_see(service, op);
    if (service->capability->finish != NULL)
        service->capability->finish(service->config, answer);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that cannot wait: run at once on the caller's thread, with a connection
 * that is kept for that.
 */
#include "service/internal.h"

/* Each thread has a slot where it looks first, so that they seldom meet. */
static unsigned first_slot(void)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1);
    return mine % SL_SERVICE_INLINE_SLOTS;
}

static enum sl_status take_connection(struct sl_service *service,
                                      sl_deadline deadline, void **connection,
                                      struct sl_error *err)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        *connection = atomic_exchange_explicit(
            &service->slots[(first + i) % SL_SERVICE_INLINE_SLOTS], NULL,
            memory_order_acquire);
        if (*connection != NULL)
            return SL_OK;
    }
    return sl_service_connect(service, deadline, connection, err);
}

static void give_connection(struct sl_service *service, void *connection)
{
    unsigned first = first_slot();

    for (unsigned i = 0; i < SL_SERVICE_INLINE_SLOTS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(
                &service->slots[(first + i) % SL_SERVICE_INLINE_SLOTS], &none,
                connection, memory_order_release, memory_order_relaxed))
            return;
    }
    service->driver->close(connection);
}

static void run_ops(struct sl_service *service, struct sl_op *ops[],
                    size_t count)
{
    struct sl_error err;
    void *connection = NULL;

    if (take_connection(service, ops[0]->deadline, &connection, &err) !=
        SL_OK) {
        for (size_t i = 0; i < count; i++) {
            ops[i]->unsent = true;
            sl_op_fail(ops[i], &err);
        }
        return;
    }
    service->driver->run(connection, ops, count);
    for (size_t i = 0; i < count; i++)
        sl_service_report_notices(service, ops[i]);
    if (sl_connection_is_over(ops, count))
        service->driver->close(connection);
    else
        give_connection(service, connection);
}

/* False where one of them takes too long here. */
static bool finish_ops(struct sl_service *service, struct sl_op ops[],
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].too_long)
            return false;
    for (size_t i = 0; i < count; i++)
        sl_service_finish_op(service, &ops[i]);
    return true;
}

/* Run those that passed the checks, a few at a time. */
static bool run_in_batches(struct sl_service *service,
                           const struct sl_caller *caller, size_t answers_max,
                           const void *requests, size_t count, void *answers,
                           int64_t start)
{
    enum { AT_ONCE = 16 };
    const struct sl_capability *capability = service->capability;
    struct sl_op ops[AT_ONCE], *batch[AT_ONCE];
    bool has_budget = capability->answer_budget != NULL;
    bool of_caller = false;
    size_t budget = has_budget ? sl_service_answer_budget(service, answers_max,
                                                          count, &of_caller)
                               : 0;
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
                .answer_budget = has_budget ? &budget : NULL,
                .answers_held = caller->held,
                .caller_limits_answer = of_caller,
                .in_place = true,
            };
            batch[filled] = &ops[filled];
            filled++;
        }
        if (filled > 0)
            run_ops(service, batch, filled);
        if (!finish_ops(service, ops, filled))
            return false;
    }
    return true;
}

/* Whether the driver can do all that passed the checks without waiting. */
static bool can_run_inline(const struct sl_service *service,
                           const void *requests, size_t count, void *answers)
{
    const struct sl_capability *capability = service->capability;
    unsigned verbs = service->driver->inline_verbs;

    for (size_t i = 0; verbs != 0 && i < count; i++)
        if (sl_answer_at(capability, answers, i)->err.status == SL_OK &&
            (verbs & (1U << sl_verb_at(capability, requests, i))) == 0)
            return false;
    return verbs != 0;
}

bool sl_service_run_inline(struct sl_service *service,
                           const struct sl_caller *caller, size_t answers_max,
                           const void *requests, size_t count, void *answers,
                           int64_t start)
{
    if (!can_run_inline(service, requests, count, answers))
        return false;
    if (run_in_batches(service, caller, answers_max, requests, count, answers,
                       start))
        return true;
    /* What was answered is thrown away: all of it is to be queued. */
    sl_answers_done(service, answers, count);
    (void)!sl_service_check_requests(service, requests, count, answers, start);
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queued call: copied, run in a batch with others (lane.c), parked while it
 * waits for a change, repeated where that is safe, completed once.
 *
 * A call has two owners, its caller and the queue; whoever is last frees it.
 * Until the call is done its fields are the queue's, all but `cancelled`.
 *
 * A call that is not answered by its deadline expires: its caller is told so,
 * and the queue has it for itself until the driver is back.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/internal.h"

/* --- Making one --------------------------------------------------------- */

static size_t align_size(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/*
 * Room for a call and its bytes.  A guest chose how many bytes: without memory
 * for them there is a call without, and *fits is false.
 */
static struct sl_call *call_alloc(const struct sl_capability *capability,
                                  size_t count, size_t bytes, bool *fits,
                                  uint8_t **tail)
{
    const size_t answers = align_size(sizeof(struct sl_call));
    const size_t requests =
        answers + align_size(count * capability->answer_size);
    const size_t ops = requests + align_size(count * capability->request_size);
    const size_t finished = ops + align_size(count * sizeof(struct sl_op));
    const size_t fixed = finished + align_size(count * sizeof(bool));
    uint8_t *block = malloc(fixed + bytes);

    *fits = block != NULL;
    if (!*fits)
        block = sl_alloc(fixed);
    struct sl_call *call = (struct sl_call *)(void *)block;
    *call = (struct sl_call){.count = count};
    call->answers = block + answers;
    call->requests = block + requests;
    call->ops = (struct sl_op *)(void *)(block + ops);
    call->finished = (bool *)(block + finished);
    *tail = block + fixed;
    return call;
}

/* What failed its check is never copied: it may be larger than is allowed. */
static void add_request(struct sl_call *call, size_t i, const void *request,
                        uint8_t **tail)
{
    const struct sl_service *service = call->work_queue->service;
    const struct sl_capability *capability = service->capability;
    struct sl_answer *answer = sl_answer_at(capability, call->answers, i);
    void *copy = (char *)call->requests + i * capability->request_size;

    call->ops[i] = (struct sl_op){.config = service->config,
                                  .request = copy,
                                  .answer = answer,
                                  .deadline = call->deadline};
    if (capability->answer_budget != NULL)
        call->ops[i].answer_budget = &call->answer_budget;
    call->finished[i] = answer->err.status != SL_OK;
    memcpy(copy, request, capability->request_size);
    if (!call->finished[i])
        sl_request_copy(capability->request_fields, copy, tail);
}

/* From start on: how long it may wait, and take. */
static void set_times(struct sl_call *call, int64_t start)
{
    const struct sl_service *service = call->work_queue->service;
    const struct sl_capability *capability = service->capability;
    int64_t wait_ms = 0;

    if (call->count == 1 && capability->wait_ms != NULL && !call->finished[0])
        wait_ms = capability->wait_ms(service->config, call->requests);
    if (wait_ms > 0 && capability->wait_keys != NULL)
        capability->wait_keys(call->requests, &call->task.change_key,
                              &call->task.wait_queue_id);
    call->start = start;
    call->wait_until = wait_ms > 0 ? start + wait_ms * 1000000 : 0;
    call->deadline = start + (wait_ms + service->config->timeout_ms) * 1000000;
    call->task.answer_by = call->deadline;
    for (size_t i = 0; i < call->count; i++) {
        call->ops[i].deadline = call->deadline;
        call->ops[i].wait_until = call->wait_until;
    }
}

/* Always taken, for max-queued counts them: what commits or gives back. */
enum { SMALL_CALL = 4096 };

/* Whether a guest's call of so many bytes may be copied beside the others. */
static bool hold_bytes(struct sl_service *service, size_t bytes,
                       struct sl_error *err)
{
    uint64_t most = (uint64_t)service->config->max_queued_bytes;
    uint64_t before = atomic_fetch_add(&service->held, bytes);

    if (before == 0 || before + bytes <= most || bytes <= SMALL_CALL)
        return true;
    atomic_fetch_sub(&service->held, bytes);
    sl_fail(err, SL_RESOURCE_EXHAUSTED,
            "the calls that wait for it hold %" PRIu64
            " bytes, and with %zu more passed max-queued-bytes, which is "
            "%" PRIu64,
            before, bytes, most);
    sl_fail_in(err, "resource \"%s\"", service->name);
    return false;
}

/* Take over what the checks have said, and refuse the rest because of err. */
static void add_requests(struct sl_call *call,
                         const struct sl_submission *submission, uint8_t *tail,
                         const struct sl_error *err, bool retryable)
{
    const struct sl_capability *capability =
        call->work_queue->service->capability;

    for (size_t i = 0; i < call->count; i++) {
        const struct sl_answer *checked =
            sl_answer_at(capability, submission->answers, i);
        struct sl_answer *answer = sl_answer_at(capability, call->answers, i);
        capability->answer_init(answer);
        answer->refused = checked->refused;
        if (checked->err.status != SL_OK) {
            answer->err = checked->err;
        } else if (err->status != SL_OK) {
            answer->err = *err;
            answer->retryable = retryable;
        }
        add_request(call, i, sl_request_at(capability, submission->requests, i),
                    &tail);
    }
}

static void set_caller(struct sl_call *call, const struct sl_caller *caller)
{
    call->done = caller->done;
    call->context = caller->context;
    call->metrics = caller->metrics != NULL
                        ? caller->metrics
                        : call->work_queue->service->metrics;
    for (size_t i = 0; i < call->count; i++) {
        call->ops[i].owner = caller->owner;
        call->ops[i].dead_letters = caller->dead_letters;
        call->ops[i].answers_held = caller->held;
    }
}

struct sl_call *sl_call_new(const struct sl_submission *submission)
{
    struct sl_service *service = submission->work_queue->service;
    _Atomic uint64_t *held = submission->caller->held;
    size_t bytes = submission->bytes;
    struct sl_error err = {.status = SL_OK};
    bool fits;
    uint8_t *tail;
    bool has_room = held == NULL || hold_bytes(service, bytes, &err);

    struct sl_call *call = call_alloc(service->capability, submission->count,
                                      has_room ? bytes : 0, &fits, &tail);
    if (!fits)
        sl_fail(&err, SL_TOO_LARGE, "no memory for a call of %zu bytes", bytes);
    if (held != NULL && has_room) {
        call->held = held;
        call->bytes = bytes;
        atomic_fetch_add_explicit(held, bytes, memory_order_relaxed);
    }
    call->work_queue = submission->work_queue;
    atomic_fetch_add(&service->owners, 1);
    call->owners = 2;
    call->tries = 1;
    bool of_caller = false;
    if (service->capability->answer_budget != NULL)
        call->answer_budget = sl_service_answer_budget(
            service, submission->answers_max, call->count, &of_caller);
    add_requests(call, submission, tail, &err, !has_room);
    set_caller(call, submission->caller);
    for (size_t i = 0; i < call->count; i++)
        call->ops[i].caller_limits_answer = of_caller;
    set_times(call, sl_now_ns() + submission->delay_ms * 1000000);
    call->delayed = submission->delay_ms > 0;
    return call;
}

static bool is_expired(struct sl_call *call)
{
    return atomic_load(&call->phase) == SL_PHASE_EXPIRED;
}

/* What nobody is going to read is given back. */
static void discard_answers(struct sl_call *call)
{
    struct sl_service *service = call->work_queue->service;
    const struct sl_capability *capability = service->capability;
    bool expired = is_expired(call);

    for (size_t i = 0; i < call->count && capability->discard != NULL; i++) {
        struct sl_answer *answer = sl_answer_at(capability, call->answers, i);
        bool collected = call->collected && (call->finished[i] || !expired);
        if (answer->err.status == SL_OK && !collected)
            capability->discard(service, call->ops[i].request, answer);
    }
}

void sl_call_unref(struct sl_call *call)
{
    struct sl_service *service = call->work_queue->service;

    if (atomic_fetch_sub(&call->owners, 1) > 1)
        return;
    discard_answers(call);
    sl_answers_done(service, call->answers, call->count);
    if (call->held != NULL) {
        atomic_fetch_sub_explicit(call->held, call->bytes,
                                  memory_order_relaxed);
        atomic_fetch_sub(&service->held, call->bytes);
    }
    free(call);
    sl_service_unref(service);
}

/* --- Ending one --------------------------------------------------------- */

/* False where it expired before. */
static bool begin_settling(struct sl_call *call)
{
    int pending = SL_PHASE_PENDING;

    return atomic_compare_exchange_strong(&call->phase, &pending,
                                          SL_PHASE_SETTLING);
}

/* Every op is finished. */
static void complete_call(struct sl_call *call)
{
    if (call->done != NULL)
        call->done(call->context);
    sl_call_unref(call);
}

static void count_op(const struct sl_call *call, size_t i)
{
    const struct sl_op *op = &call->ops[i];

    sl_metric_record(&call->metrics[sl_op_verb(op)],
                     sl_op_answer(op)->err.status, sl_now_ns() - call->start);
}

static void finish_op(struct sl_call *call, size_t i)
{
    call->finished[i] = true;
    sl_service_finish_op(call->work_queue->service, &call->ops[i]);
    count_op(call, i);
}

/* --- Being late --------------------------------------------------------- */

void sl_call_hold(struct sl_call *call)
{
    atomic_fetch_add(&call->owners, 1);
}

/* What the caller of an expired call gets for what was not finished. */
static void fill_late(const struct sl_call *call, size_t i,
                      struct sl_answer *answer)
{
    const struct sl_service *service = call->work_queue->service;
    long long timeout_ms = (long long)service->config->timeout_ms;

    service->capability->answer_init(answer);
    if (call->expired_running)
        sl_fail(&answer->err, SL_TIMEOUT,
                "no answer in time: it did not answer within %lld ms, the "
                "manifest's timeout, and did not end what it does either",
                timeout_ms);
    else
        sl_fail(&answer->err, SL_TIMEOUT,
                "waited %lld ms for a connection, as long as the "
                "manifest's timeout allows",
                timeout_ms);
    answer->retryable = !call->expired_running ||
                        sl_service_is_harmless(service, call->ops[i].request);
    sl_fail_in(&answer->err, "resource \"%s\"", service->name);
}

void sl_call_late(struct sl_call *call, bool running)
{
    int pending = SL_PHASE_PENDING;

    if (atomic_compare_exchange_strong(&call->phase, &pending,
                                       SL_PHASE_EXPIRED)) {
        call->expired_running = running;
        for (size_t i = 0; i < call->count; i++)
            if (!call->finished[i])
                sl_metric_record(&call->metrics[sl_op_verb(&call->ops[i])],
                                 SL_TIMEOUT, sl_now_ns() - call->start);
        if (call->done != NULL)
            call->done(call->context);
    }
    sl_call_unref(call);
}

/* The queue is done with a call that expired.  finished is the caller's to read
 * by now, and stays as it is. */
static void end_expired(struct sl_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (!call->finished[i])
            sl_service_finish_op(call->work_queue->service, &call->ops[i]);
    sl_call_unref(call);
}

void sl_call_finish_unsent(struct sl_call *call, const struct sl_error *err)
{
    bool expired = !begin_settling(call);

    if (expired) {
        for (size_t i = 0; i < call->count; i++)
            if (!call->finished[i])
                sl_op_fail(&call->ops[i], err);
        end_expired(call);
        return;
    }
    for (size_t i = 0; i < call->count; i++) {
        if (call->finished[i])
            continue;
        call->ops[i].unsent = true;
        sl_op_fail(&call->ops[i], err);
        finish_op(call, i);
    }
    complete_call(call);
}

/* --- Repeating ---------------------------------------------------------- */

/* Exponential backoff with full jitter, in nanoseconds. */
static int64_t pause_ns(const struct sl_service_config *config, int64_t tries)
{
    int64_t most = config->retry_backoff_ms;

    for (int64_t i = 1; i < tries && most < 60000; i++)
        most *= 2;
    return (int64_t)arc4random_uniform((uint32_t)most * 1000 + 1) * 1000;
}

/* A session's connection cannot be replaced: its calls are tried once. */
static bool wants_repeat(const struct sl_call *call, size_t i)
{
    const struct sl_service *service = call->work_queue->service;

    return call->work_queue == &service->work_queue &&
           sl_op_answer(&call->ops[i])->err.status != SL_OK &&
           sl_service_may_repeat(service, &call->ops[i]);
}

/* When to try again what failed; 0: not at all. */
static sl_deadline next_try(const struct sl_call *call)
{
    const struct sl_service_config *config = call->work_queue->service->config;

    if (call->tries >= config->retry_attempts || atomic_load(&call->cancelled))
        return 0;
    sl_deadline when = sl_now_ns() + pause_ns(config, call->tries);
    return when < call->deadline ? when : 0;
}

static void queue_again(struct sl_call *call, sl_deadline when, bool waits)
{
    const struct sl_capability *capability =
        call->work_queue->service->capability;

    for (size_t i = 0; i < call->count; i++) {
        if (!call->finished[i])
            sl_op_reset(capability, &call->ops[i]);
    }
    call->task.waits = waits;
    atomic_store(&call->phase, SL_PHASE_PENDING);
    sl_queue_submit_at(call->work_queue->queue, &call->task, when);
}

/* Whether to look again for what did not come yet.  Of a call that was
 * cancelled meanwhile, `add` lets the driver know. */
static bool waits_on(struct sl_call *call)
{
    const struct sl_op *op = &call->ops[0];
    sl_deadline when = op->retry_at;

    if (call->wait_until == 0 || call->finished[0] || when == 0)
        return false;
    call->task.head_due = when;
    if (op->retry_if_not_first_at != 0)
        when = op->retry_if_not_first_at;
    if (when > call->wait_until)
        when = call->wait_until;
    if (op->position != 0 || op->waiter_id != 0)
        call->task.position = op->position != 0 ? op->position : op->waiter_id;
    queue_again(call, when, true);
    return true;
}

/* Whether its only op goes on; one that is out of time is told so. */
static bool goes_on(const struct sl_call *call)
{
    struct sl_op *op = &call->ops[0];

    if (call->count != 1 || call->finished[0] || !op->unfinished)
        return false;
    if (!sl_deadline_passed(call->deadline))
        return true;
    op->unsent = true; /* a repeat goes on where this one was */
    sl_fail(&sl_op_answer(op)->err, SL_TIMEOUT,
            "not all that there is could be looked at within the manifest's "
            "timeout; call again to go on");
    return false;
}

void sl_call_settle(struct sl_call *call)
{
    sl_deadline again = 0;
    size_t repeats = 0;

    if (!begin_settling(call)) {
        end_expired(call);
        return;
    }
    if (goes_on(call)) {
        queue_again(call, 0, false);
        return;
    }
    if (waits_on(call))
        return;
    for (size_t i = 0; i < call->count; i++) {
        if (call->finished[i])
            continue;
        if (wants_repeat(call, i) && (again != 0 || repeats == 0)) {
            if (repeats == 0)
                again = next_try(call);
            repeats++;
            if (again != 0)
                continue;
        }
        finish_op(call, i);
    }
    if (again == 0) {
        complete_call(call);
        return;
    }
    call->tries++;
    queue_again(call, again, false);
}

/* --- Beginning one ------------------------------------------------------- */

/* On the caller's thread, where that may be kept so long. */
static bool run_on_caller(struct sl_call *call, const struct sl_caller *caller)
{
    const struct sl_work_queue *work_queue = call->work_queue;

    if (!work_queue->service->driver->blocking_safe ||
        caller->free_until < call->deadline)
        return false;
    sl_block_in(caller->block);
    bool ran =
        sl_queue_run_inline(work_queue->queue, &call->task, call->task.weight);
    sl_block_in(NULL);
    return ran;
}

void sl_call_start(struct sl_call *call, const struct sl_caller *caller)
{
    struct sl_queue *queue = call->work_queue->queue;
    struct sl_error err;
    unsigned weight = 0;

    for (size_t i = 0; i < call->count; i++) {
        if (call->finished[i])
            count_op(call, i);
        else
            weight++;
    }
    call->task.weight = weight;
    if (weight == 0)
        complete_call(call);
    else if (call->delayed)
        sl_queue_submit_at(queue, &call->task, call->start);
    else if (!run_on_caller(call, caller) &&
             sl_queue_submit(queue, &call->task, weight, &err) != SL_OK)
        sl_call_finish_unsent(call, &err);
}

/* --- Its caller's side --------------------------------------------------- */

void sl_call_collect(struct sl_call *call, void *answers)
{
    const struct sl_capability *capability =
        call->work_queue->service->capability;
    bool expired = is_expired(call);

    call->collected = true;
    for (size_t i = 0; i < call->count; i++) {
        struct sl_answer *to = sl_answer_at(capability, answers, i);
        if (expired && !call->finished[i]) {
            fill_late(call, i, to);
            continue;
        }
        void *from = sl_answer_at(capability, call->answers, i);
        memcpy(to, from, capability->answer_size);
        capability->answer_init(from); /* handed over */
    }
}

void sl_call_release(struct sl_call *call)
{
    atomic_store(&call->cancelled, true);
    /* It may be parked for long. */
    if ((call->wait_until != 0 || call->delayed) &&
        atomic_load(&call->owners) > 1)
        sl_queue_make_due(call->work_queue->queue, &call->task);
    sl_call_unref(call);
}

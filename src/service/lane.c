/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lane does with its queue's tasks: calls become batches of ops, which
 * the driver runs with a state; between sessions a state is put in order.
 */
#include <stdlib.h>

#include "base/log.h"
#include "service/internal.h"

/* The ops that one run of the driver gets. */
struct batch {
    struct sl_lane *lane;
    void **state;
    void *over;                           /* a state to be closed */
    uint64_t changed[SL_QUEUE_BATCH_MAX]; /* what ops are about that set it */
    size_t changed_count;
    struct sl_op *ops[SL_QUEUE_BATCH_MAX];
    size_t count;
    const struct sl_call *calls[SL_QUEUE_BATCH_MAX]; /* that have ops in it */
    size_t call_count;
};

static enum sl_status open_state(struct batch *batch, struct sl_error *err)
{
    struct sl_service *service = batch->lane->service;
    sl_deadline soonest = SL_NEVER;

    if (*batch->state != NULL)
        return SL_OK;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ops[i]->deadline < soonest)
            soonest = batch->ops[i]->deadline;
    return sl_service_open_state(service, soonest, batch->state, err);
}

static void close_over(struct batch *batch)
{
    if (batch->over != NULL)
        batch->lane->service->driver->close(batch->over);
    batch->over = NULL;
}

/*
 * A session's user was told that a call is over which was not: what it did must
 * not become part of what comes next.
 */
static bool session_is_lost(const struct batch *batch)
{
    for (size_t i = 0; i < batch->call_count; i++)
        if (atomic_load(&batch->calls[i]->phase) == SL_PHASE_EXPIRED)
            return batch->lane != &batch->lane->service->lane;
    return false;
}

/*
 * Of those that wait for what op is about, the first is run: where op has
 * changed that, and where it waited itself, was perhaps woken, and did not take
 * what there is.
 */
static void note_change(struct batch *batch, const struct sl_op *op)
{
    const struct sl_capability *capability = batch->lane->service->capability;
    bool passes_on = op->wait_until != 0 && op->again_at == 0 &&
                     sl_op_answer(op)->err.status != SL_OK;
    uint64_t line;

    if ((!op->changed && !passes_on) ||
        batch->changed_count == SL_QUEUE_BATCH_MAX)
        return;
    uint64_t *about = &batch->changed[batch->changed_count++];
    *about = 0;
    if (capability->lines != NULL)
        capability->lines(op->request, about, &line);
}

static void flush(struct batch *batch)
{
    const struct sl_driver *driver = batch->lane->service->driver;
    struct sl_error err;

    if (batch->count == 0)
        return;
    if (open_state(batch, &err) == SL_OK) {
        driver->run(*batch->state, batch->ops, batch->count);
        if (sl_state_is_over(batch->ops, batch->count) ||
            session_is_lost(batch)) {
            close_over(batch);
            batch->over = *batch->state;
            *batch->state = NULL;
        }
    } else {
        for (size_t i = 0; i < batch->count; i++) {
            batch->ops[i]->not_sent = true;
            sl_op_fail(batch->ops[i], &err);
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        note_change(batch, batch->ops[i]);
        sl_service_tell(batch->lane->service, batch->ops[i]);
    }
    batch->count = 0;
    batch->call_count = 0;
}

static void give_up(struct batch *batch, struct sl_op *op)
{
    const struct sl_driver *driver = batch->lane->service->driver;

    if (op->ticket != 0 && driver->forget != NULL && *batch->state != NULL)
        driver->forget(*batch->state, op);
}

/* Put what is left of a call into batches, unless it is too late for it. */
static void add(struct batch *batch, struct sl_call *call)
{
    const struct sl_service *service = batch->lane->service;
    enum sl_status late = SL_OK;

    if (atomic_load(&call->cancelled) ||
        atomic_load(&call->phase) == SL_PHASE_EXPIRED)
        late = SL_UNAVAILABLE; /* nobody reads it */
    else if (sl_deadline_passed(call->deadline))
        late = SL_TIMEOUT;
    for (size_t i = 0; i < call->count; i++) {
        struct sl_op *op = &call->ops[i];
        if (call->finished[i])
            continue;
        if (late != SL_OK) {
            give_up(batch, op);
            op->not_sent = true;
            sl_fail(&sl_op_answer(op)->err, late,
                    "waited %lld ms for a connection, as long as the "
                    "manifest's timeout allows",
                    (long long)service->config->timeout_ms);
            note_change(batch, op);
            continue;
        }
        if (batch->call_count == 0 ||
            batch->calls[batch->call_count - 1] != call)
            batch->calls[batch->call_count++] = call;
        batch->ops[batch->count++] = op;
        if (batch->count == service->driver->max_batch)
            flush(batch);
    }
}

static void run_tasks(void *context, void **state,
                      struct sl_task *const tasks[], size_t count)
{
    struct batch batch;

    batch.lane = context;
    batch.state = state;
    batch.over = NULL;
    batch.changed_count = 0;
    batch.count = 0;
    batch.call_count = 0;
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->kind == SL_TASK_CALL) {
            add(&batch, (struct sl_call *)tasks[i]);
        } else {
            flush(&batch);
            sl_session_run_end(batch.lane, state);
        }
    flush(&batch);
    /* Whoever is answered may ask again at once. */
    sl_queue_release(batch.lane->queue, state);
    if (batch.changed_count > 0)
        sl_queue_changed(batch.lane->service->lane.queue, batch.changed,
                         batch.changed_count);
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->kind == SL_TASK_CALL)
            sl_call_settle((struct sl_call *)tasks[i]);
        else
            free(tasks[i]);
    close_over(&batch);
}

static bool idle(void *context, void **state)
{
    const struct sl_lane *lane = context;

    return *state != NULL && lane->service->driver->idle(*state);
}

static bool changed(void *context, void **state)
{
    const struct sl_lane *lane = context;

    /* Without a state nothing was looked at yet. */
    return *state == NULL || lane->service->driver->changed(*state);
}

static void close_state(void *context, void *state)
{
    const struct sl_lane *lane = context;

    lane->service->driver->close(state);
}

static void drop(void *context, struct sl_task *task,
                 const struct sl_error *why)
{
    (void)context;
    if (task->kind == SL_TASK_END)
        free(task);
    else
        sl_call_finish_unsent((struct sl_call *)task, why);
}

/* Only calls have a time by which they must be answered. */
static void hold(void *context, struct sl_task *task)
{
    (void)context;
    sl_call_hold((struct sl_call *)task);
}

static void late(void *context, struct sl_task *task, bool running)
{
    (void)context;
    sl_call_late((struct sl_call *)task, running);
}

static void stuck(void *context, bool is_stuck)
{
    struct sl_lane *lane = context;
    struct sl_service *service = lane->service;

    if (lane != &service->lane)
        sl_session_set_stuck(lane, is_stuck);
    if (is_stuck)
        sl_log(SL_LOG_WARN, "connection-stuck",
               SL_FIELD_STRING("resource", service->name),
               SL_FIELD_STRING("type", service->driver->name));
}

struct sl_queue *sl_lane_queue(struct sl_lane *lane, unsigned workers,
                               unsigned max_stuck)
{
#define ALWAYS                                                                 \
    .run = run_tasks, .close = close_state, .drop = drop, .hold = hold,        \
    .late = late, .stuck = stuck
    /* With idle or without, with changed or without. */
    static const struct sl_queue_ops ops[2][2] = {
        {{ALWAYS}, {ALWAYS, .changed = changed}},
        {{ALWAYS, .idle = idle}, {ALWAYS, .idle = idle, .changed = changed}},
    };
#undef ALWAYS
    const struct sl_driver *driver = lane->service->driver;
    const struct sl_queue_config config = {
        .workers = workers,
        .max_weight = driver->max_batch,
        .max_queued = (unsigned)lane->service->config->max_queued,
        .poll_ms = SL_SERVICE_POLL_MS,
        .timeout_ms = (unsigned)lane->service->config->timeout_ms,
        .max_stuck = max_stuck,
    };

    return sl_queue_new(
        &config, &ops[driver->idle != NULL][driver->changed != NULL], lane);
}

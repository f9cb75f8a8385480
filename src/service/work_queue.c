/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a work queue does with its tasks.  Calls become batches of ops, which
 * the driver runs with a connection; after a session its connection is reset.
 */
#include <stdlib.h>

#include "base/log.h"
#include "service/internal.h"

/* The ops that one run of the driver gets. */
struct batch {
    struct sl_work_queue *work_queue;
    void **connection;
    void *broken;                             /* a connection to be closed */
    uint64_t change_keys[SL_QUEUE_BATCH_MAX]; /* what ops are change_key that
                                                 set it */
    size_t change_count;
    struct sl_op *ops[SL_QUEUE_BATCH_MAX];
    size_t count;
    const struct sl_call *calls[SL_QUEUE_BATCH_MAX]; /* that have ops in it */
    size_t call_count;
};

static enum sl_status connect_batch(struct batch *batch, struct sl_error *err)
{
    struct sl_service *service = batch->work_queue->service;
    sl_deadline soonest = SL_NEVER;

    if (*batch->connection != NULL)
        return SL_OK;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ops[i]->deadline < soonest)
            soonest = batch->ops[i]->deadline;
    return sl_service_connect(service, soonest, batch->connection, err);
}

static void close_broken(struct batch *batch)
{
    if (batch->broken != NULL)
        batch->work_queue->service->driver->close(batch->broken);
    batch->broken = NULL;
}

/*
 * A call of a session expired while it ran: its effects must not become part of
 * what the session does next.
 */
static bool session_is_lost(const struct batch *batch)
{
    for (size_t i = 0; i < batch->call_count; i++)
        if (atomic_load(&batch->calls[i]->phase) == SL_PHASE_EXPIRED)
            return batch->work_queue != &batch->work_queue->service->work_queue;
    return false;
}

/*
 * The first op that waits with the same key runs if this op changed something.
 * So it does if this op waited, was perhaps woken, and took nothing.
 */
static void add_change(struct batch *batch, const struct sl_op *op)
{
    const struct sl_capability *capability =
        batch->work_queue->service->capability;
    bool passes_on = op->wait_until != 0 && op->retry_at == 0 &&
                     sl_op_answer(op)->err.status != SL_OK;
    uint64_t wait_queue;

    if ((!op->changed && !passes_on) ||
        batch->change_count == SL_QUEUE_BATCH_MAX)
        return;
    uint64_t *change_key = &batch->change_keys[batch->change_count++];
    *change_key = 0;
    if (capability->wait_keys != NULL)
        capability->wait_keys(op->request, change_key, &wait_queue);
}

static void flush_batch(struct batch *batch)
{
    const struct sl_driver *driver = batch->work_queue->service->driver;
    struct sl_error err;

    if (batch->count == 0)
        return;
    if (connect_batch(batch, &err) == SL_OK) {
        driver->run(*batch->connection, batch->ops, batch->count);
        if (sl_connection_is_over(batch->ops, batch->count) ||
            session_is_lost(batch)) {
            close_broken(batch);
            batch->broken = *batch->connection;
            *batch->connection = NULL;
        }
    } else {
        for (size_t i = 0; i < batch->count; i++) {
            batch->ops[i]->unsent = true;
            sl_op_fail(batch->ops[i], &err);
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        add_change(batch, batch->ops[i]);
        sl_service_report_notices(batch->work_queue->service, batch->ops[i]);
    }
    batch->count = 0;
    batch->call_count = 0;
}

static void forget_waiter(struct batch *batch, struct sl_op *op)
{
    const struct sl_driver *driver = batch->work_queue->service->driver;

    if (op->waiter_id != 0 && driver->forget != NULL &&
        *batch->connection != NULL)
        driver->forget(*batch->connection, op);
}

static void fail_late(const struct sl_service *service, struct sl_op *op,
                      enum sl_status late)
{
    if (late == SL_CANCELLED)
        sl_fail(&sl_op_answer(op)->err, late,
                "given up before it was sent: the component has ended");
    else
        sl_fail(&sl_op_answer(op)->err, late,
                "waited %lld ms for a connection, as long as the "
                "manifest's timeout allows",
                (long long)service->config->timeout_ms);
}

/* Put the unfinished ops of a call into batches, unless it is too late. */
static void add_call(struct batch *batch, struct sl_call *call)
{
    const struct sl_service *service = batch->work_queue->service;
    enum sl_status late = SL_OK;

    if (atomic_load(&call->cancelled))
        late = SL_CANCELLED; /* nobody reads it, but the metrics */
    else if (atomic_load(&call->phase) == SL_PHASE_EXPIRED)
        late = SL_UNAVAILABLE; /* nobody reads it */
    else if (sl_deadline_passed(call->deadline))
        late = SL_TIMEOUT;
    for (size_t i = 0; i < call->count; i++) {
        struct sl_op *op = &call->ops[i];
        if (call->finished[i])
            continue;
        if (late != SL_OK) {
            forget_waiter(batch, op);
            op->unsent = true;
            fail_late(service, op, late);
            add_change(batch, op);
            continue;
        }
        if (batch->call_count == 0 ||
            batch->calls[batch->call_count - 1] != call)
            batch->calls[batch->call_count++] = call;
        batch->ops[batch->count++] = op;
        if (batch->count == service->driver->max_batch)
            flush_batch(batch);
    }
}

static void run_tasks(void *context, struct sl_queue_turn *turn,
                      void **connection, struct sl_task *const tasks[],
                      size_t count)
{
    struct batch batch;

    batch.work_queue = context;
    batch.connection = connection;
    batch.broken = NULL;
    batch.change_count = 0;
    batch.count = 0;
    batch.call_count = 0;
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->kind == SL_TASK_CALL) {
            add_call(&batch, (struct sl_call *)tasks[i]);
        } else {
            flush_batch(&batch);
            sl_session_run_end(batch.work_queue, connection);
        }
    flush_batch(&batch);
    /* A caller may call again as soon as it is answered. */
    sl_queue_release(batch.work_queue->queue, turn);
    if (batch.change_count > 0)
        sl_queue_changed(batch.work_queue->service->work_queue.queue,
                         batch.change_keys, batch.change_count);
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->kind == SL_TASK_CALL)
            sl_call_settle((struct sl_call *)tasks[i]);
        else
            free(tasks[i]);
    close_broken(&batch);
}

static bool run_idle(void *context, void **connection)
{
    const struct sl_work_queue *work_queue = context;

    return *connection != NULL &&
           work_queue->service->driver->idle(*connection);
}

static bool may_have_changed(void *context, void **connection)
{
    const struct sl_work_queue *work_queue = context;

    /* Without a connection nothing was looked at yet. */
    return *connection == NULL ||
           work_queue->service->driver->changed(*connection);
}

static void close_connection(void *context, void *connection)
{
    const struct sl_work_queue *work_queue = context;

    work_queue->service->driver->close(connection);
}

static void drop_task(void *context, struct sl_task *task,
                      const struct sl_error *why)
{
    (void)context;
    if (task->kind == SL_TASK_END)
        free(task);
    else
        sl_call_finish_unsent((struct sl_call *)task, why);
}

/* Only calls have a time by which they must be answered. */
static void hold_call(void *context, struct sl_task *task)
{
    (void)context;
    sl_call_hold((struct sl_call *)task);
}

static void report_late(void *context, struct sl_task *task, bool running)
{
    (void)context;
    sl_call_late((struct sl_call *)task, running);
}

static void report_stuck(void *context, bool is_stuck)
{
    struct sl_work_queue *work_queue = context;
    struct sl_service *service = work_queue->service;

    if (work_queue != &service->work_queue)
        sl_session_set_stuck(work_queue, is_stuck);
    if (is_stuck)
        sl_log(SL_LOG_WARN, "connection-stuck",
               SL_FIELD_STRING("resource", service->name),
               SL_FIELD_STRING("type", service->driver->name));
}

struct sl_queue *sl_work_queue_open(struct sl_work_queue *work_queue,
                                    unsigned workers, unsigned max_stuck)
{
#define ALWAYS                                                                 \
    .run = run_tasks, .close = close_connection, .drop = drop_task,            \
    .hold = hold_call, .late = report_late, .stuck = report_stuck
    /* With idle or without, with changed or without. */
    static const struct sl_queue_ops ops[2][2] = {
        {{ALWAYS}, {ALWAYS, .changed = may_have_changed}},
        {{ALWAYS, .idle = run_idle},
         {ALWAYS, .idle = run_idle, .changed = may_have_changed}},
    };
#undef ALWAYS
    const struct sl_driver *driver = work_queue->service->driver;
    const struct sl_queue_config config = {
        .workers = workers,
        .max_weight = driver->max_batch,
        .max_queued = (unsigned)work_queue->service->config->max_queued,
        .poll_ms = SL_SERVICE_POLL_MS,
        .timeout_ms = (unsigned)work_queue->service->config->timeout_ms,
        .max_stuck = max_stuck,
    };

    return sl_queue_new(&config,
                        &ops[driver->idle != NULL][driver->changed != NULL],
                        work_queue);
}

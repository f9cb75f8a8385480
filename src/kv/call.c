/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queued call: copied, run in batches with others' on a driver thread,
 * repeated where that is safe, completed once.
 *
 * A call has two owners, its caller and the queue; whoever is last frees it.
 * Until the call is done its fields are the queue's, all but `cancelled`.
 */
#include "kv/kv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kv/store.h"

struct sl_kv_call {
    struct sl_task task; /* first: a task is its call */
    struct sl_kv *kv;
    sl_kv_done_fn *done;
    void *context;
    _Atomic unsigned owners;
    _Atomic bool cancelled;
    int64_t start;
    sl_deadline deadline;
    int64_t tries;
    size_t room;
    size_t count;
    /* count of each: */
    struct sl_kv_answer *answers;
    struct sl_kv_request *requests;
    struct sl_kv_op *ops;
    bool *finished;
};

/* The ops that one run of the driver gets. */
struct batch {
    struct sl_kv *kv;
    void **state;
    struct sl_kv_op *ops[SL_QUEUE_BATCH_MAX];
    size_t count;
};

/* --- Making one --------------------------------------------------------- */

static struct sl_bytes copy_bytes(uint8_t **to, struct sl_bytes bytes)
{
    struct sl_bytes copy = SL_BYTES(*to, bytes.len);

    if (bytes.len > 0)
        memcpy(*to, bytes.ptr, bytes.len);
    *to += bytes.len;
    return copy;
}

static size_t bytes_of(const struct sl_kv_request *request)
{
    return request->key.len + request->value.len + request->version.len +
           request->cursor.len;
}

static struct sl_kv_request copy_request(const struct sl_kv_request *request,
                                         uint8_t **to)
{
    struct sl_kv_request copy = *request;

    copy.key = copy_bytes(to, request->key);
    copy.value = copy_bytes(to, request->value);
    copy.version = copy_bytes(to, request->version);
    copy.cursor = copy_bytes(to, request->cursor);
    return copy;
}

/*
 * Room for a call and its bytes.  A guest chose how many bytes: without memory
 * for them there is a call without, and *fits is false.
 */
static struct sl_kv_call *call_alloc(size_t count, size_t bytes, bool *fits,
                                     uint8_t **tail)
{
    const size_t each = sizeof(struct sl_kv_answer) +
                        sizeof(struct sl_kv_request) + sizeof(struct sl_kv_op) +
                        sizeof(bool);
    const size_t fixed = sizeof(struct sl_kv_call) + count * each;
    struct sl_kv_call *call = malloc(fixed + bytes);

    *fits = call != NULL;
    if (!*fits)
        call = sl_alloc(fixed);
    *call = (struct sl_kv_call){.count = count};
    call->answers = (struct sl_kv_answer *)(call + 1);
    call->requests = (struct sl_kv_request *)(call->answers + count);
    call->ops = (struct sl_kv_op *)(call->requests + count);
    call->finished = (bool *)(call->ops + count);
    *tail = (uint8_t *)(call->finished + count);
    return call;
}

static struct sl_kv_call *
call_new(struct sl_kv *kv, const struct sl_kv_request *requests, size_t count)
{
    size_t bytes = 0;
    bool fits;
    uint8_t *tail;

    for (size_t i = 0; i < count && count <= SL_KV_MANY_MAX; i++)
        bytes += bytes_of(&requests[i]);
    struct sl_kv_call *call = call_alloc(count, bytes, &fits, &tail);
    call->kv = kv;
    call->owners = 2;
    call->tries = 1;
    call->start = sl_now_ns();
    call->deadline = sl_deadline_in_ms(kv->config->timeout_ms);
    call->room = sl_kv_room(count);
    bool over = sl_kv_precheck(kv, requests, count, call->answers);
    for (size_t i = 0; i < count; i++) {
        struct sl_kv_answer *answer = &call->answers[i];
        call->ops[i] = (struct sl_kv_op){.request = &call->requests[i],
                                         .answer = answer,
                                         .deadline = call->deadline,
                                         .room = &call->room};
        if (!over && !fits && answer->err.status == SL_OK)
            sl_fail(&answer->err, SL_TOO_LARGE,
                    "no memory for a call of %zu bytes", bytes);
        call->finished[i] = answer->err.status != SL_OK;
        if (call->finished[i])
            call->requests[i] =
                (struct sl_kv_request){.verb = requests[i].verb};
        else
            call->requests[i] = copy_request(&requests[i], &tail);
    }
    return call;
}

static void call_unref(struct sl_kv_call *call)
{
    if (atomic_fetch_sub(&call->owners, 1) > 1)
        return;
    for (size_t i = 0; i < call->count; i++)
        sl_kv_answer_done(&call->answers[i]);
    free(call);
}

/* --- Ending one --------------------------------------------------------- */

/* A repeat changes nothing that the first try, had it worked, did not. */
static bool is_idempotent(const struct sl_kv_request *request)
{
    switch (request->verb) {
    case SL_KV_GET:
    case SL_KV_EXISTS:
    case SL_KV_KEYS:
        return true;
    case SL_KV_SET:
        return request->condition == SL_KV_ALWAYS;
    case SL_KV_DELETE: /* a repeat would say that there was nothing */
    case SL_KV_INCREMENT:
        return false;
    }
    return false;
}

bool sl_kv_may_repeat(const struct sl_kv_op *op)
{
    enum sl_status status = op->answer->err.status;

    return (status == SL_UNAVAILABLE || status == SL_TIMEOUT) &&
           (op->not_sent || is_idempotent(op->request));
}

bool sl_kv_state_is_over(struct sl_kv_op *const ops[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum sl_status status = ops[i]->answer->err.status;
        if (status == SL_UNAVAILABLE || status == SL_TIMEOUT)
            return true;
    }
    return false;
}

/* Every op is finished. */
static void complete(struct sl_kv_call *call)
{
    call->done(call->context);
    call_unref(call);
}

static void finish_op(struct sl_kv_call *call, size_t i)
{
    struct sl_kv_answer *answer = &call->answers[i];

    call->finished[i] = true;
    sl_kv_finish_op(call->kv, &call->ops[i]);
    sl_metric_record(&call->kv->metrics[call->requests[i].verb],
                     answer->err.status, sl_now_ns() - call->start);
}

/* Nothing of what is left was sent, and nothing will be. */
static void finish_unsent(struct sl_kv_call *call, const struct sl_error *err)
{
    for (size_t i = 0; i < call->count; i++) {
        if (call->finished[i])
            continue;
        call->ops[i].not_sent = true;
        sl_kv_op_fail(&call->ops[i], err);
        finish_op(call, i);
    }
    complete(call);
}

/* --- Repeating ---------------------------------------------------------- */

/* Exponential backoff with full jitter, in nanoseconds. */
static int64_t pause_ns(const struct sl_kv_config *config, int64_t tries)
{
    int64_t most = config->retry_backoff_ms;

    for (int64_t i = 1; i < tries && most < 60000; i++)
        most *= 2;
    return (int64_t)arc4random_uniform((uint32_t)most * 1000 + 1) * 1000;
}

static bool wants_repeat(const struct sl_kv_call *call, size_t i)
{
    return !call->finished[i] && call->answers[i].err.status != SL_OK &&
           sl_kv_may_repeat(&call->ops[i]);
}

/* When to try again what failed; 0: not at all. */
static sl_deadline next_try(const struct sl_kv_call *call)
{
    if (call->tries >= call->kv->config->retry_attempts ||
        atomic_load(&call->cancelled))
        return 0;
    sl_deadline when = sl_now_ns() + pause_ns(call->kv->config, call->tries);
    return when < call->deadline ? when : 0;
}

/* After a run: queue again what may be repeated, or complete. */
static void settle(struct sl_kv_call *call)
{
    sl_deadline again = 0;
    size_t repeats = 0;

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
        complete(call);
        return;
    }
    for (size_t i = 0; i < call->count; i++) {
        if (call->finished[i])
            continue;
        sl_kv_answer_done(&call->answers[i]);
        sl_kv_answer_init(&call->answers[i]);
        call->ops[i].not_sent = false;
    }
    call->tries++;
    sl_queue_submit_at(call->kv->queue, &call->task, again);
}

/* --- Running ------------------------------------------------------------ */

static enum sl_status open_state(struct batch *batch, struct sl_error *err)
{
    sl_deadline soonest = SL_NEVER;

    if (*batch->state != NULL)
        return SL_OK;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ops[i]->deadline < soonest)
            soonest = batch->ops[i]->deadline;
    return batch->kv->driver->open(batch->kv->store, soonest, batch->state,
                                   err);
}

static void flush(struct batch *batch)
{
    const struct sl_kv_driver *driver = batch->kv->driver;
    struct sl_error err;

    if (batch->count == 0)
        return;
    if (open_state(batch, &err) == SL_OK) {
        driver->run(*batch->state, batch->ops, batch->count);
        if (sl_kv_state_is_over(batch->ops, batch->count)) {
            driver->close(*batch->state);
            *batch->state = NULL;
        }
    } else {
        for (size_t i = 0; i < batch->count; i++) {
            batch->ops[i]->not_sent = true;
            sl_kv_op_fail(batch->ops[i], &err);
        }
    }
    batch->count = 0;
}

/* Put what is left of a call into batches, unless it is too late for it. */
static void add(struct batch *batch, struct sl_kv_call *call)
{
    enum sl_status late = SL_OK;

    if (atomic_load(&call->cancelled))
        late = SL_UNAVAILABLE; /* nobody reads it */
    else if (sl_deadline_passed(call->deadline))
        late = SL_TIMEOUT;
    for (size_t i = 0; i < call->count; i++) {
        struct sl_kv_op *op = &call->ops[i];
        if (call->finished[i])
            continue;
        if (late != SL_OK) {
            op->not_sent = true;
            sl_fail(&op->answer->err, late,
                    "waited %lld ms for a connection, as long as the "
                    "manifest's timeout allows",
                    (long long)batch->kv->config->timeout_ms);
            continue;
        }
        batch->ops[batch->count++] = op;
        if (batch->count == batch->kv->driver->max_batch)
            flush(batch);
    }
}

static void run_tasks(void *context, void **state,
                      struct sl_task *const tasks[], size_t count)
{
    struct batch batch;

    batch.kv = context;
    batch.state = state;
    batch.count = 0;
    for (size_t i = 0; i < count; i++)
        add(&batch, (struct sl_kv_call *)tasks[i]);
    flush(&batch);
    for (size_t i = 0; i < count; i++)
        settle((struct sl_kv_call *)tasks[i]);
}

static void idle(void *context, void **state)
{
    struct sl_kv *kv = context;

    if (*state != NULL)
        kv->driver->idle(*state);
}

static void close_state(void *context, void *state)
{
    struct sl_kv *kv = context;

    kv->driver->close(state);
}

static void drop(void *context, struct sl_task *task)
{
    struct sl_error err;

    (void)context;
    sl_fail(&err, SL_UNAVAILABLE, "slight is shutting down");
    finish_unsent((struct sl_kv_call *)task, &err);
}

void sl_kv_start(struct sl_kv *kv)
{
    static const struct sl_queue_ops with_idle = {
        .run = run_tasks, .idle = idle, .close = close_state, .drop = drop};
    static const struct sl_queue_ops without_idle = {
        .run = run_tasks, .close = close_state, .drop = drop};
    const struct sl_kv_driver *driver = kv->driver;
    struct sl_queue_config config = {
        .workers = (unsigned)kv->config->connections,
        .max_weight = driver->max_batch,
        .max_queued = (unsigned)kv->config->max_queued,
    };

    if (driver->max_states != 0 && config.workers > driver->max_states)
        config.workers = driver->max_states;
    kv->queue = sl_queue_new(
        &config, driver->idle != NULL ? &with_idle : &without_idle, kv);
}

/* --- For callers -------------------------------------------------------- */

void sl_kv_submit(struct sl_kv *kv, const struct sl_kv_request *requests,
                  size_t count, sl_kv_done_fn *done, void *context,
                  struct sl_kv_call **out)
{
    struct sl_kv_call *call = call_new(kv, requests, count);
    struct sl_error err;
    unsigned weight = 0;

    call->done = done;
    call->context = context;
    *out = call;
    for (size_t i = 0; i < count; i++)
        weight += !call->finished[i];
    if (weight == 0)
        complete(call);
    else if (sl_queue_submit(kv->queue, &call->task, weight, &err) != SL_OK)
        finish_unsent(call, &err);
}

void sl_kv_call_collect(struct sl_kv_call *call, struct sl_kv_answer *answers)
{
    for (size_t i = 0; i < call->count; i++) {
        answers[i] = call->answers[i];
        sl_kv_answer_init(&call->answers[i]); /* handed over */
    }
}

void sl_kv_call_release(struct sl_kv_call *call)
{
    atomic_store(&call->cancelled, true);
    call_unref(call);
}

/* --- Blocking ----------------------------------------------------------- */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;
};

static void wake(void *context)
{
    struct waiter *waiter = context;

    pthread_mutex_lock(&waiter->lock);
    waiter->over = true;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->lock);
}

enum sl_status sl_kv_do(struct sl_kv *kv, const struct sl_kv_request *requests,
                        size_t count, struct sl_kv_answer *answers)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .ended = PTHREAD_COND_INITIALIZER};
    struct sl_kv_call *call;

    if (!sl_kv_try(kv, requests, count, answers)) {
        sl_kv_submit(kv, requests, count, wake, &waiter, &call);
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.over)
            pthread_cond_wait(&waiter.ended, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
        sl_kv_call_collect(call, answers);
        sl_kv_call_release(call);
    }
    return count == 0 ? SL_OK : answers[0].err.status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue.  One lock, held for a few pointers; a worker is only
 * woken when it sleeps and nobody else is on the way, so that a busy resource
 * costs no system calls here.
 */
#include "base/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

enum { IDLE_EVERY_MS = 1000 };

struct list {
    struct sl_task *first;
    struct sl_task *last;
};

struct sl_queue {
    const struct sl_queue_ops *ops;
    void *context;
    struct sl_queue_config config;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    struct list ready;
    struct sl_task *delayed; /* by not_before, the soonest first */
    unsigned queued;         /* in ready; what is delayed was admitted before */
    unsigned sleeping;
    unsigned woken; /* sleepers that were signalled and have not run yet */
    unsigned started;
    bool ending;
    sl_deadline next_idle;
    pthread_t threads[];
};

static void list_push(struct list *list, struct sl_task *task)
{
    task->next = NULL;
    if (list->first == NULL)
        list->first = task;
    else
        list->last->next = task;
    list->last = task;
}

static struct sl_task *list_pop(struct list *list)
{
    struct sl_task *task = list->first;

    list->first = task->next;
    return task;
}

/* What is due goes behind what waits. */
static void move_due(struct sl_queue *queue)
{
    while (queue->delayed != NULL &&
           sl_deadline_passed(queue->delayed->not_before)) {
        struct sl_task *task = queue->delayed;
        queue->delayed = task->next;
        list_push(&queue->ready, task);
        queue->queued++;
    }
}

/* Take tasks in order, up to the weight, the first whatever it weighs. */
static size_t take(struct sl_queue *queue, struct sl_task *tasks[])
{
    size_t count = 0;
    unsigned weight = 0;

    while (queue->ready.first != NULL && count < SL_QUEUE_BATCH_MAX) {
        unsigned more = queue->ready.first->weight;
        if (count > 0 && weight + more > queue->config.max_weight)
            break;
        weight += more;
        tasks[count++] = list_pop(&queue->ready);
        queue->queued--;
    }
    return count;
}

/* Somebody sleeps, and is not needed for what was signalled before. */
static void wake_one(struct sl_queue *queue)
{
    if (queue->sleeping > queue->woken) {
        queue->woken++;
        pthread_cond_signal(&queue->wake);
    }
}

static bool claim_idle(struct sl_queue *queue)
{
    if (queue->ops->idle == NULL || !sl_deadline_passed(queue->next_idle))
        return false;
    queue->next_idle = sl_deadline_in_ms(IDLE_EVERY_MS);
    return true;
}

/* Wait for work, for what is delayed, or for the next idle. */
static void sleep_locked(struct sl_queue *queue)
{
    sl_deadline until = queue->ops->idle == NULL ? SL_NEVER : queue->next_idle;

    if (queue->delayed != NULL && queue->delayed->not_before < until)
        until = queue->delayed->not_before;
    queue->sleeping++;
    if (until == SL_NEVER) {
        pthread_cond_wait(&queue->wake, &queue->lock);
    } else {
        const struct timespec at = {.tv_sec = until / 1000000000,
                                    .tv_nsec = until % 1000000000};
        pthread_cond_timedwait(&queue->wake, &queue->lock, &at);
    }
    queue->sleeping--;
    if (queue->woken > 0)
        queue->woken--;
}

/*
 * Signals are for the main thread; and a driver whose connection was closed
 * gets an error instead of a SIGPIPE.
 */
static void block_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static void *work(void *arg)
{
    struct sl_queue *queue = arg;
    struct sl_task *tasks[SL_QUEUE_BATCH_MAX];
    void *state = NULL;

    block_signals();
    pthread_mutex_lock(&queue->lock);
    while (!queue->ending) {
        move_due(queue);
        size_t count = take(queue, tasks);
        bool idle = claim_idle(queue);
        if (count == 0 && !idle) {
            sleep_locked(queue);
            continue;
        }
        if (queue->ready.first != NULL)
            wake_one(queue);
        pthread_mutex_unlock(&queue->lock);
        if (count > 0)
            queue->ops->run(queue->context, &state, tasks, count);
        if (idle)
            queue->ops->idle(queue->context, &state);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    if (state != NULL)
        queue->ops->close(queue->context, state);
    return NULL;
}

struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context)
{
    pthread_condattr_t attributes;
    struct sl_queue *queue =
        sl_alloc(sizeof(*queue) + config->workers * sizeof(pthread_t));

    queue->ops = ops;
    queue->context = context;
    queue->config = *config;
    queue->next_idle = sl_deadline_in_ms(IDLE_EVERY_MS);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return queue;
}

static void drop_all(struct sl_queue *queue, struct sl_task *task)
{
    while (task != NULL) {
        struct sl_task *next = task->next;
        queue->ops->drop(queue->context, task);
        task = next;
    }
}

void sl_queue_free(struct sl_queue *queue)
{
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    for (unsigned i = 0; i < queue->started; i++)
        pthread_join(queue->threads[i], NULL);

    drop_all(queue, queue->ready.first);
    drop_all(queue, queue->delayed);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* A thread for the next task, unless enough run or one is free. */
static enum sl_status staff(struct sl_queue *queue, struct sl_error *err)
{
    if (queue->sleeping > queue->woken ||
        queue->started == queue->config.workers)
        return SL_OK;

    int error =
        pthread_create(&queue->threads[queue->started], NULL, work, queue);
    if (error == 0)
        queue->started++;
    else if (queue->started == 0)
        return sl_fail(err, SL_UNAVAILABLE, "cannot start a thread: %s",
                       strerror(error));
    return SL_OK;
}

enum sl_status sl_queue_submit(struct sl_queue *queue, struct sl_task *task,
                               unsigned weight, struct sl_error *err)
{
    enum sl_status status;

    task->weight = weight;
    task->not_before = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->queued >= queue->config.max_queued)
        status = sl_fail(err, SL_UNAVAILABLE,
                         "%u calls wait already, as many as max-queued allows",
                         queue->queued);
    else
        status = staff(queue, err);
    if (status == SL_OK) {
        list_push(&queue->ready, task);
        queue->queued++;
        wake_one(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void sl_queue_submit_at(struct sl_queue *queue, struct sl_task *task,
                        sl_deadline when)
{
    task->not_before = when;
    pthread_mutex_lock(&queue->lock);
    struct sl_task **place = &queue->delayed;
    while (*place != NULL && (*place)->not_before <= when)
        place = &(*place)->next;
    task->next = *place;
    *place = task;
    /* A sleeper may have to be up sooner than it thinks. */
    wake_one(queue);
    pthread_mutex_unlock(&queue->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue.  One lock, held for a few pointers; a worker is only
 * woken when it sleeps and nobody else is on the way, so that a busy resource
 * costs no system calls here.
 */
#include "base/queue.h"

#include <pthread.h>
#include <sched.h>
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
    unsigned waiting;        /* in delayed, for a change */
    unsigned changes;        /* how many there were */
    unsigned queued;         /* in ready; what is delayed was admitted before */
    unsigned sleeping;
    unsigned woken; /* sleepers that were signalled and have not run yet */
    unsigned started;
    size_t running; /* tasks */
    size_t states;  /* of workers */
    bool ending;
    sl_deadline next_idle;
    sl_deadline next_poll;
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

/* Out of the delayed ones, behind what is ready. */
static void make_ready(struct sl_queue *queue, struct sl_task **place)
{
    struct sl_task *task = *place;

    *place = task->next;
    queue->waiting -= task->waits;
    list_push(&queue->ready, task);
    queue->queued++;
}

static void move_due(struct sl_queue *queue)
{
    while (queue->delayed != NULL &&
           sl_deadline_passed(queue->delayed->not_before))
        make_ready(queue, &queue->delayed);
}

static void note_change(struct sl_queue *queue)
{
    struct sl_task **place = &queue->delayed;

    queue->changes++;
    while (queue->waiting > 0 && *place != NULL) {
        if ((*place)->waits)
            make_ready(queue, place);
        else
            place = &(*place)->next;
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
        tasks[count] = list_pop(&queue->ready);
        tasks[count++]->seen = queue->changes;
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

static bool polls(const struct sl_queue *queue)
{
    return queue->ops->changed != NULL && queue->waiting > 0;
}

static bool claim_poll(struct sl_queue *queue)
{
    if (!polls(queue) || !sl_deadline_passed(queue->next_poll))
        return false;
    queue->next_poll = sl_deadline_in_ms(queue->config.poll_ms);
    return true;
}

/* Wait for work, for what is delayed, or for the next idle or poll. */
static void sleep_locked(struct sl_queue *queue)
{
    sl_deadline until = queue->ops->idle == NULL ? SL_NEVER : queue->next_idle;

    if (queue->delayed != NULL && queue->delayed->not_before < until)
        until = queue->delayed->not_before;
    if (polls(queue) && queue->next_poll < until)
        until = queue->next_poll;
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

/*
 * Where the processors are busy, those who are about to submit do it meanwhile:
 * the worker need not sleep and be woken, and gets more in one batch.  Where
 * they are idle this returns at once.
 */
static void let_others_run(struct sl_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
    sched_yield();
    pthread_mutex_lock(&queue->lock);
}

static void *work(void *arg)
{
    struct sl_queue *queue = arg;
    struct sl_task *tasks[SL_QUEUE_BATCH_MAX];
    void *state = NULL;
    bool rested = false;

    block_signals();
    pthread_mutex_lock(&queue->lock);
    while (!queue->ending) {
        move_due(queue);
        size_t count = take(queue, tasks);
        bool idle = claim_idle(queue);
        bool poll = claim_poll(queue);
        if (count == 0 && !idle && !poll) {
            if (rested)
                sleep_locked(queue);
            else
                let_others_run(queue);
            rested = !rested;
            continue;
        }
        rested = false;
        if (queue->ready.first != NULL)
            wake_one(queue);
        queue->running += count;
        bool had_state = state != NULL;
        pthread_mutex_unlock(&queue->lock);
        if (count > 0)
            queue->ops->run(queue->context, &state, tasks, count);
        if (idle)
            queue->ops->idle(queue->context, &state);
        bool changed = poll && queue->ops->changed(queue->context, &state);
        pthread_mutex_lock(&queue->lock);
        queue->running -= count;
        queue->states += (size_t)(state != NULL) - had_state;
        if (changed)
            note_change(queue);
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

void sl_queue_end(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    for (unsigned i = 0; i < queue->started; i++)
        pthread_join(queue->threads[i], NULL);
    queue->started = 0;

    /* Nobody adds to them any more; who drops may try. */
    struct sl_task *ready = queue->ready.first, *delayed = queue->delayed;
    queue->ready.first = NULL;
    queue->delayed = NULL;
    drop_all(queue, ready);
    drop_all(queue, delayed);
}

void sl_queue_free(struct sl_queue *queue)
{
    if (queue == NULL)
        return;
    sl_queue_end(queue);
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

static void submit(struct sl_queue *queue, struct sl_task *task,
                   unsigned weight)
{
    task->weight = weight;
    task->not_before = 0;
    task->waits = false;
    list_push(&queue->ready, task);
    queue->queued++;
    wake_one(queue);
}

enum sl_status sl_queue_submit(struct sl_queue *queue, struct sl_task *task,
                               unsigned weight, struct sl_error *err)
{
    enum sl_status status;

    pthread_mutex_lock(&queue->lock);
    if (queue->ending)
        status = sl_fail(err, SL_UNAVAILABLE, "slight is shutting down");
    else if (queue->queued >= queue->config.max_queued)
        status = sl_fail(err, SL_UNAVAILABLE,
                         "%u calls wait already, as many as max-queued allows",
                         queue->queued);
    else
        status = staff(queue, err);
    if (status == SL_OK)
        submit(queue, task, weight);
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void sl_queue_submit_last(struct sl_queue *queue, struct sl_task *task)
{
    pthread_mutex_lock(&queue->lock);
    bool ending = queue->ending;
    if (!ending) {
        (void)staff(queue, NULL);
        submit(queue, task, 1);
    }
    pthread_mutex_unlock(&queue->lock);
    if (ending)
        queue->ops->drop(queue->context, task);
}

void sl_queue_submit_at(struct sl_queue *queue, struct sl_task *task,
                        sl_deadline when)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->ending) {
        pthread_mutex_unlock(&queue->lock);
        queue->ops->drop(queue->context, task);
        return;
    }
    /* It changed while the task was on its way here. */
    if (task->waits && task->seen != queue->changes)
        when = 0;
    task->not_before = when;
    struct sl_task **place = &queue->delayed;
    while (*place != NULL && (*place)->not_before <= when)
        place = &(*place)->next;
    task->next = *place;
    *place = task;
    queue->waiting += task->waits;
    /* A sleeper may have to be up sooner than it thinks. */
    (void)staff(queue, NULL);
    wake_one(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_hurry(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_task **place = &queue->delayed;

    pthread_mutex_lock(&queue->lock);
    while (*place != NULL && *place != task)
        place = &(*place)->next;
    if (*place != NULL) {
        make_ready(queue, place);
        wake_one(queue);
    }
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_changed(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    note_change(queue);
    if (queue->ready.first != NULL)
        wake_one(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_add_load(struct sl_queue *queue, struct sl_queue_load *load)
{
    pthread_mutex_lock(&queue->lock);
    load->queued += queue->queued;
    for (const struct sl_task *t = queue->delayed; t != NULL; t = t->next)
        load->delayed++;
    load->running += queue->running;
    load->states += queue->states;
    pthread_mutex_unlock(&queue->lock);
}

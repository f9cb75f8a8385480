/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sees to it that tasks are answered in time.  One thread for all queues:
 * it looks at each when the first of its tasks may be late, and at least once
 * in the time that a task has.  To submit a task costs nothing here.
 */
#include "base/queue_internal.h"

#include <signal.h>
#include <time.h>

enum {
    PAUSE_MS = 5, /* the least between two looks at a queue */
    AT_ONCE = 64, /* tasks that one look finds late */
};

static const sl_deadline ms_ns = 1000000;

/* --- One look ------------------------------------------------------------ */

struct look {
    struct sl_queue *queue;
    sl_deadline now;
    sl_deadline next; /* when to look again */
    struct {
        struct sl_task *task;
        bool running;
    } late[AT_ONCE];
    size_t late_count;
    unsigned stuck; /* workers that were given up */
    struct sl_task *dropped;
    struct sl_error why;
};

static void look_again_at(struct look *look, sl_deadline when)
{
    if (when < look->next)
        look->next = when;
}

static void look_at_task(struct look *look, struct sl_task *task, bool running)
{
    sl_deadline by = task->answer_by + (running ? SL_QUEUE_LATE_MS * ms_ns : 0);

    if (task->answer_by == 0 || task->told)
        return;
    if (by > look->now) {
        look_again_at(look, by);
        return;
    }
    if (look->late_count == AT_ONCE) {
        look_again_at(look, look->now);
        return;
    }
    task->told = true;
    look->queue->ops->hold(look->queue->context, task);
    look->late[look->late_count].task = task;
    look->late[look->late_count++].running = running;
}

static void look_at_turn(struct look *look, struct sl_queue_turn *turn)
{
    for (size_t i = 0; i < turn->count; i++)
        look_at_task(look, turn->tasks[i], true);
    if (turn->stuck)
        return;
    if (turn->back_by > look->now) {
        look_again_at(look, turn->back_by);
        return;
    }
    sl_queue_give_up(look->queue, turn);
    look->stuck++;
}

/* What waits goes on without those that were given up; or never will. */
static void work_on(struct look *look)
{
    struct sl_queue *queue = look->queue;

    if (sl_queue_allowed(queue) > 0) {
        sl_queue_call_for_rest(queue);
        return;
    }
    (void)sl_queue_fail_stuck(queue, &look->why);
    look->dropped = queue->ready.first;
    queue->ready.first = NULL;
    queue->queued = 0;
}

/* Under the lock: find out. */
static void find(struct look *look)
{
    struct sl_queue *queue = look->queue;

    sl_queue_join_ended(queue);
    for (struct sl_queue_turn *t = queue->turns; t != NULL; t = t->next)
        look_at_turn(look, t);
    for (struct sl_task *t = queue->ready.first; t != NULL; t = t->next)
        look_at_task(look, t, false);
    for (size_t i = 0; i < queue->delayed_count; i++)
        look_at_task(look, queue->delayed[i], false);
    if (look->stuck > 0)
        work_on(look);
}

/* Without the lock: tell. */
static void tell(struct look *look)
{
    const struct sl_queue_ops *ops = look->queue->ops;
    void *context = look->queue->context;

    for (unsigned i = 0; i < look->stuck; i++)
        ops->stuck(context, true);
    for (size_t i = 0; i < look->late_count; i++)
        ops->late(context, look->late[i].task, look->late[i].running);
    while (look->dropped != NULL) {
        struct sl_task *task = look->dropped;
        look->dropped = task->next;
        ops->drop(context, task, &look->why);
    }
}

/* Returns when to look again. */
static sl_deadline look_at(struct sl_queue *queue)
{
    struct look look = {.queue = queue, .now = sl_now_ns()};
    sl_deadline soonest = look.now + PAUSE_MS * ms_ns;

    look.next = look.now + queue->config.timeout_ms * ms_ns;
    pthread_mutex_lock(&queue->lock);
    find(&look);
    pthread_mutex_unlock(&queue->lock);
    tell(&look);
    return look.next > soonest ? look.next : soonest;
}

/* --- The thread ---------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* the list changed; on CLOCK_MONOTONIC */
    pthread_cond_t looked; /* `at` is another one */
    bool ready;            /* wake is */
    bool running;
    struct sl_queue *first;
    struct sl_queue *at; /* being looked at */
    pthread_t thread;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .looked = PTHREAD_COND_INITIALIZER};

static struct sl_queue *find_next(void)
{
    struct sl_queue *next = watch.first;

    for (struct sl_queue *q = watch.first; q != NULL; q = q->watched)
        if (q->look_at < next->look_at)
            next = q;
    return next;
}

static void wait_until(sl_deadline when)
{
    const struct timespec at = {.tv_sec = when / 1000000000,
                                .tv_nsec = when % 1000000000};

    pthread_cond_timedwait(&watch.wake, &watch.lock, &at);
}

static void *work(void *arg)
{
    struct sl_queue *queue;

    (void)arg;
    pthread_mutex_lock(&watch.lock);
    while ((queue = find_next()) != NULL) {
        if (!sl_deadline_passed(queue->look_at)) {
            wait_until(queue->look_at);
            continue;
        }
        watch.at = queue;
        pthread_mutex_unlock(&watch.lock);
        sl_deadline next = look_at(queue);
        pthread_mutex_lock(&watch.lock);
        queue->look_at = next;
        watch.at = NULL;
        pthread_cond_broadcast(&watch.looked);
    }
    watch.running = false;
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

/* Signals are for the main thread. */
static bool start_thread(void)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watch.thread, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(watch.thread);
    return error == 0;
}

static void make_ready(void)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    watch.ready = true;
}

void sl_queue_watch(struct sl_queue *queue)
{
    pthread_mutex_lock(&watch.lock);
    if (!watch.ready)
        make_ready();
    queue->look_at = sl_now_ns() + queue->config.timeout_ms * ms_ns;
    queue->watched = watch.first;
    watch.first = queue;
    /* Without a thread the next queue tries again. */
    if (!watch.running)
        watch.running = start_thread();
    pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
}

void sl_queue_unwatch(struct sl_queue *queue)
{
    struct sl_queue **place = &watch.first;

    pthread_mutex_lock(&watch.lock);
    while (watch.at == queue)
        pthread_cond_wait(&watch.looked, &watch.lock);
    while (*place != NULL && *place != queue)
        place = &(*place)->watched;
    if (*place == queue)
        *place = queue->watched;
    if (watch.ready)
        pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
}

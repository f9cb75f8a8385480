/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch over late tasks: one thread for all queues.  It checks each queue
 * when the first of its tasks may be late, and at least once in the time that a
 * task has.  Submitting a task costs nothing here.
 */
#include "base/queue_internal.h"

#include <signal.h>
#include <time.h>

enum {
    PAUSE_MS = 5, /* the least between two checks of a queue */
    AT_ONCE = 64, /* late tasks that one check finds */
};

static const sl_deadline ms_ns = 1000000;

/* --- One check ----------------------------------------------------------- */

struct check {
    struct sl_queue *queue;
    sl_deadline now;
    sl_deadline next; /* when to check again */
    struct {
        struct sl_task *task;
        bool running;
    } late[AT_ONCE];
    size_t late_count;
    unsigned stuck; /* workers that were given up */
    struct sl_task *dropped;
    struct sl_error why;
};

static void check_again_at(struct check *check, sl_deadline when)
{
    if (when < check->next)
        check->next = when;
}

static void check_task(struct check *check, struct sl_task *task, bool running)
{
    sl_deadline by = task->answer_by + (running ? SL_QUEUE_LATE_MS * ms_ns : 0);

    if (task->answer_by == 0 || task->late_reported)
        return;
    if (by > check->now) {
        check_again_at(check, by);
        return;
    }
    if (check->late_count == AT_ONCE) {
        check_again_at(check, check->now);
        return;
    }
    task->late_reported = true;
    check->queue->ops->hold(check->queue->context, task);
    check->late[check->late_count].task = task;
    check->late[check->late_count++].running = running;
}

static void check_turn(struct check *check, struct sl_queue_turn *turn)
{
    for (size_t i = 0; i < turn->count; i++)
        check_task(check, turn->tasks[i], true);
    if (turn->stuck)
        return;
    if (turn->return_by > check->now) {
        check_again_at(check, turn->return_by);
        return;
    }
    sl_queue_give_up(check->queue, turn);
    check->stuck++;
}

/* Other workers take over; where none is left, queued tasks are dropped. */
static void go_on_without(struct check *check)
{
    struct sl_queue *queue = check->queue;

    if (sl_queue_worker_limit(queue) > 0) {
        sl_queue_wake_if_ready(queue);
        return;
    }
    (void)sl_queue_fail_stuck(queue, &check->why);
    check->dropped = queue->ready.first;
    queue->ready.first = NULL;
    queue->queued = 0;
}

/* With the lock held. */
static void find_late(struct check *check)
{
    struct sl_queue *queue = check->queue;

    sl_queue_join_ended(queue);
    for (struct sl_queue_turn *t = queue->turns; t != NULL; t = t->next)
        check_turn(check, t);
    for (struct sl_task *t = queue->ready.first; t != NULL; t = t->next)
        check_task(check, t, false);
    for (size_t i = 0; i < queue->delayed_count; i++)
        check_task(check, queue->delayed[i], false);
    if (check->stuck > 0)
        go_on_without(check);
}

/* Without the lock. */
static void report_late(struct check *check)
{
    const struct sl_queue_ops *ops = check->queue->ops;
    void *context = check->queue->context;

    for (unsigned i = 0; i < check->stuck; i++)
        ops->stuck(context, true);
    for (size_t i = 0; i < check->late_count; i++)
        ops->late(context, check->late[i].task, check->late[i].running);
    while (check->dropped != NULL) {
        struct sl_task *task = check->dropped;
        check->dropped = task->next;
        ops->drop(context, task, &check->why);
    }
}

/* Returns when to check again. */
static sl_deadline check_queue(struct sl_queue *queue)
{
    struct check check = {.queue = queue, .now = sl_now_ns()};
    sl_deadline soonest = check.now + PAUSE_MS * ms_ns;

    check.next = check.now + queue->config.timeout_ms * ms_ns;
    pthread_mutex_lock(&queue->lock);
    find_late(&check);
    pthread_mutex_unlock(&queue->lock);
    report_late(&check);
    return check.next > soonest ? check.next : soonest;
}

/* --- The thread ---------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;    /* the list changed; on CLOCK_MONOTONIC */
    pthread_cond_t checked; /* `current` is another one */
    bool ready;             /* wake is */
    bool running;
    struct sl_queue *first;
    struct sl_queue *current; /* being checked */
    pthread_t thread;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .checked = PTHREAD_COND_INITIALIZER};

static struct sl_queue *next_queue(void)
{
    struct sl_queue *next = watch.first;

    for (struct sl_queue *q = watch.first; q != NULL; q = q->watched)
        if (q->check_at < next->check_at)
            next = q;
    return next;
}

static void wait_on_watch(sl_deadline when)
{
    const struct timespec at = {.tv_sec = when / 1000000000,
                                .tv_nsec = when % 1000000000};

    pthread_cond_timedwait(&watch.wake, &watch.lock, &at);
}

static void *watch_main(void *arg)
{
    struct sl_queue *queue;

    (void)arg;
    pthread_mutex_lock(&watch.lock);
    while ((queue = next_queue()) != NULL) {
        if (!sl_deadline_passed(queue->check_at)) {
            wait_on_watch(queue->check_at);
            continue;
        }
        watch.current = queue;
        pthread_mutex_unlock(&watch.lock);
        sl_deadline next = check_queue(queue);
        pthread_mutex_lock(&watch.lock);
        queue->check_at = next;
        watch.current = NULL;
        pthread_cond_broadcast(&watch.checked);
    }
    watch.running = false;
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

/* Signals are for the main thread. */
static bool start_watch_thread(void)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watch.thread, NULL, watch_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(watch.thread);
    return error == 0;
}

static void init_watch(void)
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
        init_watch();
    queue->check_at = sl_now_ns() + queue->config.timeout_ms * ms_ns;
    queue->watched = watch.first;
    watch.first = queue;
    /* Without a thread the next queue tries again. */
    if (!watch.running)
        watch.running = start_watch_thread();
    pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
}

void sl_queue_unwatch(struct sl_queue *queue)
{
    struct sl_queue **place = &watch.first;

    pthread_mutex_lock(&watch.lock);
    while (watch.current == queue)
        pthread_cond_wait(&watch.checked, &watch.lock);
    while (*place != NULL && *place != queue)
        place = &(*place)->watched;
    if (*place == queue)
        *place = queue->watched;
    if (watch.ready)
        pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
}

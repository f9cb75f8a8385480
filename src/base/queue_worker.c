/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a queue, and the states they use. */
#include "base/queue_internal.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

/* For one task: much longer than to wake a thread. */
enum { SLOW_NS = 1000000 };

enum { LEAST_PRIORITY = 19 }; /* of setpriority() */

/* --- Taking tasks ------------------------------------------------------- */

static struct sl_task *list_pop(struct sl_task_list *list)
{
    struct sl_task *task = list->first;

    list->first = task->next;
    return task;
}

static void move_due(struct sl_queue *queue)
{
    struct sl_task *task;

    while ((task = sl_queue_soonest(queue)) != NULL &&
           sl_deadline_passed(task->due))
        sl_queue_make_ready(queue, task);
}

/* What is slow is shared with those who are free; else one takes all. */
static unsigned share(const struct sl_queue *queue)
{
    unsigned free_workers = sl_queue_allowed(queue) - queue->users;

    if (queue->pace < SLOW_NS)
        return SL_QUEUE_BATCH_MAX;
    return (queue->queued + free_workers - 1) / free_workers;
}

/*
 * Take tasks in order, up to the weight, the first whatever it weighs.  A state
 * is free.
 */
static size_t take(struct sl_queue *queue, struct sl_task *tasks[])
{
    size_t count = 0, most = share(queue);
    unsigned weight = 0;

    while (queue->ready.first != NULL && count < most) {
        unsigned more = queue->ready.first->weight;
        if (count > 0 && weight + more > queue->config.max_weight)
            break;
        weight += more;
        tasks[count] = list_pop(&queue->ready);
        tasks[count]->seen = sl_queue_changes(queue, tasks[count]);
        count++;
        queue->queued--;
    }
    return count;
}

static void *work(void *arg);

static int start_worker(struct sl_queue *queue)
{
    struct sl_queue_worker *worker = sl_alloc(sizeof(*worker));

    worker->queue = queue;
    int error = pthread_create(&worker->thread, NULL, work, worker);
    if (error != 0) {
        free(worker);
        return error;
    }
    worker->next = queue->workers;
    queue->workers = worker;
    queue->started++;
    return 0;
}

enum sl_status sl_queue_call_worker(struct sl_queue *queue,
                                    struct sl_error *err)
{
    if (queue->woken > 0 || queue->looking > 0)
        return SL_OK;
    if (queue->sleeping > 0) {
        queue->woken++;
        pthread_cond_signal(&queue->wake);
        return SL_OK;
    }
    if (queue->started >= sl_queue_allowed(queue))
        return SL_OK;

    int error = start_worker(queue);
    if (error != 0 && queue->started == 0)
        return sl_fail(err, SL_UNAVAILABLE, "cannot start a thread: %s",
                       strerror(error));
    return SL_OK;
}

void sl_queue_call_for_rest(struct sl_queue *queue)
{
    if (queue->ready.first != NULL ||
        (queue->started == 0 && queue->delayed_count > 0))
        (void)sl_queue_call_worker(queue, NULL);
}

static bool claim_idle(struct sl_queue *queue)
{
    if (queue->ops->idle == NULL || !sl_deadline_passed(queue->next_idle))
        return false;
    queue->next_idle = sl_deadline_in_ms(SL_QUEUE_IDLE_EVERY_MS);
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

/* When there will be something to do. */
static sl_deadline next_turn(const struct sl_queue *queue)
{
    sl_deadline until = queue->ops->idle == NULL ? SL_NEVER : queue->next_idle;

    const struct sl_task *soonest = sl_queue_soonest(queue);
    if (soonest != NULL && soonest->due < until)
        until = soonest->due;
    if (polls(queue) && queue->next_poll < until)
        until = queue->next_poll;
    return until;
}

/* Wait for work, for what is delayed, or for the next idle or poll; or until a
 * state is free. */
static void sleep_locked(struct sl_queue *queue)
{
    sl_deadline until = next_turn(queue);

    if (queue->users >= sl_queue_allowed(queue) &&
        (queue->ready.first != NULL || sl_deadline_passed(until))) {
        queue->kept_out = true;
        until = SL_NEVER;
    }
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
    queue->looking++;
    pthread_mutex_unlock(&queue->lock);
    sched_yield();
    pthread_mutex_lock(&queue->lock);
    queue->looking--;
}

/* --- States ------------------------------------------------------------- */

/* The one that was used last, NULL where none is kept: one may be made. */
static void take_state(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    queue->users++;
    turn->was_new = queue->kept_count == 0;
    turn->state = turn->was_new ? NULL : queue->kept[--queue->kept_count];
    turn->released = false;
}

/* Somebody may wait for a state, or for the last one to be given back. */
static void tell_freed(struct sl_queue *queue)
{
    queue->users--;
    if (queue->kept_out || queue->ending) {
        queue->kept_out = false;
        pthread_cond_broadcast(&queue->wake);
    }
}

/* Once in a turn. */
static void keep_state(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    if (turn->released)
        return;
    turn->released = true;
    queue->states += (size_t)(turn->state != NULL) - !turn->was_new;
    if (turn->state != NULL)
        queue->kept[queue->kept_count++] = turn->state;
    turn->state = NULL;
    tell_freed(queue);
}

void sl_queue_close_kept(struct sl_queue *queue)
{
    while (queue->kept_count > 0) {
        void *state = queue->kept[--queue->kept_count];
        queue->states--;
        pthread_mutex_unlock(&queue->lock);
        queue->ops->close(queue->context, state);
        pthread_mutex_lock(&queue->lock);
    }
}

/* --- Giving up ---------------------------------------------------------- */

unsigned sl_queue_allowed(const struct sl_queue *queue)
{
    unsigned most = queue->config.workers + queue->config.max_stuck;

    if (queue->stuck <= queue->config.max_stuck)
        return queue->config.workers;
    return most > queue->stuck ? most - queue->stuck : 0;
}

enum sl_status sl_queue_fail_stuck(const struct sl_queue *queue,
                                   struct sl_error *err)
{
    return sl_fail(err, SL_UNAVAILABLE,
                   "%u of its calls never came back, and max-stuck allows to "
                   "replace no more of the connections that they hold; ask for "
                   "less in one call, raise max-stuck, or restart slight",
                   queue->stuck);
}

void sl_queue_give_up(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    turn->stuck = true;
    queue->stuck++;
    queue->given_up++;
    if (turn->worker != NULL) {
        queue->started--;
        /* It may work on, so others come first. */
        (void)setpriority(PRIO_PROCESS, (id_t)turn->worker->id, LEAST_PRIORITY);
    }
    if (!turn->released) {
        turn->released = true;
        queue->states -= !turn->was_new;
        tell_freed(queue);
    }
    if (queue->ending)
        pthread_cond_broadcast(&queue->wake);
}

/* Nothing waits for this thread any more, and the process is about to end:
 * whatever it would touch now may be gone. */
static void stay_away(struct sl_queue *queue, const struct sl_queue_turn *turn)
{
    if (!turn->stuck || !queue->ending)
        return;
    pthread_mutex_unlock(&queue->lock);
    for (;;)
        pause();
}

/* It is back after all; the lock is released meanwhile. */
static void come_back(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    void *state = turn->state;

    pthread_mutex_unlock(&queue->lock);
    if (state != NULL)
        queue->ops->close(queue->context, state);
    queue->ops->stuck(queue->context, false);
    pthread_mutex_lock(&queue->lock);
    queue->stuck--;
    sl_queue_call_for_rest(queue);
}

void sl_queue_release(struct sl_queue *queue, void **state)
{
    struct sl_queue_turn *turn = (struct sl_queue_turn *)(void *)state;

    pthread_mutex_lock(&queue->lock);
    stay_away(queue, turn);
    turn->count = 0; /* the tasks are ours now: nobody looks at them */
    turn->back_by = sl_deadline_in_ms(SL_QUEUE_PATIENCE_MS);
    if (!turn->idle && !turn->poll) /* are to be done with it */
        keep_state(queue, turn);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_join_ended(struct sl_queue *queue)
{
    struct sl_queue_worker **place = &queue->workers;

    while (*place != NULL) {
        struct sl_queue_worker *worker = *place;
        if (!worker->ended) {
            place = &worker->next;
            continue;
        }
        *place = worker->next;
        pthread_mutex_unlock(&queue->lock);
        pthread_join(worker->thread, NULL);
        free(worker);
        pthread_mutex_lock(&queue->lock);
        place = &queue->workers;
    }
}

/* --- Working ------------------------------------------------------------ */

/* False: there is nothing to do, or no state to do it with. */
static bool take_turn(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    move_due(queue);
    if (queue->users >= sl_queue_allowed(queue))
        return false;
    turn->count = take(queue, turn->tasks);
    turn->idle = claim_idle(queue);
    turn->poll = claim_poll(queue);
    return turn->count > 0 || turn->idle || turn->poll;
}

/* When it is to be back, whatever it does. */
static sl_deadline back_by(const struct sl_queue_turn *turn)
{
    sl_deadline last =
        turn->count == 0 ? sl_deadline_in_ms(SL_QUEUE_PATIENCE_MS) : 0;

    for (size_t i = 0; i < turn->count; i++) {
        sl_deadline by = turn->tasks[i]->answer_by;
        if (by == 0) /* the end of a session */
            by = sl_deadline_in_ms(SL_QUEUE_PATIENCE_MS);
        if (by > last)
            last = by;
    }
    return last + (sl_deadline)SL_QUEUE_STUCK_MS * 1000000;
}

static void run_tasks(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    size_t count = turn->count;
    int64_t begin = sl_now_ns();

    queue->running += count;
    pthread_mutex_unlock(&queue->lock);
    queue->ops->run(queue->context, &turn->state, turn->tasks, count);
    pthread_mutex_lock(&queue->lock);
    stay_away(queue, turn);
    queue->running -= count;
    turn->count = 0;
    queue->pace = (sl_now_ns() - begin) / (int64_t)count;
}

static void look_after(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    const struct sl_queue_ops *ops = queue->ops;

    pthread_mutex_unlock(&queue->lock);
    bool more = turn->idle && ops->idle(queue->context, &turn->state);
    bool changed = turn->poll && ops->changed(queue->context, &turn->state);
    pthread_mutex_lock(&queue->lock);
    stay_away(queue, turn);
    if (more)
        queue->next_idle = sl_deadline_in_ms(SL_QUEUE_AGAIN_MS);
    if (changed)
        sl_queue_wake_first(queue);
}

/* Do it, unlocked meanwhile. */
static void do_turn(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    struct sl_queue_turn **place = &queue->turns;

    take_state(queue, turn);
    turn->stuck = false;
    turn->back_by = back_by(turn);
    turn->next = queue->turns;
    queue->turns = turn;
    if (turn->count > 0)
        run_tasks(queue, turn);
    if ((turn->idle || turn->poll) && !turn->stuck)
        look_after(queue, turn);
    while (*place != turn)
        place = &(*place)->next;
    *place = turn->next;
    if (turn->stuck)
        come_back(queue, turn);
    else
        keep_state(queue, turn);
}

static void work_until_end(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    bool rested = false;

    while (!queue->ending && !turn->stuck) {
        if (!take_turn(queue, turn)) {
            if (rested)
                sleep_locked(queue);
            else
                let_others_run(queue);
            rested = !rested;
            continue;
        }
        rested = false;
        sl_queue_call_for_rest(queue);
        do_turn(queue, turn);
    }
}

static void *work(void *arg)
{
    struct sl_queue_worker *worker = arg;
    struct sl_queue *queue = worker->queue;
    struct sl_task *tasks[SL_QUEUE_BATCH_MAX];
    struct sl_queue_turn turn = {.tasks = tasks, .worker = worker};

    block_signals();
    pthread_mutex_lock(&queue->lock);
    worker->id = gettid();
    work_until_end(queue, &turn);
    if (queue->ending)
        sl_queue_close_kept(queue);
    if (!turn.stuck)
        queue->started--;
    worker->ended = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

bool sl_queue_run_here(struct sl_queue *queue, struct sl_task *task,
                       unsigned weight)
{
    struct sl_queue_turn turn = {.tasks = &task, .count = 1};
    bool here;

    pthread_mutex_lock(&queue->lock);
    here = !queue->ending && queue->kept_count > 0 && queue->users == 0 &&
           queue->ready.first == NULL;
    if (here) {
        task->weight = weight;
        task->waits = false;
        task->seen = sl_queue_changes(queue, task);
        do_turn(queue, &turn);
        sl_queue_call_for_rest(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return here;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a queue, and the states they use. */
#include "base/queue_internal.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* For one task: much longer than to wake a thread. */
enum { SLOW_NS = 1000000 };

/* --- Taking tasks ----------------------------------------------------------
 */

static struct sl_task *list_pop(struct sl_task_list *list)
{
    struct sl_task *task = list->first;

    list->first = task->next;
    return task;
}

static void move_due(struct sl_queue *queue)
{
    while (queue->delayed != NULL &&
           sl_deadline_passed(queue->delayed->not_before))
        sl_queue_make_ready(queue, &queue->delayed);
}

/* What is slow is shared with those who are free; else one takes all. */
static unsigned share(const struct sl_queue *queue)
{
    unsigned free_workers = queue->config.workers - queue->users;

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
        tasks[count++]->seen = queue->changes;
        queue->queued--;
    }
    return count;
}

static void *work(void *arg);

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
    if (queue->started == queue->config.workers)
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

void sl_queue_call_for_rest(struct sl_queue *queue)
{
    if (queue->ready.first != NULL)
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

    if (queue->delayed != NULL && queue->delayed->not_before < until)
        until = queue->delayed->not_before;
    if (polls(queue) && queue->next_poll < until)
        until = queue->next_poll;
    return until;
}

/* Wait for work, for what is delayed, or for the next idle or poll; or until a
 * state is free. */
static void sleep_locked(struct sl_queue *queue)
{
    sl_deadline until = next_turn(queue);

    if (queue->users == queue->config.workers &&
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

/* --- States ----------------------------------------------------------------
 */

/* What is done in one turn. */
struct turn {
    void *state; /* first: what ops->run gets is its turn */
    bool was_new;
    bool released;
    struct sl_task **tasks; /* room for SL_QUEUE_BATCH_MAX */
    size_t count;
    bool idle;
    bool poll;
};

/* The one that was used last, NULL where none is kept: one may be made. */
static void take_state(struct sl_queue *queue, struct turn *turn)
{
    queue->users++;
    turn->was_new = queue->kept_count == 0;
    turn->state = turn->was_new ? NULL : queue->kept[--queue->kept_count];
    turn->released = false;
}

/* Once in a turn. */
static void keep_state(struct sl_queue *queue, struct turn *turn)
{
    if (turn->released)
        return;
    turn->released = true;
    queue->users--;
    queue->states += (size_t)(turn->state != NULL) - !turn->was_new;
    if (turn->state != NULL)
        queue->kept[queue->kept_count++] = turn->state;
    if (queue->kept_out || queue->ending) {
        queue->kept_out = false;
        pthread_cond_broadcast(&queue->wake);
    }
}

void sl_queue_release(struct sl_queue *queue, void **state)
{
    struct turn *turn = (struct turn *)(void *)state;

    if (turn->idle || turn->poll) /* are to be done with it */
        return;
    pthread_mutex_lock(&queue->lock);
    keep_state(queue, turn);
    pthread_mutex_unlock(&queue->lock);
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

/* --- Working ---------------------------------------------------------------
 */

/* False: there is nothing to do, or no state to do it with. */
static bool take_turn(struct sl_queue *queue, struct turn *turn)
{
    move_due(queue);
    if (queue->users == queue->config.workers)
        return false;
    turn->count = take(queue, turn->tasks);
    turn->idle = claim_idle(queue);
    turn->poll = claim_poll(queue);
    return turn->count > 0 || turn->idle || turn->poll;
}

static void run_tasks(struct sl_queue *queue, struct turn *turn)
{
    int64_t begin = sl_now_ns();

    pthread_mutex_unlock(&queue->lock);
    queue->ops->run(queue->context, &turn->state, turn->tasks, turn->count);
    pthread_mutex_lock(&queue->lock);
    queue->pace = (sl_now_ns() - begin) / (int64_t)turn->count;
}

static void look_after(struct sl_queue *queue, struct turn *turn)
{
    const struct sl_queue_ops *ops = queue->ops;

    pthread_mutex_unlock(&queue->lock);
    if (turn->idle)
        ops->idle(queue->context, &turn->state);
    bool changed = turn->poll && ops->changed(queue->context, &turn->state);
    pthread_mutex_lock(&queue->lock);
    if (changed)
        sl_queue_note_change(queue);
}

/* Do it, unlocked meanwhile. */
static void do_turn(struct sl_queue *queue, struct turn *turn)
{
    take_state(queue, turn);
    queue->running += turn->count;
    if (turn->count > 0)
        run_tasks(queue, turn);
    if (turn->idle || turn->poll)
        look_after(queue, turn);
    queue->running -= turn->count;
    keep_state(queue, turn);
}

static void *work(void *arg)
{
    struct sl_queue *queue = arg;
    struct sl_task *tasks[SL_QUEUE_BATCH_MAX];
    struct turn turn = {.tasks = tasks};
    bool rested = false;

    block_signals();
    pthread_mutex_lock(&queue->lock);
    while (!queue->ending) {
        if (!take_turn(queue, &turn)) {
            if (rested)
                sleep_locked(queue);
            else
                let_others_run(queue);
            rested = !rested;
            continue;
        }
        rested = false;
        sl_queue_call_for_rest(queue);
        do_turn(queue, &turn);
    }
    sl_queue_close_kept(queue);
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

bool sl_queue_run_here(struct sl_queue *queue, struct sl_task *task,
                       unsigned weight)
{
    struct turn turn = {.tasks = &task, .count = 1};
    bool here;

    pthread_mutex_lock(&queue->lock);
    here = !queue->ending && queue->kept_count > 0 && queue->users == 0 &&
           queue->ready.first == NULL;
    if (here) {
        task->weight = weight;
        task->waits = false;
        task->seen = queue->changes;
        do_turn(queue, &turn);
        sl_queue_call_for_rest(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return here;
}

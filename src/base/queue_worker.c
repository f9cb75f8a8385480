/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a queue, and their connections. */
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

static struct sl_task *pop_task(struct sl_task_list *list)
{
    struct sl_task *task = list->first;

    list->first = task->next;
    return task;
}

static void make_due_ready(struct sl_queue *queue)
{
    struct sl_task *task;

    while ((task = sl_queue_next_due(queue)) != NULL &&
           sl_deadline_passed(task->due))
        sl_queue_make_ready(queue, task);
}

/* Slow tasks are shared with free workers; otherwise one worker takes all. */
static unsigned batch_limit(const struct sl_queue *queue)
{
    unsigned free_workers = sl_queue_worker_limit(queue) - queue->users;

    if (queue->ns_per_task < SLOW_NS)
        return SL_QUEUE_BATCH_MAX;
    return (queue->queued + free_workers - 1) / free_workers;
}

/* Take tasks in order, up to the weight, the first whatever it weighs.  A
 * connection is free. */
static size_t take_tasks(struct sl_queue *queue, struct sl_task *tasks[])
{
    size_t count = 0, most = batch_limit(queue);
    unsigned weight = 0;

    while (queue->ready.first != NULL && count < most) {
        unsigned more = queue->ready.first->weight;
        if (count > 0 && weight + more > queue->config.max_weight)
            break;
        weight += more;
        tasks[count] = pop_task(&queue->ready);
        tasks[count]->changes_seen = sl_queue_change_count(queue, tasks[count]);
        count++;
        queue->queued--;
    }
    return count;
}

static void *worker_main(void *arg);

static int start_worker(struct sl_queue *queue)
{
    struct sl_queue_worker *worker = sl_alloc(sizeof(*worker));

    worker->queue = queue;
    int error = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (error != 0) {
        free(worker);
        return error;
    }
    worker->next = queue->workers;
    queue->workers = worker;
    queue->started++;
    return 0;
}

enum sl_status sl_queue_wake_worker(struct sl_queue *queue,
                                    struct sl_error *err)
{
    if (queue->woken > 0 || queue->spinning > 0)
        return SL_OK;
    if (queue->sleeping > 0) {
        queue->woken++;
        pthread_cond_signal(&queue->wake);
        return SL_OK;
    }
    if (queue->started >= sl_queue_worker_limit(queue))
        return SL_OK;

    int error = start_worker(queue);
    if (error != 0 && queue->started == 0)
        return sl_fail(err, SL_UNAVAILABLE, "cannot start a thread: %s",
                       strerror(error));
    return SL_OK;
}

void sl_queue_wake_if_ready(struct sl_queue *queue)
{
    if (queue->ready.first != NULL ||
        (queue->started == 0 && queue->delayed_count > 0))
        (void)sl_queue_wake_worker(queue, NULL);
}

static bool claim_idle(struct sl_queue *queue)
{
    if (queue->ops->idle == NULL || !sl_deadline_passed(queue->next_idle))
        return false;
    queue->next_idle = sl_deadline_in_ms(SL_QUEUE_IDLE_EVERY_MS);
    return true;
}

static bool is_polling(const struct sl_queue *queue)
{
    return queue->ops->changed != NULL && queue->waiting > 0;
}

static bool claim_poll(struct sl_queue *queue)
{
    if (!is_polling(queue) || !sl_deadline_passed(queue->next_poll))
        return false;
    queue->next_poll = sl_deadline_in_ms(queue->config.poll_ms);
    return true;
}

/* When there will be work. */
static sl_deadline next_wakeup(const struct sl_queue *queue)
{
    sl_deadline until = queue->ops->idle == NULL ? SL_NEVER : queue->next_idle;

    const struct sl_task *soonest = sl_queue_next_due(queue);
    if (soonest != NULL && soonest->due < until)
        until = soonest->due;
    if (is_polling(queue) && queue->next_poll < until)
        until = queue->next_poll;
    return until;
}

/* Wait for work, for a delayed task, for the next idle or poll, or for a free
 * connection. */
static void sleep_worker(struct sl_queue *queue)
{
    sl_deadline until = next_wakeup(queue);

    if (queue->users >= sl_queue_worker_limit(queue) &&
        (queue->ready.first != NULL || sl_deadline_passed(until))) {
        queue->starved = true;
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
 * Where the processors are busy, threads that are about to submit do so now:
 * the worker need not sleep and be woken, and gets a larger batch.  Where they
 * are idle this returns at once.
 */
static void yield_worker(struct sl_queue *queue)
{
    queue->spinning++;
    pthread_mutex_unlock(&queue->lock);
    sched_yield();
    pthread_mutex_lock(&queue->lock);
    queue->spinning--;
}

/* --- Connections -------------------------------------------------------- */

/* The idle one that was used last; NULL where none is idle, and run opens one.
 */
static void take_connection(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    queue->users++;
    turn->is_new = queue->idle_conn_count == 0;
    turn->connection =
        turn->is_new ? NULL : queue->idle_conns[--queue->idle_conn_count];
    turn->released = false;
}

/* A worker may wait for a connection, or sl_queue_end for the last one. */
static void signal_freed(struct sl_queue *queue)
{
    queue->users--;
    if (queue->starved || queue->ending) {
        queue->starved = false;
        pthread_cond_broadcast(&queue->wake);
    }
}

/* Give the connection back, once in a turn. */
static void keep_connection(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    if (turn->released)
        return;
    turn->released = true;
    queue->connections += (size_t)(turn->connection != NULL) - !turn->is_new;
    if (turn->connection != NULL)
        queue->idle_conns[queue->idle_conn_count++] = turn->connection;
    turn->connection = NULL;
    signal_freed(queue);
}

void sl_queue_close_idle_conns(struct sl_queue *queue)
{
    while (queue->idle_conn_count > 0) {
        void *connection = queue->idle_conns[--queue->idle_conn_count];
        queue->connections--;
        pthread_mutex_unlock(&queue->lock);
        queue->ops->close(queue->context, connection);
        pthread_mutex_lock(&queue->lock);
    }
}

/* --- Giving up ---------------------------------------------------------- */

unsigned sl_queue_worker_limit(const struct sl_queue *queue)
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
        /* It may still compute, so others get the processor first. */
        (void)setpriority(PRIO_PROCESS, (id_t)turn->worker->id, LEAST_PRIORITY);
    }
    if (!turn->released) {
        turn->released = true;
        queue->connections -= !turn->is_new;
        signal_freed(queue);
    }
    if (queue->ending)
        pthread_cond_broadcast(&queue->wake);
}

/* The process is about to end without this thread: what it would touch now may
 * have been freed. */
static void stop_if_abandoned(struct sl_queue *queue,
                              const struct sl_queue_turn *turn)
{
    if (!turn->stuck || !queue->ending)
        return;
    pthread_mutex_unlock(&queue->lock);
    for (;;)
        pause();
}

/* A worker that was given up has returned; the lock is released meanwhile. */
static void end_stuck_turn(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    void *connection = turn->connection;

    pthread_mutex_unlock(&queue->lock);
    if (connection != NULL)
        queue->ops->close(queue->context, connection);
    queue->ops->stuck(queue->context, false);
    pthread_mutex_lock(&queue->lock);
    queue->stuck--;
    sl_queue_wake_if_ready(queue);
}

void sl_queue_release(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    pthread_mutex_lock(&queue->lock);
    stop_if_abandoned(queue, turn);
    turn->count = 0; /* the watch must not look at the tasks any more */
    turn->return_by = sl_deadline_in_ms(SL_QUEUE_PATIENCE_MS);
    if (!turn->idle && !turn->poll) /* they need it */
        keep_connection(queue, turn);
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

/* False: there is nothing to do, or no connection to do it with. */
static bool take_turn(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    make_due_ready(queue);
    if (queue->users >= sl_queue_worker_limit(queue))
        return false;
    turn->count = take_tasks(queue, turn->tasks);
    turn->idle = claim_idle(queue);
    turn->poll = claim_poll(queue);
    return turn->count > 0 || turn->idle || turn->poll;
}

/* When the turn is given up. */
static sl_deadline turn_deadline(const struct sl_queue_turn *turn)
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
    queue->ops->run(queue->context, turn, &turn->connection, turn->tasks,
                    count);
    pthread_mutex_lock(&queue->lock);
    stop_if_abandoned(queue, turn);
    queue->running -= count;
    turn->count = 0;
    queue->ns_per_task = (sl_now_ns() - begin) / (int64_t)count;
}

static void run_maintenance(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    const struct sl_queue_ops *ops = queue->ops;

    pthread_mutex_unlock(&queue->lock);
    bool more = turn->idle && ops->idle(queue->context, &turn->connection);
    bool changed =
        turn->poll && ops->changed(queue->context, &turn->connection);
    pthread_mutex_lock(&queue->lock);
    stop_if_abandoned(queue, turn);
    if (more)
        queue->next_idle = sl_deadline_in_ms(SL_QUEUE_AGAIN_MS);
    if (changed)
        sl_queue_wake_all_waiters(queue);
}

/* The lock is released meanwhile. */
static void run_turn(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    struct sl_queue_turn **place = &queue->turns;

    take_connection(queue, turn);
    turn->stuck = false;
    turn->return_by = turn_deadline(turn);
    turn->next = queue->turns;
    queue->turns = turn;
    if (turn->count > 0)
        run_tasks(queue, turn);
    if ((turn->idle || turn->poll) && !turn->stuck)
        run_maintenance(queue, turn);
    while (*place != turn)
        place = &(*place)->next;
    *place = turn->next;
    if (turn->stuck)
        end_stuck_turn(queue, turn);
    else
        keep_connection(queue, turn);
}

static void work_until_end(struct sl_queue *queue, struct sl_queue_turn *turn)
{
    bool yielded = false;

    while (!queue->ending && !turn->stuck) {
        if (!take_turn(queue, turn)) {
            if (yielded)
                sleep_worker(queue);
            else
                yield_worker(queue);
            yielded = !yielded;
            continue;
        }
        yielded = false;
        sl_queue_wake_if_ready(queue);
        run_turn(queue, turn);
    }
}

static void *worker_main(void *arg)
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
        sl_queue_close_idle_conns(queue);
    if (!turn.stuck)
        queue->started--;
    worker->ended = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

bool sl_queue_run_inline(struct sl_queue *queue, struct sl_task *task,
                         unsigned weight)
{
    struct sl_queue_turn turn = {.tasks = &task, .count = 1};
    bool here;

    pthread_mutex_lock(&queue->lock);
    here = !queue->ending && queue->idle_conn_count > 0 && queue->users == 0 &&
           queue->ready.first == NULL;
    if (here) {
        task->weight = weight;
        task->waits = false;
        task->changes_seen = sl_queue_change_count(queue, task);
        run_turn(queue, &turn);
        sl_queue_wake_if_ready(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return here;
}

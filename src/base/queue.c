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

enum {
    IDLE_EVERY_MS = 1000,
    SLOW_NS = 1000000, /* for one task: much longer than to wake a thread */
};

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
    unsigned woken;   /* sleepers that were signalled and have not run yet */
    unsigned looking; /* once more, before they sleep */
    unsigned started;
    unsigned users; /* of states: those who run something */
    int64_t pace;   /* of the last run: nanoseconds for one task */
    bool kept_out;  /* a worker would work, were there a state */
    size_t running; /* tasks */
    size_t states;  /* kept, or in use */
    void **kept;    /* states that nobody uses, the last used last */
    unsigned kept_count;
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

/*
 * Somebody for what comes now, unless one is on the way already, who takes it
 * as well or calls the next one.  Where all are at work, they look when they
 * are done.
 */
static enum sl_status call_worker(struct sl_queue *queue, struct sl_error *err)
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

static void call_for_rest(struct sl_queue *queue)
{
    if (queue->ready.first != NULL)
        (void)call_worker(queue, NULL);
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

static void close_kept(struct sl_queue *queue)
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
        note_change(queue);
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
        call_for_rest(queue);
        do_turn(queue, &turn);
    }
    close_kept(queue);
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
        call_for_rest(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return here;
}

struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context)
{
    pthread_condattr_t attributes;
    struct sl_queue *queue =
        sl_alloc(sizeof(*queue) + config->workers * sizeof(pthread_t));

    queue->kept = sl_alloc_array(config->workers, sizeof(*queue->kept));

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
    pthread_mutex_lock(&queue->lock);
    while (queue->users > 0) /* by sl_queue_run_here */
        pthread_cond_wait(&queue->wake, &queue->lock);
    close_kept(queue);
    pthread_mutex_unlock(&queue->lock);

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
    free(queue->kept);
    free(queue);
}

static void submit(struct sl_queue *queue, struct sl_task *task,
                   unsigned weight)
{
    task->weight = weight;
    task->not_before = 0;
    task->waits = false;
    list_push(&queue->ready, task);
    queue->queued++;
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
        status = call_worker(queue, err);
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
        (void)call_worker(queue, NULL);
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
    (void)call_worker(queue, NULL);
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
        call_for_rest(queue);
    }
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_changed(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    note_change(queue);
    call_for_rest(queue);
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

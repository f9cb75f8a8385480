/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue.  One lock, held for a few pointers; a worker is only
 * woken when it sleeps and no other one is waking, so that a busy resource
 * costs no system calls here.
 */
#include "base/queue_internal.h"

#include <stdlib.h>

#include "base/alloc.h"

static void push_task(struct sl_task_list *list, struct sl_task *task)
{
    task->next = NULL;
    if (list->first == NULL)
        list->first = task;
    else
        list->last->next = task;
    list->last = task;
}

void sl_queue_make_ready(struct sl_queue *queue, struct sl_task *task)
{
    sl_queue_undelay(queue, task);
    push_task(&queue->ready, task);
    queue->queued++;
}

struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context)
{
    pthread_condattr_t attributes;
    struct sl_queue *queue = sl_alloc(sizeof(*queue));

    queue->idle_conns =
        sl_alloc_array(config->workers, sizeof(*queue->idle_conns));

    queue->ops = ops;
    queue->context = context;
    queue->config = *config;
    queue->next_idle = sl_deadline_in_ms(SL_QUEUE_IDLE_EVERY_MS);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (config->timeout_ms > 0)
        sl_queue_watch(queue);
    return queue;
}

static enum sl_status fail_ending(struct sl_error *err)
{
    return sl_fail(err, SL_CANCELLED, "slight is shutting down");
}

static void drop_ending(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_error why;

    (void)fail_ending(&why);
    queue->ops->drop(queue->context, task, &why);
}

static void drop_tasks(struct sl_queue *queue, struct sl_task *task)
{
    while (task != NULL) {
        struct sl_task *next = task->next;
        drop_ending(queue, task);
        task = next;
    }
}

bool sl_queue_end(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    pthread_cond_broadcast(&queue->wake);
    /* Callers in sl_queue_run_inline count as users. */
    while (queue->started > 0 || queue->users > 0)
        pthread_cond_wait(&queue->wake, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
    sl_queue_unwatch(queue);

    pthread_mutex_lock(&queue->lock);
    sl_queue_join_ended(queue);
    sl_queue_close_idle_conns(queue);
    bool all_back = queue->stuck == 0;
    /* Nothing is added any more, though a dropped task may try. */
    while (queue->delayed_count > 0)
        sl_queue_make_ready(queue, queue->delayed[0]);
    struct sl_task *ready = queue->ready.first;
    queue->ready.first = NULL;
    pthread_mutex_unlock(&queue->lock);
    drop_tasks(queue, ready);
    return all_back;
}

void sl_queue_free(struct sl_queue *queue)
{
    if (queue == NULL || !sl_queue_end(queue))
        return;
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue->idle_conns);
    free(queue->delayed);
    free(queue->wait_queues);
    free(queue);
}

static void add_ready(struct sl_queue *queue, struct sl_task *task,
                      unsigned weight)
{
    task->weight = weight;
    task->not_before = 0;
    task->waits = false;
    task->late_reported = false;
    push_task(&queue->ready, task);
    queue->queued++;
}

enum sl_status sl_queue_submit(struct sl_queue *queue, struct sl_task *task,
                               unsigned weight, struct sl_error *err)
{
    enum sl_status status;

    pthread_mutex_lock(&queue->lock);
    if (queue->ending)
        status = fail_ending(err);
    else if (sl_queue_worker_limit(queue) == 0)
        status = sl_queue_fail_stuck(queue, err);
    else if (queue->queued >= queue->config.max_queued)
        status = sl_fail(err, SL_RESOURCE_EXHAUSTED,
                         "%u calls wait already, as many as max-queued allows",
                         queue->queued);
    else
        status = sl_queue_wake_worker(queue, err);
    if (status == SL_OK)
        add_ready(queue, task, weight);
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void sl_queue_submit_last(struct sl_queue *queue, struct sl_task *task)
{
    pthread_mutex_lock(&queue->lock);
    bool ending = queue->ending;
    if (!ending) {
        (void)sl_queue_wake_worker(queue, NULL);
        add_ready(queue, task, 1);
    }
    pthread_mutex_unlock(&queue->lock);
    if (ending)
        drop_ending(queue, task);
}

void sl_queue_submit_at(struct sl_queue *queue, struct sl_task *task,
                        sl_deadline when)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->ending) {
        pthread_mutex_unlock(&queue->lock);
        drop_ending(queue, task);
        return;
    }
    task->not_before = when;
    task->late_reported = false;
    sl_queue_delay(queue, task);
    /* A sleeping worker may have to wake sooner than it planned. */
    (void)sl_queue_wake_worker(queue, NULL);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_make_due(struct sl_queue *queue, struct sl_task *task)
{
    pthread_mutex_lock(&queue->lock);
    if (task->heap_index < queue->delayed_count &&
        queue->delayed[task->heap_index] == task) {
        sl_queue_make_ready(queue, task);
        sl_queue_wake_if_ready(queue);
    }
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_changed(struct sl_queue *queue, const uint64_t change_keys[],
                      size_t count)
{
    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++)
        sl_queue_wake_waiters(queue, change_keys[i]);
    sl_queue_wake_if_ready(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_all_changed(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    sl_queue_wake_all_waiters(queue);
    sl_queue_wake_if_ready(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_add_load(struct sl_queue *queue, struct sl_queue_load *load)
{
    pthread_mutex_lock(&queue->lock);
    load->queued += queue->queued;
    load->delayed += queue->delayed_count;
    load->running += queue->running;
    load->connections += queue->connections;
    load->stuck += queue->stuck;
    load->given_up += queue->given_up;
    load->dead = load->dead || sl_queue_worker_limit(queue) == 0;
    pthread_mutex_unlock(&queue->lock);
}

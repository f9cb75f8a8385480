/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue.  One lock, held for a few pointers; a worker is only
 * woken when it sleeps and nobody else is on the way, so that a busy resource
 * costs no system calls here.
 */
#include "base/queue_internal.h"

#include <stdlib.h>

#include "base/alloc.h"

static void list_push(struct sl_task_list *list, struct sl_task *task)
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
    list_push(&queue->ready, task);
    queue->queued++;
}

struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context)
{
    pthread_condattr_t attributes;
    struct sl_queue *queue = sl_alloc(sizeof(*queue));

    queue->kept = sl_alloc_array(config->workers, sizeof(*queue->kept));

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
    return sl_fail(err, SL_UNAVAILABLE, "slight is shutting down");
}

static void drop_ending(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_error why;

    (void)fail_ending(&why);
    queue->ops->drop(queue->context, task, &why);
}

static void drop_all(struct sl_queue *queue, struct sl_task *task)
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
    /* Users: by sl_queue_run_here as well. */
    while (queue->started > 0 || queue->users > 0)
        pthread_cond_wait(&queue->wake, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
    sl_queue_unwatch(queue);

    pthread_mutex_lock(&queue->lock);
    sl_queue_join_ended(queue);
    sl_queue_close_kept(queue);
    bool all_back = queue->stuck == 0;
    /* Nobody adds to them any more; who drops may try. */
    while (queue->delayed_count > 0)
        sl_queue_make_ready(queue, queue->delayed[0]);
    struct sl_task *ready = queue->ready.first;
    queue->ready.first = NULL;
    pthread_mutex_unlock(&queue->lock);
    drop_all(queue, ready);
    return all_back;
}

void sl_queue_free(struct sl_queue *queue)
{
    if (queue == NULL || !sl_queue_end(queue))
        return;
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue->kept);
    free(queue->delayed);
    free(queue->lines);
    free(queue);
}

static void submit(struct sl_queue *queue, struct sl_task *task,
                   unsigned weight)
{
    task->weight = weight;
    task->not_before = 0;
    task->waits = false;
    task->told = false;
    list_push(&queue->ready, task);
    queue->queued++;
}

enum sl_status sl_queue_submit(struct sl_queue *queue, struct sl_task *task,
                               unsigned weight, struct sl_error *err)
{
    enum sl_status status;

    pthread_mutex_lock(&queue->lock);
    if (queue->ending)
        status = fail_ending(err);
    else if (sl_queue_allowed(queue) == 0)
        status = sl_queue_fail_stuck(queue, err);
    else if (queue->queued >= queue->config.max_queued)
        status = sl_fail(err, SL_UNAVAILABLE,
                         "%u calls wait already, as many as max-queued allows",
                         queue->queued);
    else
        status = sl_queue_call_worker(queue, err);
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
        (void)sl_queue_call_worker(queue, NULL);
        submit(queue, task, 1);
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
    task->told = false;
    sl_queue_delay(queue, task);
    /* A sleeper may have to be up sooner than it thinks. */
    (void)sl_queue_call_worker(queue, NULL);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_hurry(struct sl_queue *queue, struct sl_task *task)
{
    pthread_mutex_lock(&queue->lock);
    if (task->at < queue->delayed_count && queue->delayed[task->at] == task) {
        sl_queue_make_ready(queue, task);
        sl_queue_call_for_rest(queue);
    }
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_changed(struct sl_queue *queue, const uint64_t abouts[],
                      size_t count)
{
    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++)
        sl_queue_wake(queue, abouts[i]);
    sl_queue_call_for_rest(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_all_changed(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    sl_queue_wake_first(queue);
    sl_queue_call_for_rest(queue);
    pthread_mutex_unlock(&queue->lock);
}

void sl_queue_add_load(struct sl_queue *queue, struct sl_queue_load *load)
{
    pthread_mutex_lock(&queue->lock);
    load->queued += queue->queued;
    load->delayed += queue->delayed_count;
    load->running += queue->running;
    load->states += queue->states;
    load->stuck += queue->stuck;
    load->given_up += queue->given_up;
    load->dead = load->dead || sl_queue_allowed(queue) == 0;
    pthread_mutex_unlock(&queue->lock);
}

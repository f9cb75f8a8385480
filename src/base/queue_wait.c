/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that wait: a heap by when they are due, and wait queues of those that
 * wait for a change.  A change wakes only the first task of a wait queue, so
 * that its cost does not depend on how many wait.
 */
#include "base/queue_internal.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { BUCKETS = 256 }; /* of wait queues, by their change keys */

/* Tasks that can go on one after the other; never empty. */
struct sl_wait_queue {
    struct sl_wait_queue *next; /* of its bucket */
    uint64_t change_key;
    uint64_t id;
    struct sl_task *first, *last;
};

/* --- The heap ----------------------------------------------------------- */

static bool is_due_before(const struct sl_task *one,
                          const struct sl_task *other)
{
    if (one->due != other->due)
        return one->due < other->due;
    return (int32_t)(one->order - other->order) < 0;
}

static void heap_put(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    queue->delayed[at] = task;
    task->heap_index = at;
}

static void sift_up(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    while (at > 0 && is_due_before(task, queue->delayed[(at - 1) / 2])) {
        heap_put(queue, queue->delayed[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_put(queue, task, at);
}

static void sift_down(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->delayed_count)
            break;
        if (child + 1 < queue->delayed_count &&
            is_due_before(queue->delayed[child + 1], queue->delayed[child]))
            child++;
        if (!is_due_before(queue->delayed[child], task))
            break;
        heap_put(queue, queue->delayed[child], at);
        at = child;
    }
    heap_put(queue, task, at);
}

static void heap_add(struct sl_queue *queue, struct sl_task *task)
{
    if (queue->delayed_count == queue->delayed_capacity) {
        size_t capacity = 2 * queue->delayed_capacity + 16;
        struct sl_task **larger = sl_alloc_array(capacity, sizeof(*larger));
        for (size_t i = 0; i < queue->delayed_count; i++)
            larger[i] = queue->delayed[i];
        free(queue->delayed);
        queue->delayed = larger;
        queue->delayed_capacity = capacity;
    }
    task->order = queue->orders++;
    sift_up(queue, task, queue->delayed_count++);
}

static void heap_remove(struct sl_queue *queue, struct sl_task *task)
{
    size_t at = task->heap_index;
    struct sl_task *last = queue->delayed[--queue->delayed_count];

    if (last == task)
        return;
    if (at > 0 && is_due_before(last, queue->delayed[(at - 1) / 2]))
        sift_up(queue, last, at);
    else
        sift_down(queue, last, at);
}

/* When a task is due depends on whether it is the first of its wait queue. */
static void update_due(struct sl_queue *queue, struct sl_task *task)
{
    bool first = task->wait_queue != NULL && task->wait_queue->first == task;
    sl_deadline due = first && task->head_due < task->not_before
                          ? task->head_due
                          : task->not_before;

    if (due == task->due)
        return;
    heap_remove(queue, task);
    task->due = due;
    heap_add(queue, task);
}

struct sl_task *sl_queue_next_due(const struct sl_queue *queue)
{
    return queue->delayed_count > 0 ? queue->delayed[0] : NULL;
}

/* --- Wait queues -------------------------------------------------------- */

static struct sl_wait_queue **bucket_of(struct sl_queue *queue,
                                        uint64_t change_key)
{
    if (queue->wait_queues == NULL)
        queue->wait_queues =
            sl_alloc_array(BUCKETS, sizeof(*queue->wait_queues));
    return &queue->wait_queues[change_key % BUCKETS];
}

static struct sl_wait_queue *wait_queue_of(struct sl_queue *queue,
                                           const struct sl_task *task)
{
    struct sl_wait_queue **bucket = bucket_of(queue, task->change_key);
    struct sl_wait_queue *wait_queue = *bucket;

    while (wait_queue != NULL && (wait_queue->change_key != task->change_key ||
                                  wait_queue->id != task->wait_queue_id))
        wait_queue = wait_queue->next;
    if (wait_queue != NULL)
        return wait_queue;
    wait_queue = sl_alloc(sizeof(*wait_queue));
    wait_queue->change_key = task->change_key;
    wait_queue->id = task->wait_queue_id;
    wait_queue->next = *bucket;
    *bucket = wait_queue;
    return wait_queue;
}

static void free_wait_queue(struct sl_queue *queue,
                            struct sl_wait_queue *wait_queue)
{
    struct sl_wait_queue **place = bucket_of(queue, wait_queue->change_key);

    while (*place != wait_queue)
        place = &(*place)->next;
    *place = wait_queue->next;
    free(wait_queue);
}

/* Most tasks belong at the end or, after their first run, at the front. */
static void enter_wait_queue(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_wait_queue *wait_queue = wait_queue_of(queue, task);
    struct sl_task *previous = wait_queue->last;

    if (wait_queue->first != NULL &&
        task->position < wait_queue->first->position)
        previous = NULL;
    while (previous != NULL && previous->position > task->position)
        previous = previous->previous;
    struct sl_task *following =
        previous != NULL ? previous->following : wait_queue->first;
    task->wait_queue = wait_queue;
    task->previous = previous;
    task->following = following;
    *(previous != NULL ? &previous->following : &wait_queue->first) = task;
    *(following != NULL ? &following->previous : &wait_queue->last) = task;
    if (previous == NULL && following != NULL)
        update_due(queue, following);
}

static void leave_wait_queue(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_wait_queue *wait_queue = task->wait_queue;

    *(task->previous != NULL ? &task->previous->following
                             : &wait_queue->first) = task->following;
    *(task->following != NULL ? &task->following->previous
                              : &wait_queue->last) = task->previous;
    task->wait_queue = NULL;
    if (wait_queue->first == NULL)
        free_wait_queue(queue, wait_queue);
    else if (task->previous == NULL)
        update_due(queue, wait_queue->first);
}

/* --- Waiting ------------------------------------------------------------ */

/* Keys may share a counter: that costs a needless run now and then. */
static unsigned *change_counter(struct sl_queue *queue, uint64_t change_key)
{
    return &queue->changes[change_key % SL_QUEUE_COUNTERS];
}

unsigned sl_queue_change_count(const struct sl_queue *queue,
                               const struct sl_task *task)
{
    return queue->changes[task->change_key % SL_QUEUE_COUNTERS];
}

void sl_queue_delay(struct sl_queue *queue, struct sl_task *task)
{
    task->due = task->not_before;
    task->wait_queue = NULL;
    heap_add(queue, task);
    if (!task->waits)
        return;
    if (task->position == 0)
        task->position = (int64_t)++queue->positions;
    enter_wait_queue(queue, task);
    /* It changed while the task was on its way here.  A task that is not first
     * runs after those before it have looked. */
    if (task->changes_seen != sl_queue_change_count(queue, task) &&
        task->wait_queue->first == task)
        task->head_due = 0;
    queue->waiting++;
    update_due(queue, task);
}

void sl_queue_undelay(struct sl_queue *queue, struct sl_task *task)
{
    heap_remove(queue, task);
    if (!task->waits)
        return;
    queue->waiting--;
    leave_wait_queue(queue, task);
}

void sl_queue_wake_waiters(struct sl_queue *queue, uint64_t change_key)
{
    (*change_counter(queue, change_key))++;
    if (queue->waiting == 0)
        return;
    struct sl_wait_queue *wait_queue = *bucket_of(queue, change_key), *next;
    for (; wait_queue != NULL; wait_queue = next) {
        next = wait_queue->next; /* an empty one is freed */
        if (wait_queue->change_key == change_key)
            sl_queue_make_ready(queue, wait_queue->first);
    }
}

void sl_queue_wake_all_waiters(struct sl_queue *queue)
{
    struct sl_wait_queue *next;

    for (size_t i = 0; i < SL_QUEUE_COUNTERS; i++)
        queue->changes[i]++;
    for (size_t i = 0; queue->waiting > 0 && i < BUCKETS; i++)
        for (struct sl_wait_queue *wait_queue = queue->wait_queues[i];
             wait_queue != NULL; wait_queue = next) {
            next = wait_queue->next;
            sl_queue_make_ready(queue, wait_queue->first);
        }
}

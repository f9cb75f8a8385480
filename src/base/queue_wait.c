/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that wait: by when they are due (a heap), and those that wait for a
 * change in lines.  Of those that wait for the same only the first in line is
 * woken by a change, so that a change costs the same however many wait.
 */
#include "base/queue_internal.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { BUCKETS = 256 }; /* of lines, by what they wait for */

/* Those that wait for the same; never empty. */
struct sl_queue_line {
    struct sl_queue_line *next; /* of its bucket */
    uint64_t about;
    uint64_t id;
    struct sl_task *first, *last;
};

/* --- The heap ----------------------------------------------------------- */

static bool is_sooner(const struct sl_task *one, const struct sl_task *other)
{
    if (one->due != other->due)
        return one->due < other->due;
    return (int32_t)(one->order - other->order) < 0;
}

static void put(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    queue->delayed[at] = task;
    task->at = at;
}

static void sift_up(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    while (at > 0 && is_sooner(task, queue->delayed[(at - 1) / 2])) {
        put(queue, queue->delayed[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    put(queue, task, at);
}

static void sift_down(struct sl_queue *queue, struct sl_task *task, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->delayed_count)
            break;
        if (child + 1 < queue->delayed_count &&
            is_sooner(queue->delayed[child + 1], queue->delayed[child]))
            child++;
        if (!is_sooner(queue->delayed[child], task))
            break;
        put(queue, queue->delayed[child], at);
        at = child;
    }
    put(queue, task, at);
}

static void heap_add(struct sl_queue *queue, struct sl_task *task)
{
    if (queue->delayed_count == queue->delayed_room) {
        size_t room = 2 * queue->delayed_room + 16;
        struct sl_task **larger = sl_alloc_array(room, sizeof(*larger));
        for (size_t i = 0; i < queue->delayed_count; i++)
            larger[i] = queue->delayed[i];
        free(queue->delayed);
        queue->delayed = larger;
        queue->delayed_room = room;
    }
    task->order = queue->orders++;
    sift_up(queue, task, queue->delayed_count++);
}

static void heap_remove(struct sl_queue *queue, struct sl_task *task)
{
    size_t at = task->at;
    struct sl_task *last = queue->delayed[--queue->delayed_count];

    if (last == task)
        return;
    if (at > 0 && is_sooner(last, queue->delayed[(at - 1) / 2]))
        sift_up(queue, last, at);
    else
        sift_down(queue, last, at);
}

/* When a task is due depends on whether it is first in its line. */
static void set_due(struct sl_queue *queue, struct sl_task *task)
{
    bool first = task->in_line != NULL && task->in_line->first == task;
    sl_deadline due = first && task->look_at < task->not_before
                          ? task->look_at
                          : task->not_before;

    if (due == task->due)
        return;
    heap_remove(queue, task);
    task->due = due;
    heap_add(queue, task);
}

struct sl_task *sl_queue_soonest(const struct sl_queue *queue)
{
    return queue->delayed_count > 0 ? queue->delayed[0] : NULL;
}

/* --- Lines -------------------------------------------------------------- */

static struct sl_queue_line **bucket_of(struct sl_queue *queue, uint64_t about)
{
    if (queue->lines == NULL)
        queue->lines = sl_alloc_array(BUCKETS, sizeof(*queue->lines));
    return &queue->lines[about % BUCKETS];
}

static struct sl_queue_line *line_of(struct sl_queue *queue,
                                     const struct sl_task *task)
{
    struct sl_queue_line **bucket = bucket_of(queue, task->about);
    struct sl_queue_line *line = *bucket;

    while (line != NULL &&
           (line->about != task->about || line->id != task->line))
        line = line->next;
    if (line != NULL)
        return line;
    line = sl_alloc(sizeof(*line));
    line->about = task->about;
    line->id = task->line;
    line->next = *bucket;
    *bucket = line;
    return line;
}

static void free_line(struct sl_queue *queue, struct sl_queue_line *line)
{
    struct sl_queue_line **place = bucket_of(queue, line->about);

    while (*place != line)
        place = &(*place)->next;
    *place = line->next;
    free(line);
}

/* Most come behind all others, or, once they have looked, before them. */
static void enter_line(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_queue_line *line = line_of(queue, task);
    struct sl_task *before = line->last;

    if (line->first != NULL && task->place < line->first->place)
        before = NULL;
    while (before != NULL && before->place > task->place)
        before = before->ahead;
    struct sl_task *behind = before != NULL ? before->behind : line->first;
    task->in_line = line;
    task->ahead = before;
    task->behind = behind;
    *(before != NULL ? &before->behind : &line->first) = task;
    *(behind != NULL ? &behind->ahead : &line->last) = task;
    if (before == NULL && behind != NULL)
        set_due(queue, behind);
}

static void leave_line(struct sl_queue *queue, struct sl_task *task)
{
    struct sl_queue_line *line = task->in_line;

    *(task->ahead != NULL ? &task->ahead->behind : &line->first) = task->behind;
    *(task->behind != NULL ? &task->behind->ahead : &line->last) = task->ahead;
    task->in_line = NULL;
    if (line->first == NULL)
        free_line(queue, line);
    else if (task->ahead == NULL)
        set_due(queue, line->first);
}

/* --- Waiting ------------------------------------------------------------ */

/* Of what is about the same, and now and then of something else as well. */
static unsigned *changes_of(struct sl_queue *queue, uint64_t about)
{
    return &queue->changes[about % SL_QUEUE_COUNTERS];
}

unsigned sl_queue_changes(const struct sl_queue *queue,
                          const struct sl_task *task)
{
    return queue->changes[task->about % SL_QUEUE_COUNTERS];
}

void sl_queue_delay(struct sl_queue *queue, struct sl_task *task)
{
    task->due = task->not_before;
    task->in_line = NULL;
    heap_add(queue, task);
    if (!task->waits)
        return;
    if (task->place == 0)
        task->place = (int64_t)++queue->arrivals;
    enter_line(queue, task);
    /* It changed while the task was on its way here; one that is not first
     * comes when those before it have looked. */
    if (task->seen != sl_queue_changes(queue, task) &&
        task->in_line->first == task)
        task->look_at = 0;
    queue->waiting++;
    set_due(queue, task);
}

void sl_queue_undelay(struct sl_queue *queue, struct sl_task *task)
{
    heap_remove(queue, task);
    if (!task->waits)
        return;
    queue->waiting--;
    leave_line(queue, task);
}

void sl_queue_wake(struct sl_queue *queue, uint64_t about)
{
    (*changes_of(queue, about))++;
    if (queue->waiting == 0)
        return;
    struct sl_queue_line *line = *bucket_of(queue, about), *next;
    for (; line != NULL; line = next) {
        next = line->next; /* an empty line is freed */
        if (line->about == about)
            sl_queue_make_ready(queue, line->first);
    }
}

void sl_queue_wake_first(struct sl_queue *queue)
{
    struct sl_queue_line *next;

    for (size_t i = 0; i < SL_QUEUE_COUNTERS; i++)
        queue->changes[i]++;
    for (size_t i = 0; queue->waiting > 0 && i < BUCKETS; i++)
        for (struct sl_queue_line *line = queue->lines[i]; line != NULL;
             line = next) {
            next = line->next;
            sl_queue_make_ready(queue, line->first);
        }
}

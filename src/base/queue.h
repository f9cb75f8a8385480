/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue of a resource: what may wait is put here and done by a
 * few worker threads, each with one of as many states (connections).
 *
 * A worker takes everything that waits, up to a weight, so that many callers'
 * requests become one batch.  A caller that has nothing else to do may do its
 * own task with a state that nobody uses.  Nothing else in slight starts
 * threads for a service, so this file is where they are bounded.
 *
 * A task may have a time by which its submitter must have an answer.  When that
 * is over, ops->late says so, whatever the worker does.  A worker that does not
 * come back is given up with its state, and replaced by a new one, up to
 * max_stuck; if it comes back after all, its state is closed and it ends.
 */
#ifndef SL_BASE_QUEUE_H
#define SL_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/error.h"

/* Stands in what the caller queues; its fields are the queue's meanwhile. */
struct sl_task {
    struct sl_task *next;
    sl_deadline not_before; /* when it is run, whatever happens */
    /* The submitter's to set: when ops->late is called; 0: never. */
    sl_deadline answer_by;
    unsigned weight;
    unsigned kind; /* the caller's to use */
    bool waits;    /* for a change: see sl_queue_submit_at */
    bool told;     /* ops->late was called */
    unsigned seen; /* changes, when it was last run */
    /* The submitter's to set, of a task that waits: */
    uint64_t about;      /* what may change: see sl_queue_changed */
    uint64_t line;       /* those that can go on one after the other */
    int64_t place;       /* in it, the smallest first; 0: as they arrive */
    sl_deadline look_at; /* when it is run, if it is first in line then */
    /* The queue's: */
    sl_deadline due;
    size_t at;
    unsigned order;
    struct sl_queue_line *in_line;
    struct sl_task *ahead, *behind;
};

/* The most tasks, and the most weight, that one run gets. */
enum { SL_QUEUE_BATCH_MAX = 1024 };

/* What is done with tasks.  context is sl_queue_new's. */
struct sl_queue_ops {
    /*
     * Do tasks[0..count), 1 or more, in the order they were submitted.  *state
     * is for whatever shall be kept, NULL at first; nobody else uses it
     * meanwhile.  May submit, these tasks too.
     */
    void (*run)(void *context, void **state, struct sl_task *const tasks[],
                size_t count);
    /* May be NULL. About once a second, by one worker, between batches.  True:
     * there is more to do, and it is called again SL_QUEUE_AGAIN_MS later. */
    bool (*idle)(void *context, void **state);
    /* May be NULL. Every poll_ms, by one worker, while tasks wait for a change:
     * whether there may have been one. */
    bool (*changed)(void *context, void **state);
    /* The queue ends, and this was kept. */
    void (*close)(void *context, void *state);
    /* This task was not run, and will not be; why says the reason. */
    void (*drop)(void *context, struct sl_task *task,
                 const struct sl_error *why);
    /*
     * All three, where tasks have answer_by; else NULL.  hold keeps the task's
     * memory until late was called, which takes it back; it is called with the
     * queue's lock held.  late runs on a thread of its own, while the task is
     * queued or a worker has it; it stays theirs.
     */
    void (*hold)(void *context, struct sl_task *task);
    void (*late)(void *context, struct sl_task *task, bool running);
    /* A worker was given up (true), or came back (false). */
    void (*stuck)(void *context, bool is_stuck);
};

struct sl_queue_config {
    unsigned workers;    /* 1 or more; started when there is work for them */
    unsigned max_weight; /* of one batch; a heavier task comes alone */
    unsigned max_queued; /* tasks waiting; one more is refused */
    unsigned poll_ms;    /* how often ops->changed is called, if there is one */
    /* What follows is for queues with ops->late. */
    unsigned timeout_ms; /* the least from submit to answer_by; 0: no watch */
    unsigned max_stuck;  /* workers that are given up and replaced */
};

enum {
    /* Between calls of ops->idle that have more to do: others come first. */
    SL_QUEUE_AGAIN_MS = 20,
    /* An answer that comes this late is waited for: drivers look at the clock
     * now and then, and what they say of it is better than what we can. */
    SL_QUEUE_LATE_MS = 250,
    /* Behind the last answer_by of what it runs, a worker is given up. */
    SL_QUEUE_STUCK_MS = 1000,
    /* How long a worker may take for what is no task (idle, close). */
    SL_QUEUE_PATIENCE_MS = 15000,
};

struct sl_queue;

/* ops is borrowed until sl_queue_free. */
struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context);

/*
 * Let what runs finish, end the workers, drop what waits.  Not from a worker.
 * What is submitted from now on is refused, or dropped.
 *
 * False: a worker that was given up did not come back.  It may use whatever ops
 * use until the process ends, so that must not be freed.
 */
bool sl_queue_end(struct sl_queue *queue);
/* End it, if need be, and free it, unless a worker was left.  NULL is fine. */
void sl_queue_free(struct sl_queue *queue);

/*
 * Queue a task.  Weight is what it counts in a batch, 1 or more.
 * SL_UNAVAILABLE, and the task stays the caller's, where too many wait, no
 * thread can be started, or all workers are stuck.
 */
SL_MUST_CHECK enum sl_status sl_queue_submit(struct sl_queue *queue,
                                             struct sl_task *task,
                                             unsigned weight,
                                             struct sl_error *err);

/*
 * Do a task now, on this thread, with a state that is kept.  False, and nothing
 * was done, where there is none, or others are at work already: then it is
 * sooner done together with theirs.
 */
SL_MUST_CHECK bool sl_queue_run_here(struct sl_queue *queue,
                                     struct sl_task *task, unsigned weight);

/*
 * In ops->run, with its state: what it does from now on needs that no more, and
 * somebody else may have it.
 */
void sl_queue_release(struct sl_queue *queue, void **state);

/* As sl_queue_submit with a weight of 1; is never refused, but dropped where
 * the queue is ending. */
void sl_queue_submit_last(struct sl_queue *queue, struct sl_task *task);

/*
 * Queue a task for later, with the weight that it has.  Is never refused; it is
 * dropped where the queue is ending.  With task->waits it stands in a line, and
 * is run sooner where it is the first there and what it waits for changed since
 * it was last run.
 */
void sl_queue_submit_at(struct sl_queue *queue, struct sl_task *task,
                        sl_deadline when);

/* Run a task now that may have been queued for later. */
void sl_queue_hurry(struct sl_queue *queue, struct sl_task *task);

/*
 * These changed, each as often as it stands here: of each line that waits for
 * one, run the first now.  Who runs and finds that there is more for the next
 * one, or ends without having looked, says that it changed again.
 */
void sl_queue_changed(struct sl_queue *queue, const uint64_t abouts[],
                      size_t count);
/* Anything may have changed: run the first of every line now. */
void sl_queue_all_changed(struct sl_queue *queue);

/* What there is at this moment. */
struct sl_queue_load {
    size_t queued;     /* tasks that wait for a worker */
    size_t delayed;    /* tasks that wait for a change, or for their time */
    size_t running;    /* tasks that are being run */
    size_t states;     /* kept, or in use */
    size_t stuck;      /* workers that were given up and are not back */
    bool dead;         /* so many that none is left to work */
    uint64_t given_up; /* workers that ever were */
};

/* Add what this queue has to *load. */
void sl_queue_add_load(struct sl_queue *queue, struct sl_queue_load *load);

#endif

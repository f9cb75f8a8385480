/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The submission queue of a resource.  Tasks that may block are put here and
 * run by a few worker threads, each with a connection of its own.
 *
 * A worker takes all queued tasks, up to a weight, so that many callers'
 * requests become one batch.  A caller that has nothing else to do may run its
 * own task with an idle connection.  Nothing else in slight starts threads for
 * a service, so this file is where they are bounded.
 *
 * A task may have a time by which its submitter must have an answer.  When that
 * has passed, ops->late reports it, whatever the worker does.  A worker that
 * does not return is given up with its connection and replaced, up to
 * max_stuck times; if it returns after all, its connection is closed and the
 * thread ends.
 */
#ifndef SL_BASE_QUEUE_H
#define SL_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/error.h"

/* Embedded in what the caller queues.  Its fields are the queue's while it is
 * queued or run. */
struct sl_task {
    struct sl_task *next;
    sl_deadline not_before; /* run then at the latest, unless it is late */
    /* The submitter's to set: when ops->late is called; 0: never. */
    sl_deadline answer_by;
    unsigned weight;
    unsigned kind;         /* the caller's to use */
    bool waits;            /* for a change: see sl_queue_submit_at */
    bool late_reported;    /* ops->late was called */
    unsigned changes_seen; /* how many there had been when it last ran */
    /* The submitter's to set, of a task that waits for a change: */
    uint64_t change_key;    /* what may change: see sl_queue_changed */
    uint64_t wait_queue_id; /* tasks that can go on one after the other */
    int64_t position;       /* in the wait queue, lowest first; 0: at its end */
    sl_deadline head_due;   /* when it is run if it is the first there */
    /* The queue's: */
    sl_deadline due;
    size_t heap_index;
    unsigned order;
    struct sl_wait_queue *wait_queue;
    struct sl_task *previous, *following; /* in the wait queue */
};

/* The most tasks, and the most weight, that one run gets. */
enum { SL_QUEUE_BATCH_MAX = 1024 };

/* One run of a worker, or of a caller on its own thread. */
struct sl_queue_turn;

/* What is done with tasks.  context is sl_queue_new's. */
struct sl_queue_ops {
    /*
     * Run tasks[0..count), 1 or more, in the order they were submitted.
     * *connection is NULL at first; what is left there is kept for a later run.
     * Nobody else uses it meanwhile.  May submit, these tasks too.
     */
    void (*run)(void *context, struct sl_queue_turn *turn, void **connection,
                struct sl_task *const tasks[], size_t count);
    /* May be NULL.  Called about once a second, by one worker, between batches.
     * True: there is more to do; it is called again after SL_QUEUE_AGAIN_MS. */
    bool (*idle)(void *context, void **connection);
    /* May be NULL.  Called every poll_ms, by one worker, while tasks wait for a
     * change: whether there may have been one. */
    bool (*changed)(void *context, void **connection);
    /* Close a connection that was kept. */
    void (*close)(void *context, void *connection);
    /* This task was not run and will not be; why says the reason. */
    void (*drop)(void *context, struct sl_task *task,
                 const struct sl_error *why);
    /*
     * All three, where tasks have answer_by; else NULL.  hold keeps the task's
     * memory until late was called, which releases it; it is called with the
     * queue's lock held.  late runs on a thread of its own, while the task is
     * queued or run; the task stays theirs.
     */
    void (*hold)(void *context, struct sl_task *task);
    void (*late)(void *context, struct sl_task *task, bool running);
    /* A worker was given up (true), or returned (false). */
    void (*stuck)(void *context, bool is_stuck);
};

struct sl_queue_config {
    unsigned workers;    /* 1 or more; started when there is work for them */
    unsigned max_weight; /* of one batch; a heavier task runs alone */
    unsigned max_queued; /* tasks waiting; one more is refused */
    unsigned poll_ms;    /* how often ops->changed is called, if there is one */
    /* What follows is for queues with ops->late. */
    unsigned timeout_ms; /* the least from submit to answer_by; 0: no watch */
    unsigned max_stuck;  /* workers that are given up and replaced */
};

enum {
    /* Between calls of ops->idle that have more to do: others come first. */
    SL_QUEUE_AGAIN_MS = 20,
    /* How long an answer may be late before its task is: drivers look at the
     * clock now and then, and their message is better than ours. */
    SL_QUEUE_LATE_MS = 250,
    /* After the last answer_by of its tasks, a worker is given up. */
    SL_QUEUE_STUCK_MS = 1000,
    /* How long a worker may take for what is not a task (idle, close). */
    SL_QUEUE_PATIENCE_MS = 15000,
};

struct sl_queue;

/* ops is borrowed until sl_queue_free. */
struct sl_queue *sl_queue_new(const struct sl_queue_config *config,
                              const struct sl_queue_ops *ops, void *context);

/*
 * Let running tasks finish, end the workers, and drop waiting tasks.  Not from
 * a worker.  Later submissions are refused, or dropped.
 *
 * False: a worker that was given up did not return.  It may use whatever ops
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
 * Run a task now, on this thread, with an idle connection.  False, and nothing
 * was done, where no connection is idle or others are at work: then the task is
 * done sooner together with theirs.
 */
SL_MUST_CHECK bool sl_queue_run_inline(struct sl_queue *queue,
                                       struct sl_task *task, unsigned weight);

/* In ops->run: the rest of this run needs its connection no more, so that
 * another may use it. */
void sl_queue_release(struct sl_queue *queue, struct sl_queue_turn *turn);

/* As sl_queue_submit with a weight of 1; never refused, but dropped where the
 * queue is ending. */
void sl_queue_submit_last(struct sl_queue *queue, struct sl_task *task);

/*
 * Queue a task for later, with the weight that it has.  Never refused; dropped
 * where the queue is ending.  With task->waits it enters a wait queue, and runs
 * sooner if it is the first there and what it waits for changed since it last
 * ran.
 */
void sl_queue_submit_at(struct sl_queue *queue, struct sl_task *task,
                        sl_deadline when);

/* Run a task now that may have been queued for later. */
void sl_queue_make_due(struct sl_queue *queue, struct sl_task *task);

/*
 * These changed, each as often as it appears: run the first task of each wait
 * queue with such a key.  A task that runs and leaves something for the next
 * one, or ends without having looked, reports the change again.
 */
void sl_queue_changed(struct sl_queue *queue, const uint64_t change_keys[],
                      size_t count);
/* Anything may have changed: run the first task of every wait queue. */
void sl_queue_all_changed(struct sl_queue *queue);

/* What is in a queue at this moment. */
struct sl_queue_load {
    size_t queued;      /* tasks that wait for a worker */
    size_t delayed;     /* tasks that wait for a change, or for their time */
    size_t running;     /* tasks that are being run */
    size_t connections; /* idle, or in use */
    size_t stuck;       /* workers that were given up and have not returned */
    bool dead;          /* too many are stuck: none is left to work */
    uint64_t given_up;  /* workers that ever were */
};

/* Add what this queue has to *load. */
void sl_queue_add_load(struct sl_queue *queue, struct sl_queue_load *load);

#endif

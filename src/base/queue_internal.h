/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a queue: tasks (queue.c), who does them (queue_worker.c), and
 * who sees to it that they are back in time (queue_watch.c).
 */
#ifndef SL_BASE_QUEUE_INTERNAL_H
#define SL_BASE_QUEUE_INTERNAL_H

#include "base/queue.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    SL_QUEUE_IDLE_EVERY_MS = 1000,
    SL_QUEUE_COUNTERS = 64, /* of changes, by what they are about */
};

struct sl_queue_line; /* queue_wait.c's */

struct sl_task_list {
    struct sl_task *first;
    struct sl_task *last;
};

/* A thread.  It is in its queue's list until it was joined. */
struct sl_queue_worker {
    struct sl_queue *queue;
    struct sl_queue_worker *next;
    pthread_t thread;
    pid_t id; /* the system's; 0 before it runs */
    bool ended;
};

/* What is done in one turn. */
struct sl_queue_turn {
    void *state; /* first: what ops->run gets is its turn */
    bool was_new;
    bool released;
    struct sl_task **tasks; /* room for SL_QUEUE_BATCH_MAX */
    size_t count;
    bool idle;
    bool poll;
    /* For who watches: */
    struct sl_queue_turn *next;
    struct sl_queue_worker *worker; /* NULL: a caller's thread */
    bool stuck;                     /* was given up */
    sl_deadline back_by;
};

struct sl_queue {
    const struct sl_queue_ops *ops;
    void *context;
    struct sl_queue_config config;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    struct sl_task_list ready;
    struct sl_task **delayed; /* a heap: the first is due soonest */
    size_t delayed_count, delayed_room;
    unsigned orders;              /* given to tasks in it */
    unsigned waiting;             /* of them, for a change */
    uint64_t arrivals;            /* places given to those */
    struct sl_queue_line **lines; /* they stand in; NULL before the first */
    unsigned changes[SL_QUEUE_COUNTERS]; /* how many there were */
    unsigned queued; /* in ready; what is delayed was admitted before */
    unsigned sleeping;
    unsigned woken;   /* sleepers that were signalled and have not run yet */
    unsigned looking; /* once more, before they sleep */
    unsigned started; /* workers that are neither stuck nor ended */
    unsigned users;   /* of states: those who run something */
    int64_t pace;     /* of the last run: nanoseconds for one task */
    bool kept_out;    /* a worker would work, were there a state */
    size_t running;   /* tasks */
    size_t states;    /* kept, or in use */
    void **kept;      /* states that nobody uses, the last used last */
    unsigned kept_count;
    bool ending;
    sl_deadline next_idle;
    sl_deadline next_poll;
    struct sl_queue_worker *workers; /* all that were not joined */
    struct sl_queue_turn *turns;     /* that are being done */
    unsigned stuck;                  /* of them */
    uint64_t given_up;

    struct sl_queue *watched; /* the next one; queue_watch.c's */
    sl_deadline look_at;      /* queue_watch.c's */
};

/* --- queue.c; all of them with the lock held --- */

/* Out of the delayed ones, behind what is ready. */
void sl_queue_make_ready(struct sl_queue *queue, struct sl_task *task);

/* --- queue_wait.c, as above --- */

/* Among those that are delayed, until not_before; and out of them. */
void sl_queue_delay(struct sl_queue *queue, struct sl_task *task);
void sl_queue_undelay(struct sl_queue *queue, struct sl_task *task);
/* Which of them is due first, or NULL. */
struct sl_task *sl_queue_soonest(const struct sl_queue *queue);
/* How many changes there were of what it is about. */
unsigned sl_queue_changes(const struct sl_queue *queue,
                          const struct sl_task *task);
/* Make ready the first of each line about this; of every line. */
void sl_queue_wake(struct sl_queue *queue, uint64_t about);
void sl_queue_wake_first(struct sl_queue *queue);

/* --- queue_worker.c, as above --- */

/*
 * Somebody for what comes now, unless one is on the way already, who takes it
 * as well or calls the next one.  Where all are at work, they look when they
 * are done.
 */
enum sl_status sl_queue_call_worker(struct sl_queue *queue,
                                    struct sl_error *err);
void sl_queue_call_for_rest(struct sl_queue *queue);
/* The lock is released meanwhile. */
void sl_queue_close_kept(struct sl_queue *queue);
/* Of workers and states in use: how many there may be.  0: all are stuck. */
unsigned sl_queue_allowed(const struct sl_queue *queue);
enum sl_status sl_queue_fail_stuck(const struct sl_queue *queue,
                                   struct sl_error *err);
/* What it does takes too long: work on without it. */
void sl_queue_give_up(struct sl_queue *queue, struct sl_queue_turn *turn);
/* Join those that ended; the lock is released meanwhile. */
void sl_queue_join_ended(struct sl_queue *queue);

/* --- queue_watch.c, without the lock --- */

/* Look after it from now on.  Its config has a timeout. */
void sl_queue_watch(struct sl_queue *queue);
/* No more, once this returns.  Not from ops->late.  Twice is fine. */
void sl_queue_unwatch(struct sl_queue *queue);

#endif

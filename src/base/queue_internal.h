/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a queue: its tasks (queue.c), those that wait (queue_wait.c),
 * its workers (queue_worker.c), and the watch over late ones (queue_watch.c).
 */
#ifndef SL_BASE_QUEUE_INTERNAL_H
#define SL_BASE_QUEUE_INTERNAL_H

#include "base/queue.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    SL_QUEUE_IDLE_EVERY_MS = 1000,
    SL_QUEUE_COUNTERS = 64, /* of changes, by their keys */
};

struct sl_wait_queue; /* queue_wait.c's */

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

struct sl_queue_turn {
    void *connection;
    bool is_new;            /* no connection was idle */
    bool released;          /* the connection was */
    struct sl_task **tasks; /* room for SL_QUEUE_BATCH_MAX */
    size_t count;
    bool idle; /* ops->idle is to be called */
    bool poll; /* ops->changed is to be called */
    /* For the watch: */
    struct sl_queue_turn *next;
    struct sl_queue_worker *worker; /* NULL: a caller's thread */
    bool stuck;                     /* was given up */
    sl_deadline return_by;
};

struct sl_queue {
    const struct sl_queue_ops *ops;
    void *context;
    struct sl_queue_config config;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    struct sl_task_list ready;
    struct sl_task **delayed; /* a heap: the first is due soonest */
    size_t delayed_count, delayed_capacity;
    unsigned orders;                     /* given to tasks in it */
    unsigned waiting;                    /* of them, for a change */
    uint64_t positions;                  /* given to those */
    struct sl_wait_queue **wait_queues;  /* buckets; NULL before the first */
    unsigned changes[SL_QUEUE_COUNTERS]; /* how many there were */
    unsigned queued; /* in ready; what is delayed was admitted before */
    unsigned sleeping;
    unsigned woken;      /* sleepers that were signalled and have not run yet */
    unsigned spinning;   /* workers that look once more before they sleep */
    unsigned started;    /* workers that are neither stuck nor ended */
    unsigned users;      /* of connections: turns that run */
    int64_t ns_per_task; /* in the last run */
    bool starved;        /* a worker waits for a free connection */
    size_t running;      /* tasks */
    size_t connections;  /* idle, or in use */
    void **idle_conns;   /* the last used last */
    unsigned idle_conn_count;
    bool ending;
    sl_deadline next_idle;
    sl_deadline next_poll;
    struct sl_queue_worker *workers; /* all that were not joined */
    struct sl_queue_turn *turns;     /* that are being done */
    unsigned stuck;                  /* of them */
    uint64_t given_up;

    struct sl_queue *watched; /* the next one; queue_watch.c's */
    sl_deadline check_at;     /* queue_watch.c's */
};

/* --- queue.c; all of them with the lock held --- */

/* Move a delayed task to the ready ones. */
void sl_queue_make_ready(struct sl_queue *queue, struct sl_task *task);

/* --- queue_wait.c, as above --- */

/* Put a task among the delayed ones, until not_before; and take it out. */
void sl_queue_delay(struct sl_queue *queue, struct sl_task *task);
void sl_queue_undelay(struct sl_queue *queue, struct sl_task *task);
/* The delayed task that is due first, or NULL. */
struct sl_task *sl_queue_next_due(const struct sl_queue *queue);
/* How many changes there were with the task's key. */
unsigned sl_queue_change_count(const struct sl_queue *queue,
                               const struct sl_task *task);
/* Make ready the first task of each wait queue with this key; of all. */
void sl_queue_wake_waiters(struct sl_queue *queue, uint64_t change_key);
void sl_queue_wake_all_waiters(struct sl_queue *queue);

/* --- queue_worker.c, as above --- */

/*
 * Wake or start a worker, unless one is already waking.  Where all are at work,
 * they look again when they are done.
 */
enum sl_status sl_queue_wake_worker(struct sl_queue *queue,
                                    struct sl_error *err);
/* The same, if there is work. */
void sl_queue_wake_if_ready(struct sl_queue *queue);
/* The lock is released meanwhile. */
void sl_queue_close_idle_conns(struct sl_queue *queue);
/* How many workers and connections there may be.  0: all are stuck. */
unsigned sl_queue_worker_limit(const struct sl_queue *queue);
enum sl_status sl_queue_fail_stuck(const struct sl_queue *queue,
                                   struct sl_error *err);
/* The turn takes too long: go on without its worker and connection. */
void sl_queue_give_up(struct sl_queue *queue, struct sl_queue_turn *turn);
/* Join workers that ended; the lock is released meanwhile. */
void sl_queue_join_ended(struct sl_queue *queue);

/* --- queue_watch.c, without the lock --- */

/* Watch it from now on.  Its config has a timeout. */
void sl_queue_watch(struct sl_queue *queue);
/* Not watched any more once this returns.  Not from ops->late.  Twice is fine.
 */
void sl_queue_unwatch(struct sl_queue *queue);

#endif

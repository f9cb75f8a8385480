/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a queue: tasks (queue.c), and who does them (queue_worker.c).
 */
#ifndef SL_BASE_QUEUE_INTERNAL_H
#define SL_BASE_QUEUE_INTERNAL_H

#include "base/queue.h"

#include <pthread.h>
#include <stdint.h>

enum { SL_QUEUE_IDLE_EVERY_MS = 1000 };

struct sl_task_list {
    struct sl_task *first;
    struct sl_task *last;
};

struct sl_queue {
    const struct sl_queue_ops *ops;
    void *context;
    struct sl_queue_config config;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    struct sl_task_list ready;
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

/* --- queue.c; all of them with the lock held --- */

/* Out of the delayed ones, behind what is ready. */
void sl_queue_make_ready(struct sl_queue *queue, struct sl_task **place);
void sl_queue_note_change(struct sl_queue *queue);

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

#endif

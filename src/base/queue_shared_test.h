/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the queue share: numbered tasks, and a record of what the
 * workers did with them. */
#ifndef SL_BASE_QUEUE_SHARED_TEST_H
#define SL_BASE_QUEUE_SHARED_TEST_H

#include <pthread.h>

#include "base/queue.h"

enum { TASKS = 64, PATIENCE_MS = 20000 };

/* A task that knows its number. */
struct item {
    struct sl_task task; /* first: a task is its item */
    int number;
};

/* What the workers did. */
struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate_closed; /* run waits until it opens */
    int order[4 * TASKS];
    int done;
    int running;
    int batches;
    size_t largest_batch;
    int dropped;
    int idled;
    int idle_again; /* how often there is more to do */
    int opened;
    int closed;
    struct sl_queue *queue;
    int again; /* submit this number once more, later */
};

/* A queue over the record, which is initialised. */
struct sl_queue *record_queue(struct record *record, unsigned workers,
                              unsigned weight, unsigned queued);
void set_gate(struct record *record, bool closed);
/* Wait, but not for ever, until a counter of the record has this value. */
void wait_until(struct record *record, const int *counter, int value);

#endif

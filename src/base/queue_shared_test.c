/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/queue_shared_test.h"

#include <unistd.h>

static void record_init(struct record *record)
{
    *record = (struct record){.lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER,
                              .again = -1};
}

void set_gate(struct record *record, bool closed)
{
    pthread_mutex_lock(&record->lock);
    record->gate_closed = closed;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

void wait_until(struct record *record, const int *counter, int value)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        pthread_mutex_lock(&record->lock);
        bool reached = *counter >= value;
        pthread_mutex_unlock(&record->lock);
        if (reached)
            return;
        usleep(1000);
    }
    fail_msg("waited too long for %d", value);
}

static void run_tasks(void *context, struct sl_queue_turn *turn,
                      void **connection, struct sl_task *const tasks[],
                      size_t count)
{
    struct record *record = context;

    (void)turn;
    pthread_mutex_lock(&record->lock);
    if (*connection == NULL) {
        *connection = record;
        record->opened++;
    }
    record->running++;
    while (record->gate_closed)
        pthread_cond_wait(&record->changed, &record->lock);
    record->running--;
    record->batches++;
    if (count > record->largest_batch)
        record->largest_batch = count;
    for (size_t i = 0; i < count; i++) {
        struct item *item = (struct item *)tasks[i];
        record->order[record->done++] = item->number;
        if (item->number == record->again) {
            record->again = -1;
            sl_queue_submit_at(record->queue, &item->task,
                               sl_deadline_in_ms(50));
        }
    }
    pthread_mutex_unlock(&record->lock);
}

static bool count_idle(void *context, void **connection)
{
    struct record *record = context;

    (void)connection;
    pthread_mutex_lock(&record->lock);
    record->idled++;
    bool more = record->idle_again-- > 0;
    pthread_mutex_unlock(&record->lock);
    return more;
}

static void close_connection(void *context, void *connection)
{
    struct record *record = context;

    assert_ptr_equal(connection, record);
    pthread_mutex_lock(&record->lock);
    record->closed++;
    pthread_mutex_unlock(&record->lock);
}

static void count_dropped(void *context, struct sl_task *task,
                          const struct sl_error *why)
{
    struct record *record = context;

    (void)task;
    assert_int_equal(why->status, SL_CANCELLED); /* holds: types-19 */
    record->dropped++;
}

static const struct sl_queue_ops ops = {.run = run_tasks,
                                        .idle = count_idle,
                                        .close = close_connection,
                                        .drop = count_dropped};

struct sl_queue *record_queue(struct record *record, unsigned workers,
                              unsigned weight, unsigned queued)
{
    const struct sl_queue_config config = {
        .workers = workers, .max_weight = weight, .max_queued = queued};

    record_init(record);
    record->queue = sl_queue_new(&config, &ops, record);
    return record->queue;
}

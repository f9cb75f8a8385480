/* SPDX-License-Identifier: Apache-2.0 */
/* The submission queue: tasks that wait for a time, or for a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "base/queue.h"

enum { TASKS = 64, PATIENCE_MS = 20000 };

/* A task that knows its number. */
struct item {
    struct sl_task task; /* first: a task is its item */
    int number;
};

/* What the one worker did. */
struct record {
    pthread_mutex_t lock;
    int order[4 * TASKS];
    int done;
    int dropped;
};

static void run(void *context, void **state, struct sl_task *const tasks[],
                size_t count)
{
    struct record *record = context;

    (void)state;
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < count; i++)
        record->order[record->done++] = ((struct item *)tasks[i])->number;
    pthread_mutex_unlock(&record->lock);
}

static void drop(void *context, struct sl_task *task,
                 const struct sl_error *why)
{
    struct record *record = context;

    (void)task;
    (void)why;
    record->dropped++;
}

static const struct sl_queue_ops ops = {.run = run, .drop = drop};

static struct sl_queue *make(struct record *record)
{
    const struct sl_queue_config config = {
        .workers = 1, .max_weight = 100, .max_queued = 1000};

    *record = (struct record){.lock = PTHREAD_MUTEX_INITIALIZER};
    return sl_queue_new(&config, &ops, record);
}

/* Wait, not for ever, until a counter of the record has this value. */
static void wait_until(struct record *record, const int *counter, int value)
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

/* --- Waiting for a change ----------------------------------------------- */

/* Waits in this line; due by itself in an hour, or at look_at. */
static void wait_in_line(struct sl_queue *queue, struct item *item, int number,
                         uint64_t line, int64_t place)
{
    *item = (struct item){.number = number};
    item->task.weight = 1;
    item->task.waits = true;
    item->task.about = line % 10;
    item->task.line = line;
    item->task.place = place;
    item->task.look_at = SL_NEVER;
    sl_queue_submit_at(queue, &item->task, sl_deadline_in_ms(3600000));
}

static size_t delayed_in(struct sl_queue *queue)
{
    struct sl_queue_load load = {0};

    sl_queue_add_load(queue, &load);
    return load.delayed;
}

/* However many wait, one change runs one of them, by its place. */
static void a_change_runs_the_first_in_line(void **state)
{
    static const uint64_t one = 1, twice[] = {1, 1};
    struct record record;
    struct item items[TASKS], other;
    struct sl_queue *queue = make(&record);

    (void)state;
    wait_in_line(queue, &other, 1000, 2, 0);
    for (int i = 0; i < TASKS; i++) /* the last one is first */
        wait_in_line(queue, &items[i], i, 1, TASKS - i);
    sl_queue_changed(queue, &one, 1);
    wait_until(&record, &record.done, 1);
    assert_int_equal(delayed_in(queue), TASKS);
    sl_queue_changed(queue, twice, 2);
    wait_until(&record, &record.done, 3);
    assert_int_equal(delayed_in(queue), TASKS - 2);
    sl_queue_free(queue);
    for (int i = 0; i < 3; i++)
        assert_int_equal(record.order[i], TASKS - 1 - i);
    assert_int_equal(record.done, 3);
    assert_int_equal(record.dropped, TASKS - 3 + 1);
}

/* Lines about the same, and about something else; and all of them. */
static void each_line_has_a_first_one(void **state)
{
    static const uint64_t one = 1;
    struct record record;
    static const uint64_t lines[] = {11, 21, 12};
    struct item items[6];
    struct sl_queue *queue = make(&record);

    (void)state;
    for (int i = 0; i < 6; i++) /* 11 and 21 are about 1, 12 is not */
        wait_in_line(queue, &items[i], i, lines[i % 3], 0);
    sl_queue_changed(queue, &one, 1);
    wait_until(&record, &record.done, 2);
    assert_int_equal(delayed_in(queue), 4);
    sl_queue_all_changed(queue);
    wait_until(&record, &record.done, 5);
    assert_int_equal(delayed_in(queue), 1);
    sl_queue_free(queue);
    assert_int_equal(record.done, 5);
}

/* A time to look is that of whoever is first then: once the first has gone, the
 * next one has it. */
static void only_the_first_looks_at_its_time(void **state)
{
    struct record record;
    struct item items[3];
    struct sl_queue *queue = make(&record);

    (void)state;
    for (int i = 0; i < 3; i++) {
        items[i] = (struct item){.number = i};
        items[i].task = (struct sl_task){.weight = 1,
                                         .waits = true,
                                         .place = i + 1,
                                         .look_at = i == 2 ? SL_NEVER : 1};
    }
    /* The second one comes first: it is run. */
    sl_queue_submit_at(queue, &items[2].task, sl_deadline_in_ms(3600000));
    sl_queue_submit_at(queue, &items[1].task, sl_deadline_in_ms(3600000));
    wait_until(&record, &record.done, 1);
    sl_queue_submit_at(queue, &items[0].task, sl_deadline_in_ms(3600000));
    wait_until(&record, &record.done, 2);
    /* A call that is given up is run at once, wherever it stands. */
    sl_queue_hurry(queue, &items[2].task);
    wait_until(&record, &record.done, 3);
    assert_int_equal(delayed_in(queue), 0);
    sl_queue_free(queue);
    assert_int_equal(record.order[0], 1);
    assert_int_equal(record.order[1], 0);
    assert_int_equal(record.order[2], 2);
}

/* Many, in no order: each when it is due, and out of the middle. */
static void those_that_are_due_come_in_order(void **state)
{
    struct record record;
    struct item items[TASKS];
    struct sl_queue *queue = make(&record);
    sl_deadline base = sl_deadline_in_ms(200);

    (void)state;
    for (int i = 0; i < TASKS; i++) {
        int number = i * 37 % TASKS;
        items[i] = (struct item){.number = number, .task = {.weight = 1}};
        sl_queue_submit_at(queue, &items[i].task, base + number * 1000);
    }
    sl_queue_hurry(queue, &items[1].task);
    wait_until(&record, &record.done, TASKS);
    sl_queue_free(queue);
    assert_int_equal(record.order[0], 37);
    for (int i = 1, number = 0; i < TASKS; i++, number++) {
        number += number == 37;
        assert_int_equal(record.order[i], number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_runs_the_first_in_line),
        cmocka_unit_test(each_line_has_a_first_one),
        cmocka_unit_test(only_the_first_looks_at_its_time),
        cmocka_unit_test(those_that_are_due_come_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

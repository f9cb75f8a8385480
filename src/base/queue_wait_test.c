/* SPDX-License-Identifier: Apache-2.0 */
/* The submission queue: tasks that wait for a time, or for a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/queue_shared_test.h"

/* --- Waiting for a change ----------------------------------------------- */

/* Wait in this wait queue; due by itself in an hour. */
static void enter_wait_queue(struct sl_queue *queue, struct item *item,
                             int number, uint64_t id, int64_t position)
{
    *item = (struct item){.number = number};
    item->task.weight = 1;
    item->task.waits = true;
    item->task.change_key = id % 10;
    item->task.wait_queue_id = id;
    item->task.position = position;
    item->task.head_due = SL_NEVER;
    sl_queue_submit_at(queue, &item->task, sl_deadline_in_ms(3600000));
}

static size_t delayed_in(struct sl_queue *queue)
{
    struct sl_queue_load load = {0};

    sl_queue_add_load(queue, &load);
    return load.delayed;
}

/* However many wait, one change runs one of them, by its position. */
static void a_change_runs_the_first_of_a_wait_queue(void **state)
{
    static const uint64_t one = 1, twice[] = {1, 1};
    struct record record;
    struct item items[TASKS], other;
    struct sl_queue *queue = record_queue(&record, 1, 100, 1000);

    (void)state;
    enter_wait_queue(queue, &other, 1000, 2, 0);
    for (int i = 0; i < TASKS; i++) /* the last one is first */
        enter_wait_queue(queue, &items[i], i, 1, TASKS - i);
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

/* Wait queues with one key, with another one, and all of them. */
static void each_wait_queue_has_a_first_task(void **state)
{
    static const uint64_t one = 1;
    struct record record;
    static const uint64_t ids[] = {11, 21, 12};
    struct item items[6];
    struct sl_queue *queue = record_queue(&record, 1, 100, 1000);

    (void)state;
    for (int i = 0; i < 6; i++) /* 11 and 21 have key 1, 12 has 2 */
        enter_wait_queue(queue, &items[i], i, ids[i % 3], 0);
    sl_queue_changed(queue, &one, 1);
    wait_until(&record, &record.done, 2);
    assert_int_equal(delayed_in(queue), 4);
    sl_queue_all_changed(queue);
    wait_until(&record, &record.done, 5);
    assert_int_equal(delayed_in(queue), 1);
    sl_queue_free(queue);
    assert_int_equal(record.done, 5);
}

/* head_due is that of the task that is first then: when it has gone, the next
 * one has its own. */
static void only_the_first_has_its_own_time(void **state)
{
    struct record record;
    struct item items[3];
    struct sl_queue *queue = record_queue(&record, 1, 100, 1000);

    (void)state;
    for (int i = 0; i < 3; i++) {
        items[i] = (struct item){.number = i};
        items[i].task = (struct sl_task){.weight = 1,
                                         .waits = true,
                                         .position = i + 1,
                                         .head_due = i == 2 ? SL_NEVER : 1};
    }
    /* The second one comes first: it is run. */
    sl_queue_submit_at(queue, &items[2].task, sl_deadline_in_ms(3600000));
    sl_queue_submit_at(queue, &items[1].task, sl_deadline_in_ms(3600000));
    wait_until(&record, &record.done, 1);
    sl_queue_submit_at(queue, &items[0].task, sl_deadline_in_ms(3600000));
    wait_until(&record, &record.done, 2);
    /* A call that is given up is run at once, wherever it stands. */
    sl_queue_make_due(queue, &items[2].task);
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
    struct sl_queue *queue = record_queue(&record, 1, 100, 1000);
    sl_deadline base = sl_deadline_in_ms(200);

    (void)state;
    for (int i = 0; i < TASKS; i++) {
        int number = i * 37 % TASKS;
        items[i] = (struct item){.number = number, .task = {.weight = 1}};
        sl_queue_submit_at(queue, &items[i].task, base + number * 1000);
    }
    sl_queue_make_due(queue, &items[1].task);
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
        cmocka_unit_test(a_change_runs_the_first_of_a_wait_queue),
        cmocka_unit_test(each_wait_queue_has_a_first_task),
        cmocka_unit_test(only_the_first_has_its_own_time),
        cmocka_unit_test(those_that_are_due_come_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The submission queue: batches, order, limits, delays, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/queue_shared_test.h"

static void submit(struct sl_queue *queue, struct item *item, int number,
                   unsigned weight)
{
    struct sl_error err;

    item->number = number;
    assert_int_equal(sl_queue_submit(queue, &item->task, weight, &err), SL_OK);
}

/* Occupy the only worker, so that what comes next gathers. */
static void occupy(struct record *record, struct sl_queue *queue,
                   struct item *item)
{
    set_gate(record, true);
    submit(queue, item, 1000, 1);
    wait_until(record, &record->running, 1);
}

/* What was submitted is done, and its state kept. */
static void wait_for_rest(struct record *record, struct sl_queue *queue)
{
    struct sl_queue_load load = {.running = 1};

    wait_until(record, &record->done, 1);
    for (int i = 0; i < PATIENCE_MS && load.running > 0; i++) {
        usleep(1000);
        load = (struct sl_queue_load){0};
        sl_queue_add_load(queue, &load);
    }
    assert_int_equal(load.running, 0);
}

static void what_gathers_is_one_batch_in_order(void **state)
{
    struct record record;
    struct item first, items[TASKS];
    struct sl_queue *queue = record_queue(&record, 1, 1000, 1000);

    (void)state;
    occupy(&record, queue, &first);
    for (int i = 0; i < TASKS; i++)
        submit(queue, &items[i], i, 1);
    set_gate(&record, false);
    wait_until(&record, &record.done, TASKS + 1);
    sl_queue_free(queue);
    assert_int_equal(record.batches, 2);
    assert_int_equal(record.largest_batch, TASKS);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(record.order[i + 1], i);
    assert_int_equal(record.opened, 1);
    assert_int_equal(record.closed, 1);
}

static void weight_bounds_a_batch(void **state)
{
    struct record record;
    struct item first, items[5];
    struct sl_queue *queue = record_queue(&record, 1, 10, 1000);
    static const unsigned weights[] = {4, 4, 4, 50, 1};

    (void)state;
    occupy(&record, queue, &first);
    for (int i = 0; i < 5; i++)
        submit(queue, &items[i], i, weights[i]);
    set_gate(&record, false);
    wait_until(&record, &record.done, 6);
    sl_queue_free(queue);
    /* the first, then 4+4, 4, 50 alone, 1 */
    assert_int_equal(record.batches, 5);
    assert_int_equal(record.largest_batch, 2);
}

static void one_too_many_is_refused(void **state)
{
    struct record record;
    struct item first, items[3];
    struct sl_error err;
    struct sl_queue *queue = record_queue(&record, 1, 10, 2);

    (void)state;
    occupy(&record, queue, &first);
    submit(queue, &items[0], 0, 1);
    submit(queue, &items[1], 1, 1);
    assert_int_equal(sl_queue_submit(queue, &items[2].task, 1, &err),
                     SL_RESOURCE_EXHAUSTED); /* holds: types-15 types-16 */
    assert_non_null(strstr(err.message, "max-queued"));
    set_gate(&record, false);
    wait_until(&record, &record.done, 3);
    submit(queue, &items[2], 2, 1);
    wait_until(&record, &record.done, 4);
    sl_queue_free(queue);
    assert_int_equal(record.dropped, 0);
}

static void a_task_may_come_again_later(void **state)
{
    struct record record;
    struct item item;
    struct sl_queue *queue = record_queue(&record, 1, 10, 10);

    (void)state;
    record.again = 7;
    submit(queue, &item, 7, 1);
    wait_until(&record, &record.done, 2);
    sl_queue_free(queue);
    assert_int_equal(record.order[0], 7);
    assert_int_equal(record.order[1], 7);
    assert_int_equal(record.dropped, 0);
}

static void *open_gate(void *arg)
{
    usleep(20000);
    set_gate(arg, false);
    return NULL;
}

static void what_waits_at_the_end_is_dropped(void **state)
{
    struct record record;
    struct item first, items[3];
    struct sl_queue *queue = record_queue(&record, 1, 1, 10);

    (void)state;
    occupy(&record, queue, &first);
    for (int i = 0; i < 2; i++)
        submit(queue, &items[i], i, 1);
    items[2].task = (struct sl_task){.weight = 1};
    sl_queue_submit_at(queue, &items[2].task, sl_deadline_in_ms(600000));

    /* Free waits for what runs; open the gate only while it does. */
    pthread_t opener;
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &record), 0);
    sl_queue_free(queue);
    pthread_join(opener, NULL);
    assert_int_equal(record.done + record.dropped, 4);
    assert_true(record.dropped >= 1);
    assert_int_equal(record.closed, record.opened);
}

static void idle_comes_by_itself(void **state)
{
    struct record record;
    struct item item;
    struct sl_queue *queue = record_queue(&record, 2, 10, 10);

    (void)state;
    submit(queue, &item, 0, 1);
    wait_until(&record, &record.idled, 2);
    sl_queue_free(queue);
}

/* Far more often than once a second, and no more than it has to do. */
static void idle_goes_on_while_there_is_more(void **state)
{
    struct record record;
    struct item item;
    struct sl_queue *queue = record_queue(&record, 1, 10, 10);

    (void)state;
    record.idle_again = 1000;
    submit(queue, &item, 0, 1);
    wait_until(&record, &record.idled, 100);
    sl_queue_free(queue);
}

static void what_is_slow_is_shared(void **state)
{
    enum { WORKERS = 4 };
    struct record record;
    struct item first, items[2 * WORKERS];
    pthread_t opener;
    struct sl_queue *queue = record_queue(&record, WORKERS, 1000, 1000);

    (void)state;
    occupy(&record, queue, &first);
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &record), 0);
    wait_for_rest(&record, queue);
    pthread_join(opener, NULL); /* after 20 ms: each comes to be slow */
    set_gate(&record, true);
    for (int i = 0; i < 2 * WORKERS; i++)
        submit(queue, &items[i], i, 1);
    wait_until(&record, &record.running, WORKERS); /* at the same time */
    set_gate(&record, false);
    wait_until(&record, &record.done, 2 * WORKERS + 1);
    sl_queue_free(queue);
    assert_int_equal(record.opened, WORKERS);
}

/* --- On the caller's thread --------------------------------------------- */

static void a_caller_uses_what_is_kept(void **state)
{
    struct record record;
    struct item items[2];
    struct sl_queue *queue = record_queue(&record, 2, 10, 10);

    (void)state;
    items[0].number = 7;
    assert_false(
        sl_queue_run_inline(queue, &items[0].task, 1)); /* none is kept */
    submit(queue, &items[0], 7, 1);
    wait_for_rest(&record, queue);
    items[1].number = 8;
    assert_true(sl_queue_run_inline(queue, &items[1].task, 1));
    assert_int_equal(record.done, 2); /* when it is back */
    assert_int_equal(record.order[1], 8);
    sl_queue_free(queue);
    assert_int_equal(record.opened, 1);
    assert_int_equal(record.closed, 1);
}

static void a_caller_leaves_it_to_who_is_at_work(void **state)
{
    struct record record;
    struct item first, second, third;
    struct sl_queue *queue = record_queue(&record, 2, 10, 10);

    (void)state;
    submit(queue, &first, 0, 1);
    wait_for_rest(&record, queue);
    occupy(&record, queue, &second);
    assert_false(sl_queue_run_inline(queue, &third.task, 1));
    set_gate(&record, false);
    sl_queue_free(queue);
    assert_int_equal(record.done, 2);
}

struct caller {
    struct sl_queue *queue;
    struct item item;
    bool ran;
};

static void *run_caller(void *arg)
{
    struct caller *caller = arg;

    caller->ran = sl_queue_run_inline(caller->queue, &caller->item.task, 1);
    return NULL;
}

/* The only state is the caller's: workers wait for it, and take it up then. */
static void start_caller(struct record *record, struct sl_queue *queue,
                         struct caller *caller, pthread_t *thread)
{
    struct item first;

    submit(queue, &first, 0, 1);
    wait_for_rest(record, queue);
    set_gate(record, true);
    *caller = (struct caller){.queue = queue, .item = {.number = 1}};
    assert_int_equal(pthread_create(thread, NULL, run_caller, caller), 0);
    wait_until(record, &record->running, 1);
}

static void workers_wait_for_a_caller(void **state)
{
    struct record record;
    struct item later[2];
    struct caller caller;
    pthread_t thread;
    struct sl_queue *queue = record_queue(&record, 1, 10, 10);

    (void)state;
    start_caller(&record, queue, &caller, &thread);
    submit(queue, &later[0], 2, 1);
    later[1].number = 3;
    later[1].task.weight = 1;
    later[1].task.waits = false;
    sl_queue_submit_at(queue, &later[1].task, sl_deadline_in_ms(1));
    usleep(20000);
    assert_int_equal(record.running, 1); /* and no second one */
    set_gate(&record, false);
    pthread_join(thread, NULL);
    assert_true(caller.ran);
    wait_until(&record, &record.done, 4);
    sl_queue_free(queue);
    assert_int_equal(record.order[1], 1);
    assert_int_equal(record.opened, 1);
    assert_int_equal(record.closed, 1);
}

static void the_end_waits_for_a_caller(void **state)
{
    struct record record;
    struct caller caller;
    pthread_t thread, opener;
    struct sl_queue *queue = record_queue(&record, 1, 10, 10);

    (void)state;
    start_caller(&record, queue, &caller, &thread);
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &record), 0);
    sl_queue_end(queue);
    assert_int_equal(record.done, 2);
    assert_int_equal(record.closed, 1);
    pthread_join(opener, NULL);
    pthread_join(thread, NULL);
    assert_true(caller.ran);
    assert_false(sl_queue_run_inline(queue, &caller.item.task, 1));
    sl_queue_free(queue);
}

/* --- Many threads ------------------------------------------------------- */

struct crowd {
    struct sl_queue *queue;
    struct item items[TASKS];
};

static void *submit_all(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < TASKS; i++)
        submit(crowd->queue, &crowd->items[i], i, 1);
    return NULL;
}

static void many_submit_and_every_task_runs_once(void **state)
{
    enum { THREADS = 4 };
    struct record record;
    static struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    int seen[TASKS] = {0};
    struct sl_queue *queue = record_queue(&record, 3, 8, THREADS * TASKS);

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        crowds[i].queue = queue;
        assert_int_equal(
            pthread_create(&threads[i], NULL, submit_all, &crowds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wait_until(&record, &record.done, THREADS * TASKS);
    sl_queue_free(queue);
    for (int i = 0; i < record.done; i++)
        seen[record.order[i]]++;
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(seen[i], THREADS);
    assert_true(record.largest_batch <= 8);
    assert_in_range(record.opened, 1, 3);
    assert_int_equal(record.closed, record.opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_gathers_is_one_batch_in_order),
        cmocka_unit_test(weight_bounds_a_batch),
        cmocka_unit_test(one_too_many_is_refused),
        cmocka_unit_test(a_task_may_come_again_later),
        cmocka_unit_test(what_waits_at_the_end_is_dropped),
        cmocka_unit_test(idle_comes_by_itself),
        cmocka_unit_test(idle_goes_on_while_there_is_more),
        cmocka_unit_test(what_is_slow_is_shared),
        cmocka_unit_test(a_caller_uses_what_is_kept),
        cmocka_unit_test(a_caller_leaves_it_to_who_is_at_work),
        cmocka_unit_test(workers_wait_for_a_caller),
        cmocka_unit_test(the_end_waits_for_a_caller),
        cmocka_unit_test(many_submit_and_every_task_runs_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

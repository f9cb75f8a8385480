/* SPDX-License-Identifier: Apache-2.0 */
/* Calls above every driver: batches, repeats, deadlines, threads, counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"
#include "service/fake_test.h"

/* --- Repeats ------------------------------------------------------------ */

/* holds: types-25 types-26 types-27 */
static void only_what_is_safe_is_repeated(void **state)
{
    const struct {
        enum fake_verb verb;
        struct fake_plan plan;
        int tries;
    } cases[] = {
        {FAKE_READ, {SL_UNAVAILABLE, false}, 3},
        {FAKE_READ, {SL_TIMEOUT, false}, 3},
        {FAKE_WRITE, {SL_UNAVAILABLE, false}, 1},
        {FAKE_WRITE, {SL_TIMEOUT, false}, 1},
        {FAKE_WRITE, {SL_UNAVAILABLE, true}, 3},
        {FAKE_WRITE, {SL_TIMEOUT, true}, 3},
        /* Throttled; the service may have acted unless the driver knows. */
        {FAKE_WRITE, {SL_RESOURCE_EXHAUSTED, true}, 3},
        {FAKE_WRITE, {SL_RESOURCE_EXHAUSTED, false}, 1},
        {FAKE_READ, {SL_INTERNAL, true}, 1},
        {FAKE_READ, {SL_PERMISSION_DENIED, true}, 1},
        {FAKE_READ, {SL_CONFLICT, false}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_request request = fake_request(cases[i].verb, "k");
        struct fake_service f;
        fake_service_open(&f, &fake_driver);
        fake_plan_all(&f.fake, cases[i].plan);
        struct fake_answer answer = fake_service_do(&f, &request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (f.fake.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, f.fake.ops);
        assert_int_equal(answer.retryable, cases[i].tries > 1);
        bool own = cases[i].plan.status == SL_CONFLICT;
        assert_string_equal(answer.err.message,
                            own ? "as planned"
                                : "resource \"test\": as planned");
        fake_service_close(&f);
    }
}

static void a_repeat_can_succeed(void **state)
{
    struct fake_service f;
    struct fake_request get = fake_request(FAKE_READ, "k");

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.fake.plans[0].status = SL_UNAVAILABLE;
    f.fake.plans[1].status = SL_TIMEOUT;
    assert_int_equal(fake_service_do(&f, &get).err.status, SL_OK);
    assert_int_equal(f.fake.ops, 3);
    /* A connection that failed so is closed, and another one opened. */
    assert_int_equal(f.fake.opened, 3);
    fake_service_close(&f);
}

static void a_refused_connection_is_tried_again(void **state)
{
    struct fake_service f;
    struct fake_request increment = fake_request(FAKE_WRITE, "k");

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.fake.open_failures = 2;
    assert_int_equal(fake_service_do(&f, &increment).err.status, SL_OK);
    f.fake.plans[1].status = SL_UNAVAILABLE;
    f.fake.open_failures = 9;
    struct fake_answer answer = fake_service_do(&f, &increment);
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    assert_int_equal(f.fake.ops, 2);
    fake_service_close(&f);
}

static void only_what_failed_of_a_call_is_repeated(void **state)
{
    struct fake_request many[3] = {fake_request(FAKE_WRITE, "a"),
                                   fake_request(FAKE_READ, "b"),
                                   fake_request(FAKE_WRITE, "c")};
    struct fake_answer answers[3];
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.fake.plans[1].status = SL_UNAVAILABLE;
    f.fake.plans[2].status = SL_UNAVAILABLE;
    sl_service_do(f.service, NULL, many, 3, answers);
    assert_int_equal(answers[0].err.status, SL_OK);
    assert_int_equal(answers[1].err.status, SL_OK);
    assert_int_equal(answers[2].err.status, SL_UNAVAILABLE);
    assert_int_equal(f.fake.ops, 4);
    assert_string_equal(f.fake.keys[3], "b");
    fake_answer_done(&answers[1]);
    fake_service_close(&f);
}

/* holds: types-18 */
static void no_repeat_goes_past_the_deadline(void **state)
{
    struct fake_service f;
    struct fake_request get = fake_request(FAKE_READ, "k");

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.config.timeout_ms = 100;
    f.config.retry_attempts = 100;
    f.config.retry_backoff_ms = 4000000; /* an hour: longer than a test */
    fake_plan_all(&f.fake, (struct fake_plan){.status = SL_UNAVAILABLE});
    assert_int_equal(fake_service_do(&f, &get).err.status, SL_UNAVAILABLE);
    fake_service_close(&f);
}

/* --- Calls that wait ---------------------------------------------------- */

struct submitted {
    struct sl_call *call;
    _Atomic int done;
};

static void note_done(void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
}

static void submit(struct fake_service *f, struct submitted *one,
                   enum fake_verb verb, const char *key)
{
    struct fake_request get = fake_request(verb, key);

    atomic_init(&one->done, 0);
    sl_service_submit(f->service, NULL, &get, 1, note_done, &one->done,
                      &one->call);
}

/* The only connection waits at the gate with this call: later ones queue. */
static void occupy(struct fake_service *f, struct submitted *first)
{
    f->fake.gate_closed = true;
    submit(f, first, FAKE_WRITE, "first");
    fake_wait_run(&f->fake);
}

static void wait_done(struct submitted *one)
{
    while (atomic_load(&one->done) == 0)
        usleep(1000);
    assert_int_equal(atomic_load(&one->done), 1);
}

static enum sl_status finish(struct submitted *one)
{
    struct fake_answer answer;

    wait_done(one);
    sl_call_collect(one->call, &answer);
    sl_call_release(one->call);
    fake_answer_done(&answer);
    return answer.err.status;
}

static void calls_that_wait_go_as_one_batch(void **state)
{
    struct submitted first, others[20];
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    occupy(&f, &first);
    for (int i = 0; i < 20; i++)
        submit(&f, &others[i], FAKE_WRITE, "other");
    fake_set_gate(&f.fake, false);
    assert_int_equal(finish(&first), SL_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(&others[i]), SL_OK);
    assert_int_equal(f.fake.runs, 2);
    assert_int_equal(f.fake.largest_batch, 20);
    fake_service_close(&f);
}

static void a_call_given_up_is_not_sent(void **state)
{
    struct submitted first, other;
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    occupy(&f, &first);
    submit(&f, &other, FAKE_WRITE, "other");
    sl_call_release(other.call);
    sl_call_release(first.call); /* sent: it ends, and its answer is unread */
    fake_set_gate(&f.fake, false);
    wait_done(&first);
    wait_done(&other);
    assert_int_equal(f.fake.ops, 1);
    assert_string_equal(f.fake.keys[0], "first");
    const struct sl_metric *writes = &sl_service_metrics(f.service)[FAKE_WRITE];
    assert_int_equal(writes->by_status[SL_CANCELLED], 1);
    fake_service_close(&f);
}

static void a_call_may_wait_no_longer_than_its_deadline(void **state)
{
    struct submitted first, other;
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    occupy(&f, &first);
    f.config.timeout_ms = 1;
    submit(&f, &other, FAKE_WRITE, "other");
    usleep(20000);
    fake_set_gate(&f.fake, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&other), SL_TIMEOUT);
    assert_int_equal(f.fake.ops, 1);
    fake_service_close(&f);
}

static void too_many_waiting_calls_are_refused(void **state)
{
    struct submitted first, second, third;
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.config.max_queued = 1;
    fake_service_reopen(&f, &fake_driver);
    occupy(&f, &first);
    submit(&f, &second, FAKE_WRITE, "second");
    submit(&f, &third, FAKE_WRITE, "third");
    wait_done(&third);
    struct fake_answer answer;
    sl_call_collect(third.call, &answer);
    sl_call_release(third.call);
    assert_int_equal(answer.err.status, SL_RESOURCE_EXHAUSTED);
    assert_true(answer.retryable); /* also a write: it was not sent */
    fake_set_gate(&f.fake, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&second), SL_OK);
    fake_service_close(&f);
}

/* A guest's call, whose value is that large; its bytes count in *held. */
static void submit_bytes(struct fake_service *f, struct submitted *one,
                         size_t len, _Atomic uint64_t *held)
{
    static uint8_t bytes[1 << 20];
    const struct sl_caller caller = {
        .done = note_done, .context = &one->done, .held = held};
    struct fake_request set = fake_request(FAKE_WRITE, "k");

    set.value = SL_BYTES(bytes, len);
    atomic_init(&one->done, 0);
    sl_service_call_later(f->service, &caller, 0, &set, 1, &one->call);
}

/* Waiting calls hold no more than max-queued-bytes, including those that were
 * released. */
static void the_bytes_of_waiting_calls_have_an_end(void **state)
{
    struct submitted first, large, small, other;
    _Atomic uint64_t held = 0;
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    f.config.max_queued_bytes = 1 << 20;
    occupy(&f, &first);
    submit_bytes(&f, &large, 1 << 19, &held);
    assert_int_equal(held, (1 << 19) + 1);
    submit_bytes(&f, &other, 1 << 19, &held);
    assert_int_equal(finish(&other), SL_RESOURCE_EXHAUSTED);
    assert_int_equal(held, (1 << 19) + 1);
    sl_call_release(large.call);
    submit_bytes(&f, &other, 1 << 19, &held);
    assert_int_equal(finish(&other), SL_RESOURCE_EXHAUSTED);
    submit_bytes(&f, &small, 100, &held);
    fake_set_gate(&f.fake, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&small), SL_OK);
    wait_done(&large);
    fake_service_close(&f);
    assert_int_equal(held, 0);
}

static void *open_soon(void *fake)
{
    usleep(20000);
    fake_set_gate(fake, false);
    return NULL;
}

static void a_store_that_ends_answers_what_waits(void **state)
{
    struct submitted first, other;
    pthread_t opener;
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    occupy(&f, &first);
    submit(&f, &other, FAKE_WRITE, "other");
    assert_int_equal(pthread_create(&opener, NULL, open_soon, &f.fake), 0);
    fake_service_close(&f);
    pthread_join(opener, NULL);
    assert_int_equal(finish(&first), SL_OK);
    enum sl_status status = finish(&other); /* run, or told */
    assert_true(status == SL_OK || status == SL_CANCELLED);
}

/* --- Inline --------------------------------------------------------------- */

static void what_need_not_wait_is_done_at_once(void **state)
{
    struct fake_answer answers[2];
    struct fake_request two[2] = {fake_request(FAKE_READ, "a"),
                                  fake_request(FAKE_WRITE, "b")};
    struct submitted one = {0};
    struct sl_caller caller = {.done = note_done, .context = &one.done};
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_inline);
    assert_int_equal(
        sl_service_call(f.service, &caller, two, 1, answers, &one.call),
        SL_CALL_ANSWERED);
    assert_true(answers[0].found);
    fake_answer_done(&answers[0]);
    assert_int_equal(f.fake.ops, 1);
    assert_int_equal(
        sl_service_call(f.service, &caller, two, 2, answers, &one.call),
        SL_CALL_PENDING);
    wait_done(&one);
    sl_call_release(one.call);
    assert_int_equal(f.fake.ops, 3);
    f.fake.plans[3].status = SL_UNAVAILABLE;
    assert_int_equal(
        sl_service_call(f.service, &caller, two, 1, answers, &one.call),
        SL_CALL_ANSWERED);
    assert_true(answers[0].retryable);
    assert_int_equal(f.fake.closed, 1);
    fake_service_close(&f);
}

/* --- On the caller's thread --------------------------------------------- */

static void block_here(void (*run)(void *context), void *context)
{
    run(context);
}

/* Whether a call whose caller is free until then ran on this thread. */
static bool runs_here(struct fake_service *f, sl_deadline free_until)
{
    struct submitted one;
    const struct sl_caller caller = {.done = note_done,
                                     .context = &one.done,
                                     .free_until = free_until,
                                     .block = block_here};
    struct fake_request get = fake_request(FAKE_READ, "k");

    atomic_init(&one.done, 0);
    sl_service_call_later(f->service, &caller, 0, &get, 1, &one.call);
    assert_int_equal(finish(&one), SL_OK);
    return pthread_equal(f->fake.ran_on, pthread_self()) != 0;
}

static void who_is_free_runs_its_own_call(void **state)
{
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_safe);
    assert_false(runs_here(&f, SL_NEVER)); /* a connection is to be made */
    assert_true(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, 0));
    int64_t timeout_ms = f.config.timeout_ms;
    assert_false(runs_here(&f, sl_deadline_in_ms(timeout_ms - 1)));
    assert_true(runs_here(&f, sl_deadline_in_ms(2 * timeout_ms)));
    assert_int_equal(f.fake.opened, 1);
    fake_service_close(&f);
}

static void what_failed_here_is_repeated(void **state)
{
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_safe);
    assert_false(runs_here(&f, SL_NEVER));
    f.fake.plans[1].status = SL_UNAVAILABLE;
    assert_false(runs_here(&f, SL_NEVER)); /* the second try */
    assert_int_equal(f.fake.ops, 3);
    assert_int_equal(f.fake.opened, 2);
    fake_service_close(&f);
}

static void not_every_driver_may_keep_a_caller(void **state)
{
    struct fake_service f;

    (void)state;
    fake_service_open(&f, &fake_driver);
    assert_false(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, SL_NEVER));
    fake_service_close(&f);
}

/* --- Counts ------------------------------------------------------------- */

static void every_request_is_counted(void **state)
{
    struct fake_service f;
    struct fake_request get = fake_request(FAKE_READ, "k");
    struct fake_request bad = fake_request(FAKE_READ, "");

    (void)state;
    fake_service_open(&f, &fake_driver);
    fake_service_do(&f, &get);
    fake_service_do(&f, &get);
    fake_service_do(&f, &bad);
    const struct sl_metric *metric = &sl_service_metrics(f.service)[FAKE_READ];
    assert_int_equal(sl_metric_count(metric), 3);
    assert_int_equal(metric->by_status[SL_OK], 2);
    assert_int_equal(metric->by_status[SL_INVALID_ARGUMENT], 1);

    struct fake_request both[2] = {get, bad};
    struct fake_answer answers[2];
    sl_service_do(f.service, NULL, both, 2, answers);
    sl_answers_done(f.service, answers, 2);
    assert_int_equal(sl_metric_count(metric), 5);
    assert_int_equal(metric->by_status[SL_INVALID_ARGUMENT], 2);
    fake_service_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(a_repeat_can_succeed),
        cmocka_unit_test(a_refused_connection_is_tried_again),
        cmocka_unit_test(only_what_failed_of_a_call_is_repeated),
        cmocka_unit_test(no_repeat_goes_past_the_deadline),
        cmocka_unit_test(calls_that_wait_go_as_one_batch),
        cmocka_unit_test(a_call_given_up_is_not_sent),
        cmocka_unit_test(a_call_may_wait_no_longer_than_its_deadline),
        cmocka_unit_test(too_many_waiting_calls_are_refused),
        cmocka_unit_test(the_bytes_of_waiting_calls_have_an_end),
        cmocka_unit_test(a_store_that_ends_answers_what_waits),
        cmocka_unit_test(what_need_not_wait_is_done_at_once),
        cmocka_unit_test(who_is_free_runs_its_own_call),
        cmocka_unit_test(what_failed_here_is_repeated),
        cmocka_unit_test(not_every_driver_may_keep_a_caller),
        cmocka_unit_test(every_request_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

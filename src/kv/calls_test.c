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
#include "kv/driver.h"
#include "service/limited.h"
#include "support/faulty.h"

/* --- Repeats ------------------------------------------------------------ */

/* holds: kv-12 kv-13 types-25 types-26 types-27 */
static void only_what_is_safe_is_repeated(void **state)
{
    const struct {
        struct sl_kv_request request;
        struct faulty_plan plan;
        int tries;
    } cases[] = {
        {faulty_request(SL_KV_GET, "k"), {SL_UNAVAILABLE, false}, 3},
        {faulty_request(SL_KV_EXISTS, "k"), {SL_TIMEOUT, false}, 3},
        {faulty_request(SL_KV_KEYS, "k"), {SL_UNAVAILABLE, false}, 3},
        /* Another client may have set it since, and was told that it did. */
        {faulty_request(SL_KV_SET, "k"), {SL_UNAVAILABLE, false}, 1},
        {faulty_request(SL_KV_SET, "k"), {SL_TIMEOUT, false}, 1},
        {faulty_request(SL_KV_SET, "k"), {SL_UNAVAILABLE, true}, 3},
        {{.verb = SL_KV_SET, .key = SL_LITERAL("k"), .condition = SL_KV_ABSENT},
         {SL_UNAVAILABLE, false},
         1},
        {faulty_request(SL_KV_DELETE, "k"), {SL_UNAVAILABLE, false}, 1},
        {faulty_request(SL_KV_INCREMENT, "k"), {SL_UNAVAILABLE, false}, 1},
        {faulty_request(SL_KV_INCREMENT, "k"), {SL_TIMEOUT, false}, 1},
        {faulty_request(SL_KV_INCREMENT, "k"), {SL_UNAVAILABLE, true}, 3},
        {faulty_request(SL_KV_DELETE, "k"), {SL_UNAVAILABLE, true}, 3},
        /* Throttled; a full store is one that acted on it. */
        {faulty_request(SL_KV_SET, "k"), {SL_RESOURCE_EXHAUSTED, true}, 3},
        {faulty_request(SL_KV_SET, "k"), {SL_RESOURCE_EXHAUSTED, false}, 1},
        {faulty_request(SL_KV_GET, "k"), {SL_INTERNAL, true}, 1},
        {faulty_request(SL_KV_GET, "k"), {SL_PERMISSION_DENIED, true}, 1},
        {faulty_request(SL_KV_GET, "k"), {SL_CONFLICT, false}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct faulty_store f;
        faulty_store_open(&f, &faulty_driver);
        for (int j = 0; j < FAULTY_PLANS; j++)
            f.faulty.plans[j] = cases[i].plan;
        struct sl_kv_answer answer = faulty_store_do(&f, &cases[i].request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (f.faulty.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, f.faulty.ops);
        assert_int_equal(answer.retryable, cases[i].tries > 1);
        bool own = cases[i].plan.status == SL_CONFLICT;
        assert_string_equal(answer.err.message,
                            own ? "as planned"
                                : "resource \"test\": as planned");
        faulty_store_close(&f);
    }
}

/* holds: kv-12 */
static void a_repeat_can_succeed(void **state)
{
    struct faulty_store f;
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.faulty.plans[0].status = SL_UNAVAILABLE;
    f.faulty.plans[1].status = SL_TIMEOUT;
    assert_int_equal(faulty_store_do(&f, &get).err.status, SL_OK);
    assert_int_equal(f.faulty.ops, 3);
    /* A state that failed so is closed, and another one opened. */
    assert_int_equal(f.faulty.opened, 3);
    faulty_store_close(&f);
}

/* holds: kv-12 */
static void a_refused_connection_is_tried_again(void **state)
{
    struct faulty_store f;
    struct sl_kv_request increment = faulty_request(SL_KV_INCREMENT, "k");

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.faulty.open_failures = 2;
    assert_int_equal(faulty_store_do(&f, &increment).err.status, SL_OK);
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    f.faulty.open_failures = 9;
    struct sl_kv_answer answer = faulty_store_do(&f, &increment);
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    assert_int_equal(f.faulty.ops, 2);
    faulty_store_close(&f);
}

/* holds: kv-12 kv-13 */
static void only_what_failed_of_a_call_is_repeated(void **state)
{
    struct sl_kv_request many[3] = {faulty_request(SL_KV_INCREMENT, "a"),
                                    faulty_request(SL_KV_GET, "b"),
                                    faulty_request(SL_KV_INCREMENT, "c")};
    struct sl_kv_answer answers[3];
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    f.faulty.plans[2].status = SL_UNAVAILABLE;
    sl_service_do(f.kv, NULL, many, 3, answers);
    assert_int_equal(answers[0].err.status, SL_OK);
    assert_int_equal(answers[1].err.status, SL_OK);
    assert_int_equal(answers[2].err.status, SL_UNAVAILABLE);
    assert_int_equal(f.faulty.ops, 4);
    assert_string_equal(f.faulty.keys[3], "b");
    sl_kv_answer_done(&answers[1]);
    faulty_store_close(&f);
}

/* holds: types-18 */
static void no_repeat_goes_past_the_deadline(void **state)
{
    struct faulty_store f;
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.config.service.timeout_ms = 100;
    f.config.service.retry_attempts = 100;
    f.config.service.retry_backoff_ms = 60000;
    for (int i = 0; i < FAULTY_PLANS; i++)
        f.faulty.plans[i].status = SL_UNAVAILABLE;
    int64_t start = sl_now_ns();
    assert_int_equal(faulty_store_do(&f, &get).err.status, SL_UNAVAILABLE);
    /* A minute of backoff would show, on any machine. */
    assert_true(sl_now_ns() - start < INT64_C(20000) * 1000000);
    faulty_store_close(&f);
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

static void submit(struct faulty_store *f, struct submitted *one,
                   enum sl_kv_verb verb, const char *key)
{
    struct sl_kv_request get = faulty_request(verb, key);

    atomic_init(&one->done, 0);
    sl_service_submit(f->kv, NULL, &get, 1, note_done, &one->done, &one->call);
}

/* The only connection waits at the gate with this one: what comes gathers. */
static void occupy(struct faulty_store *f, struct submitted *first)
{
    f->faulty.gate_closed = true;
    submit(f, first, SL_KV_SET, "first");
    faulty_wait_run(&f->faulty);
}

static void wait_done(struct submitted *one)
{
    for (int i = 0; i < 20000 && atomic_load(&one->done) == 0; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&one->done), 1);
}

static enum sl_status finish(struct submitted *one)
{
    struct sl_kv_answer answer;

    wait_done(one);
    sl_call_collect(one->call, &answer);
    sl_call_release(one->call);
    sl_kv_answer_done(&answer);
    return answer.err.status;
}

static void calls_that_wait_go_as_one_batch(void **state)
{
    struct submitted first, others[20];
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    occupy(&f, &first);
    for (int i = 0; i < 20; i++)
        submit(&f, &others[i], SL_KV_SET, "other");
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(&others[i]), SL_OK);
    assert_int_equal(f.faulty.runs, 2);
    assert_int_equal(f.faulty.largest_batch, 20);
    faulty_store_close(&f);
}

static void a_call_given_up_is_not_sent(void **state)
{
    struct submitted first, other;
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    occupy(&f, &first);
    submit(&f, &other, SL_KV_SET, "other");
    sl_call_release(other.call);
    sl_call_release(first.call); /* sent: it ends, and nobody reads it */
    faulty_set_gate(&f.faulty, false);
    wait_done(&first);
    wait_done(&other);
    assert_int_equal(f.faulty.ops, 1);
    assert_string_equal(f.faulty.keys[0], "first");
    const struct sl_metric *sets = &sl_service_metrics(f.kv)[SL_KV_SET];
    assert_int_equal(sets->by_status[SL_CANCELLED], 1);
    faulty_store_close(&f);
}

static void a_call_may_wait_no_longer_than_its_deadline(void **state)
{
    struct submitted first, other;
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    occupy(&f, &first);
    f.config.service.timeout_ms = 1;
    submit(&f, &other, SL_KV_INCREMENT, "other");
    usleep(20000);
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&other), SL_TIMEOUT);
    assert_int_equal(f.faulty.ops, 1);
    faulty_store_close(&f);
}

static void too_many_waiting_calls_are_refused(void **state)
{
    struct submitted first, second, third;
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    sl_service_free(f.kv);
    f.config.service.max_queued = 1;
    struct sl_error err;
    assert_int_equal(sl_service_open(&sl_kv, "test", &faulty_driver,
                                     &f.config.service, &f.options, &f.kv,
                                     &err),
                     SL_OK);
    occupy(&f, &first);
    submit(&f, &second, SL_KV_SET, "second");
    submit(&f, &third, SL_KV_INCREMENT, "third");
    wait_done(&third);
    struct sl_kv_answer answer;
    sl_call_collect(third.call, &answer);
    sl_call_release(third.call);
    assert_int_equal(answer.err.status, SL_RESOURCE_EXHAUSTED);
    assert_true(answer.retryable); /* also an increment: it was not sent */
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&second), SL_OK);
    faulty_store_close(&f);
}

/* A guest's call, whose value is that large; its bytes count in *held. */
static void submit_bytes(struct faulty_store *f, struct submitted *one,
                         size_t len, _Atomic uint64_t *held)
{
    static uint8_t bytes[1 << 20];
    const struct sl_caller caller = {
        .done = note_done, .context = &one->done, .held = held};
    struct sl_kv_request set = faulty_request(SL_KV_SET, "k");

    set.value = SL_BYTES(bytes, len);
    atomic_init(&one->done, 0);
    sl_service_call_later(f->kv, &caller, 0, &set, 1, &one->call);
}

/* What waits holds no more than max-queued-bytes: also when nobody waits for it
 * any more. */
static void the_bytes_of_waiting_calls_have_an_end(void **state)
{
    struct submitted first, large, small, other;
    _Atomic uint64_t held = 0;
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    f.config.service.max_queued_bytes = 1 << 20;
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
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&small), SL_OK);
    wait_done(&large);
    faulty_store_close(&f);
    assert_int_equal(held, 0);
}

/* In place, or queued. */
static struct sl_kv_answer get_counted(struct faulty_store *f, bool inlined,
                                       struct sl_caller *caller,
                                       size_t answers_max)
{
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");
    struct submitted one = {0};
    struct sl_kv_answer answer;

    caller->done = note_done;
    caller->context = &one.done;
    enum sl_call_result result = sl_service_call_limited(
        f->kv, caller, answers_max, &get, 1, &answer, &one.call);
    assert_int_equal(result, inlined ? SL_CALL_ANSWERED : SL_CALL_PENDING);
    if (!inlined) {
        wait_done(&one);
        assert_int_equal(*caller->held, 1 + f->faulty.value_len);
        sl_call_collect(one.call, &answer);
        sl_call_release(one.call);
    }
    return answer;
}

static void answers_count_until_they_are_released(void **state)
{
    _Atomic uint64_t held = 0;
    struct faulty_store f;

    (void)state;
    for (int inlined = 0; inlined < 2; inlined++) {
        struct sl_caller caller = {.held = &held};
        faulty_store_open(&f, inlined ? &faulty_inline : &faulty_driver);
        f.faulty.value_len = 5000;
        struct sl_kv_answer answer = get_counted(&f, inlined, &caller, 0);
        assert_int_equal(answer.err.status, SL_OK);
        assert_int_equal(held, 5000);
        sl_kv_answer_done(&answer);
        assert_int_equal(held, 0);
        answer = get_counted(&f, inlined, &caller, 5000);
        assert_int_equal(answer.err.status, SL_OK);
        sl_kv_answer_done(&answer);
        faulty_store_close(&f);
    }
}

static void who_holds_much_gets_no_large_answer(void **state)
{
    _Atomic uint64_t held = 0;
    struct faulty_store f;

    (void)state;
    for (int inlined = 0; inlined < 2; inlined++) {
        struct sl_caller caller = {.held = &held};
        struct sl_kv_request get = faulty_request(SL_KV_GET, "k");
        struct submitted one = {0};
        struct sl_kv_answer answer;
        faulty_store_open(&f, inlined ? &faulty_inline : &faulty_driver);
        f.faulty.value_len = 5000;
        caller.done = note_done;
        caller.context = &one.done;
        if (sl_service_call_limited(f.kv, &caller, 4999, &get, 1, &answer,
                                    &one.call) == SL_CALL_PENDING) {
            wait_done(&one);
            sl_call_collect(one.call, &answer);
            sl_call_release(one.call);
        }
        assert_int_equal(answer.err.status, SL_TOO_LARGE);
        assert_non_null(strstr(answer.err.message, "host-memory"));
        assert_int_equal(held, 0);
        sl_kv_answer_done(&answer);
        faulty_store_close(&f);
    }
}

static void *open_soon(void *faulty)
{
    usleep(20000);
    faulty_set_gate(faulty, false);
    return NULL;
}

static void a_store_that_ends_answers_what_waits(void **state)
{
    struct submitted first, other;
    pthread_t opener;
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    occupy(&f, &first);
    submit(&f, &other, SL_KV_SET, "other");
    assert_int_equal(pthread_create(&opener, NULL, open_soon, &f.faulty), 0);
    faulty_store_close(&f);
    pthread_join(opener, NULL);
    assert_int_equal(finish(&first), SL_OK);
    enum sl_status status = finish(&other); /* run, or told */
    assert_true(status == SL_OK || status == SL_CANCELLED);
}

/* --- Inline --------------------------------------------------------------- */

static void what_need_not_wait_is_done_at_once(void **state)
{
    struct sl_kv_answer answers[2];
    struct sl_kv_request two[2] = {faulty_request(SL_KV_GET, "a"),
                                   faulty_request(SL_KV_SET, "b")};
    struct submitted one = {0};
    struct sl_caller caller = {.done = note_done, .context = &one.done};
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_inline);
    assert_int_equal(sl_service_call(f.kv, &caller, two, 1, answers, &one.call),
                     SL_CALL_ANSWERED);
    assert_true(answers[0].found);
    sl_kv_answer_done(&answers[0]);
    assert_int_equal(f.faulty.ops, 1);
    assert_int_equal(sl_service_call(f.kv, &caller, two, 2, answers, &one.call),
                     SL_CALL_PENDING);
    wait_done(&one);
    sl_call_release(one.call);
    assert_int_equal(f.faulty.ops, 3);
    f.faulty.plans[3].status = SL_UNAVAILABLE;
    assert_int_equal(sl_service_call(f.kv, &caller, two, 1, answers, &one.call),
                     SL_CALL_ANSWERED);
    assert_true(answers[0].retryable);
    assert_int_equal(f.faulty.closed, 1);
    faulty_store_close(&f);
}

/* --- On the caller's thread --------------------------------------------- */

static void block_here(void (*run)(void *context), void *context)
{
    run(context);
}

/* Whether a call of somebody who has so much time was run on this thread. */
static bool runs_here(struct faulty_store *f, sl_deadline free_until)
{
    struct submitted one;
    const struct sl_caller caller = {.done = note_done,
                                     .context = &one.done,
                                     .free_until = free_until,
                                     .block = block_here};
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");

    atomic_init(&one.done, 0);
    sl_service_call_later(f->kv, &caller, 0, &get, 1, &one.call);
    assert_int_equal(finish(&one), SL_OK);
    return pthread_equal(f->faulty.ran_on, pthread_self()) != 0;
}

static void who_is_free_runs_its_own_call(void **state)
{
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_aside);
    assert_false(runs_here(&f, SL_NEVER)); /* a connection is to be made */
    assert_true(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, 0));
    assert_false(runs_here(&f, sl_deadline_in_ms(19999))); /* of 20000 */
    assert_true(runs_here(&f, sl_deadline_in_ms(60000)));
    assert_int_equal(f.faulty.opened, 1);
    faulty_store_close(&f);
}

static void what_failed_here_is_repeated(void **state)
{
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_aside);
    assert_false(runs_here(&f, SL_NEVER));
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    assert_false(runs_here(&f, SL_NEVER)); /* the second try */
    assert_int_equal(f.faulty.ops, 3);
    assert_int_equal(f.faulty.opened, 2);
    faulty_store_close(&f);
}

static void not_every_driver_may_keep_a_caller(void **state)
{
    struct faulty_store f;

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    assert_false(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, SL_NEVER));
    faulty_store_close(&f);
}

/* --- Counts ------------------------------------------------------------- */

static void every_request_is_counted(void **state)
{
    struct faulty_store f;
    struct sl_kv_request get = faulty_request(SL_KV_GET, "k");
    struct sl_kv_request bad = faulty_request(SL_KV_GET, "");

    (void)state;
    faulty_store_open(&f, &faulty_driver);
    faulty_store_do(&f, &get);
    faulty_store_do(&f, &get);
    faulty_store_do(&f, &bad);
    const struct sl_metric *metric = &sl_service_metrics(f.kv)[SL_KV_GET];
    assert_int_equal(sl_metric_count(metric), 3);
    assert_int_equal(metric->by_status[SL_OK], 2);
    assert_int_equal(metric->by_status[SL_INVALID_ARGUMENT], 1);

    struct sl_kv_request both[2] = {get, bad};
    struct sl_kv_answer answers[2];
    sl_service_do(f.kv, NULL, both, 2, answers);
    sl_answers_done(f.kv, answers, 2);
    assert_int_equal(sl_metric_count(metric), 5);
    assert_int_equal(metric->by_status[SL_INVALID_ARGUMENT], 2);
    faulty_store_close(&f);
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
        cmocka_unit_test(answers_count_until_they_are_released),
        cmocka_unit_test(who_holds_much_gets_no_large_answer),
        cmocka_unit_test(a_store_that_ends_answers_what_waits),
        cmocka_unit_test(what_need_not_wait_is_done_at_once),
        cmocka_unit_test(who_is_free_runs_its_own_call),
        cmocka_unit_test(what_failed_here_is_repeated),
        cmocka_unit_test(not_every_driver_may_keep_a_caller),
        cmocka_unit_test(every_request_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

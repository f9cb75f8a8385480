/* SPDX-License-Identifier: Apache-2.0 */
/* What stands above every driver: checks, batches, repeats, deadlines, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"
#include "kv/driver.h"
#include "support/faulty.h"

/* One store over the faulty driver. */
struct fixture {
    struct faulty faulty;
    struct faulty_options options;
    struct sl_kv_config config;
    struct sl_service *kv;
};

static void set_up(struct fixture *f, const struct sl_driver *driver)
{
    struct sl_error err;

    faulty_init(&f->faulty);
    f->options.faulty = &f->faulty;
    sl_options_default(sl_service_options, &f->config);
    sl_options_default(sl_kv.options, &f->config);
    f->config.service.connections = 1;
    f->config.service.retry_backoff_ms = 1;
    f->config.service.timeout_ms = 20000;
    assert_int_equal(sl_service_open(&sl_kv, "test", driver, &f->config.service,
                                     &f->options, &f->kv, &err),
                     SL_OK);
}

static void tear_down(struct fixture *f)
{
    sl_service_free(f->kv);
    assert_int_equal(f->faulty.opened, f->faulty.closed);
}

static struct sl_kv_request request(enum sl_kv_verb verb, const char *key)
{
    return (struct sl_kv_request){
        .verb = verb, .key = sl_bytes_of(key), .limit = 10};
}

/* Do one request; the answer's value and keys are thrown away. */
static struct sl_kv_answer do_one(struct fixture *f,
                                  const struct sl_kv_request *one)
{
    struct sl_kv_answer answer;

    sl_service_do(f->kv, NULL, one, 1, &answer);
    sl_kv_answer_done(&answer);
    return answer;
}

/* --- Arguments ---------------------------------------------------------- */

static void wrong_arguments_never_reach_the_driver(void **state)
{
    static char long_key[SL_KV_KEY_MAX + 2];
    static uint8_t large[1025];
    struct fixture f;
    struct sl_kv_request bad[] = {
        request(SL_KV_GET, ""),
        request(SL_KV_GET, long_key),
        request(SL_KV_GET, "\xff"),
        {.verb = SL_KV_SET, .key = SL_LITERAL("a\0b")},
        {.verb = SL_KV_SET, .key = SL_LITERAL("k"), .has_ttl = true},
        {.verb = SL_KV_SET,
         .key = SL_LITERAL("k"),
         .has_ttl = true,
         .ttl_ms = UINT64_C(315360000001)},
        {.verb = SL_KV_KEYS, .limit = 0},
        {.verb = SL_KV_KEYS, .limit = SL_KV_PAGE_MAX + 1},
        {.verb = SL_KV_KEYS, .limit = 1, .key = sl_bytes_of(long_key)},
    };

    (void)state;
    set_up(&f, &faulty_driver);
    f.config.max_value = 1024;
    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bad[i].key.ptr == (const uint8_t *)long_key)
            bad[i].key.len = SL_KV_KEY_MAX + 1;
        struct sl_kv_answer answer = do_one(&f, &bad[i]);
        if (answer.err.status != SL_INVALID_ARGUMENT)
            fail_msg("case %zu: %s", i, sl_status_text(answer.err.status));
        assert_false(answer.retryable);
    }
    struct sl_kv_request set = request(SL_KV_SET, "k");
    set.value = SL_BYTES(large, 1025);
    struct sl_kv_answer answer = do_one(&f, &set);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_non_null(strstr(answer.err.message, "1024"));
    set.value.len = 1024;
    assert_int_equal(do_one(&f, &set).err.status, SL_OK);
    assert_int_equal(f.faulty.ops, 1);
    tear_down(&f);
}

static void an_impossible_version_is_a_conflict(void **state)
{
    static const char *const texts[] = {"", "with space", "\xc3\xa9"};
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sl_kv_request one = request(SL_KV_DELETE, "k");
        one.condition = SL_KV_VERSION;
        one.version = sl_bytes_of(texts[i]);
        assert_int_equal(do_one(&f, &one).err.status, SL_CONFLICT);
    }
    assert_int_equal(f.faulty.ops, 0);
    tear_down(&f);
}

static void what_a_driver_cannot_do_is_unsupported(void **state)
{
    struct fixture f;
    struct sl_kv_request cases[5];

    (void)state;
    set_up(&f, &faulty_poor);
    cases[0] = request(SL_KV_INCREMENT, "k");
    cases[1] = request(SL_KV_KEYS, "");
    cases[2] = request(SL_KV_SET, "k");
    cases[2].condition = SL_KV_ABSENT;
    cases[3] = request(SL_KV_GET, "k");
    cases[3].want_version = true;
    cases[4] = request(SL_KV_SET, "k");
    cases[4].has_ttl = true;
    cases[4].ttl_ms = 1;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(do_one(&f, &cases[i]).err.status, SL_UNSUPPORTED);
    assert_int_equal(f.faulty.opened, 0);
    tear_down(&f);
}

static void too_many_requests_are_refused_as_a_whole(void **state)
{
    static struct sl_kv_request many[SL_KV_MANY_MAX + 1];
    static struct sl_kv_answer answers[SL_KV_MANY_MAX + 1];
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++)
        many[i] = request(SL_KV_DELETE, "k");
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX + 1, answers);
    for (size_t i = 0; i <= SL_KV_MANY_MAX; i++) {
        assert_true(answers[i].refused);
        assert_int_equal(answers[i].err.status, SL_TOO_LARGE);
    }
    assert_int_equal(f.faulty.ops, 0);
    sl_service_do(f.kv, NULL, many, SL_KV_MANY_MAX, answers);
    assert_false(answers[0].refused);
    assert_int_equal(f.faulty.ops, SL_KV_MANY_MAX);
    assert_int_equal(sl_service_do(f.kv, NULL, many, 0, answers), SL_OK);
    tear_down(&f);
}

static void the_values_of_a_call_have_a_limit(void **state)
{
    static uint8_t large[16 << 20];
    struct sl_kv_request many[5];
    struct sl_kv_answer answers[5];
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    for (size_t i = 0; i < 5; i++) {
        many[i] = request(SL_KV_SET, "k");
        many[i].value = SL_BYTES(large, sizeof(large));
    }
    sl_service_do(f.kv, NULL, many, 5, answers);
    assert_true(answers[0].refused);
    assert_int_equal(answers[4].err.status, SL_TOO_LARGE);

    /* The same for what is read: the fifth does not fit. */
    f.faulty.value_len = sizeof(large);
    for (size_t i = 0; i < 5; i++)
        many[i] = request(SL_KV_GET, "k");
    sl_service_do(f.kv, NULL, many, 5, answers);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].err.status, i < 4 ? SL_OK : SL_TOO_LARGE);
        sl_kv_answer_done(&answers[i]);
    }
    tear_down(&f);
}

static void a_value_that_others_made_too_large_is_told(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.config.max_value = 10;
    f.faulty.value_len = 11;
    struct sl_kv_request get = request(SL_KV_GET, "k");
    struct sl_kv_answer answer = do_one(&f, &get);
    assert_int_equal(answer.err.status, SL_TOO_LARGE);
    assert_false(answer.found);
    tear_down(&f);
}

/* --- Repeats ------------------------------------------------------------ */

static void only_what_is_safe_is_repeated(void **state)
{
    const struct {
        struct sl_kv_request request;
        struct faulty_plan plan;
        int tries;
    } cases[] = {
        {request(SL_KV_GET, "k"), {SL_UNAVAILABLE, false}, 3},
        {request(SL_KV_EXISTS, "k"), {SL_TIMEOUT, false}, 3},
        {request(SL_KV_KEYS, "k"), {SL_UNAVAILABLE, false}, 3},
        {request(SL_KV_SET, "k"), {SL_UNAVAILABLE, false}, 3},
        {{.verb = SL_KV_SET, .key = SL_LITERAL("k"), .condition = SL_KV_ABSENT},
         {SL_UNAVAILABLE, false},
         1},
        {request(SL_KV_DELETE, "k"), {SL_UNAVAILABLE, false}, 1},
        {request(SL_KV_INCREMENT, "k"), {SL_UNAVAILABLE, false}, 1},
        {request(SL_KV_INCREMENT, "k"), {SL_TIMEOUT, false}, 1},
        {request(SL_KV_INCREMENT, "k"), {SL_UNAVAILABLE, true}, 3},
        {request(SL_KV_DELETE, "k"), {SL_UNAVAILABLE, true}, 3},
        {request(SL_KV_GET, "k"), {SL_INTERNAL, true}, 1},
        {request(SL_KV_GET, "k"), {SL_PERMISSION_DENIED, true}, 1},
        {request(SL_KV_GET, "k"), {SL_CONFLICT, false}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        set_up(&f, &faulty_driver);
        for (int j = 0; j < FAULTY_PLANS; j++)
            f.faulty.plans[j] = cases[i].plan;
        struct sl_kv_answer answer = do_one(&f, &cases[i].request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (f.faulty.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, f.faulty.ops);
        assert_int_equal(answer.retryable, cases[i].tries > 1);
        bool own = cases[i].plan.status == SL_CONFLICT;
        assert_string_equal(answer.err.message,
                            own ? "as planned"
                                : "resource \"test\": as planned");
        tear_down(&f);
    }
}

static void a_repeat_can_succeed(void **state)
{
    struct fixture f;
    struct sl_kv_request get = request(SL_KV_GET, "k");

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.plans[0].status = SL_UNAVAILABLE;
    f.faulty.plans[1].status = SL_TIMEOUT;
    assert_int_equal(do_one(&f, &get).err.status, SL_OK);
    assert_int_equal(f.faulty.ops, 3);
    /* A state that failed so is closed, and another one opened. */
    assert_int_equal(f.faulty.opened, 3);
    tear_down(&f);
}

static void a_refused_connection_is_tried_again(void **state)
{
    struct fixture f;
    struct sl_kv_request increment = request(SL_KV_INCREMENT, "k");

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.open_failures = 2;
    assert_int_equal(do_one(&f, &increment).err.status, SL_OK);
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    f.faulty.open_failures = 9;
    struct sl_kv_answer answer = do_one(&f, &increment);
    assert_int_equal(answer.err.status, SL_UNAVAILABLE);
    assert_int_equal(f.faulty.ops, 2);
    tear_down(&f);
}

static void only_what_failed_of_a_call_is_repeated(void **state)
{
    struct sl_kv_request many[3] = {request(SL_KV_INCREMENT, "a"),
                                    request(SL_KV_GET, "b"),
                                    request(SL_KV_INCREMENT, "c")};
    struct sl_kv_answer answers[3];
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    f.faulty.plans[2].status = SL_UNAVAILABLE;
    sl_service_do(f.kv, NULL, many, 3, answers);
    assert_int_equal(answers[0].err.status, SL_OK);
    assert_int_equal(answers[1].err.status, SL_OK);
    assert_int_equal(answers[2].err.status, SL_UNAVAILABLE);
    assert_int_equal(f.faulty.ops, 4);
    assert_string_equal(f.faulty.keys[3], "b");
    sl_kv_answer_done(&answers[1]);
    tear_down(&f);
}

static void no_repeat_goes_past_the_deadline(void **state)
{
    struct fixture f;
    struct sl_kv_request get = request(SL_KV_GET, "k");

    (void)state;
    set_up(&f, &faulty_driver);
    f.config.service.timeout_ms = 100;
    f.config.service.retry_attempts = 100;
    f.config.service.retry_backoff_ms = 60000;
    for (int i = 0; i < FAULTY_PLANS; i++)
        f.faulty.plans[i].status = SL_UNAVAILABLE;
    int64_t start = sl_now_ns();
    assert_int_equal(do_one(&f, &get).err.status, SL_UNAVAILABLE);
    /* A minute of backoff would show, on any machine. */
    assert_true(sl_now_ns() - start < INT64_C(20000) * 1000000);
    tear_down(&f);
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

static void submit(struct fixture *f, struct submitted *one,
                   enum sl_kv_verb verb, const char *key)
{
    struct sl_kv_request get = request(verb, key);

    atomic_init(&one->done, 0);
    sl_service_submit(f->kv, NULL, &get, 1, note_done, &one->done, &one->call);
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
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.gate_closed = true;
    submit(&f, &first, SL_KV_SET, "first");
    faulty_wait_run(&f.faulty);
    for (int i = 0; i < 20; i++)
        submit(&f, &others[i], SL_KV_SET, "other");
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(&others[i]), SL_OK);
    assert_int_equal(f.faulty.runs, 2);
    assert_int_equal(f.faulty.largest_batch, 20);
    tear_down(&f);
}

static void a_call_given_up_is_not_sent(void **state)
{
    struct submitted first, other;
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.gate_closed = true;
    submit(&f, &first, SL_KV_SET, "first");
    faulty_wait_run(&f.faulty);
    submit(&f, &other, SL_KV_SET, "other");
    sl_call_release(other.call);
    sl_call_release(first.call); /* sent: it ends, and nobody reads it */
    faulty_set_gate(&f.faulty, false);
    wait_done(&first);
    wait_done(&other);
    assert_int_equal(f.faulty.ops, 1);
    assert_string_equal(f.faulty.keys[0], "first");
    tear_down(&f);
}

static void a_call_may_wait_no_longer_than_its_deadline(void **state)
{
    struct submitted first, other;
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.gate_closed = true;
    submit(&f, &first, SL_KV_SET, "first");
    faulty_wait_run(&f.faulty);
    f.config.service.timeout_ms = 1;
    submit(&f, &other, SL_KV_INCREMENT, "other");
    usleep(20000);
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&other), SL_TIMEOUT);
    assert_int_equal(f.faulty.ops, 1);
    tear_down(&f);
}

static void too_many_waiting_calls_are_unavailable(void **state)
{
    struct submitted first, second, third;
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    sl_service_free(f.kv);
    f.config.service.max_queued = 1;
    struct sl_error err;
    assert_int_equal(sl_service_open(&sl_kv, "test", &faulty_driver,
                                     &f.config.service, &f.options, &f.kv,
                                     &err),
                     SL_OK);
    f.faulty.gate_closed = true;
    submit(&f, &first, SL_KV_SET, "first");
    faulty_wait_run(&f.faulty);
    submit(&f, &second, SL_KV_SET, "second");
    submit(&f, &third, SL_KV_INCREMENT, "third");
    assert_int_equal(finish(&third), SL_UNAVAILABLE);
    faulty_set_gate(&f.faulty, false);
    assert_int_equal(finish(&first), SL_OK);
    assert_int_equal(finish(&second), SL_OK);
    tear_down(&f);
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
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    f.faulty.gate_closed = true;
    submit(&f, &first, SL_KV_SET, "first");
    faulty_wait_run(&f.faulty);
    submit(&f, &other, SL_KV_SET, "other");
    assert_int_equal(pthread_create(&opener, NULL, open_soon, &f.faulty), 0);
    tear_down(&f);
    pthread_join(opener, NULL);
    assert_int_equal(finish(&first), SL_OK);
    enum sl_status status = finish(&other); /* run, or told */
    assert_true(status == SL_OK || status == SL_UNAVAILABLE);
}

/* --- Inline --------------------------------------------------------------- */

static void what_need_not_wait_is_done_at_once(void **state)
{
    struct sl_kv_answer answers[2];
    struct sl_kv_request two[2] = {request(SL_KV_GET, "a"),
                                   request(SL_KV_SET, "b")};
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_inline);
    assert_true(sl_service_try(f.kv, two, 1, answers));
    assert_true(answers[0].found);
    sl_kv_answer_done(&answers[0]);
    assert_false(sl_service_try(f.kv, two, 2, answers));
    assert_int_equal(f.faulty.ops, 1);
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    assert_true(sl_service_try(f.kv, two, 1, answers));
    assert_true(answers[0].retryable);
    assert_int_equal(f.faulty.closed, 1);
    tear_down(&f);
}

/* --- On the caller's thread --------------------------------------------- */

static void block_here(void (*run)(void *context), void *context)
{
    run(context);
}

/* Whether a call of somebody who has so much time was run on this thread. */
static bool runs_here(struct fixture *f, sl_deadline free_until)
{
    const struct sl_caller caller = {.free_until = free_until,
                                     .block = block_here};
    struct sl_kv_request get = request(SL_KV_GET, "k");
    struct submitted one;

    atomic_init(&one.done, 0);
    sl_service_submit_for(f->kv, NULL, &caller, &get, 1, note_done, &one.done,
                          &one.call);
    assert_int_equal(finish(&one), SL_OK);
    return pthread_equal(f->faulty.ran_on, pthread_self()) != 0;
}

static void who_is_free_runs_its_own_call(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_aside);
    assert_false(runs_here(&f, SL_NEVER)); /* a connection is to be made */
    assert_true(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, 0));
    assert_false(runs_here(&f, sl_deadline_in_ms(19999))); /* of 20000 */
    assert_true(runs_here(&f, sl_deadline_in_ms(60000)));
    assert_int_equal(f.faulty.opened, 1);
    tear_down(&f);
}

static void what_failed_here_is_repeated(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_aside);
    assert_false(runs_here(&f, SL_NEVER));
    f.faulty.plans[1].status = SL_UNAVAILABLE;
    assert_false(runs_here(&f, SL_NEVER)); /* the second try */
    assert_int_equal(f.faulty.ops, 3);
    assert_int_equal(f.faulty.opened, 2);
    tear_down(&f);
}

static void not_every_driver_may_keep_a_caller(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, &faulty_driver);
    assert_false(runs_here(&f, SL_NEVER));
    assert_false(runs_here(&f, SL_NEVER));
    tear_down(&f);
}

/* --- Counts ------------------------------------------------------------- */

static void every_request_is_counted(void **state)
{
    struct fixture f;
    struct sl_kv_request get = request(SL_KV_GET, "k");
    struct sl_kv_request bad = request(SL_KV_GET, "");

    (void)state;
    set_up(&f, &faulty_driver);
    do_one(&f, &get);
    do_one(&f, &get);
    do_one(&f, &bad);
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
    tear_down(&f);
}

/* --- The registry ------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_never_reach_the_driver),
        cmocka_unit_test(an_impossible_version_is_a_conflict),
        cmocka_unit_test(what_a_driver_cannot_do_is_unsupported),
        cmocka_unit_test(too_many_requests_are_refused_as_a_whole),
        cmocka_unit_test(the_values_of_a_call_have_a_limit),
        cmocka_unit_test(a_value_that_others_made_too_large_is_told),
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(a_repeat_can_succeed),
        cmocka_unit_test(a_refused_connection_is_tried_again),
        cmocka_unit_test(only_what_failed_of_a_call_is_repeated),
        cmocka_unit_test(no_repeat_goes_past_the_deadline),
        cmocka_unit_test(calls_that_wait_go_as_one_batch),
        cmocka_unit_test(a_call_given_up_is_not_sent),
        cmocka_unit_test(a_call_may_wait_no_longer_than_its_deadline),
        cmocka_unit_test(too_many_waiting_calls_are_unavailable),
        cmocka_unit_test(a_store_that_ends_answers_what_waits),
        cmocka_unit_test(what_need_not_wait_is_done_at_once),
        cmocka_unit_test(who_is_free_runs_its_own_call),
        cmocka_unit_test(what_failed_here_is_repeated),
        cmocka_unit_test(not_every_driver_may_keep_a_caller),
        cmocka_unit_test(every_request_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that does not come back: its callers are answered all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/queue.h"
#include "kv/driver.h"
#include "support/faulty.h"

/* On one connection; the first `stuck` runs come back when the gate opens. */
static void open_stuck(struct faulty_store *f, const struct sl_driver *driver,
                       int stuck)
{
    faulty_store_open(f, driver);
    f->config.service.max_sessions = 1;
    f->faulty.stuck = stuck;
    faulty_set_gate(&f->faulty, true);
}

/* The queue took its timeout when it was made. */
static void open_with_timeout(struct faulty_store *f,
                              const struct sl_driver *driver, int stuck,
                              int64_t max_stuck)
{
    struct sl_error err;

    open_stuck(f, driver, stuck);
    sl_service_free(f->kv);
    f->config.service.timeout_ms = 500;
    f->config.service.max_stuck = max_stuck;
    f->config.service.retry_attempts = 1;
    assert_int_equal(sl_service_open(&sl_kv, "test", driver, &f->config.service,
                                     &f->options, &f->kv, &err),
                     SL_OK);
}

static struct sl_queue_load load_of(struct faulty_store *f)
{
    struct sl_queue_load load;

    sl_service_load(f->kv, &load);
    return load;
}

static void wait_given_up(struct faulty_store *f, size_t count)
{
    while (load_of(f).stuck != count)
        usleep(1000);
}

static void close_stuck(struct faulty_store *f)
{
    faulty_set_gate(&f->faulty, false);
    wait_given_up(f, 0);
    faulty_store_close(f);
}

static void expect(struct faulty_store *f, struct sl_session *session,
                   enum sl_kv_verb verb, enum sl_status status,
                   const char *text)
{
    const struct sl_kv_request request = faulty_request(verb, "k");
    struct sl_kv_answer answer;

    sl_service_do(f->kv, session, &request, 1, &answer);
    assert_int_equal(answer.err.status, status);
    if (strstr(answer.err.message, text) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", answer.err.message, text);
    sl_kv_answer_done(&answer);
}

static void a_call_is_answered(void **state)
{
    struct faulty_store f;

    (void)state;
    open_with_timeout(&f, &faulty_driver, 1, 4);
    f.faulty.value_len = 100; /* an answer that nobody reads */
    expect(&f, NULL, SL_KV_GET, SL_TIMEOUT, "did not answer within 500 ms");
    const struct sl_metric *metric = &sl_service_metrics(f.kv)[SL_KV_GET];
    assert_int_equal(metric->by_status[SL_TIMEOUT], 1);
    wait_given_up(&f, 1);
    expect(&f, NULL, SL_KV_GET, SL_OK, "");
    assert_int_equal(load_of(&f).given_up, 1);
    faulty_set_gate(&f.faulty, false);
    wait_given_up(&f, 0);
    expect(&f, NULL, SL_KV_GET, SL_OK, "");
    assert_int_equal(sl_metric_count(metric), 3); /* once each */
    close_stuck(&f);
}

static void count_down(void *context)
{
    atomic_fetch_sub((_Atomic int *)context, 1);
}

/* Behind the one that is stuck; a batch among them. */
static void queued_calls_are_answered(void **state)
{
    const struct sl_kv_request two[] = {faulty_request(SL_KV_SET, "a"),
                                        faulty_request(SL_KV_DELETE, "b")};
    struct faulty_store f;
    struct sl_call *calls[3];
    struct sl_kv_answer answers[2];
    _Atomic int left = 3;

    (void)state;
    open_with_timeout(&f, &faulty_driver, 0, 0);
    sl_service_submit(f.kv, NULL, two, 2, count_down, &left, &calls[0]);
    faulty_wait_run(&f.faulty);
    for (int i = 1; i < 3; i++)
        sl_service_submit(f.kv, NULL, two, 2, count_down, &left, &calls[i]);
    while (atomic_load(&left) > 0)
        usleep(1000);
    for (int i = 0; i < 3; i++) {
        sl_call_collect(calls[i], answers);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(answers[j].err.status, SL_TIMEOUT);
            assert_non_null(
                strstr(answers[j].err.message,
                       i == 0 ? "did not answer" : "for a connection"));
            /* It is not known whether the first SET and DELETE were done. */
            assert_int_equal(answers[j].retryable, i > 0);
        }
        sl_answers_done(f.kv, answers, 2);
        sl_call_release(calls[i]);
    }
    wait_given_up(&f, 1); /* before, the queue still hopes */
    expect(&f, NULL, SL_KV_GET, SL_UNAVAILABLE, "raise max-stuck");
    struct sl_error err;
    assert_int_equal(sl_service_check(f.kv, sl_deadline_in_ms(1000), &err),
                     SL_UNAVAILABLE);
    faulty_set_gate(&f.faulty, false);
    wait_given_up(&f, 0);
    expect(&f, NULL, SL_KV_GET, SL_OK, "");
    assert_int_equal(f.faulty.ops, 3); /* what waited was not sent */
    close_stuck(&f);
}

/* Whoever gives up before frees what it has, and the driver goes on. */
static void a_call_that_was_given_up(void **state)
{
    struct faulty_store f;
    struct sl_call *call;
    _Atomic int left = 1;

    (void)state;
    open_with_timeout(&f, &faulty_driver, 1, 4);
    {
        char key[] = "gone";
        struct sl_kv_request get = faulty_request(SL_KV_GET, key);
        sl_service_submit(f.kv, NULL, &get, 1, count_down, &left, &call);
        faulty_wait_run(&f.faulty);
        memset(key, '!', sizeof(key));
        sl_call_release(call);
    }
    while (atomic_load(&left) > 0)
        usleep(1000);
    wait_given_up(&f, 1);
    faulty_set_gate(&f.faulty, false);
    wait_given_up(&f, 0);
    assert_string_equal(f.faulty.keys[0], "gone");
    close_stuck(&f);
}

static void a_session_is_answered(void **state)
{
    const struct sl_kv_request set = faulty_request(SL_KV_SET, "k");
    struct faulty_store f;
    struct sl_session *session, *next;
    struct sl_error err;

    (void)state;
    open_with_timeout(&f, &faulty_driver, 1, 1);
    assert_int_equal(sl_session_open(f.kv, &session, &err), SL_OK);
    expect(&f, session, SL_KV_SET, SL_TIMEOUT, "did not answer");
    sl_service_post(f.kv, session, &set, 1); /* as a cursor that is dropped */
    expect(&f, session, SL_KV_GET, SL_TIMEOUT, "for a connection");
    wait_given_up(&f, 1);
    expect(&f, session, SL_KV_GET, SL_UNAVAILABLE, "never came back");
    sl_session_close(session);
    /* Of max-transactions = 1 there is one that is replaced. */
    assert_int_equal(sl_session_open(f.kv, &next, &err), SL_OK);
    assert_ptr_not_equal(next, session);
    expect(&f, next, SL_KV_SET, SL_OK, "");
    assert_int_equal(sl_session_open(f.kv, &session, &err),
                     SL_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "never came back"));
    sl_session_close(next);
    faulty_set_gate(&f.faulty, false);
    wait_given_up(&f, 0);
    assert_int_equal(sl_session_open(f.kv, &next, &err), SL_OK);
    expect(&f, next, SL_KV_GET, SL_OK, "");
    sl_session_close(next);
    close_stuck(&f);
}

struct here {
    struct faulty_store *f;
    _Atomic int left;
};

static void *run_here(void *context)
{
    struct here *here = context;
    const struct sl_caller caller = {
        .done = count_down, .context = &here->left, .free_until = SL_NEVER};
    const struct sl_kv_request get = faulty_request(SL_KV_GET, "k");
    struct sl_call *call;
    struct sl_kv_answer answer;

    sl_service_call_later(here->f->kv, &caller, 0, &get, 1, &call);
    sl_call_collect(call, &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    sl_kv_answer_done(&answer);
    sl_call_release(call);
    return NULL;
}

/* On a caller's own thread: it is told, and nobody else waits for it. */
static void a_call_on_its_own_thread(void **state)
{
    struct faulty_store f;
    struct here here = {&f, 1};
    pthread_t thread;

    (void)state;
    open_with_timeout(&f, &faulty_aside, 1, 4);
    faulty_set_gate(&f.faulty, false);
    expect(&f, NULL, SL_KV_GET, SL_OK, ""); /* there is a connection now */
    faulty_set_gate(&f.faulty, true);
    assert_int_equal(pthread_create(&thread, NULL, run_here, &here), 0);
    while (atomic_load(&here.left) > 0)
        usleep(1000);
    wait_given_up(&f, 1);
    expect(&f, NULL, SL_KV_GET, SL_OK, "");
    faulty_set_gate(&f.faulty, false);
    pthread_join(thread, NULL);
    assert_int_equal(load_of(&f).stuck, 0);
    close_stuck(&f);
}

/* One after the other: so many are replaced, and no more. */
static void replacements_have_a_bound(void **state)
{
    struct faulty_store f;

    (void)state;
    open_with_timeout(&f, &faulty_driver, 0, 2);
    for (size_t i = 1; i <= 3; i++) {
        expect(&f, NULL, SL_KV_SET, SL_TIMEOUT, "did not answer");
        wait_given_up(&f, i);
    }
    expect(&f, NULL, SL_KV_SET, SL_UNAVAILABLE,
           "3 of its calls never came back");
    assert_true(load_of(&f).dead);
    close_stuck(&f);
}

static void ends_without_it(void **state)
{
    static struct faulty_store store;
    struct faulty_store *f = &store;

    (void)state;
    open_with_timeout(f, &faulty_driver, 1, 4);
    expect(f, NULL, SL_KV_GET, SL_TIMEOUT, "did not answer");
    assert_false(sl_service_free(f->kv));
    /* Its thread stays away from what may be gone by now. */
    faulty_set_gate(&f->faulty, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered),
        cmocka_unit_test(queued_calls_are_answered),
        cmocka_unit_test(a_call_that_was_given_up),
        cmocka_unit_test(a_session_is_answered),
        cmocka_unit_test(a_call_on_its_own_thread),
        cmocka_unit_test(replacements_have_a_bound),
        cmocka_unit_test(ends_without_it),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    /* A thread is left on purpose: what it uses stays until the end. */
    fflush(NULL);
    _exit(failed);
}

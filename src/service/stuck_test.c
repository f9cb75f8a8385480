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
#include "service/fake_test.h"

/* How long a call that is stuck waits for its answer. */
enum { TIMEOUT_MS = 500 };

/* On one connection; the first `stuck` runs come back when the gate opens. */
static void open_stuck(struct fake_service *f, const struct sl_driver *driver,
                       int stuck)
{
    fake_service_open(f, driver);
    f->config.max_sessions = 1;
    f->fake.stuck = stuck;
    fake_set_gate(&f->fake, true);
}

/* The queue took its timeout when it was made. */
static void open_with_timeout(struct fake_service *f,
                              const struct sl_driver *driver, int stuck,
                              int64_t max_stuck)
{
    open_stuck(f, driver, stuck);
    f->config.timeout_ms = TIMEOUT_MS;
    f->config.max_stuck = max_stuck;
    f->config.retry_attempts = 1;
    fake_service_reopen(f, driver);
}

static struct sl_queue_load load_of(struct fake_service *f)
{
    struct sl_queue_load load;

    sl_service_load(f->service, &load);
    return load;
}

static void wait_given_up(struct fake_service *f, size_t count)
{
    while (load_of(f).stuck != count)
        usleep(1000);
}

static void close_stuck(struct fake_service *f)
{
    fake_set_gate(&f->fake, false);
    wait_given_up(f, 0);
    fake_service_close(f);
}

static void expect(struct fake_service *f, struct sl_session *session,
                   enum fake_verb verb, enum sl_status status, const char *text)
{
    const struct fake_request request = fake_request(verb, "k");
    struct fake_answer answer;

    /* A busy machine may take long for a call that succeeds. */
    f->config.timeout_ms = status == SL_OK ? 3600000 : TIMEOUT_MS;
    sl_service_do(f->service, session, &request, 1, &answer);
    f->config.timeout_ms = TIMEOUT_MS;
    assert_int_equal(answer.err.status, status);
    if (strstr(answer.err.message, text) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", answer.err.message, text);
    fake_answer_done(&answer);
}

static void a_call_is_answered(void **state)
{
    struct fake_service f;

    (void)state;
    open_with_timeout(&f, &fake_driver, 1, 4);
    f.fake.value_len = 100; /* an answer that nobody reads */
    expect(&f, NULL, FAKE_READ, SL_TIMEOUT, "did not answer within 500 ms");
    const struct sl_metric *metric = &sl_service_metrics(f.service)[FAKE_READ];
    assert_int_equal(metric->by_status[SL_TIMEOUT], 1);
    wait_given_up(&f, 1);
    expect(&f, NULL, FAKE_READ, SL_OK, "");
    assert_int_equal(load_of(&f).given_up, 1);
    fake_set_gate(&f.fake, false);
    wait_given_up(&f, 0);
    expect(&f, NULL, FAKE_READ, SL_OK, "");
    assert_int_equal(sl_metric_count(metric), 3); /* once each */
    close_stuck(&f);
}

static void count_down(void *context)
{
    atomic_fetch_sub((_Atomic int *)context, 1);
}

/* Calls behind the one that is stuck, including a batch. */
static void queued_calls_are_answered(void **state)
{
    const struct fake_request two[] = {fake_request(FAKE_WRITE, "a"),
                                       fake_request(FAKE_WRITE, "b")};
    struct fake_service f;
    struct sl_call *calls[3];
    struct fake_answer answers[2];
    _Atomic int left = 3;

    (void)state;
    open_with_timeout(&f, &fake_driver, 0, 0);
    sl_service_submit(f.service, NULL, two, 2, count_down, &left, &calls[0]);
    fake_wait_run(&f.fake);
    for (int i = 1; i < 3; i++)
        sl_service_submit(f.service, NULL, two, 2, count_down, &left,
                          &calls[i]);
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
        sl_answers_done(f.service, answers, 2);
        sl_call_release(calls[i]);
    }
    wait_given_up(&f, 1);
    expect(&f, NULL, FAKE_READ, SL_UNAVAILABLE, "raise max-stuck");
    struct sl_error err;
    assert_int_equal(sl_service_check(f.service, sl_deadline_in_ms(1000), &err),
                     SL_UNAVAILABLE);
    fake_set_gate(&f.fake, false);
    wait_given_up(&f, 0);
    expect(&f, NULL, FAKE_READ, SL_OK, "");
    assert_int_equal(f.fake.ops, 3); /* what waited was not sent */
    close_stuck(&f);
}

/* A caller that gives up first frees its request, and the driver goes on. */
static void a_call_that_was_given_up(void **state)
{
    struct fake_service f;
    struct sl_call *call;
    _Atomic int left = 1;

    (void)state;
    open_with_timeout(&f, &fake_driver, 1, 4);
    {
        char key[] = "gone";
        struct fake_request get = fake_request(FAKE_READ, key);
        sl_service_submit(f.service, NULL, &get, 1, count_down, &left, &call);
        fake_wait_run(&f.fake);
        memset(key, '!', sizeof(key));
        sl_call_release(call);
    }
    while (atomic_load(&left) > 0)
        usleep(1000);
    wait_given_up(&f, 1);
    fake_set_gate(&f.fake, false);
    wait_given_up(&f, 0);
    assert_string_equal(f.fake.keys[0], "gone");
    close_stuck(&f);
}

static void a_session_is_answered(void **state)
{
    const struct fake_request set = fake_request(FAKE_WRITE, "k");
    struct fake_service f;
    struct sl_session *session, *next;
    struct sl_error err;

    (void)state;
    open_with_timeout(&f, &fake_driver, 1, 1);
    assert_int_equal(sl_session_open(f.service, &session, &err), SL_OK);
    expect(&f, session, FAKE_WRITE, SL_TIMEOUT, "did not answer");
    sl_service_post(f.service, session, &set,
                    1); /* as a cursor that is dropped */
    expect(&f, session, FAKE_READ, SL_TIMEOUT, "for a connection");
    wait_given_up(&f, 1);
    expect(&f, session, FAKE_READ, SL_UNAVAILABLE, "never came back");
    sl_session_close(session);
    /* The only session, of max-transactions = 1, is replaced. */
    assert_int_equal(sl_session_open(f.service, &next, &err), SL_OK);
    assert_ptr_not_equal(next, session);
    expect(&f, next, FAKE_WRITE, SL_OK, "");
    assert_int_equal(sl_session_open(f.service, &session, &err),
                     SL_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "never came back"));
    sl_session_close(next);
    fake_set_gate(&f.fake, false);
    wait_given_up(&f, 0);
    assert_int_equal(sl_session_open(f.service, &next, &err), SL_OK);
    expect(&f, next, FAKE_READ, SL_OK, "");
    sl_session_close(next);
    close_stuck(&f);
}

struct here {
    struct fake_service *f;
    _Atomic int left;
};

static void *run_here(void *context)
{
    struct here *here = context;
    const struct sl_caller caller = {
        .done = count_down, .context = &here->left, .free_until = SL_NEVER};
    const struct fake_request get = fake_request(FAKE_READ, "k");
    struct sl_call *call;
    struct fake_answer answer;

    sl_service_call_later(here->f->service, &caller, 0, &get, 1, &call);
    sl_call_collect(call, &answer);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    fake_answer_done(&answer);
    sl_call_release(call);
    return NULL;
}

/* A call on its caller's thread is answered, and delays no other. */
static void a_call_on_its_own_thread(void **state)
{
    struct fake_service f;
    struct here here = {&f, 1};
    pthread_t thread;

    (void)state;
    open_with_timeout(&f, &fake_safe, 1, 4);
    fake_set_gate(&f.fake, false);
    expect(&f, NULL, FAKE_READ, SL_OK, ""); /* there is a connection now */
    fake_set_gate(&f.fake, true);
    assert_int_equal(pthread_create(&thread, NULL, run_here, &here), 0);
    while (atomic_load(&here.left) > 0)
        usleep(1000);
    wait_given_up(&f, 1);
    expect(&f, NULL, FAKE_READ, SL_OK, "");
    fake_set_gate(&f.fake, false);
    pthread_join(thread, NULL);
    assert_int_equal(load_of(&f).stuck, 0);
    close_stuck(&f);
}

/* At most max-stuck connections are replaced. */
static void replacements_have_a_bound(void **state)
{
    struct fake_service f;

    (void)state;
    open_with_timeout(&f, &fake_driver, 0, 2);
    for (size_t i = 1; i <= 3; i++) {
        expect(&f, NULL, FAKE_WRITE, SL_TIMEOUT, "did not answer");
        wait_given_up(&f, i);
    }
    expect(&f, NULL, FAKE_WRITE, SL_UNAVAILABLE,
           "3 of its calls never came back");
    assert_true(load_of(&f).dead);
    close_stuck(&f);
}

static void ends_without_it(void **state)
{
    static struct fake_service store;
    struct fake_service *f = &store;

    (void)state;
    open_with_timeout(f, &fake_driver, 1, 4);
    expect(f, NULL, FAKE_READ, SL_TIMEOUT, "did not answer");
    assert_false(sl_service_free(f->service));
    /* Its thread stays away from what may be gone by now. */
    fake_set_gate(&f->fake, false);
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

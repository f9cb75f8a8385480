/* SPDX-License-Identifier: Apache-2.0 */
/* Calls above every driver: what is repeated, and what never gets that far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "pubsub/driver.h"

/* --- A driver that answers as a test tells it to ------------------------ */

struct plan {
    enum sl_status status;
    bool unsent;
    int ops; /* that it got */
};

struct plan_options {
    struct plan *plan;
};

static enum sl_status store_new(const void *options, void **store,
                                struct sl_error *err)
{
    (void)err;
    *store = ((const struct plan_options *)options)->plan;
    return SL_OK;
}

static void store_free(void *store)
{
    (void)store;
}

static enum sl_status open_connection(void *store, sl_deadline deadline,
                                      void **connection, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *connection = store;
    return SL_OK;
}

static void close_connection(void *connection)
{
    (void)connection;
}

static void run(void *connection, struct sl_op *const ops[], size_t count)
{
    struct plan *plan = connection;
    struct sl_error err;

    for (size_t i = 0; i < count; i++) {
        plan->ops++;
        ops[i]->unsent = plan->unsent;
        if (plan->status == SL_OK)
            continue;
        sl_fail(&err, plan->status, "as planned");
        sl_op_fail(ops[i], &err);
    }
}

static const struct sl_option no_options[] = {{0}};

/* It has no features but those of the test. */
static struct sl_driver driver_with(unsigned features)
{
    return (struct sl_driver){
        .name = "pubsub.planned",
        .options = no_options,
        .options_size = sizeof(struct plan_options),
        .features = features,
        .max_batch = 64,
        .store_new = store_new,
        .store_free = store_free,
        .open = open_connection,
        .close = close_connection,
        .run = run,
    };
}

/* What the request is answered over a driver with these features. */
static struct sl_pubsub_answer
answer_of(unsigned features, struct plan *plan,
          const struct sl_pubsub_request *request)
{
    const struct sl_driver driver = driver_with(features);
    const struct plan_options options = {plan};
    struct sl_pubsub_config config = {0};
    struct sl_pubsub_answer answer;
    struct sl_service *service;
    struct sl_error err;

    sl_options_default(sl_service_options, &config);
    sl_options_default(sl_pubsub.options, &config);
    config.service.connections = 1;
    config.service.retry_backoff_ms = 1;
    config.service.timeout_ms = 60000;
    assert_int_equal(sl_service_open(&sl_pubsub, "test", &driver,
                                     &config.service, &options, &service, &err),
                     SL_OK);
    sl_service_do(service, NULL, request, 1, &answer);
    sl_pubsub_answer_done(&answer);
    sl_service_free(service);
    return answer;
}

/* --- Cases -------------------------------------------------------------- */

static struct sl_pubsub_request request_of(enum sl_pubsub_verb verb)
{
    return (struct sl_pubsub_request){.verb = verb,
                                      .limit = 1,
                                      .topic = SL_LITERAL("t"),
                                      .group = SL_LITERAL("g"),
                                      .member = SL_LITERAL("m"),
                                      .receipt = SL_LITERAL("1:1")};
}

/* holds: pubsub-21 pubsub-56 types-25 types-26 types-27 */
static void only_what_is_safe_is_repeated(void **state)
{
    static const struct {
        enum sl_pubsub_verb verb;
        struct plan plan;
        int tries;
        bool retryable;
    } cases[] = {
        {SL_PUBSUB_PUBLISH, {.status = SL_UNAVAILABLE}, 1, false},
        {SL_PUBSUB_PUBLISH, {.status = SL_TIMEOUT}, 1, false},
        {SL_PUBSUB_PUBLISH,
         {.status = SL_UNAVAILABLE, .unsent = true},
         3,
         true},
        {SL_PUBSUB_SUBSCRIBE, {.status = SL_TIMEOUT}, 3, true},
        {SL_PUBSUB_RECEIVE, {.status = SL_UNAVAILABLE}, 1, false},
        {SL_PUBSUB_ACKNOWLEDGE, {.status = SL_UNAVAILABLE}, 1, true},
        {SL_PUBSUB_ACKNOWLEDGE, {.status = SL_TIMEOUT}, 1, true},
        {SL_PUBSUB_ACKNOWLEDGE, {.status = SL_CONFLICT}, 1, false},
        {SL_PUBSUB_PUBLISH, {.status = SL_NOT_FOUND}, 1, false},
        {SL_PUBSUB_PUBLISH, {.status = SL_PERMISSION_DENIED}, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_pubsub_request request = request_of(cases[i].verb);
        struct plan plan = cases[i].plan;
        const struct sl_pubsub_answer answer =
            answer_of(UINT_MAX, &plan, &request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (plan.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, plan.ops);
        if (answer.retryable != cases[i].retryable)
            fail_msg("case %zu: retryable is %d", i, answer.retryable);
    }
}

static void expect_unsupported(const struct sl_pubsub_request *request,
                               unsigned feature)
{
    struct plan plan = {.status = SL_OK};
    struct sl_pubsub_answer answer = answer_of(~feature, &plan, request);

    assert_int_equal(answer.err.status, SL_UNSUPPORTED);
    assert_false(answer.retryable);
    assert_int_equal(plan.ops, 0);
    answer = answer_of(UINT_MAX, &plan, request);
    assert_int_equal(answer.err.status, SL_OK);
    assert_int_equal(plan.ops, 1);
}

/* What a service lacks is refused before it is asked.  holds: pubsub-21
 * types-21 types-22 */
static void what_it_lacks_is_unsupported(void **state)
{
    struct sl_pubsub_request publish = request_of(SL_PUBSUB_PUBLISH);
    struct sl_pubsub_request subscribe = request_of(SL_PUBSUB_SUBSCRIBE);

    (void)state;
    expect_unsupported(&subscribe, SL_PUBSUB_FEATURE_SUBSCRIBE);
    subscribe.from_earliest = true;
    expect_unsupported(&subscribe, SL_PUBSUB_FEATURE_EARLIEST);
    publish.key = SL_LITERAL("k");
    expect_unsupported(&publish, SL_PUBSUB_FEATURE_KEYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(what_it_lacks_is_unsupported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

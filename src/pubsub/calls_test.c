/* SPDX-License-Identifier: Apache-2.0 */
/* Calls above every driver: what is repeated, and what never gets that far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "pubsub/driver.h"
#include "service/fake_test.h"

/* The driver answers with what the service has prepared. */
static void answer_nothing(struct fake *fake, struct sl_op *op)
{
    (void)fake;
    (void)op;
}

/* What the request is answered over a driver with these features;
 * how many ops it got is in fake->ops. */
static struct sl_pubsub_answer
answer_of(unsigned features, struct fake_plan plan, struct fake *fake,
          const struct sl_pubsub_request *request)
{
    const struct sl_driver driver = {
        .name = "pubsub.planned", FAKE_DRIVER, .features = features};
    struct sl_pubsub_config config = {0};
    struct sl_pubsub_answer answer;
    struct sl_service *service;
    struct sl_error err;

    fake_init(fake);
    fake_plan_all(fake, plan);
    fake->answer = answer_nothing;
    sl_options_default(sl_service_options, &config);
    sl_options_default(sl_pubsub.options, &config);
    config.service.connections = 1;
    config.service.retry_backoff_ms = 1;
    config.service.timeout_ms = 60000;
    assert_int_equal(sl_service_open(&sl_pubsub, "test", &driver,
                                     &config.service, fake, &service, &err),
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
        struct fake_plan plan;
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
        struct fake fake;
        const struct sl_pubsub_answer answer =
            answer_of(UINT_MAX, cases[i].plan, &fake, &request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (fake.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, fake.ops);
        if (answer.retryable != cases[i].retryable)
            fail_msg("case %zu: retryable is %d", i, answer.retryable);
    }
}

static void expect_unsupported(const struct sl_pubsub_request *request,
                               unsigned feature)
{
    const struct fake_plan works = {.status = SL_OK};
    struct fake fake;
    struct sl_pubsub_answer answer = answer_of(~feature, works, &fake, request);

    assert_int_equal(answer.err.status, SL_UNSUPPORTED);
    assert_false(answer.retryable);
    assert_int_equal(fake.ops, 0);
    answer = answer_of(UINT_MAX, works, &fake, request);
    assert_int_equal(answer.err.status, SL_OK);
    assert_int_equal(fake.ops, 1);
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

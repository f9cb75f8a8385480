/* SPDX-License-Identifier: Apache-2.0 */
/* Calls above every driver: what is repeated, and what never gets that far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "mq/driver.h"
#include "service/fake_test.h"

/* The driver answers with what the service has prepared. */
static void answer_nothing(struct fake *fake, struct sl_op *op)
{
    (void)fake;
    (void)op;
}

/* What the request is answered over a driver with these features;
 * how many ops it got is in fake->ops. */
static struct sl_mq_answer answer_of(unsigned features, struct fake_plan plan,
                                     struct fake *fake,
                                     const struct sl_mq_request *request)
{
    const struct sl_driver driver = {
        .name = "mq.planned", FAKE_DRIVER, .features = features};
    struct sl_mq_config config = {0};
    struct sl_mq_answer answer;
    struct sl_service *service;
    struct sl_error err;

    fake_init(fake);
    fake_plan_all(fake, plan);
    fake->answer = answer_nothing;
    sl_options_default(sl_service_options, &config);
    sl_options_default(sl_mq.options, &config);
    config.service.connections = 1;
    config.service.retry_backoff_ms = 1;
    config.service.timeout_ms = 60000;
    assert_int_equal(sl_service_open(&sl_mq, "test", &driver, &config.service,
                                     fake, &service, &err),
                     SL_OK);
    sl_service_do(service, NULL, request, 1, &answer);
    sl_mq_answer_done(&answer);
    sl_service_free(service);
    return answer;
}

/* --- Cases -------------------------------------------------------------- */

/* holds: mq-23 mq-24 mq-25 mq-56 types-25 types-26 types-27 */
static void only_what_is_safe_is_repeated(void **state)
{
    const struct {
        struct sl_mq_request request;
        struct fake_plan plan;
        int tries;
        bool retryable;
    } cases[] = {
        {{.verb = SL_MQ_SEND}, {.status = SL_UNAVAILABLE}, 1, false},
        {{.verb = SL_MQ_SEND}, {.status = SL_TIMEOUT}, 1, false},
        {{.verb = SL_MQ_SEND},
         {.status = SL_UNAVAILABLE, .unsent = true},
         3,
         true},
        {{.verb = SL_MQ_SEND, .deduplication_id = SL_LITERAL("id")},
         {.status = SL_TIMEOUT},
         3,
         true},
        {{.verb = SL_MQ_RECEIVE, .limit = 1},
         {.status = SL_UNAVAILABLE},
         1,
         false},
        {{.verb = SL_MQ_DEPTH}, {.status = SL_UNAVAILABLE}, 3, true},
        {{.verb = SL_MQ_COMPLETE}, {.status = SL_UNAVAILABLE}, 1, true},
        {{.verb = SL_MQ_COMPLETE}, {.status = SL_TIMEOUT}, 1, true},
        {{.verb = SL_MQ_COMPLETE}, {.status = SL_CONFLICT}, 1, false},
        {{.verb = SL_MQ_ABANDON}, {.status = SL_UNAVAILABLE}, 1, true},
        {{.verb = SL_MQ_DEAD_LETTER}, {.status = SL_UNAVAILABLE}, 1, true},
        {{.verb = SL_MQ_EXTEND, .visibility_ms = SL_MQ_VISIBILITY_MIN_MS},
         {.status = SL_UNAVAILABLE},
         1,
         false},
        {{.verb = SL_MQ_SEND}, {.status = SL_PERMISSION_DENIED}, 1, false},
        {{.verb = SL_MQ_SEND}, {.status = SL_UNAUTHENTICATED}, 1, false},
        {{.verb = SL_MQ_SEND}, {.status = SL_INTERNAL}, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake fake;
        const struct sl_mq_answer answer =
            answer_of(UINT_MAX, cases[i].plan, &fake, &cases[i].request);
        assert_int_equal(answer.err.status, cases[i].plan.status);
        if (fake.ops != cases[i].tries)
            fail_msg("case %zu: %d tries", i, fake.ops);
        if (answer.retryable != cases[i].retryable)
            fail_msg("case %zu: retryable is %d", i, answer.retryable);
    }
}

/* What a service lacks is refused before it is asked.  holds: mq-23 types-21
 * types-22 */
static void what_it_lacks_is_unsupported(void **state)
{
    static const struct {
        struct sl_mq_request request;
        unsigned feature;
    } cases[] = {
        {{.verb = SL_MQ_SEND, .delay_ms = 1}, SL_MQ_FEATURE_DELAY},
        {{.verb = SL_MQ_SEND, .group = {(const uint8_t *)"g", 1}},
         SL_MQ_FEATURE_GROUPS},
        {{.verb = SL_MQ_SEND, .deduplication_id = {(const uint8_t *)"i", 1}},
         SL_MQ_FEATURE_DEDUPLICATION},
        {{.verb = SL_MQ_DEAD_LETTER}, SL_MQ_FEATURE_DEAD_LETTER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_plan works = {.status = SL_OK};
        struct fake fake;
        struct sl_mq_answer answer =
            answer_of(~cases[i].feature, works, &fake, &cases[i].request);
        assert_int_equal(answer.err.status, SL_UNSUPPORTED);
        assert_false(answer.retryable);
        assert_int_equal(fake.ops, 0);
        answer = answer_of(cases[i].feature, works, &fake, &cases[i].request);
        assert_int_equal(answer.err.status, SL_OK);
        assert_int_equal(fake.ops, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_safe_is_repeated),
        cmocka_unit_test(what_it_lacks_is_unsupported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

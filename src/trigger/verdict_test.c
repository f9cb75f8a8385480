/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a delivery, and when it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trigger/verdict.h"

static const struct sl_manifest_trigger queue = {
    .type = SL_TRIGGER_MQ, .backoff_ms = 100, .max_backoff_ms = 1000};

static void test_only_what_returned_is_done(void **state)
{
    static const struct {
        enum sl_bridge_end end;
        enum sl_verdict verdict;
    } cases[] = {
        {SL_BRIDGE_RETURNED, SL_VERDICT_DONE},
        {SL_BRIDGE_EXITED, SL_VERDICT_RETRY},
        {SL_BRIDGE_TRAPPED, SL_VERDICT_RETRY},
        {SL_BRIDGE_TIMED_OUT, SL_VERDICT_RETRY},
        {SL_BRIDGE_FAILED, SL_VERDICT_RETRY},
        {SL_BRIDGE_RETRY, SL_VERDICT_RETRY},
        {SL_BRIDGE_REJECTED, SL_VERDICT_DEAD_LETTER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (sl_verdict_of(&queue, cases[i].end, 1000000) != cases[i].verdict)
            fail_msg("end %d", cases[i].end);
}

static void test_the_last_delivery_is_not_retried(void **state)
{
    struct sl_manifest_trigger topic = {
        .type = SL_TRIGGER_PUBSUB, .max_deliveries = 3, .dead_letter = "dead"};

    (void)state;
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_TRAPPED, 2),
                     SL_VERDICT_RETRY);
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_TRAPPED, 3),
                     SL_VERDICT_DEAD_LETTER);
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_TIMED_OUT, 4),
                     SL_VERDICT_DEAD_LETTER);
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_RETURNED, 3),
                     SL_VERDICT_DONE);
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_REJECTED, 1),
                     SL_VERDICT_DEAD_LETTER);
    topic.dead_letter = NULL;
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_REJECTED, 1),
                     SL_VERDICT_DISCARD);
    assert_int_equal(sl_verdict_of(&topic, SL_BRIDGE_RETRY, 3),
                     SL_VERDICT_DISCARD);
}

static void test_the_delay_doubles_to_its_limit(void **state)
{
    static const uint64_t delays[] = {100, 100, 200, 400, 800, 1000, 1000};
    const struct sl_manifest_trigger odd = {.backoff_ms = 5000,
                                            .max_backoff_ms = 10};

    (void)state;
    for (uint32_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
        assert_int_equal(sl_verdict_delay_ms(&queue, i), delays[i]);
    assert_int_equal(sl_verdict_delay_ms(&queue, UINT32_MAX), 1000);
    assert_int_equal(sl_verdict_delay_ms(&odd, 1), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_returned_is_done),
        cmocka_unit_test(test_the_last_delivery_is_not_retried),
        cmocka_unit_test(test_the_delay_doubles_to_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* When a handle of a message, or of an event, is settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/delivery_handles.h"

/* holds: mq-43 pubsub-54 */
static void a_failure_settles_nothing(void **state)
{
    (void)state;
    for (int status = SL_OK; status < SL_STATUS_COUNT; status++) {
        struct sl_received received = {0};
        sl_received_on_settled(&received, (enum sl_status)status);
        /* With a conflict the message is somebody else's. */
        assert_int_equal(received.is_settled,
                         status == SL_OK || status == SL_CONFLICT);
    }
}

/* holds: mq-55 pubsub-53 */
static void what_is_settled_stays_settled(void **state)
{
    struct sl_received received = {0};

    (void)state;
    sl_received_on_settled(&received, SL_OK);
    sl_received_on_settled(&received, SL_UNAVAILABLE);
    assert_true(received.is_settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_settles_nothing),
        cmocka_unit_test(what_is_settled_stays_settled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

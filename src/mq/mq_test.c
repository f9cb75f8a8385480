/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for a message, and attributes in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mq/driver.h"
#include "service/attributes.h"

static void a_request_names_the_delivery(void **state)
{
    const struct sl_delivery message = {.receipt = SL_LITERAL("7.1")};
    const struct sl_mq_request complete =
        sl_mq_request_for(&message, SL_MQ_COMPLETE);

    (void)state;
    assert_int_equal(complete.verb, SL_MQ_COMPLETE);
    assert_true(sl_bytes_equal(complete.receipt, SL_LITERAL("7.1")));
}

static void attributes_come_back(void **state)
{
    const struct sl_pair pairs[] = {
        {SL_LITERAL("a"), SL_LITERAL("1")},
        {SL_LITERAL("b"), SL_LITERAL("")},
    };
    struct sl_pair back[SL_ATTRIBUTES_MAX];
    struct sl_buf packed = SL_BUF(1000);
    struct sl_error err;
    size_t count;

    (void)state;
    assert_int_equal(sl_attributes_pack(pairs, 2, &packed, &err), SL_OK);
    assert_true(sl_attributes_unpack(sl_buf_bytes(&packed), back, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(sl_bytes_equal(back[i].name, pairs[i].name));
        assert_true(sl_bytes_equal(back[i].value, pairs[i].value));
    }
    sl_buf_done(&packed);
}

/* What stands in a file may be anything. */
static void other_bytes_are_none(void **state)
{
    struct sl_pair back[SL_ATTRIBUTES_MAX];
    uint8_t bytes[2048] = {0};
    size_t count;

    (void)state;
    assert_true(sl_attributes_unpack(SL_BYTES(NULL, 0), back, &count));
    assert_int_equal(count, 0);
    for (size_t len = 1; len < 8; len++)
        assert_false(sl_attributes_unpack(SL_BYTES(bytes, len), back, &count));
    assert_true(sl_attributes_unpack(SL_BYTES(bytes, 8), back, &count));
    memset(bytes, 0xff, 8);
    assert_false(sl_attributes_unpack(SL_BYTES(bytes, 100), back, &count));
    memset(bytes, 0, sizeof(bytes)); /* one pair too many */
    assert_false(sl_attributes_unpack(
        SL_BYTES(bytes, 8 * (SL_ATTRIBUTES_MAX + 1)), back, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_the_delivery),
        cmocka_unit_test(attributes_come_back),
        cmocka_unit_test(other_bytes_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

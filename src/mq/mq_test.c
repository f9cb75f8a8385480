/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in one block, and attributes in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mq/driver.h"
#include "service/attributes.h"

static void a_copy_borrows_nothing(void **state)
{
    char name[] = "name", value[] = "", payload[] = "a\0b";
    const struct sl_pair pair = {sl_bytes_of(name), SL_BYTES(value, 0)};
    const struct sl_mq_message message = {
        .id = SL_LITERAL("7"),
        .payload = SL_BYTES(payload, 3),
        .attributes = &pair,
        .attribute_count = 1,
        .receipt = SL_LITERAL("7.1"),
        .enqueued_at_ms = 5,
        .delivery_count = 1,
    };

    (void)state;
    struct sl_mq_message *copy = sl_mq_message_copy(&message);
    assert_non_null(copy);
    memset(name, 'x', sizeof(name));
    memset(payload, 'x', sizeof(payload));
    assert_true(sl_bytes_equal(copy->id, SL_LITERAL("7")));
    assert_true(sl_bytes_equal(copy->payload, SL_LITERAL("a\0b")));
    assert_null(copy->group.ptr); /* none is not an empty one */
    assert_true(sl_bytes_equal(copy->attributes[0].name, SL_LITERAL("name")));
    assert_int_equal(copy->attributes[0].value.len, 0);
    const struct sl_mq_request complete =
        sl_mq_request_for(copy, SL_MQ_COMPLETE);
    assert_true(sl_bytes_equal(complete.receipt, SL_LITERAL("7.1")));
    sl_mq_message_free(copy);
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
        cmocka_unit_test(a_copy_borrows_nothing),
        cmocka_unit_test(attributes_come_back),
        cmocka_unit_test(other_bytes_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

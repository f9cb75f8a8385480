/* SPDX-License-Identifier: Apache-2.0 */
/* Events in one block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "pubsub/driver.h"

static void a_copy_borrows_nothing(void **state)
{
    char name[] = "name", payload[] = "a\0b", topic[] = "orders";
    const struct sl_pair pair = {sl_bytes_of(name), SL_LITERAL("")};
    const struct sl_pubsub_event event = {
        .topic = sl_bytes_of(topic),
        .id = SL_LITERAL("7"),
        .payload = SL_BYTES(payload, 3),
        .key = SL_LITERAL(""),
        .attributes = &pair,
        .attribute_count = 1,
        .receipt = SL_LITERAL("7.1"),
        .published_at_ms = 5,
        .delivery_count = 1,
    };

    (void)state;
    struct sl_pubsub_event *copy = sl_pubsub_event_copy(&event);
    assert_non_null(copy);
    memset(name, 'x', sizeof(name));
    memset(payload, 'x', sizeof(payload));
    memset(topic, 'x', sizeof(topic));
    assert_true(sl_bytes_equal(copy->topic, SL_LITERAL("orders")));
    assert_true(sl_bytes_equal(copy->payload, SL_LITERAL("a\0b")));
    assert_true(sl_bytes_equal(copy->attributes[0].name, SL_LITERAL("name")));
    assert_non_null(copy->key.ptr); /* an empty one is one */
    assert_int_equal(copy->key.len, 0);
    sl_pubsub_event_free(copy);
}

static void no_key_is_no_empty_key(void **state)
{
    const struct sl_pubsub_event event = {.topic = SL_LITERAL("orders")};

    (void)state;
    struct sl_pubsub_event *copy = sl_pubsub_event_copy(&event);
    assert_non_null(copy);
    assert_null(copy->key.ptr);
    sl_pubsub_event_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_borrows_nothing),
        cmocka_unit_test(no_key_is_no_empty_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

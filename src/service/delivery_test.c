/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries in one block, and answers that are full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "service/delivery.h"
#include "service/driver.h"

static void test_a_copy_borrows_nothing(void **state)
{
    char name[] = "name", value[] = "", payload[] = "a\0b", topic[] = "orders";
    const struct sl_pair pair = {sl_bytes_of(name), SL_BYTES(value, 0)};
    const struct sl_delivery delivery = {
        .topic = sl_bytes_of(topic),
        .id = SL_LITERAL("7"),
        .payload = SL_BYTES(payload, 3),
        .key = SL_LITERAL(""),
        .attributes = &pair,
        .attribute_count = 1,
        .receipt = SL_LITERAL("7.1"),
        .sent_at_ms = 5,
        .delivery_count = 1,
    };

    (void)state;
    struct sl_delivery *copy = sl_delivery_copy(&delivery);
    assert_non_null(copy);
    memset(name, 'x', sizeof(name));
    memset(payload, 'x', sizeof(payload));
    memset(topic, 'x', sizeof(topic));
    assert_true(sl_bytes_equal(copy->topic, SL_LITERAL("orders")));
    assert_true(sl_bytes_equal(copy->id, SL_LITERAL("7")));
    assert_true(sl_bytes_equal(copy->payload, SL_LITERAL("a\0b")));
    assert_true(sl_bytes_equal(copy->receipt, SL_LITERAL("7.1")));
    assert_true(sl_bytes_equal(copy->attributes[0].name, SL_LITERAL("name")));
    assert_int_equal(copy->attributes[0].value.len, 0);
    assert_non_null(copy->key.ptr); /* an empty one is one */
    assert_int_equal(copy->key.len, 0);
    assert_int_equal(copy->sent_at_ms, 5);
    sl_delivery_free(copy);
}

static void test_no_key_is_no_empty_key(void **state)
{
    const struct sl_delivery delivery = {.topic = SL_LITERAL("orders")};

    (void)state;
    struct sl_delivery *copy = sl_delivery_copy(&delivery);
    assert_non_null(copy);
    assert_null(copy->key.ptr);
    sl_delivery_free(copy);
}

/* One that is taken is the taker's; the rest is freed with the answer. */
static void test_each_is_taken_once(void **state)
{
    const struct sl_delivery delivery = {.id = SL_LITERAL("7")};
    struct sl_deliveries deliveries = {0};
    struct sl_op op = {0};

    (void)state;
    assert_true(sl_deliveries_add(&op, &deliveries, &delivery, 2));
    assert_true(sl_deliveries_add(&op, &deliveries, &delivery, 2));
    assert_false(sl_deliveries_add(&op, &deliveries, &delivery, 2));
    assert_int_equal(deliveries.count, 2);
    struct sl_delivery *taken = sl_deliveries_take(&deliveries, 1);
    assert_non_null(taken);
    assert_null(sl_deliveries_take(&deliveries, 1));
    assert_null(sl_deliveries_take(&deliveries, 2));
    sl_delivery_free(taken);
    sl_held_done(&deliveries.memory);
}

/* The first one may be larger than an answer; nothing comes after it. */
static void test_an_answer_has_so_many_bytes(void **state)
{
    static uint8_t large[SL_DELIVERIES_BYTES_MAX + 1];
    const struct sl_delivery first = {.payload =
                                          SL_BYTES(large, sizeof(large))};
    const struct sl_delivery half = {
        .payload = SL_BYTES(large, SL_DELIVERIES_BYTES_MAX / 2)};
    const struct sl_delivery more = {
        .payload = SL_BYTES(large, SL_DELIVERIES_BYTES_MAX / 2 + 1)};
    struct sl_deliveries deliveries = {0};
    struct sl_op op = {0};

    (void)state;
    assert_true(sl_deliveries_add(&op, &deliveries, &first, 10));
    assert_false(sl_deliveries_add(&op, &deliveries, &half, 10));
    sl_held_done(&deliveries.memory);
    deliveries = (struct sl_deliveries){0};
    assert_true(sl_deliveries_add(&op, &deliveries, &half, 10));
    assert_false(sl_deliveries_add(&op, &deliveries, &more, 10));
    assert_true(sl_deliveries_add(&op, &deliveries, &half, 10));
    assert_int_equal(deliveries.count, 2);
    sl_held_done(&deliveries.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_borrows_nothing),
        cmocka_unit_test(test_no_key_is_no_empty_key),
        cmocka_unit_test(test_each_is_taken_once),
        cmocka_unit_test(test_an_answer_has_so_many_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

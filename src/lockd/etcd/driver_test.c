/* SPDX-License-Identifier: Apache-2.0 */
/* The wait queue of lockd.etcd and its settings, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/etcd/etcd.h"
#include "lockd/driver.h"
#include "lockd/etcd/call.h"
#include "lockd/etcd/queue.h"

extern const struct sl_driver sl_driver_lockd_etcd;

static void queues_of_locks_are_apart(void **state)
{
    static const struct {
        const char *lock, *queue;
    } cases[] = {
        {"a", "p/a/"},   {"a/b", "p/a%2Fb/"},           {"a%2Fb", "p/a%252Fb/"},
        {"/", "p/%2F/"}, {"\xc3\xa9 ", "p/\xc3\xa9 /"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf out = SL_BUF(100);
        assert_int_equal(sl_lockd_etcd_queue_prefix(&out, SL_LITERAL("p/"),
                                                    sl_bytes_of(cases[i].lock),
                                                    NULL),
                         SL_OK);
        assert_true(
            sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(cases[i].queue)));
        sl_buf_done(&out);
    }
}

static void only_who_waits_for_a_key_is_woken(void **state)
{
    struct sl_lockd_etcd_queue *queue = sl_lockd_etcd_queue_new();
    struct sl_lockd_etcd_waiter *a = sl_lockd_etcd_queue_add(queue);
    struct sl_lockd_etcd_waiter *b = sl_lockd_etcd_queue_add(queue);

    (void)state;
    assert_int_equal(strlen(a->name), SL_LOCKD_ETCD_NAME_LEN);
    assert_string_not_equal(a->name, b->name);
    assert_int_equal(sl_lockd_etcd_queue_first_unseen(queue), 0);
    sl_lockd_etcd_queue_wait(queue, a, SL_LITERAL("x"), 10);
    sl_lockd_etcd_queue_wait(queue, b, SL_LITERAL("y"), 12);
    assert_int_equal(sl_lockd_etcd_queue_first_unseen(queue), 11);
    assert_false(sl_lockd_etcd_queue_take_woken(queue));

    assert_false(sl_lockd_etcd_queue_on_deleted(queue, SL_LITERAL("z"), 13));
    assert_false(sl_lockd_etcd_queue_take_woken(queue));
    assert_true(sl_lockd_etcd_queue_on_deleted(queue, SL_LITERAL("y"), 14));
    assert_true(sl_lockd_etcd_queue_is_due(queue, b));
    assert_false(sl_lockd_etcd_queue_is_due(queue, a));
    assert_true(sl_lockd_etcd_queue_take_woken(queue));
    assert_false(sl_lockd_etcd_queue_take_woken(queue)); /* asked already */
    assert_ptr_equal(sl_lockd_etcd_queue_find(queue, a->ticket), a);
    sl_lockd_etcd_queue_remove(queue, a);
    assert_null(sl_lockd_etcd_queue_find(queue, b->ticket + 1));
    sl_lockd_etcd_queue_free(queue);
}

/* Told after the look, and before it was noted. */
static void what_was_told_meanwhile_is_not_missed(void **state)
{
    struct sl_lockd_etcd_queue *queue = sl_lockd_etcd_queue_new();
    struct sl_lockd_etcd_waiter *a = sl_lockd_etcd_queue_add(queue);

    (void)state;
    assert_false(sl_lockd_etcd_queue_on_deleted(queue, SL_LITERAL("x"), 20));
    sl_lockd_etcd_queue_wait(queue, a, SL_LITERAL("x"), 19);
    assert_true(sl_lockd_etcd_queue_is_due(queue, a));
    assert_true(sl_lockd_etcd_queue_take_woken(queue));
    sl_lockd_etcd_queue_wait(queue, a, SL_LITERAL("x"),
                             20); /* it is there again */
    assert_false(sl_lockd_etcd_queue_is_due(queue, a));
    sl_lockd_etcd_queue_wake_all(queue);
    assert_true(sl_lockd_etcd_queue_is_due(queue, a));
    sl_lockd_etcd_queue_free(queue);
}

static void who_does_not_come_again_is_forgotten(void **state)
{
    struct sl_lockd_etcd_queue *queue = sl_lockd_etcd_queue_new();
    struct sl_lockd_etcd_waiter *a = sl_lockd_etcd_queue_add(queue);
    struct sl_lockd_etcd_waiter *b = sl_lockd_etcd_queue_add(queue);
    int64_t ticket = a->ticket;

    (void)state;
    a->lease = 5;
    b->lease = 6;
    sl_lockd_etcd_queue_park(queue, a, 0);
    sl_lockd_etcd_queue_park(queue, b, 600000);
    assert_int_equal(sl_lockd_etcd_queue_next_revoke(queue), 5);
    assert_int_equal(sl_lockd_etcd_queue_next_revoke(queue), 0);
    assert_null(sl_lockd_etcd_queue_find(queue, ticket));
    sl_lockd_etcd_queue_park(queue, b, 0);
    assert_ptr_equal(sl_lockd_etcd_queue_find(queue, b->ticket),
                     b); /* it runs */
    assert_int_equal(sl_lockd_etcd_queue_next_revoke(queue), 0);

    char name[SL_LOCKD_ETCD_NAME_LEN + 1];
    memcpy(name, b->name, sizeof(name));
    sl_lockd_etcd_queue_wait(queue, b, SL_LITERAL("x"), 1);
    sl_lockd_etcd_queue_reset(queue, b);
    assert_string_not_equal(b->name, name);
    assert_int_equal(b->lease, 0);
    assert_int_equal(sl_lockd_etcd_queue_first_unseen(queue), 0);
    for (int i = 1; i < 1000; i++) /* what is too much ends by itself */
        sl_lockd_etcd_queue_defer_revoke(queue, i);
    assert_int_not_equal(sl_lockd_etcd_queue_next_revoke(queue), 0);
    sl_lockd_etcd_queue_free(queue);
}

static void settings(void **state)
{
    struct sl_etcd_options options = {0};

    (void)state;
    sl_options_default(sl_driver_lockd_etcd.options, &options);
    assert_string_equal(options.prefix, "slight/lockd/");
    assert_true(
        sl_option_find(sl_driver_lockd_etcd.options, "password")->secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_of_locks_are_apart),
        cmocka_unit_test(only_who_waits_for_a_key_is_woken),
        cmocka_unit_test(what_was_told_meanwhile_is_not_missed),
        cmocka_unit_test(who_does_not_come_again_is_forgotten),
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

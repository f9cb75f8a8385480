/* SPDX-License-Identifier: Apache-2.0 */
/* What lockd.etcd knows of those who wait, and its settings, without a server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/etcd/etcd.h"
#include "lockd/driver.h"
#include "lockd/etcd/call.h"
#include "lockd/etcd/line.h"

extern const struct sl_driver sl_driver_lockd_etcd;

static void lines_of_locks_are_apart(void **state)
{
    static const struct {
        const char *lock, *line;
    } cases[] = {
        {"a", "p/a/"},   {"a/b", "p/a%2Fb/"},           {"a%2Fb", "p/a%252Fb/"},
        {"/", "p/%2F/"}, {"\xc3\xa9 ", "p/\xc3\xa9 /"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_buf out = SL_BUF(100);
        assert_int_equal(sl_etcd_lock_line(&out, SL_LITERAL("p/"),
                                           sl_bytes_of(cases[i].lock), NULL),
                         SL_OK);
        assert_true(
            sl_bytes_equal(sl_buf_bytes(&out), sl_bytes_of(cases[i].line)));
        sl_buf_done(&out);
    }
}

static void only_who_waits_for_a_key_is_woken(void **state)
{
    struct sl_etcd_line *line = sl_etcd_line_new();
    struct sl_etcd_candidate *a = sl_etcd_line_add(line);
    struct sl_etcd_candidate *b = sl_etcd_line_add(line);

    (void)state;
    assert_int_equal(strlen(a->name), SL_ETCD_NAME_LEN);
    assert_string_not_equal(a->name, b->name);
    assert_int_equal(sl_etcd_line_unseen(line), 0);
    sl_etcd_line_wait(line, a, SL_LITERAL("x"), 10);
    sl_etcd_line_wait(line, b, SL_LITERAL("y"), 12);
    assert_int_equal(sl_etcd_line_unseen(line), 11);
    assert_false(sl_etcd_line_woken(line));

    assert_false(sl_etcd_line_gone(line, SL_LITERAL("z"), 13));
    assert_false(sl_etcd_line_woken(line));
    assert_true(sl_etcd_line_gone(line, SL_LITERAL("y"), 14));
    assert_true(sl_etcd_line_is_due(line, b));
    assert_false(sl_etcd_line_is_due(line, a));
    assert_true(sl_etcd_line_woken(line));
    assert_false(sl_etcd_line_woken(line)); /* asked already */
    assert_ptr_equal(sl_etcd_line_find(line, a->ticket), a);
    sl_etcd_line_remove(line, a);
    assert_null(sl_etcd_line_find(line, b->ticket + 1));
    sl_etcd_line_free(line);
}

/* Told after the look, and before it was noted. */
static void what_was_told_meanwhile_is_not_missed(void **state)
{
    struct sl_etcd_line *line = sl_etcd_line_new();
    struct sl_etcd_candidate *a = sl_etcd_line_add(line);

    (void)state;
    assert_false(sl_etcd_line_gone(line, SL_LITERAL("x"), 20));
    sl_etcd_line_wait(line, a, SL_LITERAL("x"), 19);
    assert_true(sl_etcd_line_is_due(line, a));
    assert_true(sl_etcd_line_woken(line));
    sl_etcd_line_wait(line, a, SL_LITERAL("x"), 20); /* it is there again */
    assert_false(sl_etcd_line_is_due(line, a));
    sl_etcd_line_wake(line);
    assert_true(sl_etcd_line_is_due(line, a));
    sl_etcd_line_free(line);
}

static void who_does_not_come_again_is_forgotten(void **state)
{
    struct sl_etcd_line *line = sl_etcd_line_new();
    struct sl_etcd_candidate *a = sl_etcd_line_add(line);
    struct sl_etcd_candidate *b = sl_etcd_line_add(line);
    int64_t ticket = a->ticket;

    (void)state;
    a->lease = 5;
    b->lease = 6;
    sl_etcd_line_park(line, a, 0);
    sl_etcd_line_park(line, b, 600000);
    assert_int_equal(sl_etcd_line_next_waste(line), 5);
    assert_int_equal(sl_etcd_line_next_waste(line), 0);
    assert_null(sl_etcd_line_find(line, ticket));
    sl_etcd_line_park(line, b, 0);
    assert_ptr_equal(sl_etcd_line_find(line, b->ticket), b); /* it runs */
    assert_int_equal(sl_etcd_line_next_waste(line), 0);

    char name[SL_ETCD_NAME_LEN + 1];
    memcpy(name, b->name, sizeof(name));
    sl_etcd_line_wait(line, b, SL_LITERAL("x"), 1);
    sl_etcd_line_reset(line, b);
    assert_string_not_equal(b->name, name);
    assert_int_equal(b->lease, 0);
    assert_int_equal(sl_etcd_line_unseen(line), 0);
    for (int i = 1; i < 1000; i++) /* what is too much ends by itself */
        sl_etcd_line_waste(line, i);
    assert_int_not_equal(sl_etcd_line_next_waste(line), 0);
    sl_etcd_line_free(line);
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
        cmocka_unit_test(lines_of_locks_are_apart),
        cmocka_unit_test(only_who_waits_for_a_key_is_woken),
        cmocka_unit_test(what_was_told_meanwhile_is_not_missed),
        cmocka_unit_test(who_does_not_come_again_is_forgotten),
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

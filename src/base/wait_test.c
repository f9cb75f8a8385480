/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a descriptor, on a thread of its own and on one that is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "base/wait.h"

static int blocked;
static int pipe_ends[2];

static void count_block(void (*run)(void *context), void *context)
{
    blocked++;
    run(context);
}

/* The service answers as soon as the thread has been handed over. */
static void answer_then_block(void (*run)(void *context), void *context)
{
    blocked++;
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    run(context);
}

static int set_up(void **state)
{
    (void)state;
    blocked = 0;
    return pipe(pipe_ends);
}

static int tear_down(void **state)
{
    (void)state;
    sl_block_in(NULL);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

static void what_is_there_is_not_waited_for(void **state)
{
    (void)state;
    sl_block_in(count_block);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, sl_deadline_in_ms(60000)),
                     1);
    assert_int_equal(blocked, 0);
}

static void a_long_wait_is_done_aside(void **state)
{
    (void)state;
    sl_block_in(answer_then_block);
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, SL_NEVER), 1);
    assert_int_equal(blocked, 1);
}

static void deadlines_pass_everywhere(void **state)
{
    (void)state;
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, sl_deadline_in_ms(5)), 0);
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, 0), 0);
    sl_block_in(count_block);
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, sl_deadline_in_ms(5)), 0);
    assert_int_equal(blocked, 1);
}

static void the_other_end_is_gone(void **state)
{
    (void)state;
    close(pipe_ends[1]);
    assert_int_equal(sl_wait_fd(pipe_ends[0], POLLIN, SL_NEVER), 1);
    pipe_ends[1] = -1;
}

static void set_int(void *context)
{
    *(int *)context = 1;
}

static void what_may_take_long_is_done_once(void **state)
{
    int done = 0;

    (void)state;
    sl_block(set_int, &done);
    assert_int_equal(done, 1);
    assert_int_equal(blocked, 0);
    done = 0;
    sl_block_in(count_block);
    sl_block(set_int, &done);
    assert_int_equal(done, 1);
    assert_int_equal(blocked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_not_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_long_wait_is_done_aside, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(deadlines_pass_everywhere, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_other_end_is_gone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_may_take_long_is_done_once, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

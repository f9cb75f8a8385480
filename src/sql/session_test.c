/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of transactions, over operations that only count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/session.h"

struct fake {
    struct sl_sql_session session;
    enum sl_status next; /* what the next operation answers */
    bool reaches;        /* a statement reaches the database */
    int begun, committed, run, rolled_back, ended;
    struct sl_sql_answer answer;
};

static enum sl_status answer_next(struct fake *fake, struct sl_error *err)
{
    enum sl_status status = fake->next;

    fake->next = SL_OK;
    return status == SL_OK ? SL_OK : sl_fail(err, status, "as asked for");
}

static enum sl_status fake_begin(void *conn, struct sl_op *op,
                                 struct sl_error *err)
{
    struct fake *fake = conn;

    (void)op;
    fake->begun++;
    return answer_next(fake, err);
}

static enum sl_status fake_commit(void *conn, struct sl_op *op,
                                  struct sl_error *err)
{
    struct fake *fake = conn;

    (void)op;
    fake->committed++;
    return answer_next(fake, err);
}

static enum sl_status fake_run(void *conn, struct sl_op *op,
                               struct sl_error *err)
{
    struct fake *fake = conn;
    struct sl_sql_answer *answer = op->answer;

    fake->run++;
    answer->affected = 7;
    fake->session.reached = fake->reaches;
    return answer_next(fake, err);
}

static void fake_roll_back(void *conn)
{
    ((struct fake *)conn)->rolled_back++;
}

static void fake_end(void *conn)
{
    ((struct fake *)conn)->ended++;
}

static void init_fake(struct fake *fake)
{
    static const struct sl_sql_session_ops ops = {
        .begin = fake_begin,
        .commit = fake_commit,
        .run_statement = fake_run,
        .cursor_open = fake_run,
        .cursor_next = fake_run,
        .cursor_close = fake_run,
        .roll_back = fake_roll_back,
        .end = fake_end,
    };

    *fake = (struct fake){.reaches = true};
    sl_sql_session_init(&fake->session, &ops, fake);
}

static enum sl_status do_verb(struct fake *fake, enum sl_sql_verb verb,
                              bool in_transaction)
{
    const struct sl_sql_request request = {.verb = verb,
                                           .in_transaction = in_transaction};
    struct sl_op op = {.request = &request, .answer = &fake->answer};

    fake->answer = (struct sl_sql_answer){.affected = 0};
    sl_sql_session_run(&fake->session, &op);
    return fake->answer.err.status;
}

static void a_transaction_is_begun_and_committed(void **state)
{
    struct fake fake;

    (void)state;
    init_fake(&fake);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
    assert_int_equal(fake.session.transaction, SL_SQL_TRANSACTION_OPEN);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_CONFLICT);
    assert_int_equal(fake.begun, 1);
    assert_int_equal(do_verb(&fake, SL_SQL_EXECUTE, true), SL_OK);
    assert_int_equal(fake.answer.affected, 7);
    assert_int_equal(do_verb(&fake, SL_SQL_COMMIT, false), SL_OK);
    assert_int_equal(fake.session.transaction, SL_SQL_TRANSACTION_NONE);
    assert_int_equal(fake.committed, 1);
    assert_int_equal(fake.ended, 1);
}

/* A call outside of a transaction is one by itself; a batch of a cursor is not,
 * nor is a commit. */
static void who_was_aborted_may_come_again(void **state)
{
    static const struct {
        enum sl_sql_verb verb;
        bool retryable;
    } calls[] = {
        {SL_SQL_QUERY, true},       {SL_SQL_EXECUTE_MANY, true},
        {SL_SQL_CURSOR_OPEN, true}, {SL_SQL_CURSOR_NEXT, false},
        {SL_SQL_BEGIN, true},
    };
    struct fake fake;

    (void)state;
    init_fake(&fake);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        fake.next = SL_ABORTED;
        assert_int_equal(do_verb(&fake, calls[i].verb, false), SL_ABORTED);
        assert_int_equal(fake.answer.retryable, calls[i].retryable);
    }
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
    fake.next = SL_ABORTED;
    assert_int_equal(do_verb(&fake, SL_SQL_COMMIT, false), SL_ABORTED);
    assert_false(fake.answer.retryable);
}

static void a_failed_statement_fails_the_transaction(void **state)
{
    struct fake fake;

    (void)state;
    init_fake(&fake);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
    fake.next = SL_ABORTED;
    assert_int_equal(do_verb(&fake, SL_SQL_EXECUTE, true), SL_ABORTED);
    assert_false(fake.answer.retryable);
    assert_int_equal(fake.answer.affected, 0);
    assert_int_equal(fake.rolled_back, 1);
    assert_int_equal(fake.session.transaction, SL_SQL_TRANSACTION_FAILED);
    assert_int_equal(do_verb(&fake, SL_SQL_EXECUTE, true), SL_CONFLICT);
    assert_false(fake.answer.retryable);
    assert_int_equal(fake.run, 1);
    assert_int_equal(do_verb(&fake, SL_SQL_COMMIT, false), SL_CONFLICT);
    assert_int_equal(fake.committed, 0);
    assert_int_equal(fake.session.transaction, SL_SQL_TRANSACTION_NONE);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
}

static void what_never_reached_the_database_fails_alone(void **state)
{
    struct fake fake;

    (void)state;
    init_fake(&fake);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
    fake.reaches = false;
    fake.next = SL_PERMISSION_DENIED;
    assert_int_equal(do_verb(&fake, SL_SQL_EXECUTE, true),
                     SL_PERMISSION_DENIED);
    assert_int_equal(fake.rolled_back, 0);
    assert_int_equal(do_verb(&fake, SL_SQL_CURSOR_OPEN, true), SL_OK);
}

static void without_a_transaction_only_a_rollback_succeeds(void **state)
{
    struct fake fake;

    (void)state;
    init_fake(&fake);
    assert_int_equal(do_verb(&fake, SL_SQL_EXECUTE, true), SL_CONFLICT);
    assert_int_equal(do_verb(&fake, SL_SQL_CURSOR_NEXT, true), SL_CONFLICT);
    assert_int_equal(do_verb(&fake, SL_SQL_COMMIT, false), SL_CONFLICT);
    assert_int_equal(do_verb(&fake, SL_SQL_ROLLBACK, true), SL_OK);
    assert_int_equal(fake.run, 0);
    assert_int_equal(fake.committed, 0);
}

static void a_failed_commit_ends_the_transaction(void **state)
{
    struct fake fake;

    (void)state;
    init_fake(&fake);
    assert_int_equal(do_verb(&fake, SL_SQL_BEGIN, false), SL_OK);
    fake.next = SL_UNAVAILABLE;
    assert_int_equal(do_verb(&fake, SL_SQL_COMMIT, false), SL_UNAVAILABLE);
    assert_int_equal(fake.session.transaction, SL_SQL_TRANSACTION_NONE);
    assert_int_equal(fake.rolled_back, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_is_begun_and_committed),
        cmocka_unit_test(who_was_aborted_may_come_again),
        cmocka_unit_test(a_failed_statement_fails_the_transaction),
        cmocka_unit_test(what_never_reached_the_database_fails_alone),
        cmocka_unit_test(without_a_transaction_only_a_rollback_succeeds),
        cmocka_unit_test(a_failed_commit_ends_the_transaction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

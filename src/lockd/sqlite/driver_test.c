/* SPDX-License-Identifier: Apache-2.0 */
/* lockd.sqlite: what is in the file, and its clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <string.h>

#include "lockd/driver.h"
#include "support/sqlite_file.h"

static int set_up(void **state)
{
    return sqlite_file_new(state, "lockd.sqlite", "");
}

static struct sl_lockd_answer ask(struct sqlite_file *f,
                                  struct sl_lockd_request request)
{
    struct sl_lockd_answer answer;

    (void)sl_service_do(f->store.service, NULL, &request, 1, &answer);
    return answer;
}

static struct sl_lockd_answer acquire(struct sqlite_file *f, const char *key,
                                      uint64_t ttl_ms)
{
    return ask(f, (struct sl_lockd_request){.verb = SL_LOCKD_ACQUIRE,
                                            .key = sl_bytes_of(key),
                                            .ttl_ms = ttl_ms,
                                            .has_wait = true});
}

static bool is_locked(struct sqlite_file *f, const char *key)
{
    return ask(f, (struct sl_lockd_request){.verb = SL_LOCKD_IS_LOCKED,
                                            .key = sl_bytes_of(key)})
        .locked;
}

static void a_lock_outlives_the_process(void **state)
{
    struct sqlite_file *f = *state;
    struct sl_lockd_answer first = acquire(f, "key", 600000);

    assert_int_equal(first.err.status, SL_OK);
    sqlite_file_reopen(f);
    assert_true(is_locked(f, "key"));
    assert_int_equal(acquire(f, "key", 600000).err.status, SL_CONFLICT);
    const struct sl_lockd_request release = {.verb = SL_LOCKD_RELEASE,
                                             .key = sl_bytes_of("key"),
                                             .holder =
                                                 sl_bytes_of(first.holder)};
    assert_int_equal(ask(f, release).err.status, SL_OK);
    sqlite_file_reopen(f);
    struct sl_lockd_answer second = acquire(f, "key", 600000);
    assert_int_equal(second.err.status, SL_OK);
    assert_true(second.fencing_token > first.fencing_token);
}

/* Another start of the machine: the clock goes on from where it stood, whatever
 * the system's says. */
static void the_clock_never_goes_back(void **state)
{
    struct sqlite_file *f = *state;

    assert_int_equal(acquire(f, "short", 600000).err.status, SL_OK);
    assert_int_equal(acquire(f, "long", 3600000).err.status, SL_OK);
    test_store_done(&f->store);
    int64_t end =
        sqlite_file_number(f, "SELECT expires FROM lock WHERE key = 'short'");
    (void)sqlite_file_number(f,
                             "UPDATE clock SET boot = 'another', last = "
                             "(SELECT expires FROM lock WHERE key = 'short')");
    sqlite_file_reopen(f);
    assert_false(is_locked(f, "short"));
    assert_true(is_locked(f, "long"));
    struct sl_lockd_answer again = acquire(f, "short", 600000);
    assert_int_equal(again.err.status, SL_OK);
    assert_true(
        sqlite_file_number(f, "SELECT expires FROM lock WHERE key = 'short'") >=
        end + 600000);
    /* The same start: nothing is set anew. */
    int64_t skew = sqlite_file_number(f, "SELECT skew FROM clock");
    sqlite_file_reopen(f);
    assert_true(is_locked(f, "short"));
    assert_int_equal(sqlite_file_number(f, "SELECT skew FROM clock"), skew);
}

static void what_is_over_is_swept(void **state)
{
    struct sqlite_file *f = *state;

    assert_int_equal(acquire(f, "key", 1000).err.status, SL_OK);
    for (int i = 0;
         i < 200 && sqlite_file_number(f, "SELECT count(*) FROM lock") > 0; i++)
        sqlite3_sleep(50);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM lock"), 0);
    assert_true(acquire(f, "key", 1000).fencing_token == 2);
}

static void another_file_is_refused(void **state)
{
    struct sqlite_file *f = *state;

    test_store_done(&f->store);
    (void)sqlite_file_number(f, "PRAGMA application_id = 7");
    sqlite_file_reopen(f);
    struct sl_lockd_answer answer = acquire(f, "key", 1000);
    assert_int_equal(answer.err.status, SL_INTERNAL);
    assert_non_null(strstr(answer.err.message, "another program"));
}

#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, set_up, sqlite_file_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_lock_outlives_the_process),
        CASE(the_clock_never_goes_back),
        CASE(what_is_over_is_swept),
        CASE(another_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

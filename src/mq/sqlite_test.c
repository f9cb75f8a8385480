/* SPDX-License-Identifier: Apache-2.0 */
/* mq.sqlite: what is in the file, and a long queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mq/driver.h"
#include "support/stores.h"

struct fixture {
    char folder[64];
    char path[96];
    char settings[192];
    struct test_store store;
};

static void reopen(struct fixture *f)
{
    struct sl_error err;

    test_store_done(&f->store);
    if (test_store_open(&f->store, "mq.sqlite", f->settings, &err) != SL_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-mq-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/queue.db", f->folder);
    snprintf(f->settings, sizeof(f->settings),
             "path = \"%s\"\ntimeout = \"60s\"\nmax-deliveries = 1", f->path);
    reopen(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    test_store_done(&f->store);
    test_remove_folder(f->folder);
    free(f);
    return 0;
}

static struct sl_mq_answer ask(struct fixture *f, struct sl_mq_request request)
{
    struct sl_mq_answer answer;

    if (sl_service_do(f->store.service, NULL, &request, 1, &answer) != SL_OK)
        fail_msg("%s", answer.err.message);
    return answer;
}

static void send_to(struct fixture *f, const char *group, const char *text)
{
    struct sl_mq_request request = {.verb = SL_MQ_SEND,
                                    .payload = sl_bytes_of(text)};

    if (group != NULL)
        request.group = sl_bytes_of(group);
    struct sl_mq_answer answer = ask(f, request);
    sl_mq_answer_done(&answer);
}

/* Receive one, answer which it is, and settle it so; 0: there was none. */
static int64_t receive(struct fixture *f, enum sl_mq_verb settle,
                       const char *reason)
{
    struct sl_mq_answer got =
        ask(f, (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1});
    int64_t id = 0;

    if (got.message_count == 1) {
        assert_true(sl_bytes_to_integer(got.messages[0]->id, &id));
        struct sl_mq_request request =
            sl_mq_request_for(got.messages[0], settle);
        request.reason = sl_bytes_of(reason);
        struct sl_mq_answer settled = ask(f, request);
        sl_mq_answer_done(&settled);
    }
    sl_mq_answer_done(&got);
    return id;
}

/* As somebody with the sqlite3 tool would; the first number it answers. */
static int64_t sql(struct fixture *f, const char *text)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 10000);
    assert_int_equal(sqlite3_prepare_v2(handle, text, -1, &statement, NULL),
                     SQLITE_OK);
    int code = sqlite3_step(statement);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
    return value;
}

static void messages_outlive_the_process(void **state)
{
    struct fixture *f = *state;

    send_to(f, NULL, "first");
    send_to(f, "a", "second");
    reopen(f);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 1);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 2);
    reopen(f);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 0);
    send_to(f, NULL, "third"); /* a number is never used again */
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 3);
}

static void the_dead_are_kept(void **state)
{
    struct fixture *f = *state;

    send_to(f, NULL, "rejected");
    send_to(f, NULL, "worn out");
    assert_int_equal(receive(f, SL_MQ_DEAD_LETTER, "no such order"), 1);
    assert_int_equal(receive(f, SL_MQ_ABANDON, ""), 2);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 0);
    assert_int_equal(sql(f, "SELECT count(*) FROM message"), 0);
    assert_int_equal(sql(f, "SELECT count(*) FROM dead WHERE seq = 1 AND "
                            "reason = 'no such order' AND "
                            "payload = CAST('rejected' AS BLOB)"),
                     1);
    assert_int_equal(sql(f, "SELECT count(*) FROM dead WHERE seq = 2 AND "
                            "reason = 'max-deliveries' AND deliveries = 1"),
                     1);
}

/* A long queue, most of it behind busy groups or in flight, costs a receiver
 * no more than a short one: no statement of ours reads a table from its start.
 */
static void no_statement_scans(void **state)
{
    static const char *const searched[] = {
        "SELECT seq FROM message WHERE state = 0 ORDER BY seq LIMIT 1",
        "SELECT until FROM message WHERE state = 1 ORDER BY until LIMIT 1",
        "SELECT seq FROM message WHERE state = 1 AND until <= 5 LIMIT 1",
        "SELECT seq FROM message WHERE grp = 'a' ORDER BY seq LIMIT 1",
    };
    struct fixture *f = *state;
    sqlite3 *handle;
    sqlite3_stmt *plan;
    char text[256];

    send_to(f, NULL, "text");
    test_store_done(&f->store);
    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    for (size_t i = 0; i < sizeof(searched) / sizeof(searched[0]); i++) {
        snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", searched[i]);
        assert_int_equal(sqlite3_prepare_v2(handle, text, -1, &plan, NULL),
                         SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(plan, 3);
            if (strstr(step, "USING") == NULL || strstr(step, "TEMP") != NULL)
                fail_msg("%s: %s", searched[i], step);
        }
        sqlite3_finalize(plan);
    }
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(messages_outlive_the_process),
        CASE(the_dead_are_kept),
        CASE(no_statement_scans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

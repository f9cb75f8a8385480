/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.sqlite: what is kept in the file, and a long log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "pubsub/driver.h"
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
    if (test_store_open(&f->store, "pubsub.sqlite", f->settings, &err) != SL_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-pubsub-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/topics.db", f->folder);
    snprintf(f->settings, sizeof(f->settings),
             "path = \"%s\"\ntimeout = \"60s\"\nretention = \"1s\"", f->path);
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

static struct sl_pubsub_answer ask(struct fixture *f,
                                   struct sl_pubsub_request request)
{
    struct sl_pubsub_answer answer;

    request.topic = SL_LITERAL("orders");
    if (request.verb != SL_PUBSUB_PUBLISH) {
        request.group = SL_LITERAL("group");
        request.member = SL_LITERAL("member");
    }
    if (sl_service_do(f->store.service, NULL, &request, 1, &answer) != SL_OK)
        fail_msg("%s", answer.err.message);
    return answer;
}

static void tell(struct fixture *f, struct sl_pubsub_request request)
{
    struct sl_pubsub_answer answer = ask(f, request);

    sl_pubsub_answer_done(&answer);
}

static void publish(struct fixture *f, const char *key, const char *text)
{
    tell(f, (struct sl_pubsub_request){
                .verb = SL_PUBSUB_PUBLISH,
                .payload = sl_bytes_of(text),
                .key = key != NULL ? sl_bytes_of(key) : (struct sl_bytes){0}});
}

static void subscribe(struct fixture *f)
{
    tell(f, (struct sl_pubsub_request){.verb = SL_PUBSUB_SUBSCRIBE,
                                       .from_earliest = true});
}

/* Receive one, answer which it is, and settle it so; 0: there was none. */
static int64_t receive(struct fixture *f, enum sl_pubsub_verb settle)
{
    struct sl_pubsub_answer got = ask(
        f, (struct sl_pubsub_request){.verb = SL_PUBSUB_RECEIVE, .limit = 1});
    int64_t id = 0;

    if (got.event_count == 1) {
        assert_true(sl_bytes_to_integer(got.events[0]->id, &id));
        tell(f, (struct sl_pubsub_request){.verb = settle,
                                           .receipt = got.events[0]->receipt});
    }
    sl_pubsub_answer_done(&got);
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

static void groups_outlive_the_process(void **state)
{
    struct fixture *f = *state;

    publish(f, NULL, "first");
    publish(f, "a", "second");
    subscribe(f);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 1);
    reopen(f);
    assert_int_equal(receive(f, SL_PUBSUB_RETURN), 2);
    reopen(f);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 2);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 0);
    assert_int_equal(sql(f, "SELECT count(*) FROM delivery"), 0);
}

/* Events go when their time is over; what waits for one of them does not. */
static void what_is_old_goes(void **state)
{
    struct fixture *f = *state;
    int64_t left = 3;

    subscribe(f);
    for (int i = 0; i < 3; i++)
        publish(f, "a", "old");
    assert_int_equal(receive(f, SL_PUBSUB_RETURN), 1);
    for (int i = 0; i < 100 && left > 0; i++) {
        struct timespec pause = {.tv_nsec = 100 * 1000000};
        nanosleep(&pause, NULL);
        left = sql(f, "SELECT count(*) FROM event");
    }
    assert_int_equal(left, 0);
    publish(f, "a", "new"); /* behind those that are gone */
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 4);
    assert_int_equal(sql(f, "SELECT count(*) FROM delivery"), 0);
}

/* A long log, most of it acknowledged or behind a busy key, costs a receiver
 * no more than a short one: no statement of ours reads a table from its start.
 */
static void no_statement_scans(void **state)
{
    static const char *const searched[] = {
        "SELECT seq FROM delivery WHERE grp = 1 AND state = 0 ORDER BY seq",
        "SELECT until FROM delivery WHERE grp = 1 AND state = 1 "
        "ORDER BY until LIMIT 1",
        "SELECT seq FROM delivery WHERE grp = 1 AND key = x'00' "
        "ORDER BY seq LIMIT 1",
        "SELECT seq FROM delivery WHERE member = 1",
        "SELECT id FROM member WHERE expires <= 5 LIMIT 1",
        "SELECT seq FROM event WHERE topic = 1 AND seq > 5 ORDER BY seq",
    };
    struct fixture *f = *state;
    sqlite3 *handle;
    sqlite3_stmt *plan;
    char text[256];

    publish(f, NULL, "text");
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
        CASE(groups_outlive_the_process),
        CASE(what_is_old_goes),
        CASE(no_statement_scans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

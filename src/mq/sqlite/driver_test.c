/* SPDX-License-Identifier: Apache-2.0 */
/* mq.sqlite: what is in the file, and a long queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mq/driver.h"
#include "support/sqlite_file.h"

static int set_up(void **state)
{
    return sqlite_file_new(state, "mq.sqlite",
                           "timeout = \"60s\"\nmax-deliveries = 1\n"
                           "visibility = \"1h\"");
}

static struct sl_mq_answer ask(struct sqlite_file *f,
                               struct sl_mq_request request)
{
    struct sl_mq_answer answer;

    if (sl_service_do(f->store.service, NULL, &request, 1, &answer) != SL_OK)
        fail_msg("%s", answer.err.message);
    return answer;
}

static void send_to(struct sqlite_file *f, const char *group, const char *text)
{
    struct sl_mq_request request = {.verb = SL_MQ_SEND,
                                    .payload = sl_bytes_of(text)};

    if (group != NULL)
        request.group = sl_bytes_of(group);
    struct sl_mq_answer answer = ask(f, request);
    sl_mq_answer_done(&answer);
}

/* Receive one, answer which it is, and settle it so; 0: there was none. */
static int64_t receive(struct sqlite_file *f, enum sl_mq_verb settle,
                       const char *reason)
{
    struct sl_mq_answer got =
        ask(f, (struct sl_mq_request){.verb = SL_MQ_RECEIVE, .limit = 1});
    int64_t id = 0;

    if (got.deliveries.count == 1) {
        assert_true(sl_bytes_to_integer(got.deliveries.items[0]->id, &id));
        struct sl_mq_request request =
            sl_mq_request_for(got.deliveries.items[0], settle);
        request.reason = sl_bytes_of(reason);
        struct sl_mq_answer settled = ask(f, request);
        sl_mq_answer_done(&settled);
    }
    sl_mq_answer_done(&got);
    return id;
}

static void messages_outlive_the_process(void **state)
{
    struct sqlite_file *f = *state;

    send_to(f, NULL, "first");
    send_to(f, "a", "second");
    sqlite_file_reopen(f);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 1);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 2);
    sqlite_file_reopen(f);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 0);
    send_to(f, NULL, "third"); /* a number is never used again */
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 3);
}

static void the_dead_are_kept(void **state)
{
    struct sqlite_file *f = *state;

    send_to(f, NULL, "rejected");
    send_to(f, NULL, "worn out");
    assert_int_equal(receive(f, SL_MQ_DEAD_LETTER, "no such order"), 1);
    assert_int_equal(receive(f, SL_MQ_ABANDON, ""), 2);
    assert_int_equal(sl_service_dead_letters(f->store.service), 1);
    assert_int_equal(receive(f, SL_MQ_COMPLETE, ""), 0);
    assert_int_equal(sl_service_dead_letters(f->store.service), 2);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM message"), 0);
    assert_int_equal(
        sqlite_file_number(f, "SELECT count(*) FROM dead WHERE seq = 1 AND "
                              "reason = 'no such order' AND "
                              "payload = CAST('rejected' AS BLOB)"),
        1);
    assert_int_equal(
        sqlite_file_number(f, "SELECT count(*) FROM dead WHERE seq = 2 AND "
                              "reason = 'max-deliveries' AND deliveries = 1"),
        1);
}

static struct sl_mq_answer send_once(struct sqlite_file *f)
{
    const struct sl_mq_request request = {.verb = SL_MQ_SEND,
                                          .payload = SL_LITERAL("text"),
                                          .deduplication_id = SL_LITERAL("id")};
    struct sl_mq_answer answer = ask(f, request);

    sl_mq_answer_done(&answer);
    return answer;
}

/* holds: mq-9 mq-53 */
static void an_id_is_forgotten(void **state)
{
    struct sqlite_file *f = *state;

    assert_string_equal(send_once(f).id, "1");
    assert_string_equal(send_once(f).id, "1");
    /* As five minutes later. */
    assert_int_equal(sqlite_file_number(f, "UPDATE duplicate SET until = until "
                                           "- 300000 RETURNING seq"),
                     1);
    assert_string_equal(send_once(f).id, "2");
    assert_string_equal(send_once(f).id, "2");
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM message"), 2);
}

static void take_hidden(struct sqlite_file *f, uint64_t visibility_ms)
{
    struct sl_mq_answer got =
        ask(f, (struct sl_mq_request){.verb = SL_MQ_RECEIVE,
                                      .limit = 1,
                                      .has_visibility = visibility_ms > 0,
                                      .visibility_ms = visibility_ms});

    assert_int_equal(got.deliveries.count, 1);
    sl_mq_answer_done(&got);
}

/* holds: mq-30 mq-31 */
static void the_visibility_of_the_manifest(void **state)
{
    struct sqlite_file *f = *state;

    send_to(f, NULL, "first");
    send_to(f, NULL, "second");
    take_hidden(f, 1000);
    take_hidden(f, 0); /* of the manifest, an hour */
    assert_true(sqlite_file_number(f, "SELECT max(until) - min(until) FROM "
                                      "message WHERE state = 1") >= 3599000);
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
    struct sqlite_file *f = *state;

    send_to(f, NULL, "text");
    test_store_done(&f->store);
    sqlite_file_is_searched(f, searched,
                            sizeof(searched) / sizeof(searched[0]));
}

#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, set_up, sqlite_file_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(messages_outlive_the_process),
        CASE(the_dead_are_kept),
        CASE(no_statement_scans),
        CASE(an_id_is_forgotten),
        CASE(the_visibility_of_the_manifest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

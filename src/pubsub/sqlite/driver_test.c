/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.sqlite: what is kept in the file, and a long log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pubsub/driver.h"
#include "support/sqlite_file.h"

static int set_up(void **state)
{
    return sqlite_file_new(state, "pubsub.sqlite",
                           "timeout = \"60s\"\nretention = \"1s\"");
}

static struct sl_pubsub_answer ask(struct sqlite_file *f,
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

static void tell(struct sqlite_file *f, struct sl_pubsub_request request)
{
    struct sl_pubsub_answer answer = ask(f, request);

    sl_pubsub_answer_done(&answer);
}

static void publish(struct sqlite_file *f, const char *key, const char *text)
{
    tell(f, (struct sl_pubsub_request){
                .verb = SL_PUBSUB_PUBLISH,
                .payload = sl_bytes_of(text),
                .key = key != NULL ? sl_bytes_of(key) : (struct sl_bytes){0}});
}

static void subscribe(struct sqlite_file *f)
{
    tell(f, (struct sl_pubsub_request){.verb = SL_PUBSUB_SUBSCRIBE,
                                       .from_earliest = true});
}

/* Receive one, answer which it is, and settle it so; 0: there was none. */
static int64_t receive(struct sqlite_file *f, enum sl_pubsub_verb settle)
{
    struct sl_pubsub_answer got = ask(
        f, (struct sl_pubsub_request){.verb = SL_PUBSUB_RECEIVE, .limit = 1});
    int64_t id = 0;

    if (got.deliveries.count == 1) {
        assert_true(sl_bytes_to_integer(got.deliveries.items[0]->id, &id));
        tell(f,
             (struct sl_pubsub_request){
                 .verb = settle, .receipt = got.deliveries.items[0]->receipt});
    }
    sl_pubsub_answer_done(&got);
    return id;
}

static void groups_outlive_the_process(void **state)
{
    struct sqlite_file *f = *state;

    publish(f, NULL, "first");
    publish(f, "a", "second");
    subscribe(f);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 1);
    sqlite_file_reopen(f);
    assert_int_equal(receive(f, SL_PUBSUB_RETURN), 2);
    sqlite_file_reopen(f);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 2);
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 0);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM delivery"), 0);
}

/* Events go when their time is over; what waits for one of them does not. */
static void what_is_old_goes(void **state)
{
    struct sqlite_file *f = *state;
    int64_t left = 3;

    subscribe(f);
    for (int i = 0; i < 3; i++)
        publish(f, "a", "old");
    assert_int_equal(receive(f, SL_PUBSUB_RETURN), 1);
    for (int i = 0; i < 100 && left > 0; i++) {
        struct timespec pause = {.tv_nsec = 100 * 1000000};
        nanosleep(&pause, NULL);
        left = sqlite_file_number(f, "SELECT count(*) FROM event");
    }
    assert_int_equal(left, 0);
    publish(f, "a", "new"); /* behind those that are gone */
    assert_int_equal(receive(f, SL_PUBSUB_ACKNOWLEDGE), 4);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM delivery"), 0);
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
    struct sqlite_file *f = *state;

    publish(f, NULL, "text");
    test_store_done(&f->store);
    sqlite_file_is_searched(f, searched,
                            sizeof(searched) / sizeof(searched[0]));
}

static int set_up_few(void **state)
{
    return sqlite_file_new(state, "pubsub.sqlite",
                           "timeout = \"60s\"\nmax-topics = 2\n"
                           "max-groups = 2");
}

static void expect(struct sqlite_file *f, enum sl_pubsub_verb verb,
                   const char *topic, enum sl_status status)
{
    const struct sl_pubsub_request request = {.verb = verb,
                                              .topic = sl_bytes_of(topic),
                                              .group = SL_LITERAL("g"),
                                              .member = SL_LITERAL("m")};
    struct sl_pubsub_answer answer;

    assert_int_equal(
        sl_service_do(f->store.service, NULL, &request, 1, &answer), status);
    if (status != SL_OK)
        assert_non_null(strstr(answer.err.message, "raise max-topics"));
    sl_pubsub_answer_done(&answer);
}

static void topics_without_end(void **state)
{
    struct sqlite_file *f = *state;

    expect(f, SL_PUBSUB_PUBLISH, "a", SL_OK);
    expect(f, SL_PUBSUB_SUBSCRIBE, "b", SL_OK);
    expect(f, SL_PUBSUB_PUBLISH, "c", SL_RESOURCE_EXHAUSTED);
    expect(f, SL_PUBSUB_SUBSCRIBE, "d", SL_RESOURCE_EXHAUSTED);
    expect(f, SL_PUBSUB_PUBLISH, "b", SL_OK);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM topic"), 2);
}

static void subscribe_in(struct sqlite_file *f, const char *topic,
                         const char *group, enum sl_status status)
{
    const struct sl_pubsub_request request = {.verb = SL_PUBSUB_SUBSCRIBE,
                                              .topic = sl_bytes_of(topic),
                                              .group = sl_bytes_of(group),
                                              .member = SL_LITERAL("m")};
    struct sl_pubsub_answer answer;

    assert_int_equal(
        sl_service_do(f->store.service, NULL, &request, 1, &answer), status);
    if (status != SL_OK)
        assert_non_null(strstr(answer.err.message, "raise max-groups"));
    sl_pubsub_answer_done(&answer);
}

static void groups_without_end(void **state)
{
    struct sqlite_file *f = *state;

    subscribe_in(f, "a", "first", SL_OK);
    subscribe_in(f, "a", "second", SL_OK);
    subscribe_in(f, "a", "third", SL_RESOURCE_EXHAUSTED);
    subscribe_in(f, "a", "first", SL_OK);
    subscribe_in(f, "b", "third", SL_OK);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM grp"), 3);
    assert_int_equal(sqlite_file_number(f, "SELECT count(*) FROM member"), 3);
}

#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, set_up, sqlite_file_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(groups_outlive_the_process),
        CASE(what_is_old_goes),
        CASE(no_statement_scans),
        cmocka_unit_test_setup_teardown(groups_without_end, set_up_few,
                                        sqlite_file_tear_down),
        cmocka_unit_test_setup_teardown(topics_without_end, set_up_few,
                                        sqlite_file_tear_down),
        cmocka_unit_test_setup_teardown(groups_without_end, set_up_few,
                                        sqlite_file_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

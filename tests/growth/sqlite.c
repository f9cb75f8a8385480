/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded drivers: what a call costs, and how long it keeps others
 * waiting, does not depend on how much there is.
 */
#include "growth/sqlite_support.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "kv/driver.h"
#include "mq/driver.h"
#include "pubsub/driver.h"

enum { FEW = 1000, MANY = 20000 };

/* How many times longer a sanitizer makes it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GROWTH_SLOWER = 10 };
#else
enum { GROWTH_SLOWER = 1 };
#endif

/* --- Plans -------------------------------------------------------------- */

/* Steps that look at all of a table: of one row, or of what is few. */
static bool is_allowed(const char *sql, const char *step)
{
    static const char *const allowed[] = {
        "SCAN counter",         /* one row */
        "SCAN clock",           /* one row */
        "USING INDEX",          /* in the order of an index */
        "USING COVERING INDEX", /* the same */
        "SCAN (subquery",       /* what a limit let through */
        "SCAN CONSTANT ROW",
        "SCAN waiter", /* by nobody's call, once a second */
    };

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (strstr(step, allowed[i]) != NULL)
            return true;
    /* In the order of the table itself, up to a limit. */
    return (strcmp(step, "SCAN event") == 0 &&
            strstr(sql, "FROM event ORDER BY seq LIMIT") != NULL) ||
           /* A new topic, of which there are at most max-topics. */
           strncmp(sql, "INSERT INTO topic ", 18) == 0 ||
           /* DEPTH, and the members of one group. */
           strcmp(sql, "SELECT count(*) FROM message") == 0 ||
           strstr(sql, "FROM member WHERE grp") != NULL;
}

/* What 20 take is the same, within a half, beside FEW and beside MANY. */
static void check_flat(const char *what, int64_t few, int64_t many)
{
    if (many > few + few / 2)
        fail_msg("20 %s: %d steps beside %d, %d beside %d", what, (int)few, FEW,
                 (int)many, MANY);
}

static void check_plan(const struct growth *growth, const char *sql)
{
    SL_CLEANUP(sl_freep) char *text = sl_asprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *plan;

    assert_int_equal(
        sqlite3_prepare_v2(growth->state->file.handle, text, -1, &plan, NULL),
        SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(plan, 3);
        bool all = strncmp(step, "SCAN", 4) == 0 ||
                   strstr(step, "TEMP B-TREE") != NULL;
        if (all && !is_allowed(sql, step))
            fail_msg("%s: %s", sql, step);
    }
    sqlite3_finalize(plan);
}

static void no_statement_looks_at_all_rows(void **state)
{
    static const char *const drivers[] = {"kv.sqlite", "lockd.sqlite",
                                          "mq.sqlite", "pubsub.sqlite"};
    struct growth growth;

    (void)state;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        growth_open(&growth, drivers[i], "");
        const char *const *statements = growth.state->kind->statements;
        assert_non_null(statements[0]);
        for (size_t j = 0; statements[j] != NULL; j++)
            check_plan(&growth, statements[j]);
        growth_close(&growth);
    }
}

/* --- Receiving ---------------------------------------------------------- */

static const struct sl_bytes topic = {(const uint8_t *)"orders", 6};

static struct sl_pubsub_request event_of(const char *key)
{
    return (struct sl_pubsub_request){.verb = SL_PUBSUB_PUBLISH,
                                      .topic = topic,
                                      .payload = SL_LITERAL("text"),
                                      .key = sl_bytes_of(key)};
}

static struct sl_pubsub_request member_asks(enum sl_pubsub_verb verb)
{
    return (struct sl_pubsub_request){.verb = verb,
                                      .topic = topic,
                                      .group = SL_LITERAL("group"),
                                      .member = SL_LITERAL("member"),
                                      .from_earliest = true,
                                      .limit = 10};
}

/* Receive and acknowledge one event; the steps of that. */
static int64_t steps_of_event(struct growth *growth)
{
    const struct sl_pubsub_request receive = member_asks(SL_PUBSUB_RECEIVE);
    struct sl_pubsub_request acknowledge = member_asks(SL_PUBSUB_ACKNOWLEDGE);
    struct sl_pubsub_answer got;

    (void)growth_steps(growth);
    assert_int_equal(growth_run(growth, &receive, 1, &got), 0);
    assert_int_equal(got.deliveries.count, 1);
    acknowledge.receipt = got.deliveries.items[0]->receipt;
    growth_run(growth, &acknowledge, 1, NULL);
    sl_pubsub_answer_done(&got);
    return growth_steps(growth);
}

/* Of a member that has looked at all of them, all behind one key. */
static int64_t steps_behind_key(int waiting)
{
    const struct sl_pubsub_request subscribe = member_asks(SL_PUBSUB_SUBSCRIBE),
                                   publish = event_of("key"),
                                   receive = member_asks(SL_PUBSUB_RECEIVE);
    struct growth growth;
    int64_t steps = 0;

    growth_open(&growth, "pubsub.sqlite", "");
    growth_run(&growth, &subscribe, 1, NULL);
    growth_run(&growth, &publish, (size_t)waiting, NULL);
    (void)steps_of_event(&growth);
    /* The next one is had, and nothing else can be: all are looked at. */
    growth_run(&growth, &receive, 1, NULL);
    while (growth_run(&growth, &receive, 1, NULL) > 0)
        ;
    growth_sql(&growth, "UPDATE delivery SET state = 0, member = NULL "
                        "WHERE state = 2");
    for (int i = 0; i < 20; i++)
        steps += steps_of_event(&growth);
    growth_close(&growth);
    return steps;
}

static void an_event_costs_the_same_behind_many(void **state)
{
    (void)state;
    check_flat("events behind a key", steps_behind_key(FEW),
               steps_behind_key(MANY));
}

/* Behind many of a key that is in use: others' are found in steps, each of
 * which is short, and whatever the receiver is willing to wait. */
static void what_can_be_had_is_found_behind_many(void **state)
{
    const struct sl_pubsub_request subscribe = member_asks(SL_PUBSUB_SUBSCRIBE),
                                   busy = event_of("busy"),
                                   other = event_of("free"),
                                   receive = member_asks(SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer got;
    struct growth growth;
    int64_t most = 0;
    int turns = 0;

    (void)state;
    growth_open(&growth, "pubsub.sqlite", "");
    growth_run(&growth, &subscribe, 1, NULL);
    growth_run(&growth, &busy, MANY, NULL);
    growth_run(&growth, &other, 1, NULL);
    growth_run(&growth, &receive, 1, &got);
    assert_int_equal(got.deliveries.count, 1);
    sl_pubsub_answer_done(&got);
    (void)growth_steps(&growth);
    while (growth_run(&growth, &receive, 1, &got) > 0) {
        int64_t steps = growth_steps(&growth);
        most = steps > most ? steps : most;
        turns++;
        sl_pubsub_answer_done(&got);
    }
    assert_int_equal(got.deliveries.count, 1);
    assert_memory_equal(got.deliveries.items[0]->key.ptr, "free", 4);
    sl_pubsub_answer_done(&got);
    assert_true(turns >= MANY / 1000 - 1);
    assert_true(most < 200000); /* about 100 for each that is looked at */
    growth_close(&growth);
}

/* The same through the service, whose caller sees one call. */
static void a_receive_that_does_not_wait_finds_it(void **state)
{
    const struct sl_pubsub_request subscribe = member_asks(SL_PUBSUB_SUBSCRIBE),
                                   busy = event_of("busy"),
                                   other = event_of("free"),
                                   receive = member_asks(SL_PUBSUB_RECEIVE);
    struct sl_pubsub_answer got;
    struct growth growth;

    (void)state;
    growth_open(&growth, "pubsub.sqlite", "timeout = \"60s\"");
    growth_run(&growth, &subscribe, 1, NULL);
    growth_run(&growth, &busy, MANY, NULL);
    growth_run(&growth, &other, 1, NULL);
    struct sl_service *service = growth.file->store.service;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sl_service_do(service, NULL, &receive, 1, &got),
                         SL_OK);
        assert_int_equal(got.deliveries.count, 1);
        sl_pubsub_answer_done(&got);
    }
    assert_int_equal(sl_service_do(service, NULL, &receive, 1, &got), SL_OK);
    assert_int_equal(got.deliveries.count, 0);
    sl_pubsub_answer_done(&got);
    growth_close(&growth);
}

/* Events that are not kept any longer, all behind one key. */
static void what_is_gone_is_passed_over_in_steps(void **state)
{
    const struct sl_pubsub_request subscribe = member_asks(SL_PUBSUB_SUBSCRIBE),
                                   publish = event_of("key"),
                                   receive = member_asks(SL_PUBSUB_RECEIVE);
    struct growth growth;
    int turns = 0;

    (void)state;
    growth_open(&growth, "pubsub.sqlite", "");
    growth_run(&growth, &subscribe, 1, NULL);
    growth_run(&growth, &publish, MANY, NULL);
    do
        growth_run(&growth, &receive, 1, NULL);
    while (growth_number(&growth, "SELECT count(*) FROM delivery") < MANY);
    growth_sql(&growth, "DELETE FROM event");
    growth_sql(&growth, "UPDATE delivery SET state = 0, member = NULL "
                        "WHERE state = 2");
    while (growth_run(&growth, &receive, 1, NULL) > 0)
        turns++;
    assert_true(turns >= MANY / 1000 - 1);
    assert_int_equal(growth_number(&growth, "SELECT count(*) FROM delivery"),
                     0);
    growth_close(&growth);
}

/* --- Messages ----------------------------------------------------------- */

static int64_t steps_of_message(struct growth *growth)
{
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE, .limit = 1};
    struct sl_mq_answer got;

    (void)growth_steps(growth);
    growth_run(growth, &receive, 1, &got);
    assert_int_equal(got.deliveries.count, 1);
    const struct sl_mq_request complete =
        sl_mq_request_for(got.deliveries.items[0], SL_MQ_COMPLETE);
    growth_run(growth, &complete, 1, NULL);
    sl_mq_answer_done(&got);
    return growth_steps(growth);
}

static int64_t steps_in_group(int waiting)
{
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("text"),
                                       .group = SL_LITERAL("group")};
    struct growth growth;
    int64_t steps = 0;

    growth_open(&growth, "mq.sqlite", "");
    growth_run(&growth, &send, (size_t)waiting, NULL);
    (void)steps_of_message(&growth);
    for (int i = 0; i < 20; i++)
        steps += steps_of_message(&growth);
    growth_close(&growth);
    return steps;
}

static void a_message_costs_the_same_before_many(void **state)
{
    (void)state;
    check_flat("messages of a group", steps_in_group(FEW),
               steps_in_group(MANY));
}

/* All become due at once. */
static void what_is_due_is_shown_in_steps(void **state)
{
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("text"),
                                       .delay_ms = 600000},
                               receive = {.verb = SL_MQ_RECEIVE, .limit = 1};
    struct growth growth;

    (void)state;
    growth_open(&growth, "mq.sqlite", "");
    growth_run(&growth, &send, MANY, NULL);
    growth_sql(&growth, "UPDATE message SET until = 1");
    growth_run(&growth, &receive, 1, NULL);
    assert_int_equal(
        growth_number(&growth, "SELECT count(*) FROM message WHERE state = 0"),
        999);
    growth_close(&growth);
}

/* Those that came back too often are buried in steps. */
static void the_worn_out_are_buried_in_steps(void **state)
{
    const struct sl_mq_request send = {.verb = SL_MQ_SEND,
                                       .payload = SL_LITERAL("text")},
                               receive = {.verb = SL_MQ_RECEIVE, .limit = 1};
    struct growth growth;
    int turns = 0;

    (void)state;
    growth_open(&growth, "mq.sqlite", "max-deliveries = 3");
    growth_run(&growth, &send, MANY, NULL);
    growth_sql(&growth, "UPDATE message SET deliveries = 3");
    while (growth_run(&growth, &receive, 1, NULL) > 0)
        turns++;
    assert_true(turns >= MANY / 1000 - 1);
    assert_int_equal(growth_number(&growth, "SELECT count(*) FROM dead"), MANY);
    growth_close(&growth);
}

/* --- Sweeping ----------------------------------------------------------- */

static struct sl_kv_request set_of(const char *key, uint64_t ttl_ms)
{
    return (struct sl_kv_request){.verb = SL_KV_SET,
                                  .key = sl_bytes_of(key),
                                  .value = SL_LITERAL("v"),
                                  .has_ttl = ttl_ms > 0,
                                  .ttl_ms = ttl_ms};
}

static void write_expired(struct growth *growth, int count)
{
    char key[16];

    growth_sql(growth, "BEGIN");
    for (int i = 0; i < count; i++) {
        SL_CLEANUP(sl_freep) char *text = NULL;
        snprintf(key, sizeof(key), "a%06d", i);
        text =
            sl_asprintf("INSERT INTO entries VALUES ('%s', 1, 1, x'00')", key);
        growth_sql(growth, text);
    }
    growth_sql(growth, "COMMIT");
}

/*
 * Expired rows go sooner than new ones come, and no write pays for many: two of
 * them at most go with each write.  Fewer may go on a busy machine, where a
 * sweep ends by its time.
 */
static void check_sweeps(struct growth *growth, const void *request,
                         const char *count_expired)
{
    int64_t left = growth_number(growth, count_expired);

    assert_int_equal(left, FEW);
    growth_run(growth, request, 100, NULL); /* one batch */
    left = growth_number(growth, count_expired);
    assert_in_range(left, FEW - 2 * 100, FEW - 1);
    int writes = (int)left * 3 / 4;
    for (int i = 0; i < writes; i++) {
        int64_t before = left;
        growth_run(growth, request, 1, NULL);
        left = growth_number(growth, count_expired);
        assert_true(left >= before - 2);
    }
    assert_int_equal(left, 0);
}

static void writes_sweep_twice_as_much(void **state)
{
    const struct sl_kv_request set = set_of("key", 0);
    struct growth growth;

    (void)state;
    growth_open(&growth, "kv.sqlite", "sync = \"normal\"");
    write_expired(&growth, FEW);
    check_sweeps(&growth, &set,
                 "SELECT count(*) FROM entries WHERE key <> 'key'");
    growth_close(&growth);
}

/* The longest that a statement keeps others from the file, in processor time of
 * this thread, which a busy machine does not lengthen. */
struct hold {
    int64_t start_ns;
    int64_t longest_ns;
};

static int64_t thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void end_hold(struct hold *hold)
{
    int64_t took_ns = thread_ns() - hold->start_ns;

    if (took_ns > hold->longest_ns)
        hold->longest_ns = took_ns;
}

/* For sqlite3_trace_v2: each statement is a transaction of its own here. */
static int trace_hold(unsigned event, void *context, void *statement,
                      void *unused)
{
    struct hold *hold = context;

    (void)statement;
    (void)unused;
    if (event == SQLITE_TRACE_STMT)
        hold->start_ns = thread_ns();
    else
        end_hold(hold);
    return 0;
}

/* Neither who shares the file, nor whose call waits for this connection. */
static void sweeping_stalls_nobody(void **state)
{
    const int64_t most_ns = INT64_C(20000000) * GROWTH_SLOWER;
    struct growth growth;
    struct hold hold = {0}, turn = {0};
    bool more;

    (void)state;
    growth_open(&growth, "kv.sqlite", "");
    write_expired(&growth, 4 * MANY);
    sqlite3_trace_v2(growth.state->file.handle,
                     SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE, trace_hold,
                     &hold);
    do {
        turn.start_ns = thread_ns();
        more = growth.file->store.driver->idle(growth.state);
        end_hold(&turn);
    } while (more);
    sqlite3_trace_v2(growth.state->file.handle, 0, NULL, NULL);
    assert_int_equal(growth_number(&growth, "SELECT count(*) FROM entries"), 0);
    print_message("a statement takes %d us at most, a turn %d us\n",
                  (int)(hold.longest_ns / 1000), (int)(turn.longest_ns / 1000));
    assert_true(hold.longest_ns > 0 && hold.longest_ns < most_ns);
    assert_true(turn.longest_ns < most_ns);
    growth_close(&growth);
}

/* The same of events that are not kept any longer. */
static void publishing_sweeps_events(void **state)
{
    const struct sl_pubsub_request publish = event_of("key");
    struct growth growth;

    (void)state;
    growth_open(&growth, "pubsub.sqlite", "sync = \"normal\"");
    growth_run(&growth, &publish, FEW, NULL);
    growth_sql(&growth, "UPDATE event SET until = 1");
    check_sweeps(&growth, &publish,
                 "SELECT count(*) FROM event WHERE until = 1");
    growth_close(&growth);
}

/* A page of keys ends where it has passed over many that have expired. */
static void a_page_is_short_behind_expired_keys(void **state)
{
    const struct sl_kv_request set = set_of("z", 0);
    struct sl_kv_request keys = {.verb = SL_KV_KEYS, .limit = 10};
    struct sl_kv_answer page;
    struct growth growth;
    char cursor[SL_KV_CURSOR_MAX];
    uint32_t found = 0;
    int64_t most = 0;
    int pages = 0;

    (void)state;
    growth_open(&growth, "kv.sqlite", "");
    growth_run(&growth, &set, 1, NULL);
    write_expired(&growth, MANY);
    do {
        (void)growth_steps(&growth);
        growth_run(&growth, &keys, 1, &page);
        int64_t steps = growth_steps(&growth);
        most = steps > most ? steps : most;
        found += (uint32_t)page.key_count;
        pages++;
        assert_true(page.next.len < sizeof(cursor));
        memcpy(cursor, page.next.len > 0 ? (const char *)page.next.ptr : "",
               page.next.len);
        keys.cursor = SL_BYTES(cursor, page.next.len);
        sl_kv_answer_done(&page);
    } while (keys.cursor.len > 0);
    assert_int_equal(found, 1);
    assert_int_equal(pages, MANY / 2000 + 1);
    assert_true(most < 100000); /* about 15 for each that is passed over */
    growth_close(&growth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_looks_at_all_rows),
        cmocka_unit_test(an_event_costs_the_same_behind_many),
        cmocka_unit_test(what_can_be_had_is_found_behind_many),
        cmocka_unit_test(a_receive_that_does_not_wait_finds_it),
        cmocka_unit_test(what_is_gone_is_passed_over_in_steps),
        cmocka_unit_test(a_message_costs_the_same_before_many),
        cmocka_unit_test(what_is_due_is_shown_in_steps),
        cmocka_unit_test(the_worn_out_are_buried_in_steps),
        cmocka_unit_test(writes_sweep_twice_as_much),
        cmocka_unit_test(sweeping_stalls_nobody),
        cmocka_unit_test(publishing_sweeps_events),
        cmocka_unit_test(a_page_is_short_behind_expired_keys),
    };

    return cmocka_run_group_tests_name("growth.sqlite", tests, NULL, NULL);
}

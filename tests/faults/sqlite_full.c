/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded drivers at their max-bytes: what has no room is resource-exhausted, the
 * files stay below it, and whoever wants to free room can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "kv/kv.h"
#include "lockd/lockd.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "sql/sql.h"
#include "support/sqlite_file.h"

enum {
    MAX_BYTES = 2 << 20,
    SHM_BYTES = 64 << 10, /* the index of the log, which is not counted */
    WRITES_MAX = 20000,
};

static uint8_t value[8 << 10];

static int new_of(void **state, const char *driver)
{
    memset(value, 'x', sizeof(value));
    return sqlite_file_new(
        state, driver,
        "timeout = \"60s\"\nsync = \"normal\"\nmax-bytes = \"2MiB\"");
}

static int64_t size_of(const struct sqlite_file *f, const char *suffix)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s%s", f->path, suffix);
    struct stat found;

    return stat(path, &found) == 0 ? found.st_size : 0;
}

static void expect_within(const struct sqlite_file *f)
{
    struct sl_usage usage;
    int64_t bytes = size_of(f, "") + size_of(f, "-wal");

    if (bytes > MAX_BYTES)
        fail_msg("%lld bytes", (long long)bytes);
    assert_true(size_of(f, "-shm") <= SHM_BYTES);
    assert_true(sl_service_usage(f->store.service, &usage));
    assert_true(usage.limit < MAX_BYTES);
    assert_true(usage.files >= bytes);
}

/* Whether `used` is at least so many hundredths of the limit, and no more. */
static void expect_used(const struct sqlite_file *f, int64_t least)
{
    struct sl_usage usage;

    assert_true(sl_service_usage(f->store.service, &usage));
    if (usage.used > usage.limit || usage.used < usage.limit * least / 100)
        fail_msg("%lld of %lld", (long long)usage.used, (long long)usage.limit);
}

static void expect_full(const struct sl_error *err, bool retryable)
{
    assert_int_equal(err->status, SL_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err->message, "resource \""));
    assert_non_null(strstr(err->message, "raise max-bytes"));
    assert_non_null(strstr(err->message, "2MiB"));
    assert_false(retryable);
}

/* --- kv ----------------------------------------------------------------- */

static enum sl_status kv_do(struct sqlite_file *f, enum sl_kv_verb verb, int n,
                            size_t len, uint64_t ttl_ms)
{
    char key[16];
    struct sl_kv_answer answer;

    snprintf(key, sizeof(key), "%d", n);
    const struct sl_kv_request request = {.verb = verb,
                                          .key = sl_bytes_of(key),
                                          .value = {value, len},
                                          .has_ttl = ttl_ms > 0,
                                          .ttl_ms = ttl_ms};
    enum sl_status status =
        sl_service_do(f->store.service, NULL, &request, 1, &answer);
    if (status == SL_RESOURCE_EXHAUSTED)
        expect_full(&answer.err, answer.retryable);
    else if (status != SL_OK)
        fail_msg("%s", answer.err.message);
    sl_answers_done(f->store.service, &answer, 1);
    return status;
}

/* How many were written until it was full. */
static int kv_fill(struct sqlite_file *f, uint64_t ttl_ms)
{
    int n = 0;

    while (n < WRITES_MAX &&
           kv_do(f, SL_KV_SET, n, sizeof(value), ttl_ms) == SL_OK)
        n++;
    assert_true(n > 0 && n < WRITES_MAX);
    /* To the last page. */
    for (int i = WRITES_MAX;
         i < 2 * WRITES_MAX && kv_do(f, SL_KV_SET, i, 16, ttl_ms) == SL_OK; i++)
        continue;
    expect_within(f);
    return n;
}

static int set_up_kv(void **state)
{
    return new_of(state, "kv.sqlite");
}

static void kv_can_delete_when_it_is_full(void **state)
{
    struct sqlite_file *f = *state;
    int count = kv_fill(f, 0);

    expect_used(f, 95);
    assert_int_equal(kv_do(f, SL_KV_GET, 0, 0, 0), SL_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(kv_do(f, SL_KV_DELETE, i, 0, 0), SL_OK);
    expect_used(f, 0);
    expect_within(f);
    assert_true(kv_fill(f, 0) >= count * 8 / 10);
    sqlite_file_reopen(f);
    assert_int_equal(kv_do(f, SL_KV_SET, 2 * count, sizeof(value), 0),
                     SL_RESOURCE_EXHAUSTED);
    assert_int_equal(kv_do(f, SL_KV_DELETE, 0, 0, 0), SL_OK);
}

/* What must be kept for deleting is not used up by writing in between. */
static void kv_can_always_delete(void **state)
{
    struct sqlite_file *f = *state;

    (void)kv_fill(f, 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(kv_do(f, SL_KV_DELETE, WRITES_MAX + i, 0, 0), SL_OK);
        for (int j = 0; j < 3; j++)
            (void)kv_do(f, SL_KV_SET, 3 * WRITES_MAX + 3 * i + j, 900, 0);
        expect_used(f, 50);
    }
    expect_within(f);
}

static void kv_takes_what_has_expired(void **state)
{
    struct sqlite_file *f = *state;

    (void)kv_fill(f, 0);
    assert_int_equal(kv_do(f, SL_KV_SET, -1, sizeof(value), 0),
                     SL_RESOURCE_EXHAUSTED);
    (void)sqlite_file_number(f, "UPDATE entries SET expires = 1 WHERE "
                                "length(value) > 1000 AND rowid <= 20");
    assert_int_equal(kv_do(f, SL_KV_SET, -1, sizeof(value), 0), SL_OK);
}

/* One value that has no room fails alone. */
static void kv_one_of_many(void **state)
{
    struct sqlite_file *f = *state;
    size_t large = 3 << 20;
    uint8_t *bytes = sl_alloc(large);
    struct sl_kv_answer answers[3];
    const struct sl_kv_request requests[] = {
        {.verb = SL_KV_SET, .key = SL_LITERAL("a"), .value = {value, 100}},
        {.verb = SL_KV_SET, .key = SL_LITERAL("b"), .value = {bytes, large}},
        {.verb = SL_KV_INCREMENT, .key = SL_LITERAL("n"), .delta = 1},
    };

    (void)sl_service_do(f->store.service, NULL, requests, 3, answers);
    assert_int_equal(answers[0].err.status, SL_OK);
    expect_full(&answers[1].err, answers[1].retryable);
    assert_int_equal(answers[2].err.status, SL_OK);
    for (int i = 0; i < 3; i++)
        sl_answers_done(f->store.service, &answers[i], 1);
    free(bytes);
    expect_within(f);
}

/* It was written with a higher limit. */
static void kv_larger_than_its_limit(void **state)
{
    struct sqlite_file *f = *state;
    int count = kv_fill(f, 0);

    snprintf(f->settings, sizeof(f->settings),
             "path = \"%s\"\nmax-bytes = \"1MiB\"", f->path);
    test_store_done(&f->store);
    struct sl_error err;
    assert_int_equal(test_store_open(&f->store, f->driver, f->settings, &err),
                     SL_OK);
    const struct sl_kv_request request = {
        .verb = SL_KV_SET, .key = SL_LITERAL("new"), .value = {value, 100}};
    struct sl_kv_answer answer;
    for (int i = 0; i < count; i++) {
        enum sl_status status =
            sl_service_do(f->store.service, NULL, &request, 1, &answer);
        sl_answers_done(f->store.service, &answer, 1);
        if (i == 0)
            assert_int_equal(status, SL_RESOURCE_EXHAUSTED);
        assert_int_equal(kv_do(f, SL_KV_GET, i, 0, 0), SL_OK);
        assert_int_equal(kv_do(f, SL_KV_DELETE, i, 0, 0), SL_OK);
    }
    assert_int_equal(
        sl_service_do(f->store.service, NULL, &request, 1, &answer), SL_OK);
    sl_answers_done(f->store.service, &answer, 1);
}

/* Somebody reads all the while, so that the log cannot begin anew. */
static void kv_with_a_reader(void **state)
{
    struct sqlite_file *f = *state;
    sqlite3 *reader;
    int refused = 0;

    assert_int_equal(kv_do(f, SL_KV_SET, 0, 100, 0), SL_OK);
    assert_int_equal(sqlite3_open(f->path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM entries",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 1000; i++)
        refused += kv_do(f, SL_KV_SET, 0, sizeof(value), 0) != SL_OK;
    assert_true(refused > 0);
    expect_within(f);
    assert_int_equal(sqlite3_close_v2(reader), SQLITE_OK);
    assert_int_equal(kv_do(f, SL_KV_SET, 0, sizeof(value), 0), SL_OK);
}

/* --- mq ----------------------------------------------------------------- */

static int set_up_mq(void **state)
{
    return new_of(state, "mq.sqlite");
}

static enum sl_status mq_send(struct sqlite_file *f)
{
    struct sl_mq_answer answer;
    const struct sl_mq_request request = {.verb = SL_MQ_SEND,
                                          .payload = {value, sizeof(value)}};
    enum sl_status status =
        sl_service_do(f->store.service, NULL, &request, 1, &answer);

    if (status != SL_OK)
        expect_full(&answer.err, answer.retryable);
    sl_answers_done(f->store.service, &answer, 1);
    return status;
}

/* False: there is none. */
static bool mq_receive(struct sqlite_file *f, enum sl_mq_verb settle)
{
    struct sl_mq_answer got, settled;
    const struct sl_mq_request receive = {.verb = SL_MQ_RECEIVE, .limit = 1};

    if (sl_service_do(f->store.service, NULL, &receive, 1, &got) != SL_OK)
        fail_msg("%s", got.err.message);
    bool one = got.deliveries.count == 1;
    if (one) {
        struct sl_mq_request request =
            sl_mq_request_for(got.deliveries.items[0], settle);
        request.reason = SL_LITERAL("because");
        if (sl_service_do(f->store.service, NULL, &request, 1, &settled) !=
            SL_OK)
            fail_msg("%s", settled.err.message);
        sl_answers_done(f->store.service, &settled, 1);
    }
    sl_answers_done(f->store.service, &got, 1);
    return one;
}

static void mq_can_settle_when_it_is_full(void **state)
{
    struct sqlite_file *f = *state;
    int count = 0;

    while (count < WRITES_MAX && mq_send(f) == SL_OK)
        count++;
    assert_true(count > 0 && count < WRITES_MAX);
    expect_within(f);
    assert_true(mq_receive(f, SL_MQ_ABANDON));
    assert_true(mq_receive(f, SL_MQ_DEAD_LETTER));
    assert_true(mq_receive(f, SL_MQ_COMPLETE));
    assert_int_equal(mq_send(f), SL_OK);
    while (mq_receive(f, SL_MQ_COMPLETE))
        continue;
    assert_int_equal(mq_send(f), SL_OK);
    expect_within(f);
}

/* --- pubsub ------------------------------------------------------------- */

static int set_up_pubsub(void **state)
{
    return new_of(state, "pubsub.sqlite");
}

static enum sl_status pubsub_do(struct sqlite_file *f,
                                struct sl_pubsub_request request,
                                struct sl_pubsub_answer *answer)
{
    request.topic = SL_LITERAL("orders");
    if (request.verb != SL_PUBSUB_PUBLISH) {
        request.group = SL_LITERAL("group");
        request.member = SL_LITERAL("member");
    }
    return sl_service_do(f->store.service, NULL, &request, 1, answer);
}

static enum sl_status publish(struct sqlite_file *f)
{
    struct sl_pubsub_answer answer;
    enum sl_status status =
        pubsub_do(f,
                  (struct sl_pubsub_request){.verb = SL_PUBSUB_PUBLISH,
                                             .payload = {value, sizeof(value)}},
                  &answer);

    if (status != SL_OK)
        expect_full(&answer.err, answer.retryable);
    sl_answers_done(f->store.service, &answer, 1);
    return status;
}

static void pubsub_when_it_is_full(void **state)
{
    struct sqlite_file *f = *state;
    struct sl_pubsub_answer answer;
    int count = 0;

    assert_int_equal(
        pubsub_do(f,
                  (struct sl_pubsub_request){.verb = SL_PUBSUB_SUBSCRIBE,
                                             .from_earliest = true},
                  &answer),
        SL_OK);
    sl_answers_done(f->store.service, &answer, 1);
    while (count < WRITES_MAX && publish(f) == SL_OK)
        count++;
    assert_true(count > 0 && count < WRITES_MAX);
    expect_within(f);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pubsub_do(f,
                                   (struct sl_pubsub_request){
                                       .verb = SL_PUBSUB_RECEIVE, .limit = 1},
                                   &answer),
                         SL_OK);
        assert_int_equal(answer.deliveries.count, 1);
        struct sl_pubsub_answer settled;
        assert_int_equal(
            pubsub_do(f,
                      (struct sl_pubsub_request){
                          .verb = SL_PUBSUB_ACKNOWLEDGE,
                          .receipt = answer.deliveries.items[0]->receipt},
                      &settled),
            SL_OK);
        sl_answers_done(f->store.service, &settled, 1);
        sl_answers_done(f->store.service, &answer, 1);
    }
    while (publish(f) == SL_OK)
        continue;
    (void)sqlite_file_number(f, "UPDATE event SET until = 1");
    assert_int_equal(publish(f), SL_OK); /* in place of what is over */
}

/* --- lockd -------------------------------------------------------------- */

static int set_up_lockd(void **state)
{
    return new_of(state, "lockd.sqlite");
}

static void lockd_can_release_when_it_is_full(void **state)
{
    struct sqlite_file *f = *state;
    char key[SL_LOCKD_KEY_MAX + 1], first_key[SL_LOCKD_KEY_MAX + 1] = "";
    struct sl_lockd_answer answer, first = {0};
    enum sl_status status = SL_OK;
    int count = 0;

    for (; status == SL_OK && count < WRITES_MAX; count++) {
        snprintf(key, sizeof(key), "%0*d", SL_LOCKD_KEY_MAX, count);
        const struct sl_lockd_request acquire = {.verb = SL_LOCKD_ACQUIRE,
                                                 .key = sl_bytes_of(key),
                                                 .ttl_ms = 600000,
                                                 .has_wait = true};
        status = sl_service_do(f->store.service, NULL, &acquire, 1, &answer);
        if (count == 0) {
            first = answer;
            memcpy(first_key, key, sizeof(key));
        }
    }
    expect_full(&answer.err, answer.retryable);
    expect_within(f);
    struct sl_lockd_request request = {.verb = SL_LOCKD_RENEW,
                                       .key = sl_bytes_of(first_key),
                                       .holder = sl_bytes_of(first.holder),
                                       .ttl_ms = 700000};
    assert_int_equal(
        sl_service_do(f->store.service, NULL, &request, 1, &answer), SL_OK);
    request.verb = SL_LOCKD_RELEASE;
    assert_int_equal(
        sl_service_do(f->store.service, NULL, &request, 1, &answer), SL_OK);
}

/* --- sql ---------------------------------------------------------------- */

static int set_up_sql(void **state)
{
    return new_of(state, "sql.sqlite");
}

static enum sl_status execute(struct sqlite_file *f, const char *text)
{
    static const struct sl_sql_parameters none[1];
    struct sl_sql_answer answer;
    const struct sl_sql_request request = {.verb = SL_SQL_EXECUTE,
                                           .statement = sl_bytes_of(text),
                                           .sets = none,
                                           .set_count = 1};
    enum sl_status status =
        sl_service_do(f->store.service, NULL, &request, 1, &answer);

    if (status == SL_RESOURCE_EXHAUSTED)
        expect_full(&answer.err, answer.retryable);
    else if (status != SL_OK)
        fail_msg("%s: %s", text, answer.err.message);
    sl_answers_done(f->store.service, &answer, 1);
    return status;
}

static void sql_can_delete_when_it_is_full(void **state)
{
    struct sqlite_file *f = *state;
    int count = 0;

    assert_int_equal(execute(f, "CREATE TABLE a (b)"), SL_OK);
    while (count < WRITES_MAX &&
           execute(f, "INSERT INTO a VALUES (zeroblob(8000))") == SL_OK)
        count++;
    assert_true(count > 0 && count < WRITES_MAX);
    expect_used(f, 95);
    expect_within(f);
    assert_int_equal(execute(f, "DELETE FROM a WHERE rowid <= 20"), SL_OK);
    assert_int_equal(execute(f, "INSERT INTO a VALUES (zeroblob(8000))"),
                     SL_OK);
    assert_int_equal(execute(f, "DELETE FROM a"), SL_OK);
    assert_int_equal(execute(f, "INSERT INTO a VALUES (zeroblob(8000))"),
                     SL_OK);
    assert_int_equal(execute(f, "DROP TABLE a"), SL_OK);
    expect_within(f);
}

/* One statement that writes without end. */
static void sql_one_statement(void **state)
{
    struct sqlite_file *f = *state;

    assert_int_equal(execute(f, "CREATE TABLE a (b)"), SL_OK);
    assert_int_equal(
        execute(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                   "FROM n) INSERT INTO a SELECT zeroblob(1000) FROM n"),
        SL_RESOURCE_EXHAUSTED);
    expect_within(f);
    /* What it must remember goes to temporary files, which are limited, too. */
    assert_int_equal(
        execute(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                   "FROM n LIMIT 20000) INSERT INTO a SELECT count(*) FROM "
                   "(SELECT DISTINCT randomblob(1000) FROM n)"),
        SL_RESOURCE_EXHAUSTED);
    assert_int_equal(execute(f, "INSERT INTO a VALUES (1)"), SL_OK);
}

#define CASE(set_up, name)                                                     \
    cmocka_unit_test_setup_teardown(name, set_up, sqlite_file_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(set_up_kv, kv_can_delete_when_it_is_full),
        CASE(set_up_kv, kv_can_always_delete),
        CASE(set_up_kv, kv_takes_what_has_expired),
        CASE(set_up_kv, kv_one_of_many),
        CASE(set_up_kv, kv_larger_than_its_limit),
        CASE(set_up_kv, kv_with_a_reader),
        CASE(set_up_mq, mq_can_settle_when_it_is_full),
        CASE(set_up_pubsub, pubsub_when_it_is_full),
        CASE(set_up_lockd, lockd_can_release_when_it_is_full),
        CASE(set_up_sql, sql_can_delete_when_it_is_full),
        CASE(set_up_sql, sql_one_statement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

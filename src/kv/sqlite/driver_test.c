/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is special about kv.sqlite: batches, times to live, the processes that
 * share a file, what survives; sqlite_file_test.c has the file itself.  What
 * every driver must do is in tests/conformance.
 *
 * The program is also its own other process: run with "increment" or "batches"
 * it writes to the file that it is given.
 */
#include "kv/sqlite/shared_test.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"

enum { ROUNDS = 20, BATCH = 16, INCREMENTS = 100 };

/* --- Other processes ------------------------------------------------------ */

static pid_t spawn(const char *what, const char *path, int out)
{
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        (void)dup2(out, STDOUT_FILENO);
        (void)execl("/proc/self/exe", "sqlite_test", what, path, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int how;

    assert_int_equal(waitpid(pid, &how, 0), pid);
    return how;
}

static struct fixture *child_fixture(const char *path)
{
    struct fixture *f = sl_alloc(sizeof(*f));
    struct sl_error err;

    set_options(&f->store, path);
    if (try_open(f, &err) != SL_OK) {
        fprintf(stderr, "child: %s\n", err.message);
        _exit(1);
    }
    return f;
}

static void child_increment(const char *path)
{
    struct fixture *f = child_fixture(path);

    for (int i = 0; i < INCREMENTS; i++) {
        struct sl_kv_answer answer =
            run_one(f, request(SL_KV_INCREMENT, "counter"));
        if (answer.err.status != SL_OK) {
            fprintf(stderr, "child: %s\n", answer.err.message);
            _exit(1);
        }
    }
    _exit(0);
}

/* Write batches of keys for ever, a byte to standard output after each. */
static void child_batches(const char *path)
{
    struct fixture *f = child_fixture(path);
    char keys[BATCH][32];

    for (uint64_t n = 0;; n++) {
        struct sl_kv_request requests[BATCH];
        struct sl_kv_answer answers[BATCH];
        for (int i = 0; i < BATCH; i++) {
            snprintf(keys[i], sizeof(keys[i]), "%" PRIu64 ".%d", n, i);
            requests[i] = set(keys[i], "value");
        }
        run(f, requests, BATCH, answers);
        for (int i = 0; i < BATCH; i++)
            if (answers[i].err.status != SL_OK)
                _exit(1);
        if (write(STDOUT_FILENO, "x", 1) != 1)
            _exit(1);
    }
}

/* --- Tests: batches ------------------------------------------------------- */

static void test_a_batch_is_answered_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct sl_kv_request requests[] = {
        set("a", "text"),
        set("a", "other"),
        request(SL_KV_INCREMENT, "a"),
        request(SL_KV_GET, "a"),
        request(SL_KV_DELETE, "b"),
        request(SL_KV_DELETE, "a"),
        request(SL_KV_KEYS, ""),
        set("c", "last"),
    };
    enum { COUNT = sizeof(requests) / sizeof(requests[0]) };
    static const enum sl_status expected[COUNT] = {
        [1] = SL_ALREADY_EXISTS, [2] = SL_INVALID_ARGUMENT, [5] = SL_CONFLICT};
    struct sl_kv_answer answers[COUNT];

    requests[1].condition = SL_KV_ABSENT;
    requests[5].condition = SL_KV_VERSION;
    requests[5].version = SL_LITERAL("999999");
    run(f, requests, COUNT, answers);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(answers[i].err.status, expected[i]);
    assert_true(sl_bytes_equal(answers[3].value.bytes, SL_LITERAL("text")));
    assert_false(answers[4].found);
    assert_int_equal(answers[6].key_count, 1);
    for (size_t i = 0; i < COUNT; i++)
        sl_kv_answer_done(&answers[i]);
    assert_true(exists(f, "c"));
}

static void test_a_batch_is_one_transaction(void **state)
{
    struct fixture *f = *state;
    struct sl_kv_request requests[BATCH];
    struct sl_kv_answer answers[BATCH];
    char keys[BATCH][16];

    for (int i = 0; i < BATCH; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
        requests[i] = set(keys[i], "value");
    }
    write_one(f, set("first", "value")); /* makes the log file */
    SL_CLEANUP(sl_freep) char *log = sl_asprintf("%s-wal", f->path);
    struct stat before, after;
    assert_int_equal(stat(log, &before), 0);
    run(f, requests, BATCH, answers);
    assert_int_equal(stat(log, &after), 0);
    for (int i = 0; i < BATCH; i++)
        assert_int_equal(answers[i].err.status, SL_OK);
    /* Alone each would have logged a page, of 4 KiB, at the least. */
    assert_true(after.st_size - before.st_size < BATCH * 4096);
}

static void test_versions_do_not_come_back(void **state)
{
    enum { VERSIONS = 40 };
    struct fixture *f = *state;
    char versions[VERSIONS][SL_KV_VERSION_MAX + 1];

    for (int i = 0; i < VERSIONS; i++) {
        struct sl_kv_answer answer = run_one(f, set("key", "value"));
        expect_ok(answer.err.status, &answer.err);
        memcpy(versions[i], answer.version, sizeof(versions[i]));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(versions[i], versions[j]);
        if (i % 3 == 1)
            write_one(f, request(SL_KV_DELETE, "key"));
        if (i % 4 == 1)
            reopen(f);
    }
}

/* --- Tests: time to live -------------------------------------------------- */

static void test_expired_is_absent(void **state)
{
    struct fixture *f = *state;
    struct sl_kv_request absent = set("a", "again");

    write_one(f, set_ttl("a", 60000));
    write_one(f, set_ttl("b", 60000));
    write_one(f, set_ttl("c", 60000));
    reopen(f);
    assert_true(exists(f, "a"));
    (void)sql(f->path, "UPDATE entries SET expires = 1");
    assert_false(exists(f, "a"));

    struct sl_kv_answer answer = run_one(f, request(SL_KV_KEYS, ""));
    assert_int_equal(answer.key_count, 0);
    sl_kv_answer_done(&answer);
    absent.condition = SL_KV_ABSENT;
    write_one(f, absent);
    assert_true(exists(f, "a"));
    struct sl_kv_request increment = request(SL_KV_INCREMENT, "b");
    increment.delta = 5;
    answer = run_one(f, increment);
    assert_int_equal(answer.number, 5);
    answer = run_one(f, request(SL_KV_DELETE, "c"));
    assert_int_equal(answer.err.status, SL_OK);
    assert_false(answer.found);
}

/* Write many that have expired, and one that has not. */
static void write_expired(struct fixture *f)
{
    char key[16];

    for (int i = 0; i < 250; i++) {
        snprintf(key, sizeof(key), "%d", i);
        write_one(f, set_ttl(key, 60000));
    }
    (void)sql(f->path, "UPDATE entries SET expires = 1");
    write_one(f, set_ttl("later", 3600000));
    write_one(f, set("never", "1"));
}

static void test_idle_sweeps(void **state)
{
    struct fixture *f = *state;

    write_expired(f);
    /* One go is bounded in time, so on a slow machine it takes several. */
    for (int i = 0;
         i < 1000 && sql(f->path, "SELECT count(*) FROM entries") > 2; i++)
        f->store.driver->idle(f->state);
    assert_int_equal(sql(f->path, "SELECT count(*) FROM entries"), 2);
    assert_true(exists(f, "later"));
    assert_true(exists(f, "never"));
}

static void *sweep(void *context)
{
    struct fixture *f = context;

    for (int i = 0; i < 20; i++)
        f->store.driver->idle(f->state);
    return NULL;
}

static void test_two_may_sweep_at_once(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {0};
    pthread_t thread;
    struct sl_error err;

    write_expired(f);
    set_options(&other.store, f->path);
    expect_ok(try_open(&other, &err), &err);
    assert_int_equal(pthread_create(&thread, NULL, sweep, &other), 0);
    sweep(f);
    assert_int_equal(pthread_join(thread, NULL), 0);
    other.store.driver->close(other.state);
    test_store_done(&other.store);
    assert_true(exists(f, "later"));
    assert_true(exists(f, "never"));
    assert_false(exists(f, "7"));
}

/* --- Tests: processes ----------------------------------------------------- */

static void test_processes_share_the_file(void **state)
{
    enum { PROCESSES = 3 };
    struct fixture *f = *state;
    pid_t pids[PROCESSES];

    /* They find no file, and so make it at once as well. */
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = spawn("increment", f->path, STDOUT_FILENO);
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(wait_for(pids[i]), 0);
    reopen(f);
    struct sl_kv_answer answer =
        run_one(f, request(SL_KV_INCREMENT, "counter"));
    assert_int_equal(answer.number, PROCESSES * INCREMENTS + 1);
}

/* Let a child write some batches, kill it; how many it said were written. */
static uint64_t write_and_kill(const char *path, int round)
{
    int ends[2];
    uint64_t acknowledged = 0;
    char byte;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = spawn("batches", path, ends[1]);
    close(ends[1]);
    while (acknowledged < (uint64_t)round % 7 + 1 &&
           read(ends[0], &byte, 1) == 1)
        acknowledged++;
    usleep((useconds_t)(round * 137)); /* anywhere in the next ones */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
    while (read(ends[0], &byte, 1) == 1)
        acknowledged++;
    close(ends[0]);
    return acknowledged;
}

static void test_kill_loses_nothing(void **state)
{
    struct fixture *f = *state;
    char key[64];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t acknowledged = write_and_kill(f->path, round);
        assert_true(acknowledged > 0);
        reopen(f);
        for (uint64_t n = 0; n < acknowledged; n++)
            for (int i = 0; i < BATCH; i++) {
                snprintf(key, sizeof(key), "%" PRIu64 ".%d", n, i);
                assert_true(exists(f, key));
            }
        /* What was not acknowledged is there as whole batches. */
        int64_t rows = sql(f->path, "SELECT count(*) FROM entries");
        assert_int_equal(rows % BATCH, 0);
        assert_int_equal(sql(f->path, "SELECT integrity_check = 'ok' FROM "
                                      "pragma_integrity_check"),
                         1);
        (void)sql(f->path, "DELETE FROM entries");
        f->store.driver->close(f->state);
        f->state = NULL;
    }
}

static void test_a_lock_outlasts_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct sl_kv_request request = set("key", "value");
    struct sl_kv_answer answer;
    size_t budget = SIZE_MAX;
    struct sl_op op = {
        .request = &request, .answer = &answer, .answer_budget = &budget};
    struct sl_op *ops[] = {&op};
    sqlite3 *other;

    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    sl_kv_answer_init(&answer);
    op.deadline = sl_deadline_in_ms(50);
    f->store.driver->run(f->state, ops, 1);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_true(op.unsent);
    assert_true(sl_deadline_passed(op.deadline));
    assert_non_null(strstr(answer.err.message, "another process"));
    assert_false(exists(f, "key")); /* who reads does not wait */
    sqlite3_close(other);
    write_one(f, request);
    assert_true(exists(f, "key"));
}

static void test_a_large_value(void **state)
{
    enum { SIZE = 64 << 20 };
    struct fixture *f = *state;
    struct sl_kv_request large = set("key", "");
    uint8_t *bytes = sl_alloc(SIZE);

    for (size_t i = 0; i < SIZE; i += 4096)
        bytes[i] = (uint8_t)(i / 4096 * 7);
    large.value = SL_BYTES(bytes, SIZE);
    write_one(f, large);
    struct sl_kv_answer answer = run_one(f, request(SL_KV_GET, "key"));
    assert_true(sl_bytes_equal(answer.value.bytes, large.value));
    sl_kv_answer_done(&answer);
    free(bytes);
}

/* As run_one, with an op of its own. */
static struct sl_kv_answer run_op(struct fixture *f, struct sl_op *op,
                                  const struct sl_kv_request *request)
{
    struct sl_kv_answer answer;
    size_t budget = SIZE_MAX;

    sl_kv_answer_init(&answer);
    op->request = request;
    op->answer = &answer;
    op->answer_budget = &budget;
    f->store.driver->run(f->state, &op, 1);
    return answer;
}

/* On a thread that others need nothing is read that takes long. */
static void test_only_small_values_are_read_in_place(void **state)
{
    const struct sl_kv_request get = request(SL_KV_GET, "key");
    static const size_t sizes[] = {0, 512 * 1024, 512 * 1024 + 1};
    struct fixture *f = *state;
    uint8_t *bytes = sl_alloc(1 << 20);

    for (size_t i = 0; i < 3; i++)
        for (int in_place = 0; in_place < 2; in_place++) {
            struct sl_op op = {.deadline = sl_deadline_in_ms(60000),
                               .in_place = in_place};
            struct sl_kv_request write = set("key", "");
            write.value = SL_BYTES(bytes, sizes[i]);
            write_one(f, write);
            struct sl_kv_answer answer = run_op(f, &op, &get);
            assert_int_equal(answer.err.status, SL_OK);
            assert_int_equal(op.too_long, in_place && i == 2);
            assert_int_equal(answer.found, !op.too_long);
            assert_int_equal(answer.value.bytes.len,
                             op.too_long ? 0 : sizes[i]);
            sl_kv_answer_done(&answer);
        }
    free(bytes);
}

/* Many rows that have expired stand before the first one that has not. */
static void test_a_read_ends_at_its_deadline(void **state)
{
    struct sl_kv_request keys = request(SL_KV_KEYS, "");
    struct sl_op op = {.deadline = sl_deadline_in_ms(0)};
    struct fixture *f = *state;

    (void)sql(f->path, "INSERT INTO entries SELECT printf('%08d', i), i, 1, '' "
                       "FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                       "SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n)");
    keys.limit = 10;
    struct sl_kv_answer answer = run_op(f, &op, &keys);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_int_equal(answer.key_count, 0);
    sl_kv_answer_done(&answer);
    op.deadline = sl_deadline_in_ms(60000);
    answer = run_op(f, &op, &keys);
    assert_int_equal(answer.err.status, SL_OK);
    sl_kv_answer_done(&answer);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "increment") == 0)
        child_increment(argv[2]);
    if (argc == 3 && strcmp(argv[1], "batches") == 0)
        child_batches(argv[2]);

    const struct CMUnitTest tests[] = {
        TEST(test_a_batch_is_answered_one_by_one),
        TEST(test_a_batch_is_one_transaction),
        TEST(test_versions_do_not_come_back),
        TEST(test_expired_is_absent),
        TEST(test_idle_sweeps),
        TEST(test_two_may_sweep_at_once),
        TEST_NO_FILE(test_processes_share_the_file),
        TEST_NO_FILE(test_kill_loses_nothing),
        TEST(test_a_lock_outlasts_the_deadline),
        TEST(test_a_large_value),
        TEST(test_only_small_values_are_read_in_place),
        TEST(test_a_read_ends_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

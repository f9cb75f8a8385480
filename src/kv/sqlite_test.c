/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is special about kv.sqlite: the file, the processes that share it, what
 * survives.  What every driver must do is in tests/conformance.
 *
 * The program is also its own other process: run with "increment" or "batches"
 * it writes to the file that it is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
#include "base/file.h"
#include "kv/driver.h"
#include "support/stores.h"

enum { ROUNDS = 20, BATCH = 16, INCREMENTS = 100 };

/* --- A store in a folder of its own, and one state of its driver --------- */

struct fixture {
    char folder[64];
    char path[96];
    struct test_store store;
    void *state;
};

static void expect_ok(enum sl_status status, const struct sl_error *err)
{
    if (status != SL_OK)
        fail_msg("%s: %s", sl_status_text(status), err->message);
}

static void set_options(struct test_store *store, const char *path)
{
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("path = \"%s\"\ntimeout = \"60s\"", path);

    expect_ok(test_store_set(store, "kv.sqlite", settings, &err), &err);
}

static enum sl_status try_open(struct fixture *f, struct sl_error *err)
{
    void *store;
    enum sl_status status =
        f->store.driver->store_new(f->store.options, &store, err);

    if (status == SL_OK)
        status = f->store.driver->open(store, sl_deadline_in_ms(60000),
                                       &f->state, err);
    return status;
}

static void reopen(struct fixture *f)
{
    struct sl_error err;

    if (f->state != NULL)
        f->store.driver->close(f->state);
    f->state = NULL;
    expect_ok(try_open(f, &err), &err);
}

/* A folder, but no file yet. */
static int set_up_folder(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-sqlite-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/kv.db", f->folder);
    set_options(&f->store, f->path);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    if (set_up_folder(state) != 0)
        return -1;
    reopen(*state);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->state != NULL)
        f->store.driver->close(f->state);
    test_store_done(&f->store);
    test_remove_folder(f->folder);
    free(f);
    return 0;
}

/* --- Requests ----------------------------------------------------------- */

static struct sl_kv_request request(enum sl_kv_verb verb, const char *key)
{
    return (struct sl_kv_request){
        .verb = verb, .key = sl_bytes_of(key), .limit = 100, .delta = 1};
}

static struct sl_kv_request set(const char *key, const char *value)
{
    struct sl_kv_request set = request(SL_KV_SET, key);

    set.value = sl_bytes_of(value);
    return set;
}

static struct sl_kv_request set_ttl(const char *key, uint64_t ttl_ms)
{
    struct sl_kv_request request = set(key, "1");

    request.has_ttl = true;
    request.ttl_ms = ttl_ms;
    return request;
}

/* Run requests as one batch; the answers are the caller's. */
static void run(struct fixture *f, const struct sl_kv_request requests[],
                size_t count, struct sl_kv_answer answers[])
{
    struct sl_op *ops = sl_alloc_array(count, sizeof(*ops));
    struct sl_op **batch = sl_alloc_array(count, sizeof(struct sl_op *));
    size_t room = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(&answers[i]);
        ops[i] = (struct sl_op){.request = &requests[i],
                                .answer = &answers[i],
                                .deadline = sl_deadline_in_ms(60000),
                                .room = &room};
        batch[i] = &ops[i];
    }
    f->store.driver->run(f->state, batch, count);
    free(batch);
    free(ops);
}

static struct sl_kv_answer run_one(struct fixture *f,
                                   struct sl_kv_request request)
{
    struct sl_kv_answer answer;

    run(f, &request, 1, &answer);
    return answer;
}

static void write_one(struct fixture *f, struct sl_kv_request request)
{
    struct sl_kv_answer answer = run_one(f, request);

    expect_ok(answer.err.status, &answer.err);
    sl_kv_answer_done(&answer);
}

static bool exists(struct fixture *f, const char *key)
{
    struct sl_kv_answer answer = run_one(f, request(SL_KV_EXISTS, key));

    expect_ok(answer.err.status, &answer.err);
    sl_kv_answer_done(&answer);
    return answer.found;
}

/* --- Behind the driver's back -------------------------------------------- */

static int take_number(void *context, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int64_t *)context = strtoll(values[0], NULL, 10);
    return 0;
}

/* Run SQL on the file; the first column of the last row, or -1. */
static int64_t sql(const char *path, const char *text)
{
    sqlite3 *db;
    int64_t number = -1;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    assert_int_equal(sqlite3_exec(db, text, take_number, &number, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    return number;
}

static struct sl_buf content(const char *path)
{
    struct sl_buf bytes = SL_BUF(16 << 20);
    struct sl_error err;

    expect_ok(sl_file_read(path, &bytes, &err), &err);
    return bytes;
}

static void write_file(const char *path, const char *text)
{
    struct sl_error err;

    expect_ok(sl_file_write(path, sl_bytes_of(text), &err), &err);
}

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

/* --- Tests: the file ------------------------------------------------------ */

static mode_t mode_of(const char *folder, const char *name)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s%s", folder, name);
    struct stat stat_of;

    assert_int_equal(stat(path, &stat_of), 0);
    return stat_of.st_mode & 0777;
}

static void test_files_are_for_this_user_only(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0);

    reopen(f);
    umask(before);
    write_one(f, set("key", "value"));
    assert_int_equal(mode_of(f->folder, "/kv.db"), 0600);
    assert_int_equal(mode_of(f->folder, "/kv.db-wal"), 0600);
    assert_int_equal(mode_of(f->folder, "/kv.db-shm"), 0600);
}

static void test_the_folder_is_made(void **state)
{
    struct fixture *f = *state;
    struct test_store deeper = {0};
    SL_CLEANUP(sl_freep) char *folder = sl_asprintf("%s/new", f->folder);
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/kv.db", folder);

    set_options(&deeper, path);
    test_store_done(&f->store);
    f->store = deeper;
    reopen(f);
    assert_int_equal(mode_of(folder, ""), 0700);
    f->store.driver->close(f->state);
    f->state = NULL;
    test_remove_folder(folder);
}

static void expect_failure(const char *path, enum sl_status status,
                           const char *words)
{
    struct fixture f = {0};
    struct sl_error err;

    set_options(&f.store, path);
    assert_int_equal(try_open(&f, &err), status);
    assert_non_null(strstr(err.message, path));
    if (strstr(err.message, words) == NULL)
        fail_msg("no \"%s\" in: %s", words, err.message);
    test_store_done(&f.store);
}

static void test_no_tree_of_folders_is_made(void **state)
{
    const struct fixture *f = *state;
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/a/b/kv.db", f->folder);

    expect_failure(path, SL_UNAVAILABLE, "No such file");
    assert_int_equal(rmdir(f->folder), 0); /* it is empty */
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

static void test_a_folder_is_no_file(void **state)
{
    const struct fixture *f = *state;

    expect_failure(f->folder, SL_UNAVAILABLE, "cannot open");
}

static void expect_untouched(const char *path, enum sl_status status,
                             const char *words)
{
    struct sl_buf before = content(path);

    expect_failure(path, status, words);
    struct sl_buf after = content(path);
    assert_true(sl_bytes_equal(sl_buf_bytes(&before), sl_buf_bytes(&after)));
    sl_buf_done(&before);
    sl_buf_done(&after);
}

static void test_no_database(void **state)
{
    const struct fixture *f = *state;

    write_file(f->path, "This is a letter, and a long one at that. It goes on "
                        "for more than the hundred bytes that a header has.");
    expect_untouched(f->path, SL_INTERNAL, "no database");
}

static void test_another_programs_database(void **state)
{
    const struct fixture *f = *state;

    (void)sql(f->path, "CREATE TABLE theirs (a)");
    expect_untouched(f->path, SL_INTERNAL, "another program");
    (void)sql(f->path, "PRAGMA journal_mode = WAL");
    expect_untouched(f->path, SL_INTERNAL, "another program");
    (void)sql(f->path, "PRAGMA application_id = 7");
    expect_untouched(f->path, SL_INTERNAL, "another program");
}

static void test_a_newer_format(void **state)
{
    struct fixture *f = *state;

    f->store.driver->close(f->state);
    f->state = NULL;
    (void)sql(f->path, "PRAGMA user_version = 2");
    expect_untouched(f->path, SL_INTERNAL, "format 2 where this one knows 1");
}

static void test_an_empty_file_is_taken(void **state)
{
    struct fixture *f = *state;

    write_file(f->path, "");
    reopen(f);
    write_one(f, set("key", "value"));
    assert_true(exists(f, "key"));
}

static void test_settings(void **state)
{
    struct test_store store;
    struct sl_error err;

    (void)state;
    assert_int_equal(test_store_set(&store, "kv.sqlite", "path = \"\"", &err),
                     SL_INVALID_ARGUMENT);
    test_store_done(&store);
    assert_int_equal(
        test_store_set(&store, "kv.sqlite", "path = \":memory:\"", &err),
        SL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "expected a file"));
    test_store_done(&store);
    assert_int_equal(
        test_store_set(&store, "kv.sqlite", "sync = \"off\"", &err),
        SL_INVALID_ARGUMENT);
    test_store_done(&store);
    expect_ok(test_store_set(&store, "kv.sqlite", "sync = \"normal\"", &err),
              &err);
    test_store_done(&store);
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
    size_t room = SIZE_MAX;
    struct sl_op op = {.request = &request, .answer = &answer, .room = &room};
    struct sl_op *ops[] = {&op};
    sqlite3 *other;

    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    sl_kv_answer_init(&answer);
    op.deadline = sl_deadline_in_ms(50);
    f->store.driver->run(f->state, ops, 1);
    assert_int_equal(answer.err.status, SL_TIMEOUT);
    assert_true(op.not_sent);
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

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "increment") == 0)
        child_increment(argv[2]);
    if (argc == 3 && strcmp(argv[1], "batches") == 0)
        child_batches(argv[2]);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_NO_FILE(name)                                                     \
    cmocka_unit_test_setup_teardown(name, set_up_folder, tear_down)
    const struct CMUnitTest tests[] = {
        TEST_NO_FILE(test_files_are_for_this_user_only),
        TEST_NO_FILE(test_the_folder_is_made),
        TEST_NO_FILE(test_no_tree_of_folders_is_made),
        TEST_NO_FILE(test_a_folder_is_no_file),
        TEST_NO_FILE(test_no_database),
        TEST_NO_FILE(test_another_programs_database),
        TEST(test_a_newer_format),
        TEST_NO_FILE(test_an_empty_file_is_taken),
        cmocka_unit_test(test_settings),
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

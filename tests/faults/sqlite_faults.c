/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv.sqlite when its file fails it: the disk is full, the folder may not be
 * written, the file is damaged, somebody holds the lock.  Each is an error of
 * its own that names the file, nothing that was answered is lost, and once the
 * cause is gone the store works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "kv/driver.h"
#include "support/stores.h"

enum { VALUE = 16 * 1024, KEYS_MAX = 4096, NOBODY = 65534 };

struct fixture {
    char folder[64];
    char path[96];
    struct test_store store;
};

static uint8_t value[VALUE];

static void open_store(struct fixture *f, const char *timeout)
{
    struct sl_error err;
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("path = \"%s\"\ntimeout = \"%s\"\n"
                                 "retry.backoff = \"1ms\"",
                                 f->path, timeout);

    test_store_done(&f->store);
    if (test_store_open(&f->store, "kv.sqlite", settings, &err) != SL_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-faults-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/kv.db", f->folder);
    open_store(f, "60s");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    const struct dirent *entry;

    test_store_done(&f->store);
    DIR *dir = opendir(f->folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    (void)umount(f->folder);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

/* --- Calls -------------------------------------------------------------- */

static enum sl_status do_one(struct fixture *f, enum sl_kv_verb verb,
                             const char *key, struct sl_kv_answer *answer)
{
    const struct sl_kv_request request = {
        .verb = verb,
        .key = sl_bytes_of(key),
        .value = SL_BYTES(value, verb == SL_KV_SET ? sizeof(value) : 0)};

    return sl_service_do(f->store.service, NULL, &request, 1, answer);
}

static void writes(struct fixture *f, const char *key)
{
    struct sl_kv_answer answer;

    if (do_one(f, SL_KV_SET, key, &answer) != SL_OK)
        fail_msg("set %s: %s", key, answer.err.message);
    sl_kv_answer_done(&answer);
}

static void holds(struct fixture *f, const char *key)
{
    struct sl_kv_answer answer;

    if (do_one(f, SL_KV_GET, key, &answer) != SL_OK)
        fail_msg("get %s: %s", key, answer.err.message);
    assert_true(answer.found);
    assert_int_equal(answer.value.bytes.len, sizeof(value));
    sl_kv_answer_done(&answer);
}

static void expect_error(struct fixture *f, const struct sl_kv_answer *answer,
                         enum sl_status status, const char *words)
{
    if (answer->err.status != status)
        fail_msg("%s, not %s: %s", sl_status_text(answer->err.status),
                 sl_status_text(status), answer->err.message);
    assert_non_null(strstr(answer->err.message, f->path));
    if (strstr(answer->err.message, words) == NULL)
        fail_msg("no \"%s\" in: %s", words, answer->err.message);
}

static void fails(struct fixture *f, enum sl_kv_verb verb, const char *key,
                  enum sl_status status, const char *words)
{
    struct sl_kv_answer answer;

    (void)do_one(f, verb, key, &answer);
    expect_error(f, &answer, status, words);
    sl_kv_answer_done(&answer);
}

/* --- A full disk ---------------------------------------------------------- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static off_t log_size(const struct fixture *f)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s-wal", f->path);
    struct stat stat_of;

    assert_int_equal(stat(path, &stat_of), 0);
    return stat_of.st_size;
}

/* Write keys "0" and on until that fails; how many were written. */
static int fill(struct fixture *f)
{
    struct sl_kv_answer answer;
    char key[16];

    for (int i = 0; i < KEYS_MAX; i++) {
        snprintf(key, sizeof(key), "%d", i);
        enum sl_status status = do_one(f, SL_KV_SET, key, &answer);
        if (status != SL_OK) {
            expect_error(f, &answer, SL_RESOURCE_EXHAUSTED, "disk is full");
            sl_kv_answer_done(&answer);
            return i;
        }
        sl_kv_answer_done(&answer);
    }
    fail_msg("it did not become full");
    return 0;
}

static void expect_written(struct fixture *f, int count)
{
    struct sl_kv_answer answer;
    char key[16];

    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%d", i);
        holds(f, key);
    }
    snprintf(key, sizeof(key), "%d", count);
    assert_int_equal(do_one(f, SL_KV_EXISTS, key, &answer), SL_OK);
    assert_false(answer.found);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;

    writes(f, "first");
    limit_files_to(1 << 20);
    int count = fill(f);
    assert_true(count > 0);
    expect_written(f, count);
    /* A checkpoint may have made room in the log for some more. */
    int again = fill(f);
    count = again > count ? again : count;
    limit_files_to(RLIM_INFINITY);
    writes(f, "more");
    open_store(f, "60s");
    expect_written(f, count);
    holds(f, "more");
}

/* One that has no room must not fail the others of its batch. */
static void test_full_disk_for_one_of_many(void **state)
{
    enum { LARGE = 8 << 20 };
    struct fixture *f = *state;
    uint8_t *large = sl_alloc(LARGE);
    const struct sl_kv_request requests[] = {
        {.verb = SL_KV_SET, .key = SL_LITERAL("a"), .value = {value, VALUE}},
        {.verb = SL_KV_SET, .key = SL_LITERAL("b"), .value = {large, LARGE}},
        {.verb = SL_KV_INCREMENT, .key = SL_LITERAL("n"), .delta = 1},
        {.verb = SL_KV_GET, .key = SL_LITERAL("a")},
    };
    struct sl_kv_answer answers[4];

    writes(f, "first");
    limit_files_to((rlim_t)log_size(f) + (1 << 20));
    (void)sl_service_do(f->store.service, NULL, requests, 4, answers);
    limit_files_to(RLIM_INFINITY);
    assert_int_equal(answers[0].err.status, SL_OK);
    expect_error(f, &answers[1], SL_RESOURCE_EXHAUSTED, "disk is full");
    assert_int_equal(answers[2].err.status, SL_OK);
    assert_int_equal(answers[2].number, 1);
    assert_int_equal(answers[3].err.status, SL_OK);
    assert_int_equal(answers[3].value.bytes.len, VALUE);
    for (int i = 0; i < 4; i++)
        sl_kv_answer_done(&answers[i]);
    holds(f, "a");
    free(large);
}

/* A small disk of our own, where the system lets us; else a limit again. */
static bool mount_small_disk(const char *folder)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, "size=2m") == 0;
}

static void test_small_disk(void **state)
{
    struct fixture *f = *state;
    char key[16];

    test_store_done(&f->store);
    bool mounted = mount_small_disk(f->folder);
    open_store(f, "60s");
    if (!mounted)
        limit_files_to(1 << 20);
    int count = fill(f);
    assert_true(count > 0);
    expect_written(f, count);

    /* Nothing needs to be written for what is deleted to be gone. */
    if (mounted)
        assert_int_equal(mount(NULL, f->folder, NULL, MS_REMOUNT, "size=16m"),
                         0);
    limit_files_to(RLIM_INFINITY);
    snprintf(key, sizeof(key), "%d", count);
    writes(f, key);
    expect_written(f, count + 1);
    test_store_done(&f->store);
}

/* --- Permissions ---------------------------------------------------------- */

/* Root may write anything, so be somebody else meanwhile. */
static void become(uid_t uid)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(uid), 0);
}

static void give_away(const char *path)
{
    if (getuid() == 0)
        assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
}

static void test_read_only_folder(void **state)
{
    struct fixture *f = *state;

    give_away(f->folder);
    assert_int_equal(chmod(f->folder, 0555), 0);
    become(NOBODY);
    fails(f, SL_KV_SET, "key", SL_PERMISSION_DENIED, "let this user");
    fails(f, SL_KV_GET, "key", SL_PERMISSION_DENIED, "let this user");
    assert_int_equal(chmod(f->folder, 0755), 0);
    writes(f, "key");
    holds(f, "key");
    test_store_done(&f->store);
    become(0);
}

/* SQLite gives what stands beside the file the mode of the file. */
static void let_write(const struct fixture *f, const char *suffix)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s%s", f->path, suffix);

    if (chmod(path, 0600) != 0)
        assert_int_equal(errno, ENOENT);
}

/* holds: types-10 types-11 */
static void test_read_only_file(void **state)
{
    struct fixture *f = *state;

    writes(f, "key");
    test_store_done(&f->store);
    give_away(f->folder);
    give_away(f->path);
    assert_int_equal(chmod(f->path, 0444), 0);
    become(NOBODY);
    open_store(f, "60s");
    fails(f, SL_KV_SET, "other", SL_READ_ONLY, "let this user");
    test_store_done(&f->store);
    let_write(f, "");
    let_write(f, "-wal");
    let_write(f, "-shm");
    open_store(f, "60s");
    writes(f, "other");
    holds(f, "key");
    test_store_done(&f->store);
    become(0);
}

/* --- Damage --------------------------------------------------------------- */

static void overwrite(const char *path, off_t from, const uint8_t *bytes,
                      size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, from), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void read_back(const char *path, off_t from, uint8_t *bytes, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, len, from), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void test_damaged_file(void **state)
{
    enum { PAGE = 4096, DAMAGE = 4 * PAGE };
    static uint8_t good[DAMAGE], bad[DAMAGE];
    struct fixture *f = *state;

    writes(f, "key");
    test_store_done(&f->store); /* nothing is left in the log */
    read_back(f->path, PAGE, good, DAMAGE);
    memset(bad, 0xa5, DAMAGE);
    overwrite(f->path, PAGE, bad, DAMAGE);
    open_store(f, "60s");
    fails(f, SL_KV_GET, "key", SL_INTERNAL, "damaged");
    fails(f, SL_KV_SET, "key", SL_INTERNAL, "damaged");
    test_store_done(&f->store);

    overwrite(f->path, PAGE, good, DAMAGE);
    open_store(f, "60s");
    holds(f, "key");
    writes(f, "other");
}

static void test_shortened_file(void **state)
{
    struct fixture *f = *state;

    writes(f, "key");
    test_store_done(&f->store);
    assert_int_equal(truncate(f->path, 50), 0);
    open_store(f, "60s");
    fails(f, SL_KV_GET, "key", SL_INTERNAL, "damaged");
    test_store_done(&f->store);
    assert_int_equal(unlink(f->path), 0);
    open_store(f, "60s");
    writes(f, "key");
    holds(f, "key");
}

/* --- Locks ---------------------------------------------------------------- */

/* Another process that holds the lock for writing until it is killed. */
static pid_t hold_lock(const char *path)
{
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        sqlite3 *db;
        if (sqlite3_open(path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
                SQLITE_OK ||
            write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void test_lock_of_another_process(void **state)
{
    struct fixture *f = *state;

    writes(f, "key");
    test_store_done(&f->store); /* no threads while this forks */
    pid_t pid = hold_lock(f->path);
    open_store(f, "300ms");
    fails(f, SL_KV_SET, "other", SL_TIMEOUT, "another process");
    holds(f, "key"); /* reading goes on */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    open_store(f, "60s");
    writes(f, "other");
    holds(f, "other");
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk),      TEST(test_full_disk_for_one_of_many),
        TEST(test_small_disk),     TEST(test_read_only_folder),
        TEST(test_read_only_file), TEST(test_damaged_file),
        TEST(test_shortened_file), TEST(test_lock_of_another_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

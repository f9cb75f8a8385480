/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of compiled code, in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "host/cache.h"

struct fixture {
    char folder[64];
    struct sl_cache *cache;
    struct sl_error err;
};

static const struct sl_bytes compiler = {(const uint8_t *)"compiler 1", 10};

static void open_cache(struct fixture *f, uint64_t bytes_max)
{
    assert_int_equal(sl_cache_open(f->folder, bytes_max, &f->cache, &f->err),
                     SL_OK);
}

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-cache-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    open_cache(f, SL_CACHE_BYTES_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    sl_cache_free(f->cache);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct sl_cache_key store(struct fixture *f, const char *wasm,
                                 struct sl_bytes code)
{
    struct sl_cache_key key = sl_cache_key_of(sl_bytes_of(wasm), compiler);

    SL_CLEANUP(sl_closep) int fd = -1;

    assert_int_equal(sl_cache_store(f->cache, &key, code, &fd, &f->err), SL_OK);
    assert_true(fd >= 0);
    return key;
}

static bool has(struct fixture *f, const struct sl_cache_key *key)
{
    SL_CLEANUP(sl_closep) int fd = sl_cache_find(f->cache, key);

    return fd >= 0;
}

static void entry_path(struct fixture *f, const struct sl_cache_key *key,
                       char path[160])
{
    snprintf(path, 160, "%s/%s.code", f->folder, key->text);
}

static void test_what_is_stored_is_found(void **state)
{
    struct fixture *f = *state;
    const struct sl_bytes code = SL_LITERAL("machine\0code");
    struct sl_cache_key key = store(f, "wasm", code);
    SL_CLEANUP(sl_closep) int fd = sl_cache_find(f->cache, &key);
    uint8_t content[100];

    ssize_t got = pread(fd, content, sizeof(content), 0);
    assert_int_equal(got, code.len + 32); /* the checksum */
    assert_memory_equal(content, code.ptr, code.len);
}

static void test_keys_differ(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("code"));
    struct sl_cache_key other_wasm =
        sl_cache_key_of(SL_LITERAL("wasn"), compiler);
    struct sl_cache_key other_compiler =
        sl_cache_key_of(SL_LITERAL("wasm"), SL_LITERAL("compiler 2"));
    /* The border between the two parts counts as well. */
    struct sl_cache_key shifted =
        sl_cache_key_of(SL_LITERAL("wasmc"), SL_LITERAL("ompiler 1"));

    assert_true(has(f, &key));
    assert_false(has(f, &other_wasm));
    assert_false(has(f, &other_compiler));
    assert_false(has(f, &shifted));
}

static void test_damage_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("some machine code"));
    char path[160];

    entry_path(f, &key, path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "X", 1, 5), 1);
    close(fd);
    assert_false(has(f, &key));
    assert_int_equal(access(path, F_OK), -1); /* it is gone */

    store(f, "wasm", SL_LITERAL("some machine code"));
    assert_true(has(f, &key));
    assert_int_equal(truncate(path, 10), 0);
    assert_false(has(f, &key));
    store(f, "wasm", SL_LITERAL("some machine code"));
    assert_int_equal(truncate(path, 0), 0);
    assert_false(has(f, &key));
}

static void test_what_others_could_write_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("code"));
    struct sl_cache *second = NULL;
    char path[160];

    entry_path(f, &key, path);
    assert_int_equal(chmod(path, 0666), 0);
    assert_false(has(f, &key));
    store(f, "wasm", SL_LITERAL("code"));
    assert_int_equal(chmod(path, 0620), 0);
    assert_false(has(f, &key));
    store(f, "wasm", SL_LITERAL("code"));
    if (geteuid() == 0) { /* only root gives files away */
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_false(has(f, &key));
        store(f, "wasm", SL_LITERAL("code"));
    }
    assert_true(has(f, &key));

    assert_int_equal(chmod(f->folder, 0777), 0);
    assert_int_equal(
        sl_cache_open(f->folder, SL_CACHE_BYTES_MAX, &second, &f->err),
        SL_PERMISSION_DENIED);
    assert_null(second);
    assert_non_null(strstr(f->err.message, f->folder));
}

static void test_links_are_not_followed(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("code"));
    char path[160];
    char elsewhere[200];

    entry_path(f, &key, path);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", f->folder);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_false(has(f, &key));

    /* Nor a file that has another name as well, where others may have it. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(elsewhere, path), 0);
    assert_false(has(f, &key));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(has(f, &key)); /* and does not wait for a writer */
}

/* What has the name by now is not what was found. */
static void test_what_was_found_stays(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("first"));
    SL_CLEANUP(sl_closep) int fd = sl_cache_find(f->cache, &key);
    char content[5];

    store(f, "wasm", SL_LITERAL("other"));
    assert_int_equal(pread(fd, content, sizeof(content), 0), 5);
    assert_memory_equal(content, "first", 5);
}

enum { SWAPS = 3000 };

/*
 * In a process of its own, as another user where this one is root: point the
 * link to the victim's folder and to its own in turns, until it is killed.
 */
static pid_t swap_links(const char *parent)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (chdir(parent) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        _exit(1);
    for (unsigned i = 0;; i++) {
        unlink("next");
        if (symlink(i % 2 == 0 ? "../mine" : "evil", "next") != 0)
            _exit(1);
        if (rename("next", "link") != 0)
            _exit(1);
    }
}

/* A folder with an entry under the key that says whose it is. */
static struct sl_cache_key fill(struct fixture *f, const char *name,
                                const char *code)
{
    struct sl_cache *old = f->cache;
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", f->folder, name);

    assert_int_equal(sl_cache_open(path, 1000, &f->cache, &f->err), SL_OK);
    struct sl_cache_key key = store(f, "wasm", sl_bytes_of(code));
    sl_cache_free(f->cache);
    f->cache = old;
    return key;
}

/* Whether the entry that is found by way of path is the attacker's. */
static bool is_foreign(struct fixture *f, const char *path,
                       const struct sl_cache_key *key)
{
    SL_CLEANUP(sl_cache_freep) struct sl_cache *cache = NULL;
    char content[4] = "";

    if (sl_cache_open(path, 1000, &cache, &f->err) != SL_OK)
        return false;
    SL_CLEANUP(sl_closep) int fd = sl_cache_find(cache, key);
    return fd >= 0 && pread(fd, content, sizeof(content), 0) == 4 &&
           memcmp(content, "evil", 4) == 0;
}

static void test_swapped_links_give_no_foreign_code(void **state)
{
    struct fixture *f = *state;
    SL_CLEANUP(sl_freep) char *theirs = sl_asprintf("%s/theirs", f->folder);
    SL_CLEANUP(sl_freep) char *evil = sl_asprintf("%s/evil", theirs);
    SL_CLEANUP(sl_freep) char *link = sl_asprintf("%s/link", theirs);
    unsigned foreign = 0;

    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(mkdir(theirs, 0755), 0);
    struct sl_cache_key key = fill(f, "mine", "mine");
    fill(f, "theirs/evil", "evil");
    assert_int_equal(chmod(theirs, 0777), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(theirs, 65534, 65534), 0);
        assert_int_equal(chown(evil, 65534, 65534), 0);
    }

    /* From the start: what is missing would be made, and be no link. */
    assert_int_equal(symlink("../mine", link), 0);
    if (geteuid() == 0)
        assert_int_equal(lchown(link, 65534, 65534), 0);
    pid_t attacker = swap_links(theirs);
    for (unsigned i = 0; i < SWAPS; i++)
        foreign += is_foreign(f, link, &key);
    assert_int_equal(waitpid(attacker, NULL, WNOHANG), 0); /* it still runs */
    kill(attacker, SIGKILL);
    assert_int_equal(waitpid(attacker, NULL, 0), attacker);
    assert_int_equal(foreign, 0);
}

/* Make an entry look as if it had been used so many seconds ago. */
static void age(struct fixture *f, const struct sl_cache_key *key,
                time_t seconds)
{
    char path[160];
    struct timespec now;

    entry_path(f, key, path);
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= seconds;
    const struct timespec times[2] = {now, now};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_what_is_unused_for_longest_goes_first(void **state)
{
    struct fixture *f = *state;
    uint8_t code[1000] = {0};
    const struct sl_bytes bytes = SL_BYTES(code, sizeof(code));

    sl_cache_free(f->cache);
    open_cache(f, 3500); /* room for three */
    struct sl_cache_key first = store(f, "1", bytes);
    struct sl_cache_key second = store(f, "2", bytes);
    struct sl_cache_key third = store(f, "3", bytes);
    age(f, &first, 300);
    age(f, &second, 200);
    age(f, &third, 100);
    assert_true(has(f, &first)); /* used: now the second is the oldest */

    struct sl_cache_key fourth = store(f, "4", bytes);
    assert_false(has(f, &second));
    assert_true(has(f, &first));
    assert_true(has(f, &third));
    assert_true(has(f, &fourth));
}

static void test_one_too_large_stays_alone(void **state)
{
    struct fixture *f = *state;
    uint8_t code[1000] = {0};

    sl_cache_free(f->cache);
    open_cache(f, 500);
    struct sl_cache_key small = store(f, "1", SL_BYTES(code, 100));
    struct sl_cache_key large = store(f, "2", SL_BYTES(code, sizeof(code)));
    assert_false(has(f, &small));
    assert_true(has(f, &large));
}

static void test_halves_are_cleaned_up(void **state)
{
    struct fixture *f = *state;
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char fresh[160];
    char stale[160];

    snprintf(fresh, sizeof(fresh), "%s/a.1.half", f->folder);
    snprintf(stale, sizeof(stale), "%s/b.2.half", f->folder);
    close(open(fresh, O_CREAT | O_WRONLY, 0600));
    close(open(stale, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(utimensat(AT_FDCWD, stale, old, 0), 0);
    store(f, "wasm", SL_LITERAL("code"));
    assert_int_equal(access(fresh, F_OK), 0);
    assert_int_equal(access(stale, F_OK), -1);
}

static void test_drop(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = store(f, "wasm", SL_LITERAL("code"));

    sl_cache_drop(f->cache, &key);
    assert_false(has(f, &key));
    sl_cache_drop(f->cache, &key); /* again: still fine */
}

static void test_no_room_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct sl_cache_key key = sl_cache_key_of(SL_LITERAL("w"), compiler);
    char command[128];
    int fd = -1;

    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(
        sl_cache_store(f->cache, &key, SL_LITERAL("code"), &fd, &f->err),
        SL_UNAVAILABLE);
    assert_int_equal(fd, -1);
    assert_false(has(f, &key));
}

static void folder_is(const char *expected)
{
    SL_CLEANUP(sl_freep) char *folder = sl_cache_folder();

    if (expected == NULL)
        assert_null(folder);
    else
        assert_string_equal(folder, expected);
}

static void test_folder_of_the_environment(void **state)
{
    (void)state;
    setenv("HOME", "/home/a", 1);
    unsetenv("SLIGHT_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    folder_is("/home/a/.cache/slight/code");
    setenv("XDG_CACHE_HOME", "/cache", 1);
    folder_is("/cache/slight/code");
    setenv("XDG_CACHE_HOME", "relative", 1); /* the standard says: ignore */
    folder_is("/home/a/.cache/slight/code");
    setenv("SLIGHT_CACHE_DIR", "/mine", 1);
    folder_is("/mine");
    setenv("SLIGHT_CACHE_DIR", "off", 1);
    folder_is(NULL);
    unsetenv("SLIGHT_CACHE_DIR");
    unsetenv("HOME");
    folder_is(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_stored_is_found),
        CASE(test_keys_differ),
        CASE(test_damage_is_noticed),
        CASE(test_what_others_could_write_is_refused),
        CASE(test_links_are_not_followed),
        CASE(test_what_was_found_stays),
        CASE(test_swapped_links_give_no_foreign_code),
        CASE(test_what_is_unused_for_longest_goes_first),
        CASE(test_one_too_large_stays_alone),
        CASE(test_halves_are_cleaned_up),
        CASE(test_drop),
        CASE(test_no_room_is_an_error),
        cmocka_unit_test(test_folder_of_the_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The file of kv.sqlite: how it is made, and what is none of ours. */
#include "kv/sqlite/shared_test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

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
    expect_untouched(f->path, SL_INTERNAL, "not a database");
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

int main(void)
{
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: what is read, what is replaced, and what is said instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

struct fixture {
    char folder[64];
    char path[80];
    struct sl_error err;
};

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-file-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/file", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, struct sl_bytes content)
{
    assert_int_equal(sl_file_write(f->path, content, &f->err), SL_OK);
}

static void holds(struct fixture *f, struct sl_bytes expected)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf content = SL_BUF(1 << 20);

    assert_int_equal(sl_file_read(f->path, &content, &f->err), SL_OK);
    assert_true(sl_bytes_equal(sl_buf_bytes(&content), expected));
}

static void test_what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[300 * 1000];

    memset(large, 7, sizeof(large));
    write_file(f, SL_LITERAL("a\0b"));
    holds(f, SL_LITERAL("a\0b"));
    write_file(f, SL_BYTES(large, sizeof(large)));
    holds(f, SL_BYTES(large, sizeof(large)));
    write_file(f, SL_LITERAL(""));
    holds(f, SL_LITERAL(""));
}

static void test_reading_appends(void **state)
{
    struct fixture *f = *state;
    SL_CLEANUP(sl_buf_done) struct sl_buf content = SL_BUF(100);

    write_file(f, SL_LITERAL("b"));
    assert_int_equal(sl_buf_append(&content, SL_LITERAL("a"), NULL), SL_OK);
    assert_int_equal(sl_file_read(f->path, &content, &f->err), SL_OK);
    assert_true(sl_bytes_equal(sl_buf_bytes(&content), SL_LITERAL("ab")));
}

static void test_the_limit_is_exact(void **state)
{
    struct fixture *f = *state;
    SL_CLEANUP(sl_buf_done) struct sl_buf enough = SL_BUF(5);
    SL_CLEANUP(sl_buf_done) struct sl_buf short_of = SL_BUF(4);

    write_file(f, SL_LITERAL("12345"));
    assert_int_equal(sl_file_read(f->path, &enough, &f->err), SL_OK);
    assert_int_equal(enough.len, 5);
    assert_int_equal(sl_file_read(f->path, &short_of, &f->err), SL_TOO_LARGE);

    /* The size of a device is not known before. */
    sl_buf_clear(&short_of);
    assert_int_equal(sl_file_read("/dev/zero", &short_of, &f->err),
                     SL_TOO_LARGE);
}

static void test_what_is_copied(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[300 * 1000];
    SL_CLEANUP(sl_closep) int to = memfd_create("copy", MFD_CLOEXEC);
    struct stat info;

    write_file(f, SL_BYTES(large, sizeof(large)));
    assert_int_equal(sl_file_copy(f->path, to, sizeof(large), &f->err), SL_OK);
    assert_int_equal(fstat(to, &info), 0);
    assert_int_equal(info.st_size, sizeof(large));
    assert_int_equal(sl_file_copy(f->path, to, sizeof(large) - 1, &f->err),
                     SL_TOO_LARGE);
    assert_int_equal(sl_file_copy("/dev/zero", to, 100 * 1000, &f->err),
                     SL_TOO_LARGE);
    assert_int_equal(sl_file_copy(f->folder, to, 100, &f->err),
                     SL_INVALID_ARGUMENT);
    assert_int_equal(sl_file_copy("/nowhere", to, 100, &f->err), SL_NOT_FOUND);
}

static void test_what_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    SL_CLEANUP(sl_buf_done) struct sl_buf content = SL_BUF(100);
    char message[160];

    assert_int_equal(sl_file_read(f->path, &content, &f->err), SL_NOT_FOUND);
    snprintf(message, sizeof(message), "%s: no such file or folder", f->path);
    assert_string_equal(f->err.message, message);
    assert_int_equal(sl_file_read(f->folder, &content, &f->err),
                     SL_INVALID_ARGUMENT);
    assert_int_equal(content.len, 0);
}

static void test_writing_leaves_nothing_beside(void **state)
{
    struct fixture *f = *state;

    write_file(f, SL_LITERAL("a"));
    write_file(f, SL_LITERAL("b"));
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rmdir(f->folder), 0); /* it was the only file */
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

static void test_what_cannot_be_written(void **state)
{
    struct fixture *f = *state;
    char below[100];

    assert_int_equal(sl_file_write("/no/such/file", SL_LITERAL("a"), &f->err),
                     SL_NOT_FOUND);
    assert_int_equal(sl_file_write("/dev/full", SL_LITERAL("a"), &f->err),
                     SL_UNAVAILABLE);
    write_file(f, SL_LITERAL("a"));
    snprintf(below, sizeof(below), "%s/x", f->path);
    assert_int_equal(sl_file_write(below, SL_LITERAL("a"), &f->err),
                     SL_NOT_FOUND);
}

static void test_links_and_devices_stay(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    char link[100];

    write_file(f, SL_LITERAL("old content"));
    snprintf(link, sizeof(link), "%s/link", f->folder);
    assert_int_equal(symlink(f->path, link), 0);
    assert_int_equal(sl_file_write(link, SL_LITERAL("new"), &f->err), SL_OK);
    holds(f, SL_LITERAL("new"));
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(sl_file_write("/dev/null", SL_LITERAL("a"), &f->err),
                     SL_OK);
    assert_int_equal(lstat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void test_folders(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    char deep[100];

    snprintf(deep, sizeof(deep), "%s/a/b/c", f->folder);
    assert_int_equal(sl_make_folders(deep, 0700, &f->err), SL_OK);
    assert_int_equal(stat(deep, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(sl_make_folders(deep, 0700, &f->err), SL_OK);

    write_file(f, SL_LITERAL("a"));
    assert_int_equal(sl_make_folders(f->path, 0700, &f->err),
                     SL_INVALID_ARGUMENT);
    snprintf(deep, sizeof(deep), "%s/a", f->path);
    assert_int_equal(sl_make_folders(deep, 0700, &f->err), SL_NOT_FOUND);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_written_is_read),
        CASE(test_reading_appends),
        CASE(test_the_limit_is_exact),
        CASE(test_what_is_copied),
        CASE(test_what_cannot_be_read),
        CASE(test_writing_leaves_nothing_beside),
        CASE(test_what_cannot_be_written),
        CASE(test_links_and_devices_stay),
        CASE(test_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

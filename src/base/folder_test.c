/* SPDX-License-Identifier: Apache-2.0 */
/* A private folder: what stands on the way to it, and who may change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"

struct fixture {
    char folder[64];
    char path[256]; /* the last one of at() */
    struct sl_error err;
};

static int set_up(void **state)
{
    struct fixture *f = sl_alloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/slight-folder-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
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

static const char *at(struct fixture *f, const char *name)
{
    snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
    return f->path;
}

static void make(struct fixture *f, const char *name, mode_t mode)
{
    assert_int_equal(mkdir(at(f, name), 0700), 0);
    assert_int_equal(chmod(f->path, mode), 0);
}

/* Another user's, where this one may give things away; false where not. */
static bool give_away(const char *path)
{
    return geteuid() == 0 && lchown(path, 65534, 65534) == 0;
}

static enum sl_status open_at(struct fixture *f, const char *name)
{
    SL_CLEANUP(sl_closep) int fd = -1;
    enum sl_status status = sl_open_private_folder(at(f, name), &fd, &f->err);

    assert_int_equal(fd >= 0, status == SL_OK);
    return status;
}

static void refused_at(struct fixture *f, const char *name, const char *word)
{
    assert_int_equal(open_at(f, name), SL_PERMISSION_DENIED);
    assert_non_null(strstr(f->err.message, f->path));
    assert_non_null(strstr(f->err.message, word));
}

static void test_it_is_made(void **state)
{
    struct fixture *f = *state;
    struct stat info;

    assert_int_equal(open_at(f, "a//./b/c/"), SL_OK);
    assert_int_equal(stat(at(f, "a/b/c"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(open_at(f, "a/b/../b/c"), SL_OK);
}

static void test_a_relative_path(void **state)
{
    struct fixture *f = *state;
    SL_CLEANUP(sl_closep) int here = open(".", O_RDONLY | O_CLOEXEC);
    SL_CLEANUP(sl_closep) int fd = -1;

    assert_int_equal(chdir(f->folder), 0);
    assert_int_equal(sl_open_private_folder("a/b", &fd, &f->err), SL_OK);
    assert_int_equal(access(at(f, "a/b"), F_OK), 0);
    assert_int_equal(fchdir(here), 0);
}

static void test_what_others_may_write(void **state)
{
    struct fixture *f = *state;

    make(f, "world", 0777);
    make(f, "group", 0770);
    make(f, "both", 0700);
    refused_at(f, "world", "closed to others");
    refused_at(f, "group/mine", "\"group\"");
    refused_at(f, "world/mine", "mode 0777");
    refused_at(f, "world/a/b", "mode 0777");
    assert_int_equal(access(at(f, "world/a"), F_OK), -1); /* not even made */
    refused_at(f, "both/../world/mine", "mode 0777");
    assert_int_equal(open_at(f, "both/mine"), SL_OK);
}

static void test_sticky_is_fine_on_the_way_only(void **state)
{
    struct fixture *f = *state;

    make(f, "sticky", 01777);
    assert_int_equal(open_at(f, "sticky/mine"), SL_OK);
    refused_at(f, "sticky", "this user's alone");
    if (give_away(at(f, "sticky/mine")))
        refused_at(f, "sticky/mine/code", "owner 65534");
}

static void test_another_users_folder(void **state)
{
    struct fixture *f = *state;

    make(f, "theirs", 0755);
    make(f, "theirs/code", 0700);
    if (!give_away(at(f, "theirs"))) {
        /* What nobody can give away is somebody else's from the start. */
        assert_int_equal(open_at(f, "theirs/code"), SL_OK);
        return;
    }
    refused_at(f, "theirs", "owner 65534");
    refused_at(f, "theirs/code", "\"theirs\"");
    refused_at(f, "theirs/more", "\"theirs\"");
}

static void test_links(void **state)
{
    struct fixture *f = *state;

    make(f, "real", 0700);
    make(f, "open", 0777);
    make(f, "open/real", 0700);
    assert_int_equal(symlink("real", at(f, "near")), 0);
    assert_int_equal(symlink(f->folder, at(f, "far")), 0);
    assert_int_equal(symlink("open/real", at(f, "bad")), 0);
    assert_int_equal(symlink("ring", at(f, "ring")), 0);
    assert_int_equal(open_at(f, "near/code"), SL_OK);
    assert_int_equal(access(at(f, "real/code"), F_OK), 0);
    assert_int_equal(open_at(f, "far/real/code"), SL_OK);
    refused_at(f, "bad/code", "\"open\""); /* what it leads through counts */
    assert_int_equal(open_at(f, "ring/code"), SL_UNAVAILABLE);
    if (give_away(at(f, "near")))
        refused_at(f, "near/code", "owner 65534");
}

static void test_what_is_no_folder(void **state)
{
    struct fixture *f = *state;

    close(open(at(f, "file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(open_at(f, "file"), SL_INVALID_ARGUMENT);
    assert_int_equal(open_at(f, "file/code"), SL_INVALID_ARGUMENT);
    assert_int_equal(sl_open_private_folder("/proc/x/y", &(int){-1}, &f->err),
                     SL_NOT_FOUND);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_it_is_made),
        CASE(test_a_relative_path),
        CASE(test_what_others_may_write),
        CASE(test_sticky_is_fine_on_the_way_only),
        CASE(test_another_users_folder),
        CASE(test_links),
        CASE(test_what_is_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

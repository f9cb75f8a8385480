/* SPDX-License-Identifier: Apache-2.0 */
/* The list of rules, and the rights of each version of Landlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"

/* The access of a path in the list; 0: it is not there. */
static unsigned access_of(const struct sl_sandbox *sandbox, const char *path)
{
    for (size_t i = 0; i < sandbox->path_count; i++)
        if (strcmp(sandbox->paths[i].path, path) == 0)
            return sandbox->paths[i].access;
    return 0;
}

/* The numbers of the kernel: include/uapi/linux/landlock.h. */
static void test_rights_by_abi(void **state)
{
    static const struct sl_landlock_rights expected[] = {
        {0, 0, 0},        {0x1fff, 0, 0},   {0x3fff, 0, 0},     {0x7fff, 0, 0},
        {0x7fff, 0x3, 0}, {0xffff, 0x3, 0}, {0xffff, 0x3, 0x3},
    };

    (void)state;
    for (int abi = 1; abi <= SL_LANDLOCK_ABI_MAX; abi++) {
        struct sl_landlock_rights rights = sl_landlock_rights(abi);
        assert_int_equal(rights.fs, expected[abi].fs);
        assert_int_equal(rights.net, expected[abi].net);
        assert_int_equal(rights.scoped, expected[abi].scoped);
    }
}

static void test_access_of_a_rule(void **state)
{
    const uint64_t oldest = sl_landlock_rights(1).fs;
    const uint64_t newest = sl_landlock_rights(SL_LANDLOCK_ABI_MAX).fs;

    (void)state;
    /* read a file; and list a folder */
    assert_int_equal(sl_landlock_access(SL_SANDBOX_READ, false, newest), 0x4);
    assert_int_equal(sl_landlock_access(SL_SANDBOX_READ, true, newest), 0xc);
    /* write, truncate */
    assert_int_equal(sl_landlock_access(SL_SANDBOX_WRITE, false, newest),
                     0x4006);
    /* no devices, sockets and pipes are made, no devices controlled */
    assert_int_equal(sl_landlock_access(SL_SANDBOX_WRITE, true, newest),
                     0x71be);
    /* to remove folders, which succeeds with empty ones, and nothing else */
    assert_int_equal(sl_landlock_access(SL_SANDBOX_EMPTY, true, newest), 0x10);
    /* what the kernel does not know is not asked for */
    assert_int_equal(sl_landlock_access(SL_SANDBOX_WRITE, true, oldest),
                     0x11be);
    assert_int_equal(
        sl_landlock_access(SL_SANDBOX_READ | SL_SANDBOX_EXECUTE, false, newest),
        0x5);
}

static void test_paths_are_merged(void **state)
{
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = sl_sandbox_new();

    (void)state;
    sl_sandbox_allow(sandbox, "/a", SL_SANDBOX_READ);
    sl_sandbox_allow(sandbox, "/b", SL_SANDBOX_READ);
    sl_sandbox_allow(sandbox, "/a", SL_SANDBOX_WRITE);
    assert_int_equal(sandbox->path_count, 2);
    assert_int_equal(access_of(sandbox, "/a"),
                     SL_SANDBOX_READ | SL_SANDBOX_WRITE);
}

/* As in Kubernetes: ca.crt -> ..data/ca.crt, ..data -> ..1. */
static void test_the_folder_of_a_link(void **state)
{
    char folder[] = "/tmp/slight-rules-XXXXXX";
    char target[64], file[80], link[64], outside[64];
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = sl_sandbox_new();

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(target, sizeof(target), "%s/..1", folder);
    snprintf(file, sizeof(file), "%s/ca.crt", target);
    snprintf(link, sizeof(link), "%s/ca.crt", folder);
    snprintf(outside, sizeof(outside), "%s/hosts", folder);
    assert_int_equal(mkdir(target, 0700), 0);
    fclose(fopen(file, "w"));
    assert_int_equal(symlink("..1/ca.crt", link), 0);
    assert_int_equal(symlink("/etc/hosts", outside), 0);

    sl_sandbox_allow(sandbox, file, SL_SANDBOX_READ | SL_SANDBOX_REPLACED);
    assert_int_equal(sandbox->path_count, 1);
    sl_sandbox_allow(sandbox, link, SL_SANDBOX_READ);
    assert_int_equal(access_of(sandbox, folder), 0);
    sl_sandbox_allow(sandbox, link, SL_SANDBOX_READ | SL_SANDBOX_REPLACED);
    assert_int_equal(access_of(sandbox, folder), SL_SANDBOX_READ);
    sl_sandbox_allow(sandbox, outside, SL_SANDBOX_READ | SL_SANDBOX_REPLACED);
    assert_int_equal(access_of(sandbox, "/etc"), 0);

    unlink(outside);
    unlink(link);
    unlink(file);
    rmdir(target);
    rmdir(folder);
}

/* No allowed folder contains secrets. */
static void test_system_is_narrow(void **state)
{
    static const char *const never[] = {
        "/etc/shadow",  "/etc/ssl/private/x", "/root/x",    "/home/x",
        "/tmp/x",       "/proc/1/environ",    "/var/lib/x", "/bin/sh",
        "/usr/bin/env", "/dev/sda",
    };
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = sl_sandbox_new();

    (void)state;
    sl_sandbox_allow_system(sandbox);
    for (size_t i = 0; i < sandbox->path_count; i++) {
        const char *path = sandbox->paths[i].path;
        size_t len = strlen(path);
        for (size_t j = 0; j < sizeof(never) / sizeof(never[0]); j++)
            if (strncmp(never[j], path, len) == 0 &&
                (never[j][len] == '/' || never[j][len] == '\0'))
                fail_msg("%s allows %s", path, never[j]);
        if ((sandbox->paths[i].access & SL_SANDBOX_WRITE) != 0)
            assert_string_equal(path, "/dev/null");
    }
    assert_int_equal(access_of(sandbox, "/etc/resolv.conf"), SL_SANDBOX_READ);
}

static void test_text(void **state)
{
    const struct sl_sandbox_support all = {.landlock_abi = 4,
                                           .has_seccomp = true};
    const struct sl_sandbox_support none = {.landlock_none = "no"};
    SL_CLEANUP(sl_freep) char *with = sl_sandbox_text(&all);
    SL_CLEANUP(sl_freep) char *without = sl_sandbox_text(&none);

    (void)state;
    assert_string_equal(with, "landlock (ABI 4), seccomp");
    assert_string_equal(without, "landlock: none (no), seccomp: none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_by_abi),
        cmocka_unit_test(test_access_of_a_rule),
        cmocka_unit_test(test_paths_are_merged),
        cmocka_unit_test(test_the_folder_of_a_link),
        cmocka_unit_test(test_system_is_narrow),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

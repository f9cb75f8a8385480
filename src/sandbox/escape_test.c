/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that confine themselves and then try to escape: on the thread that
 * did it, on one that was started before the filter, and on a later one.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sandbox/attempts_test.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"

static struct sl_sandbox *make_sandbox(void)
{
    struct sl_sandbox *sandbox = sl_sandbox_new();

    sl_sandbox_allow_system(sandbox);
    sl_sandbox_allow(sandbox, granted, SL_SANDBOX_READ | SL_SANDBOX_WRITE);
    sl_sandbox_allow(sandbox, readable, SL_SANDBOX_READ);
    sl_sandbox_allow_connect(sandbox, ALLOWED_PORT);
    return sandbox;
}

/* Run child in a process of its own; it returns how much was wrong. */
static void run_in_process(int (*child)(const void *context),
                           const void *context)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child(context));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int run_attempts(const char *where, const struct attempt list[],
                        size_t count, int abi)
{
    int wrong = 0;

    for (size_t i = 0; i < count; i++) {
        if (list[i].abi > abi)
            continue;
        int code = list[i].run();
        if (code == list[i].expected)
            continue;
        fprintf(stderr, "%s: %s: %s, not %s\n", where, list[i].name,
                strerror(code), strerror(list[i].expected));
        wrong++;
    }
    return wrong;
}

static int run_all(const char *where)
{
    int abi = sl_landlock_abi();

    return run_attempts(where, attempts, attempt_count, abi) +
           run_attempts(where, uses, use_count, abi);
}

struct earlier {
    pthread_barrier_t filtered;
    int wrong;
};

static void *run_earlier(void *context)
{
    struct earlier *earlier = context;

    pthread_barrier_wait(&earlier->filtered);
    earlier->wrong = run_all("an earlier thread");
    return NULL;
}

static void *run_later(void *context)
{
    *(int *)context = run_all("a later thread");
    return NULL;
}

/* As slight does it: files, threads, system calls. */
static int try_to_escape(const void *context)
{
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = make_sandbox();
    struct earlier earlier = {0};
    pthread_t before, after;
    struct sl_error err;
    int later = 0;

    (void)context;
    if (sl_sandbox_confine(sandbox, &err) != SL_OK)
        return 1;
    pthread_barrier_init(&earlier.filtered, NULL, 2);
    pthread_create(&before, NULL, run_earlier, &earlier);
    if (sl_sandbox_filter(sandbox, &err) != SL_OK)
        return 1;
    pthread_barrier_wait(&earlier.filtered);
    pthread_join(before, NULL);
    if (pthread_create(&after, NULL, run_later, &later) != 0)
        return 1;
    pthread_join(after, NULL);
    return run_all("the thread itself") + earlier.wrong + later;
}

static void test_nobody_escapes(void **state)
{
    (void)state;
    run_in_process(try_to_escape, NULL);
}

/* A kernel of any age. */
static int escape_at(const void *context)
{
    const int *abi = context;
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = make_sandbox();
    struct sl_error err;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        sl_landlock_restrict(sandbox, *abi, &err) != SL_OK)
        return 1;
    int wrong = 0;
    for (size_t i = 0; i < attempt_count; i++)
        if (attempts[i].abi > 0)
            wrong += run_attempts("by ABI", &attempts[i], 1, *abi);
    return wrong + run_attempts("by ABI", uses, use_count, *abi);
}

/* Nobody is connected to: no name is asked for. */
static int confine_alone(const void *context)
{
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = sl_sandbox_new();
    struct sl_error err;

    (void)context;
    if (sl_sandbox_filter(sandbox, &err) != SL_OK)
        return 1;
    return try_socket(AF_INET, SOCK_DGRAM, 0) == EPERM &&
                   try_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) == EPERM &&
                   try_socket(AF_INET, SOCK_STREAM, 0) == 0
               ? 0
               : 1;
}

static void test_no_names_without_a_network(void **state)
{
    (void)state;
    run_in_process(confine_alone, NULL);
}

static void test_every_abi(void **state)
{
    int newest = sl_landlock_abi();

    (void)state;
    if (newest > SL_LANDLOCK_ABI_MAX)
        newest = SL_LANDLOCK_ABI_MAX;
    for (int abi = 1; abi <= newest; abi++)
        run_in_process(escape_at, &abi);
}

static void *wait_for_ever(void *context)
{
    pause();
    return context;
}

static int confine_late(const void *context)
{
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = make_sandbox();
    pthread_t thread;
    struct sl_error err;

    (void)context;
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return 1;
    return sl_sandbox_confine(sandbox, &err) == SL_INTERNAL ? 0 : 1;
}

static void test_threads_that_would_stay_free(void **state)
{
    (void)state;
    run_in_process(confine_late, NULL);
}

/* As a kernel that has no Landlock, or has it switched off, answers. */
static int confine_without(const void *context)
{
    const int *code = context;
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = make_sandbox();
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct sl_error err;

    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)*code), 444, 0) !=
            0 ||
        seccomp_load(filter) != 0)
        return 1;
    seccomp_release(filter);
    struct sl_sandbox_support support = sl_sandbox_support();
    if (support.landlock_abi != 0 || support.landlock_none == NULL ||
        sl_sandbox_confine(sandbox, &err) != SL_OK ||
        sl_sandbox_filter(sandbox, &err) != SL_OK)
        return 1;
    return try_outside() == 0 && try_execve() == EPERM ? 0 : 1;
}

static void test_kernel_without_landlock(void **state)
{
    static const int codes[] = {ENOSYS, EOPNOTSUPP};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        run_in_process(confine_without, &codes[i]);
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state)
{
    char file[80];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(granted, sizeof(granted), "%s/granted", folder);
    snprintf(readable, sizeof(readable), "%s/readable", folder);
    snprintf(outside, sizeof(outside), "%s/outside", folder);
    snprintf(file, sizeof(file), "%s/file", readable);
    mkdir(granted, 0700);
    mkdir(readable, 0700);
    make_file(outside);
    make_file(file);
    return 0;
}

static int tear_down(void **state)
{
    char file[80];

    (void)state;
    snprintf(file, sizeof(file), "%s/file", readable);
    unlink(file);
    unlink(outside);
    rmdir(readable);
    rmdir(granted);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_escapes),
        cmocka_unit_test(test_no_names_without_a_network),
        cmocka_unit_test(test_every_abi),
        cmocka_unit_test(test_threads_that_would_stay_free),
        cmocka_unit_test(test_kernel_without_landlock),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine code inside of slight, as whoever broke out of a guest would have it:
 * a library for LD_PRELOAD.  At SIGWINCH every thread of the process tries to
 * get out, and writes what came of it to the file SL_TEST_ESCAPED, which was
 * opened before: "execve EPERM", a line for each.  What would succeed does no
 * harm.
 *
 * It runs in a handler: system calls, and snprintf of plain text.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PTRACE_ATTACH_REQUEST = 16 };

static int results = -1;
static const char *secret; /* a file that no manifest names */

static void tell(const char *name, long outcome)
{
    char line[96];
    const char *code = outcome >= 0 ? "done" : strerrorname_np(errno);
    int len = snprintf(line, sizeof(line), "%s %s\n", name, code);

    if (write(results, line, (size_t)len) != len)
        abort();
}

static void escape(int number)
{
    char *const none[] = {NULL};
    int saved = errno;

    (void)number;
    tell("execve", syscall(SYS_execve, "/nonexistent", none, none));
    tell("execveat", syscall(SYS_execveat, -1, "/nonexistent", none, none, 0));
    tell("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH_REQUEST, -1, 0, 0));
    tell("mount", syscall(SYS_mount, "", "/nonexistent", "", 0, NULL));
    tell("bpf", syscall(SYS_bpf, -1, NULL, 0));
    tell("unshare", syscall(SYS_unshare, CLONE_NEWNS));
    tell("clone", syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, NULL, NULL,
                          NULL, 0UL));
    tell("secret", syscall(SYS_openat, AT_FDCWD, secret, O_RDONLY | O_CLOEXEC));
    tell("shadow",
         syscall(SYS_openat, AT_FDCWD, "/etc/shadow", O_RDONLY | O_CLOEXEC));
    tell("thread", 0);
    errno = saved;
}

static void for_each_thread(int number)
{
    char entries[4096];
    int tasks = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/task",
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long len;

    (void)number;
    while ((len = syscall(SYS_getdents64, tasks, entries, sizeof(entries))) > 0)
        for (long at = 0; at < len;) {
            unsigned short size;
            /* struct linux_dirent64: inode, offset, size, type, name */
            memcpy(&size, entries + at + 16, sizeof(size));
            int thread = atoi(entries + at + 19);
            if (thread > 0)
                syscall(SYS_tgkill, getpid(), thread, SIGRTMIN + 5);
            at += size;
        }
    close(tasks);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_flags = (int)SA_RESTART};
    const char *path = getenv("SL_TEST_ESCAPED");

    secret = getenv("SL_TEST_SECRET");
    if (path == NULL || secret == NULL)
        return;
    results = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    action.sa_handler = escape;
    sigaction(SIGRTMIN + 5, &action, NULL);
    action.sa_handler = for_each_thread;
    sigaction(SIGWINCH, &action, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that confine themselves, and then try to get out: on the thread
 * that did it, on one that was there before the filter, and on a later one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"

static char folder[] = "/tmp/slight-escape-XXXXXX";
static char granted[64], readable[64], outside[64];

/* --- What is tried ------------------------------------------------------ */

/* An attempt's errno; 0: it worked. */
typedef int attempt_fn(void);

static int outcome(long result)
{
    return result < 0 ? errno : 0;
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return outcome(fd);
}

static int in_folder(const char *of, const char *name, int flags)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", of, name);

    return opened(path, flags);
}

static int try_execve(void)
{
    char *const none[] = {NULL};

    return outcome(execve("/bin/true", none, none));
}

static int try_execveat(void)
{
    char *const none[] = {NULL};

    return outcome(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0));
}

#ifndef __SANITIZE_ADDRESS__
static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return outcome(pid);
}
#endif

/* Not with CLONE_THREAD alone: threads go on. */
static int try_clone_namespace(void)
{
    return outcome(syscall(SYS_clone, CLONE_NEWNET, NULL, NULL, NULL, 0UL));
}

static int try_clone3(void)
{
    return outcome(syscall(SYS_clone3, NULL, 0));
}

static int try_ptrace(void)
{
    return outcome(
        syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, getppid(), 0, 0));
}

static int try_mount(void)
{
    return outcome(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int try_open_tree_attr(void)
{
    return outcome(syscall(467, AT_FDCWD, "/", 0, NULL, 0));
}

static int try_bpf(void)
{
    return outcome(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_unshare(void)
{
    return outcome(unshare(CLONE_NEWNS));
}

static int try_process_vm_readv(void)
{
    return outcome(
        syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_keyctl(void)
{
    return outcome(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_io_uring(void)
{
    return outcome(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_setuid(void)
{
    return outcome(syscall(SYS_setuid, getuid()));
}

static int try_chroot(void)
{
    return outcome(chroot("/tmp"));
}

static int try_handle(void)
{
    return outcome(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}

static int try_personality(void)
{
    return outcome(syscall(SYS_personality, 0));
}

static int try_typing(void)
{
    char letter = 'x';

    return outcome(ioctl(STDIN_FILENO, TIOCSTI, &letter));
}

/* The kernel looks at the lower half only. */
static int try_typing_disguised(void)
{
    char letter = 'x';

    return outcome(
        syscall(SYS_ioctl, STDIN_FILENO, TIOCSTI | (1UL << 32), &letter));
}

static int try_socket_alg(void)
{
    return outcome(socket(AF_ALG, SOCK_SEQPACKET, 0));
}

static int try_socket_packet(void)
{
    return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int made_socket(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    if (fd >= 0)
        close(fd);
    return outcome(fd);
}

static int try_socket_unix(void)
{
    return made_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int try_socket_raw(void)
{
    return made_socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
}

static int try_socket_raw6(void)
{
    return made_socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
}

static int try_socket_ping(void)
{
    return made_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

static int try_socket_mptcp(void)
{
    return made_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

static int try_socket_sctp(void)
{
    return made_socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP);
}

static int try_socket_firewall(void)
{
    return made_socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */);
}

/* The kernel looks at the lower half only. */
static int try_socket_disguised(void)
{
    return outcome(syscall(SYS_socket, AF_UNIX | (1UL << 32), SOCK_STREAM, 0));
}

/* What names are asked for by. */
static int try_socket_udp(void)
{
    return made_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) |
           made_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int try_shadow(void)
{
    return opened("/etc/shadow", O_RDONLY);
}

static int try_outside(void)
{
    return opened(outside, O_RDONLY);
}

static int try_make_outside(void)
{
    return in_folder(folder, "made", O_WRONLY | O_CREAT);
}

static int try_write_readable(void)
{
    return in_folder(readable, "file", O_WRONLY);
}

/* What is written there is no program. */
static int try_list_root(void)
{
    return opened("/", O_RDONLY | O_DIRECTORY);
}

static int try_other_process(void)
{
    SL_CLEANUP(sl_freep)
    char *path = sl_asprintf("/proc/%d/environ", getppid());

    return opened(path, O_RDONLY);
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = outcome(connect(fd, (const struct sockaddr *)&to, sizeof(to)));

    close(fd);
    return result;
}

enum { ALLOWED_PORT = 1, OTHER_PORT = 2 }; /* where nobody listens */

static int try_connect(void)
{
    return connect_to(OTHER_PORT);
}

static int try_bind(void)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons(50123),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = outcome(bind(fd, (const struct sockaddr *)&at, sizeof(at)));

    close(fd);
    return result;
}

static int try_signal(void)
{
    return outcome(kill(getppid(), 0));
}

static const struct attempt {
    const char *name;
    attempt_fn *run;
    int expected;
    int abi; /* of Landlock, from which on it is stopped; 0: by seccomp */
} attempts[] = {
    {"execve", try_execve, EPERM, 0},
    {"execveat", try_execveat, EPERM, 0},
#ifndef __SANITIZE_ADDRESS__ /* LeakSanitizer needs it (seccomp.c) */
    {"fork", try_fork, EPERM, 0},
#endif
    {"clone, new network", try_clone_namespace, EPERM, 0},
    {"clone3", try_clone3, ENOSYS, 0},
    {"ptrace", try_ptrace, EPERM, 0},
    {"mount", try_mount, EPERM, 0},
    {"open_tree_attr", try_open_tree_attr, EPERM, 0},
    {"bpf", try_bpf, EPERM, 0},
    {"unshare", try_unshare, EPERM, 0},
    {"process_vm_readv", try_process_vm_readv, EPERM, 0},
    {"keyctl", try_keyctl, EPERM, 0},
    {"io_uring_setup", try_io_uring, EPERM, 0},
    {"setuid", try_setuid, EPERM, 0},
    {"chroot", try_chroot, EPERM, 0},
    {"open_by_handle_at", try_handle, EPERM, 0},
    {"personality", try_personality, EPERM, 0},
    {"TIOCSTI", try_typing, EPERM, 0},
    {"TIOCSTI, disguised", try_typing_disguised, EPERM, 0},
    {"AF_ALG", try_socket_alg, EPERM, 0},
    {"AF_PACKET", try_socket_packet, EPERM, 0},
    {"AF_UNIX", try_socket_unix, EPERM, 0},
    {"AF_UNIX, disguised", try_socket_disguised, EPERM, 0},
    {"raw TCP", try_socket_raw, EPERM, 0},
    {"raw IPv6", try_socket_raw6, EPERM, 0},
    {"ping", try_socket_ping, EPERM, 0},
    {"MPTCP", try_socket_mptcp, EPERM, 0},
    {"SCTP", try_socket_sctp, EPERM, 0},
    {"NETLINK_NETFILTER", try_socket_firewall, EPERM, 0},
    {"/etc/shadow", try_shadow, EACCES, 1},
    {"a file outside", try_outside, EACCES, 1},
    {"to make one", try_make_outside, EACCES, 1},
    {"to write what is to be read", try_write_readable, EACCES, 1},
    {"to list /", try_list_root, EACCES, 1},
    {"another process", try_other_process, EACCES, 1},
    {"a port", try_connect, EACCES, 4},
    {"to listen", try_bind, EACCES, 4},
    {"a signal", try_signal, EPERM, 6},
};

/* --- What must still work ----------------------------------------------- */

static int use_granted(void)
{
    SL_CLEANUP(sl_freep) char *from = sl_asprintf("%s/a", granted);
    SL_CLEANUP(sl_freep) char *to = sl_asprintf("%s/b", granted);
    int code = opened(from, O_RDWR | O_CREAT | O_TRUNC);

    if (code == 0)
        code = outcome(rename(from, to));
    return code == 0 ? outcome(unlink(to)) : code;
}

static int use_readable(void)
{
    return in_folder(readable, "file", O_RDONLY);
}

static int use_proc(void)
{
    return opened("/proc/self/stat", O_RDONLY);
}

static int use_null(void)
{
    return opened("/dev/null", O_WRONLY);
}

static int use_names(void)
{
    struct addrinfo *found = NULL;
    int code = getaddrinfo("localhost", NULL, NULL, &found);

    if (code == 0)
        freeaddrinfo(found);
    return code == 0 ? 0 : ENOENT;
}

static int use_port(void)
{
    return connect_to(ALLOWED_PORT) == ECONNREFUSED ? 0 : EACCES;
}

static const struct attempt uses[] = {
    {"make, rename, delete", use_granted, 0, 0},
    {"read", use_readable, 0, 0},
    {"/proc/self", use_proc, 0, 0},
    {"/dev/null", use_null, 0, 0},
    {"localhost", use_names, 0, 0},
    {"an allowed port", use_port, 0, 0},
    {"UDP, and routes", try_socket_udp, 0, 0},
};

/* --- Processes ---------------------------------------------------------- */

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
static void in_process(int (*child)(const void *context), const void *context)
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

    return run_attempts(where, attempts, sizeof(attempts) / sizeof(*attempts),
                        abi) +
           run_attempts(where, uses, sizeof(uses) / sizeof(*uses), abi);
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
static int escape(const void *context)
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
    in_process(escape, NULL);
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
    for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
        if (attempts[i].abi > 0)
            wrong += run_attempts("by ABI", &attempts[i], 1, *abi);
    return wrong +
           run_attempts("by ABI", uses, sizeof(uses) / sizeof(*uses), *abi);
}

/* Nobody is connected to: no name is asked for. */
static int confine_alone(const void *context)
{
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = sl_sandbox_new();
    struct sl_error err;

    (void)context;
    if (sl_sandbox_filter(sandbox, &err) != SL_OK)
        return 1;
    return made_socket(AF_INET, SOCK_DGRAM, 0) == EPERM &&
                   made_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) == EPERM &&
                   made_socket(AF_INET, SOCK_STREAM, 0) == 0
               ? 0
               : 1;
}

static void test_no_names_without_a_network(void **state)
{
    (void)state;
    in_process(confine_alone, NULL);
}

static void test_every_abi(void **state)
{
    int newest = sl_landlock_abi();

    (void)state;
    if (newest > SL_LANDLOCK_ABI_MAX)
        newest = SL_LANDLOCK_ABI_MAX;
    for (int abi = 1; abi <= newest; abi++)
        in_process(escape_at, &abi);
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
    in_process(confine_late, NULL);
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
        in_process(confine_without, &codes[i]);
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

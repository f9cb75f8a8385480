/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/attempts_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"

char folder[] = "/tmp/slight-escape-XXXXXX";
char granted[64], readable[64], outside[64];

/* 0: it worked. */
static int errno_of(long result)
{
    return result < 0 ? errno : 0;
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return errno_of(fd);
}

static int open_below(const char *of, const char *name, int flags)
{
    SL_CLEANUP(sl_freep) char *path = sl_asprintf("%s/%s", of, name);

    return try_open(path, flags);
}

int try_execve(void)
{
    char *const none[] = {NULL};

    return errno_of(execve("/bin/true", none, none));
}

static int try_execveat(void)
{
    char *const none[] = {NULL};

    return errno_of(
        syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0));
}

#ifndef __SANITIZE_ADDRESS__
static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}
#endif

/* Not with CLONE_THREAD alone: threads go on. */
static int try_clone_namespace(void)
{
    return errno_of(syscall(SYS_clone, CLONE_NEWNET, NULL, NULL, NULL, 0UL));
}

static int try_clone3(void)
{
    return errno_of(syscall(SYS_clone3, NULL, 0));
}

static int try_ptrace(void)
{
    return errno_of(
        syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, getppid(), 0, 0));
}

static int try_mount(void)
{
    return errno_of(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int try_open_tree_attr(void)
{
    return errno_of(syscall(467, AT_FDCWD, "/", 0, NULL, 0));
}

static int try_bpf(void)
{
    return errno_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_unshare(void)
{
    return errno_of(unshare(CLONE_NEWNS));
}

static int try_process_vm_readv(void)
{
    return errno_of(
        syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_keyctl(void)
{
    return errno_of(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_io_uring(void)
{
    return errno_of(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_setuid(void)
{
    return errno_of(syscall(SYS_setuid, getuid()));
}

static int try_chroot(void)
{
    return errno_of(chroot("/tmp"));
}

static int try_handle(void)
{
    return errno_of(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}

static int try_personality(void)
{
    return errno_of(syscall(SYS_personality, 0));
}

/* With arguments that do nothing where a call is allowed.  The errno of the first
 * call that is not refused. */
static int try_listed(void)
{
    static const int calls[] = {
        SYS_acct,
        SYS_add_key,
        SYS_adjtimex,
        SYS_capset,
        SYS_clock_settime,
        SYS_delete_module,
        SYS_fanotify_init,
        SYS_finit_module,
        SYS_init_module,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_kexec_load,
        SYS_move_mount,
        SYS_perf_event_open,
        SYS_pivot_root,
        SYS_process_vm_writev,
        SYS_quotactl,
        SYS_reboot,
        SYS_request_key,
        SYS_setdomainname,
        SYS_setgid,
        SYS_setgroups,
        SYS_sethostname,
        SYS_setns,
        SYS_setresuid,
        SYS_settimeofday,
        SYS_swapoff,
        SYS_swapon,
        SYS_syslog,
        SYS_umount2,
        SYS_userfaultfd,
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        int code = errno_of(syscall(calls[i], -1L, -1L, -1L, -1L, -1L, -1L));
        if (code == EPERM)
            continue;
        fprintf(stderr, "call %d is allowed\n", calls[i]);
        return code;
    }
    return EPERM;
}

static int try_typing(void)
{
    char letter = 'x';

    return errno_of(ioctl(STDIN_FILENO, TIOCSTI, &letter));
}

/* The kernel looks at the lower half only. */
static int try_typing_disguised(void)
{
    char letter = 'x';

    return errno_of(
        syscall(SYS_ioctl, STDIN_FILENO, TIOCSTI | (1UL << 32), &letter));
}

static int try_socket_alg(void)
{
    return errno_of(socket(AF_ALG, SOCK_SEQPACKET, 0));
}

static int try_socket_packet(void)
{
    return errno_of(socket(AF_PACKET, SOCK_RAW, 0));
}

int try_socket(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    if (fd >= 0)
        close(fd);
    return errno_of(fd);
}

static int try_socket_unix(void)
{
    return try_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int try_socket_raw(void)
{
    return try_socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
}

static int try_socket_raw6(void)
{
    return try_socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
}

static int try_socket_ping(void)
{
    return try_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

static int try_socket_mptcp(void)
{
    return try_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

static int try_socket_sctp(void)
{
    return try_socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP);
}

static int try_socket_firewall(void)
{
    return try_socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */);
}

/* The kernel looks at the lower half only. */
static int try_socket_disguised(void)
{
    return errno_of(syscall(SYS_socket, AF_UNIX | (1UL << 32), SOCK_STREAM, 0));
}

/* What names are asked for by. */
static int try_socket_udp(void)
{
    return try_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) |
           try_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int try_shadow(void)
{
    return try_open("/etc/shadow", O_RDONLY);
}

int try_outside(void)
{
    return try_open(outside, O_RDONLY);
}

static int try_make_outside(void)
{
    return open_below(folder, "made", O_WRONLY | O_CREAT);
}

static int try_write_readable(void)
{
    return open_below(readable, "file", O_WRONLY);
}

/* What is written there is no program. */
static int try_list_root(void)
{
    return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int try_other_process(void)
{
    SL_CLEANUP(sl_freep)
    char *path = sl_asprintf("/proc/%d/environ", getppid());

    return try_open(path, O_RDONLY);
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result =
        errno_of(connect(fd, (const struct sockaddr *)&to, sizeof(to)));

    close(fd);
    return result;
}

enum { OTHER_PORT = 2 }; /* where nothing listens */

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
    int result = errno_of(bind(fd, (const struct sockaddr *)&at, sizeof(at)));

    close(fd);
    return result;
}

static int try_signal(void)
{
    return errno_of(kill(getppid(), 0));
}

const struct attempt attempts[] = {
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
    {"other listed calls", try_listed, EPERM, 0},
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

const size_t attempt_count = sizeof(attempts) / sizeof(*attempts);

/* --- Uses that must still work ------------------------------------------ */

static int use_granted(void)
{
    SL_CLEANUP(sl_freep) char *from = sl_asprintf("%s/a", granted);
    SL_CLEANUP(sl_freep) char *to = sl_asprintf("%s/b", granted);
    int code = try_open(from, O_RDWR | O_CREAT | O_TRUNC);

    if (code == 0)
        code = errno_of(rename(from, to));
    return code == 0 ? errno_of(unlink(to)) : code;
}

static int use_readable(void)
{
    return open_below(readable, "file", O_RDONLY);
}

static int use_proc(void)
{
    return try_open("/proc/self/stat", O_RDONLY);
}

static int use_null(void)
{
    return try_open("/dev/null", O_WRONLY);
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

const struct attempt uses[] = {
    {"make, rename, delete", use_granted, 0, 0},
    {"read", use_readable, 0, 0},
    {"/proc/self", use_proc, 0, 0},
    {"/dev/null", use_null, 0, 0},
    {"localhost", use_names, 0, 0},
    {"an allowed port", use_port, 0, 0},
    {"UDP, and routes", try_socket_udp, 0, 0},
};

const size_t use_count = sizeof(uses) / sizeof(*uses);

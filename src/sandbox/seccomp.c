/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * LeakSanitizer inspects the memory of an ending process from another one,
 * which it clones and which traces the first.
 */
#ifdef __SANITIZE_ADDRESS__
enum { HAS_TRACER = 1 };
#else
enum { HAS_TRACER = 0 };
#endif

/*
 * Calls that are refused whatever their arguments.  A name that the library or
 * the architecture does not know is skipped, unless the table has its number,
 * which is the same on all architectures for calls since Linux 5.1.
 */
static const struct refused {
    const char *name;
    int number; /* 0: only by name */
} refused[] = {
    /* other programs */
    {"execve", 0},
    {"execveat", 0},
    {"fork", 0},
    {"vfork", 0},
    {"uselib", 0},
    /* other processes */
    {"kcmp", 0},
    {"pidfd_getfd", 438},
    {"process_madvise", 440},
    {"process_vm_readv", 0},
    {"process_vm_writev", 0},
    /* file systems */
    {"chroot", 0},
    {"fsconfig", 431},
    {"fsmount", 432},
    {"fsopen", 430},
    {"fspick", 433},
    {"mknod", 0},
    {"mknodat", 0},
    {"mount", 0},
    {"mount_setattr", 442},
    {"move_mount", 429},
    {"name_to_handle_at", 0},
    {"open_by_handle_at", 0},
    {"open_tree", 428},
    {"open_tree_attr", 467},
    {"pivot_root", 0},
    {"quotactl", 0},
    {"quotactl_fd", 443},
    {"swapoff", 0},
    {"swapon", 0},
    {"umount", 0},
    {"umount2", 0},
    {"fanotify_init", 0},
    /* the kernel and the machine */
    {"_sysctl", 0},
    {"acct", 0},
    {"adjtimex", 0},
    {"bpf", 0},
    {"clock_adjtime", 0},
    {"clock_settime", 0},
    {"create_module", 0},
    {"delete_module", 0},
    {"finit_module", 0},
    {"get_kernel_syms", 0},
    {"init_module", 0},
    {"ioperm", 0},
    {"iopl", 0},
    {"kexec_file_load", 0},
    {"kexec_load", 0},
    {"lookup_dcookie", 0},
    {"modify_ldt", 0},
    {"nfsservctl", 0},
    {"perf_event_open", 0},
    {"query_module", 0},
    {"reboot", 0},
    {"setdomainname", 0},
    {"sethostname", 0},
    {"settimeofday", 0},
    {"stime", 0},
    {"syslog", 0},
    {"vhangup", 0},
    {"vm86", 0},
    {"vm86old", 0},
    /* ways around a filter, and frequent sources of kernel exploits */
    {"io_uring_enter", 426},
    {"io_uring_register", 427},
    {"io_uring_setup", 425},
    {"personality", 0},
    {"userfaultfd", 0},
    /* keys */
    {"add_key", 0},
    {"keyctl", 0},
    {"request_key", 0},
    /* users, groups, namespaces */
    {"capset", 0},
    {"setfsgid", 0},
    {"setfsgid32", 0},
    {"setfsuid", 0},
    {"setfsuid32", 0},
    {"setgid", 0},
    {"setgid32", 0},
    {"setgroups", 0},
    {"setgroups32", 0},
    {"setns", 0},
    {"setregid", 0},
    {"setregid32", 0},
    {"setresgid", 0},
    {"setresgid32", 0},
    {"setresuid", 0},
    {"setresuid32", 0},
    {"setreuid", 0},
    {"setreuid32", 0},
    {"setuid", 0},
    {"setuid32", 0},
    {"unshare", 0},
};

static int refuse_call(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
}

/* Refuse a call when the bits of mask in an argument are these. */
static int refuse_where(scmp_filter_ctx filter, int call, unsigned argument,
                        uint64_t mask, uint64_t bits)
{
    const struct scmp_arg_cmp where =
        SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, bits);

    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
                                  &where);
}

static int refuse_listed(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        int call = seccomp_syscall_resolve_name(refused[i].name);
        if (call == __NR_SCMP_ERROR)
            call = refused[i].number;
        /* 0 would be read(2); a negative number is not of this architecture. */
        int code = call > 0 ? refuse_call(filter, call) : 0;
        if (code != 0)
            return code;
    }
    return HAS_TRACER ? 0 : refuse_call(filter, SCMP_SYS(ptrace));
}

/*
 * Threads, but neither processes nor namespaces.  The flags of clone3 are in
 * memory, which no filter can read.  It fails with ENOSYS, as on an old kernel,
 * so that the C library falls back to clone.
 */
static int refuse_clones(scmp_filter_ctx filter)
{
    static const uint64_t namespaces[] = {
        CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,    CLONE_NEWUSER,
        CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP,
    };
#ifdef __s390x__
    const unsigned flags = 1;
#else
    const unsigned flags = 0;
#endif
    int code =
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0;
         code == 0 && i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
        code = refuse_where(filter, SCMP_SYS(clone), flags, namespaces[i],
                            namespaces[i]);
    if (code == 0 && !HAS_TRACER)
        code = refuse_where(filter, SCMP_SYS(clone), flags, CLONE_THREAD, 0);
    return code;
}

/*
 * Text injected into the operator's terminal as if it were typed.  The kernel
 * reads only 32 bits of the request.
 */
static int refuse_typing(scmp_filter_ctx filter)
{
    static const uint64_t requests[] = {TIOCSTI, TIOCLINUX};
    int code = 0;

    for (size_t i = 0; code == 0 && i < 2; i++)
        code =
            refuse_where(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, requests[i]);
    return code;
}

/* The arguments of socket(family, type, protocol). */
enum { FAMILY, TYPE, PROTOCOL };
enum { TYPE_MASK = 0xf }; /* without SOCK_CLOEXEC and SOCK_NONBLOCK */

/* Refuse sockets of the family that the comparison matches. */
static int refuse_sockets_where(scmp_filter_ctx filter, int family,
                                struct scmp_arg_cmp where)
{
    const struct scmp_arg_cmp both[] = {
        SCMP_CMP64(FAMILY, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)family),
        where,
    };

    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM),
                                  SCMP_SYS(socket), 2, both);
}

/*
 * Services are reached by TCP and names resolved by UDP.  The C library's
 * resolver lists local addresses by AF_NETLINK.  No driver uses a Unix socket;
 * slight itself uses pairs only.
 */
static int refuse_families(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp above =
        SCMP_CMP64(FAMILY, SCMP_CMP_GT, AF_NETLINK, 0);
    int code = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM),
                                      SCMP_SYS(socket), 1, &above);

    for (int family = 0; code == 0 && family < AF_NETLINK; family++)
        if (family != AF_INET && family != AF_INET6)
            code = refuse_where(filter, SCMP_SYS(socket), FAMILY, UINT32_MAX,
                                (uint64_t)family);
    return code;
}

/* Only TCP and, when names are resolved, UDP.  Raw sockets see the packets of
 * others, and Landlock restricts the ports of TCP, not those of MPTCP and
 * SCTP. */
static int refuse_protocols(scmp_filter_ctx filter, int family, bool uses_udp)
{
    static const int types[] = {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP,
                                SOCK_PACKET};
    int code = refuse_sockets_where(
        filter, family, SCMP_CMP64(PROTOCOL, SCMP_CMP_GT, IPPROTO_UDP, 0));

    for (uint64_t n = 1; code == 0 && n < IPPROTO_UDP; n++)
        if (n != IPPROTO_TCP)
            code = refuse_sockets_where(
                filter, family,
                SCMP_CMP64(PROTOCOL, SCMP_CMP_MASKED_EQ, UINT32_MAX, n));
    for (size_t i = 0; code == 0 && i < sizeof(types) / sizeof(types[0]); i++)
        code = refuse_sockets_where(filter, family,
                                    SCMP_CMP64(TYPE, SCMP_CMP_MASKED_EQ,
                                               TYPE_MASK, (uint64_t)types[i]));
    if (code == 0 && !uses_udp)
        code = refuse_sockets_where(
            filter, family,
            SCMP_CMP64(TYPE, SCMP_CMP_MASKED_EQ, TYPE_MASK, SOCK_DGRAM));
    return code;
}

static int refuse_sockets(scmp_filter_ctx filter, bool uses_udp)
{
    int code = refuse_families(filter);

    if (code == 0)
        code = refuse_protocols(filter, AF_INET, uses_udp);
    if (code == 0)
        code = refuse_protocols(filter, AF_INET6, uses_udp);
    if (code == 0) /* NETLINK_ROUTE is 0: no firewall, no audit */
        code = refuse_sockets_where(filter, AF_NETLINK,
                                    SCMP_CMP64(PROTOCOL, SCMP_CMP_GT, 0, 0));
    return code;
}

static int fill_filter(scmp_filter_ctx filter, bool uses_udp)
{
    /* For all threads; started programs gain no privileges. */
    int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    if (code == 0)
        code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
    /* A tree: a few comparisons per call instead of one per rule. */
    if (code == 0)
        code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (code == 0)
        code = refuse_listed(filter);
    if (code == 0)
        code = refuse_clones(filter);
    if (code == 0)
        code = refuse_typing(filter);
    if (code == 0)
        code = refuse_sockets(filter, uses_udp);
    return code;
}

bool sl_seccomp_supported(void)
{
    const uint32_t action = SECCOMP_RET_ERRNO;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

enum sl_status sl_seccomp_load(bool uses_udp, struct sl_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (filter == NULL)
        return sl_fail(err, SL_UNAVAILABLE, "seccomp_init failed");
    int code = fill_filter(filter, uses_udp);
    if (code == 0)
        code = seccomp_load(filter);
    seccomp_release(filter);
    if (code == 0)
        return SL_OK;
    return sl_fail(err, SL_UNAVAILABLE, "seccomp: %s", strerror(-code));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* The numbers are the same on all architectures but Alpha. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
    CREATE_RULESET_VERSION = 1 << 0,
    RULE_PATH_BENEATH = 1,
    RULE_NET_PORT = 2,
};

/* LANDLOCK_ACCESS_FS_*, by the ABI that brought them. */
enum fs_right {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SYM = 1 << 12,
    FS_ABI_1 = (1 << 13) - 1, /* devices, sockets and pipes among them */
    FS_REFER = 1 << 13,       /* ABI 2 */
    FS_TRUNCATE = 1 << 14,    /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15,   /* ABI 5 */
};

/* The kernel accepts only these in the rule of a file. */
static const uint64_t fs_of_files =
    FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;

enum net_right { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 }; /* ABI 4 */

/* ABI 6. */
enum scope { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

/* The kernel accepts a struct that is larger than it knows if the rest is zero. */
struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

struct net_port {
    uint64_t allowed_access;
    uint64_t port;
};

struct sl_landlock_rights sl_landlock_rights(int abi)
{
    struct sl_landlock_rights rights = {.fs = FS_ABI_1};

    if (abi >= 2)
        rights.fs |= FS_REFER;
    if (abi >= 3)
        rights.fs |= FS_TRUNCATE;
    if (abi >= 4)
        rights.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5)
        rights.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        rights.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return rights;
}

uint64_t sl_landlock_access(unsigned access, bool is_folder, uint64_t rights)
{
    const unsigned reads =
        SL_SANDBOX_READ | SL_SANDBOX_WRITE | SL_SANDBOX_EXECUTE;
    uint64_t given = (access & reads) != 0 ? FS_READ_FILE | FS_READ_DIR : 0;

    if ((access & SL_SANDBOX_EMPTY) != 0)
        given |= FS_REMOVE_DIR;
    if ((access & SL_SANDBOX_WRITE) != 0)
        given |= FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
                 FS_MAKE_REG | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE;
    if ((access & SL_SANDBOX_EXECUTE) != 0)
        given |= FS_EXECUTE;
    return given & rights & (is_folder ? UINT64_MAX : fs_of_files);
}

int sl_landlock_abi(void)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    return abi > 0 ? (int)abi : 0;
}

/* A path that does not exist, or is not accessible, needs no rule. */
static enum sl_status add_path_rule(int ruleset,
                                    const struct sl_sandbox_path *path,
                                    uint64_t rights, struct sl_error *err)
{
    struct stat info;
    SL_CLEANUP(sl_closep) int fd = open(path->path, O_PATH | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0)
        return SL_OK;
    const struct path_beneath rule = {
        .allowed_access =
            sl_landlock_access(path->access, S_ISDIR(info.st_mode), rights),
        .parent_fd = fd,
    };
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) ==
        0)
        return SL_OK;
    return sl_fail(err, SL_UNAVAILABLE, "landlock_add_rule for %s: %s",
                   path->path, strerror(errno));
}

static enum sl_status add_port_rules(int ruleset, const uint16_t ports[],
                                     size_t count, uint64_t right,
                                     struct sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct net_port rule = {right, ports[i]};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) !=
            0)
            return sl_fail(err, SL_UNAVAILABLE,
                           "landlock_add_rule for port %u: %s", ports[i],
                           strerror(errno));
    }
    return SL_OK;
}

static enum sl_status add_rules(int ruleset, const struct sl_sandbox *sandbox,
                                const struct ruleset *handled,
                                struct sl_error *err)
{
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < sandbox->path_count; i++)
        status = add_path_rule(ruleset, &sandbox->paths[i],
                               handled->handled_access_fs, err);
    if (status == SL_OK && (handled->handled_access_net & NET_BIND_TCP) != 0)
        status = add_port_rules(ruleset, sandbox->bind_ports,
                                sandbox->bind_count, NET_BIND_TCP, err);
    if (status == SL_OK && (handled->handled_access_net & NET_CONNECT_TCP) != 0)
        status = add_port_rules(ruleset, sandbox->connect_ports,
                                sandbox->connect_count, NET_CONNECT_TCP, err);
    return status;
}

enum sl_status sl_landlock_restrict(const struct sl_sandbox *sandbox, int abi,
                                    struct sl_error *err)
{
    const struct sl_landlock_rights rights = sl_landlock_rights(abi);
    struct ruleset handled = {rights.fs, rights.net, rights.scoped};

    if (sandbox->connects_anywhere)
        handled.handled_access_net &= ~(uint64_t)NET_CONNECT_TCP;
    SL_CLEANUP(sl_closep)
    int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (ruleset < 0)
        return sl_fail(err, SL_UNAVAILABLE, "landlock_create_ruleset: %s",
                       strerror(errno));
    enum sl_status status = add_rules(ruleset, sandbox, &handled, err);
    if (status != SL_OK)
        return status;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
        return SL_OK;
    return sl_fail(err, SL_UNAVAILABLE, "landlock_restrict_self: %s",
                   strerror(errno));
}

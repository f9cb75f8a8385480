/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process confines itself: to files and ports by Landlock, to system calls
 * by seccomp.  A guest that exploits slight or one of its libraries still reaches
 * only what the manifest names.
 *
 * There are two steps.  Landlock applies to the calling thread and those that it
 * starts later, so sl_sandbox_confine comes first, while there is one thread.
 * Loading and compiling components needs system calls that serving does not, so
 * sl_sandbox_filter comes after them and applies to all threads.  Neither can be
 * undone.
 */
#ifndef SL_SANDBOX_SANDBOX_H
#define SL_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Access to a path and, for a folder, to everything below it. */
enum sl_sandbox_access {
    SL_SANDBOX_READ = 1,    /* read files, list folders */
    SL_SANDBOX_WRITE = 2,   /* create, change, rename and delete them, too */
    SL_SANDBOX_EXECUTE = 4, /* run it as a program, too */
    /* A file that others may replace: see sl_sandbox_allow. */
    SL_SANDBOX_REPLACED = 8,
    SL_SANDBOX_EMPTY = 16, /* only remove empty folders */
};

struct sl_sandbox_path {
    char *path;
    unsigned access;
};

/* What stays allowed.  For one thread. */
struct sl_sandbox {
    struct sl_sandbox_path *paths;
    size_t path_count;
    uint16_t *bind_ports; /* of TCP; 0: one that the kernel chooses */
    size_t bind_count;
    uint16_t *connect_ports; /* of TCP, on any machine */
    size_t connect_count;
    bool connects_anywhere; /* connect_ports is ignored */
    bool uses_udp;          /* also without a port to connect to */
    char **made;            /* folders created by sl_sandbox_make */
    size_t made_count;
};

/* Nothing is allowed yet.  Free it with sl_sandbox_free. */
struct sl_sandbox *sl_sandbox_new(void);
void sl_sandbox_free(struct sl_sandbox *sandbox); /* NULL is fine */

/*
 * Allow a path, which is copied.  A relative one is resolved from the working
 * directory of sl_sandbox_confine.  One that does not exist then is skipped.
 *
 * Landlock knows files, not names: a replacement is another file.  So with
 * SL_SANDBOX_REPLACED, and for a symbolic link, the folder of its target may be
 * read as well, unless that is / or /etc.  (Kubernetes replaces secrets like
 * that, and systemd-resolved resolv.conf.)
 */
void sl_sandbox_allow(struct sl_sandbox *sandbox, const char *path,
                      unsigned access);
/*
 * Allow a folder to be written, and create it (for this user alone) when it is
 * missing; its parent must exist.  Errors show when the folder is used.
 * sl_sandbox_tidy removes created folders that are still empty, for which empty
 * folders may be removed below the parent.
 */
void sl_sandbox_make(struct sl_sandbox *sandbox, const char *folder);
void sl_sandbox_tidy(const struct sl_sandbox *sandbox); /* NULL is fine */

void sl_sandbox_allow_bind(struct sl_sandbox *sandbox, uint16_t port);
void sl_sandbox_allow_connect(struct sl_sandbox *sandbox, uint16_t port);

/*
 * Files that the linked libraries read: shared libraries and modules that they
 * load, certificates, the configuration of resolver and time zone, and what the
 * kernel shows of this process; also this program itself, to be started again.
 */
void sl_sandbox_allow_system(struct sl_sandbox *sandbox);

/* What this kernel supports. */
struct sl_sandbox_support {
    int landlock_abi;          /* 0: no Landlock */
    const char *landlock_none; /* why not, for people */
    bool has_seccomp;
};
struct sl_sandbox_support sl_sandbox_support(void);

/*
 * What would be in force, for example "landlock (ABI 4), seccomp", or
 * "landlock: none (Function not implemented), seccomp".  The caller frees it.
 */
char *sl_sandbox_text(const struct sl_sandbox_support *support);

/*
 * Confine this process to what sandbox allows, as far as the kernel's Landlock
 * supports it: files since ABI 1, TCP ports since 4, signals to and abstract
 * sockets of other processes since 6.  Without Landlock, only programs that are
 * started gain no privileges; that is SL_OK.  SL_INTERNAL when there is more than
 * one thread already: the others would not be confined.
 */
SL_MUST_CHECK enum sl_status
sl_sandbox_confine(const struct sl_sandbox *sandbox, struct sl_error *err);

/*
 * Refuse, in all threads, the system calls that serving does not need: to start
 * programs and processes, to inspect others, to mount, to load code into the
 * kernel, to change users and namespaces, and the like; and all sockets but TCP,
 * netlink routes and, if sandbox allows connections, UDP, which resolves names.
 * They fail with EPERM (clone3 with ENOSYS, so that the C library uses clone); a
 * call by another architecture's numbers ends the process.  SL_OK without effect
 * when the kernel has no seccomp.
 */
SL_MUST_CHECK enum sl_status sl_sandbox_filter(const struct sl_sandbox *sandbox,
                                               struct sl_error *err);

/* For SL_CLEANUP. */
static inline void sl_sandbox_freep(struct sl_sandbox **sandbox)
{
    sl_sandbox_free(*sandbox);
}

#endif

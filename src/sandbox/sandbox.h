/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process confines itself: to files and ports by Landlock, to system calls
 * by seccomp.  Whatever a guest makes of a hole in slight or in one of its
 * libraries, it then gets no further than what the manifest names.
 *
 * Two steps, for two reasons.  Landlock holds for the thread that asks for it
 * and for what that thread starts later, so sl_sandbox_confine comes first,
 * while there is one thread.  Loading and compiling components may need system
 * calls that serving does not, so sl_sandbox_filter comes behind them; it holds
 * for all threads at once.  Neither can be taken back.
 */
#ifndef SL_SANDBOX_SANDBOX_H
#define SL_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What may be done with a path and, where it is a folder, all below it. */
enum sl_sandbox_access {
    SL_SANDBOX_READ = 1,    /* read files, list folders */
    SL_SANDBOX_WRITE = 2,   /* and make, change, rename and delete them */
    SL_SANDBOX_EXECUTE = 4, /* and start it as a program */
    /* It is a file that somebody may replace: see sl_sandbox_allow. */
    SL_SANDBOX_REPLACED = 8,
    SL_SANDBOX_EMPTY = 16, /* and nothing but to remove empty folders */
};

struct sl_sandbox_path {
    char *path;
    unsigned access;
};

/* What stays open.  One thread. */
struct sl_sandbox {
    struct sl_sandbox_path *paths;
    size_t path_count;
    uint16_t *bind_ports; /* of TCP; 0: one that the kernel chooses */
    size_t bind_count;
    uint16_t *connect_ports; /* of TCP, on any machine */
    size_t connect_count;
    bool connects_anywhere; /* connect_ports does not count */
    char **made;            /* folders, by sl_sandbox_make */
    size_t made_count;
};

/* Nothing is allowed yet.  Free it with sl_sandbox_free. */
struct sl_sandbox *sl_sandbox_new(void);
void sl_sandbox_free(struct sl_sandbox *sandbox); /* NULL is fine */

/*
 * Allow a path, which is copied; a relative one counts from the working
 * directory of sl_sandbox_confine.  One that is not there then is passed over.
 *
 * Landlock knows files, not names: a file that is replaced by another one later
 * is another file.  So with SL_SANDBOX_REPLACED, and where the path is a
 * symbolic link, the folder in which its target stands may be read as well (it
 * is how Kubernetes replaces secrets, and systemd-resolved resolv.conf), unless
 * that is / or /etc.
 */
void sl_sandbox_allow(struct sl_sandbox *sandbox, const char *path,
                      unsigned access);
/*
 * Allow a folder to be written, and make it (for this user alone) where it is
 * missing; the folder above must be there.  What goes wrong is left to whoever
 * uses it.  sl_sandbox_tidy removes those that were made and stayed empty: for
 * that, empty folders may be removed below the one above.
 */
void sl_sandbox_make(struct sl_sandbox *sandbox, const char *folder);
void sl_sandbox_tidy(const struct sl_sandbox *sandbox); /* NULL is fine */

void sl_sandbox_allow_bind(struct sl_sandbox *sandbox, uint16_t port);
void sl_sandbox_allow_connect(struct sl_sandbox *sandbox, uint16_t port);

/*
 * What the libraries that slight is linked with read by themselves: shared
 * libraries and modules that they load, certificates, resolver and time zone
 * configuration, what the kernel tells of this process; and this program
 * itself, to be started again.
 */
void sl_sandbox_allow_system(struct sl_sandbox *sandbox);

/* What this kernel has. */
struct sl_sandbox_support {
    int landlock_abi;          /* 0: no Landlock */
    const char *landlock_none; /* why not, for people */
    bool has_seccomp;
};
struct sl_sandbox_support sl_sandbox_support(void);

/*
 * "landlock (ABI 4), seccomp": what would be in force.  What is not there is
 * named: "landlock: none (Function not implemented), seccomp".  The caller's to
 * free.
 */
char *sl_sandbox_text(const struct sl_sandbox_support *support);

/*
 * Confine this process to what sandbox allows, as far as the kernel's Landlock
 * goes: files since ABI 1, TCP ports since 4, signals to and abstract sockets
 * of other processes since 6.  SL_OK without any effect but that programs gain
 * no privileges where the kernel has no Landlock.  SL_INTERNAL where there is
 * more than one thread already: the others would stay free.
 */
SL_MUST_CHECK enum sl_status
sl_sandbox_confine(const struct sl_sandbox *sandbox, struct sl_error *err);

/*
 * Refuse, in all threads, the system calls that no serving process needs: to
 * start programs and processes, to look into others, to mount, to load into the
 * kernel, to change users and namespaces, and their kin; and sockets but those
 * of TCP, of UDP where sandbox allows to connect anywhere (names are asked for
 * by it), and of netlink's routes.  They answer EPERM
 * (clone3: ENOSYS, after which the C library takes clone); a call by another
 * architecture's numbers ends the process.  SL_OK without effect where the
 * kernel has no seccomp.
 */
SL_MUST_CHECK enum sl_status sl_sandbox_filter(const struct sl_sandbox *sandbox,
                                               struct sl_error *err);

/* For SL_CLEANUP. */
static inline void sl_sandbox_freep(struct sl_sandbox **sandbox)
{
    sl_sandbox_free(*sandbox);
}

#endif

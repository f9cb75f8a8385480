/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

struct sl_sandbox *sl_sandbox_new(void)
{
    return sl_alloc(sizeof(struct sl_sandbox));
}

void sl_sandbox_free(struct sl_sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    for (size_t i = 0; i < sandbox->path_count; i++)
        free(sandbox->paths[i].path);
    for (size_t i = 0; i < sandbox->made_count; i++)
        free(sandbox->made[i]);
    free(sandbox->made);
    free(sandbox->paths);
    free(sandbox->bind_ports);
    free(sandbox->connect_ports);
    free(sandbox);
}

static void add_path(struct sl_sandbox *sandbox, const char *path,
                     unsigned access)
{
    for (size_t i = 0; i < sandbox->path_count; i++)
        if (strcmp(sandbox->paths[i].path, path) == 0) {
            sandbox->paths[i].access |= access;
            return;
        }
    sandbox->paths = sl_realloc(sandbox->paths, (sandbox->path_count + 1) *
                                                    sizeof(*sandbox->paths));
    sandbox->paths[sandbox->path_count++] =
        (struct sl_sandbox_path){sl_strdup(path), access};
}

/* The folder of a link's future targets: that of the link if it contains the
 * target, otherwise that of the target. */
static void add_folder_of_link(struct sl_sandbox *sandbox, const char *path)
{
    SL_CLEANUP(sl_freep) char *copy = sl_strdup(path);
    SL_CLEANUP(sl_freep) char *target = realpath(path, NULL);
    SL_CLEANUP(sl_freep) char *folder = realpath(dirname(copy), NULL);

    if (target == NULL || folder == NULL)
        return;
    size_t len = strlen(folder);
    bool is_below = strncmp(target, folder, len) == 0 && target[len] == '/';
    const char *chosen = is_below ? folder : dirname(target);
    if (strcmp(chosen, "/") != 0 && strcmp(chosen, "/etc") != 0)
        add_path(sandbox, chosen, SL_SANDBOX_READ);
}

void sl_sandbox_allow(struct sl_sandbox *sandbox, const char *path,
                      unsigned access)
{
    struct stat link, target;

    add_path(sandbox, path, access & ~(unsigned)SL_SANDBOX_REPLACED);
    if ((access & SL_SANDBOX_REPLACED) != 0 && lstat(path, &link) == 0 &&
        S_ISLNK(link.st_mode) && stat(path, &target) == 0 &&
        S_ISREG(target.st_mode))
        add_folder_of_link(sandbox, path);
}

void sl_sandbox_make(struct sl_sandbox *sandbox, const char *folder)
{
    if (mkdir(folder, 0700) == 0) {
        SL_CLEANUP(sl_freep) char *copy = sl_strdup(folder);
        sandbox->made = sl_realloc(sandbox->made, (sandbox->made_count + 1) *
                                                      sizeof(*sandbox->made));
        sandbox->made[sandbox->made_count++] = sl_strdup(folder);
        sl_sandbox_allow(sandbox, dirname(copy), SL_SANDBOX_EMPTY);
    }
    sl_sandbox_allow(sandbox, folder, SL_SANDBOX_READ | SL_SANDBOX_WRITE);
}

void sl_sandbox_tidy(const struct sl_sandbox *sandbox)
{
    for (size_t i = 0; sandbox != NULL && i < sandbox->made_count; i++)
        (void)rmdir(sandbox->made[i]); /* fails unless it is empty */
}

static void add_port(uint16_t **ports, size_t *count, uint16_t port)
{
    *ports = sl_realloc(*ports, (*count + 1) * sizeof(**ports));
    (*ports)[(*count)++] = port;
}

void sl_sandbox_allow_bind(struct sl_sandbox *sandbox, uint16_t port)
{
    add_port(&sandbox->bind_ports, &sandbox->bind_count, port);
}

void sl_sandbox_allow_connect(struct sl_sandbox *sandbox, uint16_t port)
{
    add_port(&sandbox->connect_ports, &sandbox->connect_count, port);
}

struct sl_sandbox_support sl_sandbox_support(void)
{
    struct sl_sandbox_support support = {.landlock_abi = sl_landlock_abi()};

    if (support.landlock_abi == 0)
        support.landlock_none =
            errno == EOPNOTSUPP ? "it is switched off" : strerrordesc_np(errno);
    support.has_seccomp = sl_seccomp_supported();
    return support;
}

char *sl_sandbox_text(const struct sl_sandbox_support *support)
{
    const char *seccomp = support->has_seccomp ? "seccomp" : "seccomp: none";

    if (support->landlock_abi == 0)
        return sl_asprintf("landlock: none (%s), %s", support->landlock_none,
                           seccomp);
    return sl_asprintf("landlock (ABI %d), %s", support->landlock_abi, seccomp);
}

/* ThreadSanitizer starts a thread of its own, which runs none of our code. */
#ifdef __SANITIZE_THREAD__
enum { THREADS_AT_START = 2 };
#else
enum { THREADS_AT_START = 1 };
#endif

/* 0 when the kernel does not show them. */
static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;

    if (tasks == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

enum sl_status sl_sandbox_confine(const struct sl_sandbox *sandbox,
                                  struct sl_error *err)
{
    int abi = sl_landlock_abi();
    int threads = count_threads();

    if (threads > THREADS_AT_START)
        return sl_fail(err, SL_INTERNAL,
                       "Landlock would not confine %d of %d threads",
                       threads - 1, threads);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return sl_fail(err, SL_UNAVAILABLE, "PR_SET_NO_NEW_PRIVS: %s",
                       strerror(errno));
    if (abi == 0)
        return SL_OK;
    return sl_landlock_restrict(
        sandbox, abi < SL_LANDLOCK_ABI_MAX ? abi : SL_LANDLOCK_ABI_MAX, err);
}

enum sl_status sl_sandbox_filter(const struct sl_sandbox *sandbox,
                                 struct sl_error *err)
{
    bool uses_udp = sandbox->uses_udp || sandbox->connects_anywhere ||
                    sandbox->connect_count > 0;

    return sl_seccomp_supported() ? sl_seccomp_load(uses_udp, err) : SL_OK;
}

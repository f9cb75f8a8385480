/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk to a private folder.  What was looked at is a descriptor, and the
 * next step begins there: to put something else under a name changes nothing.
 */
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum { LINKS_MAX = 40 }; /* as the kernel's own limit */

struct walk {
    const char *path; /* what was asked for */
    int fd;           /* where the walk is */
    char *rest;       /* of the path, from there */
    unsigned links;   /* that were followed */
    struct sl_error *err;
};

static enum sl_status fail_walk(const struct walk *walk, const char *name)
{
    enum sl_status status = SL_UNAVAILABLE;

    if (errno == EACCES || errno == EPERM || errno == EROFS)
        status = SL_PERMISSION_DENIED;
    else if (errno == ENOENT)
        status = SL_NOT_FOUND;
    else if (errno == ENOTDIR)
        status = SL_INVALID_ARGUMENT;
    return sl_fail(walk->err, status, "%s: at \"%s\": %s", walk->path, name,
                   strerror(errno));
}

static enum sl_status fail_open_to_others(const struct walk *walk,
                                          const char *name,
                                          const struct stat *info)
{
    return sl_fail(walk->err, SL_PERMISSION_DENIED,
                   "%s: another user could change what is in it, by way of "
                   "\"%s\" (owner %ju, mode %04o); each folder above it must "
                   "be root's or this user's and closed to others (chmod "
                   "go-w)",
                   walk->path, name, (uintmax_t)info->st_uid,
                   (unsigned)info->st_mode & 07777);
}

static bool is_ours(const struct stat *info)
{
    return info->st_uid == 0 || info->st_uid == geteuid();
}

static bool others_write(const struct stat *info)
{
    return (info->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* One step: the folder becomes the place where the walk is. */
static enum sl_status enter_folder(struct walk *walk, const char *name, int *fd,
                                   const struct stat *info)
{
    if (!is_ours(info) ||
        (others_write(info) && (info->st_mode & S_ISVTX) == 0))
        return fail_open_to_others(walk, name, info);
    sl_closep(&walk->fd);
    walk->fd = *fd;
    *fd = -1; /* handed over */
    return SL_OK;
}

static enum sl_status begin_at_root(struct walk *walk)
{
    SL_CLEANUP(sl_closep)
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_walk(walk, "/");
    return enter_folder(walk, "/", &fd, &info);
}

/* Where the link leads comes before what is left of the path. */
static enum sl_status follow_link(struct walk *walk, const char *name, int fd,
                                  const struct stat *info)
{
    char target[PATH_MAX];

    if (!is_ours(info))
        return fail_open_to_others(walk, name, info);
    ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);
    if (len >= 0 && ++walk->links > LINKS_MAX) {
        errno = ELOOP;
        len = -1;
    }
    if (len < 0)
        return fail_walk(walk, name);
    target[len] = '\0';

    char *rest = sl_asprintf("%s/%s", target, walk->rest);
    free(walk->rest);
    walk->rest = rest;
    return target[0] == '/' ? begin_at_root(walk) : SL_OK;
}

static enum sl_status step_into(struct walk *walk, const char *name)
{
    const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    SL_CLEANUP(sl_closep) int fd = openat(walk->fd, name, flags);
    struct stat info;

    if (fd < 0 && errno == ENOENT &&
        (mkdirat(walk->fd, name, 0700) == 0 || errno == EEXIST))
        fd = openat(walk->fd, name, flags);
    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_walk(walk, name);
    if (S_ISLNK(info.st_mode))
        return follow_link(walk, name, fd, &info);
    if (S_ISDIR(info.st_mode))
        return enter_folder(walk, name, &fd, &info);
    errno = ENOTDIR;
    return fail_walk(walk, name);
}

static enum sl_status walk_all(struct walk *walk)
{
    enum sl_status status = begin_at_root(walk);

    while (status == SL_OK) {
        const char *begin = walk->rest + strspn(walk->rest, "/");
        size_t len = strcspn(begin, "/");
        if (len == 0)
            return SL_OK;
        SL_CLEANUP(sl_freep) char *name = sl_strndup(begin, len);
        char *rest = sl_strdup(begin + len);
        free(walk->rest);
        walk->rest = rest;
        status = step_into(walk, name);
    }
    return status;
}

/* The last one is this user's alone: sticky or root's is not enough. */
static enum sl_status open_last(const struct walk *walk, int *out)
{
    struct stat info;
    SL_CLEANUP(sl_closep)
    int fd = openat(walk->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_walk(walk, ".");
    if (info.st_uid != geteuid() || others_write(&info))
        return sl_fail(walk->err, SL_PERMISSION_DENIED,
                       "%s: another user could write here; make it this "
                       "user's alone (chmod 700)",
                       walk->path);
    *out = fd;
    fd = -1; /* handed over */
    return SL_OK;
}

enum sl_status sl_open_private_folder(const char *path, int *fd,
                                      struct sl_error *err)
{
    SL_CLEANUP(sl_freep)
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    struct walk walk = {.path = path, .fd = -1, .err = err};

    if (path[0] != '/' && here == NULL)
        return fail_walk(&walk, ".");
    walk.rest =
        here != NULL ? sl_asprintf("%s/%s", here, path) : sl_strdup(path);
    enum sl_status status = walk_all(&walk);
    if (status == SL_OK)
        status = open_last(&walk, fd);
    sl_closep(&walk.fd);
    free(walk.rest);
    return status;
}

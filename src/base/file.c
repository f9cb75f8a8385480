/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files.  A file that is replaced is written under another name and
 * renamed, so that a reader, or a crash, never meets half of one.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { READ_AT_ONCE = 64 * 1024 };

void sl_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static enum sl_status fail_errno(struct sl_error *err, const char *path,
                                 int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return sl_fail(err, SL_NOT_FOUND, "%s: no such file or folder", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return sl_fail(err, SL_PERMISSION_DENIED,
                       "%s: not permitted to this user", path);
    case EISDIR:
        return sl_fail(err, SL_INVALID_ARGUMENT, "%s: is a folder", path);
    default:
        return sl_fail(err, SL_UNAVAILABLE, "%s: %s", path, strerror(number));
    }
}

static enum sl_status fail_limit(struct sl_error *err, const char *path,
                                 uint64_t limit)
{
    return sl_fail(err, SL_TOO_LARGE, "%s: larger than %ju bytes", path,
                   (uintmax_t)limit);
}

enum sl_status sl_file_read(const char *path, struct sl_buf *out,
                            struct sl_error *err)
{
    SL_CLEANUP(sl_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_errno(err, path, errno);
    if (S_ISREG(info.st_mode) && info.st_size > 0 &&
        (uintmax_t)info.st_size > out->limit - out->len)
        return fail_limit(err, path, out->limit);

    for (;;) {
        size_t room = out->limit - out->len;
        size_t more = S_ISREG(info.st_mode) && info.st_size > READ_AT_ONCE
                          ? (size_t)info.st_size
                          : READ_AT_ONCE;
        if (more > room)
            more = room;
        /* At the limit one byte more tells the end from too much. */
        uint8_t extra;
        uint8_t *target = &extra;
        if (more > 0) {
            enum sl_status status = sl_buf_reserve(out, more, err);
            if (status != SL_OK)
                return status;
            target = out->ptr + out->len;
        }
        ssize_t got = read(fd, target, more > 0 ? more : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(err, path, errno);
        if (got == 0)
            return SL_OK;
        if (more == 0)
            return fail_limit(err, path, out->limit);
        out->len += (size_t)got;
    }
}

enum sl_status sl_file_copy(const char *path, int to, uint64_t limit,
                            struct sl_error *err)
{
    SL_CLEANUP(sl_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    SL_CLEANUP(sl_freep) uint8_t *piece = sl_alloc(READ_AT_ONCE);
    struct stat info;
    ssize_t got;

    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_errno(err, path, errno);
    if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > limit)
        return fail_limit(err, path, limit);
    for (uint64_t copied = 0;; copied += (uint64_t)got) {
        do
            got = read(fd, piece, READ_AT_ONCE);
        while (got < 0 && errno == EINTR);
        if (got == 0)
            return SL_OK;
        if (got > 0 && (uint64_t)got > limit - copied)
            return fail_limit(err, path, limit);
        if (got < 0 || !sl_write_all(to, SL_BYTES(piece, (size_t)got)))
            return fail_errno(err, path, errno);
    }
}

bool sl_write_all(int fd, struct sl_bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes.ptr += written;
        bytes.len -= (size_t)written;
    }
    return true;
}

/* A device, a pipe, a link: what must not be replaced by a file. */
static enum sl_status write_in_place(const char *path, struct sl_bytes content,
                                     struct sl_error *err)
{
    SL_CLEANUP(sl_closep)
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    if (fd < 0 || !sl_write_all(fd, content))
        return fail_errno(err, path, errno);
    return SL_OK;
}

enum sl_status sl_file_write(const char *path, struct sl_bytes content,
                             struct sl_error *err)
{
    struct stat info;
    if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return write_in_place(path, content, err);

    SL_CLEANUP(sl_freep)
    char *beside = sl_asprintf("%s.%ld.tmp", path, (long)getpid());
    SL_CLEANUP(sl_closep)
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return fail_errno(err, path, errno);
    if (sl_write_all(fd, content) && rename(beside, path) == 0)
        return SL_OK;

    enum sl_status status = fail_errno(err, path, errno);
    unlink(beside);
    return status;
}

enum sl_status sl_make_folders(const char *path, unsigned mode,
                               struct sl_error *err)
{
    SL_CLEANUP(sl_freep) char *folder = sl_strdup(path);
    struct stat info;

    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(folder, (mode_t)mode) != 0 && errno != EEXIST)
            return fail_errno(err, folder, errno);
        *at = '/';
    }
    if (mkdir(folder, (mode_t)mode) == 0)
        return SL_OK;
    if (errno != EEXIST)
        return fail_errno(err, path, errno);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "%s: is not a folder", path);
}

void sl_raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

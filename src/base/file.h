/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files, read and written at once, with errors for people.
 */
#ifndef SL_BASE_FILE_H
#define SL_BASE_FILE_H

#include "base/bytes.h"
#include "base/error.h"

/*
 * Append the content of a file to out, whose limit is the most that is read.
 * SL_NOT_FOUND, SL_PERMISSION_DENIED, SL_TOO_LARGE, SL_INVALID_ARGUMENT for a
 * folder, or SL_UNAVAILABLE.  The message begins with the path.
 */
SL_MUST_CHECK enum sl_status sl_file_read(const char *path, struct sl_buf *out,
                                          struct sl_error *err);

/*
 * Write the content of a file to a descriptor, of which nothing is kept in
 * memory.  Errors are those of sl_file_read; limit is in bytes.
 */
SL_MUST_CHECK enum sl_status sl_file_copy(const char *path, int to,
                                          uint64_t limit, struct sl_error *err);

/*
 * Replace a file's content, as the umask has it.  Under the path stands the old
 * content or the new one, never a part: it is written beside and renamed.  What
 * is no plain file, such as /dev/stdout or a link, is written in place.
 */
SL_MUST_CHECK enum sl_status
sl_file_write(const char *path, struct sl_bytes content, struct sl_error *err);

/* Make a folder and those above it that are missing. */
SL_MUST_CHECK enum sl_status sl_make_folders(const char *path, unsigned mode,
                                             struct sl_error *err);

/* Write all of bytes to a descriptor; errno says why not. */
SL_MUST_CHECK bool sl_write_all(int fd, struct sl_bytes bytes);

/* For SL_CLEANUP: closes what is not negative. */
void sl_closep(int *fd);

/* Let the process open as many files as it may: what is usual is 1024, of which
 * a server's connections are one each. */
void sl_raise_file_limit(void);

#endif

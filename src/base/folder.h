/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder that is to hold what nobody else may have put there.
 */
#ifndef SL_BASE_FOLDER_H
#define SL_BASE_FOLDER_H

#include "base/error.h"

/*
 * Open a folder in which only this user (and root) can make, replace or remove
 * a file, and make it where it is missing (0700).  The way to it is walked from
 * "/" by descriptors, and every folder on it is looked at: it must be root's or
 * this user's, and nobody else's to write, unless it is sticky (as /tmp is),
 * where nobody takes another one's entry away.  A symbolic link on the way must
 * be root's or this user's too.  path may be relative.
 *
 * *fd is the caller's to close.  SL_PERMISSION_DENIED where somebody else could
 * change something: the message begins with path and names the folder;
 * SL_INVALID_ARGUMENT where there is something else than a folder;
 * SL_UNAVAILABLE or SL_NOT_FOUND otherwise.
 */
SL_MUST_CHECK enum sl_status sl_open_private_folder(const char *path, int *fd,
                                                    struct sl_error *err);

#endif

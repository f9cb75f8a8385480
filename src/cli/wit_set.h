/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WIT that a tool works on: the files of a folder, and of this slight's own
 * those packages that they use and the folder does not have.
 */
#ifndef SL_CLI_WIT_SET_H
#define SL_CLI_WIT_SET_H

#include "base/error.h"
#include "host/tools.h"

enum {
    SL_WIT_SET_FILES_MAX = 1000,
    SL_WIT_SET_FILE_BYTES_MAX = 4 * 1024 * 1024,
    SL_WIT_SET_DEPTH_MAX = 8, /* of folders */
};

struct sl_wit_set {
    struct sl_tool_file *files;
    size_t count;
    void **owned;
    size_t owned_count;
};

/* folder may be NULL: only this slight's own.  Finish it in any case. */
SL_MUST_CHECK enum sl_status sl_wit_set_read(const char *folder,
                                             struct sl_wit_set *out,
                                             struct sl_error *err);
void sl_wit_set_done(struct sl_wit_set *set);

#endif

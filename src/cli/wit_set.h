/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WIT that a tool works on: the files of a folder, and the built-in packages
 * that they use and the folder lacks.
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

/*
 * folder: NULL for the built-in packages alone.  world: what is asked for, whose
 * package may be a built-in one as well.  The caller calls sl_wit_set_done in
 * any case.
 */
SL_MUST_CHECK enum sl_status sl_wit_set_read(const char *folder,
                                             const char *world,
                                             struct sl_wit_set *out,
                                             struct sl_error *err);
void sl_wit_set_done(struct sl_wit_set *set);

#endif

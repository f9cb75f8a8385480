/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WIT of this slight, in the program: wit/CMakeLists.txt generates the
 * array from the files.
 */
#ifndef SL_CLI_WIT_FILES_H
#define SL_CLI_WIT_FILES_H

#include <stddef.h>

struct sl_wit_file {
    const char *path; /* below wit/: "kv/kv.wit" */
    const char *text; /* NUL-terminated as well */
    size_t len;
};

extern const struct sl_wit_file sl_wit_files[];
extern const size_t sl_wit_file_count;

#endif

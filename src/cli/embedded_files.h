/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are in the program: the WIT of this slight, what guests in C are
 * built with, and third-party notices.  The CMakeLists.txt of wit/, guest/ and
 * src/cli/ generate the arrays.
 */
#ifndef SL_CLI_EMBEDDED_FILES_H
#define SL_CLI_EMBEDDED_FILES_H

#include <stddef.h>

struct sl_embedded_file {
    const char *path; /* below the folder: "kv/kv.wit" */
    const char *text; /* NUL-terminated as well */
    size_t len;
};

/* wit/ */
extern const struct sl_embedded_file sl_wit_files[];
extern const size_t sl_wit_file_count;

/* guest/: what `slight bindgen c` writes beside the bindings */
extern const struct sl_embedded_file sl_guest_files[];
extern const size_t sl_guest_file_count;

/* scripts/notices.sh: what is linked statically */
extern const struct sl_embedded_file sl_notices_files[];
extern const size_t sl_notices_file_count;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which imports of a component this slight answers, and what to say about the
 * others.
 */
#ifndef SL_HOST_IMPORTS_H
#define SL_HOST_IMPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* The parts of "slight:kv/store@0.2.0"; empty where the name has no such. */
struct sl_import_name {
    struct sl_bytes package;   /* slight:kv */
    struct sl_bytes interface; /* store */
    struct sl_bytes version;   /* 0.1.0 */
};

/*
 * True where it is provided, in this version or one that is compatible with it.
 * Otherwise hint says why not, in a few words.
 */
bool sl_import_provided(const struct sl_import_name *name, char *hint,
                        size_t hint_size);

/*
 * Whether it is provided, but asked for in a later version, which may have more
 * functions.  Then text says so: "slight:kv 0.2.1, and this slight provides
 * 0.2.0".
 */
bool sl_import_newer(const struct sl_import_name *name, char *text,
                     size_t size);

#endif

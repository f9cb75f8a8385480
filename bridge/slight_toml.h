/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge's TOML reader.  A header of its own, because src/manifest reads
 * files and has no business with the rest of the bridge, whose rules (see
 * slight_bridge.h) hold here too.
 */
#ifndef SLIGHT_TOML_H
#define SLIGHT_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum sl_toml_type {
    SL_TOML_STRING,
    SL_TOML_INTEGER,
    SL_TOML_FLOAT,
    SL_TOML_BOOLEAN,
    SL_TOML_DATETIME,
    SL_TOML_ARRAY,
    SL_TOML_TABLE,
};

/* Counted from 1; columns in characters. */
struct sl_toml_place {
    uint32_t line;
    uint32_t column;
};

/*
 * A value, with the key it stands under (empty in an array and at the top).
 * text, NUL-terminated: a string's content, or a float or datetime as written.
 * children: of an array or table, in the order of the file.
 */
struct sl_toml {
    enum sl_toml_type type;
    struct sl_toml_place key_place;
    struct sl_toml_place place;
    const char *key;
    const char *text;
    int64_t integer;
    bool boolean;
    const struct sl_toml *children;
    size_t child_count;
};

struct sl_toml_document;

/* Each error of the syntax; at most 100. message: NUL-terminated, one line. */
typedef void sl_toml_error_fn(void *context, struct sl_toml_place place,
                              const char *message);

/*
 * Read a document of TOML 1.0.  Always answers a document, with what could be
 * read; errors are told first, in the order of the file.  Text that is not
 * UTF-8, and strings or keys with a NUL in them, are errors.  NULL only after a
 * panic, which is told as an error.
 */
struct sl_toml_document *sl_bridge_toml_read(struct sl_bytes text,
                                             sl_toml_error_fn *error,
                                             void *context);
/* The top table, borrowed until the document is freed. */
const struct sl_toml *sl_bridge_toml_root(const struct sl_toml_document *doc);
void sl_bridge_toml_free(struct sl_toml_document *doc);

#endif

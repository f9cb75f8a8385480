/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of src/manifest share while a manifest is read: the problems
 * that were found, the memory of the manifest, and access to the TOML.
 */
#ifndef SL_MANIFEST_READER_H
#define SL_MANIFEST_READER_H

#include "manifest/manifest.h"

struct sl_manifest_problem {
    struct sl_toml_place place;
    char *message;
};

struct sl_manifest_reader {
    struct sl_manifest *manifest;
    const char *folder; /* of the manifest, with a slash, or "" */
    struct sl_manifest_problem *problems;
    size_t problem_count;
    size_t syntax_count;      /* of them; they come first */
    struct sl_hidden *hidden; /* the secrets of the current resource */
};

/* Add a problem.  All are reported later, in the order of the file. */
void sl_manifest_add_problem(struct sl_manifest_reader *reader,
                             struct sl_toml_place place, const char *fmt, ...)
    SL_PRINTF(3, 4);

/* Make the manifest the owner of block; returns block. */
void *sl_manifest_own(struct sl_manifest *manifest, void *block);

/* The path as seen from the working directory; owned by the manifest. */
const char *sl_manifest_path(struct sl_manifest_reader *reader,
                             const char *path);

/*
 * The string of value with its ${...} replaced, owned by the manifest; NULL
 * after a problem, which includes a value that is not a string.  *filled,
 * unless NULL, says whether something was replaced, which makes it a secret.
 * key is for messages.
 */
const char *sl_manifest_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *key,
                               bool *filled);

/* The same of the address of a service: within a URL, values are
 * percent-encoded. */
const char *sl_manifest_address(struct sl_manifest_reader *reader,
                                const struct sl_toml *value, const char *key,
                                bool *filled);

/* The child of a table with this key, or NULL. */
const struct sl_toml *sl_manifest_get(const struct sl_toml *table,
                                      const char *key);

/* The place of that child, or of the table when it has no such child. */
struct sl_toml_place sl_manifest_place(const struct sl_toml *table,
                                       const char *key);

/* "an array", "a table", ... */
const char *sl_manifest_type_text(enum sl_toml_type type);

/* For an option: a name is 1 to 128 of [A-Za-z0-9._-]. */
enum sl_status sl_manifest_check_name(const void *field, struct sl_error *err);

#endif

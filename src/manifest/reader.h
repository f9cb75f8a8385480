/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of src/manifest share while a manifest is read.
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
    struct sl_hidden *hidden; /* what ${...} gave to this resource */
};

/* Note what is wrong; told later, in the order of the file. */
void sl_manifest_wrong(struct sl_manifest_reader *reader,
                       struct sl_toml_place place, const char *fmt, ...)
    SL_PRINTF(3, 4);

/* Have block freed with the manifest; returns it. */
void *sl_manifest_own(struct sl_manifest *manifest, void *block);

/* The path as seen from the working directory; owned by the manifest. */
const char *sl_manifest_path(struct sl_manifest_reader *reader,
                             const char *path);

/*
 * The string of value with its ${...} filled in, owned by the manifest; NULL
 * after a problem, also where value is no string.  *filled, unless NULL, tells
 * whether something came from outside, which makes it a secret.  what is the
 * key for messages.
 */
const char *sl_manifest_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *what,
                               bool *filled);

/* The same of an address of a service: within a URL, what is filled in is
 * percent-encoded. */
const char *sl_manifest_address(struct sl_manifest_reader *reader,
                                const struct sl_toml *value, const char *what,
                                bool *filled);

struct sl_manifest_filling {
    const char *folder; /* of files, with a slash, or "" */
    bool is_address;    /* as in sl_manifest_address */
};

/*
 * Fill in ${env:NAME} and ${file:PATH}; $${ is ${.  The message of a failure
 * shows nothing that came from outside.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_fill(const char *text, const struct sl_manifest_filling *filling,
                 struct sl_buf *out, bool *filled, struct sl_error *err);

/*
 * --- fill_address.c ---
 *
 * Append what a reference gives to an address: what is there of it so far, and
 * what is written behind the reference, say which part of a URL it is.
 * SL_INVALID_ARGUMENT where it cannot be that part.
 */
SL_MUST_CHECK enum sl_status
sl_manifest_append_to_address(struct sl_bytes value, const char *after,
                              struct sl_buf *out, struct sl_error *err);

/* A table of settings, and the struct that it fills. */
struct sl_manifest_section {
    const struct sl_option *options;
    void *target;
};

/*
 * Read a table by one or more tables of settings, of which the last has no
 * options (NULL).  others, ended by NULL, are keys that somebody else reads.
 * Unknown keys, wrong types and missing settings are noted as problems.
 */
void sl_manifest_read_section(struct sl_manifest_reader *reader,
                              const struct sl_toml *table, const char *title,
                              const struct sl_manifest_section *sections,
                              const char *const *others);

/* [[resource]] */
void sl_manifest_read_resources(struct sl_manifest_reader *reader,
                                const struct sl_toml *resources);

/* [[trigger]]; after the resources, which they name. */
void sl_manifest_read_triggers(struct sl_manifest_reader *reader,
                               const struct sl_toml *triggers);

/* [component], or [[component]]s; after the resources, which they name. */
void sl_manifest_read_components(struct sl_manifest_reader *reader,
                                 const struct sl_toml *components);

/* "HOST:PORT"; says what is wrong with it. */
enum sl_status sl_manifest_check_listen(const void *field,
                                        struct sl_error *err);

/* Where two servers would listen at one place; after all were read. */
void sl_manifest_check_listeners(struct sl_manifest_reader *reader);

/* The child of a table with this key, or NULL. */
const struct sl_toml *sl_manifest_get(const struct sl_toml *table,
                                      const char *key);

/* Where that child is, or the table where there is none. */
struct sl_toml_place sl_manifest_place(const struct sl_toml *table,
                                       const char *key);

/* "an array", "a table", ... */
const char *sl_manifest_type_text(enum sl_toml_type type);

/* Says what is wrong with a name: 1 to 128 of [A-Za-z0-9._-]. */
enum sl_status sl_manifest_check_name(const void *field, struct sl_error *err);

/* text, cut and made fit to be shown in a message of one line. */
struct sl_manifest_word {
    char text[68];
};
struct sl_manifest_word sl_manifest_word(const char *text);

#endif

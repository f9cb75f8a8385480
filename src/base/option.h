/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declarative settings: one table parses, defaults, validates and documents the
 * settings of a driver, of a capability, or of a section of the manifest.
 */
#ifndef SL_BASE_OPTION_H
#define SL_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum sl_option_type {
    SL_OPTION_STRING = 1,  /* const char *; NULL where nothing is set */
    SL_OPTION_INTEGER,     /* int64_t */
    SL_OPTION_BOOLEAN,     /* bool */
    SL_OPTION_DURATION_MS, /* int64_t, written "50ms", "5s", "2m", "1h" */
    SL_OPTION_SIZE,        /* int64_t bytes, written "64KiB", "16MiB", "1GiB" */
    /* As STRING, of a file or folder; the manifest makes it relative to its
     * own folder, so that the driver sees a path it can open. */
    SL_OPTION_PATH,
};

/* One setting: where it goes, and what we tell people about it. */
struct sl_option {
    const char *name; /* as in the manifest; "retry.attempts" in a table */
    enum sl_option_type type;
    size_t offset; /* of the field in the struct that is filled */
    bool required;
    bool secret; /* never logged or printed */
    /* Of a PATH: slight makes and changes the file, and others beside it.
     * Otherwise it only reads what is there. */
    bool is_store;
    /* Of a STRING: it is the URL of a service, or a list of host[:port] with
     * commas, and this the port where none is named.  Nothing but the ports of
     * these is connected to by a driver that has such options.  0: it is not.
     */
    int port;
    /* Of a STRING: true and false may stand there as well, without quotes. */
    bool or_boolean;
    int64_t min; /* of numbers, durations and sizes; 0 and 0: no bounds */
    int64_t max;
    const char *fallback; /* as it would be written in the manifest */
    const char *help;     /* one sentence, lower case, no full stop */
    /*
     * May be NULL.  Says what is wrong with a value that has the right type;
     * the message names neither the setting nor a secret value.
     */
    enum sl_status (*check)(const void *field, struct sl_error *err);
};

/* A value as the manifest has it.  text is NUL-terminated, borrowed. */
struct sl_setting_value {
    enum { SL_SETTING_TEXT, SL_SETTING_INTEGER, SL_SETTING_BOOLEAN } type;
    const char *text;
    int64_t integer;
    bool boolean;
};

/* The entry of the table with this name, or NULL. */
const struct sl_option *sl_option_find(const struct sl_option *table,
                                       const char *name);

/*
 * Parse value into the option's field of target.  Strings are borrowed from
 * value, and so must live as long as target.  The message of a failure says
 * what is expected, without the option's name: the caller knows the place.
 */
SL_MUST_CHECK enum sl_status sl_option_set(const struct sl_option *option,
                                           const struct sl_setting_value *value,
                                           void *target, struct sl_error *err);

/* The option's fallback, which it must have, as a value. */
struct sl_setting_value sl_option_fallback(const struct sl_option *option);

/* Fill every field of the zeroed target that has a fallback. */
void sl_options_default(const struct sl_option *table, void *target);

/* "string", "duration", ...: for help. */
const char *sl_option_type_text(enum sl_option_type type);

/* A number as it would be written: for a size "16MiB", not 16777216. */
void sl_option_write_amount(enum sl_option_type type, int64_t amount, char *out,
                            size_t size);

/* "5s" to 5000; "64MiB" to bytes.  Used by options and the command line. */
SL_MUST_CHECK enum sl_status sl_parse_duration(const char *text, int64_t *ms,
                                               struct sl_error *err);
SL_MUST_CHECK enum sl_status sl_parse_size(const char *text, int64_t *bytes,
                                           struct sl_error *err);

/*
 * The candidate nearest to word by edit distance, or NULL when none is near
 * enough to be meant.  candidates ends with NULL.
 */
const char *sl_nearest(const char *word, const char *const candidates[]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One table of the manifest, read by tables of settings. */
#ifndef SL_MANIFEST_SECTION_H
#define SL_MANIFEST_SECTION_H

#include "manifest/reader.h"

/* A table of settings, and the struct that it fills. */
struct sl_manifest_section {
    const struct sl_option *options;
    void *target;
};

/*
 * Read a table by one or more tables of settings; an entry without options
 * ends them.  others, which end with a zeroed entry, are keys that the caller
 * reads.  Unknown keys, wrong types and missing settings become problems.
 */
void sl_manifest_read_section(struct sl_manifest_reader *reader,
                              const struct sl_toml *table, const char *title,
                              const struct sl_manifest_section *sections,
                              const struct sl_manifest_key *others);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a manifest, each in a file of its own.  A table that names
 * others is read after them: resources, components, triggers.
 */
#ifndef SL_MANIFEST_TABLES_H
#define SL_MANIFEST_TABLES_H

#include "manifest/reader.h"

/* The settings and keys of each; see struct sl_manifest_table. */
extern const struct sl_option sl_manifest_top_options[];
extern const struct sl_manifest_key sl_manifest_top_keys[];
extern const struct sl_option sl_manifest_component_options[];
extern const struct sl_option sl_manifest_component_name_options[];
extern const struct sl_manifest_key sl_manifest_component_keys[];
extern const struct sl_option sl_manifest_directory_options[];
extern const struct sl_option sl_manifest_resource_options[];
extern const struct sl_manifest_key sl_manifest_resource_keys[];
extern const struct sl_option sl_manifest_any_trigger_options[];
extern const struct sl_manifest_key sl_manifest_trigger_keys[];
extern const struct sl_option sl_manifest_management_options[];
extern const struct sl_manifest_key sl_manifest_management_keys[];

/* resource.c: [[resource]] */
void sl_manifest_read_resources(struct sl_manifest_reader *reader,
                                const struct sl_toml *resources);

/* component.c: [component], or [[component]]s */
void sl_manifest_read_components(struct sl_manifest_reader *reader,
                                 const struct sl_toml *components);

/* management.c: [management] */
void sl_manifest_read_management(struct sl_manifest_reader *reader,
                                 const struct sl_toml *management);

/* trigger.c: [[trigger]] */
void sl_manifest_read_triggers(struct sl_manifest_reader *reader,
                               const struct sl_toml *triggers);

#endif

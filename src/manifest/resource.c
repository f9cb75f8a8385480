/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [[resource]]: what components may open.  The settings of a resource are those
 * of every resource, of its capability and of its driver, from their tables.
 */
#include <string.h>

#include "base/alloc.h"
#include "manifest/capabilities.h"
#include "manifest/excerpt.h"
#include "manifest/section.h"
#include "manifest/tables.h"

const struct sl_option sl_manifest_resource_options[] = {
    {.name = "name",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_resource, name),
     .required = true,
     .help = "the name by which components open it",
     .check = sl_manifest_check_name},
    {0},
};

const struct sl_manifest_key sl_manifest_resource_keys[] = {
    {"type", "string, required",
     "the provider, for example \"kv.sqlite\"; it decides which other settings "
     "there are"},
    {0},
};

static void add_unknown_type(struct sl_manifest_reader *reader,
                             const struct sl_toml *node, const char *type,
                             bool filled)
{
    const char *nearest = filled ? NULL : sl_driver_nearest(type);

    if (filled)
        sl_manifest_add_problem(reader, node->place,
                                "the value of ${...} is not a type; \"slight "
                                "providers\" lists the types");
    else if (sl_driver_is_left_out(type))
        sl_manifest_add_problem(reader, node->place,
                                "this slight was built without %s; \"slight "
                                "providers\" lists the types",
                                type);
    else if (nearest != NULL)
        sl_manifest_add_problem(reader, node->place,
                                "unknown type \"%s\"; did you mean \"%s\"?",
                                sl_manifest_excerpt(type).text, nearest);
    else
        sl_manifest_add_problem(
            reader, node->place,
            "unknown type \"%s\"; \"slight providers\" lists the "
            "types",
            sl_manifest_excerpt(type).text);
}

/* NULL after a problem. */
static const struct sl_driver *
read_provider(struct sl_manifest_reader *reader, const struct sl_toml *table,
              const struct sl_capability **capability)
{
    const struct sl_toml *node = sl_manifest_get(table, "type");
    if (node == NULL) {
        if (reader->syntax_count == 0)
            sl_manifest_add_problem(reader, table->place,
                                    "[[resource]] needs \"type\", for example "
                                    "\"kv.sqlite\"");
        return NULL;
    }

    bool filled = false;
    const char *type = sl_manifest_string(reader, node, "type", &filled);
    if (type == NULL)
        return NULL;
    const struct sl_driver *driver = sl_driver_find(type, capability);
    if (driver == NULL)
        add_unknown_type(reader, node, type, filled);
    return driver;
}

static void check_resource_unique(struct sl_manifest_reader *reader,
                                  const struct sl_toml *table,
                                  const struct sl_manifest_resource *resource)
{
    const struct sl_manifest *manifest = reader->manifest;

    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *other = &manifest->resources[i];
        if (strcmp(other->name, resource->name) != 0)
            continue;
        sl_manifest_add_problem(
            reader, sl_manifest_get(table, "name")->place,
            "the name \"%s\" is already used by the resource in "
            "line %u; choose another",
            resource->name, other->place.line);
        return;
    }
}

/* The type decides which keys are known, so that without it only the name is
 * checked. */
static void read_resource(struct sl_manifest_reader *reader,
                          const struct sl_toml *table)
{
    struct sl_manifest *manifest = reader->manifest;
    struct sl_manifest_resource resource = {.place = table->place};

    resource.driver = read_provider(reader, table, &resource.capability);
    if (resource.driver == NULL) {
        const struct sl_toml *name = sl_manifest_get(table, "name");
        if (name == NULL && reader->syntax_count == 0)
            sl_manifest_add_problem(reader, table->place,
                                    "[[resource]] needs \"name\": %s",
                                    sl_manifest_resource_options[0].help);
        return;
    }

    const struct sl_driver_info info = sl_driver_info(resource.driver);
    const struct sl_capability_info capability =
        sl_capability_info(resource.capability);
    void *options = sl_manifest_own(manifest, sl_alloc(info.options_size));
    void *config = sl_manifest_own(manifest, sl_alloc(capability.config_size));
    resource.options = options;
    resource.config = config;
    const struct sl_manifest_section sections[] = {
        {sl_manifest_resource_options, &resource},
        {sl_service_options, config},
        {capability.options, config},
        {info.options, options},
        {NULL, NULL},
    };
    reader->hidden = NULL;
    sl_manifest_read_section(reader, table, "[[resource]]", sections,
                             sl_manifest_resource_keys);
    ((struct sl_service_config *)config)->hidden = reader->hidden;
    if (resource.name == NULL)
        return;
    check_resource_unique(reader, table, &resource);
    manifest->resources[manifest->resource_count++] = resource;
}

void sl_manifest_read_resources(struct sl_manifest_reader *reader,
                                const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;

    if (node->type != SL_TOML_ARRAY) {
        sl_manifest_add_problem(
            reader, node->place,
            "resources are a list: write [[resource]], with two "
            "brackets");
        return;
    }
    manifest->resources =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*manifest->resources)));
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i].type == SL_TOML_TABLE)
            read_resource(reader, &node->children[i]);
        else
            sl_manifest_add_problem(
                reader, node->children[i].place,
                "\"resource\": expected a table, found %s",
                sl_manifest_type_text(node->children[i].type));
    }
}

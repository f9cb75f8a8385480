/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [component]: what is run, with which limits, and what of WASI it gets.
 */
#include "manifest/reader.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

static enum sl_status check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] != '\0')
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "a path is not empty");
}

static enum sl_status check_folder(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;
    struct stat info;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return SL_OK;
    return sl_fail(err, SL_NOT_FOUND, "there is no folder \"%s\"",
                   sl_manifest_word(path).text);
}

const struct sl_option sl_manifest_component_options[] = {
    {.name = "source",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct sl_manifest, source),
     .required = true,
     .help = "the component, a .wasm file",
     .check = check_path},
    {.name = "memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest, memory),
     .min = 64 * 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .fallback = "64MiB",
     .help = "the most linear memory that it may have"},
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_manifest, timeout_ms),
     .fallback = "0s",
     .help = "the longest that a run may take, waiting included; 0s is no "
             "limit"},
    {0},
};

static const struct sl_option directory_options[] = {
    {.name = "host",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct sl_manifest_directory, host),
     .required = true,
     .help = "the folder on this machine",
     .check = check_folder},
    {.name = "guest",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_directory, guest),
     .required = true,
     .help = "the path under which the component sees it",
     .check = check_path},
    {.name = "writable",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct sl_manifest_directory, writable),
     .fallback = "false",
     .help = "whether the component may write there"},
    {0},
};

static bool is_a(struct sl_manifest_reader *reader, const struct sl_toml *node,
                 enum sl_toml_type type, const char *key, const char *wanted)
{
    if (node->type == type)
        return true;
    sl_manifest_wrong(reader, node->place, "\"%s\": expected %s, found %s", key,
                      wanted, sl_manifest_type_text(node->type));
    return false;
}

static void read_args(struct sl_manifest_reader *reader,
                      const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_ARRAY, "args", "an array of strings"))
        return;
    manifest->args =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*manifest->args)));
    for (size_t i = 0; i < node->child_count; i++) {
        const char *text =
            sl_manifest_string(reader, &node->children[i], "args", NULL);
        if (text != NULL)
            manifest->args[manifest->arg_count++] = text;
    }
}

static void read_env(struct sl_manifest_reader *reader,
                     const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_TABLE, "env", "a table of strings"))
        return;
    manifest->env =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*manifest->env)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *value = sl_manifest_string(reader, child, "env", NULL);
        if (child->key[0] == '\0' || strchr(child->key, '=') != NULL)
            sl_manifest_wrong(reader, child->key_place,
                              "\"env\": the name of a variable is not empty "
                              "and has no \"=\"");
        else if (value != NULL)
            manifest->env[manifest->env_count++] =
                (struct sl_manifest_variable){
                    .name = sl_manifest_own(manifest, sl_strdup(child->key)),
                    .value = value,
                };
    }
}

static void read_directory(struct sl_manifest_reader *reader,
                           const struct sl_toml *node,
                           struct sl_manifest_directory *directory)
{
    const struct sl_manifest_section sections[] = {
        {directory_options, directory},
        {NULL, NULL},
    };
    const char *const others[] = {NULL};

    sl_manifest_read_section(reader, node, "\"directories\"", sections, others);
}

static void read_directories(struct sl_manifest_reader *reader,
                             const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_ARRAY, "directories", "an array of tables"))
        return;
    manifest->directories = sl_manifest_own(
        manifest,
        sl_alloc_array(node->child_count + 1, sizeof(*manifest->directories)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        if (is_a(reader, child, SL_TOML_TABLE, "directories", "a table"))
            read_directory(reader, child,
                           &manifest->directories[manifest->directory_count++]);
    }
}

void sl_manifest_read_component(struct sl_manifest_reader *reader,
                                const struct sl_toml *component)
{
    const struct sl_manifest_section sections[] = {
        {sl_manifest_component_options, reader->manifest},
        {NULL, NULL},
    };
    const struct {
        const char *key;
        void (*read)(struct sl_manifest_reader *, const struct sl_toml *);
    } lists[] = {
        {"args", read_args},
        {"env", read_env},
        {"directories", read_directories},
    };
    const char *const others[] = {"args", "env", "directories", NULL};

    sl_manifest_read_section(reader, component, "[component]", sections,
                             others);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct sl_toml *node = sl_manifest_get(component, lists[i].key);
        if (node != NULL)
            lists[i].read(reader, node);
    }

    const struct sl_toml *source = sl_manifest_get(component, "source");
    if (source != NULL)
        reader->manifest->source_place = source->place;
}

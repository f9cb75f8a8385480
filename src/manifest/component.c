/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [component], or several [[component]]s: what is run, with which limits, and
 * what of WASI it gets.
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
     .offset = offsetof(struct sl_manifest_component, source),
     .required = true,
     .help = "the component, a .wasm file",
     .check = check_path},
    {.name = "memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, memory),
     .min = 64 * 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .fallback = "64MiB",
     .help = "the most linear memory that it may have"},
    {.name = "host-memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, host_memory),
     .min = 4 * 1024 * 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .fallback = "32MiB",
     .help = "the most memory of the host that an instance may hold: HTTP "
             "headers and bodies, received messages, handles"},
    {.name = "table-elements",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_component, table_elements),
     .min = 1,
     .max = 10000000,
     .fallback = "20000",
     .help = "the most functions and references that each of its tables may "
             "hold; one may begin with more, and then not grow"},
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_manifest_component, timeout_ms),
     .fallback = "0s",
     .help = "the longest that a run may take, waiting included; 0s is no "
             "limit; triggers without one have it too"},
    {.name = "max-size",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, max_size),
     .min = 1024,
     .max = (int64_t)2 * 1024 * 1024 * 1024,
     .fallback = "256MiB",
     .help = "the largest file that source may be"},
    {.name = "compile-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_manifest_component, compile_timeout_ms),
     .fallback = "60s",
     .help = "the longest that compiling it may take; 0s is no limit"},
    {.name = "compile-memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, compile_memory),
     .min = 64 * 1024 * 1024,
     .max = (int64_t)1024 * 1024 * 1024 * 1024,
     .fallback = "2GiB",
     .help = "the most memory that compiling it may take"},
    {.name = "output-rate",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, output_rate),
     .max = (int64_t)1024 * 1024 * 1024 * 1024,
     .fallback = "1MiB",
     .help = "with triggers: what its instances may write to standard output "
             "and error in a second, all together; 0B is no limit"},
    {.name = "max-response-fields",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_component, max_response_fields),
     .min = 16,
     .max = 10000,
     .fallback = "256",
     .help = "the most header fields that an answer to an HTTP request of its "
             "own may have"},
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
                      const struct sl_toml *node,
                      struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_ARRAY, "args", "an array of strings"))
        return;
    component->args =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*component->args)));
    for (size_t i = 0; i < node->child_count; i++) {
        const char *text =
            sl_manifest_string(reader, &node->children[i], "args", NULL);
        if (text != NULL)
            component->args[component->arg_count++] = text;
    }
}

static void read_env(struct sl_manifest_reader *reader,
                     const struct sl_toml *node,
                     struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_TABLE, "env", "a table of strings"))
        return;
    component->env =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*component->env)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *value = sl_manifest_string(reader, child, "env", NULL);
        if (child->key[0] == '\0' || strchr(child->key, '=') != NULL)
            sl_manifest_wrong(reader, child->key_place,
                              "\"env\": the name of a variable is not empty "
                              "and has no \"=\"");
        else if (value != NULL)
            component->env[component->env_count++] =
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
                             const struct sl_toml *node,
                             struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_ARRAY, "directories", "an array of tables"))
        return;
    component->directories = sl_manifest_own(
        manifest,
        sl_alloc_array(node->child_count + 1, sizeof(*component->directories)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        if (is_a(reader, child, SL_TOML_TABLE, "directories", "a table"))
            read_directory(
                reader, child,
                &component->directories[component->directory_count++]);
    }
}

/* The resources that it may open; without the key all, or none. */
static void read_grants(struct sl_manifest_reader *reader,
                        const struct sl_toml *node,
                        struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!is_a(reader, node, SL_TOML_ARRAY, "resources", "an array of strings"))
        return;
    component->granted = sl_manifest_own(
        manifest, sl_alloc_array(manifest->resource_count + 1, sizeof(bool)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *name = sl_manifest_string(reader, child, "resources", NULL);
        const struct sl_manifest_resource *resource =
            name != NULL ? sl_manifest_resource(manifest, sl_bytes_of(name))
                         : NULL;
        if (resource != NULL)
            component->granted[resource - manifest->resources] = true;
        else if (name != NULL)
            sl_manifest_wrong(reader, child->place,
                              "\"resources\": there is no [[resource]] \"%s\"",
                              sl_manifest_word(name).text);
    }
}

static void read_allowed_hosts(struct sl_manifest_reader *reader,
                               const struct sl_toml *node,
                               struct sl_manifest_component *component)
{
    struct sl_error err;

    if (!is_a(reader, node, SL_TOML_ARRAY, "allowed-hosts",
              "an array of strings"))
        return;
    if (node->child_count > SL_ALLOWED_HOSTS_MAX) {
        sl_manifest_wrong(reader, node->place,
                          "\"allowed-hosts\": more than %d hosts; a \"*.\" "
                          "stands for many",
                          SL_ALLOWED_HOSTS_MAX);
        return;
    }
    component->allowed_hosts = sl_manifest_own(
        reader->manifest, sl_alloc_array(node->child_count + 1,
                                         sizeof(*component->allowed_hosts)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *text =
            sl_manifest_string(reader, child, "allowed-hosts", NULL);
        if (text == NULL)
            continue;
        if (sl_allowed_host_parse(
                text, &component->allowed_hosts[component->allowed_host_count],
                &err) == SL_OK)
            component->allowed_host_count++;
        else
            sl_manifest_wrong(reader, child->place, "\"allowed-hosts\": %s",
                              err.message);
    }
}

static const struct sl_option name_options[] = {
    {.name = "name",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_component, name),
     .required = true,
     .help = "what the component is called",
     .check = sl_manifest_check_name},
    {0},
};

/* is_one: [component], which has the manifest's name. */
static void read_component(struct sl_manifest_reader *reader,
                           const struct sl_toml *table, bool is_one,
                           struct sl_manifest_component *component)
{
    const struct sl_manifest_section sections[] = {
        {sl_manifest_component_options, component},
        {is_one ? NULL : name_options, component},
        {NULL, NULL},
    };
    const struct {
        const char *key;
        void (*read)(struct sl_manifest_reader *, const struct sl_toml *,
                     struct sl_manifest_component *);
    } lists[] = {
        {"args", read_args},
        {"env", read_env},
        {"directories", read_directories},
        {"resources", read_grants},
        {"allowed-hosts", read_allowed_hosts},
    };
    const char *const others[] = {"args",      "env",           "directories",
                                  "resources", "allowed-hosts", NULL};

    component->place = table->place;
    sl_manifest_read_section(reader, table,
                             is_one ? "[component]" : "[[component]]", sections,
                             others);
    if (!is_one) /* nothing, unless it is named */
        component->granted = sl_manifest_own(
            reader->manifest,
            sl_alloc_array(reader->manifest->resource_count + 1, sizeof(bool)));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct sl_toml *node = sl_manifest_get(table, lists[i].key);
        if (node != NULL)
            lists[i].read(reader, node, component);
    }

    const struct sl_toml *source = sl_manifest_get(table, "source");
    if (source != NULL)
        component->source_place = source->place;
}

static void check_unique(struct sl_manifest_reader *reader,
                         const struct sl_toml *table,
                         const struct sl_manifest_component *component)
{
    const struct sl_manifest *manifest = reader->manifest;

    for (size_t i = 0; i < manifest->component_count; i++)
        if (component->name != NULL && manifest->components[i].name != NULL &&
            strcmp(manifest->components[i].name, component->name) == 0)
            sl_manifest_wrong(reader, sl_manifest_get(table, "name")->place,
                              "the component in line %u has the name \"%s\" "
                              "already; give this one another",
                              manifest->components[i].place.line,
                              component->name);
}

void sl_manifest_read_components(struct sl_manifest_reader *reader,
                                 const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;
    bool is_one = node->type == SL_TOML_TABLE;

    if (!is_one && node->type != SL_TOML_ARRAY) {
        sl_manifest_wrong(reader, node->place,
                          "\"component\": expected a table: [component], or "
                          "[[component]] for each of several");
        return;
    }
    size_t count = is_one ? 1 : node->child_count;
    if (count == 0)
        sl_manifest_wrong(reader, node->place,
                          "the manifest needs [component] with \"source\"");
    manifest->components = sl_manifest_own(
        manifest, sl_alloc_array(count + 1, sizeof(*manifest->components)));
    if (is_one) {
        manifest->component_count = 1;
        read_component(reader, node, true, &manifest->components[0]);
        manifest->components[0].name = manifest->name;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct sl_manifest_component component = {0};
        if (!is_a(reader, &node->children[i], SL_TOML_TABLE, "component",
                  "a table"))
            continue;
        read_component(reader, &node->children[i], false, &component);
        check_unique(reader, &node->children[i], &component);
        manifest->components[manifest->component_count++] = component;
    }
}

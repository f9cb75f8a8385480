/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [component], or several [[component]]s: what is run, with which limits, and
 * what it gets of WASI.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "manifest/excerpt.h"
#include "manifest/section.h"
#include "manifest/tables.h"

static enum sl_status check_path(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;

    if (path[0] != '\0')
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "a path must not be empty");
}

static enum sl_status check_unanswered(const void *field, struct sl_error *err)
{
    const char *text = *(const char *const *)field;

    if (strcmp(text, "refuse") == 0 || strcmp(text, "trap") == 0)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "expected \"refuse\" or \"trap\"");
}

static enum sl_status check_folder(const void *field, struct sl_error *err)
{
    const char *path = *(const char *const *)field;
    struct stat info;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return SL_OK;
    return sl_fail(err, SL_NOT_FOUND, "there is no folder \"%s\"",
                   sl_manifest_excerpt(path).text);
}

const struct sl_option sl_manifest_component_options[] = {
    {.name = "source",
     .type = SL_OPTION_PATH,
     .offset = offsetof(struct sl_manifest_component, source),
     .required = true,
     .help = "the file of the component (.wasm)",
     .check = check_path},
    {.name = "memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, memory),
     .min = 64 * 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .fallback = "64MiB",
     .help = "maximum linear memory"},
    {.name = "host-memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, host_memory),
     .min = 4 * 1024 * 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .fallback = "32MiB",
     .help = "maximum memory of the host that an instance may hold: HTTP "
             "headers and bodies, received messages, handles"},
    {.name = "table-elements",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_component, table_elements),
     .min = 1,
     .max = 10000000,
     .fallback = "20000",
     .help = "maximum functions and references in each of its tables; a table "
             "that begins with more cannot grow"},
    {.name = "timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_manifest_component, timeout_ms),
     .fallback = "0s",
     .help = "maximum duration of a run, including waiting; 0s: no limit; also "
             "the default of its triggers"},
    {.name = "max-size",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, max_size),
     .min = 1024,
     .max = (int64_t)2 * 1024 * 1024 * 1024,
     .fallback = "256MiB",
     .help = "maximum size of the file"},
    {.name = "compile-timeout",
     .type = SL_OPTION_DURATION_MS,
     .offset = offsetof(struct sl_manifest_component, compile_timeout_ms),
     .fallback = "60s",
     .help = "maximum duration of compiling it; 0s: no limit"},
    {.name = "compile-memory",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, compile_memory),
     .min = 64 * 1024 * 1024,
     .max = (int64_t)1024 * 1024 * 1024 * 1024,
     .fallback = "2GiB",
     .help = "maximum memory for compiling it"},
    {.name = "output-rate",
     .type = SL_OPTION_SIZE,
     .offset = offsetof(struct sl_manifest_component, output_rate),
     .max = (int64_t)1024 * 1024 * 1024 * 1024,
     .fallback = "1MiB",
     .help = "with triggers: bytes per second that all its instances together "
             "may write to standard output and error; 0B: no limit"},
    {.name = "max-response-fields",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_component, max_response_fields),
     .min = 16,
     .max = 10000,
     .fallback = "256",
     .help = "maximum header fields in the response to an HTTP request of the "
             "component"},
    {.name = "unanswered",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_component, unanswered),
     .fallback = "refuse",
     .help = "what is done with imports that slight does not provide: "
             "\"refuse\" the component, or \"trap\" when one is called",
     .check = check_unanswered},
    {0},
};

const struct sl_manifest_key sl_manifest_component_keys[] = {
    {"args", "array of strings", "its arguments, after its name"},
    {"env", "table of strings", "its environment variables"},
    {"directories", "array of tables", "the folders that it sees"},
    {"resources", "array of strings",
     "the names of the resources that it may open; default: all with "
     "[component], none with [[component]]"},
    {"allowed-hosts", "array of strings",
     "the servers to which it may send HTTP requests, for example "
     "\"https://api.example.com\""},
    {"allowed-sockets", "array of strings",
     "what its sockets may reach, for example \"tcp://db.example.com:5432\", "
     "and where they may listen, for example \"tcp-listen://127.0.0.1:7000\""},
    {0},
};

const struct sl_option sl_manifest_directory_options[] = {
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
     .help = "the path at which the component sees it",
     .check = check_path},
    {.name = "writable",
     .type = SL_OPTION_BOOLEAN,
     .offset = offsetof(struct sl_manifest_directory, writable),
     .fallback = "false",
     .help = "whether the component may write to it"},
    {0},
};

static bool expect_type(struct sl_manifest_reader *reader,
                        const struct sl_toml *node, enum sl_toml_type type,
                        const char *key, const char *wanted)
{
    if (node->type == type)
        return true;
    sl_manifest_add_problem(reader, node->place,
                            "\"%s\": expected %s, found %s", key, wanted,
                            sl_manifest_type_text(node->type));
    return false;
}

static void read_args(struct sl_manifest_reader *reader,
                      const struct sl_toml *node,
                      struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!expect_type(reader, node, SL_TOML_ARRAY, "args",
                     "an array of strings"))
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

    if (!expect_type(reader, node, SL_TOML_TABLE, "env", "a table of strings"))
        return;
    component->env =
        sl_manifest_own(manifest, sl_alloc_array(node->child_count + 1,
                                                 sizeof(*component->env)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *value = sl_manifest_string(reader, child, "env", NULL);
        if (child->key[0] == '\0' || strchr(child->key, '=') != NULL)
            sl_manifest_add_problem(
                reader, child->key_place,
                "\"env\": the name of a variable must not be "
                "empty or contain \"=\"");
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
        {sl_manifest_directory_options, directory},
        {NULL, NULL},
    };
    const struct sl_manifest_key none[] = {{0}};

    sl_manifest_read_section(reader, node, "\"directories\"", sections, none);
}

static void read_directories(struct sl_manifest_reader *reader,
                             const struct sl_toml *node,
                             struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!expect_type(reader, node, SL_TOML_ARRAY, "directories",
                     "an array of tables"))
        return;
    component->directories = sl_manifest_own(
        manifest,
        sl_alloc_array(node->child_count + 1, sizeof(*component->directories)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        if (expect_type(reader, child, SL_TOML_TABLE, "directories", "a table"))
            read_directory(
                reader, child,
                &component->directories[component->directory_count++]);
    }
}

static void read_grants(struct sl_manifest_reader *reader,
                        const struct sl_toml *node,
                        struct sl_manifest_component *component)
{
    struct sl_manifest *manifest = reader->manifest;

    if (!expect_type(reader, node, SL_TOML_ARRAY, "resources",
                     "an array of strings"))
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
            sl_manifest_add_problem(
                reader, child->place,
                "\"resources\": there is no [[resource]] \"%s\"",
                sl_manifest_excerpt(name).text);
    }
}

/* A list of what a component may reach, and the words for it. */
struct allowed_list {
    const char *key;
    const char *things;
    enum sl_status (*parse)(const char *text, struct sl_allowed_host *out,
                            struct sl_error *err);
};

/* Returns how many were read into *out. */
static size_t read_allowed(struct sl_manifest_reader *reader,
                           const struct sl_toml *node,
                           const struct allowed_list *list,
                           struct sl_allowed_host **out)
{
    size_t count = 0;
    struct sl_error err;

    if (!expect_type(reader, node, SL_TOML_ARRAY, list->key,
                     "an array of strings"))
        return 0;
    if (node->child_count > SL_ALLOWED_HOSTS_MAX) {
        sl_manifest_add_problem(reader, node->place,
                                "\"%s\": more than %d %s; \"*.NAME\" allows "
                                "all names below one",
                                list->key, SL_ALLOWED_HOSTS_MAX, list->things);
        return 0;
    }
    *out = sl_manifest_own(
        reader->manifest, sl_alloc_array(node->child_count + 1, sizeof(**out)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *text = sl_manifest_string(reader, child, list->key, NULL);
        if (text == NULL)
            continue;
        if (list->parse(text, &(*out)[count], &err) == SL_OK)
            count++;
        else
            sl_manifest_add_problem(reader, child->place, "\"%s\": %s",
                                    list->key, err.message);
    }
    return count;
}

static void read_allowed_hosts(struct sl_manifest_reader *reader,
                               const struct sl_toml *node,
                               struct sl_manifest_component *component)
{
    static const struct allowed_list list = {"allowed-hosts", "hosts",
                                             sl_allowed_host_parse};

    component->allowed_host_count =
        read_allowed(reader, node, &list, &component->allowed_hosts);
}

static void read_allowed_sockets(struct sl_manifest_reader *reader,
                                 const struct sl_toml *node,
                                 struct sl_manifest_component *component)
{
    static const struct allowed_list list = {"allowed-sockets", "entries",
                                             sl_allowed_socket_parse};

    component->allowed_socket_count =
        read_allowed(reader, node, &list, &component->allowed_sockets);
}

const struct sl_option sl_manifest_component_name_options[] = {
    {.name = "name",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_component, name),
     .required = true,
     .help = "the name of the component",
     .check = sl_manifest_check_name},
    {0},
};

/* is_one: [component], whose name is that of the manifest. */
static void read_component(struct sl_manifest_reader *reader,
                           const struct sl_toml *table, bool is_one,
                           struct sl_manifest_component *component)
{
    const struct sl_manifest_section sections[] = {
        {sl_manifest_component_options, component},
        {is_one ? NULL : sl_manifest_component_name_options, component},
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
        {"allowed-sockets", read_allowed_sockets},
    };

    component->place = table->place;
    sl_manifest_read_section(reader, table,
                             is_one ? "[component]" : "[[component]]", sections,
                             sl_manifest_component_keys);
    if (!is_one) /* none by default */
        component->granted = sl_manifest_own(
            reader->manifest,
            sl_alloc_array(reader->manifest->resource_count + 1, sizeof(bool)));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct sl_toml *node = sl_manifest_get(table, lists[i].key);
        if (node != NULL)
            lists[i].read(reader, node, component);
    }

    component->unanswered_traps = component->unanswered != NULL &&
                                  strcmp(component->unanswered, "trap") == 0;
    const struct sl_toml *source = sl_manifest_get(table, "source");
    if (source != NULL)
        component->source_place = source->place;
}

static void
check_component_unique(struct sl_manifest_reader *reader,
                       const struct sl_toml *table,
                       const struct sl_manifest_component *component)
{
    const struct sl_manifest *manifest = reader->manifest;

    for (size_t i = 0; i < manifest->component_count; i++)
        if (component->name != NULL && manifest->components[i].name != NULL &&
            strcmp(manifest->components[i].name, component->name) == 0)
            sl_manifest_add_problem(
                reader, sl_manifest_get(table, "name")->place,
                "the name \"%s\" is already used by the component "
                "in line %u; choose another",
                component->name, manifest->components[i].place.line);
}

void sl_manifest_read_components(struct sl_manifest_reader *reader,
                                 const struct sl_toml *node)
{
    struct sl_manifest *manifest = reader->manifest;
    bool is_one = node->type == SL_TOML_TABLE;

    if (!is_one && node->type != SL_TOML_ARRAY) {
        sl_manifest_add_problem(
            reader, node->place,
            "\"component\": expected a table: [component], or "
            "[[component]] for each of several");
        return;
    }
    size_t count = is_one ? 1 : node->child_count;
    if (count == 0)
        sl_manifest_add_problem(
            reader, node->place,
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
        if (!expect_type(reader, &node->children[i], SL_TOML_TABLE, "component",
                         "a table"))
            continue;
        read_component(reader, &node->children[i], false, &component);
        check_component_unique(reader, &node->children[i], &component);
        manifest->components[manifest->component_count++] = component;
    }
}

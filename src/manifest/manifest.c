/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as a whole.  Reading goes on after a problem, so that all are
 * told at once; they are sorted at the end, because what is missing and what is
 * there twice are found out of order.
 */
#include "manifest/manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/reader.h"

static const char default_text[] = "slight = 1\n"
                                   "name = \"component\"\n"
                                   "[component]\n"
                                   "source = \"component.wasm\"\n"
                                   "[[resource]]\n"
                                   "name = \"default\"\n"
                                   "type = \"kv.sqlite\"\n"
                                   "path = \".slight/default.db\"\n"
                                   "max-bytes = \"1GiB\"\n";

static const struct sl_option top_options[] = {
    {.name = "name",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest, name),
     .required = true,
     .help = "what the component is called in messages and metrics",
     .check = sl_manifest_check_name},
    {0},
};

const struct sl_option sl_manifest_management_options[] = {
    {.name = "listen",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_management, listen),
     .fallback = "127.0.0.1:9090",
     .help = "the address and port of /metrics, /healthz and /readyz; whoever "
             "reaches it may read them; port 0: the system chooses one",
     .check = sl_manifest_check_listen},
    {.name = "max-connections-per-peer",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_management, max_peer_connections),
     .min = 1,
     .max = 256,
     .fallback = "64",
     .help = "connections of one address at once; another one takes the place "
             "of the one that is idle for longest"},
    {0},
};

struct sl_manifest_word sl_manifest_word(const char *text)
{
    struct sl_manifest_word word = {{0}};
    size_t len = 0;

    for (; text[len] != '\0' && len < 64; len++)
        word.text[len] = (unsigned char)text[len] < ' ' || text[len] == 0x7f
                             ? '?'
                             : text[len];
    if (text[len] == '\0')
        return word;
    /* Cut at the start of a character, and show that it was cut. */
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(word.text + len, "...", sizeof("..."));
    return word;
}

void sl_manifest_wrong(struct sl_manifest_reader *reader,
                       struct sl_toml_place place, const char *fmt, ...)
{
    char message[SL_ERROR_MESSAGE_MAX];
    va_list args;

    if (reader->problem_count == SL_MANIFEST_PROBLEMS_MAX)
        return;
    /* What is read of a line that is no TOML is not what was written. */
    for (size_t i = 0; i < reader->syntax_count; i++)
        if (reader->problems[i].place.line == place.line)
            return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    reader->problems[reader->problem_count++] = (struct sl_manifest_problem){
        .place = place,
        .message = sl_strdup(message),
    };
}

void *sl_manifest_own(struct sl_manifest *manifest, void *block)
{
    manifest->owned = sl_realloc(manifest->owned, (manifest->owned_count + 1) *
                                                      sizeof(*manifest->owned));
    manifest->owned[manifest->owned_count++] = block;
    return block;
}

const char *sl_manifest_path(struct sl_manifest_reader *reader,
                             const char *path)
{
    if (path[0] == '/' || path[0] == '\0' || reader->folder[0] == '\0')
        return path;
    return sl_manifest_own(reader->manifest,
                           sl_asprintf("%s%s", reader->folder, path));
}

static const char *read_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *what,
                               bool is_address, bool *filled)
{
    const struct sl_manifest_filling filling = {reader->folder, is_address};
    struct sl_buf text = SL_BUF(SL_MANIFEST_TEXT_MAX);
    struct sl_error err;
    bool was_filled = false;

    if (value->type != SL_TOML_STRING) {
        sl_manifest_wrong(reader, value->place,
                          "\"%s\": expected a string, found %s", what,
                          sl_manifest_type_text(value->type));
        return NULL;
    }
    if (sl_manifest_fill(value->text, &filling, &text, &was_filled, &err) !=
        SL_OK) {
        sl_manifest_wrong(reader, value->place, "\"%s\": %s", what,
                          err.message);
        sl_buf_done(&text);
        return NULL;
    }
    if (filled != NULL)
        *filled = was_filled;
    char *owned = sl_strndup(text.ptr, text.len);
    sl_buf_done(&text);
    return sl_manifest_own(reader->manifest, owned);
}

const char *sl_manifest_string(struct sl_manifest_reader *reader,
                               const struct sl_toml *value, const char *what,
                               bool *filled)
{
    return read_string(reader, value, what, false, filled);
}

const char *sl_manifest_address(struct sl_manifest_reader *reader,
                                const struct sl_toml *value, const char *what,
                                bool *filled)
{
    return read_string(reader, value, what, true, filled);
}

const char *sl_manifest_type_text(enum sl_toml_type type)
{
    switch (type) {
    case SL_TOML_STRING:
        return "a string";
    case SL_TOML_INTEGER:
        return "an integer";
    case SL_TOML_FLOAT:
        return "a float";
    case SL_TOML_BOOLEAN:
        return "a boolean";
    case SL_TOML_DATETIME:
        return "a date";
    case SL_TOML_ARRAY:
        return "an array";
    case SL_TOML_TABLE:
        return "a table";
    }
    return "something else";
}

bool sl_manifest_is_name(struct sl_bytes name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < name.len && i <= SL_MANIFEST_NAME_MAX; i++)
        if (memchr(allowed, name.ptr[i], sizeof(allowed) - 1) == NULL)
            return false;
    return name.len > 0 && name.len <= SL_MANIFEST_NAME_MAX;
}

enum sl_status sl_manifest_check_name(const void *field, struct sl_error *err)
{
    const char *name = *(const char *const *)field;

    if (sl_manifest_is_name(sl_bytes_of(name)))
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT,
                   "a name is 1 to %d letters, digits, \".\", \"_\" and \"-\"",
                   SL_MANIFEST_NAME_MAX);
}

/* False where nothing else in the file can be judged. */
static bool read_format(struct sl_manifest_reader *reader,
                        const struct sl_toml *root)
{
    const struct sl_toml *node = sl_manifest_get(root, "slight");

    if (node == NULL) {
        if (reader->syntax_count == 0)
            sl_manifest_wrong(reader, root->place,
                              "the first line must say which format this is: "
                              "slight = %d",
                              SL_MANIFEST_FORMAT);
        return true;
    }
    if (node->type != SL_TOML_INTEGER || node->integer < 1) {
        sl_manifest_wrong(reader, node->place,
                          "\"slight\": expected the number of the format: "
                          "slight = %d",
                          SL_MANIFEST_FORMAT);
        return true;
    }
    if (node->integer <= SL_MANIFEST_FORMAT)
        return true;
    sl_manifest_wrong(reader, node->place,
                      "\"slight\": this file has format %lld, this slight "
                      "reads format %d; use a newer slight",
                      (long long)node->integer, SL_MANIFEST_FORMAT);
    return false;
}

static void read_allowed_hosts(struct sl_manifest_reader *reader,
                               const struct sl_toml *node,
                               struct sl_manifest_management *management)
{
    if (node->type != SL_TOML_ARRAY) {
        sl_manifest_wrong(reader, node->place,
                          "\"allowed-hosts\": expected an array of strings, "
                          "found %s",
                          sl_manifest_type_text(node->type));
        return;
    }
    management->allowed_hosts = sl_manifest_own(
        reader->manifest, sl_alloc_array(node->child_count + 1,
                                         sizeof(*management->allowed_hosts)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *name =
            sl_manifest_string(reader, child, "allowed-hosts", NULL);
        if (name != NULL && !sl_manifest_is_name(sl_bytes_of(name)))
            sl_manifest_wrong(reader, child->place,
                              "\"allowed-hosts\": expected names of this "
                              "machine, without scheme and port");
        else if (name != NULL)
            management->allowed_hosts[management->allowed_host_count++] = name;
    }
}

static void read_management(struct sl_manifest_reader *reader,
                            const struct sl_toml *node)
{
    struct sl_manifest_management *management =
        sl_manifest_own(reader->manifest, sl_alloc(sizeof(*management)));
    const struct sl_manifest_section sections[] = {
        {sl_manifest_management_options, management},
        {NULL, NULL},
    };
    const char *const others[] = {"allowed-hosts", NULL};

    if (node->type == SL_TOML_TABLE) {
        sl_manifest_read_section(reader, node, "[management]", sections,
                                 others);
        management->listen_place = sl_manifest_place(node, "listen");
        const struct sl_toml *hosts = sl_manifest_get(node, "allowed-hosts");
        if (hosts != NULL)
            read_allowed_hosts(reader, hosts, management);
    } else
        sl_manifest_wrong(reader, node->place,
                          "\"management\": expected a table, found %s",
                          sl_manifest_type_text(node->type));
    reader->manifest->management = management;
}

static void read_root(struct sl_manifest_reader *reader,
                      const struct sl_toml *root)
{
    const struct sl_manifest_section sections[] = {
        {top_options, reader->manifest},
        {NULL, NULL},
    };
    const char *const others[] = {"slight",  "component",  "resource",
                                  "trigger", "management", NULL};

    if (!read_format(reader, root))
        return;
    sl_manifest_read_section(reader, root, "the manifest", sections, others);

    const struct sl_toml *resources = sl_manifest_get(root, "resource");
    if (resources != NULL)
        sl_manifest_read_resources(reader, resources);
    const struct sl_toml *components = sl_manifest_get(root, "component");
    if (components != NULL)
        sl_manifest_read_components(reader, components);
    else if (reader->syntax_count == 0)
        sl_manifest_wrong(reader, root->place,
                          "the manifest needs [component] with \"source\"");
    const struct sl_toml *management = sl_manifest_get(root, "management");
    if (management != NULL)
        read_management(reader, management);
    const struct sl_toml *triggers = sl_manifest_get(root, "trigger");
    if (triggers != NULL)
        sl_manifest_read_triggers(reader, triggers);
    else if (reader->manifest->component_count > 1)
        sl_manifest_wrong(reader, reader->manifest->components[1].place,
                          "several components are run by [[trigger]]s, and "
                          "there is none");
    sl_manifest_check_listeners(reader);
}

static void syntax_error(void *context, struct sl_toml_place place,
                         const char *message)
{
    struct sl_manifest_reader *reader = context;

    sl_manifest_wrong(reader, place, "%s", message);
    reader->syntax_count = reader->problem_count;
}

/* By place; found earlier goes first where the place is the same. */
static void sort_problems(struct sl_manifest_reader *reader)
{
    struct sl_manifest_problem *list = reader->problems;

    for (size_t i = 1; i < reader->problem_count; i++) {
        struct sl_manifest_problem moved = list[i];
        size_t at = i;
        while (at > 0 && (list[at - 1].place.line > moved.place.line ||
                          (list[at - 1].place.line == moved.place.line &&
                           list[at - 1].place.column > moved.place.column))) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = moved;
    }
}

static enum sl_status tell_problems(struct sl_manifest_reader *reader,
                                    const char *path,
                                    sl_manifest_problem_fn *problem,
                                    void *context, struct sl_error *err)
{
    size_t count = reader->problem_count;

    sort_problems(reader);
    for (size_t i = 0; i < count; i++) {
        problem(context, reader->problems[i].place,
                reader->problems[i].message);
        free(reader->problems[i].message);
    }
    free(reader->problems);
    if (count == 0)
        return SL_OK;
    return sl_fail(err, SL_INVALID_ARGUMENT, "%s has %s%zu error%s", path,
                   count == SL_MANIFEST_PROBLEMS_MAX ? "at least " : "", count,
                   count == 1 ? "" : "s");
}

enum sl_status sl_manifest_parse(const char *path, struct sl_bytes text,
                                 sl_manifest_problem_fn *problem, void *context,
                                 struct sl_manifest **out, struct sl_error *err)
{
    if (text.len > SL_MANIFEST_SIZE_MAX)
        return sl_fail(err, SL_TOO_LARGE, "%s: larger than %d bytes", path,
                       SL_MANIFEST_SIZE_MAX);

    const char *slash = strrchr(path, '/');
    SL_CLEANUP(sl_freep)
    char *folder =
        sl_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    SL_CLEANUP(sl_manifest_freep)
    struct sl_manifest *manifest = sl_alloc(sizeof(*manifest));
    struct sl_manifest_reader reader = {
        .manifest = manifest,
        .folder = folder,
        .problems =
            sl_alloc_array(SL_MANIFEST_PROBLEMS_MAX, sizeof(*reader.problems)),
    };
    manifest->path = sl_manifest_own(manifest, sl_strdup(path));

    struct sl_toml_document *doc =
        sl_bridge_toml_read(text, syntax_error, &reader);
    if (doc != NULL)
        read_root(&reader, sl_bridge_toml_root(doc));
    sl_bridge_toml_free(doc);

    enum sl_status status = tell_problems(&reader, path, problem, context, err);
    if (status != SL_OK)
        return status;
    *out = manifest;
    manifest = NULL; /* handed over */
    return SL_OK;
}

enum sl_status sl_manifest_read(const char *path,
                                sl_manifest_problem_fn *problem, void *context,
                                struct sl_manifest **out, struct sl_error *err)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf text = SL_BUF(SL_MANIFEST_SIZE_MAX);

    enum sl_status status = sl_file_read(path, &text, err);
    if (status != SL_OK)
        return status;
    return sl_manifest_parse(path, sl_buf_bytes(&text), problem, context, out,
                             err);
}

/* The built-in manifest has none where the drivers that it names are built. */
static void no_problem(void *context, struct sl_toml_place place,
                       const char *message)
{
    (void)context;
    (void)place;
    (void)message;
}

/* "out/word count.wasm" gives "word-count". */
static char *name_of(const char *component)
{
    const char *slash = strrchr(component, '/');
    const char *base = slash != NULL ? slash + 1 : component;
    size_t len = strcspn(base, ".");
    char *name = sl_strndup(
        base, len < SL_MANIFEST_NAME_MAX ? len : SL_MANIFEST_NAME_MAX);

    for (char *at = name; *at != '\0'; at++)
        if (!sl_manifest_is_name(SL_BYTES(at, 1)))
            *at = '-';
    return name;
}

enum sl_status sl_manifest_default(const char *component,
                                   struct sl_manifest **out,
                                   struct sl_error *err)
{
    struct sl_manifest *manifest;

    enum sl_status status =
        sl_manifest_parse("the built-in manifest", sl_bytes_of(default_text),
                          no_problem, NULL, &manifest, err);
    if (status != SL_OK)
        return status;
    manifest->path = NULL;
    manifest->name = sl_manifest_own(manifest, name_of(component));
    manifest->components[0].name = manifest->name;
    sl_manifest_set_source(manifest, component);
    *out = manifest;
    return SL_OK;
}

void sl_manifest_set_source(struct sl_manifest *manifest, const char *path)
{
    manifest->components[0].source = sl_manifest_own(manifest, sl_strdup(path));
    manifest->components[0].source_place = (struct sl_toml_place){0};
}

const struct sl_manifest_resource *
sl_manifest_resource(const struct sl_manifest *manifest, struct sl_bytes name)
{
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (sl_bytes_equal(sl_bytes_of(manifest->resources[i].name), name))
            return &manifest->resources[i];
    return NULL;
}

bool sl_manifest_grants(const struct sl_manifest *manifest,
                        const struct sl_manifest_component *component,
                        const struct sl_manifest_resource *resource)
{
    return component->granted == NULL ||
           component->granted[resource - manifest->resources];
}

void sl_manifest_free(struct sl_manifest *manifest)
{
    if (manifest == NULL)
        return;
    for (size_t i = 0; i < manifest->owned_count; i++)
        free(manifest->owned[i]);
    free(manifest->owned);
    free(manifest);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to a manifest.  Reading goes on after a problem, so that all are
 * reported at once.  They are sorted at the end, because missing and duplicate
 * settings are found out of order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/listen.h"
#include "manifest/section.h"
#include "manifest/tables.h"

static const char default_text[] = "slight = 1\n"
                                   "name = \"component\"\n"
                                   "[component]\n"
                                   "source = \"component.wasm\"\n"
                                   "[[resource]]\n"
                                   "name = \"default\"\n"
                                   "type = \"kv.sqlite\"\n"
                                   "path = \".slight/default.db\"\n"
                                   "max-bytes = \"1GiB\"\n";

const struct sl_option sl_manifest_top_options[] = {
    {.name = "name",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest, name),
     .required = true,
     .help = "the name of the component in messages and metrics",
     .check = sl_manifest_check_name},
    {0},
};

const struct sl_manifest_key sl_manifest_top_keys[] = {
    {"slight", "integer, required", "the format of this file: 1"},
    {"component", "table, required",
     "[component], or [[component]] for each of several"},
    {"resource", "tables", "[[resource]] for each"},
    {"trigger", "tables", "[[trigger]] for each"},
    {"management", "table", "[management]"},
    {0},
};

/* False when the rest of the file cannot be understood. */
static bool read_format(struct sl_manifest_reader *reader,
                        const struct sl_toml *root)
{
    const struct sl_toml *node = sl_manifest_get(root, "slight");

    if (node == NULL) {
        if (reader->syntax_count == 0)
            sl_manifest_add_problem(
                reader, root->place,
                "the manifest needs the number of its format in the "
                "first line: slight = %d",
                SL_MANIFEST_FORMAT);
        return true;
    }
    if (node->type != SL_TOML_INTEGER || node->integer < 1) {
        sl_manifest_add_problem(
            reader, node->place,
            "\"slight\": expected the number of the format: "
            "slight = %d",
            SL_MANIFEST_FORMAT);
        return true;
    }
    if (node->integer <= SL_MANIFEST_FORMAT)
        return true;
    sl_manifest_add_problem(
        reader, node->place,
        "\"slight\": this file has format %lld, this slight "
        "reads format %d; use a newer slight",
        (long long)node->integer, SL_MANIFEST_FORMAT);
    return false;
}

static void read_root(struct sl_manifest_reader *reader,
                      const struct sl_toml *root)
{
    const struct sl_manifest_section sections[] = {
        {sl_manifest_top_options, reader->manifest},
        {NULL, NULL},
    };

    if (!read_format(reader, root))
        return;
    sl_manifest_read_section(reader, root, "the manifest", sections,
                             sl_manifest_top_keys);

    const struct sl_toml *resources = sl_manifest_get(root, "resource");
    if (resources != NULL)
        sl_manifest_read_resources(reader, resources);
    const struct sl_toml *components = sl_manifest_get(root, "component");
    if (components != NULL)
        sl_manifest_read_components(reader, components);
    else if (reader->syntax_count == 0)
        sl_manifest_add_problem(
            reader, root->place,
            "the manifest needs [component] with \"source\"");
    const struct sl_toml *management = sl_manifest_get(root, "management");
    if (management != NULL)
        sl_manifest_read_management(reader, management);
    const struct sl_toml *triggers = sl_manifest_get(root, "trigger");
    if (triggers != NULL)
        sl_manifest_read_triggers(reader, triggers);
    else if (reader->manifest->component_count > 1)
        sl_manifest_add_problem(reader, reader->manifest->components[1].place,
                                "a manifest with several components needs "
                                "[[trigger]]s, which call them");
    sl_manifest_check_listeners(reader);
}

static void add_syntax_error(void *context, struct sl_toml_place place,
                             const char *message)
{
    struct sl_manifest_reader *reader = context;

    sl_manifest_add_problem(reader, place, "%s", message);
    reader->syntax_count = reader->problem_count;
}

/* By place; a stable sort. */
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

static enum sl_status report_problems(struct sl_manifest_reader *reader,
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
        sl_bridge_toml_read(text, add_syntax_error, &reader);
    if (doc != NULL)
        read_root(&reader, sl_bridge_toml_root(doc));
    sl_bridge_toml_free(doc);

    enum sl_status status =
        report_problems(&reader, path, problem, context, err);
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

/* The built-in manifest has a problem when its driver was not built in. */
static void keep_problem(void *context, struct sl_toml_place place,
                         const char *message)
{
    (void)place;
    snprintf(context, SL_ERROR_MESSAGE_MAX, "%s", message);
}

/* "out/word count.wasm" gives "word-count". */
static char *make_name(const char *component)
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

/* Whether a string of the manifest may contain it as it is. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\' ||
            *text == '$')
            return false;
    return true;
}

static char *make_default_text(const char *listen)
{
    if (listen == NULL)
        return sl_strdup(default_text);
    return sl_asprintf("%s[[trigger]]\ntype = \"http\"\nlisten = \"%s\"\n",
                       default_text, listen);
}

enum sl_status sl_manifest_default(const char *component, const char *listen,
                                   struct sl_manifest **out,
                                   struct sl_error *err)
{
    char problem[SL_ERROR_MESSAGE_MAX] = "";
    struct sl_manifest *manifest;

    if (listen != NULL && !is_plain(listen))
        return sl_fail(err, SL_INVALID_ARGUMENT, "\"listen\": no address");
    SL_CLEANUP(sl_freep) char *text = make_default_text(listen);
    enum sl_status status =
        sl_manifest_parse("the built-in manifest", sl_bytes_of(text),
                          keep_problem, problem, &manifest, err);
    if (status != SL_OK)
        return sl_fail(err, status, "%s%s",
                       listen == NULL ? "the built-in manifest: " : "",
                       problem);
    manifest->path = NULL;
    manifest->name = sl_manifest_own(manifest, make_name(component));
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

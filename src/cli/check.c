/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight check: the problems of a run, without running.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/print.h"
#include "cli/target.h"
#include "manifest/capabilities.h"

/* The interface that opens resources of a kind. */
static const struct kind {
    const char *name; /* of the capability */
    const char *import;
} kinds[] = {
    {"kv", "slight:kv/store@"},      {"lockd", "slight:lockd/locks@"},
    {"mq", "slight:mq/queue@"},      {"pubsub", "slight:pubsub/topics@"},
    {"sql", "slight:sql/database@"},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void note_import(void *context, const struct sl_host_import *import)
{
    bool *uses = context;

    for (size_t i = 0; i < KINDS; i++)
        if (strncmp(import->name, kinds[i].import, strlen(kinds[i].import)) ==
            0)
            uses[i] = true;
}

/* The first resource of the kind; granted: that the component may open. */
static const struct sl_manifest_resource *
find_resource_of_kind(const struct sl_manifest *manifest,
                      const struct sl_manifest_component *component,
                      const char *kind, bool granted)
{
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        if (strcmp(sl_capability_info(resource->capability).name, kind) == 0 &&
            (!granted || sl_manifest_grants(manifest, component, resource)))
            return resource;
    }
    return NULL;
}

/* Warn about capabilities that the component imports without a resource to
 * open.  Returns the number of warnings. */
static size_t warn_missing_resources(const struct sl_manifest *manifest,
                                     struct sl_host *host, size_t index)
{
    const struct sl_manifest_component *component =
        &manifest->components[index];
    const char *file =
        manifest->path != NULL ? manifest->path : "the built-in manifest";
    bool uses[KINDS] = {false};
    size_t count = 0;

    sl_host_imports(host, index, note_import, uses);
    for (size_t k = 0; k < KINDS; k++) {
        const char *kind = kinds[k].name;
        if (!uses[k] ||
            find_resource_of_kind(manifest, component, kind, true) != NULL)
            continue;
        const struct sl_manifest_resource *other =
            find_resource_of_kind(manifest, component, kind, false);
        count++;
        if (other != NULL)
            sl_print_warning(
                "component \"%s\" imports slight:%s, but %s grants "
                "it no such resource, so every open will fail; add "
                "\"%s\" to its \"resources\"",
                component->name, kind, file, other->name);
        else
            sl_print_warning("component \"%s\" imports slight:%s, but %s has "
                             "no such resource, so every open will fail; add "
                             "[[resource]] with type = \"%s.sqlite\", or "
                             "another type of \"slight providers\"",
                             component->name, kind, file, kind);
    }
    return count;
}

static void print_import(void *context, const struct sl_host_import *import)
{
    (void)context;
    if (import->answer == SL_HOST_PROVIDED) {
        sl_print_line(stdout, "  %s", import->name);
        return;
    }
    bool traps = import->answer == SL_HOST_TRAPS;
    printf("  %s", sl_style_on(stdout, traps ? SL_STYLE_YELLOW : SL_STYLE_RED));
    sl_print_text(stdout, import->name);
    printf("  %s:%s ", traps ? "traps when called" : "missing",
           sl_style_off(stdout));
    sl_print_line(stdout, "%s", import->hint);
}

static void print_export(void *context, const char *name)
{
    (void)context;
    sl_print_line(stdout, "  %s", name);
}

static void print_granted_trigger(const struct sl_manifest_trigger *trigger)
{
    printf("  trigger %s, ", sl_manifest_trigger_name(trigger->type));
    if (trigger->type == SL_TRIGGER_HTTP)
        sl_print_line(stdout, "%s%s", trigger->listen, trigger->route);
    else if (trigger->type == SL_TRIGGER_MQ)
        sl_print_line(stdout, "resource %s", trigger->resource_name);
    else
        sl_print_line(stdout, "topic %s of %s, group %s", trigger->topic,
                      trigger->resource_name, trigger->group);
}

static void print_limits(const struct sl_manifest_component *component)
{
    char amount[32];

    sl_option_write_amount(SL_OPTION_SIZE, component->memory, amount,
                           sizeof(amount));
    printf("  %s of memory", amount);
    sl_option_write_amount(SL_OPTION_SIZE, component->host_memory, amount,
                           sizeof(amount));
    printf(", %s of host memory", amount);
    sl_option_write_amount(SL_OPTION_DURATION_MS, component->timeout_ms, amount,
                           sizeof(amount));
    if (component->timeout_ms > 0)
        printf(", timeout %s", amount);
    putchar('\n');
}

static void print_grants(const struct sl_manifest *manifest,
                         const struct sl_manifest_component *component)
{
    putchar('\n');
    sl_print_line(stdout, "%s grants%s%s",
                  manifest->path != NULL ? manifest->path
                                         : "without a manifest, slight",
                  manifest->component_count > 1 ? " " : "",
                  manifest->component_count > 1 ? component->name : "");
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        if (!sl_manifest_grants(manifest, component, resource))
            continue;
        sl_print_line(stdout, "  resource %s, %s", resource->name,
                      sl_driver_info(resource->driver).name);
    }
    for (size_t i = 0; i < component->directory_count; i++)
        sl_print_line(stdout, "  folder %s as %s, %s",
                      component->directories[i].host,
                      component->directories[i].guest,
                      component->directories[i].writable ? "to read and write"
                                                         : "to read only");
    for (size_t i = 0; i < component->env_count; i++)
        sl_print_line(stdout, "  variable %s", component->env[i].name);
    for (size_t i = 0; i < component->allowed_host_count; i++)
        sl_print_line(stdout, "  requests to %s",
                      component->allowed_hosts[i].text);
    for (size_t i = 0; i < component->allowed_socket_count; i++)
        sl_print_line(stdout, "  sockets to %s",
                      component->allowed_sockets[i].text);
    for (size_t i = 0; i < manifest->trigger_count; i++)
        if (manifest->triggers[i].component == component)
            print_granted_trigger(&manifest->triggers[i]);
    print_limits(component);
}

/* What must be there: a file that is read; for what a driver keeps a folder in
 * which it, or the folder for it, can be made.  path is written to. */
static const char *needed_path(char *path, bool is_store)
{
    if (!is_store)
        return path;
    char *folder = dirname(path);
    return access(folder, F_OK) == 0 ? folder : dirname(folder);
}

/* Warn about missing files and folders.  Returns the number of warnings. */
static size_t warn_missing_paths(const struct sl_manifest_resource *resource)
{
    const struct sl_option *option = sl_driver_info(resource->driver).options;
    size_t count = 0;

    for (; option != NULL && option->name != NULL; option++) {
        const char *path = NULL;
        if (option->type == SL_OPTION_PATH)
            path = *(const char *const *)((const char *)resource->options +
                                          option->offset);
        if (path == NULL)
            continue;
        SL_CLEANUP(sl_freep) char *copy = sl_strdup(path);
        const char *needed = needed_path(copy, option->is_store);
        if (access(needed, option->is_store ? W_OK | X_OK : R_OK) == 0)
            continue;
        sl_print_warning("resource \"%s\": \"%s\": %s%s: %s", resource->name,
                         option->name, option->is_store ? "the folder " : "",
                         needed, strerror(errno));
        count++;
    }
    return count;
}

static void warn_risk(const char *resource, const char *text)
{
    sl_print_warning("resource \"%s\": %s", resource, text);
}

static void print_components(const struct sl_manifest *manifest,
                             struct sl_host *host)
{
    for (size_t i = 0; i < manifest->component_count; i++) {
        fputs(i > 0 ? "\n" : "", stdout);
        sl_print_line(stdout, "%s imports", manifest->components[i].source);
        sl_host_imports(host, i, print_import, NULL);
        putchar('\n');
        sl_print_line(stdout, "%s exports", manifest->components[i].source);
        sl_host_exports(host, i, print_export, NULL);
        print_grants(manifest, &manifest->components[i]);
    }
    fflush(stdout);
}

static size_t warn(const struct sl_manifest *manifest, struct sl_host *host)
{
    size_t warnings = sl_target_risks(manifest, warn_risk);

    for (size_t i = 0; i < manifest->resource_count; i++)
        warnings += warn_missing_paths(&manifest->resources[i]);
    for (size_t i = 0; i < manifest->component_count; i++)
        warnings += warn_missing_resources(manifest, host, i);
    return warnings;
}

/* What is missing comes before compiling, which may take long.  strict: a
 * warning is a failure. */
static int check_host(const struct sl_manifest *manifest, struct sl_host *host,
                      bool strict)
{
    struct sl_error err;

    print_components(manifest, host);
    int code = sl_target_missing(manifest, host);
    if (code == SL_EXIT_OK)
        code = sl_target_load(manifest, host);
    if (code != SL_EXIT_OK)
        return code;
    if (sl_host_link(host, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    size_t warnings = warn(manifest, host);
    if (strict && warnings > 0) {
        sl_print_error("%zu warning%s with --strict", warnings,
                       warnings > 1 ? "s" : "");
        return SL_EXIT_FAILED;
    }
    sl_confine_print();
    printf("\n%sready to run%s\n", sl_style_on(stdout, SL_STYLE_GREEN),
           sl_style_off(stdout));
    return SL_EXIT_OK;
}

static int run_check(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    SL_CLEANUP(sl_host_freep) struct sl_host *host = NULL;

    int code = sl_target_open(sl_args_operand(args, 0),
                              sl_args_value(args, "manifest"), NULL, &manifest);
    if (code == SL_EXIT_OK)
        code = sl_target_read(manifest, args, &host);
    if (code == SL_EXIT_OK)
        code = check_host(manifest, host, sl_args_has(args, "strict"));
    return code;
}

static const struct sl_command_option options[] = {
    SL_TARGET_COMPILE_OPTIONS,
    {.name = "manifest",
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "use this manifest for the component FILE"},
    {.name = "strict", .help = "exit with 1 after warnings"},
    {0},
};

static const char *const examples[] = {
    "slight check",
    "slight check app.wasm",
    NULL,
};

extern const struct sl_command sl_command_check;
const struct sl_command sl_command_check = {
    .name = "check",
    .summary = "check a component and its manifest without running",
    .operands = "[FILE|DIR]",
    .text = "Reads the manifest, prints what the component imports, exports "
            "and is granted,\n"
            "and compiles and links it unless an import is missing. Nothing is "
            "run and no\n"
            "service is contacted. The operand is as for \"slight run\".\n"
            "\n"
            "Warns about passwords that would be sent to another machine "
            "without TLS, missing\n"
            "files, and imports without a resource.\n"
            "\n"
            "Exit code 0: it can run, 1: there were warnings with --strict, 3: "
            "the manifest\n"
            "is wrong, 4: the component cannot be loaded, or has imports that "
            "slight does not\n"
            "provide.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FILE,
    .operands_max = 1,
    .run = run_check,
};

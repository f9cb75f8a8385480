/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight check: what a run would find, without running.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/target.h"
#include "manifest/capabilities.h"

/* A package of the specification, and what its resources' types begin with. */
static bool imports_kv(const char *name)
{
    return strncmp(name, "slight:kv/", strlen("slight:kv/")) == 0;
}

static void print_import(void *context, const struct sl_host_import *import)
{
    bool *uses_kv = context;

    *uses_kv = *uses_kv || imports_kv(import->name);
    if (import->provided) {
        fputs("  ", stdout);
        sl_print_text(stdout, import->name);
        putchar('\n');
        return;
    }
    printf("  %s", sl_style_on(stdout, SL_STYLE_RED));
    sl_print_text(stdout, import->name);
    printf("  missing:%s %s\n", sl_style_off(stdout), import->hint);
}

static void print_trigger(const struct sl_manifest_trigger *trigger)
{
    printf("  trigger %s, ", sl_manifest_trigger_name(trigger->type));
    if (trigger->type == SL_TRIGGER_HTTP)
        printf("%s%s\n", trigger->listen, trigger->route);
    else if (trigger->type == SL_TRIGGER_MQ)
        printf("resource %s\n", trigger->resource_name);
    else
        printf("topic %s of %s, group %s\n", trigger->topic,
               trigger->resource_name, trigger->group);
}

static void print_limits(const struct sl_manifest_component *component)
{
    char amount[32];

    sl_option_write_amount(SL_OPTION_SIZE, component->memory, amount,
                           sizeof(amount));
    printf("  %s of memory", amount);
    sl_option_write_amount(SL_OPTION_DURATION_MS, component->timeout_ms, amount,
                           sizeof(amount));
    if (component->timeout_ms > 0)
        printf(", %s of time", amount);
    putchar('\n');
}

/* How many resources it may open. */
static size_t print_grants(const struct sl_manifest *manifest,
                           const struct sl_manifest_component *component)
{
    size_t granted = 0;

    printf("\n%s grants%s%s\n",
           manifest->path != NULL ? manifest->path
                                  : "without a manifest, slight",
           manifest->component_count > 1 ? " " : "",
           manifest->component_count > 1 ? component->name : "");
    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        if (!sl_manifest_grants(manifest, component, resource))
            continue;
        granted++;
        printf("  resource %s, %s\n", resource->name,
               sl_driver_info(resource->driver).name);
    }
    for (size_t i = 0; i < component->directory_count; i++)
        printf("  folder %s as %s, %s\n", component->directories[i].host,
               component->directories[i].guest,
               component->directories[i].writable ? "to read and write"
                                                  : "to read only");
    for (size_t i = 0; i < component->env_count; i++)
        printf("  variable %s\n", component->env[i].name);
    for (size_t i = 0; i < component->allowed_host_count; i++)
        printf("  requests to %s\n", component->allowed_hosts[i].text);
    for (size_t i = 0; i < manifest->trigger_count; i++)
        if (manifest->triggers[i].component == component)
            print_trigger(&manifest->triggers[i]);
    print_limits(component);
    return granted;
}

static int check_host(const struct sl_manifest *manifest, struct sl_host *host)
{
    struct sl_error err;
    bool needs_kv = false;

    for (size_t i = 0; i < manifest->component_count; i++) {
        bool uses_kv = false;
        printf("%s%s imports\n", i > 0 ? "\n" : "",
               manifest->components[i].source);
        sl_host_imports(host, i, print_import, &uses_kv);
        size_t granted = print_grants(manifest, &manifest->components[i]);
        needs_kv = needs_kv || (uses_kv && granted == 0);
    }
    fflush(stdout);
    int code = sl_target_missing(manifest, host);
    if (code != SL_EXIT_OK)
        return code;
    if (sl_host_link(host, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    if (needs_kv)
        sl_print_warning("a component imports slight:kv, and %s grants it no "
                         "resource of that kind: whatever it opens will be "
                         "refused; add [[resource]]",
                         manifest->path);
    printf("\n%sready to run%s\n", sl_style_on(stdout, SL_STYLE_GREEN),
           sl_style_off(stdout));
    return SL_EXIT_OK;
}

static int run_check(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    SL_CLEANUP(sl_host_freep) struct sl_host *host = NULL;

    int code = sl_target_open(sl_args_operand(args, 0),
                              sl_args_value(args, "manifest"), &manifest);
    if (code == SL_EXIT_OK)
        code = sl_target_load(manifest, args, &host);
    if (code == SL_EXIT_OK)
        code = check_host(manifest, host);
    return code;
}

static const struct sl_command_option options[] = {
    SL_TARGET_COMPILE_OPTIONS,
    {.name = "manifest",
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "check the component that is named with this manifest"},
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
    .summary = "say what a component imports, and what it would not get",
    .operands = "[FILE|DIR]",
    .text = "Reads the manifest, compiles the component and links it, and runs "
            "nothing: no\n"
            "service is contacted. The operand is as for \"slight run\".\n\n"
            "Exit code 0: it can be run, 3: the manifest is wrong, 4: the "
            "component cannot be\n"
            "loaded, or imports what nobody provides.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FILE,
    .operands_max = 1,
    .run = run_check,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to run or to check.
 */
#include "cli/target.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/option.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "host/tools.h"

struct problems {
    const char *path; /* of the manifest */
    size_t count;     /* that were printed */
};

static void print_problem(void *context, struct sl_toml_place place,
                          const char *message)
{
    struct problems *problems = context;

    problems->count++;
    sl_print_error_at(problems->path, place.line, place.column, message);
}

static int open_manifest(const char *path, struct sl_manifest **out)
{
    struct sl_error err;
    struct problems problems = {.path = path};

    if (sl_manifest_read(path, print_problem, &problems, out, &err) == SL_OK)
        return SL_EXIT_OK;
    if (problems.count == 0) /* the file could not be read */
        sl_print_error("%s", err.message);
    return SL_EXIT_MANIFEST;
}

static int open_folder(const char *folder, struct sl_manifest **out)
{
    size_t len = strlen(folder);
    SL_CLEANUP(sl_freep)
    char *path =
        strcmp(folder, ".") == 0
            ? sl_strdup(SL_MANIFEST_FILE)
            : sl_asprintf("%s%s%s", folder, folder[len - 1] == '/' ? "" : "/",
                          SL_MANIFEST_FILE);
    struct stat info;

    if (stat(path, &info) == 0)
        return open_manifest(path, out);
    sl_print_error("there is no %s in %s; write one (docs/manifest.md), or "
                   "name a component: slight run app.wasm",
                   SL_MANIFEST_FILE,
                   strcmp(folder, ".") == 0 ? "this folder" : folder);
    return SL_EXIT_MANIFEST;
}

static bool is_manifest_name(const char *path)
{
    size_t len = strlen(path);

    return len > 5 && strcmp(path + len - 5, ".toml") == 0;
}

#define DEFAULT_LISTEN "127.0.0.1:8080"

static int open_component(const char *path, const char *listen,
                          struct sl_manifest **out)
{
    unsigned exports = sl_tool_exports(path);
    const char *at = listen;
    struct sl_error err;

    if (at == NULL && exports == SL_TOOL_EXPORTS_HTTP)
        at = DEFAULT_LISTEN;
    if (listen != NULL && (exports & SL_TOOL_EXPORTS_HTTP) == 0) {
        sl_print_error("--listen needs a component that exports "
                       "wasi:http/incoming-handler@0.2 or "
                       "wasi:http/handler@0.3; %s does not",
                       path);
        return SL_EXIT_USAGE;
    }
    if (sl_manifest_default(path, at, out, &err) == SL_OK)
        return SL_EXIT_OK;
    if (listen == NULL)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    sl_print_error("--listen %s: %s", listen, err.message);
    return SL_EXIT_USAGE;
}

static int open_with_manifest(const char *path, const char *manifest_file,
                              struct sl_manifest **out)
{
    int code = open_manifest(manifest_file, out);

    if (code == SL_EXIT_OK)
        sl_manifest_set_source(*out, path);
    return code;
}

static int fail_not_component(const char *option, const char *operand,
                              bool is_folder)
{
    sl_print_error("%s needs a component; %s is %s", option, operand,
                   is_folder ? "a folder" : "a manifest");
    return SL_EXIT_USAGE;
}

int sl_target_open(const char *operand, const char *manifest_file,
                   const char *listen, struct sl_manifest **out)
{
    struct stat info;

    if (listen != NULL && manifest_file != NULL) {
        sl_print_error("--listen is for a component without a manifest; set "
                       "\"listen\" in [[trigger]]");
        return SL_EXIT_USAGE;
    }
    if (operand == NULL && manifest_file != NULL)
        return open_manifest(manifest_file, out);
    if (operand == NULL)
        operand = ".";
    bool is_folder = stat(operand, &info) == 0 && S_ISDIR(info.st_mode);
    bool is_component = !is_folder && !is_manifest_name(operand);
    if (!is_component && manifest_file != NULL)
        return fail_not_component("--manifest", operand, is_folder);
    if (!is_component && listen != NULL)
        return fail_not_component("--listen", operand, is_folder);
    if (is_component && manifest_file != NULL)
        return open_with_manifest(operand, manifest_file, out);
    if (is_component)
        return open_component(operand, listen, out);
    return is_folder ? open_folder(operand, out) : open_manifest(operand, out);
}

int sl_target_print_failure(const struct sl_manifest *manifest,
                            struct sl_toml_place place,
                            const struct sl_error *err, int code)
{
    if (place.line == 0 || manifest->path == NULL)
        return sl_print_failure(err, code);
    sl_print_error_at(manifest->path, place.line, place.column, err->message);
    return code;
}

static bool parse_compiling(const struct sl_args *args,
                            struct sl_host_compiling *compiling)
{
    const char *timeout = sl_args_value(args, "compile-timeout");
    const char *memory = sl_args_value(args, "compile-memory");
    struct sl_error err;

    *compiling = (struct sl_host_compiling){
        .apart = true, .timeout_ms = -1, .memory = -1, .interrupt = -1};
    if (timeout != NULL &&
        sl_parse_duration(timeout, &compiling->timeout_ms, &err) != SL_OK) {
        sl_print_error("--compile-timeout %s: %s", timeout, err.message);
        return false;
    }
    if (memory != NULL &&
        sl_parse_size(memory, &compiling->memory, &err) != SL_OK) {
        sl_print_error("--compile-memory %s: %s", memory, err.message);
        return false;
    }
    return true;
}

/* The status of reading or compiling, as an exit code. */
static int loaded_code(const struct sl_manifest *manifest,
                       const struct sl_host *host, enum sl_status status,
                       const struct sl_error *err)
{
    if (sl_signals_caught() != 0)
        return SL_EXIT_SIGNAL + sl_signals_caught();
    if (status == SL_OK)
        return SL_EXIT_OK;
    return sl_target_print_failure(
        manifest, manifest->components[sl_host_at(host)].source_place, err,
        SL_EXIT_COMPONENT);
}

int sl_target_read(const struct sl_manifest *manifest,
                   const struct sl_args *args, struct sl_host **out)
{
    struct sl_host_config config = {.progress = true};
    SL_CLEANUP(sl_host_freep) struct sl_host *host = NULL;
    struct sl_toml_place place;
    struct sl_error err;

    if (!parse_compiling(args, &config.compiling))
        return SL_EXIT_USAGE;
    config.compiling.interrupt = sl_signals_catch();
    if (sl_host_new(manifest, &config, &host, &place, &err) != SL_OK)
        return sl_target_print_failure(manifest, place, &err,
                                       err.status == SL_INVALID_ARGUMENT
                                           ? SL_EXIT_MANIFEST
                                           : SL_EXIT_FAILED);
    enum sl_status status = sl_host_read(host, &err);
    int code = loaded_code(manifest, host, status, &err);
    if (code != SL_EXIT_OK)
        return code;
    *out = host;
    host = NULL; /* handed over */
    return SL_EXIT_OK;
}

int sl_target_load(const struct sl_manifest *manifest, struct sl_host *host)
{
    struct sl_error err;
    enum sl_status status = sl_host_load(host, &err);

    return loaded_code(manifest, host, status, &err);
}

static void print_missing(void *context, const struct sl_host_import *import)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("source", context),
        SL_FIELD_STRING("import", import->name),
        SL_FIELD_STRING("reason", import->hint),
    };
    struct sl_message text;

    if (import->answer != SL_HOST_MISSING)
        return;
    if (sl_log_format() == SL_LOG_JSON) {
        sl_log_write(SL_LOG_ERROR, "import-missing", fields, 3);
        return;
    }
    sl_print_line(sl_message_open(&text), "  %s: %s", import->name,
                  import->hint);
    sl_message_close(&text);
}

int sl_target_missing(const struct sl_manifest *manifest, struct sl_host *host)
{
    int code = SL_EXIT_OK;

    for (size_t i = 0; i < manifest->component_count; i++) {
        const char *source = manifest->components[i].source;
        if (sl_host_imports(host, i, NULL, NULL) == 0)
            continue;
        sl_print_error("%s imports what this slight does not provide:", source);
        sl_host_imports(host, i, print_missing, (void *)(uintptr_t)source);
        code = SL_EXIT_COMPONENT;
    }
    return code;
}

struct risk {
    const char *resource;
    const struct sl_hidden *hidden;
    sl_target_risk_fn *report;
    size_t count;
};

static void report_risk(void *context, const char *text)
{
    struct risk *risk = context;
    struct sl_error shown;

    sl_fail(&shown, SL_INVALID_ARGUMENT, "%s", text);
    sl_hide(risk->hidden, &shown);
    risk->count++;
    risk->report(risk->resource, shown.message);
}

size_t sl_target_risks(const struct sl_manifest *manifest,
                       sl_target_risk_fn *report)
{
    struct risk risk = {.report = report};

    for (size_t i = 0; i < manifest->resource_count; i++) {
        const struct sl_manifest_resource *resource = &manifest->resources[i];
        risk.resource = resource->name;
        risk.hidden = resource->config->hidden;
        sl_driver_risks(resource->driver, resource->options, report_risk,
                        &risk);
    }
    return risk.count;
}

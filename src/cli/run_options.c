/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/option.h"
#include "cli/print.h"

enum { GRACE_MS = 30000 };

void sl_run_options_done(struct sl_run_options *options)
{
    for (size_t i = 0; i < options->owned_count; i++)
        free(options->owned[i]);
    free(options->owned);
    free(options->env);
    free(options->directories);
}

static const char *own_text(struct sl_run_options *options, char *text)
{
    options->owned[options->owned_count++] = text;
    return text;
}

/* NAME=VALUE */
static bool add_env_option(struct sl_run_options *options, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        sl_print_error("--env %s: expected NAME=VALUE", text);
        return false;
    }
    options->env[options->run.env_count++] = (struct sl_manifest_variable){
        .name = own_text(options, sl_strndup(text, (size_t)(equals - text))),
        .value = equals + 1,
    };
    return true;
}

/* HOST[::GUEST][:ro] */
static bool add_dir_option(struct sl_run_options *options, const char *text)
{
    size_t len = strlen(text);
    bool read_only = len > 3 && strcmp(text + len - 3, ":ro") == 0;
    char *host = sl_strndup(text, read_only ? len - 3 : len);
    char *colons = strstr(host, "::");
    const char *guest = colons != NULL ? colons + 2 : host;
    struct stat info;

    own_text(options, host);
    if (colons != NULL)
        *colons = '\0';
    if (host[0] == '\0' || guest[0] == '\0') {
        sl_print_error("--dir %s: expected HOST::GUEST or HOST::GUEST:ro",
                       text);
        return false;
    }
    if (stat(host, &info) != 0 || !S_ISDIR(info.st_mode)) {
        sl_print_error("--dir %s: there is no folder \"%s\"", text, host);
        return false;
    }
    options->directories[options->run.directory_count++] =
        (struct sl_manifest_directory){
            .host = host, .guest = guest, .writable = !read_only};
    return true;
}

static bool set_duration(const char *name, const char *text, int64_t *ms)
{
    struct sl_error err;

    if (sl_parse_duration(text, ms, &err) == SL_OK)
        return true;
    sl_print_error("--%s %s: %s", name, text, err.message);
    return false;
}

static bool apply_option(struct sl_run_options *options,
                         const struct sl_arg *arg)
{
    const char *name = arg->option->name;

    if (strcmp(name, "env") == 0)
        return add_env_option(options, arg->value);
    if (strcmp(name, "dir") == 0)
        return add_dir_option(options, arg->value);
    if (strcmp(name, "timeout") == 0)
        return set_duration(name, arg->value, &options->run.timeout_ms);
    if (strcmp(name, "raw-output") == 0)
        options->run.raw_output = true;
    if (strcmp(name, "grace") == 0)
        return set_duration(name, arg->value, &options->grace_ms);
    if (strcmp(name, "no-sandbox") == 0)
        options->no_sandbox = true;
    return true;
}

/* sl_cli_main has set the format already, when it is valid. */
static bool check_log_options(const struct sl_args *args)
{
    const char *level_text = sl_args_value(args, "log-level");
    const char *format_text = sl_args_value(args, "log-format");
    enum sl_log_level level;
    enum sl_log_format format;

    if (level_text != NULL && !sl_log_level_parse(level_text, &level)) {
        sl_print_error("--log-level %s: expected error, warn, info or debug",
                       level_text);
        return false;
    }
    if (level_text != NULL)
        sl_log_set_level(level);
    if (format_text == NULL || format_text[0] == '\0')
        format_text = getenv("SLIGHT_LOG_FORMAT");
    if (format_text == NULL || format_text[0] == '\0' ||
        sl_log_format_parse(format_text, &format))
        return true;
    sl_print_error("the log format is \"%s\"; expected text or json",
                   format_text);
    return false;
}

int sl_run_options_parse(const struct sl_args *args, struct sl_run_options *out)
{
    size_t count = args->option_count + 1;

    *out = (struct sl_run_options){
        .run = {.args = args->rest,
                .arg_count = args->rest_count,
                .timeout_ms = -1,
                .interrupt = -1},
        .env = sl_alloc_array(count, sizeof(*out->env)),
        .directories = sl_alloc_array(count, sizeof(*out->directories)),
        .owned = sl_alloc_array(count, sizeof(*out->owned)),
        .grace_ms = GRACE_MS,
    };
    out->run.env = out->env;
    out->run.directories = out->directories;
    for (size_t i = 0; i < args->option_count; i++)
        if (!apply_option(out, &args->options[i]))
            return SL_EXIT_USAGE;
    return check_log_options(args) ? SL_EXIT_OK : SL_EXIT_USAGE;
}

int sl_run_options_check(const struct sl_args *args,
                         const struct sl_manifest *manifest)
{
    bool is_server = manifest->trigger_count > 0;

    if (is_server && sl_args_has(args, "timeout")) {
        sl_print_error("--timeout applies to manifests without [[trigger]]s; "
                       "set \"timeout\" in [[trigger]] or [component]");
        return SL_EXIT_USAGE;
    }
    if (is_server && sl_args_has(args, "raw-output")) {
        sl_print_error("--raw-output applies to manifests without "
                       "[[trigger]]s");
        return SL_EXIT_USAGE;
    }
    if (!is_server && sl_args_has(args, "grace")) {
        sl_print_error("--grace applies to manifests with [[trigger]]s, and "
                       "this one has none");
        return SL_EXIT_USAGE;
    }
    return SL_EXIT_OK;
}

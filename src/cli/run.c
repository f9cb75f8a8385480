/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight run: a component, to its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/option.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "cli/target.h"

/* Who ended a component in the middle does not wait for a slow service. */
enum { CLOSE_SECONDS = 1 };

/* What the options ask for; the texts are borrowed or in owned. */
struct request {
    struct sl_host_run run;
    struct sl_manifest_variable *env;
    struct sl_manifest_directory *directories;
    char **owned;
    size_t owned_count;
};

static void request_done(struct request *request)
{
    for (size_t i = 0; i < request->owned_count; i++)
        free(request->owned[i]);
    free(request->owned);
    free(request->env);
    free(request->directories);
}

static const char *own(struct request *request, char *text)
{
    request->owned[request->owned_count++] = text;
    return text;
}

/* K=V */
static bool add_variable(struct request *request, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        sl_print_error("--env %s: expected NAME=VALUE", text);
        return false;
    }
    request->env[request->run.env_count++] = (struct sl_manifest_variable){
        .name = own(request, sl_strndup(text, (size_t)(equals - text))),
        .value = equals + 1,
    };
    return true;
}

/* HOST[::GUEST][:ro] */
static bool add_directory(struct request *request, const char *text)
{
    size_t len = strlen(text);
    bool read_only = len > 3 && strcmp(text + len - 3, ":ro") == 0;
    char *host = sl_strndup(text, read_only ? len - 3 : len);
    char *colons = strstr(host, "::");
    const char *guest = colons != NULL ? colons + 2 : host;
    struct stat info;

    own(request, host);
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
    request->directories[request->run.directory_count++] =
        (struct sl_manifest_directory){
            .host = host, .guest = guest, .writable = !read_only};
    return true;
}

static bool set_timeout(struct request *request, const char *text)
{
    struct sl_error err;

    if (sl_parse_duration(text, &request->run.timeout_ms, &err) == SL_OK)
        return true;
    sl_print_error("--timeout %s: %s", text, err.message);
    return false;
}

static bool add_option(struct request *request, const struct sl_arg *arg)
{
    const char *name = arg->option->name;

    if (strcmp(name, "env") == 0)
        return add_variable(request, arg->value);
    if (strcmp(name, "dir") == 0)
        return add_directory(request, arg->value);
    if (strcmp(name, "timeout") == 0)
        return set_timeout(request, arg->value);
    return true;
}

/* False after saying what is wrong. */
static bool make_request(const struct sl_args *args, struct request *request)
{
    size_t count = args->option_count + 1;

    *request = (struct request){
        .run = {.args = args->rest,
                .arg_count = args->rest_count,
                .timeout_ms = -1,
                .interrupt = -1},
        .env = sl_alloc_array(count, sizeof(*request->env)),
        .directories = sl_alloc_array(count, sizeof(*request->directories)),
        .owned = sl_alloc_array(count, sizeof(*request->owned)),
    };
    request->run.env = request->env;
    request->run.directories = request->directories;
    for (size_t i = 0; i < args->option_count; i++)
        if (!add_option(request, &args->options[i]))
            return false;
    return true;
}

static int tell_end(const struct sl_manifest *manifest,
                    const struct sl_host_outcome *outcome)
{
    switch (outcome->end) {
    case SL_HOST_EXITED:
        return outcome->exit_code;
    case SL_HOST_TRAPPED:
        sl_print_error("component \"%s\" trapped: %s", manifest->name,
                       outcome->message);
        sl_print_lines(stderr, outcome->backtrace);
        return SL_EXIT_TRAP;
    case SL_HOST_TIMED_OUT:
        sl_print_error("component \"%s\" took too long and was ended; allow "
                       "more with --timeout, or \"timeout\" in [component]",
                       manifest->name);
        return SL_EXIT_TIMEOUT;
    case SL_HOST_INTERRUPTED:
        return SL_EXIT_SIGNAL + sl_signals_caught();
    }
    return SL_EXIT_FAILED;
}

static int link_and_run(const struct sl_manifest *manifest,
                        struct sl_host *host, struct sl_host_run *run)
{
    struct sl_host_outcome outcome;
    struct sl_error err;

    if (sl_host_imports(host, NULL, NULL) > 0)
        return sl_target_missing(manifest, host);
    if (sl_host_link(host, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    run->interrupt = sl_signals_catch();
    if (sl_host_run(host, run, &outcome, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    int code = tell_end(manifest, &outcome);
    if (outcome.end == SL_HOST_TIMED_OUT || outcome.end == SL_HOST_INTERRUPTED)
        sl_signals_leave_after(CLOSE_SECONDS, code);
    return code;
}

static int run_run(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    SL_CLEANUP(sl_host_freep) struct sl_host *host = NULL;
    SL_CLEANUP(request_done) struct request request;

    if (!make_request(args, &request))
        return SL_EXIT_USAGE;
    int code = sl_target_open(sl_args_operand(args, 0),
                              sl_args_value(args, "manifest"), &manifest);
    if (code == SL_EXIT_OK)
        code = sl_target_load(manifest, &host);
    if (code == SL_EXIT_OK)
        code = link_and_run(manifest, host, &request.run);
    return code;
}

static const struct sl_command_option options[] = {
    {.name = "env",
     .argument = "NAME=VALUE",
     .repeats = true,
     .help = "set a variable of the component's environment"},
    {.name = "dir",
     .argument = "HOST::GUEST[:ro]",
     .kind = SL_ARGUMENT_FOLDER,
     .repeats = true,
     .help = "let it see a folder, to read and write, or to read only"},
    {.name = "timeout",
     .argument = "DURATION",
     .help = "end it after this time, for example 5s; 0s: never"},
    {.name = "manifest",
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "run the component that is named with this manifest"},
    {0},
};

static const char *const examples[] = {
    "slight run app.wasm",
    "slight run app.wasm -- --flag word",
    "slight run                              # slightfile.toml of this folder",
    "slight run examples/wordcount-c < text.txt",
    "slight run app.wasm --dir data::/data:ro --env LANG=C --timeout 5s",
    NULL,
};

extern const struct sl_command sl_command_run;
const struct sl_command sl_command_run = {
    .name = "run",
    .summary = "run a component",
    .operands = "[FILE|DIR] [-- ARGS...]",
    .text = "FILE is a component (.wasm) or a manifest (.toml); DIR has a "
            "slightfile.toml.\n"
            "Without either, the slightfile.toml of the working directory "
            "counts.\n\n"
            "A component that is named itself runs without a manifest: it may "
            "open one\n"
            "key-value store, \"default\", which is kept in "
            ".slight/default.db of the\n"
            "working directory. It sees no folder and no variable but those "
            "given here.\n\n"
            "What stands behind -- is for the component, in place of the "
            "manifest's args.\n\n"
            "The exit code is the component's own; 2: wrong usage, 3: wrong "
            "manifest,\n"
            "4: the component cannot be loaded or linked, 5: it trapped, 6: "
            "it took too long.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FILE,
    .operands_max = 1,
    .takes_rest = true,
    .run = run_run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight run: a component, to its end.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/log.h"
#include "base/option.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "cli/target.h"
#include "management/management.h"
#include "trigger/trigger.h"

/* Who ended a component in the middle does not wait for a slow service. */
enum {
    CLOSE_SECONDS = 1,
    GRACE_MS = 30000, /* for what runs when a signal comes */
    SOON_MS = 200,    /* no need to say that it takes time */
};

/* What the options ask for; the texts are borrowed or in owned. */
struct request {
    struct sl_host_run run;
    struct sl_manifest_variable *env;
    struct sl_manifest_directory *directories;
    char **owned;
    size_t owned_count;
    int64_t grace_ms;
    bool no_sandbox;
    struct sl_sandbox *sandbox; /* NULL: none */
};

static void request_done(struct request *request)
{
    for (size_t i = 0; i < request->owned_count; i++)
        free(request->owned[i]);
    free(request->owned);
    sl_sandbox_free(request->sandbox);
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

static bool set_duration(const char *name, const char *text, int64_t *ms)
{
    struct sl_error err;

    if (sl_parse_duration(text, ms, &err) == SL_OK)
        return true;
    sl_print_error("--%s %s: %s", name, text, err.message);
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
        return set_duration(name, arg->value, &request->run.timeout_ms);
    if (strcmp(name, "raw-output") == 0)
        request->run.raw_output = true;
    if (strcmp(name, "grace") == 0)
        return set_duration(name, arg->value, &request->grace_ms);
    if (strcmp(name, "no-sandbox") == 0)
        request->no_sandbox = true;
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
        .grace_ms = GRACE_MS,
    };
    request->run.env = request->env;
    request->run.directories = request->directories;
    for (size_t i = 0; i < args->option_count; i++)
        if (!add_option(request, &args->options[i]))
            return false;
    return true;
}

static void tell_trap(const char *name, const struct sl_host_outcome *outcome)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("component", name),
        SL_FIELD_STRING("reason", outcome->message),
        SL_FIELD_STRING("backtrace", outcome->backtrace),
    };
    struct sl_message message;

    if (sl_log_format() == SL_LOG_JSON) {
        sl_log_write(SL_LOG_ERROR, "trapped", fields, 3);
        return;
    }
    sl_print_error("component \"%s\" trapped: %s", name, outcome->message);
    sl_print_lines(sl_message_open(&message), outcome->backtrace);
    sl_message_close(&message);
}

static int tell_end(const struct sl_manifest *manifest,
                    const struct sl_host_outcome *outcome)
{
    switch (outcome->end) {
    case SL_HOST_EXITED:
        return outcome->exit_code;
    case SL_HOST_TRAPPED:
        tell_trap(manifest->name, outcome);
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

/* What a server says of itself: an entry of the log, where that is JSON. */
static void say(const char *name, const char *event, const char *text)
{
    const struct sl_log_field fields[] = {
        SL_FIELD_STRING("name", name),
        SL_FIELD_STRING("text", text),
    };

    if (sl_log_format() == SL_LOG_JSON) {
        sl_log_write(SL_LOG_INFO, event, fields, 2);
        return;
    }
    struct sl_message message;
    FILE *out = sl_message_open(&message);
    fprintf(out, "%s%s%s ", sl_style_on(stderr, SL_STYLE_GREEN), name,
            sl_style_off(stderr));
    sl_print_line(out, "%s", text);
    sl_message_close(&message);
}

static void say_trigger(void *context, const char *text)
{
    say(context, "trigger", text);
}

/* An entry of the log, as all that is said while others write there. */
static void warn(const char *event, const char *text)
{
    const struct sl_log_field reason = SL_FIELD_STRING("reason", text);

    sl_log_write(SL_LOG_WARN, event, &reason, 1);
}

/* False where it was not: the time is over. */
static bool wait_readable(int fd, int64_t ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int ready;

    do
        ready = poll(&poll_fd, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* What runs when triggers do. */
struct server {
    const struct sl_manifest *manifest;
    struct sl_host *host;
    struct sl_triggers *triggers;
    struct sl_management *management;
};

static int start_management(struct server *server)
{
    const struct sl_manifest *manifest = server->manifest;
    struct sl_error err;

    if (manifest->management == NULL)
        return SL_EXIT_OK;
    if (sl_management_start(server->host, manifest, server->triggers,
                            &server->management, &err) != SL_OK)
        return sl_target_print_failure(manifest,
                                       manifest->management->listen_place, &err,
                                       SL_EXIT_COMPONENT);
    SL_CLEANUP(sl_freep)
    char *text =
        sl_asprintf("management %s", sl_management_text(server->management));
    say(manifest->name, "management", text);
    return SL_EXIT_OK;
}

/* Ends what was started; the host, which tells the others of their end. */
static void end_server(struct server *server, int code)
{
    sl_management_stop(server->management);
    sl_triggers_stop(server->triggers);
    if (!sl_host_free(server->host)) {
        warn("call-lost", "a call of a resource never came back; slight ends "
                          "without it");
        fflush(NULL);
        sl_output_flush(SL_OUTPUT_FLUSH_MS);
        /* What its thread uses stays as it is until the very end. */
        _exit(code);
    }
    sl_triggers_free(server->triggers);
    sl_management_free(server->management);
}

static void leave_by(sl_deadline deadline, int code)
{
    int seconds = sl_deadline_left_ms(deadline) / 1000;

    sl_signals_leave_after(
        seconds > CLOSE_SECONDS ? (unsigned)seconds : CLOSE_SECONDS, code);
}

/* Until a signal; then what runs may finish. */
static int serve(const struct server *server, int interrupt, int64_t grace_ms)
{
    const char *name = server->manifest->name;

    sl_triggers_visit(server->triggers, say_trigger, (void *)(uintptr_t)name);
    (void)wait_readable(interrupt, -1);
    (void)sl_signals_caught();
    sl_deadline deadline = sl_deadline_in_ms(grace_ms);
    sl_management_drain(server->management);
    int drained = sl_triggers_drain(server->triggers);
    if (!wait_readable(drained, SOON_MS))
        say(name, "draining", "finishing what runs; once more to stop at once");
    if (wait_readable(drained, sl_deadline_left_ms(deadline))) {
        /* A service that does not let go has what is left of the time. */
        leave_by(deadline, SL_EXIT_OK);
        return SL_EXIT_OK;
    }
    SL_CLEANUP(sl_freep)
    char *text = sl_asprintf("what still ran after %lld ms was cut",
                             (long long)grace_ms);
    warn("drain-cut", text);
    sl_signals_leave_after(CLOSE_SECONDS, SL_EXIT_TIMEOUT);
    return SL_EXIT_TIMEOUT;
}

static int confine_calls(const struct request *request)
{
    return request->sandbox == NULL ? SL_EXIT_OK
                                    : sl_confine_calls(request->sandbox);
}

static int run_triggers(struct server *server, const struct request *request)
{
    struct sl_host *host = server->host;
    struct sl_toml_place where;
    struct sl_error err;

    enum sl_status status = sl_host_link(host, &err);
    if (status == SL_OK)
        status = sl_host_prepare(host, &request->run, &err);
    if (status != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    sl_raise_file_limit();
    int interrupt = sl_signals_catch();
    int code = confine_calls(request);
    if (code != SL_EXIT_OK)
        return code;
    sl_host_watch(host);
    if (sl_triggers_start(host, server->manifest, &server->triggers, &where,
                          &err) != SL_OK)
        return sl_target_print_failure(server->manifest, where, &err,
                                       SL_EXIT_COMPONENT);
    code = start_management(server);
    return code == SL_EXIT_OK ? serve(server, interrupt, request->grace_ms)
                              : code;
}

static int run_program(struct server *server, struct request *request)
{
    struct sl_host_run *run = &request->run;
    struct sl_host_outcome outcome;
    struct sl_error err;

    if (sl_host_link(server->host, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    int code = confine_calls(request);
    if (code != SL_EXIT_OK)
        return code;
    code = start_management(server);
    if (code != SL_EXIT_OK)
        return code;
    run->interrupt = sl_signals_catch();
    if (sl_host_run(server->host, run, &outcome, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    code = tell_end(server->manifest, &outcome);
    if (outcome.end == SL_HOST_TIMED_OUT || outcome.end == SL_HOST_INTERRUPTED)
        sl_signals_leave_after(CLOSE_SECONDS, code);
    return code;
}

/* sl_cli_main has set the format, where it is one. */
static bool check_log(const struct sl_args *args)
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
    sl_print_error("the format of the log is \"%s\"; expected text or json",
                   format_text);
    return false;
}

/* Nothing that was asked for is ignored: of an option that what is run does not
 * have, it is said. */
static int check_options(const struct sl_args *args,
                         const struct sl_manifest *manifest)
{
    bool is_server = manifest->trigger_count > 0;

    if (is_server && sl_args_has(args, "timeout")) {
        sl_print_error("--timeout is of a program that is run once, and this "
                       "manifest has [[trigger]]s; write \"timeout\" into "
                       "them, or into the component");
        return SL_EXIT_USAGE;
    }
    if (is_server && sl_args_has(args, "raw-output")) {
        sl_print_error("--raw-output is of a program that is run once, and "
                       "this manifest has [[trigger]]s");
        return SL_EXIT_USAGE;
    }
    if (!is_server && sl_args_has(args, "grace")) {
        sl_print_error("--grace is of [[trigger]]s, and this manifest has "
                       "none");
        return SL_EXIT_USAGE;
    }
    return SL_EXIT_OK;
}

static void log_risk(const char *resource, const char *text)
{
    sl_log(SL_LOG_WARN, "risk", SL_FIELD_STRING("resource", resource),
           SL_FIELD_STRING("reason", text));
}

static int run_run(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    SL_CLEANUP(request_done) struct request request;
    struct server server = {0};

    if (!make_request(args, &request) || !check_log(args))
        return SL_EXIT_USAGE;
    int code = sl_target_open(sl_args_operand(args, 0),
                              sl_args_value(args, "manifest"), &manifest);
    if (code == SL_EXIT_OK)
        code = check_options(args, manifest);
    /* Before anything starts a thread. */
    if (code == SL_EXIT_OK && !request.no_sandbox)
        code = sl_confine_files(manifest, &request.run, &request.sandbox);
    sl_output_start();
    if (code == SL_EXIT_OK)
        code = sl_target_load(manifest, args, &server.host);
    sl_signals_disown_children(); /* no other program is started */
    if (code == SL_EXIT_OK)
        code = sl_target_missing(manifest, server.host);
    server.manifest = manifest;
    if (code == SL_EXIT_OK)
        (void)sl_target_risks(manifest, log_risk);
    if (code == SL_EXIT_OK)
        code = manifest->trigger_count > 0 ? run_triggers(&server, &request)
                                           : run_program(&server, &request);
    end_server(&server, code);
    sl_sandbox_tidy(request.sandbox);
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
     .help = "of a program that is run once: end it after this time, for "
             "example 5s; 0s: never"},
    {.name = "grace",
     .argument = "DURATION",
     .help = "with triggers: how long what runs may take to finish after "
             "SIGTERM, SIGINT, SIGQUIT or SIGHUP; 30s unless given"},
    {.name = "raw-output",
     .help = "let a program that is run once write what is not printable to "
             "a terminal, as colours are"},
    {.name = "no-sandbox",
     .help = "do not confine this process (Landlock, seccomp)"},
    {.name = "log-level",
     .argument = "LEVEL",
     .help = "error, warn, info (each request) or debug; warn unless given"},
    {.name = "log-format",
     .argument = "FORMAT",
     .help = "text or json; text on a terminal, json elsewhere, unless given"},
    SL_TARGET_COMPILE_OPTIONS,
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
            "With [[trigger]]s in the manifest it serves: requests, messages, "
            "events, until\n"
            "SIGTERM, SIGINT, SIGQUIT or SIGHUP; then what runs may finish. A "
            "second\nsignal stops at once.\n"
            "With [management] in it, operators read /metrics, /healthz and "
            "/readyz.\n\n"
            "slight confines itself to the files, ports and system calls that "
            "this takes,\n"
            "as far as the kernel can (docs/sandbox.md).\n\n"
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

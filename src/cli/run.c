/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight run: a component to its end, or a manifest with triggers until a
 * signal.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/print.h"
#include "cli/run_options.h"
#include "cli/server.h"
#include "cli/signals.h"
#include "cli/target.h"

static void print_trap(const char *name, const struct sl_host_outcome *outcome)
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

/* Returns the exit code. */
static int report_outcome(const struct sl_manifest *manifest,
                          const struct sl_host_outcome *outcome)
{
    switch (outcome->end) {
    case SL_HOST_EXITED:
        return outcome->exit_code;
    case SL_HOST_TRAPPED:
        print_trap(manifest->name, outcome);
        return SL_EXIT_TRAP;
    case SL_HOST_TIMED_OUT:
        sl_print_error("component \"%s\" timed out; raise --timeout, or "
                       "\"timeout\" in [component]",
                       manifest->name);
        return SL_EXIT_TIMEOUT;
    case SL_HOST_INTERRUPTED:
        return SL_EXIT_SIGNAL + sl_signals_caught();
    }
    return SL_EXIT_FAILED;
}

/* sandbox: NULL with --no-sandbox. */
static int confine_calls(const struct sl_sandbox *sandbox)
{
    return sandbox == NULL ? SL_EXIT_OK : sl_confine_calls(sandbox);
}

static int run_triggers(struct sl_server *server,
                        const struct sl_run_options *options,
                        const struct sl_sandbox *sandbox)
{
    struct sl_error err;

    if (sl_host_link(server->host, &err) != SL_OK ||
        sl_host_prepare(server->host, &options->run, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    sl_raise_file_limit();
    int interrupt = sl_signals_catch();
    int code = confine_calls(sandbox);
    if (code != SL_EXIT_OK)
        return code;
    sl_host_watch(server->host);
    code = sl_server_start_triggers(server);
    if (code == SL_EXIT_OK)
        code = sl_server_start_management(server);
    return code == SL_EXIT_OK
               ? sl_server_serve(server, interrupt, options->grace_ms)
               : code;
}

static int run_program(struct sl_server *server, struct sl_run_options *options,
                       const struct sl_sandbox *sandbox)
{
    struct sl_host_run *run = &options->run;
    struct sl_host_outcome outcome;
    struct sl_error err;

    if (sl_host_link(server->host, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    int code = confine_calls(sandbox);
    if (code == SL_EXIT_OK)
        code = sl_server_start_management(server);
    if (code != SL_EXIT_OK)
        return code;
    run->interrupt = sl_signals_catch();
    if (sl_host_run(server->host, run, &outcome, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_COMPONENT);
    code = report_outcome(server->manifest, &outcome);
    if (outcome.end == SL_HOST_TIMED_OUT || outcome.end == SL_HOST_INTERRUPTED)
        sl_signals_leave_after(SL_SERVER_CLOSE_SECONDS, code);
    return code;
}

static void log_risk(const char *resource, const char *text)
{
    sl_log(SL_LOG_WARN, "risk", SL_FIELD_STRING("resource", resource),
           SL_FIELD_STRING("reason", text));
}

/* Load, link and run; the manifest and its options have been checked. */
static int run_manifest(const struct sl_args *args,
                        struct sl_run_options *options,
                        struct sl_sandbox *sandbox, struct sl_server *server)
{
    const struct sl_manifest *manifest = server->manifest;
    int code = sl_target_read(manifest, args, &server->host);

    if (code == SL_EXIT_OK)
        code = sl_target_missing(manifest, server->host);
    if (code == SL_EXIT_OK)
        code = sl_target_load(manifest, server->host);
    sl_signals_disown_children(); /* no other program is started */
    if (code != SL_EXIT_OK)
        return code;
    (void)sl_target_risks(manifest, log_risk);
    return manifest->trigger_count > 0 ? run_triggers(server, options, sandbox)
                                       : run_program(server, options, sandbox);
}

static int run_run(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    SL_CLEANUP(sl_sandbox_freep) struct sl_sandbox *sandbox = NULL;
    SL_CLEANUP(sl_run_options_done) struct sl_run_options options;
    struct sl_server server = {0};

    int code = sl_run_options_parse(args, &options);
    if (code != SL_EXIT_OK)
        return code;
    code = sl_target_open(sl_args_operand(args, 0),
                          sl_args_value(args, "manifest"),
                          sl_args_value(args, "listen"), &manifest);
    if (code == SL_EXIT_OK)
        code = sl_run_options_check(args, manifest);
    /* Before the first thread is started. */
    if (code == SL_EXIT_OK && !options.no_sandbox)
        code = sl_confine_files(manifest, &options.run, &sandbox);
    sl_output_start();
    server.manifest = manifest;
    if (code == SL_EXIT_OK)
        code = run_manifest(args, &options, sandbox, &server);
    sl_server_end(&server, code);
    sl_sandbox_tidy(sandbox);
    return code;
}

static const struct sl_command_option options[] = {
    {.name = "env",
     .argument = "NAME=VALUE",
     .repeats = true,
     .help = "set an environment variable of the component; repeatable"},
    {.name = "dir",
     .argument = "HOST::GUEST[:ro]",
     .kind = SL_ARGUMENT_FOLDER,
     .repeats = true,
     .help = "let the component see a folder, read-only with :ro; repeatable"},
    {.name = "listen",
     .argument = "HOST:PORT",
     .help =
         "without a manifest: answer HTTP requests at this address; default "
         "127.0.0.1:8080 for a component that exports no program"},
    {.name = "timeout",
     .argument = "DURATION",
     .help = "without triggers: end the component after this time, for example "
             "5s; 0s: no limit"},
    {.name = "grace",
     .argument = "DURATION",
     .help = "with triggers: time for calls in progress to finish after a "
             "signal; default 30s"},
    {.name = "raw-output",
     .help = "without triggers: do not escape control characters, such as "
             "colours, that the component writes to a terminal"},
    {.name = "no-sandbox",
     .help = "do not confine this process (Landlock, seccomp)"},
    {.name = "log-level",
     .argument = "LEVEL",
     .help = "error, warn, info (each request) or debug; default warn"},
    {.name = "log-format",
     .argument = "FORMAT",
     .help = "text or json; default: json when stderr is not a terminal"},
    SL_TARGET_COMPILE_OPTIONS,
    {.name = "manifest",
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "use this manifest for the component FILE"},
    {0},
};

static const char *const examples[] = {
    "slight run app.wasm",
    "slight run app.wasm -- --flag word",
    "slight run                              # slightfile.toml of this folder",
    "slight run examples/wordcount-c < text.txt",
    "slight run api.wasm --listen 127.0.0.1:8000",
    "slight run app.wasm --dir data::/data:ro --env LANG=C --timeout 5s",
    NULL,
};

extern const struct sl_command sl_command_run;
const struct sl_command sl_command_run = {
    .name = "run",
    .summary = "run a component",
    .operands = "[FILE|DIR] [-- ARGS...]",
    .text = "FILE is a component (.wasm) or a manifest (.toml). DIR is a "
            "folder with a\n"
            "slightfile.toml; the default is the working directory.\n"
            "\n"
            "A component without a manifest gets one key-value store, "
            "\"default\", which is\n"
            "kept in .slight/default.db of the working directory. It sees no "
            "folders and no\n"
            "environment variables but those given here.\n"
            "\n"
            "One that exports a handler of wasi:http, and no program, answers "
            "HTTP requests,\n"
            "by default at 127.0.0.1:8080.\n"
            "\n"
            "A manifest with [[trigger]]s serves requests, messages and events "
            "until\n"
            "SIGTERM, SIGINT, SIGQUIT or SIGHUP. Calls in progress may then "
            "finish; a second\n"
            "signal stops at once. With [management], operators can read "
            "/metrics, /healthz\n"
            "and /readyz.\n"
            "\n"
            "slight confines itself to the files, ports and system calls that "
            "it needs, as\n"
            "far as the kernel supports it (docs/sandbox.md).\n"
            "\n"
            "ARGS replace the args of the manifest.\n"
            "\n"
            "The exit code is that of the component, or 2: wrong usage, 3: "
            "wrong manifest,\n"
            "4: the component cannot be loaded or linked, 5: it trapped, 6: it "
            "timed out.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_FILE,
    .operands_max = 1,
    .takes_rest = true,
    .run = run_run,
};

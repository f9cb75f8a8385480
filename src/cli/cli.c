/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to the command.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/print.h"

static bool set_log_level(void)
{
    const char *text = getenv("SLIGHT_LOG");
    enum sl_log_level level;

    if (text == NULL || text[0] == '\0')
        return true;
    if (!sl_log_level_parse(text, &level)) {
        sl_print_error("SLIGHT_LOG is \"%s\"; expected error, warn, info or "
                       "debug",
                       text);
        return false;
    }
    sl_log_set_level(level);
    return true;
}

/* --log-format, even when the rest of the command line is wrong. */
static const char *find_log_format(size_t argc, const char *const argv[])
{
    static const char name[] = "--log-format";
    const size_t len = sizeof(name) - 1;

    for (size_t i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], name, len) != 0)
            continue;
        if (argv[i][len] == '=')
            return argv[i] + len + 1;
        if (argv[i][len] == '\0' && i + 1 < argc)
            return argv[i + 1];
    }
    return "";
}

static bool has_option(const struct sl_command *command, const char *name)
{
    const struct sl_command_option *option = command->options;

    while (option->name != NULL && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL;
}

/*
 * Before the first message, because it applies to all: the option, or else the
 * environment.  Commands with the option default to JSON when stderr is not a
 * terminal.
 */
static void set_log_format(size_t argc, const char *const argv[])
{
    const struct sl_command *command =
        argc > 1 ? sl_command_find(argv[1]) : NULL;
    const char *wanted = getenv("SLIGHT_LOG_FORMAT");
    enum sl_log_format format = SL_LOG_TEXT;
    bool is_option = command != NULL && has_option(command, "log-format");

    if (is_option && isatty(STDERR_FILENO) != 1)
        format = SL_LOG_JSON;
    if (wanted != NULL)
        (void)!sl_log_format_parse(wanted, &format);
    if (is_option)
        (void)!sl_log_format_parse(find_log_format(argc - 2, argv + 2),
                                   &format);
    sl_log_set_format(format);
}

static int run_command(const struct sl_command *command, size_t argc,
                       const char *const argv[])
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    if (sl_args_parse(command, argc, argv, &args, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_USAGE);
    if (args.help) {
        sl_help_print_command(stdout, command);
        return SL_EXIT_OK;
    }
    return command->run(&args);
}

static int run_arguments(int argc, const char *const argv[])
{
    const char *name = argc > 1 ? argv[1] : "help";

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    else if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
        name = "version";
    else if (name[0] == '-') {
        sl_print_error("unknown option %s; a command must come first, \"slight "
                       "help\" lists them",
                       name);
        return SL_EXIT_USAGE;
    }

    const struct sl_command *command = sl_command_find(name);
    if (command == NULL)
        return sl_help_unknown(name);
    return run_command(command, argc > 2 ? (size_t)argc - 2 : 0, argv + 2);
}

/* After a write that failed earlier, errno does not say why. */
static bool is_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* A full disk or a closed pipe shows at the last write. */
static int end_output(int code)
{
    errno = 0;
    bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    if (is_written)
        return code;
    /* A reader that closed the pipe (`| head`) needs no message. */
    if (errno != EPIPE && !is_reader_gone())
        sl_print_error("standard output: %s",
                       errno != 0 ? strerror(errno) : "incomplete write");
    return code == SL_EXIT_OK ? SL_EXIT_FAILED : code;
}

int sl_cli_main(int argc, const char *const argv[])
{
    set_log_format((size_t)argc, argv);
    if (!set_log_level())
        return SL_EXIT_USAGE;
    int code = end_output(run_arguments(argc, argv));
    sl_output_flush(SL_OUTPUT_FLUSH_MS);
    return code;
}

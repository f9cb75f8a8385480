/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to the command.
 */
#include <stdlib.h>
#include <string.h>

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

static int run_command(const struct sl_command *command, size_t argc,
                       const char *const argv[])
{
    SL_CLEANUP(sl_args_done) struct sl_args args;
    struct sl_error err;

    if (sl_args_parse(command, argc, argv, &args, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_USAGE);
    if (args.help) {
        sl_help_command(stdout, command);
        return SL_EXIT_OK;
    }
    return command->run(&args);
}

static int dispatch(int argc, const char *const argv[])
{
    const char *name = argc > 1 ? argv[1] : "help";

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    else if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
        name = "version";
    else if (name[0] == '-') {
        sl_print_error("unknown option %s; a command comes first, \"slight "
                       "help\" lists them",
                       name);
        return SL_EXIT_USAGE;
    }

    const struct sl_command *command = sl_command_find(name);
    if (command == NULL)
        return sl_help_unknown(name);
    return run_command(command, argc > 2 ? (size_t)argc - 2 : 0, argv + 2);
}

int sl_cli_main(int argc, const char *const argv[])
{
    if (!set_log_level())
        return SL_EXIT_USAGE;
    int code = dispatch(argc, argv);
    /* A full disk or a closed pipe is told by the last write. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == SL_EXIT_OK)
        code = SL_EXIT_FAILED;
    sl_output_flush(SL_OUTPUT_FLUSH_MS);
    return code;
}

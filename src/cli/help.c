/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight help, and the same behind --help.
 */
#include "cli/help.h"

#include <string.h>

#include "base/option.h"
#include "cli/print.h"

enum { OPTION_WIDTH = 24 };

static void heading(FILE *out, const char *text)
{
    fprintf(out, "\n%s%s%s\n", sl_style_on(out, SL_STYLE_BOLD), text,
            sl_style_off(out));
}

void sl_help_all(FILE *out)
{
    fputs(
        "slight runs WebAssembly components and gives them what a cloud "
        "gives: key-value\nstores, databases, locks, queues and topics, each "
        "named by the component and\nbound to a service by slightfile.toml.\n",
        out);
    heading(out, "Usage");
    fputs("  slight COMMAND [OPTIONS]\n", out);
    heading(out, "Commands");
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        fprintf(out, "  %-14s %s\n", sl_commands[i]->name,
                sl_commands[i]->summary);
    heading(out, "Options");
    fputs("  -h, --help     tell about slight, or about a command\n"
          "  -V, --version  print versions\n",
          out);
    fputs("\n\"slight help COMMAND\" tells more.  Start here: slight run "
          "app.wasm\n",
          out);
}

static void print_option(FILE *out, const struct sl_command_option *option)
{
    char text[64];
    char letter[] = {'-', option->letter, ',', ' ', '\0'};

    snprintf(text, sizeof(text), "%s--%s%s%s",
             option->letter != 0 ? letter : "    ", option->name,
             option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    if (strlen(text) > OPTION_WIDTH)
        fprintf(out, "  %s\n  %*s  %s\n", text, OPTION_WIDTH, "", option->help);
    else
        fprintf(out, "  %-*s  %s\n", OPTION_WIDTH, text, option->help);
}

void sl_help_command(FILE *out, const struct sl_command *command)
{
    static const struct sl_command_option help = {
        .name = "help", .letter = 'h', .help = "tell about the command"};

    fprintf(out, "slight %s: %s\n", command->name, command->summary);
    heading(out, "Usage");
    fprintf(out, "  slight %s%s%s\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands);
    if (command->text[0] != '\0')
        fprintf(out, "\n%s", command->text);
    heading(out, "Options");
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        print_option(out, o);
    print_option(out, &help);
    if (command->examples[0] == NULL)
        return;
    heading(out, "Examples");
    for (size_t i = 0; command->examples[i] != NULL; i++)
        fprintf(out, "  %s\n", command->examples[i]);
}

int sl_help_unknown(const char *name)
{
    const char *nearest = sl_nearest(name, sl_command_names());

    if (nearest != NULL)
        sl_print_error("unknown command \"%s\"; did you mean \"%s\"?", name,
                       nearest);
    else
        sl_print_error("unknown command \"%s\"; \"slight help\" lists the "
                       "commands",
                       name);
    return SL_EXIT_USAGE;
}

static int run_help(const struct sl_args *args)
{
    const char *name = sl_args_operand(args, 0);

    if (name == NULL) {
        sl_help_all(stdout);
        return SL_EXIT_OK;
    }
    const struct sl_command *command = sl_command_find(name);
    if (command == NULL)
        return sl_help_unknown(name);
    sl_help_command(stdout, command);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {{0}};
static const char *const examples[] = {"slight help run", NULL};

extern const struct sl_command sl_command_help;
const struct sl_command sl_command_help = {
    .name = "help",
    .summary = "tell about slight, or about a command",
    .operands = "[COMMAND]",
    .text = "",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_COMMAND,
    .operands_max = 1,
    .run = run_help,
};

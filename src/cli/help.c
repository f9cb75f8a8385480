/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight help, and the same for --help.
 */
#include "cli/help.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/option.h"
#include "cli/help_text.h"
#include "cli/man.h"
#include "cli/print.h"
#include "manifest/manifest.h"

enum { WIDTH = 80, OPTION_WIDTH = 24, COMMAND_WIDTH = 14 };

static void print_heading(FILE *out, const char *text)
{
    fprintf(out, "\n%s%s%s\n", sl_style_on(out, SL_STYLE_BOLD), text,
            sl_style_off(out));
}

/* Wrap text at WIDTH; the cursor is at the column indent. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = indent;

    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (column > indent && column + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", len, text);
        column += len;
        text += len;
        text += *text == ' ';
    }
    fputc('\n', out);
}

/* An entry of a list: a term, and its text beside or below it. */
static void print_entry(FILE *out, const char *term, const char *text,
                        int width)
{
    if ((int)strlen(term) > width)
        fprintf(out, "  %s\n  %*s  ", term, width, "");
    else
        fprintf(out, "  %-*s  ", width, term);
    print_wrapped(out, text, width + 4);
}

static void print_option(FILE *out, const struct sl_command_option *option,
                         int width)
{
    char text[64];
    char letter[] = {'-', option->letter, ',', ' ', '\0'};

    snprintf(text, sizeof(text), "%s--%s%s%s",
             option->letter != 0 ? letter : "    ", option->name,
             option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    print_entry(out, text, option->help, width);
}

static void print_items(FILE *out, const char *title,
                        const struct sl_help_item *items)
{
    print_heading(out, title);
    for (; items->name != NULL; items++)
        print_entry(out, items->name, items->help, OPTION_WIDTH);
}

void sl_help_print_all(FILE *out)
{
    fputs(sl_help_intro, out);
    print_heading(out, "Usage");
    fputs("  slight COMMAND [OPTIONS]\n", out);
    print_heading(out, "Commands");
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        fprintf(out, "  %-*s %s\n", COMMAND_WIDTH, sl_commands[i]->name,
                sl_commands[i]->summary);
    print_heading(out, "Options");
    for (const struct sl_command_option *o = sl_help_options; o->name != NULL;
         o++)
        print_option(out, o, COMMAND_WIDTH);
    print_items(out, "Environment", sl_help_environment);
    print_items(out, "Exit codes", sl_help_exit_codes);
    fputs("\n\"slight help COMMAND\" describes a command, \"slight "
          "help " SL_HELP_MANIFEST "\" the\nmanifest. To start: slight run "
          "app.wasm\n",
          out);
}

void sl_help_print_command(FILE *out, const struct sl_command *command)
{
    fprintf(out, "slight %s: %s\n", command->name, command->summary);
    print_heading(out, "Usage");
    fprintf(out, "  slight %s%s%s\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands);
    if (command->text[0] != '\0')
        fprintf(out, "\n%s", command->text);
    print_heading(out, "Options");
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        print_option(out, o, OPTION_WIDTH);
    print_option(out, &sl_help_option, OPTION_WIDTH);
    if (command->examples[0] == NULL)
        return;
    print_heading(out, "Examples");
    for (size_t i = 0; command->examples[i] != NULL; i++)
        fprintf(out, "  %s\n", command->examples[i]);
}

static void print_key(FILE *out, const char *name, const char *attributes,
                      const char *help)
{
    fprintf(out, "  %-*s  %s\n  %*s  ", OPTION_WIDTH, name, attributes,
            OPTION_WIDTH, "");
    print_wrapped(out, help, OPTION_WIDTH + 4);
}

static void print_manifest_table(FILE *out,
                                 const struct sl_manifest_table *table)
{
    print_heading(out, table->title);
    if (table->text != NULL) {
        fputs("  ", out);
        print_wrapped(out, table->text, 2);
    }
    for (size_t i = 0; i < 2; i++)
        for (const struct sl_option *o = table->options[i];
             o != NULL && o->name != NULL; o++) {
            SL_CLEANUP(sl_freep) char *text = sl_help_attributes(o);
            print_key(out, o->name, text, o->help);
        }
    for (const struct sl_manifest_key *k = table->keys;
         k != NULL && k->name != NULL; k++)
        print_key(out, k->name, k->type, k->help);
}

static void print_manifest(FILE *out)
{
    struct sl_manifest_table table;

    fprintf(out, SL_HELP_MANIFEST ": %s\n\n%s", sl_help_manifest_summary,
            sl_help_manifest_intro);
    for (size_t i = 0; (table = sl_manifest_table(i)).title != NULL; i++)
        print_manifest_table(out, &table);
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

static int write_pages(const char *folder)
{
    struct sl_error err;

    return sl_man_write_pages(folder, &err) == SL_OK
               ? SL_EXIT_OK
               : sl_print_failure(&err, SL_EXIT_FAILED);
}

static int run_help(const struct sl_args *args)
{
    const char *name = sl_args_operand(args, 0);
    const char *folder = sl_args_value(args, "man-pages");

    if (name != NULL && folder != NULL) {
        sl_print_error("--man-pages writes the pages of all commands; remove "
                       "\"%s\"",
                       name);
        return SL_EXIT_USAGE;
    }
    if (folder != NULL)
        return write_pages(folder);
    if (name == NULL) {
        sl_help_print_all(stdout);
        return SL_EXIT_OK;
    }
    if (strcmp(name, SL_HELP_MANIFEST) == 0) {
        print_manifest(stdout);
        return SL_EXIT_OK;
    }
    const struct sl_command *command = sl_command_find(name);
    if (command == NULL)
        return sl_help_unknown(name);
    sl_help_print_command(stdout, command);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "man-pages",
     .argument = "DIR",
     .kind = SL_ARGUMENT_FOLDER,
     .help = "write the manual pages into a folder instead"},
    {0},
};

static const char *const examples[] = {
    "slight help run",
    "slight help " SL_HELP_MANIFEST,
    "slight help --man-pages . && man ./slight-run.1",
    NULL,
};

extern const struct sl_command sl_command_help;
const struct sl_command sl_command_help = {
    .name = "help",
    .summary = "describe slight, a command or the manifest",
    .operands = "[COMMAND|" SL_HELP_MANIFEST "]",
    .text = "",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_TOPIC,
    .operands_max = 1,
    .run = run_help,
};

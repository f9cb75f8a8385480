/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight completion: scripts for shells, from the tables of the commands.
 *
 * They complete commands, options, and values whose kind the tables name.
 */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/command.h"
#include "cli/help_text.h"
#include "cli/print.h"
#include "manifest/capabilities.h"

static void print_providers(void)
{
    const struct sl_capability *capability;
    const struct sl_driver *driver;

    for (size_t i = 0; (driver = sl_driver_at(i, &capability)) != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", sl_driver_info(driver).name);
}

static void print_commands(void)
{
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", sl_commands[i]->name);
}

/* The values of a kind; false for text, files and folders. */
static bool print_values(enum sl_argument_kind kind)
{
    switch (kind) {
    case SL_ARGUMENT_TOPIC:
        print_commands();
        printf(" " SL_HELP_MANIFEST);
        return true;
    case SL_ARGUMENT_PROVIDER:
        print_providers();
        return true;
    case SL_ARGUMENT_SHELL:
        printf("bash zsh fish");
        return true;
    case SL_ARGUMENT_LANGUAGE:
        printf("c");
        return true;
    case SL_ARGUMENT_ACTION:
        printf("list replay drop");
        return true;
    case SL_ARGUMENT_TEXT:
    case SL_ARGUMENT_FILE:
    case SL_ARGUMENT_FOLDER:
        return false;
    }
    return false;
}

/* --- bash --- */

static void bash_kind(enum sl_argument_kind kind)
{
    if (kind == SL_ARGUMENT_FILE) {
        printf("COMPREPLY=($(compgen -f -- \"$word\"))");
    } else if (kind == SL_ARGUMENT_FOLDER) {
        printf("COMPREPLY=($(compgen -d -- \"$word\"))");
    } else if (kind == SL_ARGUMENT_TEXT) {
        printf("COMPREPLY=()");
    } else {
        printf("COMPREPLY=($(compgen -W '");
        print_values(kind);
        printf("' -- \"$word\"))");
    }
}

static void bash_command(const struct sl_command *command)
{
    printf("    %s)\n        case \"$before\" in\n", command->name);
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++) {
        if (o->argument == NULL)
            continue;
        printf("        --%s", o->name);
        if (o->letter != 0)
            printf("|-%c", o->letter);
        printf(") ");
        bash_kind(o->kind);
        printf("; return ;;\n");
    }
    printf("        esac\n        if [[ $word == -* ]]; then\n"
           "            COMPREPLY=($(compgen -W '--help");
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        printf(" --%s", o->name);
    printf("' -- \"$word\"))\n        else\n            ");
    bash_kind(command->operand_kind);
    printf("\n        fi ;;\n");
}

static void print_bash(void)
{
    printf("# bash completion for slight: source <(slight completion bash)\n"
           "_slight() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]}\n"
           "    local before=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    if ((COMP_CWORD == 1)); then\n"
           "        COMPREPLY=($(compgen -W '--help --version ");
    print_commands();
    printf("' -- \"$word\"))\n        return\n    fi\n"
           "    case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        bash_command(sl_commands[i]);
    printf("    esac\n}\ncomplete -o filenames -F _slight slight\n");
}

/* --- zsh --- */

/* Help within '...[help]': brackets, colons and quotes must be quoted. */
static void zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text) != NULL)
            putchar('\\');
        if (*text == '\'')
            printf("'\\''");
        else
            putchar(*text);
    }
}

static void zsh_kind(enum sl_argument_kind kind)
{
    if (kind == SL_ARGUMENT_FILE)
        printf("_files");
    else if (kind == SL_ARGUMENT_FOLDER)
        printf("_files -/");
    else if (kind != SL_ARGUMENT_TEXT) {
        printf("(");
        print_values(kind);
        printf(")");
    }
}

static void zsh_option(const struct sl_command_option *option)
{
    printf(" \\\n            '%s--%s%s[", option->repeats ? "*" : "",
           option->name, option->argument != NULL ? "=" : "");
    zsh_text(option->help);
    printf("]");
    if (option->argument != NULL) {
        printf(":");
        zsh_text(option->argument);
        printf(":");
        zsh_kind(option->kind);
    }
    printf("'");
}

static void zsh_command(const struct sl_command *command)
{
    printf("    %s)\n        _arguments '--help[print this help]'",
           command->name);
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        zsh_option(o);
    if (command->operands_max > 0) {
        printf(" \\\n            '1::operand:");
        zsh_kind(command->operand_kind);
        printf("'");
    }
    printf(" ;;\n");
}

static void print_zsh(void)
{
    printf("#compdef slight\n"
           "# zsh completion for slight: source <(slight completion zsh)\n"
           "_slight() {\n"
           "    if ((CURRENT == 2)); then\n"
           "        local -a commands=(\n");
    for (size_t i = 0; sl_commands[i] != NULL; i++) {
        printf("            '%s:", sl_commands[i]->name);
        zsh_text(sl_commands[i]->summary);
        printf("'\n");
    }
    printf("        )\n        _describe command commands\n        return\n"
           "    fi\n"
           "    local command=${words[2]}\n"
           "    shift words\n    ((CURRENT--))\n"
           "    case $command in\n");
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        zsh_command(sl_commands[i]);
    /* From fpath it runs as the function; when sourced it registers itself. */
    printf("    esac\n}\n"
           "if [[ $funcstack[1] == _slight ]]; then\n"
           "    _slight \"$@\"\nelse\n    compdef _slight slight\nfi\n");
}

/* --- fish --- */

static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_option(const struct sl_command *command,
                        const struct sl_command_option *option)
{
    printf("complete -c slight -n '__fish_seen_subcommand_from %s' -l %s",
           command->name, option->name);
    if (option->letter != 0)
        printf(" -s %c", option->letter);
    if (option->argument != NULL)
        printf(option->kind == SL_ARGUMENT_FILE ||
                       option->kind == SL_ARGUMENT_FOLDER
                   ? " -rF"
                   : " -x");
    printf(" -d ");
    fish_text(option->help);
    putchar('\n');
}

static void fish_command(const struct sl_command *command)
{
    printf("complete -c slight -n __fish_use_subcommand -a %s -d ",
           command->name);
    fish_text(command->summary);
    putchar('\n');
    for (const struct sl_command_option *o = command->options; o->name != NULL;
         o++)
        fish_option(command, o);
    printf("complete -c slight -n '__fish_seen_subcommand_from %s'",
           command->name);
    if (command->operand_kind == SL_ARGUMENT_FILE ||
        command->operand_kind == SL_ARGUMENT_FOLDER) {
        printf(" -F\n");
    } else {
        printf(" -a '");
        print_values(command->operand_kind);
        printf("'\n");
    }
}

static void print_fish(void)
{
    printf("# fish completion for slight: slight completion fish | source\n"
           "complete -c slight -f\n"
           "complete -c slight -l help -s h -d 'print this help'\n"
           "complete -c slight -n __fish_use_subcommand -l version -s V "
           "-d 'print versions'\n");
    for (size_t i = 0; sl_commands[i] != NULL; i++)
        fish_command(sl_commands[i]);
}

static int run_completion(const struct sl_args *args)
{
    const char *shell = sl_args_operand(args, 0);
    const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {
        {"bash", print_bash},
        {"zsh", print_zsh},
        {"fish", print_fish},
    };

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print();
            return SL_EXIT_OK;
        }
    }
    sl_print_error("no completion for \"%s\"; expected bash, zsh or fish",
                   shell);
    return SL_EXIT_USAGE;
}

static const struct sl_command_option options[] = {{0}};
static const char *const examples[] = {
    "source <(slight completion bash)",
    "slight completion zsh > ~/.zfunc/_slight",
    "slight completion fish > ~/.config/fish/completions/slight.fish",
    NULL,
};

extern const struct sl_command sl_command_completion;
const struct sl_command sl_command_completion = {
    .name = "completion",
    .summary = "print a shell completion script",
    .operands = "bash|zsh|fish",
    .text = "",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_SHELL,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_completion,
};

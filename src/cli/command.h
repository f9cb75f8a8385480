/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command is a table in a file of its own and a line in commands.c.  Parsing,
 * help, manual pages and shell completion come from these tables.
 */
#ifndef SL_CLI_COMMAND_H
#define SL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* docs/errors.md has the table for people. */
enum sl_exit {
    SL_EXIT_OK = 0,
    SL_EXIT_FAILED = 1,    /* a failure without a code of its own */
    SL_EXIT_USAGE = 2,     /* the command line is wrong */
    SL_EXIT_MANIFEST = 3,  /* slightfile.toml is wrong or missing */
    SL_EXIT_COMPONENT = 4, /* the component cannot be loaded or linked */
    SL_EXIT_TRAP = 5,      /* the component trapped */
    SL_EXIT_TIMEOUT = 6,   /* the component timed out */
    SL_EXIT_SIGNAL = 128   /* plus the number of the signal */
};

/* The values of an option or operand, for completion. */
enum sl_argument_kind {
    SL_ARGUMENT_TEXT,
    SL_ARGUMENT_FILE,
    SL_ARGUMENT_FOLDER,
    SL_ARGUMENT_TOPIC,    /* the name of a command, or slightfile.toml */
    SL_ARGUMENT_PROVIDER, /* the name of a driver */
    SL_ARGUMENT_SHELL,    /* bash, zsh or fish */
    SL_ARGUMENT_LANGUAGE, /* of bindings */
    SL_ARGUMENT_ACTION,   /* of dead-letters */
};

struct sl_command_option {
    const char *name;     /* long, without the dashes */
    char letter;          /* short; 0: none */
    const char *argument; /* "DIR", for help; NULL: a switch */
    enum sl_argument_kind kind;
    bool repeats; /* may be given more than once */
    const char *help;
};

struct sl_args;

struct sl_command {
    const char *name;
    const char *summary;  /* one line, for the list of commands */
    const char *operands; /* "[FILE|DIR] [-- ARGS...]", for help */
    /* Paragraphs, separated by empty lines, for help and manual page; indented
     * lines are commands. */
    const char *text;
    const struct sl_command_option *options; /* ended by a zeroed entry */
    const char *const *examples;             /* ended by NULL */
    enum sl_argument_kind operand_kind;
    size_t operands_min;
    size_t operands_max;
    bool takes_rest; /* arguments behind "--" */
    int (*run)(const struct sl_args *args);
};

/* Every command, ended by NULL. */
extern const struct sl_command *const sl_commands[];

/* The command with this name, or NULL. */
const struct sl_command *sl_command_find(const char *name);

/* The names of all commands, ended by NULL; for sl_nearest. */
const char *const *sl_command_names(void);

/* An option that was given. */
struct sl_arg {
    const struct sl_command_option *option;
    const char *value; /* NULL for a switch */
};

/* A parsed command line.  Everything is borrowed from argv. */
struct sl_args {
    const struct sl_command *command;
    bool help; /* --help or -h: print help instead of running */
    struct sl_arg *options;
    size_t option_count;
    const char **operands;
    size_t operand_count;
    const char *const *rest; /* NULL without "--" */
    size_t rest_count;
};

/*
 * Parse the arguments behind the name of a command.  SL_INVALID_ARGUMENT with a
 * message for the user.  The caller calls sl_args_done in any case.
 */
SL_MUST_CHECK enum sl_status sl_args_parse(const struct sl_command *command,
                                           size_t argc,
                                           const char *const argv[],
                                           struct sl_args *out,
                                           struct sl_error *err);
void sl_args_done(struct sl_args *args);

/* The value of an option; NULL when it was not given. */
const char *sl_args_value(const struct sl_args *args, const char *name);
/* Whether a switch was given. */
bool sl_args_has(const struct sl_args *args, const char *name);
/* The operand with this index; NULL when there are fewer. */
const char *sl_args_operand(const struct sl_args *args, size_t index);

/* Run the program; returns its exit code. */
int sl_cli_main(int argc, const char *const argv[]);

#endif

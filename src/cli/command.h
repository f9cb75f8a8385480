/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command is.  One file each, one line in commands.c; parsing, help and
 * the shells' completion come from these tables.
 */
#ifndef SL_CLI_COMMAND_H
#define SL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* docs/errors.md has the table for people. */
enum sl_exit {
    SL_EXIT_OK = 0,
    SL_EXIT_FAILED = 1,    /* anything that has no number of its own */
    SL_EXIT_USAGE = 2,     /* the command line is wrong */
    SL_EXIT_MANIFEST = 3,  /* slightfile.toml is wrong or missing */
    SL_EXIT_COMPONENT = 4, /* the component cannot be loaded or linked */
    SL_EXIT_TRAP = 5,      /* the component trapped */
    SL_EXIT_TIMEOUT = 6,   /* the component took too long */
    SL_EXIT_SIGNAL = 128   /* and the signal's number */
};

/* What values an option or operand takes, for completion. */
enum sl_argument_kind {
    SL_ARGUMENT_TEXT,
    SL_ARGUMENT_FILE,
    SL_ARGUMENT_FOLDER,
    SL_ARGUMENT_COMMAND,  /* the name of a command */
    SL_ARGUMENT_PROVIDER, /* the name of a driver */
    SL_ARGUMENT_SHELL,    /* bash, zsh or fish */
    SL_ARGUMENT_LANGUAGE, /* of bindings */
    SL_ARGUMENT_LETTERS,  /* what to do with dead letters */
};

struct sl_command_option {
    const char *name;     /* long, without the dashes */
    char letter;          /* short; 0: none */
    const char *argument; /* "DIR", for help; NULL: a switch */
    enum sl_argument_kind kind;
    bool repeats; /* otherwise it may stand once */
    const char *help;
};

struct sl_args;

struct sl_command {
    const char *name;
    const char *summary;  /* one line, for the list of commands */
    const char *operands; /* "[FILE|DIR] [-- ARGS...]", for help */
    const char *text;     /* what there is to know, in paragraphs */
    const struct sl_command_option *options; /* ended by a zeroed entry */
    const char *const *examples;             /* ended by NULL */
    enum sl_argument_kind operand_kind;
    size_t operands_min;
    size_t operands_max;
    bool takes_rest; /* of the arguments, behind "--" */
    int (*run)(const struct sl_args *args);
};

/* Every command, ended by NULL. */
extern const struct sl_command *const sl_commands[];

/* The command with this name, or NULL. */
const struct sl_command *sl_command_find(const char *name);

/* The names of all, ended by NULL; for sl_nearest. */
const char *const *sl_command_names(void);

/* An option that was given. */
struct sl_arg {
    const struct sl_command_option *option;
    const char *value; /* NULL for a switch */
};

/* A command line, taken apart.  Everything is borrowed from argv. */
struct sl_args {
    const struct sl_command *command;
    bool help; /* --help or -h: run nothing, tell about the command */
    struct sl_arg *options;
    size_t option_count;
    const char **operands;
    size_t operand_count;
    const char *const *rest; /* NULL without "--" */
    size_t rest_count;
};

/*
 * Take the arguments behind a command's name apart.  SL_INVALID_ARGUMENT with a
 * message for people.  In any case *out is to be finished with sl_args_done.
 */
SL_MUST_CHECK enum sl_status sl_args_parse(const struct sl_command *command,
                                           size_t argc,
                                           const char *const argv[],
                                           struct sl_args *out,
                                           struct sl_error *err);
void sl_args_done(struct sl_args *args);

/* The value of an option; NULL where it was not given. */
const char *sl_args_value(const struct sl_args *args, const char *name);
/* Whether a switch was given. */
bool sl_args_has(const struct sl_args *args, const char *name);
/* The operand with this index; NULL where there are not so many. */
const char *sl_args_operand(const struct sl_args *args, size_t index);

/* Run the program; returns its exit code. */
int sl_cli_main(int argc, const char *const argv[]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What help and manual pages say beside the tables of the commands and of the
 * manifest.
 */
#ifndef SL_CLI_HELP_TEXT_H
#define SL_CLI_HELP_TEXT_H

#include "base/option.h"
#include "cli/command.h"

/* The topic of `slight help` that is not a command. */
#define SL_HELP_MANIFEST "slightfile.toml"

/* A name and what it means. */
struct sl_help_item {
    const char *name;
    const char *help;
};

/* The program as a whole.  The lists end with a zeroed entry. */
extern const char sl_help_summary[];
extern const char sl_help_intro[];
extern const struct sl_command_option sl_help_options[];
extern const struct sl_help_item sl_help_environment[];
extern const struct sl_help_item sl_help_exit_codes[];

/* slightfile.toml */
extern const char sl_help_manifest_summary[];
extern const char sl_help_manifest_intro[];

/* --help, which every command has. */
extern const struct sl_command_option sl_help_option;

/* "duration, default 5s": the type of an option, and what else is to be known.
 * The caller frees it. */
char *sl_help_attributes(const struct sl_option *option);

#endif

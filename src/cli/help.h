/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, made from the tables of the commands.
 */
#ifndef SL_CLI_HELP_H
#define SL_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* What slight is, and its commands. */
void sl_help_all(FILE *out);
/* One command: usage, text, options, examples. */
void sl_help_command(FILE *out, const struct sl_command *command);
/* Say that there is no such command, and which may be meant. */
int sl_help_unknown(const char *name);

#endif

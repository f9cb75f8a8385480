/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, from the tables of the commands and of the manifest.  man.h has the
 * same as manual pages.
 */
#ifndef SL_CLI_HELP_H
#define SL_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* What slight is, and its commands. */
void sl_help_print_all(FILE *out);
/* One command: usage, text, options, examples. */
void sl_help_print_command(FILE *out, const struct sl_command *command);
/* Report that there is no such command; returns the exit code. */
int sl_help_unknown(const char *name);

#endif

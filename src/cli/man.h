/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages, from the tables that help is printed from. */
#ifndef SL_CLI_MAN_H
#define SL_CLI_MAN_H

#include "base/error.h"

/*
 * Write slight.1, slight-COMMAND.1 for each command, and slightfile.toml.5 into
 * a folder, which is made when it is missing.  The path of each is printed.
 */
SL_MUST_CHECK enum sl_status sl_man_write_pages(const char *folder,
                                                struct sl_error *err);

#endif

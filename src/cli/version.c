/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight version: what this program is, and what it is built from.
 */
#include <stdio.h>

#include "cli/command.h"
#include "cli/print.h"
#include "host/tools.h"

static int run_version(const struct sl_args *args)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf bridge = SL_BUF(16 * 1024);
    struct sl_error err;

    (void)args;
    if (sl_tool_versions(&bridge, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    printf("slight " SL_VERSION "\n%.*s" SL_LIBRARIES, (int)bridge.len,
           (const char *)bridge.ptr);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {{0}};
static const char *const examples[] = {NULL};

extern const struct sl_command sl_command_version;
const struct sl_command sl_command_version = {
    .name = "version",
    .summary = "print the versions of slight and of what it is built from",
    .operands = "",
    .text = "",
    .options = options,
    .examples = examples,
    .run = run_version,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight version: the versions and licenses of this program and its libraries.
 */
#include <stdio.h>

#include "cli/command.h"
#include "cli/licenses.h"
#include "cli/print.h"
#include "host/tools.h"

static int run_version(const struct sl_args *args)
{
    SL_CLEANUP(sl_buf_done) struct sl_buf bridge = SL_BUF(16 * 1024);
    struct sl_error err;

    if (sl_args_has(args, "licenses")) {
        sl_licenses_print(stdout);
        return SL_EXIT_OK;
    }
    if (sl_tool_versions(&bridge, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    printf("slight " SL_VERSION "\n%.*s" SL_LIBRARIES, (int)bridge.len,
           (const char *)bridge.ptr);
    return SL_EXIT_OK;
}

static const struct sl_command_option options[] = {
    {.name = "licenses",
     .help = "print the third-party notices instead: everything that slight is "
             "linked with, and the licenses"},
    {0},
};

static const char *const examples[] = {
    "slight version",
    "slight version --licenses | less",
    NULL,
};

extern const struct sl_command sl_command_version;
const struct sl_command sl_command_version = {
    .name = "version",
    .summary = "print the versions of slight and of its libraries",
    .operands = "",
    .text = "",
    .options = options,
    .examples = examples,
    .run = run_version,
};

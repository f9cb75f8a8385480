/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `slight run`, parsed and checked. */
#ifndef SL_CLI_RUN_OPTIONS_H
#define SL_CLI_RUN_OPTIONS_H

#include <stdint.h>

#include "cli/command.h"
#include "host/host.h"
#include "manifest/manifest.h"

/* Texts are borrowed from the command line or in owned. */
struct sl_run_options {
    struct sl_host_run run;
    struct sl_manifest_variable *env;
    struct sl_manifest_directory *directories;
    char **owned;
    size_t owned_count;
    int64_t grace_ms; /* for calls in progress after a signal */
    bool no_sandbox;
};

/* SL_EXIT_OK, or an exit code after a message.  Also sets the log level.  The
 * caller calls sl_run_options_done in any case. */
int sl_run_options_parse(const struct sl_args *args,
                         struct sl_run_options *out);
void sl_run_options_done(struct sl_run_options *options);

/* No option is ignored: SL_EXIT_OK, or an exit code after a message about one
 * that the manifest has no use for. */
int sl_run_options_check(const struct sl_args *args,
                         const struct sl_manifest *manifest);

#endif

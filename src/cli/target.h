/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the command line names to a manifest: a component, a manifest, or a
 * folder with one.
 */
#ifndef SL_CLI_TARGET_H
#define SL_CLI_TARGET_H

#include "cli/command.h"
#include "host/host.h"
#include "manifest/manifest.h"

/*
 * operand: a .wasm file, a .toml file or a folder; NULL: the working directory.
 * manifest_file: a manifest for a component that operand names; NULL: none.
 * Returns SL_EXIT_OK, or the exit code after saying what is wrong.
 */
int sl_target_open(const char *operand, const char *manifest_file,
                   struct sl_manifest **out);

/* Print err as sl_print_failure does, behind the place in the manifest that it
 * is about; zero is none. */
int sl_target_print_failure(const struct sl_manifest *manifest,
                            struct sl_toml_place place,
                            const struct sl_error *err, int code);

/* The options of compiling, for the tables of commands that load. */
#define SL_TARGET_COMPILE_OPTIONS                                              \
    {.name = "compile-timeout",                                                \
     .argument = "DURATION",                                                   \
     .help = "end compiling a component after this time, in place of the "     \
             "manifest's, 60s unless given; 0s: never"},                       \
        {.name = "compile-memory",                                             \
         .argument = "SIZE",                                                   \
         .help = "the most memory that compiling a component may take, in "    \
                 "place of the manifest's, 2GiB unless given"}

/*
 * Open a host for the manifest and load the components, with the same rules.
 * args has the options above.  From now on signals that end the process
 * are caught (signals.h); one that comes meanwhile ends the loading.
 */
int sl_target_load(const struct sl_manifest *manifest,
                   const struct sl_args *args, struct sl_host **out);

/* Tell each risk of the resources, with their names; how many. */
typedef void sl_target_risk_fn(const char *resource, const char *text);
size_t sl_target_risks(const struct sl_manifest *manifest,
                       sl_target_risk_fn *tell);

/* Say that the component's imports are not all provided, and which are not. */
int sl_target_missing(const struct sl_manifest *manifest, struct sl_host *host);

#endif

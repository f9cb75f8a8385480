/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operand of a command: a component, a manifest, or a folder with one.
 */
#ifndef SL_CLI_TARGET_H
#define SL_CLI_TARGET_H

#include "cli/command.h"
#include "host/host.h"
#include "manifest/manifest.h"

/*
 * operand: a .wasm file, a .toml file or a folder; NULL: the working directory.
 * manifest_file: the manifest of the component that operand names, or NULL.
 * listen: the address at which a component without a manifest answers HTTP
 * requests; NULL: the default, where it exports a handler of them and no
 * program.  Returns SL_EXIT_OK, or an exit code after a message.
 */
int sl_target_open(const char *operand, const char *manifest_file,
                   const char *listen, struct sl_manifest **out);

/* Print err as sl_print_failure does, after its place in the manifest unless
 * that is zero. */
int sl_target_print_failure(const struct sl_manifest *manifest,
                            struct sl_toml_place place,
                            const struct sl_error *err, int code);

/* The options of compilation, for commands that load components. */
#define SL_TARGET_COMPILE_OPTIONS                                              \
    {.name = "compile-timeout",                                                \
     .argument = "DURATION",                                                   \
     .help = "maximum duration of compiling a component; overrides the "       \
             "manifest; 0s: no limit"},                                        \
        {.name = "compile-memory",                                             \
         .argument = "SIZE",                                                   \
         .help = "maximum memory for compiling a component; overrides the "    \
                 "manifest"}

/*
 * Open a host for the manifest and read the components.  args has the options
 * above.  Returns as sl_target_open does.  From now on, signals that end the
 * process are caught (signals.h); one that arrives meanwhile ends the loading.
 */
int sl_target_read(const struct sl_manifest *manifest,
                   const struct sl_args *args, struct sl_host **out);

/* Compile the components that were read. */
int sl_target_load(const struct sl_manifest *manifest, struct sl_host *host);

/* Report the risks of all resources.  Returns their number. */
typedef void sl_target_risk_fn(const char *resource, const char *text);
size_t sl_target_risks(const struct sl_manifest *manifest,
                       sl_target_risk_fn *report);

/* Print the missing imports of components that were read.  SL_EXIT_OK without
 * any. */
int sl_target_missing(const struct sl_manifest *manifest, struct sl_host *host);

#endif

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

/* Open a host for the manifest and load the component, with the same rules. */
int sl_target_load(const struct sl_manifest *manifest, struct sl_host **out);

/* Say that the component's imports are not all provided, and which are not. */
int sl_target_missing(const struct sl_manifest *manifest, struct sl_host *host);

#endif

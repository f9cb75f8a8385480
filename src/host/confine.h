/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manifest needs of the machine, for the sandbox: by the tables of
 * settings of what it names, and not by a list of what there is.
 */
#ifndef SL_HOST_CONFINE_H
#define SL_HOST_CONFINE_H

#include "host/host.h"
#include "sandbox/sandbox.h"

/*
 * Allow sandbox what the system's libraries need and what manifest and run
 * name: components, folders that they see, database files with their folders,
 * certificates, the code cache; ports that are listened at, and those of
 * services and allowed hosts where all are known.
 *
 * Makes the folder of a database and of the code cache where it is missing,
 * for the sandbox knows only what is there (sl_sandbox_tidy); of the store that
 * a component without a manifest has, only where the component may use one.
 * Sets SQLITE_TMPDIR, where it is not set, to the folder of a database.  One
 * thread, before there are others.
 */
void sl_host_allow(const struct sl_manifest *manifest,
                   const struct sl_host_run *run, struct sl_sandbox *sandbox);

/* Whether a [component] may reach a port that the manifest does not tell. */
bool sl_host_connects_anywhere(const struct sl_manifest *manifest);

#endif

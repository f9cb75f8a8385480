/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox of `slight run`, which `slight check` prints. */
#ifndef SL_CLI_CONFINE_H
#define SL_CLI_CONFINE_H

#include "host/host.h"
#include "sandbox/sandbox.h"

/*
 * Files and ports; before other threads are started.  Logs a warning when the
 * kernel lacks support.  SL_EXIT_OK, or an exit code after a message.  The caller
 * calls sl_sandbox_tidy and sl_sandbox_free on *out at the end.
 */
int sl_confine_files(const struct sl_manifest *manifest,
                     const struct sl_host_run *run, struct sl_sandbox **out);

/* System calls; before the first instruction of a guest. */
int sl_confine_calls(const struct sl_sandbox *sandbox);

/* Print "sandbox: landlock (ABI 4), seccomp". */
void sl_confine_print(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* `slight run` confines itself; `slight check` tells to what. */
#ifndef SL_CLI_CONFINE_H
#define SL_CLI_CONFINE_H

#include "host/host.h"
#include "sandbox/sandbox.h"

/*
 * Before there are other threads: files and ports.  What the kernel has not is
 * warned of.  SL_EXIT_OK, or an exit code after saying what is wrong.  *out is
 * the caller's, for sl_sandbox_tidy and sl_sandbox_free at the end.
 */
int sl_confine_files(const struct sl_manifest *manifest,
                     const struct sl_host_run *run, struct sl_sandbox **out);

/* Before the first instruction of a guest: system calls. */
int sl_confine_calls(const struct sl_sandbox *sandbox);

/* "sandbox: landlock (ABI 4), seccomp": a line to standard output. */
void sl_confine_print(void);

#endif

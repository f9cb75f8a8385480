/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of system calls; for sandbox.c. */
#ifndef SL_SANDBOX_SECCOMP_H
#define SL_SANDBOX_SECCOMP_H

#include <stdbool.h>

#include "base/error.h"

/* Whether the kernel can have a filter for all threads answer with errors. */
bool sl_seccomp_supported(void);

/* Load it, for all threads.  uses_udp: sockets of UDP can be made. */
SL_MUST_CHECK enum sl_status sl_seccomp_load(bool uses_udp,
                                             struct sl_error *err);

#endif

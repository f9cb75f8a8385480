/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of system calls; for sandbox.c. */
#ifndef SL_SANDBOX_SECCOMP_H
#define SL_SANDBOX_SECCOMP_H

#include <stdbool.h>

#include "base/error.h"

/* Whether the kernel supports filters that make calls fail. */
bool sl_seccomp_supported(void);

/* Load the filter for all threads.  uses_udp: allow UDP sockets. */
SL_MUST_CHECK enum sl_status sl_seccomp_load(bool uses_udp,
                                             struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of Landlock (docs.kernel.org/userspace-api/landlock.html),
 * without the system's headers, which may be too old; for sandbox.c.
 */
#ifndef SL_SANDBOX_LANDLOCK_H
#define SL_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "base/error.h"
#include "sandbox/sandbox.h"

/* The newest ABI whose rights are all known here; newer kernels are used as if
 * they had this one. */
enum { SL_LANDLOCK_ABI_MAX = 6 };

/* The rights that a ruleset of an ABI can restrict. */
struct sl_landlock_rights {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};
struct sl_landlock_rights sl_landlock_rights(int abi);

/* The rights of an ABI that access grants to a folder or a file. */
uint64_t sl_landlock_access(unsigned access, bool is_folder, uint64_t rights);

/* The ABI of the kernel; 0: no Landlock, errno says why. */
int sl_landlock_abi(void);

/* Restrict this thread as if the kernel had this ABI, 1 at least. */
SL_MUST_CHECK enum sl_status
sl_landlock_restrict(const struct sl_sandbox *sandbox, int abi,
                     struct sl_error *err);

#endif

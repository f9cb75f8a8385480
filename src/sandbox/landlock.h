/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock's system calls (docs.kernel.org/userspace-api/landlock.html), whose
 * constants the system's headers may be too old for; for sandbox.c.
 */
#ifndef SL_SANDBOX_LANDLOCK_H
#define SL_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "base/error.h"
#include "sandbox/sandbox.h"

/* The newest that this file knows all rights of; a newer kernel's is used as
 * this one. */
enum { SL_LANDLOCK_ABI_MAX = 6 };

/* What a ruleset of an ABI can restrict. */
struct sl_landlock_rights {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};
struct sl_landlock_rights sl_landlock_rights(int abi);

/* What access gives, of the rights of an ABI, to a folder or to a file. */
uint64_t sl_landlock_access(unsigned access, bool is_folder, uint64_t rights);

/* The kernel's ABI; 0: there is none, errno says why. */
int sl_landlock_abi(void);

/* Restrict this thread as if the kernel had this ABI, 1 at least. */
SL_MUST_CHECK enum sl_status
sl_landlock_restrict(const struct sl_sandbox *sandbox, int abi,
                     struct sl_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the two processes of compile.h have in common. */
#ifndef SL_HOST_COMPILE_INTERNAL_H
#define SL_HOST_COMPILE_INTERNAL_H

#include <stdint.h>

#include "slight_bridge.h"

/* The exit code for a status is above this; other codes are not the child's
 * own, but the loader's or a sanitizer's. */
enum { SL_COMPILE_FAILED = 64 };

/* The message of a child begins with this if the address space of the process
 * ends before the memory that it may use. */
#define SL_COMPILE_LITTLE_SPACE "\001"

/*
 * In the process that compiles: from standard input to standard output, within
 * so many bytes and seconds of the processors' time (0: no limit).  Returns the
 * exit code.
 */
int sl_compile_within(const struct sl_bridge_engine_config *engine,
                      uint64_t memory, uint64_t cpu_seconds);

#endif

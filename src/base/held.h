/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what is held (sl_held of bytes.h). */
#ifndef SL_BASE_HELD_H
#define SL_BASE_HELD_H

#include "base/bytes.h"

/*
 * Count what is held, so many bytes, until it is released.  *counter outlives
 * it.  What needs no release is not counted.
 */
void sl_held_count(struct sl_held *held, size_t bytes,
                   _Atomic uint64_t *counter);

#endif

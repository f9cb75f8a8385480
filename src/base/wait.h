/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a file descriptor, on threads that are there for it and on those
 * that others need: the latter say how they wait for long.
 */
#ifndef SL_BASE_WAIT_H
#define SL_BASE_WAIT_H

#include "base/deadline.h"

/* Does run(context), on this thread, while another one does what this one is
 * needed for. */
typedef void sl_block_fn(void (*run)(void *context), void *context);

/* From now on, this thread does what takes longer than a blink in block; NULL,
 * as at first: it may wait as it likes. */
void sl_block_in(sl_block_fn *block);

/* Do what may take long. */
void sl_block(void (*run)(void *context), void *context);

/*
 * Wait until fd is ready for events, those of poll(), or in error.  1: it is,
 * 0: the deadline passed, -1: errno says why not.
 */
int sl_wait_fd(int fd, short events, sl_deadline deadline);

#endif

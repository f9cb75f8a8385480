/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: points on the monotonic clock, in nanoseconds.
 */
#ifndef SL_BASE_DEADLINE_H
#define SL_BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t sl_deadline;

#define SL_NEVER INT64_MAX

/* Now, on the clock of deadlines (CLOCK_MONOTONIC). */
int64_t sl_now_ns(void);
/* Milliseconds since 1970 (CLOCK_REALTIME), for what outlives the process. */
int64_t sl_wall_ms(void);

/* ms from now; saturates at SL_NEVER. */
sl_deadline sl_deadline_in_ms(int64_t ms);
/*
 * At most ms from now, and more than ms - grid_ms: a multiple of grid_ms on the
 * clock, so that what many ask for is due at the same time, and done together.
 */
sl_deadline sl_deadline_on_grid(int64_t ms, int64_t grid_ms);
bool sl_deadline_passed(sl_deadline deadline);
/* Milliseconds left, rounded up, 0 when passed, at most INT_MAX: for poll(). */
int sl_deadline_left_ms(sl_deadline deadline);

#endif

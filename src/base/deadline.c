/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: points on the monotonic clock. */
#include "base/deadline.h"

#include <limits.h>
#include <time.h>

enum { NS_PER_MS = 1000000 };

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

int64_t sl_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t sl_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

sl_deadline sl_deadline_in_ms(int64_t ms)
{
    int64_t now = sl_now_ns();

    if (ms > (SL_NEVER - now) / NS_PER_MS)
        return SL_NEVER;
    return now + ms * NS_PER_MS;
}

sl_deadline sl_deadline_on_grid(int64_t ms, int64_t grid_ms)
{
    sl_deadline at = sl_deadline_in_ms(ms);

    return at == SL_NEVER ? at : at - at % (grid_ms * NS_PER_MS);
}

bool sl_deadline_passed(sl_deadline deadline)
{
    return deadline != SL_NEVER && sl_now_ns() >= deadline;
}

int sl_deadline_left_ms(sl_deadline deadline)
{
    int64_t now = sl_now_ns();

    if (deadline <= now)
        return 0;
    int64_t left = (deadline - now - 1) / NS_PER_MS + 1;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

/*
 * Most services answer sooner.  A timer that is due before the kernel's next
 * tick costs microseconds of its own; this one is not.
 */
enum { BLINK_NS = 2000000 };

static _Thread_local sl_block_fn *block_in;

void sl_block_in(sl_block_fn *block)
{
    block_in = block;
}

void sl_block(void (*run)(void *context), void *context)
{
    if (block_in != NULL)
        block_in(run, context);
    else
        run(context);
}

struct wait {
    struct pollfd poller;
    sl_deadline deadline;
    int result;
    int error;
};

static void wait_long(void *context)
{
    struct wait *wait = context;

    for (;;) {
        int left = sl_deadline_left_ms(wait->deadline);
        int ready =
            poll(&wait->poller, 1, wait->deadline == SL_NEVER ? -1 : left);
        if (ready == 0 && left > 0)
            continue; /* longer than poll() can */
        if (ready < 0 && errno == EINTR)
            continue;
        wait->result = ready;
        wait->error = errno;
        return;
    }
}

int sl_wait_fd(int fd, short events, sl_deadline deadline)
{
    static const struct timespec blink = {.tv_nsec = BLINK_NS};
    struct wait wait = {.poller = {.fd = fd, .events = events},
                        .deadline = deadline};

    if (block_in != NULL && ppoll(&wait.poller, 1, &blink, NULL) > 0)
        return 1;
    sl_block(wait_long, &wait);
    errno = wait.error;
    return wait.result;
}

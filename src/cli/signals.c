/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler that only notes the signal and writes to an eventfd: it may run on
 * any thread, also on one that runs a guest, so what it notes is atomic (and
 * free of locks, as ATOMIC_INT_LOCK_FREE says: fine in a handler).
 */
#include "cli/signals.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(ATOMIC_INT_LOCK_FREE == 2, "used in a handler of signals");

static _Atomic int caught;
static int event = -1;

static void handle(int number)
{
    const uint64_t one = 1;
    int saved = errno;

    caught = number;
    ssize_t written = write(event, &one, sizeof(one));
    (void)written;
    errno = saved;
}

int sl_signals_catch(void)
{
    struct sigaction action = {.sa_handler = handle};

    if (event >= 0)
        return event;
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0)
        return -1;
    sigemptyset(&action.sa_mask);
    action.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return event;
}

int sl_signals_caught(void)
{
    return caught;
}

static _Atomic int late_code;

static void leave(int number)
{
    (void)number;
    _exit(late_code);
}

void sl_signals_leave_after(unsigned seconds, int code)
{
    struct sigaction action = {.sa_handler = leave};

    late_code = code;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler only records the signal and writes to an eventfd.  It may run on
 * any thread, even one that runs a guest, so its state is atomic and lock-free.
 */
#include "cli/signals.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/command.h"

static_assert(ATOMIC_INT_LOCK_FREE == 2, "used in a signal handler");

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2};

enum {
    ENDING_COUNT = sizeof(ending) / sizeof(ending[0]),
    IGNORED_COUNT = sizeof(ignored) / sizeof(ignored[0]),
};

static _Atomic int caught;
static atomic_bool is_known; /* sl_signals_caught has returned it */
static _Atomic int event = -1;

/* The parent sees the signal, unless this is PID 1, which the kernel spares. */
static _Noreturn void end_by_signal(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t one;

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
    _exit(SL_EXIT_SIGNAL + number);
}

/*
 * Whether it is the first, or arrived together with a SIGHUP that was the first:
 * the kernel may deliver two pending signals in any order.
 */
static bool record_first(int number)
{
    int before = 0;

    if (atomic_compare_exchange_strong(&caught, &before, number))
        return true;
    before = SIGHUP;
    return !is_known &&
           atomic_compare_exchange_strong(&caught, &before, number);
}

static void handle_signal(int number)
{
    const uint64_t one = 1;
    int saved = errno;

    bool is_first = record_first(number);
    if (event < 0 || (!is_first && number != SIGHUP))
        end_by_signal(number);
    ssize_t written = is_first ? write(event, &one, sizeof(one)) : 0;
    (void)written;
    errno = saved;
}

static void set_action(int number, void (*handler)(int))
{
    /* On the alternate stack of a thread that runs guests: theirs is short. */
    struct sigaction action = {.sa_handler = handler,
                               .sa_flags = (int)(SA_RESTART | SA_ONSTACK)};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 &&
           (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

static void handle_ending(void)
{
    for (size_t i = 0; i < ENDING_COUNT; i++)
        if (ending[i] != SIGHUP || !is_ignored(SIGHUP))
            set_action(ending[i], handle_signal);
}

void sl_signals_start(void)
{
    sigset_t none;

    handle_ending();
    for (size_t i = 0; i < IGNORED_COUNT; i++)
        set_action(ignored[i], SIG_IGN);
    set_action(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

int sl_signals_catch(void)
{
    if (event >= 0)
        return event;
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event >= 0)
        handle_ending();
    return event;
}

int sl_signals_caught(void)
{
    is_known = caught != 0;
    return caught;
}

void sl_signals_disown_children(void)
{
    set_action(SIGCHLD, SIG_IGN);
}

static _Atomic int late_code;

static void exit_late(int number)
{
    (void)number;
    _exit(late_code);
}

void sl_signals_leave_after(unsigned seconds, int code)
{
    late_code = code;
    set_action(SIGALRM, exit_late);
    alarm(seconds);
}

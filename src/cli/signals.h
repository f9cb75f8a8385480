/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of this process.  It may be PID 1 of a container, for which the kernel
 * has no default actions, so that every signal is handled here.
 *
 * SIGHUP, SIGINT, SIGQUIT and SIGTERM end the process.  SIGUSR1 and SIGUSR2 are
 * ignored; so are SIGPIPE and SIGXFSZ, so that the write fails instead.
 */
#ifndef SL_CLI_SIGNALS_H
#define SL_CLI_SIGNALS_H

/*
 * Call it first, once: the parent process may have blocked or ignored signals.
 * Until sl_signals_catch, a signal that ends the process ends it at once, by the
 * signal, or as PID 1 by exit code 128 plus its number.  A SIGHUP that is ignored
 * (nohup) stays ignored.
 */
void sl_signals_start(void);

/*
 * From now on, the first of these signals makes the returned descriptor
 * readable, so that the process can end in order.  A second one ends it at once,
 * as above, except SIGHUP and what arrives together with it: closing a terminal
 * may send several.  -1 when there is no descriptor left; signals then go on
 * ending the process at once.  Further calls return the same.
 */
int sl_signals_catch(void);

/* The signal that made the descriptor readable; 0: none. */
int sl_signals_caught(void);

/*
 * This process starts no more children.  Orphans that PID 1 inherits are reaped
 * by the kernel from now on.
 */
void sl_signals_disown_children(void);

/*
 * End the process with this code after so many seconds, unless it has ended by
 * then.  Nothing is flushed or closed.
 */
void sl_signals_leave_after(unsigned seconds, int code);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of this process, from its first line on, also where it is PID 1 of a
 * container: what the kernel does by default with a signal, it does not do to
 * PID 1, so that nothing is left to it here.
 *
 * SIGHUP, SIGINT, SIGQUIT and SIGTERM end the process.  SIGUSR1 and SIGUSR2
 * mean nothing and are ignored; SIGPIPE and SIGXFSZ are ignored, so that the
 * write that meets them fails.
 */
#ifndef SL_CLI_SIGNALS_H
#define SL_CLI_SIGNALS_H

/*
 * To be called first, once: whoever started this process may have blocked or
 * ignored signals.  Until sl_signals_catch a signal that ends the process ends
 * it at once, by the signal; as PID 1, by exit code 128 and its number.  A
 * SIGHUP that is ignored (nohup) stays ignored.
 */
void sl_signals_start(void);

/*
 * From now on the first of these signals is noted and makes the descriptor that
 * is returned readable, so that the end may take its time; a second one ends
 * the process at once, as above.  SIGHUP is never such a second one, nor what
 * comes together with it: who closes a terminal may send several.  -1 where no
 * descriptor can be had: then any of them goes on ending the process at once.
 * A further call returns the same.
 */
int sl_signals_catch(void);

/* The signal that was noted; 0: none.  To be called by who waited for it. */
int sl_signals_caught(void);

/*
 * No more children of our own from now on: those that others leave to PID 1 go
 * away when they end, without being waited for.
 */
void sl_signals_disown_children(void);

/*
 * End the process with this code unless it has ended by itself after so many
 * seconds.  Nothing is flushed or closed then.
 */
void sl_signals_leave_after(unsigned seconds, int code);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM, as a descriptor that becomes readable.
 */
#ifndef SL_CLI_SIGNALS_H
#define SL_CLI_SIGNALS_H

/*
 * From now on the first of the two is caught and makes the descriptor that is
 * returned readable; a second one ends the process at once.  -1 where that
XX */
int sl_signals_catch(void);

/* The signal that was caught; 0: none. */
int sl_signals_caught(void);

/*
 * End the process with this code unless it has ended by itself after so many
 * seconds.  Nothing is flushed or closed then.
 */
void sl_signals_leave_after(unsigned seconds, int code);

#endif

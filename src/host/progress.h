/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line at the bottom of a terminal, while something takes its time.
 */
#ifndef SL_HOST_PROGRESS_H
#define SL_HOST_PROGRESS_H

struct sl_progress;

/*
 * After a second, say that what is being compiled.  NULL where standard error
 * is no terminal.  what is borrowed until the end.
 */
struct sl_progress *sl_progress_start(const char *what);
/* Wipe the line away.  NULL is fine. */
void sl_progress_end(struct sl_progress *progress);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guests write to their standard streams: in lines, with a name, where
 * components are called; as it is, where a program is run once.
 */
#ifndef SL_HOST_OUTPUT_H
#define SL_HOST_OUTPUT_H

#include "host/internal.h"

/* --- Components that are called ----------------------------------------- */

/* rate: bytes a second, 0: no limit. */
void sl_host_output_init(struct sl_host_output *output, int64_t rate);
void sl_host_output_done(struct sl_host_output *output);

/* A sl_bridge_output_fn; the context is a struct sl_host_component. */
void sl_host_output_line(void *context, int stream, struct sl_bytes line);

/* --- A program ------------------------------------------------------------
 *
 * One a process: what it writes to is the process's, too.
 */

/* raw: what is not printable goes to a terminal as it is. */
void sl_host_stdio_prepare(bool raw);

/* A sl_bridge_write_fn without a context. */
int64_t sl_host_stdio_write(void *context, int stream, struct sl_bytes bytes,
                            bool may_wait);

/* What is left of a character that did not end.  Nothing is being written. */
void sl_host_stdio_finish(void);

#endif

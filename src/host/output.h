/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guests write to their standard streams: in lines, with a name, where
 * components are called; as it is, where a program is run once.
 */
#ifndef SL_HOST_OUTPUT_H
#define SL_HOST_OUTPUT_H

#include "base/bytes.h"
#include "base/output.h"
#include "base/rate.h"

/* --- Components that are called ------------------------------------------ */

/* What a component that is called has written. */
struct sl_host_output {
    const char *component; /* its name; borrowed */
    struct sl_rate rate;
    struct sl_output_lost lost;
    _Atomic uint64_t
        unreported; /* lines over its rate that were not reported yet */
    _Atomic int64_t next_report; /* not before; on the clock of deadlines */
};

/* rate: bytes a second, 0: no limit. */
void sl_host_output_init(struct sl_host_output *output, const char *component,
                         int64_t rate);
void sl_host_output_done(struct sl_host_output *output);

/* A sl_bridge_output_fn; the context is a struct sl_host_output. */
void sl_host_output_line(void *context, int stream, struct sl_bytes line);

/* --- A program ----------------------------------------------------------- */

/* There is one in a process, and it has the standard streams of that. */

/* raw: what is not printable goes to a terminal as it is. */
void sl_host_stdio_prepare(bool raw);

/* A sl_bridge_write_fn without a context. */
int64_t sl_host_stdio_write(void *context, int stream, struct sl_bytes bytes,
                            bool may_wait);

/* What is left of a character that did not end.  Nothing is being written. */
void sl_host_stdio_finish(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to standard output and standard error without waiting for who reads
 * them.
 *
 * From sl_output_start on, each stream has a queue of at most
 * SL_OUTPUT_QUEUE_MAX bytes and a thread that writes it; what does not fit is
 * lost, and counted.  Before, and in programs that never start it, a write is
 * made at once and waits.  Two streams that are the same file share a queue, so
 * that the order stays.  O_NONBLOCK is never set: other processes share the
 * descriptors.
 */
#ifndef SL_BASE_OUTPUT_H
#define SL_BASE_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    SL_OUTPUT_QUEUE_MAX = 1024 * 1024, /* of a stream */
    /* The part of it that is open to guests; the rest is for logs. */
    SL_OUTPUT_GUESTS_MAX = SL_OUTPUT_QUEUE_MAX / 4 * 3,
    SL_OUTPUT_FLUSH_MS = 1000, /* at the end */
};

/* Who wrote it. */
enum sl_output_kind {
    SL_OUTPUT_LOG,
    SL_OUTPUT_GUEST,
    SL_OUTPUT_KINDS,
};

/* Why entries were lost. */
enum sl_output_loss {
    SL_OUTPUT_FULL,   /* nobody reads, or not fast enough */
    SL_OUTPUT_RATE,   /* more than a component's output-rate */
    SL_OUTPUT_FAILED, /* the write did: a full disk, a reader that is gone */
    SL_OUTPUT_LOSSES,
};

/* Entries that were lost, of stream 1 and 2.  Zero is the begin. */
struct sl_output_lost {
    _Atomic uint64_t count[2][SL_OUTPUT_LOSSES];
};

/* From now on, what is written is queued.  Once; the threads start when they
 * are first needed. */
void sl_output_start(void);

/*
 * Write an entry, of one or more whole lines, to stream 1 or 2 (descriptors 1
 * and 2).  lost: where to count it if it does not fit; NULL: where those of
 * slight itself are.  Any thread; it never waits once started.
 */
void sl_output_write(int stream, enum sl_output_kind kind, struct sl_bytes text,
                     struct sl_output_lost *lost);

/* How many entries of a kind were lost that no component's sl_output_lost has.
 */
SL_MUST_CHECK uint64_t sl_output_lost_count(int stream,
                                            enum sl_output_kind kind,
                                            enum sl_output_loss loss);

/* Wait until everything is written, and what was lost is told, for ms at the
 * longest. */
void sl_output_flush(int64_t ms);

/*
 * Write to a descriptor until everything is, whatever interrupts; where it is
 * non-blocking, wait.  False where it failed (errno).
 */
SL_MUST_CHECK bool sl_output_write_all(int fd, struct sl_bytes bytes);

#endif

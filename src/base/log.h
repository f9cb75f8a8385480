/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging, for host, trigger and main; everything below returns errors instead.
 */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum sl_log_level {
    SL_LOG_ERROR,
    SL_LOG_WARN, /* the default */
    SL_LOG_INFO,
    SL_LOG_DEBUG,
};

/* "error", "warn", "info" or "debug"; false where it is none of them. */
SL_MUST_CHECK bool sl_log_level_parse(const char *text,
                                      enum sl_log_level *level);

/* What is less grave than level is not written.  Any thread. */
void sl_log_set_level(enum sl_log_level level);

/* Whether a line of this level would be written.  Any thread. */
SL_MUST_CHECK bool sl_log_wants(enum sl_log_level level);

/*
 * Write one line to standard error, at once:
 *
 *   2026-01-31T12:00:00.000Z level=warn event=no-cache reason="…"
 *
 * fmt gives the key=value pairs.  Never a secret.
 */
void sl_log(enum sl_log_level level, const char *event, const char *fmt, ...)
    SL_PRINTF(3, 4);

#endif

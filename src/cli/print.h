/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line says, and in which colour.  Colour is for terminals,
 * and NO_COLOR (no-color.org) turns it off.
 */
#ifndef SL_CLI_PRINT_H
#define SL_CLI_PRINT_H

#include <stdio.h>

#include "base/error.h"

enum sl_style {
    SL_STYLE_BOLD,
    SL_STYLE_RED,
    SL_STYLE_GREEN,
    SL_STYLE_YELLOW,
};

/* The sequence that turns a style on, or off; "" where out has no colour. */
const char *sl_style_on(FILE *out, enum sl_style style);
const char *sl_style_off(FILE *out);

/*
 * "error: ..." and "warning: ...", one paragraph to standard error.  Where the
 * log is JSON, so that all lines of standard error are: an entry of that event,
 * whose "reason" it is.
 */
void sl_print_error(const char *fmt, ...) SL_PRINTF(1, 2);
void sl_print_warning(const char *fmt, ...) SL_PRINTF(1, 2);

/* The same with the place before it: "FILE:LINE:COLUMN: error: ...". */
void sl_print_error_at(const char *file, unsigned line, unsigned column,
                       const char *message);

/*
 * What others wrote, escaped (base/escape.h), so that it cannot play tricks
 * with a terminal.  The second one keeps newlines and tabs.
 */
void sl_print_text(FILE *out, const char *text);
void sl_print_lines(FILE *out, const char *text);
/* As printf does, all of it escaped, and a newline. */
void sl_print_line(FILE *out, const char *fmt, ...) SL_PRINTF(2, 3);

/* A text for standard error that is put together first, then written
 * (base/output.h); never where the log is JSON. */
struct sl_message {
    FILE *out;
    char *text;
    size_t len;
};

/* Where to write it; once for each sl_message_close, which writes and frees. */
FILE *sl_message_open(struct sl_message *message);
void sl_message_close(struct sl_message *message);

/* Print err as an error and return code. */
int sl_print_failure(const struct sl_error *err, int code);

#endif

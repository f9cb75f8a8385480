/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of the commands.  Colour is for terminals; NO_COLOR (no-color.org)
 * turns it off.
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

/* The sequence that turns a style on or off; "" when out has no colour. */
const char *sl_style_on(FILE *out, enum sl_style style);
const char *sl_style_off(FILE *out);

/*
 * "error: ..." and "warning: ...", one paragraph to standard error.  With a log
 * in JSON, every line of standard error is JSON: an entry of that event with
 * this as its "reason".
 */
void sl_print_error(const char *fmt, ...) SL_PRINTF(1, 2);
void sl_print_warning(const char *fmt, ...) SL_PRINTF(1, 2);

/* The same after the place: "FILE:LINE:COLUMN: error: ...". */
void sl_print_error_at(const char *file, unsigned line, unsigned column,
                       const char *message);

/*
 * Untrusted text, escaped (base/escape.h), so that it cannot control a terminal.
 * The second one keeps newlines and tabs.
 */
void sl_print_text(FILE *out, const char *text);
void sl_print_lines(FILE *out, const char *text);
/* As printf, with everything escaped, and a newline. */
void sl_print_line(FILE *out, const char *fmt, ...) SL_PRINTF(2, 3);

/* A text for standard error that is composed first and then written as a whole
 * (base/output.h).  Not for a log in JSON. */
struct sl_message {
    FILE *out;
    char *text;
    size_t len;
};

/* Returns the stream to write to; sl_message_close writes the text and frees it. */
FILE *sl_message_open(struct sl_message *message);
void sl_message_close(struct sl_message *message);

/* Print err as an error and return code. */
int sl_print_failure(const struct sl_error *err, int code);

#endif

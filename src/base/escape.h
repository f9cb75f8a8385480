/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside, made fit to be shown: in logs, errors, on a terminal.
 * Nothing that a guest, a file, a server or a user wrote moves a cursor,
 * changes the order of what is read, hides, or begins a line of its own.
 *
 * Shown as it is: what Unicode calls a letter, mark, number, punctuation,
 * symbol or space.  Escaped: control characters (U+0000 to U+001F, U+007F to
 * U+009F), format characters (bidirectional, zero width, soft hyphen, tags,
 * byte order mark), fillers that show nothing, separators of lines and
 * paragraphs, noncharacters, and bytes that are no UTF-8.  Variation selectors
 * U+FE00 to U+FE0F stay (they choose between forms of a character), and so does
 * what a later Unicode may assign.
 */
#ifndef SL_BASE_ESCAPE_H
#define SL_BASE_ESCAPE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

enum sl_escape {
    /* One line: \n, \t, \r, \u009b (four digits), \U000e0001 (eight), and \xff
     * for a byte that is no UTF-8. */
    SL_ESCAPE_LINE,
    /* The same, with newlines and tabs as they are. */
    SL_ESCAPE_LINES,
    /* For between quotes, in JSON: quotes and backslashes are escaped, too;
     * what is beyond U+FFFF is two escapes, what is no UTF-8 is U+FFFD. */
    SL_ESCAPE_QUOTED,
};

/* Whether a character is shown as it is. */
SL_MUST_CHECK bool sl_is_printable(uint32_t character);

/* Write text with its escapes.  Errors are out's. */
void sl_escape(FILE *out, struct sl_bytes text, enum sl_escape how);

/* As sl_escape does it; the caller's to free. */
char *sl_escaped(struct sl_bytes text, enum sl_escape how);

/* How many bytes at the end of text, 0 to 3, are the begin of a character whose
 * rest may follow. */
SL_MUST_CHECK size_t sl_escape_incomplete(struct sl_bytes text);

#endif

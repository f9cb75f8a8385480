/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: filling and wrapping them. */
#include "base/error.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Of what begins there and breaks a line or a terminal: C0, DEL, U+0085, U+2028
 * and U+2029.  The text ends with NUL. */
static size_t break_length(const unsigned char *at)
{
    if (at[0] < ' ' || at[0] == 0x7f)
        return 1;
    if (at[0] == 0xc2 && at[1] == 0x85)
        return 2;
    if (at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9))
        return 3;
    return 0;
}

/*
 * Messages quote keys, files and servers: whatever would break a line or a
 * terminal becomes a question mark, and a cut character goes away whole.
 */
static void make_printable(char *message, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t bytes = break_length((const unsigned char *)message + i);
        memset(message + i, '?', bytes);
    }
    if (len < SL_ERROR_MESSAGE_MAX - 1)
        return;

    size_t start = len;
    while (start > 0 && ((unsigned char)message[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)message[start - 1] >= 0xc0) {
        unsigned char lead = (unsigned char)message[start - 1];
        size_t needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (len - (start - 1) < needs)
            message[start - 1] = '\0';
    }
}

static void SL_PRINTF(2, 0)
    format(struct sl_error *err, const char *fmt, va_list args)
{
    vsnprintf(err->message, sizeof(err->message), fmt, args);
    make_printable(err->message, strlen(err->message));
}

enum sl_status sl_fail(struct sl_error *err, enum sl_status status,
                       const char *fmt, ...)
{
    if (err == NULL)
        return status;

    va_list args;
    va_start(args, fmt);
    format(err, fmt, args);
    va_end(args);
    err->status = status;
    return status;
}

enum sl_status sl_fail_in(struct sl_error *err, const char *fmt, ...)
{
    struct sl_error context;
    char *message = context.message;
    va_list args;

    va_start(args, fmt);
    format(&context, fmt, args);
    va_end(args);
    size_t used = strlen(message);
    size_t room = sizeof(context.message) - used;
    snprintf(message + used, room, ": %.*s", (int)room, err->message);
    make_printable(message, strlen(message));
    memcpy(err->message, message, sizeof(err->message));
    return err->status;
}

const char *sl_status_text(enum sl_status status)
{
    static const char *const texts[] = {
#define SL_STATUS_TEXT(name, text) [name] = text,
        SL_STATUSES(SL_STATUS_TEXT)
#undef SL_STATUS_TEXT
    };

    if ((unsigned)status >= SL_STATUS_COUNT)
        return "unknown status";
    return texts[status];
}

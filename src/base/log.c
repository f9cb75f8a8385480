/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines.  Each is put together first and written by one call, so that lines
 * of several threads do not mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {
    [SL_LOG_ERROR] = "error",
    [SL_LOG_WARN] = "warn",
    [SL_LOG_INFO] = "info",
    [SL_LOG_DEBUG] = "debug",
};

static atomic_int threshold = SL_LOG_WARN;

bool sl_log_level_parse(const char *text, enum sl_log_level *level)
{
    for (int i = SL_LOG_ERROR; i <= SL_LOG_DEBUG; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum sl_log_level)i;
            return true;
        }
    }
    return false;
}

void sl_log_set_level(enum sl_log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool sl_log_wants(enum sl_log_level level)
{
    return (int)level <= atomic_load(&threshold);
}

/* What a service or a guest wrote must not look like a line of its own. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static size_t at_most(int len, size_t room)
{
    if (len < 0)
        return 0;
    return (size_t)len < room ? (size_t)len : room - 1;
}

void sl_log(enum sl_log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm date;
    va_list args;

    if (!sl_log_wants(level))
        return;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    size_t len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &date);
    len += at_most(snprintf(line + len, sizeof(line) - len,
                            ".%03ldZ level=%s event=%s ", now.tv_nsec / 1000000,
                            level_names[level], event),
                   sizeof(line) - len);
    va_start(args, fmt);
    /* One byte is kept for the newline. */
    len += at_most(vsnprintf(line + len, sizeof(line) - len - 1, fmt, args),
                   sizeof(line) - len - 1);
    va_end(args);
    make_printable(line);
    line[len++] = '\n';

    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere to say so */
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what we size ourselves: it is there, or the process ends. */
#include "base/alloc.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* An entry of the log, as sl_log_text makes them. */
static int write_entry(char *text, size_t size)
{
    bool is_json = sl_log_format() == SL_LOG_JSON;
    struct timespec now;
    struct tm date;
    char time[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &date);
    return snprintf(text, size,
                    is_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"error\","
                              "\"event\":\"out-of-memory\"}\n"
                            : "%s.%03ldZ level=error event=out-of-memory\n",
                    time, now.tv_nsec / 1000000);
}

/* Without memory, and without waiting for who reads. */
static void say_and_abort(void)
{
    struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    char text[128];
    int len = write_entry(text, sizeof(text));

    if (poll(&poll_fd, 1, 0) > 0) {
        ssize_t written = write(STDERR_FILENO, text, (size_t)len);
        (void)written;
    }
    abort();
}

static void *must_have(void *memory)
{
    if (memory == NULL) {
        say_and_abort();
    }
    return memory;
}

void *sl_alloc(size_t size)
{
    return must_have(calloc(1, size > 0 ? size : 1));
}

void *sl_alloc_array(size_t count, size_t size)
{
    return must_have(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *sl_realloc(void *ptr, size_t size)
{
    return must_have(realloc(ptr, size > 0 ? size : 1));
}

char *sl_strdup(const char *text)
{
    return sl_strndup(text, strlen(text));
}

char *sl_strndup(const void *text, size_t len)
{
    char *copy = must_have(malloc(len + 1));

    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *sl_asprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    return must_have(len < 0 ? NULL : text);
}

void sl_freep(void *pointer_to_pointer)
{
    void *pointer;

    /* By memcpy: what it points to has another type than `void *`. */
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
}

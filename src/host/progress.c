/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits, and tells the terminal each second how long it waited.
 */
#include "host/progress.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/output.h"

struct sl_progress {
    char *what; /* escaped */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
};

/* A terminal may be stopped, too. */
static void SL_PRINTF(1, 2) say(const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0)
        sl_output_write(STDERR_FILENO, SL_OUTPUT_LOG, sl_bytes_of(text), NULL);
}

static void *report_seconds(void *context)
{
    struct sl_progress *progress = context;
    struct timespec next;
    unsigned seconds = 0;

    clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&progress->lock);
    while (!progress->ended) {
        next.tv_sec++;
        while (!progress->ended &&
               pthread_cond_timedwait(&progress->changed, &progress->lock,
                                      &next) == 0)
            ;
        if (!progress->ended)
            say("\r\033[Kcompiling %s, once: %u s", progress->what, ++seconds);
    }
    pthread_mutex_unlock(&progress->lock);
    if (seconds > 0)
        say("\r\033[K");
    return NULL;
}

struct sl_progress *sl_progress_start(const char *what)
{
    if (!isatty(STDERR_FILENO))
        return NULL;

    struct sl_progress *progress = sl_alloc(sizeof(*progress));
    progress->what = sl_escaped(sl_bytes_of(what), SL_ESCAPE_LINE);
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->changed, NULL);
    if (pthread_create(&progress->thread, NULL, report_seconds, progress) == 0)
        return progress;
    free(progress->what);
    free(progress);
    return NULL;
}

void sl_progress_end(struct sl_progress *progress)
{
    if (progress == NULL)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->ended = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->lock);
    free(progress->what);
    free(progress);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits, and tells the terminal each second how long it waited.
 */
#include "host/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

struct sl_progress {
    const char *what;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
};

static void *tell(void *context)
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
            fprintf(stderr, "\r\033[Kcompiling %s, once: %u s", progress->what,
                    ++seconds);
    }
    pthread_mutex_unlock(&progress->lock);
    if (seconds > 0)
        fputs("\r\033[K", stderr);
    return NULL;
}

struct sl_progress *sl_progress_start(const char *what)
{
    if (!isatty(STDERR_FILENO))
        return NULL;

    struct sl_progress *progress = sl_alloc(sizeof(*progress));
    progress->what = what;
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->changed, NULL);
    if (pthread_create(&progress->thread, NULL, tell, progress) == 0)
        return progress;
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
    free(progress);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built for ThreadSanitizer only, which does not know the threads of C11 that
 * librdkafka uses, and crashes on one: they are POSIX's instead.  In glibc the
 * types are the same.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#include "base/alloc.h"

struct start {
    thrd_start_t run;
    void *context;
};

static void *run(void *pointer)
{
    const struct start start = *(struct start *)pointer;

    free(pointer);
    return (void *)(intptr_t)start.run(start.context);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *context)
{
    struct start *start = sl_alloc(sizeof(*start));

    *start = (struct start){function, context};
    return pthread_create(thread, NULL, run, start) == 0 ? thrd_success
                                                         : thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *ended = NULL;

    if (pthread_join(thread, &ended) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)ended;
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}

int mtx_lock(mtx_t *mutex)
{
    return pthread_mutex_lock((pthread_mutex_t *)mutex) == 0 ? thrd_success
                                                             : thrd_error;
}

int mtx_unlock(mtx_t *mutex)
{
    return pthread_mutex_unlock((pthread_mutex_t *)mutex) == 0 ? thrd_success
                                                               : thrd_error;
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return pthread_cond_wait((pthread_cond_t *)condition,
                             (pthread_mutex_t *)mutex) == 0
               ? thrd_success
               : thrd_error;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    int error = pthread_cond_timedwait((pthread_cond_t *)condition,
                                       (pthread_mutex_t *)mutex, until);

    return error == 0           ? thrd_success
           : error == ETIMEDOUT ? thrd_timedout
                                : thrd_error;
}

/* Its own locks are not all known to ThreadSanitizer. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librdkafka.so.1\nrace:librdkafka.so.1\n";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the resources answer.  Each is asked by a thread of its own, so that
 * one that is slow does not hide the others; and what was found holds for a
 * second, so that whoever asks often is no load for the services.
 *
 * A check that does not come back is not waited for: the resource is not ready,
 * and is not asked again before it does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/escape.h"
#include "base/queue.h"
#include "management/internal.h"

enum {
    CHECK_MS = 1000,
    LATE_MS = 250, /* a check may be back this late */
    FRESH_MS = 1000,
};

struct check {
    struct sl_readiness *readiness;
    struct sl_service *service;
    const char *name;
    sl_deadline deadline;
    bool running;
    struct sl_error err;
};

struct sl_readiness {
    pthread_mutex_t mutex;  /* of what follows */
    pthread_cond_t changed; /* `running`, or `asking`; on CLOCK_MONOTONIC */
    bool asking;
    size_t running; /* checks */
    sl_deadline fresh_until;
    struct check *checks;
    size_t count;
};

struct sl_readiness *sl_readiness_new(struct sl_host *host,
                                      const struct sl_manifest *manifest)
{
    struct sl_readiness *readiness = sl_alloc(sizeof(*readiness));
    pthread_condattr_t attributes;

    readiness->checks = sl_alloc_array(manifest->resource_count + 1,
                                       sizeof(*readiness->checks));
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (manifest->resources[i].config->required)
            readiness->checks[readiness->count++] = (struct check){
                .readiness = readiness,
                .service = sl_host_service(host, &manifest->resources[i]),
                .name = manifest->resources[i].name,
            };
    pthread_mutex_init(&readiness->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&readiness->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return readiness;
}

/* Until the moment, or until there was a change. */
static bool wait_change(struct sl_readiness *readiness, sl_deadline until)
{
    const struct timespec at = {.tv_sec = until / 1000000000,
                                .tv_nsec = until % 1000000000};

    return pthread_cond_timedwait(&readiness->changed, &readiness->mutex,
                                  &at) == 0;
}

/* The services were closed: no check is with one any more. */
void sl_readiness_free(struct sl_readiness *readiness)
{
    pthread_mutex_lock(&readiness->mutex);
    while (readiness->running > 0)
        pthread_cond_wait(&readiness->changed, &readiness->mutex);
    pthread_mutex_unlock(&readiness->mutex);
    pthread_cond_destroy(&readiness->changed);
    pthread_mutex_destroy(&readiness->mutex);
    free(readiness->checks);
    free(readiness);
}

static void *ask(void *context)
{
    struct check *check = context;
    struct sl_readiness *readiness = check->readiness;
    struct sl_error err = {0};

    enum sl_status status =
        sl_service_check(check->service, check->deadline, &err);
    pthread_mutex_lock(&readiness->mutex);
    check->err = err;
    check->err.status = status;
    check->running = false;
    readiness->running--;
    pthread_cond_broadcast(&readiness->changed);
    pthread_mutex_unlock(&readiness->mutex);
    return NULL;
}

static void start(struct sl_readiness *readiness, struct check *check,
                  sl_deadline deadline)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (check->running)
        return;
    check->deadline = deadline;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, ask, check);
    pthread_attr_destroy(&attributes);
    check->running = error == 0;
    readiness->running += check->running;
    if (error != 0)
        sl_fail(&check->err, SL_UNAVAILABLE, "cannot start a thread: %s",
                strerror(error));
}

static void ask_all(struct sl_readiness *readiness)
{
    sl_deadline deadline = sl_deadline_in_ms(CHECK_MS);
    sl_deadline until = deadline + (sl_deadline)LATE_MS * 1000000;

    readiness->asking = true;
    for (size_t i = 0; i < readiness->count; i++)
        start(readiness, &readiness->checks[i], deadline);
    while (readiness->running > 0 && wait_change(readiness, until))
        ;
    for (size_t i = 0; i < readiness->count; i++)
        if (readiness->checks[i].running)
            sl_fail(&readiness->checks[i].err, SL_TIMEOUT,
                    "it does not answer");
    readiness->fresh_until = sl_deadline_in_ms(FRESH_MS);
    readiness->asking = false;
    pthread_cond_broadcast(&readiness->changed);
}

/* It answers, but not all that was asked of it ended. */
static void tell_stuck(const struct check *check, FILE *out)
{
    struct sl_queue_load load;

    sl_service_load(check->service, &load);
    if (load.stuck > 0)
        fprintf(out,
                "resource \"%s\": %zu of its calls never came back; their "
                "connections were given up\n",
                check->name, load.stuck);
}

bool sl_readiness_check(struct sl_readiness *readiness, FILE *out)
{
    bool ready = true;

    pthread_mutex_lock(&readiness->mutex);
    while (readiness->asking)
        pthread_cond_wait(&readiness->changed, &readiness->mutex);
    if (sl_deadline_passed(readiness->fresh_until))
        ask_all(readiness);
    for (size_t i = 0; i < readiness->count; i++) {
        const struct check *check = &readiness->checks[i];
        if (check->err.status == SL_OK) {
            tell_stuck(check, out);
            continue;
        }
        ready = false;
        fprintf(out, "resource \"%s\": ", check->name);
        sl_escape(out, sl_bytes_of(check->err.message), SL_ESCAPE_LINE);
        fputc('\n', out);
    }
    pthread_mutex_unlock(&readiness->mutex);
    return ready;
}

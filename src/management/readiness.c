/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the resources answer.  Each is checked by a thread of its own, so that
 * a slow one does not hide the others.  The result is kept for a second, so that
 * frequent requests put no load on the services.
 *
 * A check that does not come back in time is not waited for: its resource is not
 * ready, and is not checked again before it has come back.
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
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t
        changed; /* `running`, or `is_checking`; on CLOCK_MONOTONIC */
    bool is_checking;
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

/* False: it is the moment, and nothing has changed. */
static bool wait_change(struct sl_readiness *readiness, sl_deadline until)
{
    const struct timespec at = {.tv_sec = until / 1000000000,
                                .tv_nsec = until % 1000000000};

    return pthread_cond_timedwait(&readiness->changed, &readiness->mutex,
                                  &at) == 0;
}

/* After the services were closed, so that their checks end. */
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

static void *run_check(void *context)
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

static void start_check(struct sl_readiness *readiness, struct check *check,
                        sl_deadline deadline)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (check->running)
        return;
    check->deadline = deadline;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, run_check, check);
    pthread_attr_destroy(&attributes);
    check->running = error == 0;
    readiness->running += check->running;
    if (error != 0)
        sl_fail(&check->err, SL_UNAVAILABLE, "cannot start a thread: %s",
                strerror(error));
}

static void check_all(struct sl_readiness *readiness)
{
    sl_deadline deadline = sl_deadline_in_ms(CHECK_MS);
    sl_deadline until = deadline + (sl_deadline)LATE_MS * 1000000;

    readiness->is_checking = true;
    for (size_t i = 0; i < readiness->count; i++)
        start_check(readiness, &readiness->checks[i], deadline);
    while (readiness->running > 0 && wait_change(readiness, until))
        ;
    for (size_t i = 0; i < readiness->count; i++)
        if (readiness->checks[i].running)
            sl_fail(&readiness->checks[i].err, SL_TIMEOUT,
                    "it does not answer");
    readiness->fresh_until = sl_deadline_in_ms(FRESH_MS);
    readiness->is_checking = false;
    pthread_cond_broadcast(&readiness->changed);
}

/* It answers, but some of its calls never ended. */
static void report_stuck(const struct check *check, FILE *out)
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
    while (readiness->is_checking)
        pthread_cond_wait(&readiness->changed, &readiness->mutex);
    if (sl_deadline_passed(readiness->fresh_until))
        check_all(readiness);
    for (size_t i = 0; i < readiness->count; i++) {
        const struct check *check = &readiness->checks[i];
        if (check->err.status == SL_OK) {
            report_stuck(check, out);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the resources answer.  Each is asked by a thread of its own, so that
 * one that is slow does not hide the others; and what was found holds for a
 * second, so that whoever asks often is no load for the services.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/deadline.h"
#include "management/internal.h"

enum { CHECK_MS = 1000, FRESH_MS = 1000 };

struct check {
    struct sl_service *service;
    const char *name;
    sl_deadline deadline;
    pthread_t thread;
    bool started;
    struct sl_error err;
};

struct sl_readiness {
    pthread_mutex_t mutex; /* of what follows */
    sl_deadline fresh_until;
    struct check *checks;
    size_t count;
};

struct sl_readiness *sl_readiness_new(struct sl_host *host,
                                      const struct sl_manifest *manifest)
{
    struct sl_readiness *readiness = sl_alloc(sizeof(*readiness));

    readiness->checks = sl_alloc_array(manifest->resource_count + 1,
                                       sizeof(*readiness->checks));
    for (size_t i = 0; i < manifest->resource_count; i++)
        if (manifest->resources[i].config->required)
            readiness->checks[readiness->count++] = (struct check){
                .service = sl_host_service(host, &manifest->resources[i]),
                .name = manifest->resources[i].name,
            };
    pthread_mutex_init(&readiness->mutex, NULL);
    return readiness;
}

void sl_readiness_free(struct sl_readiness *readiness)
{
    pthread_mutex_destroy(&readiness->mutex);
    free(readiness->checks);
    free(readiness);
}

static void *ask(void *context)
{
    struct check *check = context;

    check->err.status =
        sl_service_check(check->service, check->deadline, &check->err);
    return NULL;
}

static void ask_all(struct sl_readiness *readiness)
{
    sl_deadline deadline = sl_deadline_in_ms(CHECK_MS);

    for (size_t i = 0; i < readiness->count; i++) {
        struct check *check = &readiness->checks[i];
        check->deadline = deadline;
        int error = pthread_create(&check->thread, NULL, ask, check);
        check->started = error == 0;
        if (!check->started)
            sl_fail(&check->err, SL_UNAVAILABLE, "cannot start a thread: %s",
                    strerror(error));
    }
    for (size_t i = 0; i < readiness->count; i++)
        if (readiness->checks[i].started)
            pthread_join(readiness->checks[i].thread, NULL);
    readiness->fresh_until = sl_deadline_in_ms(FRESH_MS);
}

bool sl_readiness_check(struct sl_readiness *readiness, FILE *out)
{
    bool ready = true;

    pthread_mutex_lock(&readiness->mutex);
    if (sl_deadline_passed(readiness->fresh_until))
        ask_all(readiness);
    for (size_t i = 0; i < readiness->count; i++) {
        const struct check *check = &readiness->checks[i];
        if (check->err.status == SL_OK)
            continue;
        ready = false;
        fprintf(out, "resource \"%s\": %s\n", check->name, check->err.message);
    }
    pthread_mutex_unlock(&readiness->mutex);
    return ready;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many guests at once in one process, each doing the same:
 *
 *     many MANIFEST GUESTS get|set BUCKET SIZE CALLS
 *
 * Prints "get.GUESTS <tab> SIZE <tab> calls <tab> ns" and, on a line of its
 * own, "threads <tab> 0 <tab> 1 <tab> n": the most threads that the process
 * had.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "host/internal.h"

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running;
    int failed;
};

static void must(enum sl_status status, const struct sl_error *err)
{
    if (status == SL_OK)
        return;
    fprintf(stderr, "many: %s\n", err->message);
    exit(1);
}

static void tell_problem(void *context, struct sl_toml_place place,
                         const char *message)
{
    (void)context;
    fprintf(stderr, "many: %u:%u: %s\n", place.line, place.column, message);
}

static void one_done(void *context, const struct sl_bridge_outcome *outcome)
{
    struct crowd *crowd = context;

    pthread_mutex_lock(&crowd->lock);
    crowd->running--;
    crowd->failed += outcome->end != SL_BRIDGE_RETURNED;
    pthread_cond_signal(&crowd->changed);
    pthread_mutex_unlock(&crowd->lock);
}

static int count_threads(void)
{
    char line[128];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "Threads:", 8) == 0)
            threads = (int)strtol(line + 8, NULL, 10);
    if (status != NULL)
        fclose(status);
    return threads;
}

/* Start all, wait for all; the most threads seen meanwhile. */
static int run_all(struct sl_host *host, const struct sl_bridge_run *run,
                   int guests)
{
    struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER,
                          .running = guests};
    int threads = 0;

    for (int i = 0; i < guests; i++)
        sl_bridge_program_start(host->components[0].program, run, one_done,
                                &crowd);
    pthread_mutex_lock(&crowd.lock);
    while (crowd.running > 0) {
        int now = count_threads();
        threads = now > threads ? now : threads;
        pthread_cond_wait(&crowd.changed, &crowd.lock);
    }
    pthread_mutex_unlock(&crowd.lock);
    if (crowd.failed > 0) {
        fprintf(stderr, "many: %d guests ended badly\n", crowd.failed);
        exit(1);
    }
    return threads;
}

int main(int argc, char **argv)
{
    struct sl_manifest *manifest;
    struct sl_host *host;
    struct sl_error err;
    struct sl_toml_place where;

    if (argc != 7) {
        fputs("usage: many MANIFEST GUESTS get|set BUCKET SIZE CALLS\n",
              stderr);
        return 2;
    }
    int guests = (int)strtol(argv[2], NULL, 10);
    const struct sl_host_config config = {.max_instances = (uint32_t)guests};
    const struct sl_bytes args[] = {SL_LITERAL("guest"), sl_bytes_of(argv[3]),
                                    sl_bytes_of(argv[4]), sl_bytes_of(argv[5]),
                                    sl_bytes_of(argv[6])};
    /* What the guests print is not what is measured. */
    const struct sl_bridge_run run = {.args = args, .arg_count = 5};

    must(sl_manifest_read(argv[1], tell_problem, NULL, &manifest, &err), &err);
    must(sl_host_new(manifest, &config, &host, &where, &err), &err);
    must(sl_host_load(host, &err), &err);
    must(sl_host_link(host, &err), &err);
    int64_t start = sl_now_ns();
    int threads = run_all(host, &run, guests);
    int64_t calls = strtoll(argv[6], NULL, 10) * guests;
    printf("%s.%d\t%s\t%" PRId64 "\t%" PRId64 "\n", argv[3], guests, argv[5],
           calls, sl_now_ns() - start);
    printf("threads\t0\t1\t%d\n", threads);
    sl_host_free(host);
    sl_manifest_free(manifest);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages, or events, through the trigger of a manifest into a component:
 *
 *     deliver MANIFEST COUNT [SIZE]
 *
 * Sends them in batches first, then has them handled.  Prints
 * "send <tab> 0 <tab> count <tab> ns", the same of "handle", and "settled", of
 * one at a time from its sending to its settling, at the median.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/metrics.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"
#include "trigger/trigger.h"

enum { BATCH = 100, SINGLES = 201, SIZE = 100, SIZE_MAX_BYTES = 65536 };

static void must(enum sl_status status, const struct sl_error *err)
{
    if (status == SL_OK)
        return;
    fprintf(stderr, "deliver: %s\n", err->message);
    exit(1);
}

static void tell_problem(void *context, struct sl_toml_place place,
                         const char *message)
{
    (void)context;
    fprintf(stderr, "deliver: %u:%u: %s\n", place.line, place.column, message);
}

static const struct sl_manifest_trigger *trigger;
static struct sl_service *service;
static size_t size = SIZE; /* of a payload */

static void send_some(size_t count)
{
    static uint8_t payload[SIZE_MAX_BYTES];
    static struct sl_mq_request sends[BATCH];
    static struct sl_pubsub_request publishes[BATCH];
    static struct sl_mq_answer sent[BATCH];
    static struct sl_pubsub_answer published[BATCH];
    bool is_queue = trigger->type == SL_TRIGGER_MQ;
    void *answers = is_queue ? (void *)sent : (void *)published;

    for (size_t i = 0; i < count; i++) {
        sends[i] = (struct sl_mq_request){.verb = SL_MQ_SEND,
                                          .payload = SL_BYTES(payload, size)};
        publishes[i] = (struct sl_pubsub_request){
            .verb = SL_PUBSUB_PUBLISH,
            .topic = sl_bytes_of(is_queue ? "" : trigger->topic),
            .payload = SL_BYTES(payload, size)};
    }
    const void *requests = is_queue ? (void *)sends : (void *)publishes;
    if (sl_service_do(service, NULL, requests, count, answers) != SL_OK)
        exit(1);
    sl_answers_done(service, answers, count);
}

/* How many have been settled. */
static uint64_t settled(void)
{
    const struct sl_metric *metrics = sl_service_metrics(service);

    return sl_metric_count(
        &metrics[trigger->type == SL_TRIGGER_MQ ? (int)SL_MQ_COMPLETE
                                                : (int)SL_PUBSUB_ACKNOWLEDGE]);
}

static void wait_for(uint64_t count, long look_every_ns)
{
    const struct timespec pause = {.tv_nsec = look_every_ns};

    while (settled() < count)
        nanosleep(&pause, NULL);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const struct sl_host_config config = {0};
    const struct sl_host_run run = {.timeout_ms = -1, .interrupt = -1};
    struct sl_triggers *triggers;
    struct sl_manifest *manifest;
    struct sl_host *host;
    struct sl_error err;
    struct sl_toml_place where;
    int64_t singles[SINGLES];

    if (argc == 4)
        size = strtoul(argv[3], NULL, 10);
    if (argc < 3 || argc > 4 || size > SIZE_MAX_BYTES) {
        fputs("usage: deliver MANIFEST COUNT [SIZE]\n", stderr);
        return 2;
    }
    size_t count = strtoul(argv[2], NULL, 10) / BATCH * BATCH;
    must(sl_manifest_read(argv[1], tell_problem, NULL, &manifest, &err), &err);
    must(sl_host_new(manifest, &config, &host, &where, &err), &err);
    must(sl_host_load(host, &err), &err);
    must(sl_host_link(host, &err), &err);
    must(sl_host_prepare(host, &run, &err), &err);
    trigger = &manifest->triggers[0];
    service = sl_host_service(host, trigger->resource);

    int64_t start = sl_now_ns();
    for (size_t i = 0; i < count; i += BATCH)
        send_some(BATCH);
    printf("send\t0\t%zu\t%" PRId64 "\n", count, sl_now_ns() - start);

    start = sl_now_ns();
    must(sl_triggers_start(host, manifest, &triggers, &where, &err), &err);
    wait_for(count, 1000000);
    printf("handle\t0\t%zu\t%" PRId64 "\n", count, sl_now_ns() - start);

    for (size_t i = 0; i < SINGLES; i++) {
        start = sl_now_ns();
        send_some(1);
        wait_for(count + i + 1, 20000);
        singles[i] = sl_now_ns() - start;
    }
    qsort(singles, SINGLES, sizeof(singles[0]), by_size);
    printf("settled\t0\t1\t%" PRId64 "\n", singles[SINGLES / 2]);
    sl_triggers_stop(triggers);
    sl_host_free(host);
    sl_triggers_free(triggers);
    sl_manifest_free(manifest);
    return 0;
}

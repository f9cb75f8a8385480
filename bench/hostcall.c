/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bridge alone costs: the guest of bench/guest.c over a host that
 * answers every call at once and does nothing, and how long an instance takes.
 *
 *     hostcall GUEST.wasm MS
 *
 * Prints what the guest prints, then "instance <tab> 0 <tab> n <tab> ns".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slight_bridge.h"

/* The value that every get answers; set tells which size. */
static uint8_t value[1024 * 1024];
static size_t value_len;

static void *instance_new(void *context)
{
    return context;
}

static void instance_free(void *instance)
{
    (void)instance;
}

static enum sl_status kv_open(void *instance, const char *capability,
                              struct sl_bytes name, uint32_t *bucket,
                              struct sl_error *err)
{
    (void)instance;
    (void)capability;
    (void)name;
    (void)err;
    *bucket = 1;
    return SL_OK;
}

static void kv_drop(void *instance, uint32_t bucket)
{
    (void)instance;
    (void)bucket;
}

static bool kv_call(void *instance, uint32_t bucket, const void *pointer,
                    size_t count, void *filled, uint32_t *made,
                    struct sl_bridge_wait *wait, struct sl_call **call)
{
    const struct sl_kv_request *requests = pointer;
    struct sl_kv_answer *answers = filled;

    (void)instance;
    (void)bucket;
    (void)made;
    (void)wait;
    (void)call;
    for (size_t i = 0; i < count; i++) {
        sl_kv_answer_init(&answers[i]);
        answers[i].found = true;
        if (requests[i].verb == SL_KV_SET)
            value_len = requests[i].value.len;
        if (requests[i].verb == SL_KV_GET)
            answers[i].value.bytes = SL_BYTES(value, value_len);
    }
    return true;
}

static void kv_collect(struct sl_call *call, void *answers)
{
    (void)call;
    (void)answers;
}

static void kv_release(struct sl_call *call)
{
    (void)call;
}

static const struct sl_bridge_host host = {
    .instance_new = instance_new,
    .instance_free = instance_free,
    .open = kv_open,
    .drop = kv_drop,
    .call = kv_call,
    .collect = kv_collect,
    .release = kv_release,
};

static const struct sl_bridge_limits limits = {
    .max_resources = 4096,
    .max_handles = 16384,
    .max_call_bytes = 16 << 20,
    .max_random_bytes = 1 << 20,
    .max_fields_bytes = 128 << 10,
    .max_name_bytes = 64 << 10,
    .body_chunk_bytes = 64 << 10,
};

struct run {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    int exit_code;
};

static void run_done(void *context, const struct sl_bridge_outcome *outcome)
{
    struct run *run = context;

    pthread_mutex_lock(&run->lock);
    run->exit_code = outcome->end == SL_BRIDGE_RETURNED ? 0 : 1;
    if (run->exit_code != 0)
        fprintf(stderr, "hostcall: the guest ended badly: %.*s\n",
                (int)outcome->message.len, (const char *)outcome->message.ptr);
    run->done = true;
    pthread_cond_signal(&run->ended);
    pthread_mutex_unlock(&run->lock);
}

/* A sl_bridge_write_fn. */
static int64_t write_stream(void *context, int stream, struct sl_bytes bytes,
                            bool may_wait)
{
    (void)context;
    (void)may_wait;
    ssize_t len = write(stream, bytes.ptr, bytes.len);
    return len < 0 ? -errno : len;
}

static int run_calls(struct sl_bridge_program *program, const char *ms)
{
    const struct sl_bytes args[] = {SL_LITERAL("guest"), SL_LITERAL("calls"),
                                    SL_LITERAL("any"),
                                    SL_BYTES(ms, strlen(ms))};
    const struct sl_bridge_run config = {
        .args = args,
        .arg_count = sizeof(args) / sizeof(args[0]),
        .write = write_stream,
    };
    struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .ended = PTHREAD_COND_INITIALIZER};

    sl_bridge_program_start(program, &config, run_done, &run);
    pthread_mutex_lock(&run.lock);
    while (!run.done)
        pthread_cond_wait(&run.ended, &run.lock);
    pthread_mutex_unlock(&run.lock);
    return run.exit_code;
}

static enum sl_status time_instances(struct sl_bridge_program *program,
                                     struct sl_error *err)
{
    const uint64_t count = 20000;
    uint64_t ns = 0;

    enum sl_status status = /* the first ones fill the pool's warm slots */
        sl_bridge_program_time_instances(program, 1000, &ns, err);
    if (status == SL_OK)
        status = sl_bridge_program_time_instances(program, count, &ns, err);
    if (status == SL_OK)
        printf("instance\t0\t%" PRIu64 "\t%" PRIu64 "\n", count, ns);
    return status;
}

static struct sl_bytes map_file(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0) {
        perror(path);
        exit(1);
    }
    void *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    return SL_BYTES(at, (size_t)info.st_size);
}

static void must(enum sl_status status, const struct sl_error *err)
{
    if (status == SL_OK)
        return;
    fprintf(stderr, "hostcall: %s\n", err->message);
    exit(1);
}

int main(int argc, char **argv)
{
    const struct sl_bridge_engine_config config = {0};
    struct sl_bridge_engine *engine;
    struct sl_bridge_component *component;
    struct sl_bridge_program *program;
    struct sl_error err;

    if (argc != 3) {
        fputs("usage: hostcall GUEST.wasm MILLISECONDS\n", stderr);
        return 2;
    }
    must(sl_bridge_engine_new(&config, &engine, &err), &err);
    must(sl_bridge_component_compile(engine, map_file(argv[1]), &component,
                                     &err),
         &err);
    must(sl_bridge_program_new(engine, component, &host, &limits, NULL, 0, NULL,
                               &program, &err),
         &err);
    sl_bridge_component_free(component);
    int exit_code = run_calls(program, argv[2]);
    must(time_instances(program, &err), &err);
    sl_bridge_program_free(program);
    sl_bridge_engine_free(engine);
    return exit_code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest of all benchmarks: it repeats one call and prints how long one
 * took. What it opens, and on which service, its host decides.
 *
 *     hello                  print a line, at once
 *     wait                   print a line, then read standard input to its end
 *     calls BUCKET MS        each kind of call, MS milliseconds long
 *     get|set BUCKET SIZE N  N calls with values of SIZE bytes, on its own key
 *     get-many|set-many BUCKET SIZE N
 *                            N values, a hundred in each call
 *
 * Prints lines "name <tab> size <tab> calls <tab> nanoseconds".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

enum { MANY = 100 };

struct job {
    slight_kv_store_borrow_bucket_t bucket;
    command_string_t key;
    command_list_u8_t value;
};

typedef void call_fn(const struct job *job);

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void give_up(const char *what, const slight_kv_store_error_t *error)
{
    fprintf(stderr, "bench: %s: %.*s\n", what, (int)error->message.len,
            (const char *)error->message.ptr);
    exit(1);
}

static void call_exists(const struct job *job)
{
    command_string_t key = job->key;
    slight_kv_store_error_t error;
    bool there;

    if (!slight_kv_store_method_bucket_exists(job->bucket, &key, &there,
                                              &error))
        give_up("exists", &error);
}

static void call_increment(const struct job *job)
{
    command_string_t key;
    slight_kv_store_error_t error;
    int64_t sum;

    command_string_set(&key, "number");
    if (!slight_kv_store_method_bucket_increment(job->bucket, &key, 1, &sum,
                                                 &error))
        give_up("increment", &error);
}

/* What a guest does for a get without any host: room for the value. */
static void call_own(const struct job *job)
{
    volatile uint8_t *room = malloc(job->value.len);

    room[0] = 0;
    free((void *)room);
}

static void call_set(const struct job *job)
{
    command_string_t key = job->key;
    command_list_u8_t value = job->value;
    slight_kv_store_error_t error;

    if (!slight_kv_store_method_bucket_set(job->bucket, &key, &value, &error))
        give_up("set", &error);
}

static void call_get(const struct job *job)
{
    command_string_t key = job->key;
    slight_kv_store_error_t error;
    command_option_list_u8_t value;

    if (!slight_kv_store_method_bucket_get(job->bucket, &key, &value, &error))
        give_up("get", &error);
    command_option_list_u8_free(&value);
}

static void name_key(char *text, size_t size, const struct job *job, int i)
{
    snprintf(text, size, "%.*s.%d", (int)job->key.len,
             (const char *)job->key.ptr, i);
}

static void call_set_many(const struct job *job)
{
    command_tuple2_string_list_u8_t entries[MANY];
    char keys[MANY][64];
    command_list_tuple2_string_list_u8_t list = {entries, MANY};
    slight_kv_store_list_result_void_error_t results;
    slight_kv_store_error_t error;

    for (int i = 0; i < MANY; i++) {
        name_key(keys[i], sizeof(keys[i]), job, i);
        command_string_set(&entries[i].f0, keys[i]);
        entries[i].f1 = job->value;
    }
    if (!slight_kv_store_method_bucket_set_many(job->bucket, &list, &results,
                                                &error))
        give_up("set-many", &error);
    for (size_t i = 0; i < results.len; i++)
        if (results.ptr[i].is_err)
            give_up("set-many", &results.ptr[i].val.err);
    slight_kv_store_list_result_void_error_free(&results);
}

static void call_get_many(const struct job *job)
{
    command_string_t names[MANY];
    char keys[MANY][64];
    command_list_string_t list = {names, MANY};
    command_list_option_list_u8_t values;
    slight_kv_store_error_t error;

    for (int i = 0; i < MANY; i++) {
        name_key(keys[i], sizeof(keys[i]), job, i);
        command_string_set(&names[i], keys[i]);
    }
    if (!slight_kv_store_method_bucket_get_many(job->bucket, &list, &values,
                                                &error))
        give_up("get-many", &error);
    command_list_option_list_u8_free(&values);
}

static void report(const char *name, size_t size, int64_t calls, int64_t ns)
{
    printf("%s\t%zu\t%" PRId64 "\t%" PRId64 "\n", name, size, calls, ns);
    fflush(stdout);
}

/* Repeat for about ms milliseconds, looking at the clock now and then. */
static void repeat_for(const char *name, call_fn *call, const struct job *job,
                       int64_t ms)
{
    int64_t calls = 0, between = 1, start = now_ns(), end = start;

    while (end - start < ms * 1000000) {
        for (int64_t i = 0; i < between; i++)
            call(job);
        calls += between;
        end = now_ns();
        if (end - start < ms * 1000000 / 8)
            between *= 2;
    }
    report(name, job->value.len, calls, end - start);
}

static void repeat_count(const char *name, call_fn *call, const struct job *job,
                         int64_t calls, int64_t items)
{
    int64_t start = now_ns();

    for (int64_t i = 0; i < calls; i++)
        call(job);
    report(name, job->value.len, calls * items, now_ns() - start);
}

static slight_kv_store_own_bucket_t open_bucket(const char *text)
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t name;

    command_string_set(&name, text);
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error))
        give_up(text, &error);
    return bucket;
}

static struct job job_new(const char *bucket, size_t size)
{
    static char key[32];
    struct job job = {.value = {malloc(size + 1), size}};

    /* Guests that run side by side do not write the same key. */
    uint32_t id = 0;
    getentropy(&id, sizeof(id));
    snprintf(key, sizeof(key), "bench-%08" PRIx32, id);
    command_string_set(&job.key, key);
    memset(job.value.ptr, 'x', size);
    job.bucket = slight_kv_store_borrow_bucket(open_bucket(bucket));
    return job;
}

static int run_calls(const char *bucket, int64_t ms)
{
    static const size_t sizes[] = {1024, 1024 * 1024};
    struct job job = job_new(bucket, sizes[0]);

    call_set(&job);
    repeat_for("own", call_own, &job, ms);
    repeat_for("exists", call_exists, &job, ms);
    repeat_for("increment", call_increment, &job, ms);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        job = job_new(bucket, sizes[i]);
        repeat_for("set", call_set, &job, ms);
        repeat_for("get", call_get, &job, ms);
    }
    return 0;
}

static int run_count(const char *mode, const char *bucket, size_t size,
                     int64_t count)
{
    struct job job = job_new(bucket, size);

    if (strcmp(mode, "set") == 0) {
        repeat_count(mode, call_set, &job, count, 1);
    } else if (strcmp(mode, "get") == 0) {
        call_set(&job);
        repeat_count(mode, call_get, &job, count, 1);
    } else if (strcmp(mode, "set-many") == 0) {
        repeat_count(mode, call_set_many, &job, count / MANY, MANY);
    } else if (strcmp(mode, "get-many") == 0) {
        call_set_many(&job);
        repeat_count(mode, call_get_many, &job, count / MANY, MANY);
    } else {
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "hello") == 0)
        return puts("hello") < 0;
    if (argc == 2 && strcmp(argv[1], "wait") == 0) {
        puts("waiting");
        fflush(stdout);
        while (getchar() != EOF)
            continue;
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "calls") == 0)
        return run_calls(argv[2], strtoll(argv[3], NULL, 10));
    if (argc == 5)
        return run_count(argv[1], argv[2], strtoul(argv[3], NULL, 10),
                         strtoll(argv[4], NULL, 10));
    return 2;
}

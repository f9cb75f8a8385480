/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest cannot do: many threads at once on one store, and text that is
 * no text (the bridge stops a guest that passes it).
 *
 * A thread cannot end the case, so it counts what went wrong.
 */
#include "kv_cases.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

enum { THREADS = 8, ROUNDS = 40 };

struct worker {
    struct resource *kv;
    int number;
    int wrong;   /* calls that should have worked, answers of somebody else */
    int wins;    /* conditional writes that did */
    int64_t sum; /* the largest that was answered */
    char message[1024];
};

static const struct bytes the_key = {(const uint8_t *)"key", 3};

static bool worked(struct worker *worker, enum status status)
{
    if (status == WORKED)
        return true;
    worker->wrong++;
    snprintf(worker->message, sizeof(worker->message), "%s",
             last_failure()->message);
    return false;
}

/* Run work on all threads at once; none went wrong. */
static void run_threads(struct resource *kv, void *(*work)(void *),
                        struct worker workers[THREADS])
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.kv = kv, .number = i};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        if (workers[i].wrong > 0)
            case_fail(__FILE__, __LINE__, "%d calls went wrong: %s",
                      workers[i].wrong, workers[i].message);
}

static void *increment(void *context)
{
    struct worker *worker = context;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t sum;
        if (!worked(worker, kv_increment(worker->kv, the_key, 1, &sum)))
            continue;
        if (sum <= worker->sum)
            worker->wrong++; /* it went back, or two had the same */
        worker->sum = sum;
    }
    return NULL;
}

static void increments_are_atomic(struct resource *kv)
{
    struct worker workers[THREADS];
    char total[16];

    run_threads(kv, increment, workers);
    snprintf(total, sizeof(total), "%d", THREADS * ROUNDS);
    HOLDS(kv, the_key, bytes_of(total));
}

/* Add one by reading, and writing if nobody else wrote; false: somebody did. */
static bool compare_and_set(struct worker *worker)
{
    struct kv_value value = {0};
    char text[32] = "", version[KV_VERSION_MAX + 1];
    struct kv_options options = {.condition = KV_VERSION};

    if (!worked(worker, kv_get_entry(worker->kv, the_key, &value)))
        return true;
    if (value.len < sizeof(text))
        memcpy(text, value.ptr, value.len);
    snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
    options.version = value.version;
    enum status status =
        kv_set_with(worker->kv, the_key, bytes_of(text), options, version);
    kv_value_done(&value);
    if (status == CONFLICT)
        return false;
    if (worked(worker, status))
        worker->wins++;
    return true;
}

static void *compare_and_sets(void *context)
{
    for (int i = 0; i < ROUNDS; i++)
        while (!compare_and_set(context))
            continue;
    return NULL;
}

static void no_update_is_lost(struct resource *kv)
{
    struct worker workers[THREADS];
    char total[16];

    OK(kv_set(kv, the_key, TEXT("0")));
    run_threads(kv, compare_and_sets, workers);
    snprintf(total, sizeof(total), "%d", THREADS * ROUNDS);
    HOLDS(kv, the_key, bytes_of(total));
}

static void *set_if_absent(void *context)
{
    struct worker *worker = context;
    char key[16], value[16], version[KV_VERSION_MAX + 1];
    const struct kv_options options = {.condition = KV_ABSENT};

    snprintf(value, sizeof(value), "%d", worker->number);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof(key), "%d", i);
        enum status status = kv_set_with(worker->kv, bytes_of(key),
                                         bytes_of(value), options, version);
        if (status != ALREADY_EXISTS && worked(worker, status))
            worker->wins++;
    }
    return NULL;
}

static void one_wins_if_absent(struct resource *kv)
{
    struct worker workers[THREADS];
    int wins = 0;

    run_threads(kv, set_if_absent, workers);
    for (int i = 0; i < THREADS; i++)
        wins += workers[i].wins;
    CHECK(wins == ROUNDS);
}

static void *delete(void *context)
{
    struct worker *worker = context;
    char key[16];

    for (int i = 0; i < ROUNDS; i++) {
        bool found = false;
        snprintf(key, sizeof(key), "%d", i);
        if (worked(worker, kv_delete(worker->kv, bytes_of(key), &found)))
            worker->wins += found;
    }
    return NULL;
}

static void one_deletes(struct resource *kv)
{
    struct worker workers[THREADS];
    char key[16];
    int wins = 0;

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof(key), "%d", i);
        OK(kv_set(kv, bytes_of(key), TEXT("value")));
    }
    run_threads(kv, delete, workers);
    for (int i = 0; i < THREADS; i++)
        wins += workers[i].wins;
    CHECK(wins == ROUNDS);
}

/* One of several calls that are made by turns, on keys of this thread only. */
static bool is_mine(struct worker *worker, int round)
{
    struct kv_value values[3] = {0};
    enum status each[2];
    char text[2][40];

    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof(text[i]), "%d/%d/%d", worker->number,
                 round % 5, i);
    const struct bytes keys[] = {bytes_of(text[0]), bytes_of(text[1]),
                                 TEXT("no such key")};
    char fresh[2][64];
    for (int i = 0; i < 2; i++)
        snprintf(fresh[i], sizeof(fresh[i]), "%s=%d", text[i], round);
    const struct bytes contents[] = {bytes_of(fresh[0]), bytes_of(fresh[1])};

    bool mine = true;
    if (round % 2 == 0) {
        mine = worked(worker, kv_set(worker->kv, keys[0], contents[0])) &&
               worked(worker, kv_set(worker->kv, keys[1], contents[1]));
    } else {
        mine =
            worked(worker, kv_set_many(worker->kv, keys, contents, 2, each)) &&
            each[0] == WORKED && each[1] == WORKED;
    }
    mine = mine && worked(worker, kv_get_many(worker->kv, keys, 3, values)) &&
           !values[2].found;
    for (int i = 0; i < 2; i++) {
        mine = mine && values[i].found && values[i].len == contents[i].len &&
               memcmp(values[i].ptr, contents[i].ptr, values[i].len) == 0;
        kv_value_done(&values[i]);
    }
    return mine;
}

static void *set_and_get(void *context)
{
    struct worker *worker = context;

    for (int i = 0; i < ROUNDS; i++)
        worker->wrong += !is_mine(worker, i);
    return NULL;
}

static void everyone_gets_his_own_answers(struct resource *kv)
{
    struct worker workers[THREADS];

    run_threads(kv, set_and_get, workers);
}

/* --- Processes ---------------------------------------------------------- */

/* Two instances, each with connections of its own. */
static void two_instances(struct resource *kv)
{
    struct resource *other = resource_again();
    char text[16];
    int64_t sum = 0;

    CHECK(other != NULL);
    for (int i = 1; i <= ROUNDS; i++) {
        struct resource *writes = i % 2 == 0 ? kv : other;
        struct resource *reads = i % 2 == 0 ? other : kv;
        snprintf(text, sizeof(text), "%d", i);
        OK(kv_set(writes, the_key, bytes_of(text)));
        HOLDS(reads, the_key, bytes_of(text));
        OK(kv_increment(reads, TEXT("number"), 1, &sum));
        CHECK(sum == i);
    }
    resource_close(other);
}

/* Values under numbers from 1 on, each told once its write is answered. */
void suite_work(struct resource *kv, const char *what)
{
    char key[24];
    bool found = true;
    long number = 0;

    (void)what;
    while (found) {
        snprintf(key, sizeof(key), "%ld", ++number);
        OK(kv_exists(kv, bytes_of(key), &found));
    }
    for (;; number++) {
        snprintf(key, sizeof(key), "%ld", number);
        OK(kv_set(kv, bytes_of(key), bytes_of(key)));
        if (dprintf(STDOUT_FILENO, "%ld\n", number) < 0)
            return;
    }
}

/* Read numbers for a while, then kill; returns the last that was told. */
static long kill_after(pid_t pid, int out, int count)
{
    FILE *file = fdopen(out, "r");
    char line[32];
    long told = 0;

    CHECK(file != NULL);
    for (int i = 0; i < count; i++) {
        CHECK(fgets(line, sizeof(line), file) != NULL);
        told = strtol(line, NULL, 10);
    }
    CHECK(kill(pid, SIGKILL) == 0);
    /* What it told before it died. */
    while (fgets(line, sizeof(line), file) != NULL)
        if (strchr(line, '\n') != NULL)
            told = strtol(line, NULL, 10);
    fclose(file);
    CHECK(waitpid(pid, NULL, 0) == pid);
    return told;
}

static void killed_at_any_point(struct resource *kv)
{
    long checked = 0;
    char key[24];

    for (int i = 0; i < 20; i++) {
        int out;
        pid_t pid = start_process("write", &out);
        long told = kill_after(pid, out, 1 + i % 7);
        while (checked < told) {
            snprintf(key, sizeof(key), "%ld", ++checked);
            HOLDS(kv, bytes_of(key), bytes_of(key));
        }
    }
}

static void text_that_is_none(struct resource *kv)
{
    const struct bytes texts[] = {
        TEXT("\xff"),     TEXT("a\x80"),        TEXT("\xc3"),
        TEXT("\xc0\x80"), TEXT("\xed\xa0\x80"), TEXT("\xf4\x90\x80\x80"),
    };
    struct kv_page page = {0};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FAILS(kv_set(kv, texts[i], TEXT("value")), INVALID_ARGUMENT);
        FAILS(kv_keys(kv, texts[i], NULL, 10, &page), INVALID_ARGUMENT);
    }
}

const struct suite_case kv_side_cases[] = {
    {"threads: increments are atomic", KV_NEEDS_INCREMENT,
     increments_are_atomic, .holds = "kv-6 kv-40"},
    {"threads: compare-and-set loses no update", KV_NEEDS_VERSION,
     no_update_is_lost, .holds = "kv-16 kv-18"},
    {"threads: one wins if absent", KV_NEEDS_VERSION | KV_NEEDS_ABSENT,
     one_wins_if_absent, .holds = "kv-16 kv-17"},
    {"threads: one deletes", 0, one_deletes, .holds = "kv-6 kv-36"},
    {"threads: everyone gets his own answers", 0, everyone_gets_his_own_answers,
     .holds = "kv-7 kv-8"},
    {"text that is none is refused", KV_NEEDS_KEYS, text_that_is_none,
     .holds = "kv-1"},
    {"two instances see each other's writes at once",
     KV_NEEDS_INCREMENT | KV_NEEDS_SHARED | KV_NEEDS_LINEARIZABLE,
     two_instances, .holds = "kv-9"},
    {"processes: killed at any point", KV_NEEDS_SHARED, killed_at_any_point,
     .holds = "kv-10"},
    {0},
};

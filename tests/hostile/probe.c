/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the neighbours of an attacker notice:
 *
 *     probe HELLO-URL HEALTH-URL STOP-FILE COUNT-FILE SLIGHT-PID
 *
 * Until STOP-FILE exists it sends GETs to the victim's hello, on four
 * connections, together a hundred a second, and asks /healthz ten times a
 * second, on a new connection each time, as a liveness probe does.  COUNT-FILE
 * grows by a byte with each hello that was answered.  At the end it prints the
 * results, and exits with 1 unless
 *
 *   - every hello was answered with 200, and 99 of 100 within 50 ms,
 *   - every /healthz was answered with 200, within one second.
 *
 * These bounds are slight's, not the machine's.  Each time is multiplied by the
 * share of the processors that other processes left to slight meanwhile (a
 * tenth at least), so that what an attacker computes inside slight counts in
 * full and what else runs on the machine does not.  A thread that only sleeps
 * shows how late the machine wakes up a thread; that much is added to both
 * bounds.  The environment's SL_TEST_PROBE_FACTOR multiplies them (under
 * sanitizers).
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    HELLO_THREADS = 4,
    HELLO_PAUSE_MS = 40,
    HEALTH_PAUSE_MS = 100,
    SLEEP_MS = 10,
    HELLO_MOST_MS = 50,
    HEALTH_MOST_MS = 1000,
    ANSWER_MOST_MS = 300000, /* then it counts as failed */
    SAMPLES_MAX = 1 << 16,
    LOAD_PAUSE_MS = 200,
    LOADS_MAX = 1 << 14,
};

/* The least share of the processors by which a time is multiplied. */
static const double SHARE_LEAST = 0.1;

/* A time span, in milliseconds. */
struct span {
    double begin;
    double end;
};

/* How long each call of a kind took, in milliseconds. */
struct series {
    pthread_mutex_t lock;
    struct span spans[SAMPLES_MAX];
    double samples[SAMPLES_MAX]; /* for report */
    size_t count;
    size_t failed;
    char failure[CURL_ERROR_SIZE + 32]; /* the first one */
};

static struct series hello = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct series health = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct series machine = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The share of the processors that other processes left, over time. */
static struct load {
    struct span span;
    double left;
} loads[LOADS_MAX];
static size_t load_count;

static atomic_bool stopping;
static int count_file;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_ms(double ms)
{
    struct timespec pause = {.tv_nsec = (long)(ms * 1e6)};

    if (ms > 0)
        nanosleep(&pause, NULL);
}

static void add_span(struct series *series, double begin, double end)
{
    pthread_mutex_lock(&series->lock);
    if (series->count < SAMPLES_MAX)
        series->spans[series->count++] = (struct span){begin, end};
    pthread_mutex_unlock(&series->lock);
}

static void add_failure(struct series *series, const char *what, long status)
{
    pthread_mutex_lock(&series->lock);
    if (series->failed++ == 0)
        snprintf(series->failure, sizeof(series->failure), "%s (status %ld)",
                 what, status);
    pthread_mutex_unlock(&series->lock);
}

static size_t discard(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static CURL *new_client(const char *url)
{
    CURL *client = curl_easy_init();

    if (client == NULL)
        abort();
    curl_easy_setopt(client, CURLOPT_URL, url);
    curl_easy_setopt(client, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client, CURLOPT_PROXY, "");
    curl_easy_setopt(client, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(client, CURLOPT_TIMEOUT_MS, (long)ANSWER_MOST_MS);
    return client;
}

static void ask_once(CURL *client, struct series *series)
{
    double begin = now_ms();
    CURLcode code = curl_easy_perform(client);
    long status = 0;

    add_span(series, begin, now_ms());
    curl_easy_getinfo(client, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200)
        add_failure(series, curl_easy_strerror(code), status);
}

static void *ask_hello(void *url)
{
    CURL *client = new_client(url);

    while (!atomic_load(&stopping)) {
        double begin = now_ms();
        ask_once(client, &hello);
        if (write(count_file, ".", 1) != 1)
            abort();
        pause_ms(HELLO_PAUSE_MS - (now_ms() - begin));
    }
    curl_easy_cleanup(client);
    return NULL;
}

static void *ask_health(void *url)
{
    CURL *client = new_client(url);

    curl_easy_setopt(client, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(client, CURLOPT_FORBID_REUSE, 1L);
    while (!atomic_load(&stopping)) {
        ask_once(client, &health);
        pause_ms(HEALTH_PAUSE_MS);
    }
    curl_easy_cleanup(client);
    return NULL;
}

/* By how much later than asked for this thread wakes up. */
static void *watch_machine(void *unused)
{
    while (!atomic_load(&stopping)) {
        double begin = now_ms();
        pause_ms(SLEEP_MS);
        add_span(&machine, begin + SLEEP_MS, now_ms());
    }
    return unused;
}

/* Processor time so far, in seconds. */
struct usage {
    double machine; /* what the processors could do */
    double busy;
    double own; /* slight's and the probe's */
};

static double seconds_of_ticks(double ticks)
{
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The fields of /proc/stat's first line. */
static void read_machine(struct usage *usage)
{
    enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
    FILE *file = fopen("/proc/stat", "re");
    double ticks[FIELDS] = {0}, sum = 0;

    if (file == NULL || fscanf(file, "cpu") != 0)
        abort();
    for (int i = 0; i < FIELDS && fscanf(file, "%lf", &ticks[i]) == 1; i++)
        sum += ticks[i];
    fclose(file);
    usage->machine = seconds_of_ticks(sum);
    usage->busy = seconds_of_ticks(sum - ticks[IDLE] - ticks[IOWAIT]);
}

/* utime and stime of /proc/PID/stat, which follow the name; 0 where it ended.
 */
static double read_slight(const char *pid)
{
    char path[64], text[1024];
    unsigned long user = 0, kernel = 0;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    const char *line = fgets(text, sizeof(text), file);
    const char *rest = line != NULL ? strrchr(line, ')') : NULL;
    if (rest != NULL)
        (void)sscanf(rest,
                     ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu "
                     "%lu",
                     &user, &kernel);
    fclose(file);
    return seconds_of_ticks((double)user + (double)kernel);
}

static struct usage read_usage(const char *pid)
{
    struct timespec self;
    struct usage usage = {0};

    read_machine(&usage);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &self);
    usage.own =
        read_slight(pid) + (double)self.tv_sec + (double)self.tv_nsec / 1e9;
    return usage;
}

static double share_left(const struct usage *from, const struct usage *to)
{
    double machine_time = to->machine - from->machine;
    double others = (to->busy - from->busy) - (to->own - from->own);
    double left = machine_time > 0 ? 1 - others / machine_time : 1;

    return left > 1 ? 1 : left < SHARE_LEAST ? SHARE_LEAST : left;
}

static void *watch_load(void *pid)
{
    double begin = now_ms();
    struct usage before = read_usage(pid);

    while (!atomic_load(&stopping) && load_count < LOADS_MAX) {
        pause_ms(LOAD_PAUSE_MS);
        double end = now_ms();
        const struct usage after = read_usage(pid);
        loads[load_count++] =
            (struct load){{begin, end}, share_left(&before, &after)};
        begin = end;
        before = after;
    }
    return NULL;
}

/* The least share that was left in a span and just around it. */
static double share_during(struct span span)
{
    double least = 1;

    for (size_t i = 0; i < load_count; i++)
        if (loads[i].span.end >= span.begin - LOAD_PAUSE_MS &&
            loads[i].span.begin <= span.end + LOAD_PAUSE_MS &&
            loads[i].left < least)
            least = loads[i].left;
    return least;
}

static int compare_samples(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(const struct series *series, double share)
{
    size_t index = (size_t)((double)series->count * share);

    if (series->count == 0)
        return 0;
    return series->samples[index < series->count ? index : series->count - 1];
}

/* What the machine itself took is as it is. */
static void correct(struct series *series, bool by_load)
{
    for (size_t i = 0; i < series->count; i++) {
        const struct span *span = &series->spans[i];
        series->samples[i] =
            (span->end - span->begin) * (by_load ? share_during(*span) : 1);
    }
    qsort(series->samples, series->count, sizeof(double), compare_samples);
}

static void report(const char *name, const struct series *series)
{
    printf("%-8s %6zu  p50 %8.2f  p99 %8.2f  max %8.2f ms  %zu failed %s\n",
           name, series->count, percentile(series, 0.5),
           percentile(series, 0.99), percentile(series, 1), series->failed,
           series->failure);
}

static int judge(void)
{
    const char *factor_text = getenv("SL_TEST_PROBE_FACTOR");
    double factor = factor_text != NULL ? atof(factor_text) : 1;
    double late = percentile(&machine, 0.99);
    double hello_most = HELLO_MOST_MS * factor + late;
    double health_most = HEALTH_MOST_MS * factor + percentile(&machine, 1);
    int bad = 0;

    if (hello.count == 0 || health.count == 0 || hello.failed > 0 ||
        health.failed > 0)
        bad = printf("FAIL: not everything was answered\n");
    if (percentile(&hello, 0.99) > hello_most)
        bad = printf("FAIL: hello's p99 is above %.2f ms\n", hello_most);
    if (percentile(&health, 1) > health_most)
        bad = printf("FAIL: /healthz took longer than %.2f ms\n", health_most);
    return bad != 0;
}

int main(int argc, char *argv[])
{
    pthread_t threads[HELLO_THREADS + 3];
    int count = 0;

    if (argc != 6) {
        fprintf(stderr,
                "usage: %s HELLO-URL HEALTH-URL STOP-FILE COUNT-FILE "
                "SLIGHT-PID\n",
                argv[0]);
        return 2;
    }
    count_file = open(argv[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (count_file < 0) {
        perror(argv[4]);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    while (count < HELLO_THREADS)
        pthread_create(&threads[count++], NULL, ask_hello, argv[1]);
    pthread_create(&threads[count++], NULL, ask_health, argv[2]);
    pthread_create(&threads[count++], NULL, watch_machine, NULL);
    pthread_create(&threads[count++], NULL, watch_load, argv[5]);
    while (access(argv[3], F_OK) != 0)
        pause_ms(20);
    atomic_store(&stopping, true);
    while (count > 0)
        pthread_join(threads[--count], NULL);
    correct(&hello, true);
    correct(&health, true);
    correct(&machine, false);
    report("hello", &hello);
    report("healthz", &health);
    report("machine", &machine);
    return judge();
}

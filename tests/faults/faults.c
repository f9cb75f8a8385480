/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of every service's faults share. */
#include "faults/faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

void fault_open(struct test_store *store, const char *driver,
                const char *settings)
{
    SL_CLEANUP(sl_freep)
    char *all = sl_asprintf("timeout = \"60s\"\n%s\n", settings);
    struct sl_error err = {0};

    memset(store, 0, sizeof(*store));
    if (test_store_open(store, driver, all, &err) != SL_OK)
        fail_msg("%s", err.message);
}

_Thread_local struct sl_error fault_said;

/* After a failure: the server that starts needs the processor, too. */
enum { PAUSE_US = 20000 };

static const int64_t SOON_NS = INT64_C(120000000000);

void fault_note(const struct sl_error *err)
{
    fault_said.status = err->status;
    snprintf(fault_said.message, sizeof(fault_said.message), "%s",
             err->status == SL_OK ? "" : err->message);
}

void fault_status_is(enum sl_status status, enum sl_status expected,
                     const char *call, const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s is \"%s\", not \"%s\": %s\n", call, sl_status_text(status),
                sl_status_text(expected),
                fault_said.status == status ? fault_said.message : "");
    _fail(file, line);
}

void fault_in_time(const struct test_store *store, int64_t start,
                   int64_t wait_ms)
{
    /* Of a busy machine: far less than of a call that is never answered. */
    enum { ROOM_MS = 60000 };
    const struct sl_service_config *config = store->config;
    int64_t took_ms = (sl_now_ns() - start) / 1000000;

    if (took_ms > wait_ms + config->timeout_ms + ROOM_MS)
        fail_msg("answered after %lld ms; the deadline was %lld ms",
                 (long long)took_ms, (long long)(wait_ms + config->timeout_ms));
}

static int64_t wait_of(const struct test_store *store, const void *request)
{
    return store->capability->wait_ms == NULL
               ? 0
               : store->capability->wait_ms(store->config, request);
}

struct sl_error fault_call(struct test_store *store, const void *request)
{
    SL_CLEANUP(sl_freep)
    void *answer = sl_alloc(store->capability->answer_size);
    const struct sl_answer *head = answer;

    sl_service_do(store->service, NULL, request, 1, answer);
    const struct sl_error err = head->err;
    sl_answers_done(store->service, answer, 1);
    fault_note(&err);
    if (err.status != SL_OK) /* holds: types-24 */
        assert_null(strstr(err.message, TEST_SERVER_PASSWORD));
    return err;
}

static void check(const struct sl_error *err, enum sl_status expected,
                  const char *says)
{
    if (err->status != expected ||
        (expected != SL_OK && strstr(err->message, says) == NULL))
        fail_msg("%s: %s", sl_status_text(err->status),
                 err->status == SL_OK ? "" : err->message);
}

void fault_call_is(struct test_store *store, const void *request,
                   enum sl_status expected, const char *says)
{
    int64_t start = sl_now_ns();
    const struct sl_error err = fault_call(store, request);

    fault_in_time(store, start, wait_of(store, request));
    check(&err, expected, says);
}

void fault_call_soon_is(struct test_store *store, const void *request,
                        enum sl_status expected, const char *says)
{
    int64_t give_up = sl_now_ns() + SOON_NS;
    struct sl_error err = fault_call(store, request);

    while ((err.status == SL_UNAVAILABLE || err.status == SL_TIMEOUT) &&
           sl_now_ns() < give_up) {
        usleep(PAUSE_US);
        err = fault_call(store, request);
    }
    check(&err, expected, says);
}

void fault_call_after_cuts_is(struct test_store *store, const void *request,
                              int connections, enum sl_status expected,
                              const char *says)
{
    struct sl_error err = fault_call(store, request);

    for (int i = 0; i < connections && err.status == SL_UNAVAILABLE; i++)
        err = fault_call(store, request);
    check(&err, expected, says);
}

void fault_first_call_is(const char *driver, const char *settings,
                         const void *request, enum sl_status expected,
                         const char *says)
{
    struct test_store store;

    fault_open(&store, driver, settings);
    fault_call_is(&store, request, expected, says);
    test_store_done(&store);
}

/* --- Traffic ------------------------------------------------------------ */

struct writer {
    struct fault_traffic *traffic;
    int number;
};

static void note_wrong(struct fault_traffic *traffic, enum sl_status status)
{
    int none = SL_OK;

    if (atomic_compare_exchange_strong(&traffic->wrong, &none, (int)status) &&
        fault_said.status == status)
        traffic->wrong_said = fault_said;
}

static void *write_on(void *context)
{
    const struct writer *writer = context;
    struct fault_traffic *traffic = writer->traffic;

    for (int i = 1; !atomic_load(&traffic->stop); i++) {
        traffic->attempted[writer->number] = i;
        enum sl_status status = traffic->write(traffic, writer->number, i);
        if (status == SL_OK && traffic->acknowledged[writer->number] == 0)
            atomic_fetch_add(&traffic->lucky, 1);
        if (status == SL_OK) {
            traffic->acknowledged[writer->number] = i;
            continue;
        }
        atomic_fetch_add(&traffic->failed, 1);
        if (status != SL_UNAVAILABLE && status != SL_TIMEOUT)
            note_wrong(traffic, status);
        usleep(PAUSE_US);
    }
    return NULL;
}

void fault_traffic_run(struct fault_traffic *traffic,
                       void (*disturb)(void *context), void *context)
{
    struct writer writers[FAULT_WRITERS];
    pthread_t threads[FAULT_WRITERS];

    for (int i = 0; i < FAULT_WRITERS; i++) {
        writers[i] = (struct writer){traffic, i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
    disturb(context);
    usleep(200000);
    for (int i = 0; i < 6000 && atomic_load(&traffic->lucky) < FAULT_WRITERS;
         i++)
        usleep(100000);
    atomic_store(&traffic->stop, true);
    for (int i = 0; i < FAULT_WRITERS; i++)
        pthread_join(threads[i], NULL);
    traffic->failures = atomic_load(&traffic->failed);
    if (atomic_load(&traffic->wrong) != SL_OK)
        fail_msg("a write was answered: %s: %s",
                 sl_status_text((enum sl_status)atomic_load(&traffic->wrong)),
                 traffic->wrong_said.message);
    for (int i = 0; i < FAULT_WRITERS; i++)
        assert_true(traffic->acknowledged[i] > 0);
}

void fault_kill_now_and_then(void *server)
{
    for (int i = 0; i < 3; i++) {
        usleep(200000);
        test_server_kill(server);
        usleep(100000);
        test_server_restart(server);
    }
}

void fault_cut_now_and_then(void *proxy)
{
    unsigned seed = 7;

    for (int i = 0; i < 20; i++) {
        seed = seed * 1103515245 + 12345;
        proxy_cut_after(proxy, (int64_t)(seed >> 16) % 300);
        usleep(30000);
        proxy_cut_after(proxy, -1);
        proxy_cut_all(proxy);
        usleep(20000);
    }
}

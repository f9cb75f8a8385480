/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `durable` of the drivers on Redis promises, with a server whose disk is
 * slow: an answer comes only after the write is on the disk, where it is said to.
 */
#include "faults/faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lockd/lockd.h"
#include "mq/mq.h"
#include "pubsub/pubsub.h"

/* A key that nobody has locked. */
static const void *new_lock(void)
{
    static char key[16];
    static int number;
    static struct sl_lockd_request acquire = {
        .verb = SL_LOCKD_ACQUIRE, .has_wait = true, .ttl_ms = 600000};

    acquire.key =
        SL_BYTES(key, (size_t)snprintf(key, sizeof(key), "k%d", number++));
    return &acquire;
}

static const struct sl_mq_request send_x = {
    .verb = SL_MQ_SEND, .payload = {(const uint8_t *)"x", 1}};
static const struct sl_pubsub_request publish_x = {
    .verb = SL_PUBSUB_PUBLISH,
    .topic = {(const uint8_t *)"t", 1},
    .payload = {(const uint8_t *)"x", 1},
};

static const void *send_one(void)
{
    return &send_x;
}

static const void *publish_one(void)
{
    return &publish_x;
}

static const struct writer {
    const char *driver;
    const char *settings;
    const void *(*next)(void);
} writers[] = {
    {"mq.redis", "queue = \"q\"", send_one},
    {"pubsub.redis", "prefix = \"p\"", publish_one},
    {"lockd.redis", "prefix = \"l\"", new_lock},
};

enum { WRITERS = sizeof(writers) / sizeof(writers[0]) };

/* What the server's own configuration and the manifest say. */
struct claim {
    const char *appendfsync;
    const char *durable;
};

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis-slow-disk", "server");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

/* --- The disk ------------------------------------------------------------- */

enum { LOOK_US = 1000, LET_ANSWER_US = 200000 };

static void path_of(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", server.folder, name);
}

static void hold_disk(void)
{
    char path[128];

    path_of("waits", path, sizeof(path));
    (void)unlink(path);
    path_of("held", path, sizeof(path));
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
}

static void release_disk(void)
{
    char path[128];

    path_of("held", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

/* After a case that has failed. */
static int set_free(void **state)
{
    char path[128];

    (void)state;
    path_of("held", path, sizeof(path));
    (void)unlink(path);
    return 0;
}

static void wait_until_held(void)
{
    char path[128];

    path_of("waits", path, sizeof(path));
    while (access(path, F_OK) != 0)
        usleep(LOOK_US);
}

/* --- A write --------------------------------------------------------------- */

static void open_writer(struct test_store *store, const struct writer *writer,
                        const char *durable, const char *more)
{
    char settings[512];

    snprintf(settings, sizeof(settings),
             "url = \"redis://:" TEST_SERVER_PASSWORD
             "@127.0.0.1:%d\"\ndurable = %s\nretry.attempts = 1\n%s\n%s",
             test_server_port(&server, "SL_TEST_REDIS_PORT"), durable,
             writer->settings, more);
    fault_open(store, writer->driver, settings);
}

static void set_appendfsync(const char *when)
{
    char words[64];

    snprintf(words, sizeof(words), "config set appendfsync %s", when);
    assert_true(test_server_tell(&server, words));
}

static void note_done(void *done)
{
    atomic_store((_Atomic bool *)done, true);
}

static void wait_until_done(_Atomic bool *done)
{
    while (!atomic_load(done))
        usleep(LOOK_US);
}

static void finish_write(struct test_store *store, struct sl_call *call)
{
    void *answer = calloc(1, store->capability->answer_size);

    sl_call_collect(call, answer);
    sl_call_release(call);
    assert_status(((struct sl_answer *)answer)->err.status, SL_OK);
    sl_answers_done(store->service, answer, 1);
    free(answer);
}

static void check_claim(const struct writer *writer, const struct claim *claim)
{
    _Atomic bool done = false;
    struct test_store store;
    struct sl_call *call;

    set_appendfsync(claim->appendfsync);
    open_writer(&store, writer, claim->durable, "");
    fault_call_is(&store, writer->next(), SL_OK, "");
    hold_disk();
    sl_service_submit(store.service, NULL, writer->next(), 1, note_done, &done,
                      &call);
    wait_until_held();
    usleep(LET_ANSWER_US); /* for one that answers too early */
    assert_false(atomic_load(&done));
    release_disk();
    wait_until_done(&done);
    finish_write(&store, call);
    test_store_done(&store);
}

/* --- Cases ----------------------------------------------------------------- */

static void the_answer_comes_after_the_fsync(void **state)
{
    static const struct claim claims[] = {
        {"everysec", "\"fsync\""}, {"always", "\"fsync\""}, {"always", "true"}};

    (void)state;
    for (int i = 0; i < WRITERS; i++)
        for (int j = 0; j < 3; j++)
            check_claim(&writers[i], &claims[j]);
}

/* What the pages of the drivers say of it: the last second may be lost. */
static void every_second_is_answered_before(void **state)
{
    struct test_store store;

    (void)state;
    set_appendfsync("everysec");
    for (int i = 0; i < WRITERS; i++) {
        open_writer(&store, &writers[i], "true", "");
        hold_disk();
        fault_call_is(&store, writers[i].next(), SL_OK, "");
        release_disk();
        test_store_done(&store);
    }
}

static void a_disk_that_is_too_slow_is_a_timeout(void **state)
{
    struct test_store store;

    (void)state;
    set_appendfsync("everysec");
    for (int i = 0; i < WRITERS; i++) {
        open_writer(&store, &writers[i], "\"fsync\"", "");
        fault_call_is(&store, writers[i].next(), SL_OK, "");
        test_store_done(&store);
        open_writer(&store, &writers[i], "\"fsync\"", "timeout = \"5s\"");
        hold_disk();
        fault_call_is(&store, writers[i].next(), SL_TIMEOUT, "");
        release_disk();
        test_store_done(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_answer_comes_after_the_fsync, set_free),
        cmocka_unit_test_teardown(every_second_is_answered_before, set_free),
        cmocka_unit_test_teardown(a_disk_that_is_too_slow_is_a_timeout,
                                  set_free),
    };

    return cmocka_run_group_tests_name("faults.redis_disk", tests, start_server,
                                       stop_server);
}

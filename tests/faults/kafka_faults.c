/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.kafka under faults, with a real broker that writes to its disk before
 * it acknowledges: what was published is what a group receives, at least once,
 * and each key in order, whatever happens between.
 *
 * With --consume this program is a member of the group.
 */
#include "faults/kafka_admin.h"
#include "faults/kafka_shared.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

/* Not so many that it takes long to receive them. */
enum { NUMBERS_MAX = 50000, BATCH = 100, PACE_US = 10000, EMPTY_MAX = 40 };

static const char *program;

static const char patient[] = KAFKA_PATIENT;

/* --- What was published, and what was received -------------------------- */

static struct ledger {
    pthread_mutex_t lock;
    bool sent[FAULT_WRITERS][NUMBERS_MAX];  /* it was acknowledged */
    bool tried[FAULT_WRITERS][NUMBERS_MAX]; /* perhaps not */
    bool seen[FAULT_WRITERS][NUMBERS_MAX];
    int last[FAULT_WRITERS]; /* the highest number that was received */
    int strange, backward;
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void new_ledger(void)
{
    memset(ledger.sent, 0, sizeof(ledger.sent));
    memset(ledger.tried, 0, sizeof(ledger.tried));
    memset(ledger.seen, 0, sizeof(ledger.seen));
    memset(ledger.last, 0, sizeof(ledger.last));
    ledger.strange = ledger.backward = 0;
    kafka_new_topic();
}

struct numbered {
    char payload[32], key[16];
    struct sl_pubsub_request request;
};

static void number_one(struct numbered *event, int writer, int number)
{
    snprintf(event->payload, sizeof(event->payload), "%d %d", writer, number);
    snprintf(event->key, sizeof(event->key), "%d", writer);
    event->request = kafka_publish_of(event->payload);
    event->request.key = sl_bytes_of(event->key);
    ledger.tried[writer][number] = true;
}

static enum sl_status publish_one(struct fault_traffic *traffic, int writer,
                                  int number)
{
    struct sl_pubsub_answer answer;
    struct numbered event;

    if (number >= NUMBERS_MAX)
        return SL_UNAVAILABLE;
    number_one(&event, writer, number);
    usleep(PACE_US);
    enum sl_status status = sl_service_do(traffic->store->service, NULL,
                                          &event.request, 1, &answer);
    ledger.sent[writer][number] = status == SL_OK;
    return status;
}

/* Numbers of a writer's own, in one call. */
static enum sl_status publish_batch(struct fault_traffic *traffic, int writer,
                                    int number)
{
    struct sl_pubsub_request requests[BATCH];
    struct sl_pubsub_answer answers[BATCH];
    struct numbered events[BATCH];
    enum sl_status status = SL_OK;

    if (number * BATCH >= NUMBERS_MAX)
        return SL_UNAVAILABLE;
    usleep(20 * PACE_US);
    for (int i = 0; i < BATCH; i++) {
        number_one(&events[i], writer, (number - 1) * BATCH + i + 1);
        requests[i] = events[i].request;
    }
    (void)sl_service_do(traffic->store->service, NULL, requests, BATCH,
                        answers);
    for (int i = 0; i < BATCH; i++) {
        enum sl_status each = answers[i].err.status;
        ledger.sent[writer][(number - 1) * BATCH + i + 1] = each == SL_OK;
        if (each != SL_OK)
            status = each;
    }
    return status;
}

/* An event of a key is first received behind all those before it; one that was
 * seen may come again. */
static void note(long writer, long number)
{
    pthread_mutex_lock(&ledger.lock);
    if (writer < 0 || writer >= FAULT_WRITERS || number < 1 ||
        number >= NUMBERS_MAX || !ledger.tried[writer][number]) {
        ledger.strange++;
    } else {
        if (!ledger.seen[writer][number] && number < ledger.last[writer])
            ledger.backward++;
        ledger.seen[writer][number] = true;
        if (number > ledger.last[writer])
            ledger.last[writer] = (int)number;
    }
    pthread_mutex_unlock(&ledger.lock);
}

static bool note_event(const struct sl_delivery *event)
{
    char text[32];
    char *rest;

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    long writer = strtol(text, &rest, 10);
    note(writer, strtol(rest, NULL, 10));
    return true;
}

static const struct member_way noting = {.limit = 20, .received = note_event};

/* --- Members ------------------------------------------------------------ */

static enum sl_status consume_some(struct fault_traffic *traffic, int writer,
                                   int number)
{
    (void)number;
    return member_consume(traffic, writer, kafka_topic, &noting);
}

/* How many were published and not received; the first of them, in text. */
static int count_lost(char *first, size_t size)
{
    int lost = 0;

    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++) {
            if (!ledger.sent[i][j] || ledger.seen[i][j])
                continue;
            if (lost++ == 0)
                snprintf(first, size, "%d %d", i, j);
        }
    return lost;
}

static void nothing_is_lost(void)
{
    int received = 0;
    char first[32] = "";
    int lost = count_lost(first, sizeof(first));

    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j < NUMBERS_MAX; j++)
            received += ledger.seen[i][j];
    if (lost > 0)
        fail_msg("%d were received; %d, the first of them %s, were published "
                 "and are lost",
                 received, lost, first);
}

/* Receive the rest; then what was published was received, each key in order.
 * What is missing may come late, where a group finds itself again on a busy
 * machine. */
static void all_published_was_received(void)
{
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf("%scommit-interval = \"200ms\"\n", patient);
    struct test_store store;
    char first[32];
    size_t count = 1;
    int empty = 0;

    kafka_open(&store, settings);
    struct sl_subscription *member = member_join(&store, kafka_topic);
    while (count > 0 ||
           (count_lost(first, sizeof(first)) > 0 && empty++ < EMPTY_MAX))
        assert_status(
            member_receive(&store, member, &noting, 4500, &count).status,
            SL_OK);
    sl_subscription_free(member);
    test_store_done(&store);
    assert_int_equal(ledger.strange, 0);
    assert_int_equal(ledger.backward, 0);
    nothing_is_lost();
}

static void publish_each(int count)
{
    struct test_store store;
    struct fault_traffic publisher = {.store = &store};

    kafka_open(&store, patient);
    for (int i = 0; i < FAULT_WRITERS; i++)
        for (int j = 1; j <= count / BATCH; j++)
            assert_status(publish_batch(&publisher, i, j), SL_OK);
    test_store_done(&store);
}

/* A broker that refuses what comes first, as it does not have the partition of
 * which it tells, takes what comes next. */
static void a_topic_that_was_just_made(void **state)
{
    enum { TIMES = 25, PARTITIONS = 2 };
    struct test_store store;
    struct fault_traffic publisher = {.store = &store};

    (void)state;
    kafka_open(&store, "partitions = 2\n");
    for (int i = 0; i < TIMES; i++) {
        new_ledger();
        assert_status(publish_batch(&publisher, 0, 1), SL_OK);
        assert_int_equal(kafka_count_events(PARTITIONS), BATCH);
    }
    test_store_done(&store);
}

static void under_traffic(enum sl_status (*write)(struct fault_traffic *traffic,
                                                  int writer, int number),
                          void (*disturb)(void *), void *context)
{
    struct test_store store;
    struct fault_traffic traffic = {.store = &store, .write = write};

    new_ledger();
    if (write == consume_some)
        publish_each(500);
    kafka_open(&store, patient);
    fault_traffic_run(&traffic, disturb, context);
    members_leave();
    test_store_done(&store);
    all_published_was_received();
}

/* A broker takes seconds to start; between two kills it works for a while. */
static void kill_and_restart(void *context)
{
    enum { TIMES = 2 };

    for (int i = 0; i < TIMES; i++) {
        usleep(500000);
        test_server_kill(context);
        usleep(200000);
        test_server_restart(context);
        usleep(2000000);
    }
}

static void a_broker_killed_while_publishing(void **state)
{
    (void)state;
    under_traffic(publish_one, kill_and_restart, &kafka_server);
}

static void a_broker_killed_during_batches(void **state)
{
    (void)state;
    under_traffic(publish_batch, kill_and_restart, &kafka_server);
}

static void a_broker_killed_while_receiving(void **state)
{
    (void)state;
    under_traffic(consume_some, kill_and_restart, &kafka_server);
}

static void cut_and_mend(void *context)
{
    fault_cut_now_and_then(context);
    proxy_cut_after(context, -1);
}

static void a_connection_cut_while_publishing(void **state)
{
    (void)state;
    under_traffic(publish_batch, cut_and_mend, kafka_proxy);
}

static void a_connection_cut_while_receiving(void **state)
{
    (void)state;
    under_traffic(consume_some, cut_and_mend, kafka_proxy);
}

static void a_stalled_connection(void **state)
{
    struct test_store store;

    (void)state;
    kafka_new_topic();
    const struct sl_pubsub_request publish = kafka_publish_of("x");
    kafka_open(&store, "timeout = \"5s\"\nretry.attempts = 1");
    fault_call_is(&store, &publish, SL_OK, "");
    proxy_stall(kafka_proxy, true);
    fault_call_is(&store, &publish, SL_TIMEOUT, "127.0.0.1");
    proxy_stall(kafka_proxy, false);
    proxy_cut_all(kafka_proxy);
    for (int i = 0; i < 3; i++)
        fault_call_is(&store, &publish, SL_OK, "");
    test_store_done(&store);
}

/* --- Other processes ---------------------------------------------------- */

enum { KILLS = 5, ROUNDS = 4 };

static volatile sig_atomic_t over;

static void end_it(int signal)
{
    (void)signal;
    over = 1;
}

/* What is handled, and by whom; it takes a while. */
static bool tell_event(const struct sl_delivery *event)
{
    char line[48];
    int len = snprintf(line, sizeof(line), "%.*s %d\n", (int)event->payload.len,
                       (const char *)event->payload.ptr, (int)getpid());

    (void)!write(STDOUT_FILENO, line, (size_t)len);
    usleep(PACE_US);
    return true;
}

static int consume_until_told(void)
{
    static const struct member_way telling = {.limit = 20,
                                              .received = tell_event};
    struct test_store store;
    struct sl_error err;
    size_t count;

    signal(SIGTERM, end_it);
    snprintf(kafka_topic, sizeof(kafka_topic), "%s", getenv("SL_TEST_TOPIC"));
    fault_open(&store, "pubsub.kafka", getenv("SL_TEST_TEXT"));
    while (!over) {
        struct sl_subscription *member =
            member_try_to_join(&store, kafka_topic, &err);
        while (!over && member != NULL &&
               member_receive(&store, member, &telling, 100, &count).status !=
                   SL_CONFLICT)
            ;
        sl_subscription_free(member);
    }
    test_store_done(&store);
    return 0;
}

/* It writes to this file what it handles. */
static pid_t start_member(int out)
{
    SL_CLEANUP(sl_freep)
    char *settings = kafka_settings("slight", TEST_SERVER_PASSWORD, patient);

    setenv("SL_TEST_TEXT", settings, 1);
    setenv("SL_TEST_TOPIC", kafka_topic, 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        execl(program, program, "--consume", NULL);
        _exit(127);
    }
    return pid;
}

static void end_member(pid_t pid, int signal)
{
    int status;

    assert_int_equal(kill(pid, signal), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (signal == SIGTERM)
        assert_int_equal(status, 0);
}

/* Until this process has handled some; or, 0: there is no more. */
static void read_lines(FILE *from, pid_t by, int most)
{
    char line[48];
    char *rest;

    while (most > 0 && fgets(line, sizeof(line), from) != NULL) {
        if (strchr(line, '\n') == NULL) /* cut off */
            continue;
        long writer = strtol(line, &rest, 10);
        long number = strtol(rest, &rest, 10);
        note(writer, number);
        most -= strtol(rest, NULL, 10) == by;
    }
}

/*
 * All write to one pipe, so that what is read is in the order it happened.
 * There are more events than both handle meanwhile, even on a slow machine.
 */
static void a_rebalance_while_handling(void **state)
{
    int ends[2];

    (void)state;
    new_ledger();
    publish_each(1000);
    assert_int_equal(pipe(ends), 0);
    FILE *from = fdopen(ends[0], "r");
    pid_t first = start_member(ends[1]);
    read_lines(from, first, 20);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t second = start_member(ends[1]);
        read_lines(from, second, 20);
        read_lines(from, first, 20);
        end_member(second, SIGTERM);
    }
    read_lines(from, first, 20);
    end_member(first, SIGTERM);
    close(ends[1]);
    read_lines(from, 0, 1);
    fclose(from);
    all_published_was_received();
}

/* Each is killed behind some events that it began to handle. */
static void members_killed_while_handling(void **state)
{
    int ends[2];

    (void)state;
    new_ledger();
    publish_each(500);
    assert_int_equal(pipe(ends), 0);
    FILE *from = fdopen(ends[0], "r");
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = start_member(ends[1]);
        read_lines(from, pid, 1 + (int)arc4random_uniform(200));
        end_member(pid, SIGKILL);
    }
    close(ends[1]);
    read_lines(from, 0, 1);
    fclose(from);
    all_published_was_received();
}

/* --- The program -------------------------------------------------------- */

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stalled_connection),
        cmocka_unit_test(a_topic_that_was_just_made),
        cmocka_unit_test(a_broker_killed_while_publishing),
        cmocka_unit_test(a_broker_killed_during_batches),
        cmocka_unit_test(a_broker_killed_while_receiving),
        cmocka_unit_test(a_connection_cut_while_publishing),
        cmocka_unit_test(a_connection_cut_while_receiving),
        cmocka_unit_test(a_rebalance_while_handling),
        cmocka_unit_test(members_killed_while_handling),
    };

    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "--consume") == 0)
        return consume_until_told();
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, kafka_start, kafka_stop);
}

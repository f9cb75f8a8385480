/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.kafka and what becomes of topics under a live group: deleted and made
 * anew, given more partitions, cut off by their retention.  Nothing that is
 * there is passed by, and what is not is told.
 */
#include "faults/kafka_admin.h"
#include "faults/kafka_shared.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

enum { EVENTS_MAX = 64, ROUNDS = 3000, WAIT_MS = 100 };

static const char patient[] = KAFKA_PATIENT;

/* --- What was received -------------------------------------------------- */

/* By the letter and the number of an event: "a7". */
static int seen[26][EVENTS_MAX];

static bool note(const struct sl_delivery *event)
{
    char text[16];

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    long number = strtol(text + 1, NULL, 10);
    assert_true(text[0] >= 'a' && text[0] <= 'z' && number < EVENTS_MAX);
    seen[text[0] - 'a'][number]++;
    return true;
}

static void publish(struct test_store *store, char letter, int count)
{
    char payload[16];

    for (int i = 0; i < count; i++) {
        snprintf(payload, sizeof(payload), "%c%d", letter, i);
        const struct sl_pubsub_request request = kafka_publish_of(payload);
        fault_call_is(store, &request, SL_OK, "");
    }
}

static int missing(char letter, int first, int end)
{
    int count = 0;

    for (int i = first; i < end; i++)
        count += seen[letter - 'a'][i] == 0;
    return count;
}

/* A member, which joins anew where the group does not know it any more. */
struct group {
    struct test_store *store;
    struct sl_subscription *member;
};

static void receive(struct group *group)
{
    static const struct member_way way = {.limit = 20, .received = note};
    struct sl_error err;
    size_t count;

    if (group->member == NULL)
        group->member = member_try_to_join(group->store, kafka_topic, &err);
    if (group->member != NULL &&
        member_receive(group->store, group->member, &way, WAIT_MS, &count)
                .status == SL_CONFLICT) {
        sl_subscription_free(group->member);
        group->member = NULL;
    }
}

/* Until all from `first` on have been received. */
static void receive_all(struct group *group, char letter, int first, int end)
{
    for (int i = 0; i < ROUNDS && missing(letter, first, end) > 0; i++)
        receive(group);
    if (missing(letter, first, end) > 0)
        fail_msg("%d of %c are missing", missing(letter, first, end), letter);
}

static void new_topic(int partitions)
{
    memset(seen, 0, sizeof(seen));
    kafka_new_topic();
    kafka_make_topic(partitions, NULL);
}

/* --- What is logged ----------------------------------------------------- */

/* Standard error goes to a file meanwhile. */
static struct logged {
    int before; /* -1: not now */
    char path[32];
} logged = {.before = -1};

static void log_to_file(void)
{
    snprintf(logged.path, sizeof(logged.path), "/tmp/slight-log-XXXXXX");
    int file = mkstemp(logged.path);
    assert_true(file >= 0);
    logged.before = dup(STDERR_FILENO);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    close(file);
}

/* Whether it said that.  What it said is shown. */
static bool log_said(const char *text)
{
    char line[4096];
    bool found = false;

    if (logged.before < 0)
        return false;
    sl_output_flush(SL_OUTPUT_FLUSH_MS);
    assert_int_equal(dup2(logged.before, STDERR_FILENO), STDERR_FILENO);
    close(logged.before);
    logged.before = -1;
    FILE *file = fopen(logged.path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        found = found || strstr(line, text) != NULL;
        fputs(line, stderr);
    }
    fclose(file);
    unlink(logged.path);
    return found;
}

static int show_log(void **state)
{
    (void)state;
    (void)log_said("");
    return 0;
}

/* --- Cases -------------------------------------------------------------- */

/* The group is at offset 5; the new topic has as many events as `count`. */
static void made_anew(int count)
{
    struct test_store store, publisher;
    struct group group = {.store = &store};

    new_topic(1);
    kafka_open(&store, patient);
    kafka_open(&publisher, patient);
    publish(&publisher, 'a', 5);
    receive_all(&group, 'a', 0, 5);
    log_to_file();
    kafka_delete_topic();
    kafka_make_topic(1, NULL);
    publish(&publisher, 'b', count);
    receive_all(&group, 'b', 0, count);
    publish(&publisher, 'c', 3); /* and it goes on */
    receive_all(&group, 'c', 0, 3);
    assert_true(log_said("event=topic-made-anew"));
    sl_subscription_free(group.member);
    test_store_done(&store);
    test_store_done(&publisher);
}

static void a_topic_made_anew_with_less(void **state)
{
    (void)state;
    made_anew(3);
}

static void a_topic_made_anew_with_more(void **state)
{
    (void)state;
    made_anew(20);
}

/* Whoever receives is told, and goes on once there is one again. */
static void a_topic_that_is_gone_is_told(void **state)
{
    struct test_store store;
    struct group group = {.store = &store};
    bool told = false;

    (void)state;
    new_topic(1);
    kafka_open(&store, KAFKA_PATIENT "create-topics = false\n");
    publish(&store, 'a', 5);
    receive_all(&group, 'a', 0, 5);
    kafka_delete_topic();
    for (int i = 0; i < ROUNDS && !told; i++) {
        receive(&group);
        told = fault_said.status == SL_NOT_FOUND;
    }
    assert_true(told);
    kafka_make_topic(1, NULL);
    publish(&store, 'b', 5);
    receive_all(&group, 'b', 0, 5);
    sl_subscription_free(group.member);
    test_store_done(&store);
}

/* While nobody of the group lives. */
static void a_topic_made_anew_meanwhile(void **state)
{
    struct test_store store;
    struct group group = {.store = &store};

    (void)state;
    new_topic(1);
    kafka_open(&store, patient);
    publish(&store, 'a', 5);
    receive_all(&group, 'a', 0, 5);
    sl_subscription_free(group.member);
    test_store_done(&store);
    kafka_delete_topic();
    kafka_make_topic(1, NULL);
    group.member = NULL;
    kafka_open(&store, patient);
    publish(&store, 'b', 20);
    receive_all(&group, 'b', 0, 20);
    sl_subscription_free(group.member);
    test_store_done(&store);
}

static void partitions_are_added(void **state)
{
    struct test_store store, publisher;
    struct group group = {.store = &store};

    (void)state;
    new_topic(1);
    kafka_open(&store, patient);
    kafka_open(&publisher, patient);
    publish(&publisher, 'a', 5);
    receive_all(&group, 'a', 0, 5);
    kafka_add_partitions(4);
    test_store_done(&publisher); /* the next one knows all partitions */
    kafka_open(&publisher, patient);
    publish(&publisher, 'b', 40);
    receive_all(&group, 'b', 0, 40);
    sl_subscription_free(group.member);
    test_store_done(&store);
    test_store_done(&publisher);
}

/* What the group would have received next is deleted. */
static void retention_cuts_off_a_position(void **state)
{
    struct test_store store;
    struct group group = {.store = &store};

    (void)state;
    new_topic(1);
    kafka_open(&store, patient);
    publish(&store, 'a', 5);
    receive_all(&group, 'a', 0, 5);
    sl_subscription_free(group.member);
    test_store_done(&store);
    group.member = NULL;
    kafka_open(&store, patient);
    publish(&store, 'b', 20);
    kafka_delete_events(0, 15);
    log_to_file();
    receive_all(&group, 'b', 10, 20);
    assert_int_equal(missing('b', 0, 10), 10);
    /* Told with the next that is asked. */
    receive(&group);
    assert_true(log_said("event=events-lost"));
    sl_subscription_free(group.member);
    test_store_done(&store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_topic_made_anew_with_less, show_log),
        cmocka_unit_test_teardown(a_topic_made_anew_with_more, show_log),
        cmocka_unit_test_teardown(a_topic_that_is_gone_is_told, show_log),
        cmocka_unit_test_teardown(a_topic_made_anew_meanwhile, show_log),
        cmocka_unit_test_teardown(partitions_are_added, show_log),
        cmocka_unit_test_teardown(retention_cuts_off_a_position, show_log),
    };

    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, kafka_start, kafka_stop);
}

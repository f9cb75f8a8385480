/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a broker of Kafka lets in, and what it lets them do: credentials,
 * certificates, rights that are taken away while somebody is connected; what it
 * refuses for its size.
 */
#include "faults/kafka_admin.h"
#include "faults/kafka_holder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static const char patient[] = KAFKA_PATIENT;

/* --- Let in ------------------------------------------------------------- */

/* Over TLS; the name of the user and the mechanism. */
static char *over_tls(const struct test_server *of, const char *ca,
                      const char *user, const char *more)
{
    return sl_asprintf(
        "brokers = \"localhost:%d\"\ntls = true\nca = \"%s/certs/%s\"\n"
        "user = \"%s\"\npassword = \"%s\"\n%s",
        test_server_port(of, "SL_TEST_KAFKA_TLS_PORT"), of->folder, ca, user,
        TEST_SERVER_PASSWORD, more);
}

static bool take(const struct sl_delivery *event)
{
    (void)event;
    return true;
}

static const struct member_way taking = {.limit = 20, .received = take};

static void a_login_by_scram(void **state)
{
    static const char *const mechanisms[] = {"scram-sha-256", "scram-sha-512"};

    (void)state;
    kafka_new_topic();
    const struct sl_pubsub_request publish = kafka_publish_of("x");
    for (size_t i = 0; i < 2; i++) {
        SL_CLEANUP(sl_freep)
        char *more = sl_asprintf("mechanism = \"%s\"\n", mechanisms[i]);
        SL_CLEANUP(sl_freep)
        char *right = over_tls(&kafka_server, "ca.pem", "scram", more);
        SL_CLEANUP(sl_freep)
        char *wrong = over_tls(&kafka_server, "ca.pem", "nobody", more);
        struct test_store store;
        size_t count;

        fault_open(&store, "pubsub.kafka", right);
        struct sl_subscription *member = member_join(&store, kafka_topic);
        fault_call_is(&store, &publish, SL_OK, "");
        count = 0;
        for (int j = 0; j < 10 && count == 0; j++)
            assert_status(
                member_receive(&store, member, &taking, 4500, &count).status,
                SL_OK);
        assert_true(count > 0);
        sl_subscription_free(member);
        test_store_done(&store);
        fault_first_call_is("pubsub.kafka", wrong, &publish, SL_UNAUTHENTICATED,
                            "check user, password and mechanism");
    }
}

/* --- Not let in --------------------------------------------------------- */

static void wrong_credentials(void **state)
{
    SL_CLEANUP(sl_freep)
    char *wrong = kafka_settings("slight", "wrong-password", patient);
    snprintf(kafka_topic, sizeof(kafka_topic), "nobody-comes-here");
    SL_CLEANUP(sl_freep)
    char *nobody = kafka_settings("nobody", TEST_SERVER_PASSWORD, patient);
    SL_CLEANUP(sl_freep)
    char *scram = kafka_settings("slight", "wrong-password",
                                 "mechanism = \"scram-sha-256\"\n");
    const struct sl_pubsub_request publish = kafka_publish_of("x");

    (void)state;
    fault_first_call_is("pubsub.kafka", wrong, &publish, SL_UNAUTHENTICATED,
                        "check user, password and mechanism");
    fault_first_call_is("pubsub.kafka", nobody, &publish, SL_UNAUTHENTICATED,
                        "127.0.0.1");
    fault_first_call_is("pubsub.kafka", scram, &publish, SL_UNAUTHENTICATED,
                        "SCRAM");
}

static void a_member_is_told_that_it_is_not_let_in(void **state)
{
    SL_CLEANUP(sl_freep)
    char *wrong = kafka_settings("slight", "wrong-password", patient);
    const struct sl_pubsub_request subscribe = {
        .verb = SL_PUBSUB_SUBSCRIBE,
        .topic = SL_LITERAL("t"),
        .group = SL_LITERAL("g"),
        .member = SL_LITERAL("m"),
    };

    (void)state;
    fault_first_call_is("pubsub.kafka", wrong, &subscribe, SL_UNAUTHENTICATED,
                        "check user, password and mechanism");
}

static void nobody_listens(void **state)
{
    kafka_new_topic();
    const struct sl_pubsub_request publish = kafka_publish_of("x");

    (void)state;
    fault_first_call_is("pubsub.kafka",
                        "brokers = \"127.0.0.1:1\"\ntimeout = \"1s\"", &publish,
                        SL_UNAVAILABLE, "127.0.0.1:1");
    fault_first_call_is(
        "pubsub.kafka",
        "brokers = \"no-such-host.invalid:9092\"\ntimeout = \"1s\"", &publish,
        SL_UNAVAILABLE, "no-such-host.invalid");
}

static void first_call_over_tls(const struct test_server *of, const char *ca,
                                enum sl_status expected, const char *says)
{
    SL_CLEANUP(sl_freep)
    char *settings = over_tls(of, ca, "slight", "");
    const struct sl_pubsub_request publish = kafka_publish_of("x");

    fault_first_call_is("pubsub.kafka", settings, &publish, expected, says);
}

static void only_the_right_certificate_will_do(void **state)
{
    struct test_server other;

    (void)state;
    kafka_new_topic();
    first_call_over_tls(&kafka_server, "ca.pem", SL_OK, "");
    first_call_over_tls(&kafka_server, "stranger.pem", SL_UNAUTHENTICATED,
                        "check tls, ca");
    test_server_start(&other, "kafka", "other");
    first_call_over_tls(&other, "ca.pem", SL_UNAUTHENTICATED, "check tls, ca");
    test_server_stop(&other);
}

/* The certificate says who the client is. */
static void first_call_with(const char *certificate, enum sl_status expected,
                            const char *says)
{
    const char *certs = kafka_server.folder;
    SL_CLEANUP(sl_freep)
    char *shown = certificate[0] == '\0'
                      ? sl_asprintf("%s", "")
                      : sl_asprintf("certificate = \"%s/certs/%s.pem\"\n"
                                    "key = \"%s/certs/%s.key\"\n",
                                    certs, certificate, certs, certificate);
    SL_CLEANUP(sl_freep)
    char *settings = sl_asprintf(
        "brokers = \"localhost:%d\"\ntls = true\n"
        "ca = \"%s/certs/ca.pem\"\n%s",
        test_server_port(&kafka_server, "SL_TEST_KAFKA_MUTUAL_PORT"), certs,
        shown);
    const struct sl_pubsub_request publish = kafka_publish_of("x");

    fault_first_call_is("pubsub.kafka", settings, &publish, expected, says);
}

static void certificates_of_clients(void **state)
{
    (void)state;
    kafka_new_topic();
    first_call_with("client", SL_OK, "");
    first_call_with("", SL_UNAUTHENTICATED, "certificate");
    first_call_with("expired", SL_UNAUTHENTICATED, "certificate");
    /* Let in, and may do nothing. */
    first_call_with("other", SL_PERMISSION_DENIED, "ACLs");
}

/* --- Taken away while connected ----------------------------------------- */

static void hold_rights(struct holder *holder)
{
    SL_CLEANUP(sl_freep)
    char *more = sl_asprintf("%screate-topics = false\n", patient);

    kafka_new_topic();
    kafka_make_topic(-1, NULL);
    kafka_give("topic");
    kafka_give("group");
    holder_begin(holder, kafka_settings("limited", TEST_SERVER_PASSWORD, more));
}

static void rights_to_a_topic_that_are_revoked(void **state)
{
    struct holder holder;

    (void)state;
    hold_rights(&holder);
    kafka_take("topic");
    holder_until(&holder, holder_publish, SL_PERMISSION_DENIED, "ACLs");
    holder_until(&holder, holder_receive, SL_PERMISSION_DENIED, "ACLs");
    holder_until(&holder, holder_join_anew, SL_PERMISSION_DENIED, "ACLs");
    kafka_give("topic");
    holder_end(&holder);
}

static void rights_to_a_group_that_are_revoked(void **state)
{
    struct holder holder;

    (void)state;
    hold_rights(&holder);
    kafka_take("group");
    holder_until(&holder, holder_receive, SL_PERMISSION_DENIED, "ACLs");
    holder_until(&holder, holder_join_anew, SL_PERMISSION_DENIED, "ACLs");
    holder_until(&holder, holder_publish, SL_OK, "");
    kafka_give("group");
    holder_end(&holder);
}

/* The process ends while it has no rights. */
static void an_end_without_rights(void **state)
{
    static const char *const what[] = {"topic", "group"};
    struct holder holder;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        hold_rights(&holder);
        kafka_take(what[i]);
        holder_until(&holder, holder_receive, SL_PERMISSION_DENIED, "ACLs");
        holder_free(&holder);
    }
}

/* The broker asks again for credentials, of who is connected. */
static void credentials_that_are_revoked(void **state)
{
    static const char *const instead[] = {NULL, "another"};
    SL_CLEANUP(sl_freep)
    char *more = sl_asprintf("%smechanism = \"scram-sha-512\"\n", patient);
    struct holder holder;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        kafka_new_topic();
        kafka_set_password("passing", TEST_SERVER_PASSWORD);
        holder_begin(&holder,
                     kafka_settings("passing", TEST_SERVER_PASSWORD, more));
        kafka_set_password("passing", instead[i]);
        holder_until(&holder, holder_publish, SL_UNAUTHENTICATED,
                     "check user, password");
        holder_until(&holder, holder_receive, SL_UNAUTHENTICATED,
                     "check user, password");
        holder_until(&holder, holder_join_anew, SL_UNAUTHENTICATED,
                     "check user, password");
        kafka_set_password("passing", TEST_SERVER_PASSWORD);
        holder_end(&holder);
    }
}

/* --- Sizes, topics ------------------------------------------------ */

static void larger_than_the_broker_takes(void **state)
{
    struct test_store store;
    static uint8_t large[2 << 20];

    (void)state;
    kafka_new_topic();
    struct sl_pubsub_request publish = kafka_publish_of("x");
    kafka_open(&store, "max-payload = \"4MiB\"");
    publish.payload = SL_BYTES(large, sizeof(large));
    fault_call_is(&store, &publish, SL_TOO_LARGE, "max.message.bytes");
    publish.payload.len = 1000;
    fault_call_is(&store, &publish, SL_OK, "");
    test_store_done(&store);
}

static int last_in_order;

static bool in_order(const struct sl_delivery *event)
{
    char text[16];

    snprintf(text, sizeof(text), "%.*s", (int)event->payload.len,
             (const char *)event->payload.ptr);
    assert_int_equal(atoi(text), ++last_in_order);
    return true;
}

/* Kafka refuses it as a whole; that is no fault of each. */
static void a_batch_larger_than_the_topic_takes(void **state)
{
    static const struct member_way ordered = {.limit = 20,
                                              .received = in_order};
    enum { COUNT = 24, LARGE = COUNT / 2 };
    static char payloads[COUNT][30000];
    struct sl_pubsub_request requests[COUNT];
    struct sl_pubsub_answer answers[COUNT];
    struct test_store store;
    size_t count;

    (void)state;
    kafka_new_topic();
    kafka_make_topic(2, "20000");
    kafka_open(&store, "");
    struct sl_subscription *member = member_join(&store, kafka_topic);
    for (int i = 0, sound = 0; i < COUNT; i++) {
        snprintf(payloads[i], sizeof(payloads[i]), "%d ",
                 i == LARGE ? 0 : ++sound);
        requests[i] = kafka_publish_of("");
        requests[i].key = SL_LITERAL("key");
        requests[i].payload =
            SL_BYTES(payloads[i], i == LARGE ? sizeof(payloads[i]) : 1000);
    }
    (void)sl_service_do(store.service, NULL, requests, COUNT, answers);
    for (int i = 0; i < COUNT; i++)
        assert_status(answers[i].err.status, i == LARGE ? SL_TOO_LARGE : SL_OK);
    last_in_order = 0;
    for (int i = 0; i < 1500 && last_in_order < COUNT - 1; i++)
        assert_status(
            member_receive(&store, member, &ordered, 200, &count).status,
            SL_OK);
    assert_int_equal(last_in_order, COUNT - 1);
    sl_subscription_free(member);
    test_store_done(&store);
}

/* A write to its disk fails: such a broker ends.  What it had acknowledged is
 * there once it has room. */
static void a_full_disk(void **state)
{
    enum { SIZE = 700000, FILE_MAX_KIB = 12288 };
    struct test_server other;
    struct holder holder;
    struct sl_error err;
    char limit[16];

    (void)state;
    SL_CLEANUP(sl_freep)
    char *proxy = sl_asprintf("%s", getenv("SL_TEST_KAFKA_PROXY"));
    snprintf(limit, sizeof(limit), "%d", FILE_MAX_KIB);
    setenv("SL_TEST_KAFKA_FILE_MAX", limit, 1);
    unsetenv("SL_TEST_KAFKA_PROXY");
    test_server_start(&other, "kafka", "server");
    unsetenv("SL_TEST_KAFKA_FILE_MAX");
    kafka_new_topic();
    char *settings = sl_asprintf(
        "brokers = \"127.0.0.1:%d\"\nuser = \"slight\"\npassword = \"%s\"\n"
        "partitions = 1\nmax-payload = \"1MiB\"\n%s",
        test_server_port(&other, "SL_TEST_KAFKA_PORT"), TEST_SERVER_PASSWORD,
        patient);
    holder_open(&holder, settings);
    holder_until(&holder, holder_receive, SL_OK, "");
    do
        err = holder_publish_large(&holder, SIZE);
    while (err.status == SL_OK);
    if (!holder_may_pass(err.status))
        fail_msg("%s", err.message);
    assert_true(holder_numbers() > 2);
    test_server_kill(&other); /* where it has not ended yet */
    test_server_restart(&other);
    holder_until(&holder, holder_publish, SL_OK, "");
    for (int i = 0; i < 1500 && !holder_all_came(); i++)
        (void)holder_receive(&holder);
    assert_true(holder_all_came());
    holder_free(&holder);
    test_server_stop(&other);
    setenv("SL_TEST_KAFKA_PROXY", proxy, 1);
}

/* holds: types-3 */
static void a_topic_that_is_not_there(void **state)
{
    struct test_store store;

    (void)state;
    kafka_new_topic();
    const struct sl_pubsub_request publish = kafka_publish_of("x");
    kafka_open(&store, "create-topics = false");
    fault_call_is(&store, &publish, SL_NOT_FOUND, "create the topic");
    test_store_done(&store);
    kafka_open(&store, "replication = 3");
    fault_call_is(&store, &publish, SL_INVALID_ARGUMENT, "replication");
    test_store_done(&store);
    kafka_open(&store, "partitions = 2");
    fault_call_is(&store, &publish, SL_OK, "");
    test_store_done(&store);
}

/* A guest that publishes to ever new ones finds an end. */
static void no_more_topics_than_are_allowed(void **state)
{
    struct test_store store;

    (void)state;
    kafka_open(&store, "prefix = \"bounded-\"\nmax-topics = 2");
    for (int i = 0; i < 2; i++) {
        kafka_new_topic();
        const struct sl_pubsub_request publish = kafka_publish_of("x");
        fault_call_is(&store, &publish, SL_OK, "");
    }
    kafka_new_topic();
    const struct sl_pubsub_request publish = kafka_publish_of("x");
    fault_call_is(&store, &publish, SL_RESOURCE_EXHAUSTED, "max-topics");
    test_store_done(&store);
    kafka_open(&store, "prefix = \"bounded-\"\nmax-topics = 3");
    fault_call_is(&store, &publish, SL_OK, "");
    test_store_done(&store);
}

static void a_lease_that_the_broker_does_not_take(void **state)
{
    struct test_store store;

    (void)state;
    kafka_new_topic();
    kafka_open(&store, "lease = \"1h\"");
    const struct sl_pubsub_request subscribe = {
        .verb = SL_PUBSUB_SUBSCRIBE,
        .topic = sl_bytes_of(kafka_topic),
        .group = SL_LITERAL("g"),
        .member = SL_LITERAL("m"),
    };
    fault_call_is(&store, &subscribe, SL_INVALID_ARGUMENT, "set a lease");
    test_store_done(&store);
}

/* --- The program -------------------------------------------------------- */

static int start(void **state)
{
    setenv("SL_TEST_KAFKA_RESTRICTED", "1", 1);
    setenv("SL_TEST_KAFKA_REAUTH", "2000", 1);
    return kafka_start(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_by_scram),
        cmocka_unit_test(wrong_credentials),
        cmocka_unit_test(a_member_is_told_that_it_is_not_let_in),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(only_the_right_certificate_will_do),
        cmocka_unit_test(certificates_of_clients),
        cmocka_unit_test(rights_to_a_topic_that_are_revoked),
        cmocka_unit_test(rights_to_a_group_that_are_revoked),
        cmocka_unit_test(an_end_without_rights),
        cmocka_unit_test(credentials_that_are_revoked),
        cmocka_unit_test(larger_than_the_broker_takes),
        cmocka_unit_test(a_batch_larger_than_the_topic_takes),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_topic_that_is_not_there),
        cmocka_unit_test(no_more_topics_than_are_allowed),
        cmocka_unit_test(a_lease_that_the_broker_does_not_take),
    };

    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, start, kafka_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.kafka without a broker: its settings, its errors, its in-flight table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pubsub/kafka/producer.h"

/* --- Errors ------------------------------------------------------------- */

/* What librdkafka knows is in the table, once; what is not, is internal. */
static void every_error_has_a_status(void **state)
{
    const struct rd_kafka_err_desc *known;
    size_t count, named = 0;

    (void)state;
    rd_kafka_get_err_descs(&known, &count);
    assert_int_equal(sl_pubsub_kafka_status(RD_KAFKA_RESP_ERR_NO_ERROR), SL_OK);
    for (size_t i = 0; i < count; i++) {
        /* The ends of a range, and holes in it. */
        if (known[i].name == NULL ||
            known[i].code == RD_KAFKA_RESP_ERR__BEGIN ||
            known[i].code == RD_KAFKA_RESP_ERR__END ||
            known[i].code == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        named++;
        if (!sl_pubsub_kafka_is_known_error(known[i].code))
            fail_msg("%s is not in the table", known[i].name);
    }
    assert_true(named > 150);
    assert_int_equal(sl_pubsub_kafka_status((rd_kafka_resp_err_t)9999),
                     SL_INTERNAL);
}

static void errors_in_our_words(void **state)
{
    static const struct {
        rd_kafka_resp_err_t code;
        enum sl_status status;
    } cases[] = {
        {RD_KAFKA_RESP_ERR__TRANSPORT, SL_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, SL_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__RESOLVE, SL_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, SL_TIMEOUT},
        {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, SL_TIMEOUT},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, SL_UNAUTHENTICATED},
        {RD_KAFKA_RESP_ERR__SSL, SL_UNAUTHENTICATED},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, SL_UNAUTHENTICATED},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, SL_PERMISSION_DENIED},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, SL_PERMISSION_DENIED},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, SL_NOT_FOUND},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, SL_TOO_LARGE},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, SL_TOO_LARGE},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, SL_RESOURCE_EXHAUSTED},
        {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, SL_RESOURCE_EXHAUSTED},
        {RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED, SL_RESOURCE_EXHAUSTED},
        {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, SL_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, SL_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, SL_TIMEOUT},
        {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, SL_INVALID_ARGUMENT},
        {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, SL_UNSUPPORTED},
    };
    static const struct sl_pubsub_kafka_options options = {.brokers = "b:9092",
                                                           .prefix = ""};
    static const struct sl_pubsub_kafka_store store = {.options = &options};
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sl_pubsub_kafka_status(cases[i].code),
                         cases[i].status);
        assert_int_equal(sl_pubsub_kafka_fail(&store, "t", cases[i].code, &err),
                         cases[i].status);
        assert_non_null(strstr(err.message, "Kafka at b:9092: t: "));
    }
}

static void trouble_says_why(void **state)
{
    static const struct sl_pubsub_kafka_options options = {.brokers = "b:9092",
                                                           .prefix = ""};
    static const struct sl_pubsub_kafka_store store = {.options = &options};
    struct sl_pubsub_kafka_failure trouble = {0};
    struct sl_error err;
    int64_t before = sl_now_ns();

    (void)state;
    sl_pubsub_kafka_failure_init(&trouble);
    assert_false(sl_pubsub_kafka_failure_is_set(&trouble));
    sl_pubsub_kafka_failure_set(&trouble, RD_KAFKA_RESP_ERR__AUTHENTICATION,
                                "b: refused\n\x01");
    sl_pubsub_kafka_failure_set(&trouble, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
                                "1/1 down");
    assert_int_equal(sl_pubsub_kafka_fail_with(&store, &trouble, "t",
                                               RD_KAFKA_RESP_ERR__TIMED_OUT,
                                               &err),
                     SL_UNAUTHENTICATED);
    assert_non_null(strstr(err.message, "b: refused  ; check user"));
    assert_true(sl_pubsub_kafka_failure_is_final(&trouble, before));
    assert_false(
        sl_pubsub_kafka_failure_is_final(&trouble, sl_now_ns() + 1000000));
    sl_pubsub_kafka_failure_clear(&trouble);
    /* A handshake that was cut says nothing about certificates. */
    sl_pubsub_kafka_failure_set(&trouble, RD_KAFKA_RESP_ERR__SSL,
                                "disconnected");
    assert_int_equal(sl_pubsub_kafka_fail_with(&store, &trouble, "t",
                                               RD_KAFKA_RESP_ERR__TIMED_OUT,
                                               &err),
                     SL_UNAVAILABLE);
    sl_pubsub_kafka_failure_set(&trouble, RD_KAFKA_RESP_ERR__AUTHENTICATION,
                                "SASL PLAIN mechanism handshake failed: Local: "
                                "Broker transport failure: broker's supported");
    assert_int_equal(sl_pubsub_kafka_fail_with(&store, &trouble, "t",
                                               RD_KAFKA_RESP_ERR__TIMED_OUT,
                                               &err),
                     SL_UNAVAILABLE);
    /* The broker does not take ours. */
    sl_pubsub_kafka_failure_set(&trouble, RD_KAFKA_RESP_ERR__TRANSPORT,
                                "Receive failed: sslv3 alert bad certificate");
    assert_int_equal(sl_pubsub_kafka_fail_with(&store, &trouble, "t",
                                               RD_KAFKA_RESP_ERR__TIMED_OUT,
                                               &err),
                     SL_UNAUTHENTICATED);
    pthread_mutex_destroy(&trouble.lock);
}

/* --- Settings ----------------------------------------------------------- */

static enum sl_status conf_of(const struct sl_pubsub_kafka_options *options,
                              const char *name, char *value, size_t size)
{
    rd_kafka_conf_t *conf;
    struct sl_error err;
    enum sl_status status = sl_pubsub_kafka_conf_new(options, &conf, &err);

    if (status != SL_OK)
        return status;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size),
                     RD_KAFKA_CONF_OK);
    rd_kafka_conf_destroy(conf);
    return SL_OK;
}

static void security(void **state)
{
    static const struct {
        bool tls, user;
        const char *protocol;
    } cases[] = {
        {false, false, "plaintext"},
        {true, false, "ssl"},
        {false, true, "sasl_plaintext"},
        {true, true, "sasl_ssl"},
    };
    char value[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_pubsub_kafka_options options = {.brokers = "b",
                                                  .client_id = "c",
                                                  .mechanism = "scram-sha-512",
                                                  .tls = cases[i].tls};
        if (cases[i].user)
            options.user = options.password = "$ConnectionString";
        assert_int_equal(
            conf_of(&options, "security.protocol", value, sizeof(value)),
            SL_OK);
        assert_string_equal(value, cases[i].protocol);
        assert_int_equal(conf_of(&options,
                                 "ssl.endpoint.identification.algorithm", value,
                                 sizeof(value)),
                         SL_OK);
        if (cases[i].tls)
            assert_string_equal(value, "https");
    }
}

static void settings_that_do_not_fit(void **state)
{
    static const struct sl_pubsub_kafka_options wrong[] = {
        {.brokers = "b", .user = "u"},
        {.brokers = "b", .password = "hush-hush"},
        {.brokers = "b", .tls = true, .certificate = "c"},
        {.brokers = "b", .ca = "c"},
    };
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(sl_pubsub_kafka_check_options(&wrong[i], &err),
                         SL_INVALID_ARGUMENT);
        assert_null(strstr(err.message, "hush-hush"));
    }
}

static void words(void **state)
{
    static const struct {
        const char *name, *value;
        enum sl_status status;
    } cases[] = {
        {"mechanism", "plain", SL_OK},
        {"mechanism", "scram-sha-256", SL_OK},
        {"mechanism", "gssapi", SL_INVALID_ARGUMENT},
        {"partitioner", "murmur2", SL_OK},
        {"partitioner", "random", SL_INVALID_ARGUMENT},
        {"compression", "zstd", SL_OK},
        {"compression", "brotli", SL_INVALID_ARGUMENT},
        {"brokers", "a:9092,b:9092", SL_OK},
        {"brokers", "kafka://a", SL_INVALID_ARGUMENT},
        {"brokers", "a:9092?security.protocol=SSL", SL_INVALID_ARGUMENT},
        {"brokers", "", SL_INVALID_ARGUMENT},
        {"prefix", "team-a.", SL_OK},
        {"prefix", "team a", SL_INVALID_ARGUMENT},
    };
    struct sl_pubsub_kafka_options options;
    struct sl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sl_setting_value value = {.type = SL_SETTING_TEXT,
                                               .text = cases[i].value};
        assert_int_equal(
            sl_option_set(
                sl_option_find(sl_pubsub_kafka_option_table, cases[i].name),
                &value, &options, &err),
            cases[i].status);
    }
}

/* --- The producer ------------------------------------------------------- */

static struct sl_pubsub_kafka_producer *
get_producer(struct sl_pubsub_kafka_store *store)
{
    const struct sl_pubsub_config config = {.service = {.timeout_ms = 5000},
                                            .max_payload = 1 << 20};
    struct sl_pubsub_kafka_producer *producer = NULL;
    struct sl_error err;

    assert_int_equal(
        sl_pubsub_kafka_producer_get(store, &config, &producer, &err), SL_OK);
    return producer;
}

static void know_names(struct sl_pubsub_kafka_store *store,
                       struct sl_pubsub_kafka_producer *producer, int first,
                       int end)
{
    char name[16];

    for (int i = first; i < end; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        assert_non_null(
            sl_pubsub_kafka_topic_get(store, producer, sl_bytes_of(name)));
    }
}

/* Names are kept as long as their producer.  A batch that has the old one keeps
 * it and its topics. */
static void a_producer_that_knows_many_names_is_replaced(void **state)
{
    const struct sl_pubsub_kafka_options options = {.brokers = "127.0.0.1:1",
                                                    .client_id = "c",
                                                    .prefix = "",
                                                    .partitioner = "murmur2",
                                                    .compression = "none"};
    struct sl_pubsub_kafka_store store = {.options = &options};

    (void)state;
    pthread_mutex_init(&store.lock, NULL);
    struct sl_pubsub_kafka_producer *old = get_producer(&store);
    know_names(&store, old, 0, SL_PUBSUB_KAFKA_NAMES_MAX - 1);
    know_names(&store, old, 0, 1); /* which it knows */
    struct sl_pubsub_kafka_producer *same = get_producer(&store);
    assert_ptr_equal(same, old);
    sl_pubsub_kafka_producer_unref(&store, same);
    know_names(&store, old, SL_PUBSUB_KAFKA_NAMES_MAX - 1,
               SL_PUBSUB_KAFKA_NAMES_MAX);
    struct sl_pubsub_kafka_producer *next = get_producer(&store);
    assert_ptr_not_equal(next, old);
    assert_ptr_equal(next, store.producer);
    assert_int_equal(next->topic_count, 0);
    assert_int_equal(old->users, 1); /* this test's */
    assert_int_equal(old->topic_count, SL_PUBSUB_KAFKA_NAMES_MAX);
    know_names(&store, old, 0, 1);
    know_names(&store, next, 0, 1);
    sl_pubsub_kafka_producer_unref(&store, old);
    sl_pubsub_kafka_producer_unref(&store, next);
    sl_pubsub_kafka_producer_free(&store);
    assert_null(store.producer);
    pthread_mutex_destroy(&store.lock);
}

/* --- The in-flight table ----------------------------------------------- */

static void put(struct sl_pubsub_kafka_in_flight *table, int32_t partition,
                int64_t offset, const char *key)
{
    const struct sl_delivery event = {
        .payload = SL_LITERAL("payload"),
        .key = key != NULL ? sl_bytes_of(key) : (struct sl_bytes){0}};

    sl_pubsub_kafka_in_flight_add(table, partition, offset,
                                  sl_delivery_copy(&event));
}

/* The receipt of the next event, handed out to the member; "" where there is
 * none. */
static const char *take(struct sl_pubsub_kafka_in_flight *table,
                        uint64_t member)
{
    static char receipts[8][SL_PUBSUB_KAFKA_RECEIPT_MAX];
    static size_t next;
    const struct sl_delivery *event;
    char *receipt = receipts[next++ % 8];

    struct sl_pubsub_kafka_entry *entry =
        sl_pubsub_kafka_in_flight_next(table, receipt, &event);
    if (entry == NULL)
        return "";
    sl_pubsub_kafka_in_flight_deliver(table, entry, member);
    return receipt;
}

static bool acknowledge(struct sl_pubsub_kafka_in_flight *table,
                        uint64_t member, const char *receipt)
{
    struct sl_pubsub_kafka_entry *entry =
        sl_pubsub_kafka_in_flight_find(table, member, sl_bytes_of(receipt));

    if (entry != NULL)
        (void)sl_pubsub_kafka_in_flight_acknowledge(table, entry);
    return entry != NULL;
}

static void give_back(struct sl_pubsub_kafka_in_flight *table, uint64_t member,
                      const char *receipt, sl_deadline until)
{
    struct sl_pubsub_kafka_entry *entry =
        sl_pubsub_kafka_in_flight_find(table, member, sl_bytes_of(receipt));

    assert_non_null(entry);
    sl_pubsub_kafka_in_flight_return(table, entry, until);
}

#define POSITION(expected)                                                     \
    do {                                                                       \
        assert_true(sl_pubsub_kafka_in_flight_position(table, 0, &offset));    \
        assert_int_equal(offset, expected);                                    \
    } while (0)

static void the_position_follows_the_first(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();
    int64_t offset;

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    for (int i = 10; i < 14; i++)
        put(table, 0, i, NULL);
    put(table, 0, 11, NULL); /* again: it is there */
    put(table, 3, 11, NULL); /* not ours */
    assert_string_equal(take(table, 1), "0:10:1");
    assert_string_equal(take(table, 1), "0:11:1");
    assert_string_equal(take(table, 2), "0:12:1");
    assert_true(acknowledge(table, 1, "0:11:1"));
    assert_false(sl_pubsub_kafka_in_flight_position(table, 0, &offset));
    assert_false(acknowledge(table, 1, "0:11:1")); /* once */
    assert_false(acknowledge(table, 1, "0:12:1")); /* another's */
    assert_true(acknowledge(table, 1, "0:10:1"));
    POSITION(12);
    assert_false(sl_pubsub_kafka_in_flight_position(table, 0, &offset));
    assert_true(acknowledge(table, 2, "0:12:1"));
    assert_string_equal(take(table, 1), "0:13:1");
    assert_true(acknowledge(table, 1, "0:13:1"));
    POSITION(14);
    assert_string_equal(take(table, 1), "");
    sl_pubsub_kafka_in_flight_free(table);
}

/* A refusal that is older than the assignment says nothing of it: the new topic
 * is read from its beginning. */
static void an_outdated_refusal_skips_nothing(void **state)
{
    (void)state;
    /* The offset of the old topic, which the new one has by now. */
    assert_int_equal(
        sl_pubsub_kafka_position_after(5, 0, 20, RD_KAFKA_OFFSET_BEGINNING), 0);
    assert_int_equal(sl_pubsub_kafka_position_after(5, 0, 20, 3), 3);
    /* One that is there by now, where the consumer waits for it. */
    assert_int_equal(sl_pubsub_kafka_position_after(5, 0, 20, 5), 5);
    /* Deleted before it was received; a topic that is shorter. */
    assert_int_equal(sl_pubsub_kafka_position_after(5, 10, 20, 5), 10);
    assert_int_equal(sl_pubsub_kafka_position_after(5, 0, 3, 5), 0);
}

static void a_key_is_in_order(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    put(table, 0, 0, "a");
    put(table, 0, 1, "a");
    put(table, 0, 2, "");
    put(table, 0, 3, "a");
    assert_string_equal(take(table, 1), "0:0:1");
    assert_string_equal(take(table, 1), "0:2:1");
    assert_string_equal(take(table, 1), "");
    give_back(table, 1, "0:0:1", 0);
    assert_string_equal(take(table, 2), "0:0:2");
    assert_string_equal(take(table, 2), "");
    assert_false(acknowledge(table, 1, "0:0:1")); /* an earlier delivery */
    assert_true(acknowledge(table, 2, "0:0:2"));
    assert_string_equal(take(table, 1), "0:1:1");
    assert_string_equal(take(table, 1), "");
    give_back(table, 1, "0:1:1", sl_deadline_in_ms(3600000));
    sl_pubsub_kafka_in_flight_show_due(table);
    assert_string_equal(take(table, 1),
                        ""); /* hidden, and so is what follows */
    assert_true(sl_pubsub_kafka_in_flight_next_due(table) < SL_NEVER);
    sl_pubsub_kafka_in_flight_free(table);
}

static void what_a_member_had_comes_back_in_order(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    for (int i = 0; i < 4; i++)
        put(table, 0, i, NULL);
    for (int i = 0; i < 3; i++)
        (void)take(table, 7);
    assert_true(sl_pubsub_kafka_in_flight_return_all(table, 7));
    assert_false(sl_pubsub_kafka_in_flight_return_all(table, 7));
    assert_string_equal(take(table, 1), "0:0:2");
    assert_string_equal(take(table, 1), "0:1:2");
    assert_string_equal(take(table, 1), "0:2:2");
    assert_string_equal(take(table, 1), "0:3:1");
    sl_pubsub_kafka_in_flight_free(table);
}

/* Nobody gets it a second time here while the first one has it. */
static void a_partition_that_comes_back(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();
    int64_t offset;

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    put(table, 0, 5, "a");
    put(table, 0, 6, "a");
    put(table, 0, 7, NULL);
    assert_string_equal(take(table, 1), "0:5:1");
    assert_string_equal(take(table, 1), "0:7:1");
    sl_pubsub_kafka_in_flight_pause(table, 0);
    assert_int_equal(sl_pubsub_kafka_in_flight_count(table, 0), 2);
    assert_false(sl_pubsub_kafka_in_flight_wants(table, 0, 1000));
    sl_pubsub_kafka_in_flight_revoke(table, 0);
    assert_false(acknowledge(table, 1, "0:7:1")); /* not ours now */
    sl_pubsub_kafka_in_flight_assign(table, 0);
    for (int i = 5; i < 8; i++)
        put(table, 0, i, i < 7 ? "a" : NULL);
    assert_string_equal(take(table, 2), "0:7:1");
    assert_string_equal(take(table, 2), "");
    assert_true(acknowledge(table, 1, "0:5:1"));
    POSITION(6);
    assert_string_equal(take(table, 2), "0:6:1");
    sl_pubsub_kafka_in_flight_free(table);
}

/* What others may do: a key in two partitions, one of which goes. */
static void a_key_in_two_partitions(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    sl_pubsub_kafka_in_flight_assign(table, 1);
    put(table, 0, 0, "a");
    put(table, 0, 1, "a");
    put(table, 1, 0, "a");
    put(table, 1, 1, "a");
    assert_string_equal(take(table, 1), "0:0:1");
    sl_pubsub_kafka_in_flight_revoke(table, 0);
    assert_string_equal(take(table, 1), "1:0:1");
    assert_string_equal(take(table, 1), "");
    sl_pubsub_kafka_in_flight_free(table);
}

static void a_window_ends(void **state)
{
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();
    char key[16];

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    for (int i = 0; i < SL_PUBSUB_KAFKA_WINDOW_MAX; i++) {
        assert_true(sl_pubsub_kafka_in_flight_wants(table, 0, SIZE_MAX));
        snprintf(key, sizeof(key), "%d", i % 1000);
        put(table, 0, i, key);
    }
    assert_false(sl_pubsub_kafka_in_flight_wants(table, 0, SIZE_MAX));
    assert_false(sl_pubsub_kafka_in_flight_wants(table, 0, 1000));
    for (int i = 0; i < 1000; i++)
        (void)take(table, 1);
    assert_string_equal(take(table, 1), "");
    assert_true(acknowledge(table, 1, "0:0:1"));
    assert_true(sl_pubsub_kafka_in_flight_wants(table, 0, SIZE_MAX));
    sl_pubsub_kafka_in_flight_revoke(table, 0);
    sl_pubsub_kafka_in_flight_free(table);
}

static void receipts_that_are_none(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        "0",
        "0:0",
        "0:0:",
        "0:0:x",
        "x:0:1",
        "0:0:1:",
        "-1:0:1",
        "0:-1:1",
        "0:0:-1",
        "0 :0:1",
        "1:0:1",
        "0:1:1",
        "0:0:2",
        "9999999999:0:1",
        "0:99999999999999999999:1",
    };
    struct sl_pubsub_kafka_in_flight *table = sl_pubsub_kafka_in_flight_new();

    (void)state;
    sl_pubsub_kafka_in_flight_assign(table, 0);
    put(table, 0, 0, NULL);
    assert_string_equal(take(table, 1), "0:0:1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(acknowledge(table, 1, wrong[i]));
    assert_true(acknowledge(table, 1, "0:0:1"));
    sl_pubsub_kafka_in_flight_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_status),
        cmocka_unit_test(errors_in_our_words),
        cmocka_unit_test(trouble_says_why),
        cmocka_unit_test(security),
        cmocka_unit_test(settings_that_do_not_fit),
        cmocka_unit_test(words),
        cmocka_unit_test(a_producer_that_knows_many_names_is_replaced),
        cmocka_unit_test(the_position_follows_the_first),
        cmocka_unit_test(an_outdated_refusal_skips_nothing),
        cmocka_unit_test(a_key_is_in_order),
        cmocka_unit_test(what_a_member_had_comes_back_in_order),
        cmocka_unit_test(a_partition_that_comes_back),
        cmocka_unit_test(a_key_in_two_partitions),
        cmocka_unit_test(a_window_ends),
        cmocka_unit_test(receipts_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

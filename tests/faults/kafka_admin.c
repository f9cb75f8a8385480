/* SPDX-License-Identifier: Apache-2.0 */
#include "faults/kafka_admin.h"

#include <string.h>

#include <librdkafka/rdkafka.h>

#include "base/alloc.h"
#include "faults/kafka_shared.h"

enum { OPERATIONS_MAX = 3, ANSWER_MS = 60000, SCRAM_ITERATIONS = 4096 };

/* A question, and its answer. */
struct asking {
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *answer;
};

/* At the port for the inside, which asks nobody who they are. */
static struct asking ask(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    SL_CLEANUP(sl_freep)
    char *broker = sl_asprintf(
        "127.0.0.1:%d", test_server_port(&kafka_server, "SL_TEST_KAFKA_INSIDE_"
                                                        "PORT"));
    struct asking asking = {0};
    char why[256];

    if (rd_kafka_conf_set(conf, "bootstrap.servers", broker, why,
                          sizeof(why)) == RD_KAFKA_CONF_OK)
        asking.client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (asking.client == NULL)
        fail_msg("%s", why);
    asking.queue = rd_kafka_queue_new(asking.client);
    return asking;
}

static void await(struct asking *asking)
{
    asking->answer = rd_kafka_queue_poll(asking->queue, ANSWER_MS);
    assert_non_null(asking->answer);
    if (rd_kafka_event_error(asking->answer) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("%s", rd_kafka_event_error_string(asking->answer));
}

static void end(const struct asking *asking)
{
    if (asking->answer != NULL)
        rd_kafka_event_destroy(asking->answer);
    rd_kafka_queue_destroy(asking->queue);
    rd_kafka_destroy(asking->client);
}

static void must_be_done(const rd_kafka_error_t *error)
{
    if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("%s", rd_kafka_error_string(error));
}

/* --- Topics ------------------------------------------------------------- */

void kafka_make_topic(int partitions, const char *max_bytes)
{
    struct asking asking = ask();
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(kafka_topic, partitions, -1, NULL, 0);
    size_t count;

    assert_non_null(topic);
    if (max_bytes != NULL)
        assert_int_equal(
            rd_kafka_NewTopic_set_config(topic, "max.message.bytes", max_bytes),
            RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_CreateTopics(asking.client, &topic, 1, NULL, asking.queue);
    await(&asking);
    const rd_kafka_topic_result_t **made = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(asking.answer), &count);
    assert_int_equal(count, 1);
    if (rd_kafka_topic_result_error(made[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("%s", rd_kafka_topic_result_error_string(made[0]));
    rd_kafka_NewTopic_destroy(topic);
    end(&asking);
}

void kafka_delete_topic(void)
{
    struct asking asking = ask();
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(kafka_topic);
    size_t count;

    rd_kafka_DeleteTopics(asking.client, &topic, 1, NULL, asking.queue);
    await(&asking);
    const rd_kafka_topic_result_t **deleted =
        rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(asking.answer), &count);
    assert_int_equal(count, 1);
    if (rd_kafka_topic_result_error(deleted[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("%s", rd_kafka_topic_result_error_string(deleted[0]));
    rd_kafka_DeleteTopic_destroy(topic);
    end(&asking);
}

void kafka_add_partitions(int partitions)
{
    struct asking asking = ask();
    char why[256];
    size_t count;
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(
        kafka_topic, (size_t)partitions, why, sizeof(why));

    assert_non_null(more);
    rd_kafka_CreatePartitions(asking.client, &more, 1, NULL, asking.queue);
    await(&asking);
    const rd_kafka_topic_result_t **added =
        rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(asking.answer), &count);
    assert_int_equal(count, 1);
    if (rd_kafka_topic_result_error(added[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail_msg("%s", rd_kafka_topic_result_error_string(added[0]));
    rd_kafka_NewPartitions_destroy(more);
    end(&asking);
}

void kafka_delete_events(int partition, int64_t before)
{
    struct asking asking = ask();
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, kafka_topic, partition)->offset =
        before;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(asking.client, &records, 1, NULL, asking.queue);
    await(&asking);
    const rd_kafka_topic_partition_list_t *deleted =
        rd_kafka_DeleteRecords_result_offsets(
            rd_kafka_event_DeleteRecords_result(asking.answer));
    assert_int_equal(deleted->cnt, 1);
    assert_int_equal(deleted->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
    end(&asking);
}

int64_t kafka_count_events(int partitions)
{
    const struct asking asking = ask();
    int64_t count = 0, first, last;

    for (int i = 0; i < partitions; i++) {
        assert_int_equal(
            rd_kafka_query_watermark_offsets(asking.client, kafka_topic, i,
                                             &first, &last, ANSWER_MS),
            RD_KAFKA_RESP_ERR_NO_ERROR);
        count += last - first;
    }
    end(&asking);
    return count;
}

/* --- Rights ------------------------------------------------------------- */

/* Each as one for CreateAcls, and as a filter for DeleteAcls. */
static size_t rights(const char *what, rd_kafka_AclBinding_t *acls[])
{
    static const rd_kafka_AclOperation_t operations[OPERATIONS_MAX] = {
        RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_WRITE,
        RD_KAFKA_ACL_OPERATION_DESCRIBE};
    bool of_topic = strcmp(what, "topic") == 0;
    size_t count = of_topic ? OPERATIONS_MAX : 1;

    for (size_t i = 0; i < count; i++) {
        acls[i] = rd_kafka_AclBinding_new(
            of_topic ? RD_KAFKA_RESOURCE_TOPIC : RD_KAFKA_RESOURCE_GROUP,
            kafka_topic, RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:limited", "*",
            operations[i], RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, NULL, 0);
        assert_non_null(acls[i]);
    }
    return count;
}

void kafka_give(const char *what)
{
    rd_kafka_AclBinding_t *acls[OPERATIONS_MAX];
    size_t count = rights(what, acls), done;
    struct asking asking = ask();

    rd_kafka_CreateAcls(asking.client, acls, count, NULL, asking.queue);
    await(&asking);
    const rd_kafka_acl_result_t **results = rd_kafka_CreateAcls_result_acls(
        rd_kafka_event_CreateAcls_result(asking.answer), &done);
    assert_int_equal(done, count);
    for (size_t i = 0; i < count; i++)
        must_be_done(rd_kafka_acl_result_error(results[i]));
    rd_kafka_AclBinding_destroy_array(acls, count);
    end(&asking);
}

void kafka_take(const char *what)
{
    rd_kafka_AclBinding_t *acls[OPERATIONS_MAX];
    size_t count = rights(what, acls), done, found;
    struct asking asking = ask();

    rd_kafka_DeleteAcls(asking.client, acls, count, NULL, asking.queue);
    await(&asking);
    const rd_kafka_DeleteAcls_result_response_t **results =
        rd_kafka_DeleteAcls_result_responses(
            rd_kafka_event_DeleteAcls_result(asking.answer), &done);
    assert_int_equal(done, count);
    for (size_t i = 0; i < count; i++) {
        must_be_done(rd_kafka_DeleteAcls_result_response_error(results[i]));
        (void)rd_kafka_DeleteAcls_result_response_matching_acls(results[i],
                                                                &found);
        assert_int_equal(found, 1);
    }
    rd_kafka_AclBinding_destroy_array(acls, count);
    end(&asking);
}

/* --- Users -------------------------------------------------------------- */

void kafka_set_password(const char *user, const char *password)
{
    rd_kafka_UserScramCredentialAlteration_t *change =
        password == NULL
            ? rd_kafka_UserScramCredentialDeletion_new(
                  user, RD_KAFKA_SCRAM_MECHANISM_SHA_512)
            : rd_kafka_UserScramCredentialUpsertion_new(
                  user, RD_KAFKA_SCRAM_MECHANISM_SHA_512, SCRAM_ITERATIONS,
                  (const unsigned char *)password, strlen(password), NULL, 0);
    struct asking asking = ask();
    size_t count;

    rd_kafka_AlterUserScramCredentials(asking.client, &change, 1, NULL,
                                       asking.queue);
    await(&asking);
    const rd_kafka_AlterUserScramCredentials_result_response_t **results =
        rd_kafka_AlterUserScramCredentials_result_responses(
            rd_kafka_event_AlterUserScramCredentials_result(asking.answer),
            &count);
    assert_int_equal(count, 1);
    must_be_done(
        rd_kafka_AlterUserScramCredentials_result_response_error(results[0]));
    rd_kafka_UserScramCredentialAlteration_destroy(change);
    end(&asking);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that a topic was recreated.  Kafka gives every topic an id (KIP-516).
 * A recreated topic starts with offset 0 again, and a position in the old
 * topic is not valid in the new one, but looks as if it were.
 *
 * The id is queried while a consumer lives and stored in the metadata of each
 * committed position, so that the next consumer can compare it.  With brokers
 * that have no ids only a position beyond the end reveals a recreated topic.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

enum {
    QUERY_INTERVAL_MS = 1000, /* between two queries */
    ANSWER_MS = 5000,         /* after which a query is given up */
};

#define ID_LABEL "topic-id="

static bool is_zero(const rd_kafka_Uuid_t *id)
{
    return rd_kafka_Uuid_most_significant_bits(id) == 0 &&
           rd_kafka_Uuid_least_significant_bits(id) == 0;
}

/* --- Metadata of positions ---------------------------------------------- */

void sl_pubsub_kafka_topic_id_tag(
    const struct sl_pubsub_kafka_consumer *consumer,
    rd_kafka_topic_partition_t *position)
{
    if (consumer->topic_id[0] == '\0')
        return;
    char *text = sl_asprintf("%s%s", ID_LABEL, consumer->topic_id);
    free(position->metadata);
    position->metadata = text; /* librdkafka frees it */
    position->metadata_size = strlen(text);
}

bool sl_pubsub_kafka_topic_id_differs(
    const struct sl_pubsub_kafka_consumer *consumer,
    const rd_kafka_topic_partition_t *position)
{
    const size_t label = strlen(ID_LABEL);
    const char *text = position->metadata;

    if (consumer->topic_id[0] == '\0' || text == NULL ||
        position->metadata_size <= label || memcmp(text, ID_LABEL, label) != 0)
        return false;
    return !sl_bytes_equal(
        SL_BYTES(text + label, position->metadata_size - label),
        sl_bytes_of(consumer->topic_id));
}

/* --- Queries ------------------------------------------------------------ */

static void query_topic_id(struct sl_pubsub_kafka_consumer *consumer)
{
    const char *names[] = {consumer->kafka_topic};
    rd_kafka_TopicCollection_t *topics =
        rd_kafka_TopicCollection_of_topic_names(names, 1);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
        consumer->client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);

    consumer->asked = sl_now_ns();
    consumer->answers = rd_kafka_queue_new(consumer->client);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, NULL, 0);
    rd_kafka_DescribeTopics(consumer->client, topics, options,
                            consumer->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_TopicCollection_destroy(topics);
}

/* *changed: the topic was recreated. */
static void note_id(struct sl_pubsub_kafka_consumer *consumer,
                    const rd_kafka_Uuid_t *id, bool *changed)
{
    const char *text = is_zero(id) ? "" : rd_kafka_Uuid_base64str(id);

    if (text == NULL || text[0] == '\0' ||
        strlen(text) >= sizeof(consumer->topic_id))
        return;
    *changed =
        consumer->topic_id[0] != '\0' && strcmp(consumer->topic_id, text) != 0;
    snprintf(consumer->topic_id, sizeof(consumer->topic_id), "%s", text);
}

static void note_description(struct sl_pubsub_kafka_consumer *consumer,
                             rd_kafka_event_t *event, bool *changed)
{
    const rd_kafka_DescribeTopics_result_t *result =
        rd_kafka_event_DescribeTopics_result(event);
    size_t count = 0;

    if (result == NULL ||
        rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const rd_kafka_TopicDescription_t **topics =
        rd_kafka_DescribeTopics_result_topics(result, &count);
    if (count != 1)
        return;
    const rd_kafka_error_t *error = rd_kafka_TopicDescription_error(topics[0]);
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (consumer->is_gone)
            sl_pubsub_kafka_failure_clear(&consumer->failure);
        consumer->is_gone = false;
        note_id(consumer, rd_kafka_TopicDescription_topic_id(topics[0]),
                changed);
    } else if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        consumer->is_gone = true;
        sl_pubsub_kafka_failure_set(&consumer->failure, code,
                                    "the topic was deleted");
    }
}

/* Whether an answer arrived within this time. */
static bool await_answer(struct sl_pubsub_kafka_consumer *consumer,
                         int timeout_ms, bool *changed)
{
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(consumer->answers, timeout_ms);

    *changed = false;
    if (event == NULL)
        return false;
    note_description(consumer, event, changed);
    rd_kafka_event_destroy(event);
    sl_pubsub_kafka_topic_id_close(consumer);
    return true;
}

void sl_pubsub_kafka_topic_id_close(struct sl_pubsub_kafka_consumer *consumer)
{
    if (consumer->answers != NULL)
        rd_kafka_queue_destroy(consumer->answers);
    consumer->answers = NULL;
}

bool sl_pubsub_kafka_topic_id_query(struct sl_pubsub_kafka_consumer *consumer,
                                    int timeout_ms)
{
    bool changed;

    sl_pubsub_kafka_topic_id_close(consumer); /* its answer may be outdated */
    query_topic_id(consumer);
    (void)await_answer(consumer, timeout_ms, &changed);
    return changed;
}

bool sl_pubsub_kafka_topic_id_poll(struct sl_pubsub_kafka_consumer *consumer)
{
    bool changed = false;
    int64_t since = sl_now_ns() - consumer->asked;

    if (consumer->answers != NULL && !await_answer(consumer, 0, &changed) &&
        since > INT64_C(2000000) * ANSWER_MS)
        sl_pubsub_kafka_topic_id_close(consumer);
    else if (consumer->answers == NULL && !changed &&
             since > INT64_C(1000000) * QUERY_INTERVAL_MS)
        query_topic_id(consumer);
    return changed;
}

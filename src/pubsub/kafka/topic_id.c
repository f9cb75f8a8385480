/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which topic it is that has the name: Kafka gives each an id of its own
 * (KIP-516).  One that was deleted and made anew begins with offset 0 again; of
 * a position in the old one nothing tells that it means nothing in the new one.
 *
 * The brokers are asked for the id while a consumer lives, and each position
 * that is committed has it beside it, so that whoever goes on there knows.
 * Brokers that give no ids tell of it only where a position is beyond the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

enum {
    LOOK_MS = 1000,   /* between two questions */
    ANSWER_MS = 5000, /* behind which one is given up */
};

#define ID_LABEL "topic-id="

static bool is_zero(const rd_kafka_Uuid_t *id)
{
    return rd_kafka_Uuid_most_significant_bits(id) == 0 &&
           rd_kafka_Uuid_least_significant_bits(id) == 0;
}

/* --- Beside positions --------------------------------------------------- */

void sl_kafka_topic_id_sign(const struct sl_kafka_consumer *consumer,
                            rd_kafka_topic_partition_t *position)
{
    if (consumer->topic_id[0] == '\0')
        return;
    char *text = sl_asprintf("%s%s", ID_LABEL, consumer->topic_id);
    free(position->metadata);
    position->metadata = text; /* librdkafka frees it */
    position->metadata_size = strlen(text);
}

bool sl_kafka_topic_id_is_other(const struct sl_kafka_consumer *consumer,
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

/* --- Asking ------------------------------------------------------------- */

static void ask(struct sl_kafka_consumer *consumer)
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

/* *changed: it is another topic than before. */
static void note_id(struct sl_kafka_consumer *consumer,
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

static void note_answer(struct sl_kafka_consumer *consumer,
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
            sl_kafka_trouble_over(&consumer->trouble);
        consumer->is_gone = false;
        note_id(consumer, rd_kafka_TopicDescription_topic_id(topics[0]),
                changed);
    } else if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        consumer->is_gone = true;
        sl_kafka_trouble_note(&consumer->trouble, code,
                              "the topic was deleted");
    }
}

/* Whether an answer came, within this time. */
static bool await(struct sl_kafka_consumer *consumer, int timeout_ms,
                  bool *changed)
{
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(consumer->answers, timeout_ms);

    *changed = false;
    if (event == NULL)
        return false;
    note_answer(consumer, event, changed);
    rd_kafka_event_destroy(event);
    sl_kafka_topic_id_done(consumer);
    return true;
}

void sl_kafka_topic_id_done(struct sl_kafka_consumer *consumer)
{
    if (consumer->answers != NULL)
        rd_kafka_queue_destroy(consumer->answers);
    consumer->answers = NULL;
}

bool sl_kafka_topic_id_look(struct sl_kafka_consumer *consumer, int timeout_ms)
{
    bool changed;

    sl_kafka_topic_id_done(consumer); /* which may be older than the question */
    ask(consumer);
    (void)await(consumer, timeout_ms, &changed);
    return changed;
}

bool sl_kafka_topic_id_watch(struct sl_kafka_consumer *consumer)
{
    bool changed = false;
    int64_t since = sl_now_ns() - consumer->asked;

    if (consumer->answers != NULL && !await(consumer, 0, &changed) &&
        since > INT64_C(2000000) * ANSWER_MS)
        sl_kafka_topic_id_done(consumer);
    else if (consumer->answers == NULL && !changed &&
             since > INT64_C(1000000) * LOOK_MS)
        ask(consumer);
    return changed;
}

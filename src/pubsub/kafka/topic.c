/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of a producer; missing ones are created if the settings allow
 * it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "pubsub/kafka/producer.h"

enum { PAUSE_MS = 20, LEADERS_MS = 2000 };

static struct sl_pubsub_kafka_topic *
find_kafka_topic(struct sl_pubsub_kafka_producer *producer,
                 struct sl_bytes name)
{
    struct sl_pubsub_kafka_topic *topic = producer->topics;

    while (topic != NULL && !sl_bytes_equal(sl_bytes_of(topic->name), name))
        topic = topic->next;
    return topic;
}

struct sl_pubsub_kafka_topic *
sl_pubsub_kafka_topic_get(struct sl_pubsub_kafka_store *store,
                          struct sl_pubsub_kafka_producer *producer,
                          struct sl_bytes name)
{
    pthread_mutex_lock(&store->lock);
    struct sl_pubsub_kafka_topic *topic = find_kafka_topic(producer, name);
    if (topic == NULL) {
        topic = sl_alloc(sizeof(*topic));
        topic->name = sl_strndup(name.ptr, name.len);
        topic->kafka_name =
            sl_asprintf("%s%s", store->options->prefix, topic->name);
        topic->handle =
            rd_kafka_topic_new(producer->client, topic->kafka_name, NULL);
        topic->next = producer->topics;
        producer->topics = topic;
        producer->topic_count++;
    }
    pthread_mutex_unlock(&store->lock);
    return topic;
}

void sl_pubsub_kafka_topics_free(struct sl_pubsub_kafka_topic *topics)
{
    for (struct sl_pubsub_kafka_topic *topic = topics, *next; topic != NULL;
         topic = next) {
        next = topic->next;
        if (topic->handle != NULL)
            rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic->kafka_name);
        free(topic);
    }
}

int sl_pubsub_kafka_topic_partitions(struct sl_pubsub_kafka_store *store,
                                     const struct sl_pubsub_kafka_topic *topic)
{
    pthread_mutex_lock(&store->lock);
    int partitions = topic->partitions;
    pthread_mutex_unlock(&store->lock);
    return partitions;
}

void sl_pubsub_kafka_topic_set_partitions(struct sl_pubsub_kafka_store *store,
                                          struct sl_pubsub_kafka_topic *topic,
                                          int partitions)
{
    pthread_mutex_lock(&store->lock);
    topic->partitions = partitions;
    pthread_mutex_unlock(&store->lock);
}

/* Wait for the result of a CreateTopics of one topic. */
static rd_kafka_resp_err_t await_created(rd_kafka_queue_t *queue,
                                         int timeout_ms)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    const rd_kafka_CreateTopics_result_t *result =
        event != NULL ? rd_kafka_event_CreateTopics_result(event) : NULL;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    size_t count = 0;

    if (result != NULL) {
        const rd_kafka_topic_result_t **topics =
            rd_kafka_CreateTopics_result_topics(result, &count);
        code = rd_kafka_event_error(event);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && count == 1)
            code = rd_kafka_topic_result_error(topics[0]);
        if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            code = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return code;
}

static rd_kafka_resp_err_t
create_topic(struct sl_pubsub_kafka_producer *producer, const char *name,
             int timeout_ms)
{
    const struct sl_pubsub_kafka_options *options = producer->store->options;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer->client);
    rd_kafka_AdminOptions_t *admin = rd_kafka_AdminOptions_new(
        producer->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        name, options->partitions > 0 ? (int)options->partitions : -1,
        options->replication > 0 ? (int)options->replication : -1, NULL, 0);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;

    if (topic != NULL) {
        rd_kafka_AdminOptions_set_request_timeout(admin, timeout_ms, NULL, 0);
        rd_kafka_AdminOptions_set_operation_timeout(admin, timeout_ms, NULL, 0);
        rd_kafka_CreateTopics(producer->client, &topic, 1, admin, queue);
        code = await_created(queue, timeout_ms);
        rd_kafka_NewTopic_destroy(topic);
    }
    rd_kafka_AdminOptions_destroy(admin);
    rd_kafka_queue_destroy(queue);
    return code;
}

/* Counts the topics at the brokers that have the resource's prefix. */
static int64_t count_topics(const struct sl_pubsub_kafka_options *options,
                            const struct rd_kafka_metadata *metadata)
{
    size_t len = strlen(options->prefix);
    int64_t count = 0;

    for (int i = 0; i < metadata->topic_cnt; i++) {
        const char *name = metadata->topics[i].topic;
        count += strncmp(name, "__", 2) != 0 &&
                 strncmp(name, options->prefix, len) == 0;
    }
    return count;
}

/*
 * Guests choose the names of topics; without a limit they could fill the
 * brokers.  Concurrent calls may exceed the limit by one each.
 */
static enum sl_status
check_topic_limit(struct sl_pubsub_kafka_store *store,
                  struct sl_pubsub_kafka_producer *producer, const char *name,
                  int timeout_ms, struct sl_error *err)
{
    const struct sl_pubsub_kafka_options *options = store->options;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(producer->client, 1, NULL, &metadata, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return sl_pubsub_kafka_fail_with(store, &producer->failure, name, code,
                                         err);
    int64_t count = count_topics(options, metadata);
    rd_kafka_metadata_destroy(metadata);
    if (count < options->max_topics)
        return SL_OK;
    return sl_fail(err, SL_RESOURCE_EXHAUSTED,
                   "%s: there are %lld topics that begin with \"%s\" already, "
                   "and max-topics is %lld; create the topic, or set "
                   "max-topics in the manifest",
                   name, (long long)count, options->prefix,
                   (long long)options->max_topics);
}

static bool is_partition_missing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/*
 * Whether the leaders of these partitions have them, as far as they answer.  A
 * broker announces a new partition a moment before it has it: it may refuse a
 * first request and accept the second, from which librdkafka concludes that the
 * first was accepted as well, and reports lost events as published
 * (KAFKA-15591).
 */
static bool leaders_have(struct sl_pubsub_kafka_producer *producer,
                         rd_kafka_topic_partition_list_t *partitions,
                         int timeout_ms)
{
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    if (is_partition_missing(rd_kafka_offsets_for_times(
            producer->client, partitions, timeout_ms)))
        return false;
    for (int i = 0; i < partitions->cnt; i++)
        if (is_partition_missing(partitions->elems[i].err))
            return false;
    return true;
}

/* Query the brokers; `led`: the partitions that have a leader. */
static rd_kafka_resp_err_t
query_topic(struct sl_pubsub_kafka_producer *producer,
            const struct sl_pubsub_kafka_topic *topic, int timeout_ms,
            int *partitions, rd_kafka_topic_partition_list_t *led)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(
        producer->client, 0, topic->handle, &metadata, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    sl_pubsub_kafka_failure_clear(&producer->failure);
    if (metadata->topic_cnt == 1) {
        code = metadata->topics[0].err;
        *partitions = metadata->topics[0].partition_cnt;
        for (int i = 0; i < *partitions; i++)
            if (metadata->topics[0].partitions[i].leader >= 0)
                rd_kafka_topic_partition_list_add(
                    led, topic->kafka_name,
                    metadata->topics[0].partitions[i].id);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && *partitions == 0)
        code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return code;
}

/* Whether the topic exists and can be published to. */
static rd_kafka_resp_err_t
check_topic(struct sl_pubsub_kafka_producer *producer,
            const struct sl_pubsub_kafka_topic *topic, sl_deadline deadline,
            int *partitions)
{
    rd_kafka_topic_partition_list_t *led = rd_kafka_topic_partition_list_new(8);
    rd_kafka_resp_err_t code =
        query_topic(producer, topic,
                    sl_pubsub_kafka_wait_ms(deadline, SL_PUBSUB_KAFKA_POLL_MS),
                    partitions, led);

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && led->cnt > 0 &&
        !leaders_have(producer, led,
                      sl_pubsub_kafka_wait_ms(deadline, LEADERS_MS)))
        code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    rd_kafka_topic_partition_list_destroy(led);
    return code;
}

static void pause_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000L};

    nanosleep(&pause, NULL);
}

enum sl_status
sl_pubsub_kafka_topic_find(struct sl_pubsub_kafka_store *store,
                           struct sl_pubsub_kafka_producer *producer,
                           struct sl_pubsub_kafka_topic *topic,
                           sl_deadline deadline, int *partitions,
                           struct sl_error *err)
{
    int64_t start = sl_now_ns();
    bool asked = false;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;

    if (strlen(topic->kafka_name) > SL_PUBSUB_NAME_MAX || topic->handle == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT,
                       "a topic whose name is longer, with the manifest's "
                       "prefix, than the %d bytes that Kafka allows",
                       SL_PUBSUB_NAME_MAX);
    while (!sl_deadline_passed(deadline)) {
        code = check_topic(producer, topic, deadline, partitions);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            sl_pubsub_kafka_topic_set_partitions(store, topic, *partitions);
            return SL_OK;
        }
        if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !asked) {
            if (!store->options->create_topics)
                break;
            enum sl_status room =
                check_topic_limit(store, producer, topic->name,
                                  sl_deadline_left_ms(deadline), err);
            if (room != SL_OK)
                return room;
            code = create_topic(producer, topic->kafka_name,
                                sl_deadline_left_ms(deadline));
            asked = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        enum sl_status status = sl_pubsub_kafka_status(code);
        if ((status != SL_OK && status != SL_UNAVAILABLE &&
             status != SL_TIMEOUT && !asked) ||
            sl_pubsub_kafka_failure_is_final(&producer->failure, start))
            break;
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT)
            pause_ms(PAUSE_MS);
    }
    return sl_pubsub_kafka_fail_with(store, &producer->failure, topic->name,
                                     code, err);
}

enum sl_status sl_pubsub_kafka_ensure_topic(struct sl_pubsub_kafka_store *store,
                                            struct sl_op *op, int *partitions,
                                            struct sl_error *err)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_pubsub_kafka_producer *producer = NULL;
    enum sl_status status = sl_pubsub_kafka_producer_get(
        store, sl_pubsub_config_of(op), &producer, err);

    if (status != SL_OK)
        return status;
    status = sl_pubsub_kafka_topic_find(
        store, producer,
        sl_pubsub_kafka_topic_get(store, producer, request->topic),
        op->deadline, partitions, err);
    sl_pubsub_kafka_producer_unref(store, producer);
    return status;
}

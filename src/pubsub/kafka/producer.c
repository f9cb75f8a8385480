/* SPDX-License-Identifier: Apache-2.0 */
/* The producer of a store: created on demand, and replaced after a fatal
 * error. */
#include "pubsub/kafka/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { OVERHEAD = 1 << 18 }; /* of an event: key, attributes, headers */

/* On librdkafka's background thread. */
static void on_producer_event(rd_kafka_t *client, rd_kafka_event_t *event,
                              void *context)
{
    struct sl_pubsub_kafka_producer *producer = context;
    const rd_kafka_message_t *message;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);

    (void)client;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            sl_pubsub_kafka_on_delivery_report(producer, message);
        break;
    case RD_KAFKA_EVENT_ERROR:
        if (rd_kafka_event_error_is_fatal(event))
            atomic_store(&producer->dead, true);
        sl_pubsub_kafka_failure_set(&producer->failure, code,
                                    rd_kafka_event_error_string(event));
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

static enum sl_status
configure_producer(rd_kafka_conf_t *conf,
                   const struct sl_pubsub_kafka_options *options,
                   const struct sl_pubsub_config *config, struct sl_error *err)
{
    /* librdkafka checks this once a second, so it gives up before the caller
     * does. */
    int64_t timeout = config->service.timeout_ms;
    int64_t patience = timeout > 2000 ? timeout - 1000 : timeout / 2 + 1;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"message.timeout.ms", patience},
        {"request.timeout.ms", patience},
        {"queue.buffering.max.ms", 0},
        {"message.max.bytes", config->max_payload + OVERHEAD},
        {"queue.buffering.max.messages", 100000},
        {"queue.buffering.max.kbytes", 1 << 20},
        {"topic.metadata.propagation.max.ms", 1000},
    };
    enum sl_status status =
        sl_pubsub_kafka_conf_set(conf, "enable.idempotence", "true", err);

    if (status == SL_OK)
        status = sl_pubsub_kafka_conf_set(conf, "acks", "all", err);
    if (status == SL_OK)
        status = sl_pubsub_kafka_conf_set(conf, "compression.codec",
                                          options->compression, err);
    if (status == SL_OK)
        status = sl_pubsub_kafka_conf_set(
            conf, "partitioner",
            strcmp(options->partitioner, "murmur2") == 0 ? "murmur2_random"
                                                         : "consistent_random",
            err);
    for (size_t i = 0;
         status == SL_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        status = sl_pubsub_kafka_conf_number(conf, numbers[i].name,
                                             numbers[i].value, err);
    return status;
}

static void producer_free(struct sl_pubsub_kafka_producer *producer)
{
    sl_pubsub_kafka_topics_free(producer->topics);
    if (producer->client != NULL) {
        /* The caller has given up on these events. */
        rd_kafka_purge(producer->client,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(producer->client, 1000);
        rd_kafka_destroy(producer->client);
    }
    pthread_mutex_destroy(&producer->failure.lock);
    free(producer);
}

static enum sl_status producer_new(const struct sl_pubsub_kafka_store *store,
                                   const struct sl_pubsub_config *config,
                                   struct sl_pubsub_kafka_producer **out,
                                   struct sl_error *err)
{
    struct sl_pubsub_kafka_producer *producer = sl_alloc(sizeof(*producer));
    rd_kafka_conf_t *conf = NULL;
    enum sl_status status =
        sl_pubsub_kafka_conf_new(store->options, &conf, err);

    producer->store = store;
    producer->users = 1;
    sl_pubsub_kafka_failure_init(&producer->failure);
    if (status == SL_OK) {
        rd_kafka_conf_set_opaque(conf, producer);
        rd_kafka_conf_set_events(conf,
                                 RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
        rd_kafka_conf_set_background_event_cb(conf, on_producer_event);
        status = configure_producer(conf, store->options, config, err);
        if (status == SL_OK)
            status = sl_pubsub_kafka_client_new(RD_KAFKA_PRODUCER, conf,
                                                &producer->client, err);
        else
            rd_kafka_conf_destroy(conf);
    }
    if (status != SL_OK) {
        producer_free(producer);
        return status;
    }
    rd_kafka_queue_t *main = rd_kafka_queue_get_main(producer->client);
    rd_kafka_queue_t *background =
        rd_kafka_queue_get_background(producer->client);
    rd_kafka_queue_forward(main, background);
    rd_kafka_queue_destroy(main);
    rd_kafka_queue_destroy(background);
    *out = producer;
    return SL_OK;
}

void sl_pubsub_kafka_producer_unref(struct sl_pubsub_kafka_store *store,
                                    struct sl_pubsub_kafka_producer *producer)
{
    pthread_mutex_lock(&store->lock);
    bool last = --producer->users == 0;
    pthread_mutex_unlock(&store->lock);
    if (last)
        producer_free(producer);
}

enum sl_status sl_pubsub_kafka_producer_get(
    struct sl_pubsub_kafka_store *store, const struct sl_pubsub_config *config,
    struct sl_pubsub_kafka_producer **out, struct sl_error *err)
{
    struct sl_pubsub_kafka_producer *over = NULL;
    enum sl_status status = SL_OK;

    pthread_mutex_lock(&store->lock);
    if (store->producer != NULL &&
        (atomic_load(&store->producer->dead) ||
         store->producer->topic_count >= SL_PUBSUB_KAFKA_NAMES_MAX)) {
        over = store->producer;
        store->producer = NULL;
    }
    if (store->producer == NULL)
        status = producer_new(store, config, &store->producer, err);
    if (status == SL_OK) {
        store->producer->users++;
        *out = store->producer;
    }
    pthread_mutex_unlock(&store->lock);
    if (over != NULL)
        sl_pubsub_kafka_producer_unref(store, over);
    return status;
}

void sl_pubsub_kafka_producer_free(struct sl_pubsub_kafka_store *store)
{
    if (store->producer != NULL)
        sl_pubsub_kafka_producer_unref(store, store->producer);
    store->producer = NULL;
}

enum sl_status
sl_pubsub_kafka_check_brokers(struct sl_pubsub_kafka_store *store,
                              sl_deadline deadline, struct sl_error *err)
{
    static const struct sl_pubsub_config config = {
        .service = {.timeout_ms = 5000}, .max_payload = 16 << 20};
    const struct rd_kafka_metadata *metadata;
    struct sl_pubsub_kafka_producer *producer = NULL;
    int64_t start = sl_now_ns();
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    enum sl_status status = SL_TIMEOUT;

    /* A producer of its own: the settings of the store's one are unknown before
     * the first call. */
    status = producer_new(store, &config, &producer, err);
    if (status != SL_OK)
        return status;
    while (!sl_deadline_passed(deadline) &&
           !sl_pubsub_kafka_failure_is_final(&producer->failure, start)) {
        code = rd_kafka_metadata(
            producer->client, 0, NULL, &metadata,
            sl_pubsub_kafka_wait_ms(deadline, SL_PUBSUB_KAFKA_POLL_MS));
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        rd_kafka_metadata_destroy(metadata);
        break;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = sl_pubsub_kafka_fail_with(store, &producer->failure,
                                           "no broker answers", code, err);
    producer_free(producer);
    return status;
}

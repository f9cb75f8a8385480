/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumers of a store.  All members of a group and topic in this process
 * share one consumer of librdkafka, which is the member that Kafka knows: it is
 * started for the first member and closed after the last.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka/internal.h"

/* --- Starting ----------------------------------------------------------- */

static int64_t clamp_number(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static enum sl_status
configure_consumer(rd_kafka_conf_t *conf,
                   const struct sl_pubsub_kafka_consumer *consumer,
                   struct sl_error *err)
{
    const struct sl_pubsub_kafka_options *options = consumer->store->options;
    int64_t kib = (int64_t)consumer->prefetch / 1024;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"session.timeout.ms", consumer->lease_ms},
        {"heartbeat.interval.ms",
         clamp_number(consumer->lease_ms / 10, 50, 3000)},
        {"max.poll.interval.ms",
         clamp_number(consumer->lease_ms * 3, 60000, 86400000)},
        {"auto.commit.interval.ms",
         options->commit_interval_ms > 0 ? options->commit_interval_ms : 5000},
        {"queued.max.messages.kbytes", clamp_number(kib, 64, 2097151)},
        {"fetch.message.max.bytes",
         clamp_number(kib * 1024, 65536, 1000000000)},
        {"fetch.wait.max.ms", 500},
        {"fetch.error.backoff.ms", 100},
        /* After a queue was full. librdkafka's default of a second leaves the
         * queue empty for most of it. */
        {"fetch.queue.backoff.ms", 5},
        /* How soon added partitions and recreated topics are noticed. */
        {"topic.metadata.refresh.interval.ms", 5000},
    };
    const char *const texts[][2] = {
        {"group.id", consumer->kafka_group},
        {"enable.auto.commit", "true"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"}, /* position.c handles it */
        {"partition.assignment.strategy", "cooperative-sticky"},
    };
    enum sl_status status = SL_OK;

    for (size_t i = 0; status == SL_OK && i < sizeof(texts) / sizeof(texts[0]);
         i++)
        status = sl_pubsub_kafka_conf_set(conf, texts[i][0], texts[i][1], err);
    for (size_t i = 0;
         status == SL_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        status = sl_pubsub_kafka_conf_number(conf, numbers[i].name,
                                             numbers[i].value, err);
    return status;
}

void sl_pubsub_kafka_on_event(rd_kafka_t *client, void *context)
{
    const struct sl_pubsub_kafka_store *store = context;

    (void)client;
    if (store->changed != NULL)
        store->changed(store->context);
}

static enum sl_status
subscribe_to_topic(struct sl_pubsub_kafka_consumer *consumer,
                   struct sl_error *err)
{
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new(1);

    rd_kafka_poll_set_consumer(consumer->client);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->client);
    rd_kafka_queue_cb_event_enable(consumer->queue, sl_pubsub_kafka_on_event,
                                   consumer->store);
    rd_kafka_topic_partition_list_add(topics, consumer->kafka_topic,
                                      RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? SL_OK
               : sl_pubsub_kafka_fail(consumer->store, consumer->kafka_topic,
                                      code, err);
}

enum sl_status
sl_pubsub_kafka_consumer_start(struct sl_pubsub_kafka_consumer *consumer,
                               const struct sl_pubsub_config *config,
                               struct sl_error *err)
{
    const struct sl_pubsub_kafka_options *options = consumer->store->options;
    rd_kafka_conf_t *conf = NULL;

    consumer->lease_ms = config->lease_ms;
    consumer->prefetch =
        (size_t)(options->prefetch / (consumer->partition_count + 1));
    if (consumer->prefetch < (size_t)1 << 18)
        consumer->prefetch = (size_t)1 << 18;
    enum sl_status status = sl_pubsub_kafka_conf_new(options, &conf, err);
    if (status != SL_OK)
        return status;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE |
                                       RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_OFFSET_COMMIT);
    status = configure_consumer(conf, consumer, err);
    if (status != SL_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    status = sl_pubsub_kafka_client_new(RD_KAFKA_CONSUMER, conf,
                                        &consumer->client, err);
    return status == SL_OK ? subscribe_to_topic(consumer, err) : status;
}

/* --- Finding ------------------------------------------------------------ */

static struct sl_pubsub_kafka_consumer *
consumer_new(struct sl_pubsub_kafka_store *store, struct sl_bytes topic,
             struct sl_bytes group)
{
    struct sl_pubsub_kafka_consumer *consumer = sl_alloc(sizeof(*consumer));

    consumer->store = store;
    consumer->topic = sl_strndup(topic.ptr, topic.len);
    consumer->group = sl_strndup(group.ptr, group.len);
    consumer->kafka_topic =
        sl_asprintf("%s%s", store->options->prefix, consumer->topic);
    consumer->kafka_group =
        sl_asprintf("%s%s", store->options->prefix, consumer->group);
    consumer->in_flight = sl_pubsub_kafka_in_flight_new();
    pthread_mutex_init(&consumer->lock, NULL);
    sl_pubsub_kafka_failure_init(&consumer->failure);
    consumer->next = store->consumers;
    store->consumers = consumer;
    return consumer;
}

static void consumer_free(struct sl_pubsub_kafka_consumer *consumer)
{
    if (consumer->client != NULL) {
        sl_pubsub_kafka_consumer_leave(consumer);
        rd_kafka_destroy_flags(consumer->client,
                               RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    sl_pubsub_kafka_in_flight_free(consumer->in_flight);
    sl_pubsub_kafka_members_free(consumer);
    pthread_mutex_destroy(&consumer->failure.lock);
    pthread_mutex_destroy(&consumer->lock);
    free(consumer->topic);
    free(consumer->group);
    free(consumer->kafka_topic);
    free(consumer->kafka_group);
    free(consumer);
}

struct sl_pubsub_kafka_consumer *
sl_pubsub_kafka_consumer_acquire(struct sl_pubsub_kafka_store *store,
                                 const struct sl_pubsub_request *request,
                                 bool make)
{
    pthread_mutex_lock(&store->lock);
    struct sl_pubsub_kafka_consumer *consumer = store->consumers;
    while (consumer != NULL &&
           (!sl_bytes_equal(sl_bytes_of(consumer->topic), request->topic) ||
            !sl_bytes_equal(sl_bytes_of(consumer->group), request->group)))
        consumer = consumer->next;
    if (consumer == NULL && make)
        consumer = consumer_new(store, request->topic, request->group);
    if (consumer != NULL)
        consumer->users++;
    pthread_mutex_unlock(&store->lock);
    return consumer;
}

/* The store's lock is held. */
static void unlink_consumer(struct sl_pubsub_kafka_consumer *consumer)
{
    struct sl_pubsub_kafka_consumer **link = &consumer->store->consumers;

    while (*link != NULL && *link != consumer)
        link = &(*link)->next;
    if (*link != NULL)
        *link = consumer->next;
    consumer->closed = true;
}

void sl_pubsub_kafka_consumer_release(struct sl_pubsub_kafka_consumer *consumer,
                                      bool close)
{
    struct sl_pubsub_kafka_store *store = consumer->store;

    pthread_mutex_lock(&store->lock);
    consumer->users--;
    if (close && consumer->users == 0) {
        pthread_mutex_lock(&consumer->lock); /* there is no other user */
        if (consumer->members == NULL)
            unlink_consumer(consumer);
        pthread_mutex_unlock(&consumer->lock);
    }
    bool over = consumer->closed && consumer->users == 0;
    pthread_mutex_unlock(&store->lock);
    if (over)
        consumer_free(consumer);
}

/* --- In the background -------------------------------------------------- */

/* The consumer at index `number`, for the caller to release. */
static struct sl_pubsub_kafka_consumer *
acquire_nth(struct sl_pubsub_kafka_store *store, size_t number)
{
    pthread_mutex_lock(&store->lock);
    struct sl_pubsub_kafka_consumer *consumer = store->consumers;
    while (consumer != NULL && number-- > 0)
        consumer = consumer->next;
    if (consumer != NULL)
        consumer->users++;
    pthread_mutex_unlock(&store->lock);
    return consumer;
}

void sl_pubsub_kafka_consumers_idle(struct sl_pubsub_kafka_store *store)
{
    struct sl_pubsub_kafka_consumer *consumer;

    for (size_t i = 0; (consumer = acquire_nth(store, i)) != NULL; i++) {
        bool unused = false;
        pthread_mutex_lock(&consumer->lock);
        if (consumer->client != NULL) {
            sl_pubsub_kafka_consumer_serve(consumer);
            sl_pubsub_kafka_members_expire(consumer, NULL);
            unused = consumer->members == NULL &&
                     sl_deadline_passed(consumer->unused_until);
        }
        pthread_mutex_unlock(&consumer->lock);
        sl_pubsub_kafka_consumer_release(consumer, unused);
    }
}

void sl_pubsub_kafka_consumers_free(struct sl_pubsub_kafka_store *store)
{
    while (store->consumers != NULL) {
        struct sl_pubsub_kafka_consumer *consumer = store->consumers;
        store->consumers = consumer->next;
        consumer_free(consumer);
    }
}

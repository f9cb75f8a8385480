/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.kafka: topics of Apache Kafka, by librdkafka.
 *
 * A connection is only the store: librdkafka connects and reconnects.  So
 * requests that need no broker work without one, and an acknowledgement is
 * recorded even if it cannot be committed at once.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "net/peer.h"
#include "pubsub/kafka/internal.h"

static enum sl_status kafka_store_new(const void *options, void **out,
                                      struct sl_error *err)
{
    enum sl_status status = sl_pubsub_kafka_check_options(options, err);
    rd_kafka_conf_t *conf = NULL;

    if (status == SL_OK)
        status = sl_pubsub_kafka_conf_new(options, &conf, err);
    if (status != SL_OK)
        return status;
    rd_kafka_conf_destroy(conf);
    struct sl_pubsub_kafka_store *store = sl_alloc(sizeof(*store));
    store->options = options;
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return SL_OK;
}

static void kafka_watch(void *pointer, void (*changed)(void *context),
                        void *context)
{
    struct sl_pubsub_kafka_store *store = pointer;

    store->changed = changed;
    store->context = context;
}

static void kafka_store_free(void *pointer)
{
    struct sl_pubsub_kafka_store *store = pointer;

    sl_pubsub_kafka_consumers_free(store);
    sl_pubsub_kafka_producer_free(store);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static enum sl_status kafka_open(void *store, sl_deadline deadline,
                                 void **connection, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *connection = store;
    return SL_OK;
}

static void kafka_close(void *connection)
{
    (void)connection;
}

static enum sl_status kafka_check(void *store, sl_deadline deadline,
                                  struct sl_error *err)
{
    return sl_pubsub_kafka_check_brokers(store, deadline, err);
}

/* Events are sent while the other ops are answered. */
static void kafka_run(void *connection, struct sl_op *const ops[], size_t count)
{
    struct sl_pubsub_kafka_batch *batch =
        sl_pubsub_kafka_publish(connection, ops, count);

    for (size_t i = 0; i < count; i++) {
        uint32_t verb = sl_op_verb(ops[i]);
        if (verb == SL_PUBSUB_SUBSCRIBE)
            sl_pubsub_kafka_subscribe(connection, ops[i]);
        else if (verb != SL_PUBSUB_PUBLISH && verb != SL_PUBSUB_ACKNOWLEDGE)
            sl_pubsub_kafka_run_as_member(connection, ops[i]);
    }
    sl_pubsub_kafka_acknowledge(connection, ops, count);
    sl_pubsub_kafka_publish_finish(connection, batch);
}

static bool kafka_idle(void *connection)
{
    sl_pubsub_kafka_consumers_idle(connection);
    return false;
}

/* SCRAM hides the password, but allows offline guessing, and the traffic that
 * follows is readable. */
static void kafka_risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_pubsub_kafka_options *options = data;

    if (options->password != NULL && !options->tls)
        sl_peer_tell_of_list(options->brokers, NULL, "set tls = true", tell,
                             context);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_pubsub_kafka = {
    .name = "pubsub.kafka",
    .service = "Apache Kafka 2.4 or newer, Confluent Cloud, Azure Event Hubs",
    .summary = "topics and consumer groups of Kafka, by librdkafka",
    .options = sl_pubsub_kafka_option_table,
    .options_size = sizeof(struct sl_pubsub_kafka_options),
    .features = SL_PUBSUB_FEATURE_SUBSCRIBE | SL_PUBSUB_FEATURE_KEYS |
                SL_PUBSUB_FEATURE_EARLIEST | SL_PUBSUB_FEATURE_DURABLE |
                SL_PUBSUB_FEATURE_SHARED,
    .connects_anywhere =
        true, /* the cluster tells the addresses of its brokers */
    .max_batch = SL_PUBSUB_KAFKA_BATCH,
    .risks = kafka_risks,
    .store_new = kafka_store_new,
    .watch = kafka_watch,
    .store_free = kafka_store_free,
    .open = kafka_open,
    .close = kafka_close,
    .check = kafka_check,
    .run = kafka_run,
    .idle = kafka_idle,
};

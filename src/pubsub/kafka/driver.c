/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.kafka: topics of Apache Kafka, by librdkafka (kafka.h).
 *
 * A state is nothing but its store: what connects, and connects anew, is
 * librdkafka.  So what needs no broker works without one; an acknowledgement is
 * noted, whether it can be committed at once or not.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "net/peer.h"
#include "pubsub/kafka/internal.h"

static enum sl_status kafka_store_new(const void *options, void **out,
                                      struct sl_error *err)
{
    enum sl_status status = sl_kafka_check_options(options, err);
    rd_kafka_conf_t *conf = NULL;

    if (status == SL_OK)
        status = sl_kafka_conf(options, &conf, err);
    if (status != SL_OK)
        return status;
    rd_kafka_conf_destroy(conf);
    struct sl_kafka_store *store = sl_alloc(sizeof(*store));
    store->options = options;
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return SL_OK;
}

static void kafka_watch(void *pointer, void (*changed)(void *context),
                        void *context)
{
    struct sl_kafka_store *store = pointer;

    store->changed = changed;
    store->context = context;
}

static void kafka_store_free(void *pointer)
{
    struct sl_kafka_store *store = pointer;

    sl_kafka_consumers_free(store);
    sl_kafka_producer_free(store);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static enum sl_status kafka_open(void *store, sl_deadline deadline,
                                 void **state, struct sl_error *err)
{
    (void)deadline;
    (void)err;
    *state = store;
    return SL_OK;
}

static void kafka_close(void *state)
{
    (void)state;
}

static enum sl_status kafka_check(void *store, sl_deadline deadline,
                                  struct sl_error *err)
{
    return sl_kafka_reach(store, deadline, err);
}

/* What is published is on its way while the others are answered. */
static void kafka_run(void *state, struct sl_op *const ops[], size_t count)
{
    struct sl_kafka_batch *batch = sl_kafka_publish(state, ops, count);

    for (size_t i = 0; i < count; i++) {
        uint32_t verb = sl_op_verb(ops[i]);
        if (verb == SL_PUBSUB_SUBSCRIBE)
            sl_kafka_subscribe(state, ops[i]);
        else if (verb != SL_PUBSUB_PUBLISH && verb != SL_PUBSUB_ACKNOWLEDGE)
            sl_kafka_as_member(state, ops[i]);
    }
    sl_kafka_acknowledge(state, ops, count);
    sl_kafka_publish_end(state, batch);
}

static bool kafka_idle(void *state)
{
    sl_kafka_consumers_idle(state);
    return false;
}

/* SCRAM keeps the password itself from being read, not from being guessed, and
 * not what is sent afterwards. */
static void risks(const void *data, sl_risk_fn *tell, void *context)
{
    const struct sl_kafka_options *options = data;

    if (options->password != NULL && !options->tls)
        sl_peer_tell_of_list(options->brokers, NULL, "set tls = true", tell,
                             context);
}

/* The only symbol this file exports. */
const struct sl_driver sl_driver_pubsub_kafka = {
    .name = "pubsub.kafka",
    .service = "Apache Kafka 2.4 or newer, Confluent Cloud, Azure Event Hubs",
    .summary = "topics and consumer groups of Kafka, by librdkafka",
    .options = sl_kafka_option_table,
    .options_size = sizeof(struct sl_kafka_options),
    .features = SL_PUBSUB_FEATURE_SUBSCRIBE | SL_PUBSUB_FEATURE_KEYS |
                SL_PUBSUB_FEATURE_EARLIEST | SL_PUBSUB_FEATURE_DURABLE |
                SL_PUBSUB_FEATURE_SHARED,
    .connects_anywhere = true, /* the cluster names its brokers */
    .max_batch = SL_KAFKA_BATCH,
    .risks = risks,
    .store_new = kafka_store_new,
    .watch = kafka_watch,
    .store_free = kafka_store_free,
    .open = kafka_open,
    .close = kafka_close,
    .check = kafka_check,
    .run = kafka_run,
    .idle = kafka_idle,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: all of a batch is given to librdkafka, which sends it in as few
 * requests as it can, and then waited for.  Its background thread tells what
 * became of each event.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pubsub/kafka.h"

enum {
    OVERHEAD = 1 << 18, /* of an event: key, attributes, headers */
    SLICE_MS = 100,
    PAUSE_MS = 20,
};

struct topic {
    char *name;
    char *kafka_name; /* behind the prefix */
    rd_kafka_topic_t *handle;
    int partitions; /* 0: not known to be there */
    struct topic *next;
};

struct sl_kafka_producer {
    const struct sl_kafka_store *store;
    rd_kafka_t *client;
    struct sl_kafka_trouble trouble;
    _Atomic bool dead; /* librdkafka will have no more of it */
    size_t users;      /* under the store's lock: the store's, and batches */
    struct topic *topics;
};

/* What becomes of one event. */
struct report {
    struct sl_kafka_batch *batch;
    struct sl_op *op;
    rd_kafka_resp_err_t code;
    rd_kafka_msg_status_t how;
    bool told;
};

/* Who waits has it, and each event on its way. */
struct sl_kafka_batch {
    struct sl_kafka_producer *producer;
    int64_t start;
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t waiting; /* events on their way */
    size_t owners;
    size_t count;
    struct report reports[];
};

static void batch_unref(struct sl_kafka_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    bool last = --batch->owners == 0;
    pthread_mutex_unlock(&batch->lock);
    if (!last)
        return;
    pthread_cond_destroy(&batch->told);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

/* --- On librdkafka's background thread -------------------------------------
 */

static void report(struct sl_kafka_producer *producer,
                   const rd_kafka_message_t *message)
{
    struct report *report = message->_private;
    struct sl_kafka_batch *batch = report->batch;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        sl_kafka_trouble_over(&producer->trouble);
    pthread_mutex_lock(&batch->lock);
    report->told = true;
    report->code = message->err;
    report->how = rd_kafka_message_status(message);
    if (--batch->waiting == 0)
        pthread_cond_signal(&batch->told);
    pthread_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

static void on_event(rd_kafka_t *client, rd_kafka_event_t *event, void *context)
{
    struct sl_kafka_producer *producer = context;
    const rd_kafka_message_t *message;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);

    (void)client;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(event)) != NULL)
            report(producer, message);
        break;
    case RD_KAFKA_EVENT_ERROR:
        if (rd_kafka_event_error_is_fatal(event))
            atomic_store(&producer->dead, true);
        sl_kafka_trouble_note(&producer->trouble, code,
                              rd_kafka_event_error_string(event));
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

/* --- The producer ----------------------------------------------------------
 */

static enum sl_status configure(rd_kafka_conf_t *conf,
                                const struct sl_kafka_options *options,
                                const struct sl_pubsub_config *config,
                                struct sl_error *err)
{
    /* Given up before who waits does, since it is looked at once a second. */
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
        sl_kafka_conf_set(conf, "enable.idempotence", "true", err);

    if (status == SL_OK)
        status = sl_kafka_conf_set(conf, "acks", "all", err);
    if (status == SL_OK)
        status = sl_kafka_conf_set(conf, "compression.codec",
                                   options->compression, err);
    if (status == SL_OK)
        status = sl_kafka_conf_set(conf, "partitioner",
                                   strcmp(options->partitioner, "murmur2") == 0
                                       ? "murmur2_random"
                                       : "consistent_random",
                                   err);
    for (size_t i = 0;
         status == SL_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        status =
            sl_kafka_conf_number(conf, numbers[i].name, numbers[i].value, err);
    return status;
}

static void producer_free(struct sl_kafka_producer *producer)
{
    for (struct topic *topic = producer->topics, *next; topic != NULL;
         topic = next) {
        next = topic->next;
        if (topic->handle != NULL)
            rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic->kafka_name);
        free(topic);
    }
    if (producer->client != NULL) {
        /* What nobody waits for any more. */
        rd_kafka_purge(producer->client,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(producer->client, 1000);
        rd_kafka_destroy(producer->client);
    }
    pthread_mutex_destroy(&producer->trouble.lock);
    free(producer);
}

static enum sl_status producer_new(const struct sl_kafka_store *store,
                                   const struct sl_pubsub_config *config,
                                   struct sl_kafka_producer **out,
                                   struct sl_error *err)
{
    struct sl_kafka_producer *producer = sl_alloc(sizeof(*producer));
    rd_kafka_conf_t *conf = NULL;
    enum sl_status status = sl_kafka_conf(store->options, &conf, err);

    producer->store = store;
    producer->users = 1;
    sl_kafka_trouble_init(&producer->trouble);
    if (status == SL_OK) {
        rd_kafka_conf_set_opaque(conf, producer);
        rd_kafka_conf_set_events(conf,
                                 RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
        rd_kafka_conf_set_background_event_cb(conf, on_event);
        status = configure(conf, store->options, config, err);
        if (status == SL_OK)
            status = sl_kafka_client(RD_KAFKA_PRODUCER, conf, &producer->client,
                                     err);
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

static void producer_unref(struct sl_kafka_store *store,
                           struct sl_kafka_producer *producer)
{
    pthread_mutex_lock(&store->lock);
    bool last = --producer->users == 0;
    pthread_mutex_unlock(&store->lock);
    if (last)
        producer_free(producer);
}

/* One that works; the caller's to unref. config may be NULL: one that is there.
 */
static enum sl_status get_producer(struct sl_kafka_store *store,
                                   const struct sl_pubsub_config *config,
                                   struct sl_kafka_producer **out,
                                   struct sl_error *err)
{
    struct sl_kafka_producer *over = NULL;
    enum sl_status status = SL_OK;

    pthread_mutex_lock(&store->lock);
    if (store->producer != NULL && atomic_load(&store->producer->dead)) {
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
        producer_unref(store, over);
    return status;
}

void sl_kafka_producer_free(struct sl_kafka_store *store)
{
    if (store->producer != NULL)
        producer_unref(store, store->producer);
    store->producer = NULL;
}

/* --- Topics ----------------------------------------------------------------
 */

static struct topic *find_topic(struct sl_kafka_producer *producer,
                                struct sl_bytes name)
{
    struct topic *topic = producer->topics;

    while (topic != NULL && !sl_bytes_equal(sl_bytes_of(topic->name), name))
        topic = topic->next;
    return topic;
}

/* Never removed: valid as long as the producer. */
static struct topic *get_topic(struct sl_kafka_store *store,
                               struct sl_kafka_producer *producer,
                               struct sl_bytes name)
{
    pthread_mutex_lock(&store->lock);
    struct topic *topic = find_topic(producer, name);
    if (topic == NULL) {
        topic = sl_alloc(sizeof(*topic));
        topic->name = sl_strndup(name.ptr, name.len);
        topic->kafka_name =
            sl_asprintf("%s%s", store->options->prefix, topic->name);
        topic->handle =
            rd_kafka_topic_new(producer->client, topic->kafka_name, NULL);
        topic->next = producer->topics;
        producer->topics = topic;
    }
    pthread_mutex_unlock(&store->lock);
    return topic;
}

static int known_partitions(struct sl_kafka_store *store,
                            const struct topic *topic)
{
    pthread_mutex_lock(&store->lock);
    int partitions = topic->partitions;
    pthread_mutex_unlock(&store->lock);
    return partitions;
}

static void set_partitions(struct sl_kafka_store *store, struct topic *topic,
                           int partitions)
{
    pthread_mutex_lock(&store->lock);
    topic->partitions = partitions;
    pthread_mutex_unlock(&store->lock);
}

/* The outcome of a CreateTopics of one topic. */
static rd_kafka_resp_err_t created(rd_kafka_queue_t *queue, int timeout_ms)
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

static rd_kafka_resp_err_t create(struct sl_kafka_producer *producer,
                                  const char *name, int timeout_ms)
{
    const struct sl_kafka_options *options = producer->store->options;
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
        code = created(queue, timeout_ms);
        rd_kafka_NewTopic_destroy(topic);
    }
    rd_kafka_AdminOptions_destroy(admin);
    rd_kafka_queue_destroy(queue);
    return code;
}

/* What the brokers say of it now. */
static rd_kafka_resp_err_t look_at(struct sl_kafka_producer *producer,
                                   const struct topic *topic, int timeout_ms,
                                   int *partitions)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(
        producer->client, 0, topic->handle, &metadata, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    sl_kafka_trouble_over(&producer->trouble);
    if (metadata->topic_cnt == 1) {
        code = metadata->topics[0].err;
        *partitions = metadata->topics[0].partition_cnt;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && *partitions == 0)
        code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return code;
}

static void pause_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000L};

    nanosleep(&pause, NULL);
}

static int slice(sl_deadline deadline, int most)
{
    int left = sl_deadline_left_ms(deadline);

    return left < most ? left : most;
}

/* Wait for the topic, making it where there is none. */
static enum sl_status find_or_create(struct sl_kafka_store *store,
                                     struct sl_kafka_producer *producer,
                                     struct topic *topic, sl_deadline deadline,
                                     int *partitions, struct sl_error *err)
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
        code = look_at(producer, topic, slice(deadline, SLICE_MS), partitions);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            set_partitions(store, topic, *partitions);
            return SL_OK;
        }
        if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !asked) {
            if (!store->options->create_topics)
                break;
            code = create(producer, topic->kafka_name,
                          sl_deadline_left_ms(deadline));
            asked = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        enum sl_status status = sl_kafka_status(code);
        if ((status != SL_OK && status != SL_UNAVAILABLE &&
             status != SL_TIMEOUT && !asked) ||
            sl_kafka_trouble_is_final(&producer->trouble, start))
            break;
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT)
            pause_ms(PAUSE_MS);
    }
    return sl_kafka_fail_with(store, &producer->trouble, topic->name, code,
                              err);
}

enum sl_status sl_kafka_topic(struct sl_kafka_store *store, struct sl_op *op,
                              int *partitions, struct sl_error *err)
{
    const struct sl_pubsub_request *request = op->request;
    struct sl_kafka_producer *producer = NULL;
    enum sl_status status =
        get_producer(store, sl_pubsub_config_of(op), &producer, err);

    if (status != SL_OK)
        return status;
    status = find_or_create(store, producer,
                            get_topic(store, producer, request->topic),
                            op->deadline, partitions, err);
    producer_unref(store, producer);
    return status;
}

enum sl_status sl_kafka_reach(struct sl_kafka_store *store,
                              sl_deadline deadline, struct sl_error *err)
{
    static const struct sl_pubsub_config config = {
        .service = {.timeout_ms = 5000}, .max_payload = 16 << 20};
    const struct rd_kafka_metadata *metadata;
    struct sl_kafka_producer *producer = NULL;
    int64_t start = sl_now_ns();
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    enum sl_status status = SL_TIMEOUT;

    /* Of its own: what is asked of the one of the store is not known yet. */
    status = producer_new(store, &config, &producer, err);
    if (status != SL_OK)
        return status;
    while (!sl_deadline_passed(deadline) &&
           !sl_kafka_trouble_is_final(&producer->trouble, start)) {
        code = rd_kafka_metadata(producer->client, 0, NULL, &metadata,
                                 slice(deadline, SLICE_MS));
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        rd_kafka_metadata_destroy(metadata);
        break;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = sl_kafka_fail_with(store, &producer->trouble,
                                    "no broker answers", code, err);
    producer_free(producer);
    return status;
}

/* --- Publishing ------------------------------------------------------------
 */

static void refuse(struct sl_op *op, const struct sl_error *err)
{
    op->not_sent = true;
    sl_op_fail(op, err);
}

/* To Kafka nothing is not the same as empty. */
static struct sl_bytes not_null(struct sl_bytes bytes)
{
    return bytes.len > 0 ? bytes : SL_LITERAL("");
}

/* On its way; false: answered. */
static bool send_one(struct sl_kafka_store *store,
                     struct sl_kafka_producer *producer, struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct topic *topic = get_topic(store, producer, request->topic);
    rd_kafka_headers_t *headers;
    struct sl_error err;
    int partitions;

    if ((known_partitions(store, topic) == 0 &&
         find_or_create(store, producer, topic, report->op->deadline,
                        &partitions, &err) != SL_OK) ||
        sl_kafka_headers(request, &headers, &err) != SL_OK) {
        refuse(report->op, &err);
        return false;
    }
    const struct sl_bytes payload = not_null(request->payload);
    const struct sl_bytes key =
        request->key.ptr != NULL ? not_null(request->key) : request->key;
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)payload.ptr, payload.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = report},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(
        producer->client, parts,
        sizeof(parts) / sizeof(parts[0]) - (headers == NULL));
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    sl_kafka_fail(store, topic->name, code, &err);
    refuse(report->op, &err);
    return false;
}

static struct sl_kafka_batch *batch_new(struct sl_kafka_producer *producer,
                                        size_t most)
{
    pthread_condattr_t attributes;
    struct sl_kafka_batch *batch =
        sl_alloc(sizeof(*batch) + most * sizeof(batch->reports[0]));

    batch->producer = producer;
    batch->owners = 1;
    batch->start = sl_now_ns();
    pthread_mutex_init(&batch->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&batch->told, &attributes);
    pthread_condattr_destroy(&attributes);
    return batch;
}

static void send_or_answer(struct sl_kafka_store *store,
                           struct sl_kafka_batch *batch, struct sl_op *op)
{
    struct report *report = &batch->reports[batch->count];

    report->batch = batch;
    report->op = op;
    pthread_mutex_lock(&batch->lock); /* it may be told at once */
    batch->waiting++;
    batch->owners++;
    pthread_mutex_unlock(&batch->lock);
    if (send_one(store, batch->producer, report)) {
        batch->count++;
        return;
    }
    pthread_mutex_lock(&batch->lock);
    batch->waiting--;
    batch->owners--;
    pthread_mutex_unlock(&batch->lock);
}

struct sl_kafka_batch *sl_kafka_publish(struct sl_kafka_store *store,
                                        struct sl_op *const ops[], size_t count)
{
    struct sl_kafka_batch *batch = NULL;
    struct sl_kafka_producer *producer = NULL;
    struct sl_error err;

    for (size_t i = 0; i < count; i++) {
        if (sl_op_verb(ops[i]) != SL_PUBSUB_PUBLISH)
            continue;
        if (batch == NULL) {
            if (get_producer(store, sl_pubsub_config_of(ops[i]), &producer,
                             &err) != SL_OK) {
                refuse(ops[i], &err);
                continue;
            }
            batch = batch_new(producer, count);
        }
        send_or_answer(store, batch, ops[i]);
    }
    return batch;
}

/* Until all are told, or the last deadline; with the lock held. */
static void wait_for_all(struct sl_kafka_batch *batch)
{
    struct sl_kafka_trouble *trouble = &batch->producer->trouble;
    sl_deadline last = 0;
    bool purged = false;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->reports[i].op->deadline > last)
            last = batch->reports[i].op->deadline;
    while (batch->waiting > 0 && !sl_deadline_passed(last)) {
        sl_deadline look = sl_deadline_in_ms(slice(last, SLICE_MS));
        const struct timespec at = {.tv_sec = look / 1000000000,
                                    .tv_nsec = look % 1000000000};
        pthread_cond_timedwait(&batch->told, &batch->lock, &at);
        /* Where no broker lets us in, nothing of anybody will be sent. */
        if (batch->waiting == 0 || purged ||
            !sl_kafka_trouble_is_final(trouble, batch->start))
            continue;
        purged = true;
        pthread_mutex_unlock(&batch->lock);
        rd_kafka_purge(batch->producer->client, RD_KAFKA_PURGE_F_QUEUE);
        pthread_mutex_lock(&batch->lock);
    }
}

static void answer(struct sl_kafka_store *store, struct sl_kafka_batch *batch,
                   struct report *report)
{
    const struct sl_pubsub_request *request = report->op->request;
    struct sl_kafka_trouble *trouble = &batch->producer->trouble;
    rd_kafka_resp_err_t code = report->code;
    struct sl_error err;
    char name[SL_PUBSUB_NAME_MAX + 1] = "";

    if (report->told && code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    memcpy(name, request->topic.ptr, request->topic.len);
    report->op->not_sent =
        report->told && report->how == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    if (!report->told || code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        sl_kafka_fail_with(
            store, trouble, name,
            report->told ? code : RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, &err);
    else
        sl_kafka_fail(store, name, code, &err);
    if (!report->op->not_sent &&
        (err.status == SL_UNAVAILABLE || err.status == SL_UNAUTHENTICATED) &&
        (!report->told || sl_kafka_status(code) == SL_TIMEOUT))
        err.status = SL_TIMEOUT; /* it may have been published */
    /* It was there, and somebody has removed it, or our right to it. */
    enum sl_status said = sl_kafka_status(code);
    if (report->told &&
        (said == SL_NOT_FOUND || said == SL_PERMISSION_DENIED)) {
        set_partitions(store, get_topic(store, batch->producer, request->topic),
                       0);
        if (said == SL_NOT_FOUND && store->options->create_topics)
            err.status = SL_UNAVAILABLE;
    }
    sl_op_fail(report->op, &err);
}

/*
 * An event that failed is not repeated once a later one was published, which
 * may be of its key.
 */
static void keep_order(struct sl_kafka_batch *batch)
{
    bool published = false;

    for (size_t i = batch->count; i-- > 0;) {
        struct sl_op *op = batch->reports[i].op;
        if (sl_op_answer(op)->err.status == SL_OK)
            published = true;
        else if (published)
            op->not_sent = false;
    }
}

void sl_kafka_publish_end(struct sl_kafka_store *store,
                          struct sl_kafka_batch *batch)
{
    if (batch == NULL)
        return;
    struct sl_kafka_producer *producer = batch->producer;
    pthread_mutex_lock(&batch->lock);
    wait_for_all(batch);
    for (size_t i = 0; i < batch->count; i++)
        answer(store, batch, &batch->reports[i]);
    pthread_mutex_unlock(&batch->lock);
    keep_order(batch);
    batch_unref(batch);
    producer_unref(store, producer);
}
